"""The operators of this process at one store: their values of a round, signed for it, and their signatures of a batch."""

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
from oracle.sign.signed_batch import CollectedSignatures, collect_signatures
from oracle.sign.verified_values import VerifiedValues, verify_answers

_ROUNDS_KEPT = 4
_log = structlog.get_logger("oracle.push.attestation")


class Attesters:
    """Those of the operators that the store knows; nobody before `take_seats`.

    Args:
        target: name of the target.
        operators: the signers in this process. An operator's view is by feed index, and indexes are the store's: each
            target gets operators with views of their own, over the same keys and journals.
        now_ms: the clock.
        clock_ok: whether the clock may go under a signature.

    Attributes:
        signers: the set in which they have their seats; None while they have none.
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
        self._values: dict[int, asyncio.Task[tuple[VerifiedValues, ...]]] = {}
        """By round_time."""
        self._seated_s = 0
        self._checked_s: dict[int, int] = {}
        """The stored round that was last checked for signatures from elsewhere, by feed index."""

    def take_seats(self, signers: SignerSet, indexes: Mapping[str, int], coming: Sequence[bytes] = ()) -> int:
        """Take the seats that the store's signer set has for these operators; returns their weight.

        Args:
            signers: the set.
            indexes: of the feeds there.
            coming: members of the set that is to follow: they have no seat yet, and are no strangers.
        """
        strangers = [o.name for o in self._operators if o.address not in (*signers.signers, *coming)]
        if strangers:
            _log.error(
                "these operators sign for nothing: the store does not know their keys; have its owner add them, or remove"
                " them from the config",
                target=self._target, operators=strangers,
            )  # fmt: skip
        self._members = [o for o in self._operators if o.address in signers.signers]
        self.signers, self._indexes, self._values = signers, indexes, {}
        self._seated_s = self._now_ms() // MS
        self._cosigners = LocalCosigners(self._members, signers, now_ms=self._now_ms, clock_ok=self._clock_ok)
        return signers.weight_of([o.address for o in self._members])

    def leave_seats(self) -> None:
        """Give the seats up: the signer set may have changed."""
        self.signers = None

    def quorum(self, newest: Round | None) -> SignerQuorum | None:
        """What these operators can bring to a push now; None without a seat. ``newest``: the newest round."""
        signers = self.signers
        if signers is None:
            return None
        missing = [f"{o.name} is not among the store's signers" for o in self._operators if o not in self._members]
        able = []
        for operator in self._members:
            if operator.is_mute(self._now_ms()):
                missing.append(f"{operator.name} is mute")
            elif newest is not None and operator.name in newest.mute:
                missing.append(f"{operator.name} did not sign the newest round")
            else:
                able.append(operator.address)
        here = {o.address for o in self._members}
        strangers = [(a, w) for a, w in zip(signers.signers, signers.weights, strict=True) if a not in here]
        missing += [f"0x{a.hex()} (weight {w}) does not sign here" for a, w in strangers if w]
        return SignerQuorum(weight=signers.weight_of(able), threshold=signers.threshold, missing=tuple(missing))

    # --- signing -------------------------------------------------------------------------------------------------

    async def signed_values(self, done: Round) -> tuple[VerifiedValues, ...]:
        """The operators' own values of a round, signed for this store.

        () while they may not sign, and for a round that was published unsigned: what goes on chain is what was published.
        Where these signers agreed on what was published, its values are meant, and nobody signs again. Elsewhere the
        operators are asked once, however many want to know: two answers would be two values for one place.
        """
        signers = self.signers
        if signers is None or not done.values or not self._clock_ok():
            return ()
        if done.round_time_s not in self._values:
            tasks = {**self._values, done.round_time_s: asyncio.create_task(self._sign_values(done, signers))}
            self._values = {r: tasks[r] for r in sorted(tasks)[-_ROUNDS_KEPT:]}
        task = self._values.get(done.round_time_s)
        values = await asyncio.shield(task) if task is not None else ()
        return values if self.signers is signers else ()  # the set may have changed: these are for the one before

    async def _sign_values(self, done: Round, signers: SignerSet) -> tuple[VerifiedValues, ...]:
        """Ask all at once; an operator that was mute in the round stays so, and one that does not sign is left out."""
        views = self._views(done)
        if any(a.signers == signers for a in done.agreements):
            signed = {v.address for v in done.values}
            for operator in (o for o in self._members if o.address in signed):
                operator.take_view(done.round_time_s, views[operator.name])
            return done.values
        asked = [o for o in self._members if not o.is_mute(self._now_ms()) and o.name not in done.mute]
        answers = await asyncio.gather(*(o.request_values(signers, done.round_time_s, views[o.name]) for o in asked))
        values, refusals = verify_answers(asked, answers, signers, done.round_time_s)
        for refusal in refusals:
            _log.warning("an operator did not sign", target=self._target, operator=refusal.operator, why=refusal.text)
        return values

    def _views(self, done: Round) -> dict[str, dict[int, Report]]:
        """Each operator's own reports of a round, by feed index."""
        views: dict[str, dict[int, Report]] = {o.name: {} for o in self._members}
        for feed in done.feeds:
            report = feed.result.report if isinstance(feed.result, FeedRound) else feed.result.kept
            if report is not None and feed.spec.feed in self._indexes and feed.operator in views:
                views[feed.operator][self._indexes[feed.spec.feed]] = report
        return views

    async def collect_signatures(self, values: Sequence[VerifiedValues], indexes: Sequence[int]) -> CollectedSignatures:
        """Have a batch of these feeds signed; ChainError without a seat."""
        if self._cosigners is None or self.signers is None:
            raise ChainError("not connected")
        return await collect_signatures(self._cosigners, self.signers, values, indexes)

    # --- what the store holds says about the journals ----------------------------------------------------------------

    def signed_elsewhere(self, stored: Mapping[int, Report], since_s: int) -> dict[str, list[str]]:
        """Feeds whose stored round must bear signatures that these operators never gave, and their names.

        A round reached the threshold. Where all others together do not, one of the operators whose journals do not have
        its place has signed it, in another process. Each stored round is looked at once.

        Args:
            stored: by feed index, as read from the store.
            since_s: rounds up to then are left alone, and those from before these operators took their seats.
        """
        signers, suspects = self.signers, dict[str, list[str]]()
        if signers is None or not self._members:
            return suspects
        for feed, index in self._indexes.items():
            round_s = stored[index].round_time_s if index in stored else 0
            if round_s <= max(since_s, self._seated_s, self._checked_s.get(index, 0)):
                continue
            self._checked_s[index] = round_s
            silent = [o for o in self._members if not o.has_signed(signers, index, round_s)]
            others = sum(signers.weights) - signers.weight_of([o.address for o in silent])
            if others < signers.threshold:
                suspects[feed] = [o.name for o in silent]
        return suspects

    def with_old_journals(self, signers: SignerSet, stored: Mapping[int, Report]) -> list[Operator]:
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
        behind: set[bytes] = set()
        for report in stored.values():
            short = [a for a, at_s in newest.items() if 0 < at_s < report.round_time_s]
            if sum(signers.weights) - signers.weight_of(short) < signers.threshold:
                behind |= set(short)
        return [o for o in self._operators if o.address in behind]
