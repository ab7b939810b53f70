"""The operators of this process at one store: their values of a round, signed for it, and their votes on a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from feeds.units import MS
from oracle.chain.quorum_rpc import ChainError
from oracle.model.target_status import SignerQuorum
from oracle.model.types import FeedRound, Report
from oracle.round.rounds import Round
from oracle.sign.local_cosigners import LocalCosigners
from oracle.sign.messages import SignerSet
from oracle.sign.operator import Operator
from oracle.sign.quorum import CollectedSignatures, collect_signatures
from oracle.sign.verified_values import VerifiedValues, verify_answers

_ROUNDS_KEPT = 4
_log = structlog.get_logger("oracle.push.attestation")


class Attesters:
    """Those of the operators that the store knows. Empty until `sit`.

    Args:
        target: name of the target.
        operators: the signers in this process. An operator's view is by feed index, and indexes are the store's: each
            target gets operators with views of their own, over the same keys and journals.
        now_ms: the clock.
        clock_ok: whether the clock may go under a signature.
    """

    def __init__(
        self,
        target: str,
        operators: Sequence[Operator],
        *,
        now_ms: Callable[[], int],
        clock_ok: Callable[[], bool],
    ) -> None:
        self.signers: SignerSet | None = None
        self._target = target
        self._operators = [o.with_own_views() for o in operators]
        self._now_ms, self._clock_ok = now_ms, clock_ok
        self._members: list[Operator] = []
        self._indexes: Mapping[str, int] = {}
        self._cosigners: LocalCosigners | None = None
        self._said: dict[int, asyncio.Task[tuple[VerifiedValues, ...]]] = {}
        self._seated_s = 0
        self._looked_at: dict[int, int] = {}

    def sit(self, signers: SignerSet, indexes: Mapping[str, int], coming: Sequence[bytes] = ()) -> int:
        """Take the seats that the store's signer set has for these operators; returns their weight.

        Args:
            signers: the set.
            indexes: of the feeds there.
            coming: members of the set that is to follow: they have no seat yet, and are no strangers.
        """
        strangers = [o.name for o in self._operators if o.address not in (*signers.signers, *coming)]
        if strangers:
            _log.error("operators that the store does not know sign in vain", target=self._target, operators=strangers)
        self._members = [o for o in self._operators if o.address in signers.signers]
        self.signers, self._indexes, self._said = signers, indexes, {}
        self._seated_s = self._now_ms() // MS
        self._cosigners = LocalCosigners(self._members, signers, now_ms=self._now_ms, clock_ok=self._clock_ok)
        return signers.weight_of([o.address for o in self._members])

    def quorum(self, done: Round | None) -> SignerQuorum | None:
        """What these operators can bring to a push now; None without a seat. ``done``: the newest round."""
        signers = self.signers
        if signers is None:
            return None
        missing = [f"{o.name} is not among the store's signers" for o in self._operators if o not in self._members]
        able = []
        for one in self._members:
            if one.is_mute(self._now_ms()):
                missing.append(f"{one.name} is mute")
            elif done is not None and one.name in done.mute:
                missing.append(f"{one.name} did not sign the newest round")
            else:
                able.append(one.address)
        here = {o.address for o in self._members}
        strangers = [(a, w) for a, w in zip(signers.signers, signers.weights, strict=True) if a not in here]
        missing += [f"0x{a.hex()} (weight {w}) does not sign here" for a, w in strangers if w]
        return SignerQuorum(weight=signers.weight_of(able), threshold=signers.threshold, missing=tuple(missing))

    def leave(self) -> None:
        """Give the seats up: the signer set may have changed."""
        self.signers = None

    async def values(self, done: Round) -> tuple[VerifiedValues, ...]:
        """The operators' own values of a round, signed for this store.

        () while they may not sign, and for a round that was published unsigned: what goes on chain is what was published.
        Where these signers agreed on what was published, its values are meant, and nobody signs again. Elsewhere the
        operators are asked once, however many want to know: two answers would be two values for one place.
        """
        signers = self.signers
        if signers is None or not done.values or not self._clock_ok():
            return ()
        if done.round_time_s not in self._said:
            said = {**self._said, done.round_time_s: asyncio.create_task(self._say(done, signers))}
            self._said = {r: said[r] for r in sorted(said)[-_ROUNDS_KEPT:]}
        task = self._said.get(done.round_time_s)
        values = await asyncio.shield(task) if task is not None else ()
        return values if self.signers is signers else ()  # the set may have changed: these are for the one before

    async def _say(self, done: Round, signers: SignerSet) -> tuple[VerifiedValues, ...]:
        """Ask all who may speak at once; who was mute in the round stays so, and who does not sign is left out."""
        views: dict[str, dict[int, Report]] = {o.name: {} for o in self._members}
        for feed in done.feeds:
            report = feed.result.report if isinstance(feed.result, FeedRound) else feed.result.kept
            if report is not None and feed.spec.feed in self._indexes and feed.operator in views:
                views[feed.operator][self._indexes[feed.spec.feed]] = report
        if any(a.signers == signers for a in done.agreements):
            spoke = {v.address for v in done.values}
            for one in (o for o in self._members if o.address in spoke):
                one.take_view(done.round_time_s, views[one.name])
            return done.values
        speakers = [o for o in self._members if not o.is_mute(self._now_ms()) and o.name not in done.mute]
        said = await asyncio.gather(*(o.request_values(signers, done.round_time_s, views[o.name]) for o in speakers))
        values, refusals = verify_answers(speakers, said, signers, done.round_time_s)
        for no in refusals:
            _log.warning("an operator did not sign", target=self._target, operator=no.operator, why=no.text)
        return values

    def doubles(self, stored: Mapping[int, Report], since_s: int) -> dict[str, list[str]]:
        """Feeds whose stored round must bear signatures that these operators never gave, and who they are.

        A round reached the threshold. Where all others together do not, one of the operators whose journals do not have
        its place has signed it, in another process. Each stored round is looked at once.

        Args:
            stored: by feed index, as read from the store.
            since_s: rounds up to then are left alone, and those from before these operators took their seats.
        """
        signers, found = self.signers, dict[str, list[str]]()
        if signers is None or not self._members:
            return found
        for feed, index in self._indexes.items():
            round_s = stored[index].round_time_s if index in stored else 0
            if round_s <= max(since_s, self._seated_s, self._looked_at.get(index, 0)):
                continue
            self._looked_at[index] = round_s
            silent = [o for o in self._members if not o.has_signed(signers, index, round_s)]
            others = sum(signers.weights) - signers.weight_of([o.address for o in silent])
            if others < signers.threshold:
                found[feed] = [o.name for o in silent]
        return found

    def behind(self, signers: SignerSet, stored: Mapping[int, Report]) -> list[Operator]:
        """Operators whose journals are older than what their keys must have signed for what the store holds.

        A stored round reached the threshold. Where those whose journals do not go that far are needed for it, they have
        signed it, and the journals were restored since. A journal without a line for the store says nothing: its key may
        be new, and if it is not, it was mute for being empty.

        Args:
            signers: the store's set.
            stored: by feed index, as read from the store.
        """
        newest = {
            o.address: o.journal.newest_round_s(signers.domain) for o in self._operators if o.address in signers.signers
        }
        found: set[bytes] = set()
        for report in stored.values():
            short = [a for a, at_s in newest.items() if 0 < at_s < report.round_time_s]
            if sum(signers.weights) - signers.weight_of(short) < signers.threshold:
                found |= set(short)
        return [o for o in self._operators if o.address in found]

    async def vote(self, values: Sequence[VerifiedValues], indexes: Sequence[int]) -> CollectedSignatures:
        """Have a batch of these feeds signed; ChainError without a seat."""
        if self._cosigners is None or self.signers is None:
            raise ChainError("not connected")
        return await collect_signatures(self._cosigners, self.signers, values, indexes)
