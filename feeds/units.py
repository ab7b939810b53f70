"""Integer units and the only arithmetic that may decide a signed field. Rounding is in every function's name."""

from __future__ import annotations

from typing import NewType

Wad = NewType("Wad", int)
"""A price or rate times 1e18: quote units per one base unit."""

Bps = NewType("Bps", int)
"""Hundredths of a percent: 10,000 is 100 %."""

WAD = 10**18
BPS = 10_000
MS = 1_000


def div_up(a: int, b: int) -> int:
    """Return a / b rounded towards plus infinity; b > 0."""
    return -(-a // b)


def mul_div_down(a: int, b: int, c: int) -> int:
    """Return a * b / c rounded towards minus infinity; c > 0. Exact in between."""
    return a * b // c


def mul_div_up(a: int, b: int, c: int) -> int:
    """Return a * b / c rounded towards plus infinity; c > 0. Exact in between."""
    return -(-(a * b) // c)


def wad_mul_down(a: int, b: int) -> Wad:
    """Product of two wads, rounded down."""
    return Wad(a * b // WAD)


def wad_div_down(a: int, b: int) -> Wad:
    """Quotient of two wads, rounded down; b > 0."""
    return Wad(a * WAD // b)


def mid_down(a: int, b: int) -> int:
    """Return the middle of two integers, rounded down."""
    return (a + b) // 2


def deviation_bps_away(value: int, reference: int) -> Bps:
    """Signed deviation of value from reference in bps, rounded away from zero, so that no deviation is understated.

    Negative: value is below reference (a discount). reference > 0.
    """
    gap = value - reference
    size = mul_div_up(abs(gap), BPS, reference)
    return Bps(size if gap >= 0 else -size)


def wad_text(wad: int, places: int = 18) -> str:
    """Decimal text of a wad, cut (not rounded) after `places` digits."""
    sign = "-" if wad < 0 else ""
    whole, fraction = divmod(abs(wad), WAD)
    digits = f"{fraction:018d}"[:places]
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def percent_text(bps: int) -> str:
    """Percent with two digits of an amount in bps: 602 is ``6.02 %``."""
    return f"{bps // 100}.{bps % 100:02d} %"
