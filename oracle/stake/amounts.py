"""Amounts as people write and read them: in the token's own unit, with its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oracle.stake.moments import smallest, units
from oracle.stake.reads import ZERO, StakeReads

ALL = "all"
_MOST_DIGITS = 77
"""Of a number of 256 bits: a token that states more is not believed."""
_LONGEST_NAME = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUnit:
    """What amounts of a token are written in. ``address``: hex; the zero address is ether."""

    address: str
    symbol: str
    digits: int

    def text(self, amount: int) -> str:
        """An amount in the smallest unit, for people."""
        return f"{units(amount, self.digits)} {self.symbol}"

    def document(self) -> Mapping[str, Any]:
        """As JSON."""
        return {"address": self.address, "symbol": self.symbol, "decimals": self.digits}


ETHER = TokenUnit(address=ZERO, symbol="ether", digits=18)


async def token_unit(reads: StakeReads, token: str) -> TokenUnit:
    """As the token states it; where it states nothing, its address and the smallest unit.

    Raises:
        ChainError: endpoints do not answer or agree.
    """
    if token == ZERO:
        return ETHER
    digits, symbol = (
        await reads.of_token(token, "decimals", "uint8"),
        await reads.of_token(token, "symbol", "string"),
    )
    named = isinstance(symbol, str) and symbol.isprintable() and 0 < len(symbol) <= _LONGEST_NAME
    known = isinstance(digits, int) and digits <= _MOST_DIGITS
    return TokenUnit(address=token, symbol=str(symbol) if named else token, digits=digits if known else 0)


def asked(text: str, unit: TokenUnit, *, or_none: bool = False) -> int | None:
    """What a person wrote, in the smallest unit; None for `all`.

    Args:
        text: an amount in the token's own unit, or `all`.
        unit: of the token.
        or_none: whether 0 is an amount here.

    Raises:
        ValueError: it is neither; what to write.
    """
    if text.strip().lower() == ALL:
        return None
    try:
        return smallest(text, unit.digits, or_none=or_none)
    except ValueError as e:
        raise ValueError(f"{e}, in {unit.symbol}, or `{ALL}`") from None


def amount_text(document: Mapping[str, Any], amount: int) -> str:
    """The same as `TokenUnit.text`, of its document."""
    return f"{units(amount, document['decimals'])} {document['symbol']}"
