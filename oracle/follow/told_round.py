"""A sealed round as a stranger tells it: taken apart, with bounds on everything, and nothing of it believed yet. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from feeds.errors import LrtOracleError
from oracle.sign.eip712 import Domain

MOST_BYTES = 4 << 20
"""Of one round: some hundred feeds with all their words have a tenth of it."""
_MOST_SIGNERS, _MOST_WORDS, _MOST_TEXT, _LONGEST_NUMBER = 255, 4_096, 2_000, 40


class RefusedWhy(StrEnum):
    """Why a round that was told counts for nothing."""

    FORM = "form"
    STORE = "store"
    TIME = "time"
    SIGNER_SET = "signer_set"
    SIGNATURE = "signature"
    WEIGHT = "weight"
    RECORD = "record"
    CONFLICT = "conflict"


class RefusedRound(LrtOracleError, ValueError):
    """A round that was told does not verify: a code for machines, and what is wrong."""

    def __init__(self, why: RefusedWhy, text: str) -> None:
        super().__init__(why, text)
        self.why, self.text = why, text

    def __str__(self) -> str:
        return f"{self.why}: {self.text}"


class ToldSigner(msgspec.Struct, frozen=True):
    """Who signed, as it is told. What weight that has is read from the chain."""

    address: str
    signature: str | None


class ToldSealed(msgspec.Struct, frozen=True):
    """What was sealed, as it is told."""

    chain_id: str
    store: str
    epoch: str
    round: int
    step: int
    items: str
    signers: list[ToldSigner]
    dropped: list[str] = []


class ToldStatusReason(msgspec.Struct, frozen=True):
    """A reason of a status."""

    code: str
    text: str


class ToldAbsent(msgspec.Struct, frozen=True):
    """An operator that is missing, and why."""

    operator: str
    why: str


class ToldSeal(msgspec.Struct, frozen=True):
    """What an operator saw of the sealing."""

    sealed_ms: int | None = None
    missing: list[ToldAbsent] = []
    refused: list[ToldAbsent] = []


class ToldRecord(msgspec.Struct, frozen=True):
    """A record, as it is told. Its numbers must follow from what was sealed; its words are that operator's."""

    feed: str
    mode: str
    price: str | None
    market: str | None
    redemption: str | None
    deviation_bps: int | None
    spread_bps: int
    status: str
    status_only: bool
    market_age_s: int
    redemption_age_h: int
    observed_at_ms: int
    computed_at_ms: int
    ramp_ppm: int
    signed_at_ms: int | None = None
    reasons: list[ToldStatusReason] = []
    operators: list[str] = []
    seal: ToldSeal | None = None


class ToldSilent(msgspec.Struct, frozen=True):
    """A feed without a fresh price, and why."""

    feed: str
    code: str
    text: str


class ToldRound(msgspec.Struct, frozen=True):
    """A whole event of the stream of sealed rounds."""

    sealed: ToldSealed
    records: list[ToldRecord]
    abstaining: list[ToldSilent] = []

    @property
    def domain(self) -> Domain:
        """Of the store."""
        return Domain(chain_id=number(self.sealed.chain_id), store=raw_bytes(self.sealed.store, 20))

    @property
    def epoch(self) -> int:
        """Of the signer set."""
        return number(self.sealed.epoch)

    @property
    def items(self) -> bytes:
        """What was signed."""
        return raw_bytes(self.sealed.items)


_DECODER = msgspec.json.Decoder(ToldRound)


def told_round(data: bytes) -> ToldRound:
    """Take an event apart.

    Raises:
        RefusedRound: it is none, or too large.
    """
    if len(data) > MOST_BYTES:
        raise RefusedRound(RefusedWhy.FORM, f"more than {MOST_BYTES} bytes")
    try:
        told = _DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError) as e:
        raise RefusedRound(RefusedWhy.FORM, str(e)[:200]) from None
    if len(told.sealed.signers) > _MOST_SIGNERS or len(told.records) + len(told.abstaining) > _MOST_WORDS:
        raise RefusedRound(RefusedWhy.FORM, "too many signers, records or feeds")
    return told


def number(text: str) -> int:
    """A whole number that is written as text; RefusedRound where it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise RefusedRound(RefusedWhy.FORM, "a number is none")
    return int(text)


def raw_bytes(text: str, length: int | None = None) -> bytes:
    """Bytes that are written as 0x and hex; RefusedRound where they are none, or of another length."""
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise RefusedRound(RefusedWhy.FORM, "not hex") from None
    if length is not None and len(raw) != length:
        raise RefusedRound(RefusedWhy.FORM, f"{len(raw)} bytes in the place of {length}")
    return raw


def short(text: str) -> str:
    """Words of a stranger, no longer than is shown."""
    return text[:_MOST_TEXT]
