"""The follower: any number of sources tell of sealed rounds, each round is verified once, and whoever wants them gets it then.

Consumers are called one after the other, in the order in which rounds arrive, and the source waits for them. Of a round the first
that verifies is handed on. Numbers are the same whoever tells it; words (reasons' texts, who was late) are that source's. Where
a source that stands earlier in the config tells the round later, it is handed on once more with that one's words, so that all who
follow the same sources come to show the same.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from oracle.follow.sources import RoundSource, SourceState
from oracle.follow.store_sets import StoreSets
from oracle.follow.told_round import RefusedRound, RefusedWhy, ToldRound, told_round
from oracle.follow.verify import reports_of, silent_of, verified_agreement, verified_records
from oracle.model.publication import Record, Silent
from oracle.model.spec import FeedSpec
from oracle.runtime.log_limit import LogBudget
from oracle.sign.eip712 import Domain
from oracle.sign.messages import Agreement

_MS, _AHEAD_S = 1_000, 120
_REWORDED = 32
"""Rounds, the newest, whose words may still become those of an earlier source."""
_log = structlog.get_logger("oracle.follow.follower")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRound:
    """A sealed round that was verified against the store's own signer set.

    Attributes:
        domain: chain and store.
        round_time_s: of the round: with the domain its key.
        agreement: what was sealed, with signatures and set; its values are not told.
        records: of each feed that was sealed and is wanted.
        silent: feeds without a fresh price.
        source: who told it.
        received_ms: when, Unix ms.
        is_first: whether it was not known before; if not, only words differ from what was handed on.
    """

    domain: Domain
    round_time_s: int
    agreement: Agreement
    records: tuple[Record, ...]
    silent: tuple[Silent, ...]
    source: str
    received_ms: int
    is_first: bool = True

    @property
    def lag_ms(self) -> int:
        """From the round's time until it was heard."""
        return self.received_ms - self.round_time_s * _MS


Take = Callable[[VerifiedRound], Awaitable[None]]


@dataclass(slots=True)
class _Known:
    agreement: Agreement
    rank: int
    before: Mapping[str, Record]


class RoundFollower:
    """Follows a store.

    Args:
        target: name of the store here.
        sets: of the store, read from its chain.
        specs: feeds that are wanted.
        sources: who tells of rounds, those first whose words are preferred.
        now_ms: the clock.
        keep_s: older rounds are not taken.
        most_known: so many rounds are known at most; an older one that is told again is verified and handed on again.

    Attributes:
        takers: who gets each round.
        newest_s: the newest round that was verified, 0 before the first.
    """

    def __init__(
        self, target: str, sets: StoreSets, specs: Mapping[str, FeedSpec], sources: Sequence[RoundSource], *,
        now_ms: Callable[[], int], keep_s: int, most_known: int = 1 << 20,
    ) -> None:  # fmt: skip
        self.sets, self.sources = sets, tuple(sources)
        self.takers: list[Take] = []
        self.newest_s = 0
        self._target, self._specs = target, specs
        self._now_ms, self._keep_s, self._most_known = now_ms, keep_s, most_known
        self._known: OrderedDict[int, _Known] = OrderedDict()
        self._last: dict[str, Record] = {}
        self._turn = asyncio.Lock()
        self._told = LogBudget()

    @property
    def states(self) -> tuple[SourceState, ...]:
        """How each source is."""
        return tuple(s.state for s in self.sources)

    async def run(self, after_s: int | None = None) -> None:
        """Follow for ever.

        Args:
            after_s: begin with the rounds stored after this one; None: as far back as rounds are taken.
        """
        first_s = self._oldest_s() if after_s is None else after_s
        async with asyncio.TaskGroup() as group:
            for source in self.sources:
                group.create_task(source.run(self.hear, first_s))

    async def hear(self, source: SourceState, event_id: int, data: bytes) -> bool:
        """A source tells a round; whether it verifies.

        Raises:
            SetUnknown: the chain cannot be read: it is to be told again.
        """
        async with self._turn:
            try:
                told = told_round(data)
                self._check_place(told, event_id)
                verified = await self._verified(source, told)
            except RefusedRound as e:
                source.heard += 1
                source.refused[e.why] += 1
                if (more := self._told.more((source.name, e.why))) is not None:
                    _log.warning("a round does not verify and is not taken", source=source.name, round=event_id,
                                 why=str(e), more_since_the_last_line=more)  # fmt: skip
                return False
            if verified is not None:
                for take in self.takers:
                    await take(verified)
            source.heard += 1
            source.newest_s = max(source.newest_s, event_id)
            return True

    def _check_place(self, told: ToldRound, event_id: int) -> None:
        if told.domain != self.sets.domain:
            raise RefusedRound(RefusedWhy.STORE, "it is of another store or chain")
        if told.sealed.round != event_id:
            raise RefusedRound(RefusedWhy.TIME, f"round {told.sealed.round} comes as {event_id}")
        if not self._oldest_s() <= event_id <= self._now_ms() // _MS + _AHEAD_S:
            raise RefusedRound(RefusedWhy.TIME, f"round {event_id} is too old, or of the future")

    def _oldest_s(self) -> int:
        return self._now_ms() // _MS - self._keep_s

    async def _verified(self, source: SourceState, told: ToldRound) -> VerifiedRound | None:
        """The round as it is handed on; None where all of it is known."""
        round_s = told.sealed.round
        known = self._known.get(round_s)
        if known is not None and (known.agreement.items, known.agreement.signers.epoch) == (told.items, told.epoch):
            agreement, before = known.agreement, known.before
        else:
            agreement = await self._agreement(told)
            if known is not None:
                raise RefusedRound(RefusedWhy.CONFLICT, f"round {round_s} was sealed with something else as well")
            before = dict(self._last) if round_s > self.newest_s else {}
        records = verified_records(told, agreement, self._specs, before)
        by_feed = {r.feed: r for r in records}
        silent = silent_of(told, by_feed, self._specs)
        if known is not None and not (source.rank < known.rank and self._is_recent(round_s)):
            return None
        self._known[round_s] = _Known(agreement, source.rank, before)
        if known is None:
            source.verified += 1
        if round_s >= self.newest_s:
            self.newest_s = round_s
            self._last |= by_feed
        self._forget()
        return VerifiedRound(
            domain=self.sets.domain, round_time_s=round_s, agreement=agreement, records=records, silent=silent,
            source=source.name, received_ms=self._now_ms(), is_first=known is None,
        )  # fmt: skip

    async def _agreement(self, told: ToldRound) -> Agreement:
        signers = await self.sets.signers_at(told.sealed.round)
        feeds = await self.sets.feeds_with(reports_of(told.items, told.sealed.round))
        return verified_agreement(told, self._target, signers, feeds)

    def _is_recent(self, round_s: int) -> bool:
        return sum(r > round_s for r in self._known) < _REWORDED

    def _forget(self) -> None:
        """Of older rounds nothing is kept but what was sealed, and in the end not even that."""
        times = sorted(self._known)
        recent = times[-_REWORDED:]
        for round_s, known in self._known.items():
            if known.before and round_s < recent[0]:
                known.before = {}
        oldest_s = self._oldest_s()
        for round_s in [*times[: -self._most_known], *(r for r in times[-self._most_known :] if r < oldest_s)]:
            del self._known[round_s]
