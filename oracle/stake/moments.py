"""Times, amounts and parts as people read them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

_ETHER_DIGITS = 18
_FAR_S = 1 << 40


def moment(at_s: int) -> str:
    """A time in Unix s as UTC text."""
    if at_s >= _FAR_S:
        return "never"
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def units(amount: int, digits: int = _ETHER_DIGITS) -> str:
    """An amount in the smallest unit, exact, in whole ones."""
    text = format(Decimal(amount).scaleb(-digits), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def smallest(text: str, digits: int = _ETHER_DIGITS) -> int:
    """What a person wrote, in the smallest unit; ValueError says what is wrong."""
    try:
        scaled = Decimal(text).scaleb(digits)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount: write a number such as 1.5") from None
    if not scaled.is_finite() or scaled <= 0 or scaled != scaled.to_integral_value():
        raise ValueError(f"{text!r}: write a positive amount with at most {digits} decimals")
    return int(scaled)


def percent(part: int, whole: int) -> str:
    """A part of a whole, with two decimals, rounded down."""
    hundredths = 10_000 * part // whole if whole else 0
    return f"{hundredths // 100}.{hundredths % 100:02} %"
