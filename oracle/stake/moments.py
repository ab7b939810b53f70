"""Times, amounts and parts as people read them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Context, Decimal, DecimalException

_ETHER_DIGITS = 18
_FAR_S = 1 << 40
_MOST_DIGITS = 77
_LONGEST = 256
_EXACT = Context(prec=512)
"""Nothing that a token can count is rounded in it, nor anything that a person writes."""


def moment(at_s: int) -> str:
    """A time in Unix s as UTC text."""
    if at_s >= _FAR_S:
        return "never"
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def units(amount: int, digits: int = _ETHER_DIGITS) -> str:
    """An amount in the smallest unit, exact, in whole ones."""
    text = format(Decimal(amount).scaleb(-digits, _EXACT), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def smallest(text: str, digits: int = _ETHER_DIGITS, *, or_none: bool = False) -> int:
    """What a person wrote, in the smallest unit; ValueError says what is wrong. ``or_none``: 0 is an amount too."""
    try:
        scaled = Decimal(text[:_LONGEST]).scaleb(digits, _EXACT)
    except DecimalException:
        raise ValueError(f"{text!r} is not an amount: write a number such as 1.5") from None
    at_all = len(text) < _LONGEST and scaled.is_finite() and scaled.adjusted() <= _MOST_DIGITS
    if not at_all or scaled < 0 or (not scaled and not or_none) or scaled != scaled.to_integral_value(context=_EXACT):
        kind = "an amount" if or_none else "a positive amount"
        raise ValueError(f"{text!r}: write {kind} with at most {digits} decimals")
    return int(scaled)


def percent(part: int, whole: int) -> str:
    """A part of a whole, with two decimals, rounded down."""
    hundredths = 10_000 * part // whole if whole else 0
    return f"{hundredths // 100}.{hundredths % 100:02} %"


def ether_text(wei: int) -> str:
    """What a transaction costs, in ether, to six places."""
    ether = 10**_ETHER_DIGITS
    return f"{wei / ether:.6f}" if wei * 10**6 >= ether else "less than 0.000001"
