"""Operator: a key, its journal, its own view of each round, and its answer to a proposal."""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Self, TypeVar

import coincurve
from eth_hash.auto import keccak

from oracle.model.types import Report
from oracle.report.wire import encode_items, split_items
from oracle.sign.agreed_reports import agreed_items, agreed_reports
from oracle.sign.eip712 import address_of, arm_digest, batch_digest, observed_digest, sign_compact
from oracle.sign.messages import Proposal, Refusal, RefusalCode, Signature, SignedValues, SignerSet
from oracle.sign.own_view import depeg_against_own_view, lacks_own_price, within_bound
from oracle.sign.sign_journal import EquivocationRefused, JournalError, SignJournal
from oracle.sign.verified_values import UnsoundValues, VerifiedValues, verify_values

_T = TypeVar("_T")
_ROUNDS_KEPT = 4
"""Rounds of which an operator keeps its view: a push of one may still be signed when the next one is asked for."""


class Operator:
    """One signer in this process: its key, its journal, its own view of each round.

    Args:
        name: as in the config.
        key: the report key; it holds stake and no funds. Of a key that is elsewhere its address: such an operator is asked
            by `request_values`, `request_signature` and `request_arming` only.
        journal: what the key has signed.
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
        self._expected: Mapping[int, frozenset[bytes]] = {}

    def with_own_views(self) -> Self:
        """The same signer with views of its own: a view is by feed index, and indexes are a store's."""
        twin = copy.copy(self)
        twin.forget_views()
        return twin

    def forget_views(self) -> None:
        """Drop the view of every round."""
        self._views, self._expected = {}, {}

    def is_mute(self, now_ms: int) -> bool:
        """Whether the operator may not sign anything now: its journal was lost or restored a short while ago."""
        return self.journal.mute_for_ms(now_ms) > 0

    def has_signed(self, signers: SignerSet, index: int, round_time_s: int) -> bool:
        """Whether the journal holds a signature of this feed and round."""
        return self.journal.has_signed(signers.domain, index, round_time_s)

    # --- values --------------------------------------------------------------------------------------------------

    def sign_values(self, signers: SignerSet, round_time_s: int, view: Mapping[int, Report]) -> SignedValues:
        """Take the round's own reports as the operator's view, and sign them as its values."""
        items = self.take_view(round_time_s, view)
        digest = observed_digest(signers.domain, signers.epoch, round_time_s, items)
        return self._values(round_time_s, items, self._sign(digest))

    async def request_values(
        self, signers: SignerSet, round_time_s: int, view: Mapping[int, Report]
    ) -> SignedValues | Refusal:
        """As `sign_values`, wherever the key is; a refusal where it did not sign: the operator is mute for this round."""
        return self.sign_values(signers, round_time_s, view)

    def take_view(self, round_time_s: int, view: Mapping[int, Report]) -> bytes:
        """Take a view of a round, by feed index, and sign nothing yet; returns its items."""
        self._views = _newest({**self._views, round_time_s: dict(view)})
        return encode_items(view)

    def expect_values(self, values: Sequence[VerifiedValues]) -> None:
        """Note which operators have signed values of a round: a leader must not leave any of them out."""
        if values:
            addresses = frozenset(v.address for v in values)
            self._expected = _newest({**self._expected, values[0].signed.round_time_s: addresses})

    def _values(self, round_time_s: int, items: bytes, signature: bytes) -> SignedValues:
        return SignedValues(
            operator=self.name, address=self.address, round_time_s=round_time_s, items=items, signature=signature
        )

    # --- a batch -------------------------------------------------------------------------------------------------

    def propose(
        self, signers: SignerSet, round_time_s: int, values: Sequence[VerifiedValues], feeds: Sequence[int]
    ) -> Proposal:
        """Lead: the agreed values of these feeds, with what they were made from."""
        agreed = agreed_items(values, signers)
        items = b"".join(agreed[i] for i in sorted({*feeds}) if i in agreed)
        signed = tuple(v.signed for v in values)
        return Proposal(leader=self.name, round_time_s=round_time_s, items=items, values=signed)

    def cosign(self, signers: SignerSet, proposal: Proposal, *, now_ms: int, clock_ok: bool) -> Signature | Refusal:
        """Recompute, compare, journal, sign; or say why not."""
        refusal = self.admit(signers, proposal, now_ms=now_ms, clock_ok=clock_ok)
        if refusal is not None:
            return refusal
        digest = batch_digest(signers.domain, signers.epoch, proposal.round_time_s, proposal.items)
        return self._signature(self._sign(digest))

    async def request_signature(
        self, signers: SignerSet, proposal: Proposal, *, now_ms: int, clock_ok: bool
    ) -> Signature | Refusal:
        """As `cosign`, wherever the key is."""
        return self.cosign(signers, proposal, now_ms=now_ms, clock_ok=clock_ok)

    def admit(self, signers: SignerSet, proposal: Proposal, *, now_ms: int, clock_ok: bool) -> Refusal | None:
        """Do everything before the signature: once this returns None, what will be signed is in the journal."""
        refusal = self._mute(now_ms, clock_ok=clock_ok) or self.examine(signers, proposal)
        if refusal is not None:
            return refusal
        hashes = {index: keccak(item) for index, item in split_items(proposal.items).items()}
        try:
            self.journal.record(signers.domain, proposal.round_time_s, hashes)
        except EquivocationRefused as e:
            return self.refuse(RefusalCode.EQUIVOCATION, str(e), (e.place.feed,))
        except (JournalError, sqlite3.Error) as e:
            return self.refuse(RefusalCode.JOURNAL, f"not signed, for it must be in the journal first: {e}")
        return None

    def examine(self, signers: SignerSet, proposal: Proposal) -> Refusal | None:
        """Recompute a proposal from the values that it was made from, and compare it with the own view."""
        values = self._verify(signers, proposal)
        if isinstance(values, Refusal):
            return values
        proposed = self._recompute(signers, proposal, values)
        if isinstance(proposed, Refusal):
            return proposed
        return self._compare(signers, proposal.round_time_s, proposed, values)

    def refuse(self, code: RefusalCode, text: str, feeds: tuple[int, ...] = ()) -> Refusal:
        """A refusal of this operator."""
        return Refusal(operator=self.name, code=code, text=text, feeds=feeds, address=self.address)

    def _signature(self, compact: bytes) -> Signature:
        return Signature(operator=self.name, address=self.address, compact=compact)

    def _mute(self, now_ms: int, *, clock_ok: bool) -> Refusal | None:
        if rest_ms := self.journal.mute_for_ms(now_ms):
            text = f"mute for another {rest_ms} ms of a time that others confirm: its journal was missing or restored"
            return self.refuse(RefusalCode.MUTE, text)
        if not clock_ok:
            return self.refuse(RefusalCode.CLOCK, "this machine's clock is off by more than the limit: correct it")
        return None

    def _verify(self, signers: SignerSet, proposal: Proposal) -> tuple[VerifiedValues, ...] | Refusal:
        """The values that a leader hands over. It is not trusted; what was verified before is known by its content."""
        by_address: dict[bytes, VerifiedValues] = {}
        for signed in proposal.values:
            values = verify_values(signed, signers, proposal.round_time_s)
            if isinstance(values, VerifiedValues) and values.address in by_address:
                values = UnsoundValues("they are listed twice")
            if isinstance(values, UnsoundValues):
                return self.refuse(RefusalCode.BAD_VALUES, f"values of {signed.operator}: {values.fault}")
            by_address[values.address] = values
        missing = self._expected.get(proposal.round_time_s, frozenset()) - by_address.keys()
        if missing:
            text = f"{proposal.leader} leaves out the values of {len(missing)} operators"
            return self.refuse(RefusalCode.BAD_VALUES, text)
        if signers.weight_of(tuple(by_address)) < signers.threshold:
            return self.refuse(RefusalCode.BAD_VALUES, "the signed values do not reach the threshold")
        return tuple(by_address.values())

    def _recompute(
        self, signers: SignerSet, proposal: Proposal, values: Sequence[VerifiedValues]
    ) -> dict[int, Report] | Refusal:
        """The proposed reports, if they are those that the values give. Bytes are compared: they are what is signed."""
        try:
            proposed = split_items(proposal.items)
        except ValueError as e:
            text = f"{proposal.leader} proposes bytes that are not items: {e}"
            return self.refuse(RefusalCode.NOT_RECOMPUTED, text)
        if not proposed:
            return self.refuse(RefusalCode.NOT_RECOMPUTED, f"{proposal.leader} proposes nothing")
        agreed = agreed_items(values, signers)
        wrong = tuple(i for i, item in proposed.items() if agreed.get(i) != item)
        if wrong:
            text = f"{proposal.leader} proposes other values than its signed inputs give, for feeds {list(wrong)}"
            return self.refuse(RefusalCode.NOT_RECOMPUTED, text, wrong)
        reports = agreed_reports(values, signers)
        return {i: reports[i] for i in proposed}

    def _compare(
        self, signers: SignerSet, round_time_s: int, proposed: Mapping[int, Report], values: Sequence[VerifiedValues]
    ) -> Refusal | None:
        view = self._views.get(round_time_s)
        if view is None:
            return self.refuse(RefusalCode.NO_OWN_VIEW, f"no own view of round_time {round_time_s}")
        blind = tuple(i for i, report in proposed.items() if lacks_own_price(i, report, view))
        if blind:
            return self.refuse(RefusalCode.NO_OWN_VIEW, f"no own price for feeds {list(blind)}", blind)
        far = tuple(
            i
            for i, report in proposed.items()
            if not within_bound(report, view[i], self._bound_bps)
            or depeg_against_own_view(signers, values, i, report, view[i])
        )
        if far:
            text = f"further than {self._bound_bps} bps from the own view, or of another status, for feeds {list(far)}"
            return self.refuse(RefusalCode.OUT_OF_BOUND, text, far)
        return None

    # --- a signer set that is to come ----------------------------------------------------------------------------

    async def request_arming(self, coming: SignerSet, set_hash: bytes) -> Signature | Refusal:
        """Show that the key of a member of the next signer set is there, wherever it is.

        It says nothing about a price: nothing of it can be an equivocation, so it needs no line in the journal, and an
        operator that is mute, or whose clock is off, may give it.

        Args:
            coming: the set that is to come, as read from the chain.
            set_hash: of the code of the set's contract, 32 bytes, as read from the chain.
        """
        if not coming.weight_of((self.address,)):
            text = f"its key is not in the signer set of epoch {coming.epoch}: only a member of a set arms it"
            return self.refuse(RefusalCode.WRONG_EPOCH, text)
        return await self._arm(coming, set_hash)

    async def _arm(self, coming: SignerSet, set_hash: bytes) -> Signature | Refusal:
        return self._signature(self._sign(arm_digest(coming.domain, coming.epoch, set_hash)))

    def _sign(self, digest: bytes) -> bytes:
        if isinstance(self._key, bytes):
            asked_by = "request_values, request_signature and request_arming"
            raise TypeError(f"the key of {self.name} is elsewhere: await {asked_by}")
        return sign_compact(self._key, digest)


def _newest(by_round: Mapping[int, _T]) -> dict[int, _T]:
    """The newest few rounds of something."""
    return {r: by_round[r] for r in sorted(by_round)[-_ROUNDS_KEPT:]}
