"""Who signs at a store: its signer set now and next, the seats of the operators here, and what the store takes from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from feeds.units import MS
from oracle.chain.next_signers import NextSignerSet, read_next_set
from oracle.chain.store_client import StoreClient
from oracle.chain.store_rules import StoreLimits
from oracle.model.types import Report
from oracle.network.members_reader import MembersReader
from oracle.network.membership import MembersUnknown
from oracle.push.arming.arm import Arming
from oracle.push.attestation import Attesters
from oracle.push.preflight import check_presence, indexes_of, read_limits
from oracle.push.settings import PushRules, TargetPace
from oracle.round.rounds import Rounds
from oracle.round.seat import SignerSeat
from oracle.runtime.clock import is_over
from oracle.sign.messages import SignerSet
from oracle.sign.succession import Succession

_log = structlog.get_logger("oracle.push.seating")


class Seating:
    """The seats of one target.

    Args:
        target: its name in the config.
        client: the store on its chain.
        attesters: the operators here, who take the seats.
        arming: has the next set armed.
        rounds: are signed for the set whose round they are.
        rules: the limits of the target.
        pace: how often it looks.
        now_ms: the clock.
        on_failed: called with a word for what does not add up.
        members: reads who agrees on a round with operators of other processes; None where there are none.
        on_members: called with the report addresses of all that sign for the store, or will.

    Attributes:
        indexes: index of each feed in the store.
        limits: what the store takes of each feed, by index.
        step_weight: with which a price may move by any step.
    """

    def __init__(
        self,
        target: str,
        client: StoreClient,
        attesters: Attesters,
        arming: Arming,
        rounds: Rounds,
        *,
        rules: PushRules,
        pace: TargetPace,
        now_ms: Callable[[], int],
        on_failed: Callable[[str], None],
        members: MembersReader | None = None,
        on_members: Callable[[frozenset[bytes]], None] = lambda _: None,
    ) -> None:
        self._members, self._on_members = members, on_members
        self.indexes: Mapping[str, int] = {}
        self.limits: Mapping[int, StoreLimits] = {}
        self.step_weight = 0
        self._target, self._client, self._attesters, self._arming = target, client, attesters, arming
        self._rounds, self._rules, self._pace = rounds, rules, pace
        self._now_ms, self._on_failed = now_ms, on_failed
        self._succession: Succession | None = None
        self._coming: NextSignerSet | None = None
        self._signers_ms = 0
        self._has_changed = False
        """Whether the sets were seen to be others than those that were read last."""
        self._journals_checked = False

    @property
    def taken(self) -> bool:
        """Whether the operators have their seats."""
        return self._attesters.signers is not None

    async def read_indexes(self, feeds: Sequence[str]) -> Mapping[str, int]:
        """Index of each feed in the store; Unfit where the config does not match it."""
        indexes = indexes_of(feeds, await self._client.feeds())
        await check_presence(self._client, indexes, self._rounds.specs)
        return indexes

    async def take(self, signers: SignerSet, indexes: Mapping[str, int], stored: Mapping[int, Report]) -> None:
        """Take the seats of a signer set for the first time, or anew.

        Args:
            signers: the set.
            indexes: of the feeds in the store.
            stored: what it holds: tells whether a journal was restored, before anything is signed.
        """
        self.indexes = indexes
        self._check_journals(signers, stored)
        await self._seat_operators(signers)

    async def read_signers(self) -> Succession:
        """Read which set is in force, which is to come, and whether that one has to be armed: all at one block."""
        head = await self._client.head()
        now = await self._client.connect(head.number)
        coming = await read_next_set(self._client, head.number)
        self._arming.note_next_set(coming, head.number, head.time_s)
        self._coming = coming or self._coming
        certain = (coming.signers, coming.from_s) if coming is not None and coming.armed else None
        self._succession = (self._succession or Succession(present=now)).updated(now, certain)
        self._signers_ms, self._has_changed = self._now_ms(), False
        return self._succession

    async def refresh_members(self) -> None:
        """See whose the next rounds are, where operators of other processes have to come to the same."""
        if self._members is not None:
            self._has_changed |= await self._members.refresh()
            self._on_members(self._members.addresses())

    def _members_at(self, round_s: int) -> tuple[SignerSet, tuple[bytes, ...]] | None:
        if self._members is None:
            return None
        try:
            members = self._members.at(round_s)
        except MembersUnknown:
            return None
        return members.signers, members.order

    async def follow(self, round_s: int) -> None:
        """Take the seats of the set whose round that is, also before a block says that it is in force."""
        succession = self._succession
        if succession is None or succession.at(round_s) == self._attesters.signers:
            return
        signers = succession.at(round_s)
        _log.info("the signer set changed", target=self._target, epoch=signers.epoch)
        await self._seat_operators(signers)

    async def reread_signers(self, round_s: Callable[[], int]) -> None:
        """Read the signers anew, and follow them: now and then, and at once when their sets have changed.

        A set has to be armed in the time between its naming and MAX_AHEAD_S before it takes over, by members who all see it.

        Args:
            round_s: the round that a push would be of now.
        """
        if not self._has_changed and not is_over(self._signers_ms, self._pace.signers_ms, self._now_ms()):
            return
        before = self._succession
        if await self.read_signers() != before:
            self._announce()
        await self.follow(round_s())

    def check_signed_elsewhere(self, stored: Mapping[int, Report]) -> None:
        """Reported and counted, no more: during a change of signers the set before may still be the one that signs."""
        since_s = self._now_ms() // MS - self._rules.max_push_age_s
        for feed, names in self._attesters.signed_elsewhere(stored, since_s).items():
            self._on_failed("signed_elsewhere")
            _log.error(
                "the store holds a round that these operators' keys must have signed and whose place none of their"
                " journals knows: another process signs with these keys, stop one of the two",
                target=self._target, feed=feed, operators=names,
            )  # fmt: skip

    def _check_journals(self, signers: SignerSet, stored: Mapping[int, Report]) -> None:
        """Once: a store that holds what no journal knows of shows that they were restored."""
        if self._journals_checked:
            return
        self._journals_checked = True
        newest_s = max((r.round_time_s for r in stored.values()), default=0)
        for operator in self._attesters.with_old_journals(signers, stored):
            operator.journal.mark_restored(self._now_ms(), newest_s)
            self._on_failed("journal_restored")
            _log.error(
                "the store holds a round that this key must have signed and that is newer than all of its journal: the"
                " journal was restored; silent for a while",
                target=self._target, operator=operator.name, journal=str(operator.journal.path),
            )  # fmt: skip

    async def _seat_operators(self, signers: SignerSet) -> None:
        """Read what the store takes, then take the seats: a target that is connected knows all of it."""
        coming = self._coming
        if coming is not None and coming.signers.epoch == signers.epoch:
            self.step_weight = coming.strong  # the newest block may know nothing of it yet
        else:
            self.step_weight = await self._client.step_threshold()
        limits = await read_limits(self._client, self.indexes, self._rules.max_push_age_s)
        expected = () if coming is None else coming.signers.signers
        strong = self._attesters.take_seats(signers, self.indexes, expected) >= self.step_weight
        self.limits = {i: replace(of_feed, strong=strong) for i, of_feed in limits.items()}
        self._announce()

    def _announce(self) -> None:
        """Let the rounds know for which set they are signed, and for which from when on."""
        succession = self._succession
        if succession is None:
            return
        self._rounds.take_seat(
            SignerSeat(
                target=self._target,
                signers=succession.present,
                indexes=self.indexes,
                after=succession.after,
                from_s=succession.from_s,
                members=self._members_at,
            )
        )
