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


def data_of(raw: bytes) -> bytes:
    """Calldata of a signed type-2 transaction."""
    return cast("list[bytes]", rlp.decode(raw[1:]))[7]


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What a unit of gas costs on a chain now: the next block's base fee and a usual tip, in wei."""

    base_wei: int
    tip_wei: int

    def fees(self, above: Fees | None, ceiling_wei: int) -> Fees | None:
        """Fees for the next push; None where base fee and tip do not fit under the ceiling.

        The maximum leaves room for a doubled base fee, but never passes the ceiling: as long as base fee and tip fit
        under it, the push can be taken. A replacement raises both fees (see ``Fees.at_least``) as far as the ceiling
        allows. If that is not enough for a node that still holds the other one, then the other one pays the ceiling
        and is about to be taken itself; if no node holds it any more, this one is free to go.
        """
        if self.base_wei + self.tip_wei > ceiling_wei:
            return None
        usual = Fees(tip_wei=self.tip_wei, max_wei=min(ceiling_wei, self.base_wei * _BASE_FACTOR + self.tip_wei))
        wanted = usual.at_least(above)
        max_wei = min(wanted.max_wei, ceiling_wei)
        return Fees(tip_wei=min(wanted.tip_wei, max_wei), max_wei=max_wei)


def market_of(base_fees: Sequence[int], rewards: Sequence[int], *, least_tip_wei: int) -> Market:
    """The market from a fee history: the last base fee (the next block's), and the upper median of the tips.

    Args:
        base_fees: of the blocks and the one to come, wei.
        rewards: the wanted percentile of the tips in each block; empty blocks say 0 and are left out.
        least_tip_wei: never less.

    Raises:
        ValueError: no base fee.
    """
    if not base_fees:
        raise ValueError("a fee history without a base fee")
    paid = sorted(r for r in rewards if r > 0)
    tip_wei = paid[len(paid) // 2] if paid else 0
    return Market(base_wei=base_fees[-1], tip_wei=max(tip_wei, least_tip_wei))


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
