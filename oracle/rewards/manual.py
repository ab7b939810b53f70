"""The report of an epoch by hand: what this machine's operators say and sign of it, with what others did.

First each machine says who was there; one of them proposes the grounds with all of these words; the others look at them, and sign what
they compute from them; whoever has signatures of weight T carries them to the chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from eth_hash.auto import keccak

from feeds.errors import LrtOracleError
from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.grounds import encoded_word, make_grounds, read_words, word_fault
from oracle.rewards.posted import post_call
from oracle.rewards.report import EpochRewards, epoch_rewards
from oracle.rewards.review import review
from oracle.rewards.stored import said_attendance
from oracle.sign.eip712 import BadSignature, recover
from oracle.sign.epoch_words import RewardsWord, SignedAttendance
from oracle.sign.messages import Refusal, Signature
from oracle.sign.operator import Operator
from oracle.sign.signed_batch import packed_signatures
from oracle.storage.database import Database

_SIGNATURE = 65


class ReportRefused(LrtOracleError, RuntimeError):
    """Nothing is signed of an epoch as asked: why."""


@dataclass(frozen=True, kw_only=True)
class EpochView:
    """An epoch as this machine reads it from the chain. ``ended_s``: when it ended, Unix s."""

    frozen: FrozenEpoch
    stakes: tuple[tuple[int, ...], ...]
    pots: Mapping[bytes, int]
    ended_s: int


@dataclass(frozen=True, kw_only=True)
class ManualReport:
    """How far the report of an epoch has come.

    Attributes:
        view: of the epoch.
        words: who was there, by report key: said here, or by others.
        report: that follows from the grounds; None while there are none.
        signed: signatures over it (r | vs), by report key.
        notes: what was not signed here, and why.
    """

    view: EpochView
    words: Mapping[bytes, SignedAttendance]
    report: EpochRewards | None
    signed: Mapping[bytes, bytes]
    notes: tuple[str, ...]

    @property
    def suffices(self) -> bool:
        """Whether weight T has signed."""
        signers = self.view.frozen.signers
        return self.report is not None and signers.weight_of(tuple(self.signed)) >= signers.threshold

    def document(self) -> dict[str, Any]:
        """As a JSON document."""
        frozen, report = self.view.frozen, self.report
        return {
            "words": "0x" + b"".join(encoded_word(frozen, self.words[k]) for k in frozen.keys if k in self.words).hex(),
            "words_of": ["0x" + k.hex() for k in frozen.keys if k in self.words],
            "grounds": None if report is None else "0x" + report.grounds.raw.hex(),
            "signatures": "0x" + packed_signatures(frozen.signers, self.signed).hex(),
            "missing": ["0x" + k.hex() for k in frozen.keys if k not in self.signed],
            "call": "0x" + post_call(frozen, report, self.signed).hex()
            if report is not None and self.suffices
            else None,
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """As lines for people."""
        told = self.document()
        rows = [f"--words {told['words']}", *(f"!  {note}" for note in self.notes)]
        if told["grounds"] is not None:
            rows += [f"--grounds {told['grounds']}", f"--signatures {told['signatures']}"]
        if told["call"] is not None:
            return [*rows, f"send to the Rewards contract, from any account: {told['call']}"]
        return [*rows, f"not signed by {', '.join(told['missing'])}"]


class ReportDesk:
    """Says and signs for the operators of this machine.

    Args:
        view: of the epoch.
        operators: with their journals.
        database: of their rounds; ``target``: the store's name in it.
        now_ms: present time.
    """

    def __init__(
        self, view: EpochView, operators: Sequence[Operator], database: Database, target: str, now_ms: int
    ) -> None:
        self._view, self._database, self._target, self._now_ms = view, database, target, now_ms
        self._operators = [o for o in operators if o.address in view.frozen.keys]
        self._notes = [f"{o.name}: its key is not in the epoch's set" for o in operators if o not in self._operators]

    async def report(self, words: bytes, grounds: bytes, signatures: bytes, *, propose: bool) -> ManualReport:
        """Go on as far as what is known allows.

        Args:
            words: of others, as they print them, one after the other.
            grounds: that somebody has proposed; b"" for none.
            signatures: of others over what follows from them.
            propose: make the grounds here, of all words that are known.

        Raises:
            BadGrounds: words or grounds are not of this epoch's set, or too few.
            ReportRefused: what follows from the grounds is not signed here, or a signature is not one over it.
        """
        held = await self._words(words)
        report = self._reviewed(grounds, held) if grounds else None
        if report is None and propose:
            view = self._view
            report = epoch_rewards(make_grounds(view.frozen, view.stakes, held), view.pots)
        signed: dict[bytes, bytes] = {}
        if report is not None:
            signed = {**_checked(self._view.frozen, report.word, signatures), **await self._sign(report.word)}
        return ManualReport(view=self._view, words=held, report=report, signed=signed, notes=tuple(self._notes))

    async def _words(self, others: bytes) -> dict[bytes, SignedAttendance]:
        frozen = self._view.frozen
        held = {w.address: w for w in read_words(frozen, others)}
        for address, fault in ((a, word_fault(frozen, w)) for a, w in held.items()):
            if fault:
                raise ReportRefused(f"the word of 0x{address.hex()}: {fault}")
        said = said_attendance(self._database, self._target, frozen)
        for operator in self._operators:
            answer = await operator.request_attendance(said, self._view.ended_s, now_ms=self._now_ms, clock_ok=True)
            if self._is_signed(answer):
                held[operator.address] = SignedAttendance(said=said, address=operator.address, signature=answer.compact)
        return held

    def _reviewed(self, grounds: bytes, held: Mapping[bytes, SignedAttendance]) -> EpochRewards:
        """What follows from somebody else's grounds, if it is to be signed here."""
        view = self._view
        found = review(view.frozen, grounds, None, stakes=view.stakes, pots=view.pots, held=held)
        if isinstance(found, tuple):
            raise ReportRefused("nothing is signed: " + "; ".join(found))
        return found

    async def _sign(self, said: RewardsWord) -> dict[bytes, bytes]:
        signed = {}
        for operator in self._operators:
            answer = await operator.request_rewards(said, self._view.ended_s, now_ms=self._now_ms, clock_ok=True)
            if self._is_signed(answer):
                signed[operator.address] = answer.compact
        return signed

    def _is_signed(self, answer: Signature | Refusal) -> TypeGuard[Signature]:
        if isinstance(answer, Refusal):
            self._notes.append(f"{answer.operator}: {answer.text}")
        return isinstance(answer, Signature)


def _checked(frozen: FrozenEpoch, said: RewardsWord, signatures: bytes) -> dict[bytes, bytes]:
    """Signatures of others by report key: each is its member's over this report."""
    if len(signatures) % _SIGNATURE:
        raise ReportRefused(
            f"{len(signatures)} bytes are not signatures: each has {_SIGNATURE}, as this command prints them"
        )
    digest, signed = keccak(said.preimage()), {}
    for at in range(0, len(signatures), _SIGNATURE):
        index, compact = signatures[at], signatures[at + 1 : at + _SIGNATURE]
        try:
            signer = recover(digest, compact)
        except BadSignature:
            signer = b""
        if index >= len(frozen.keys) or signer != frozen.keys[index]:
            raise ReportRefused(
                f"signature {at // _SIGNATURE + 1} is not over this report by the member at index {index}"
            )
        signed[signer] = compact
    return signed
