"""Operator: a key, its journal, and what it signs: values, a round's certificate, batches of it, a set to come, words of an epoch."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

from eth_hash.auto import keccak

from oracle.model.types import Report
from oracle.report.wire import encode_items, split_items
from oracle.sign import curve
from oracle.sign.announcement import (
    Announcement,
    SignedAnnouncement,
    announcement_preimage,
    signed_announcement,
)
from oracle.sign.eip712 import (
    NO_TERMS,
    Domain,
    address_of,
    arm_preimage,
    batch_preimage,
    observed_digest,
    sealed_preimage,
    sign_compact,
)
from oracle.sign.epoch_lines import EpochKind, EpochLine, EpochRefused, VoteLine
from oracle.sign.epoch_words import EpochAttendance, EpochVote, RewardsWord
from oracle.sign.journal_form import JournalError
from oracle.sign.messages import Refusal, RefusalCode, Signature, SignedValues, SignerSet
from oracle.sign.sign_journal import EquivocationRefused, SignJournal

SEALED_PLACE = 1 << 16
"""Place in the journal of a round's certificate: behind every feed index, one for each step."""


class Operator:
    """One signer in this process: its key and its journal.

    Args:
        name: as in the config.
        key: the report key; it holds stake and no funds. Of a key that is elsewhere its address: such an operator is asked
            by the methods that are awaited only.
        journal: what the key has signed.
        bound_bps: how far an agreed price may lie from the operator's own.
    """

    def __init__(self, name: str, key: curve.PrivateKey | bytes, journal: SignJournal, *, bound_bps: int) -> None:
        self.name = name
        self.address = key if isinstance(key, bytes) else address_of(key)
        self.journal = journal
        self.bound_bps = bound_bps
        self.silenced = ""
        """Why it signs nothing for as long as this process runs; "" while it may."""
        self._key = key

    def is_mute(self, now_ms: int) -> bool:
        """Whether the operator may not sign anything now: its journal was lost or restored, or its key is used twice.

        One whose journal cannot be read signs nothing either: what must not be signed again is not known.
        """
        try:
            return bool(self.silenced) or self.journal.mute_for_ms(now_ms) > 0
        except sqlite3.Error:
            return True

    def has_signed(self, signers: SignerSet, index: int, round_time_s: int) -> bool:
        """Whether the journal holds a signature of this feed and round."""
        return self.journal.has_signed(signers.domain, index, round_time_s)

    # --- values --------------------------------------------------------------------------------------------------

    def sign_values(
        self, signers: SignerSet, round_time_s: int, view: Mapping[int, Report], terms: bytes = NO_TERMS
    ) -> SignedValues:
        """Sign its own reports of a round, by feed index, on the terms (32 bytes) that all who agree share."""
        items = encode_items(view)
        digest = observed_digest(signers.domain, signers.epoch, round_time_s, items, terms=terms)
        return self._values(round_time_s, items, terms, self._sign(digest))

    async def request_values(
        self, signers: SignerSet, round_time_s: int, view: Mapping[int, Report], terms: bytes = NO_TERMS
    ) -> SignedValues | Refusal:
        """As `sign_values`, wherever the key is; a refusal where it did not sign: the operator is mute for this round."""
        if (refusal := self.outlived(signers, round_time_s)) is not None:
            return refusal
        return self.sign_values(signers, round_time_s, view, terms)

    def _values(self, round_time_s: int, items: bytes, terms: bytes, signature: bytes) -> SignedValues:
        return SignedValues(
            operator=self.name,
            address=self.address,
            round_time_s=round_time_s,
            items=items,
            signature=signature,
            terms=terms,
        )

    # --- a round's certificate, and batches of it ------------------------------------------------------------------

    async def request_seal(
        self, signers: SignerSet, round_time_s: int, step: int, items: bytes, *, now_ms: int, clock_ok: bool
    ) -> Signature | Refusal:
        """Sign the certificate of a round, wherever the key is: in the journal first, each item and the whole.

        Args:
            signers: the set whose round it is.
            round_time_s: of the round.
            step: of the agreement, see `oracle.agree`.
            items: all that was agreed on.
            now_ms: present time.
            clock_ok: whether it may go under a signature.
        """
        whole = {SEALED_PLACE + step: keccak(items)}
        refusal = self._admit(signers, round_time_s, items, whole, now_ms=now_ms, clock_ok=clock_ok)
        if refusal is not None:
            return refusal
        return await self._sign_preimage(sealed_preimage(signers.domain, signers.epoch, round_time_s, step, items))

    async def request_signature(
        self, signers: SignerSet, round_time_s: int, items: bytes, *, now_ms: int, clock_ok: bool
    ) -> Signature | Refusal:
        """Sign a batch of items that a round was sealed with, wherever the key is; the caller knows that it was."""
        refusal = self._admit(signers, round_time_s, items, {}, now_ms=now_ms, clock_ok=clock_ok)
        if refusal is not None:
            return refusal
        return await self._sign_preimage(batch_preimage(signers.domain, signers.epoch, round_time_s, items))

    def _admit(
        self,
        signers: SignerSet,
        round_time_s: int,
        items: bytes,
        whole: Mapping[int, bytes],
        *,
        now_ms: int,
        clock_ok: bool,
    ) -> Refusal | None:
        """Do everything before a signature: once this returns None, what will be signed is in the journal."""
        refusal = self.outlived(signers, round_time_s) or self.unable(now_ms, clock_ok=clock_ok)
        if refusal is not None:
            return refusal
        hashes = {index: keccak(item) for index, item in split_items(items).items()}
        try:
            self.journal.record(signers.domain, round_time_s, {**hashes, **whole})
        except EquivocationRefused as e:
            return self.refuse(RefusalCode.EQUIVOCATION, str(e), (e.place.feed,))
        except (JournalError, sqlite3.Error) as e:
            return self.refuse(RefusalCode.JOURNAL, f"not signed, for it must be in the journal first: {e}")
        return None

    def outlived(self, signers: SignerSet, round_time_s: int) -> Refusal | None:
        """Why it signs nothing of a round for a set: it has expired by then, and the store refuses it. None if it has not."""
        return self.refuse(RefusalCode.WRONG_EPOCH, signers.expired_text) if signers.has_expired(round_time_s) else None

    def moved_past(self, round_time_s: int) -> Refusal | None:
        """Why it says nothing new of a round: its key may have, on the machine from which its journal came."""
        if round_time_s > self.journal.moved_s:
            return None
        text = f"its journal came from another machine, where its key may have spoken in rounds up to {self.journal.moved_s}"
        return self.refuse(RefusalCode.MUTE, text)

    def unable(self, now_ms: int, *, clock_ok: bool) -> Refusal | None:
        """Why it signs nothing at present; None if it does."""
        if self.silenced:
            return self.refuse(RefusalCode.MUTE, self.silenced)
        try:
            rest_ms = self.journal.mute_for_ms(now_ms)
        except sqlite3.Error as e:
            return self.refuse(RefusalCode.JOURNAL, f"not signed, for its journal cannot be read: {e}")
        if rest_ms:
            text = f"mute for another {rest_ms} ms of a time that others confirm: its journal was missing or restored"
            return self.refuse(RefusalCode.MUTE, text)
        if not clock_ok:
            return self.refuse(RefusalCode.CLOCK, "this machine's clock is off by more than the limit: correct it")
        return None

    def refuse(self, code: RefusalCode, text: str, feeds: tuple[int, ...] = ()) -> Refusal:
        """A refusal of this operator."""
        return Refusal(operator=self.name, code=code, text=text, feeds=feeds, address=self.address)

    def _signature(self, compact: bytes) -> Signature:
        return Signature(operator=self.name, address=self.address, compact=compact)

    async def _sign_preimage(self, preimage: bytes) -> Signature | Refusal:
        return self._signature(self._sign(keccak(preimage)))

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
        return await self._sign_preimage(arm_preimage(coming.domain, coming.epoch, set_hash))

    # --- an epoch that has ended ---------------------------------------------------------------------------------

    async def request_attendance(
        self, said: EpochAttendance, ended_s: int, *, now_ms: int, clock_ok: bool
    ) -> Signature | Refusal:
        """Sign who was there in an epoch, wherever the key is: one word an epoch, in the journal first.

        Args:
            said: by what is stored here.
            ended_s: when the epoch ended, Unix s.
            now_ms: present time.
            clock_ok: whether it may go under a signature.
        """
        preimage = said.preimage()
        refusal = self._admit_epoch(
            EpochKind.ATTENDED, said.domain, said.epoch, preimage, ended_s, now_ms, clock_ok=clock_ok
        )
        return refusal or await self._sign_preimage(preimage)

    async def request_rewards(
        self, said: RewardsWord, ended_s: int, *, now_ms: int, clock_ok: bool
    ) -> Signature | Refusal:
        """Sign an epoch's report; the caller has computed it anew. A key signs one for each epoch, in the journal first."""
        preimage = said.preimage()
        refusal = self._admit_epoch(
            EpochKind.REWARDS, said.domain, said.epoch, preimage, ended_s, now_ms, clock_ok=clock_ok
        )
        return refusal or await self._sign_preimage(preimage)

    async def request_vote(self, said: EpochVote, ended_s: int, *, now_ms: int, clock_ok: bool) -> Signature | Refusal:
        """Sign a word of the agreement on an epoch's report: one of a kind in an attempt, in the journal first."""
        domain = said.domain
        line = VoteLine(domain.chain_id, domain.store, said.epoch, said.attempt, said.kind, said.content, ended_s)
        refusal = self.unable(now_ms, clock_ok=clock_ok) or self._journalled(lambda: self.journal.record_vote(line))
        return refusal or await self._sign_preimage(said.preimage())

    def _admit_epoch(
        self, kind: EpochKind, domain: Domain, epoch: int, preimage: bytes, ended_s: int, now_ms: int, *, clock_ok: bool
    ) -> Refusal | None:
        """As `_admit`, of a word about an epoch."""
        line = EpochLine(domain.chain_id, domain.store, kind, epoch, keccak(preimage), ended_s)
        return self.unable(now_ms, clock_ok=clock_ok) or self._journalled(lambda: self.journal.record_epoch(line))

    def _journalled(self, record: Callable[[], None]) -> Refusal | None:
        """Write a word about an epoch down; why it is not signed, None where it may be."""
        try:
            record()
        except EpochRefused as e:
            return self.refuse(RefusalCode.EQUIVOCATION, str(e))
        except (JournalError, sqlite3.Error) as e:
            return self.refuse(RefusalCode.JOURNAL, f"not signed, for it must be in the journal first: {e}")
        return None

    async def announce(self, domain: Domain, said: Announcement) -> SignedAnnouncement | Refusal:
        """Sign where it is reached and which key speaks for it, wherever the report key is. It says nothing about a price."""
        answer = await self._sign_preimage(announcement_preimage(domain, said))
        return answer if isinstance(answer, Refusal) else signed_announcement(self.address, said, answer.compact)

    def _sign(self, digest: bytes) -> bytes:
        if isinstance(self._key, bytes):
            asked_by = "request_values, request_seal, request_signature, request_arming and announce"
            raise TypeError(f"the key of {self.name} is elsewhere: await {asked_by}")
        return sign_compact(self._key, digest)
