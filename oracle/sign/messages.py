"""What report keys sign and what comes of it: values, signatures and refusals, a batch. Frozen; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from oracle.model.canonical_json import ADDED_LATER
from oracle.model.types import Report
from oracle.report.wire import decode_items
from oracle.sign.eip712 import NO_TERMS, Domain, batch_bytes


class RefusalCode(StrEnum):
    """Why an operator does not sign."""

    MUTE = "mute"
    CLOCK = "clock"
    WRONG_EPOCH = "wrong_epoch"
    EQUIVOCATION = "equivocation"
    JOURNAL = "journal"
    SIGNER = "signer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerSet:
    """Who may sign for a store in an epoch: addresses in the store's order, weights beside them.

    ``expires_s``: the first round_time (Unix s) that they may not sign any more, whether others follow or not; None where
    only another set ends the epoch.
    """

    domain: Domain
    epoch: int
    signers: tuple[bytes, ...]
    weights: tuple[int, ...]
    threshold: int
    expires_s: int | None = field(default=None, metadata=ADDED_LATER)

    @property
    def members(self) -> dict[bytes, int]:
        """Weight of each signer that has some, in the store's order: who was removed at once stays listed, with none."""
        return {a: w for a, w in zip(self.signers, self.weights, strict=True) if w}

    def has_expired(self, round_time_s: int) -> bool:
        """Whether a round comes too late for this set: the store takes nothing of it."""
        return self.expires_s is not None and round_time_s >= self.expires_s

    @property
    def expired_text(self) -> str:
        """What is to be said of a round that comes too late."""
        return (
            f"the signer set of epoch {self.epoch} expired at {self.expires_s} (Unix s): the store takes no later round until"
            " its owner sets the next signers and they arm it"
        )

    def weight_of(self, addresses: Sequence[bytes]) -> int:
        """Sum of the weights of distinct signers of the set."""
        return sum(w for a, w in zip(self.signers, self.weights, strict=True) if a in addresses)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedValues:
    """One operator's own values for a round_time: items by feed index, and its signature over them. Not verified yet.

    ``terms``: hash of what must be equal for all who agree, 32 bytes.
    """

    operator: str
    address: bytes
    round_time_s: int
    items: bytes
    signature: bytes
    terms: bytes = NO_TERMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A report key's yes."""

    operator: str
    address: bytes
    compact: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An operator's no, and which feeds (by index) it is about; () is all of them.

    ``address``: of the operator that refuses; the interface vouches for it. Without one it is shown and weighs nothing.
    """

    operator: str
    code: RefusalCode
    text: str
    feeds: tuple[int, ...] = ()
    address: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBatch:
    """What can be pushed: the batch of one store and round_time, and signatures that reach the threshold."""

    domain: Domain
    epoch: int
    round_time_s: int
    items: bytes
    signatures: bytes
    signers: tuple[str, ...]
    addresses: tuple[bytes, ...]

    @property
    def batch(self) -> bytes:
        """First argument of PriceStore.push."""
        return batch_bytes(self.epoch, self.round_time_s, self.items)

    @property
    def reports(self) -> Mapping[int, Report]:
        """What was signed, by feed index."""
        return decode_items(self.items, self.round_time_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """Words of one operator that do not go together, as they are kept.

    ``kind``: of a small set of words. ``first``, ``second``: the messages as they came, b"" for none.
    """

    target: str
    round_time_s: int
    address: bytes
    kind: str
    text: str
    first: bytes
    second: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The signed values of a sealed round for one target, and which feed each index is: the input of every record of it.

    ``items``: what was sealed; ``step``: of the agreement; ``seals``: address and signature over it of each who signed.
    ``dropped``: indexes of feeds on which members parted. ``version``, ``rules``: of the protocol, and hash of what must be
    equal, 32 bytes: part of the terms under the values' signatures.
    """

    target: str
    round_time_s: int
    signers: SignerSet
    feeds: tuple[str, ...]
    indexes: tuple[int, ...]
    values: tuple[SignedValues, ...]
    items: bytes = b""
    step: int = 0
    seals: tuple[tuple[bytes, bytes], ...] = ()
    dropped: tuple[int, ...] = ()
    version: int = 0
    rules: bytes = b""


class RoundSigner(Protocol):
    """What a round needs of an operator with a key, wherever the key is."""

    @property
    def name(self) -> str:
        """As in the config."""

    @property
    def address(self) -> bytes:
        """Of its report key, 20 bytes."""

    def is_mute(self, now_ms: int) -> bool:
        """Whether it may not sign anything now."""
