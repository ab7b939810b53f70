"""Type-2 transactions: fields to bytes, and what they pay. Pure. Source: EIP-1559, EIP-2718 (the type byte)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import rlp
from eth_hash.auto import keccak

_TYPE = b"\x02"
_RAISE_NUM, _RAISE_DEN = 9, 8
_BASE_FACTOR = 2
_THIN_PPM = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """What a type-2 transaction pays at most for a unit of gas, in wei."""

    tip_wei: int
    max_wei: int

    @classmethod
    def of(cls, raw: bytes) -> Fees:
        """Fees of a signed type-2 transaction (EIP-1559: chain id, nonce, tip, maximum, ...)."""
        fields = cast("list[bytes]", rlp.decode(raw[1:]))
        return cls(tip_wei=int.from_bytes(fields[2], "big"), max_wei=int.from_bytes(fields[3], "big"))

    def at_least(self, above: Fees | None) -> Fees:
        """These fees, or an eighth more (rounded up) than those of what is to be replaced, whichever is higher."""
        if above is None:
            return self
        raised = [x * _RAISE_NUM // _RAISE_DEN + 1 for x in (above.tip_wei, above.max_wei)]
        return Fees(tip_wei=max(self.tip_wei, raised[0]), max_wei=max(self.max_wei, raised[1]))


def gas_of(raw: bytes) -> int:
    """Gas limit of a signed type-2 transaction."""
    return int.from_bytes(cast("list[bytes]", rlp.decode(raw[1:]))[4], "big")


def nonce_of(raw: bytes) -> int:
    """Nonce of a signed type-2 transaction."""
    return int.from_bytes(cast("list[bytes]", rlp.decode(raw[1:]))[1], "big")


def to_of(raw: bytes) -> bytes:
    """What a signed type-2 transaction calls, 20 bytes."""
    return cast("list[bytes]", rlp.decode(raw[1:]))[5]


def data_of(raw: bytes) -> bytes:
    """Calldata of a signed type-2 transaction."""
    return cast("list[bytes]", rlp.decode(raw[1:]))[7]


def unsigned_of(raw: bytes) -> bytes:
    """The bytes of a signed type-2 transaction without its signature."""
    return _TYPE + cast("bytes", rlp.encode(rlp.decode(raw[1:])[:-3]))


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeConditions:
    """What is known of a push when its fees are chosen.

    Attributes:
        urgent: it may use the whole ceiling at once.
        raised_tip: the usual tip was not enough.
        small_headroom: nodes refuse a maximum that leaves room for a doubled base fee: room for one block's growth.
        no_spare_gas: nodes refuse a gas limit with spare gas in it: what was estimated, and a fifth.
    """

    urgent: bool = False
    raised_tip: bool = False
    small_headroom: bool = False
    no_spare_gas: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeMarket:
    """What a unit of gas costs on a chain now, in wei.

    Attributes:
        base_wei: the next block's base fee.
        tip_wei: a usual tip, which a sender of little gas cannot set alone.
        raised_tip_wei: the tip of a middle block, however little was in it: what is offered once the usual one was not enough.
    """

    base_wei: int
    tip_wei: int
    raised_tip_wei: int = 0

    @property
    def usual_max_wei(self) -> int:
        """The maximum of a calm push, far below the ceiling."""
        return self.base_wei * _BASE_FACTOR + self.tip_wei

    def fees(self, above: Fees | None, ceiling_wei: int, conditions: FeeConditions | None = None) -> Fees | None:
        """Fees for the next push; None while the base fee alone is above the ceiling.

        Of a block that can be paid for, never the push is cut but its tip: what the ceiling leaves above the base fee
        goes to the block maker, and another sender's tip never keeps a push from the chain. The maximum leaves room for a
        doubled base fee as far as the ceiling allows.

        A calm push leaves an eighth below the ceiling, as long as the base fee can grow for a block without it: an
        urgent one with the same nonce has to offer that much more. A replacement raises both fees (see
        ``Fees.at_least``) up to the ceiling. Where the ceiling leaves less than that, the tip stays too: nodes that hold
        the other one take no replacement, but it pays the ceiling and is about to be taken itself.

        Args:
            above: fees of what is to be replaced; with a tip of 0 nothing is, only the maximum was too low.
            ceiling_wei: never more for a unit of gas.
            conditions: what is known of this push.
        """
        conditions = conditions or FeeConditions()
        if self.base_wei > ceiling_wei:
            return None
        tip_wei = max(self.tip_wei, self.raised_tip_wei) if conditions.raised_tip else self.tip_wei
        room_wei = (
            -(-self.base_wei * _RAISE_NUM // _RAISE_DEN) if conditions.small_headroom else self.base_wei * _BASE_FACTOR
        )
        usual = Fees(tip_wei=tip_wei, max_wei=room_wei + tip_wei)
        limit_wei = (
            ceiling_wei if conditions.urgent or (above is not None and above.tip_wei) else self._calm_wei(ceiling_wei)
        )
        wanted = usual.at_least(above)
        if wanted.max_wei <= limit_wei:
            return wanted
        held_wei = above.tip_wei if above is not None and above.max_wei >= limit_wei else wanted.tip_wei
        return Fees(tip_wei=min(max(tip_wei, held_wei), limit_wei), max_wei=limit_wei)

    def _calm_wei(self, ceiling_wei: int) -> int:
        """The ceiling of what may have to be replaced at once; the whole one where the base fee needs it."""
        left_wei = (ceiling_wei - 1) * _RAISE_DEN // _RAISE_NUM
        return left_wei if self.base_wei * _RAISE_NUM <= left_wei * _RAISE_DEN else ceiling_wei


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidBlock:
    """A block of a fee history: the wanted percentile of its tips in wei, and how full it was in millionths."""

    tip_wei: int
    used_ppm: int


def market_of(base_wei: int, blocks: Sequence[PaidBlock], *, least_tip_wei: int) -> FeeMarket:
    """The market from a fee history.

    The usual tip is the median over gas, not over blocks: half of the gas of those blocks paid no more. A block less
    than a twentieth full is left out: it had room for everybody, and a single sender may have paid anything.

    Args:
        base_wei: the next block's base fee.
        blocks: those with a tip in them; empty blocks say 0 and are left out.
        least_tip_wei: never less.
    """
    paid = sorted((b for b in blocks if b.tip_wei > 0), key=lambda b: b.tip_wei)
    full = [b for b in paid if b.used_ppm >= _THIN_PPM]
    return FeeMarket(
        base_wei=base_wei,
        tip_wei=max(_middle_by_gas(full), least_tip_wei),
        raised_tip_wei=max(paid[len(paid) // 2].tip_wei if paid else 0, least_tip_wei),
    )


def _middle_by_gas(blocks: Sequence[PaidBlock]) -> int:
    """The median tip by gas, of blocks ascending by tip; 0 without blocks."""
    total, below = sum(b.used_ppm for b in blocks), 0
    for block in blocks:
        below += 2 * block.used_ppm
        if below >= total:
            return block.tip_wei
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """A call to a contract, not signed yet; sends no ether."""

    chain_id: int
    nonce: int
    fees: Fees
    gas: int
    to: bytes
    data: bytes

    def _fields(self) -> list[object]:
        fees = self.fees
        return [self.chain_id, self.nonce, fees.tip_wei, fees.max_wei, self.gas, self.to, 0, self.data, []]

    @property
    def preimage(self) -> bytes:
        """The bytes whose keccak is signed."""
        return _TYPE + cast("bytes", rlp.encode(self._fields()))

    def signed(self, signature: bytes) -> SignedTx:
        """Put a signature of 65 bytes r | s | y (0 or 1) to it."""
        r, s, y = (int.from_bytes(x, "big") for x in (signature[:32], signature[32:64], signature[64:]))
        raw = _TYPE + cast("bytes", rlp.encode([*self._fields(), y, r, s]))
        return SignedTx(nonce=self.nonce, tx_hash="0x" + keccak(raw).hex(), raw=raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTx:
    """A transaction ready to be sent: its hash is known before anybody sees it."""

    nonce: int
    tx_hash: str
    raw: bytes
