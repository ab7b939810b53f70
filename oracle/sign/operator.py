"""Cosign: an operator's own view, and its answer to a proposal."""

from __future__ import annotations

import asyncio
import copy
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Self, TypeVar

import coincurve
from eth_hash.auto import keccak

from feeds.units import BPS
from oracle.model.status import Status
from oracle.model.types import Report
from oracle.report.wire import decode_item, encode_item, encode_items, split_items
from oracle.sign.eip712 import address_of, arm_digest, batch_digest, observed_digest, sign_compact
from oracle.sign.messages import (
    Proposal,
    Refusal,
    RefusalCode,
    Signature,
    SignedValues,
    SignerSet,
    agreed,
    fault_of,
)
from oracle.sign.sign_journal import EquivocationRefused, JournalError, SignJournal

_T = TypeVar("_T")
_AGE_SLACK_S = 60
_SPREAD_SLACK, _SPREAD_FLOOR_BPS = 4, 100
_ROUNDS_KEPT = 4
"""Rounds of which an operator keeps its view: a push of one may still be voted on when the next one is asked for."""


class Operator:
    """One signer in this process: its key, its journal, its own view of each round.

    Args:
        name: as in the config.
        key: the report key; it holds stake and no funds. Of a key that is elsewhere its address: such an operator is asked
            by `observed`, `cosigned` and `arms` only.
        journal: what the key has said.
        bound_bps: how far an agreed price may lie from the operator's own.
    """

    def __init__(self, name: str, key: coincurve.PrivateKey | bytes, journal: SignJournal, *, bound_bps: int) -> None:
        self.name = name
        self.address = key if isinstance(key, bytes) else address_of(key)
        self.journal = journal
        self._key = key
        self._bound_bps = bound_bps
        # by round_time
        self._views: Mapping[int, Mapping[int, Report]] = {}
        self._heard: Mapping[int, frozenset[bytes]] = {}

    def apart(self) -> Self:
        """The same signer with views of its own: a view is by feed index, and indexes are a store's."""
        twin = copy.copy(self)
        twin.forget()
        return twin

    def forget(self) -> None:
        """Know no round any more."""
        self._views, self._heard = {}, {}

    def speaks(self, now_ms: int) -> bool:
        """Whether the operator may sign anything: its journal was not lost a short while ago."""
        return not self.journal.silent_ms(now_ms)

    def has_signed(self, signers: SignerSet, index: int, round_time_s: int) -> bool:
        """Whether the journal has a word for this place."""
        return self.journal.knows(signers.domain.chain_id, signers.domain.store, index, round_time_s)

    def observe(self, signers: SignerSet, round_time_s: int, view: Mapping[int, Report]) -> SignedValues:
        """Take the round's own reports as the operator's view, and sign them as its values."""
        items = self.look(round_time_s, view)
        digest = observed_digest(signers.domain, signers.epoch, round_time_s, items)
        return self._values(round_time_s, items, self._sign(digest))

    def look(self, round_time_s: int, view: Mapping[int, Report]) -> bytes:
        """Take a view of a round, by feed index, and sign nothing yet; returns its items."""
        self._views = _newest({**self._views, round_time_s: dict(view)})
        return encode_items(view)

    async def observed(
        self, signers: SignerSet, round_time_s: int, view: Mapping[int, Report]
    ) -> SignedValues | Refusal:
        """As `observe`, wherever the key is; a refusal where it did not sign: the operator is mute for this round."""
        return self.observe(signers, round_time_s, view)

    def hear(self, values: Sequence[SignedValues]) -> None:
        """Know who has signed values of a round: a leader must not leave any of them out."""
        if values:
            self._heard = _newest({**self._heard, values[0].round_time_s: frozenset(v.address for v in values)})

    def propose(
        self, signers: SignerSet, round_time_s: int, values: Sequence[SignedValues], feeds: Sequence[int]
    ) -> Proposal:
        """Lead: the agreed values of these feeds, with what they were made from."""
        fair = agreed(values, signers)
        items = encode_items({i: fair[i] for i in feeds if i in fair})
        return Proposal(leader=self.name, round_time_s=round_time_s, items=items, values=tuple(values))

    def cosign(self, signers: SignerSet, proposal: Proposal, *, now_ms: int, clock_ok: bool) -> Signature | Refusal:
        """Recompute, compare, journal, sign; or say why not."""
        refusal = self._decide(signers, proposal, now_ms=now_ms, clock_ok=clock_ok)
        if refusal is not None:
            return refusal
        digest = batch_digest(signers.domain, signers.epoch, proposal.round_time_s, proposal.items)
        return Signature(operator=self.name, address=self.address, compact=self._sign(digest))

    async def cosigned(
        self, signers: SignerSet, proposal: Proposal, *, now_ms: int, clock_ok: bool
    ) -> Signature | Refusal:
        """As `cosign`, wherever the key is."""
        return self.cosign(signers, proposal, now_ms=now_ms, clock_ok=clock_ok)

    async def arms(self, coming: SignerSet, set_hash: bytes) -> Signature | Refusal:
        """Show that the key of a member of the next signer set is there.

        It is no word about a price: nothing of it can be an equivocation, so it needs no line in the journal, and an
        operator that is mute, or whose clock is off, may give it.

        Args:
            coming: the set that is to come, as read from the chain.
            set_hash: of the code of the set's contract, 32 bytes, as read from the chain.
        """
        if not coming.weight_of((self.address,)):
            text = f"its key is not in the signer set of epoch {coming.epoch}: nobody arms a set that he is not in"
            return self._refuse(RefusalCode.WRONG_EPOCH, text)
        return await self._arm(coming, set_hash)

    async def _arm(self, coming: SignerSet, set_hash: bytes) -> Signature | Refusal:
        digest = arm_digest(coming.domain, coming.epoch, set_hash)
        return Signature(operator=self.name, address=self.address, compact=self._sign(digest))

    def _values(self, round_time_s: int, items: bytes, signature: bytes) -> SignedValues:
        return SignedValues(
            operator=self.name, address=self.address, round_time_s=round_time_s, items=items, signature=signature
        )

    def _sign(self, digest: bytes) -> bytes:
        if isinstance(self._key, bytes):
            raise TypeError(f"the key of {self.name} is elsewhere: await observed, cosigned and arms")
        return sign_compact(self._key, digest)

    def _decide(self, signers: SignerSet, proposal: Proposal, *, now_ms: int, clock_ok: bool) -> Refusal | None:
        """Everything before the signature: once this returns None, what will be signed is in the journal."""
        refusal = self._silent(now_ms, clock_ok=clock_ok) or self._examine(signers, proposal)
        if refusal is not None:
            return refusal
        hashes = [(index, keccak(item)) for index, item in split_items(proposal.items).items()]
        try:
            self.journal.record(signers.domain.chain_id, signers.domain.store, proposal.round_time_s, hashes)
        except EquivocationRefused as e:
            return self._refuse(RefusalCode.EQUIVOCATION, str(e), (e.feed,))
        except (JournalError, sqlite3.Error) as e:
            return self._refuse(RefusalCode.JOURNAL, f"what is not in the journal first is not signed: {e}")
        return None

    def _refuse(self, code: RefusalCode, text: str, feeds: tuple[int, ...] = ()) -> Refusal:
        return Refusal(operator=self.name, code=code, text=text, feeds=feeds, address=self.address)

    def _silent(self, now_ms: int, *, clock_ok: bool) -> Refusal | None:
        if rest := self.journal.silent_ms(now_ms):
            text = f"the journal was missing or restored: silent for another {rest} ms of a time that others confirm"
            return self._refuse(RefusalCode.MUTE, text)
        if not clock_ok:
            return self._refuse(RefusalCode.CLOCK, "this machine's clock is off by more than the limit: correct it")
        return None

    def _examine(self, signers: SignerSet, proposal: Proposal) -> Refusal | None:
        bad = self._bad_values(signers, proposal)
        if bad is not None:
            return bad
        fair = agreed(proposal.values, signers)
        try:
            proposed = split_items(proposal.items)
        except ValueError as e:
            return self._refuse(RefusalCode.NOT_RECOMPUTED, f"{proposal.leader} proposes no items: {e}")
        if not proposed:
            return self._refuse(RefusalCode.NOT_RECOMPUTED, f"{proposal.leader} proposes nothing")
        wrong = tuple(i for i, item in proposed.items() if i not in fair or encode_item(i, fair[i]) != item)
        if wrong:
            text = f"{proposal.leader} proposes other values than its signed inputs give, for feeds {list(wrong)}"
            return self._refuse(RefusalCode.NOT_RECOMPUTED, text, wrong)
        view = self._views.get(proposal.round_time_s)
        if view is None:
            return self._refuse(RefusalCode.NO_OWN_VIEW, f"no own view of round_time {proposal.round_time_s}")
        blind = tuple(i for i in proposed if i not in view or (view[i].status_only and not fair[i].status_only))
        if blind:
            return self._refuse(RefusalCode.NO_OWN_VIEW, f"no own price for feeds {list(blind)}", blind)
        said = [(v.address, split_items(v.items)) for v in proposal.values]
        far = tuple(
            i
            for i in proposed
            if not within(fair[i], view[i], self._bound_bps) or _alone(signers, said, i, fair[i], view[i])
        )
        if far:
            text = f"further than {self._bound_bps} bps from the own view, or of another status, for feeds {list(far)}"
            return self._refuse(RefusalCode.OUT_OF_BOUND, text, far)
        return None

    def _bad_values(self, signers: SignerSet, proposal: Proposal) -> Refusal | None:
        known: set[bytes] = set()
        for one in proposal.values:
            wrong = fault_of(one, signers, proposal.round_time_s)
            if wrong is None and one.address in known:
                wrong = "they stand twice"
            if wrong is not None:
                return self._refuse(RefusalCode.BAD_VALUES, f"values of {one.operator}: {wrong}")
            known.add(one.address)
        if left := self._heard.get(proposal.round_time_s, frozenset()) - known:
            return self._refuse(
                RefusalCode.BAD_VALUES, f"{proposal.leader} leaves out the values of {len(left)} operators"
            )
        if signers.weight_of(tuple(known)) < signers.threshold:
            return self._refuse(RefusalCode.BAD_VALUES, "the signed values do not reach the threshold")
        return None


def _newest(by_round: Mapping[int, _T]) -> dict[int, _T]:
    """The newest few rounds of something."""
    return {r: by_round[r] for r in sorted(by_round)[-_ROUNDS_KEPT:]}


def _alone(
    signers: SignerSet, said: Sequence[tuple[bytes, Mapping[int, bytes]]], index: int, fair: Report, own: Report
) -> bool:
    """Whether a proposal says depeg (or takes it back) against the own view without more than half of the whole set."""
    line = Status.DEPEG
    if (own.status >= line) == (fair.status >= line):
        return False
    words = [(a, decode_item(items[index], fair.round_time_s)[1]) for a, items in said if index in items]
    agree = tuple(a for a, word in words if (word.status >= line) == (fair.status >= line))
    return 2 * signers.weight_of(agree) <= sum(signers.weights)


def within(proposed: Report, own: Report, bound_bps: int) -> bool:
    """Whether both prices lie within the bound of the own ones, presence agrees, and age and spread are not made better.

    Honest operators have other sources, so ages may differ by a minute and spreads by four times. Prices that are only kept
    are those of an earlier round: they are the own ones to the bit where that view keeps too, and say nothing where it has a
    price. A redemption rate that is lowered with them lies within the bound of the own one, or above it.
    """
    if proposed.status_only:
        same = not own.status_only or proposed.market_wad == own.market_wad
        return same and (own.redemption_wad - proposed.redemption_wad) * BPS <= own.redemption_wad * bound_bps
    if proposed.market_age_s + _AGE_SLACK_S < own.market_age_s:
        return False
    if _SPREAD_SLACK * proposed.spread_bps + _SPREAD_FLOOR_BPS < own.spread_bps:
        return False
    pairs = ((proposed.market_wad, own.market_wad), (proposed.redemption_wad, own.redemption_wad))
    return all(bool(p) == bool(o) and abs(p - o) * BPS <= o * bound_bps for p, o in pairs)


class LocalCosigners:
    """Operators in this process.

    Args:
        operators: in the order in which they lead.
        signers: the store's signer set.
        now_ms: the clock.
        clock_ok: whether the clock may go under a signature.
    """

    def __init__(
        self,
        operators: Sequence[Operator],
        signers: SignerSet,
        *,
        now_ms: Callable[[], int],
        clock_ok: Callable[[], bool],
    ) -> None:
        self._operators = tuple(operators)
        self._signers = signers
        self._now_ms = now_ms
        self._clock_ok = clock_ok

    async def propose(self, turn: int, values: Sequence[SignedValues], feeds: Sequence[int]) -> Proposal:
        """The operator whose turn it is leads."""
        for one in self._operators:
            one.hear(values)
        leader = self._operators[turn % len(self._operators)]
        return leader.propose(self._signers, values[0].round_time_s, values, feeds)

    async def cosign(self, proposal: Proposal) -> tuple[Signature | Refusal, ...]:
        """All operators answer, the leader too."""
        now_ms, clock_ok = self._now_ms(), self._clock_ok()
        asked = (o.cosigned(self._signers, proposal, now_ms=now_ms, clock_ok=clock_ok) for o in self._operators)
        return tuple(await asyncio.gather(*asked))
