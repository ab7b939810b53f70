"""The operators of this process at one store: their seats, what they and the others sign of a round, and what their journals tell."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import structlog

from feeds.units import MS
from oracle.agree.outcome import RoundOutcome
from oracle.chain.quorum_rpc import ChainError
from oracle.model.target_status import SignerQuorum
from oracle.model.types import Report
from oracle.round.rounds import Round
from oracle.sign.messages import SignerSet
from oracle.sign.operator import Operator
from oracle.sign.signed_batch import CollectedSignatures

_log = structlog.get_logger("oracle.push.attestation")
CollectCut: TypeAlias = Callable[[RoundOutcome, Sequence[int]], Awaitable[CollectedSignatures]]
"""Has a batch of these feeds of a sealed round signed by all operators that answer."""


class Attesters:
    """Those of the operators that the store knows; nobody before `take_seats`.

    Args:
        target: name of the target.
        operators: the signers in this process.
        now_ms: the clock.
        collect: has a cut signed.

    Attributes:
        signers: the set in which they have their seats; None while they have none.
    """

    def __init__(
        self, target: str, operators: Sequence[Operator], *, now_ms: Callable[[], int], collect: CollectCut
    ) -> None:
        self.signers: SignerSet | None = None
        self._target, self._collect = target, collect
        self._operators = list(operators)
        self._now_ms = now_ms
        self._members: list[Operator] = []
        self._indexes: Mapping[str, int] = {}
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
        self.signers, self._indexes = signers, indexes
        self._seated_s = self._now_ms() // MS
        return signers.weight_of([o.address for o in self._members])

    def leave_seats(self) -> None:
        """Give the seats up: the signer set may have changed."""
        self.signers = None

    def quorum(self, newest: Round | None) -> SignerQuorum | None:
        """What can be brought to a push now: by the newest round of the store, before the first by the operators here.

        None without a seat.
        """
        signers = self.signers
        if signers is None:
            return None
        if signers.has_expired(self._now_ms() // MS):
            return SignerQuorum(weight=0, threshold=signers.threshold, missing=(signers.expired_text,))
        outcome = newest.outcomes.get(self._target) if newest is not None else None
        missing = [f"{o.name} is not among the store's signers" for o in self._operators if o not in self._members]
        mute = {o.address for o in self._members if o.is_mute(self._now_ms())}
        missing += [f"{o.name} is mute" for o in self._members if o.address in mute]
        if outcome is not None and outcome.terms.signers.epoch == signers.epoch:
            able = [m.address for m in outcome.members if m.signed_ms is not None and m.address not in mute]
            absent = [m for m in outcome.members if m.why and m.address not in mute]
            missing += [f"{m.name} did not sign the newest round: {m.why}" for m in absent]
        else:
            able = [o.address for o in self._members if o.address not in mute]
            here = {o.address for o in self._members}
            strangers = [(a, w) for a, w in signers.members.items() if a not in here]
            missing += [f"0x{a.hex()} (weight {w}) does not sign here" for a, w in strangers]
        return SignerQuorum(weight=signers.weight_of(able), threshold=signers.threshold, missing=tuple(missing))

    # --- signing -------------------------------------------------------------------------------------------------

    def reports(self, newest: Round) -> Mapping[str, Report]:
        """What was sealed for this store, by feed: what can be signed and pushed of a round."""
        outcome = self._sealed(newest)
        return {} if outcome is None else outcome.reports

    async def collect_signatures(self, newest: Round, indexes: Sequence[int]) -> CollectedSignatures | None:
        """Have a batch of these feeds signed; None of a round that was not sealed for this store's set.

        A signer whose weight the store has taken since counts for nothing: the others may weigh enough without it.

        Raises:
            ChainError: the operators have no seat.
        """
        signers = self.signers
        if signers is None:
            raise ChainError("not connected")
        outcome = self._sealed(newest)
        if outcome is None or not _is_same_set(outcome.terms.signers, signers):
            return None  # the set may have changed: what is sealed is for the one before
        known = set(self._indexes_in(outcome))
        collected = await self._collect(outcome, sorted(known & set(indexes)))
        batch = collected.batch
        is_enough = batch is None or signers.weight_of(batch.addresses) >= signers.threshold
        return collected if is_enough else replace(collected, batch=None)

    def _sealed(self, newest: Round) -> RoundOutcome | None:
        outcome = newest.outcomes.get(self._target)
        return outcome if outcome is not None and outcome.sealed is not None else None

    def _indexes_in(self, outcome: RoundOutcome) -> list[int]:
        return [outcome.terms.indexes[f] for f in outcome.reports]

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
            silent = [o for o in self._members if _is_known_silent(o, signers, index, round_s)]
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
        newest = {o.address: _newest_round_s(o, signers) for o in self._operators if o.address in signers.signers}
        behind: set[bytes] = set()
        for report in stored.values():
            short = [a for a, at_s in newest.items() if 0 < at_s < report.round_time_s]
            if sum(signers.weights) - signers.weight_of(short) < signers.threshold:
                behind |= set(short)
        return [o for o in self._operators if o.address in behind]


def _is_same_set(first: SignerSet, second: SignerSet) -> bool:
    """Whether both are one epoch's set, with the weights of then or of now."""
    return (first.domain, first.epoch, first.signers) == (second.domain, second.epoch, second.signers)


def _is_known_silent(operator: Operator, signers: SignerSet, index: int, round_s: int) -> bool:
    """Whether a journal says that its key has not signed a place; one that cannot be read says nothing, and signs nothing."""
    try:
        return not operator.has_signed(signers, index, round_s)
    except sqlite3.Error:
        return False


def _newest_round_s(operator: Operator, signers: SignerSet) -> int:
    """The newest round of a store in a journal; 0 of one that says nothing."""
    try:
        return operator.journal.newest_round_s(signers.domain)
    except sqlite3.Error:
        return 0
