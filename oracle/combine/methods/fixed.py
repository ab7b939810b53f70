"""Base-2 logarithm and power in integers, for the geometric mean: no float, the same bits everywhere.

Fixed point with 64 fraction bits. ``log2_q64`` squares the mantissa bit by bit and truncates; ``exp2_q64`` multiplies
square roots of two. Each is off by less than 2**-56 relative; a geometric mean of equal prices may differ from them by
a few parts in 1e17 and is therefore clamped into the inputs' range by its caller.
"""

from __future__ import annotations

from math import isqrt

_Q = 64
_SHORT = 16
_GUARD = 96
_ONE = 1 << _GUARD


def _roots() -> tuple[int, ...]:
    """2**(1/2), 2**(1/4), ... with 96 fraction bits, rounded down."""
    root = 2 << _GUARD
    out = []
    for _ in range(_Q):
        root = isqrt(root << _GUARD)
        out.append(root)
    return tuple(out)


_ROOTS = _roots()
_FALLS = tuple((1 << 2 * _GUARD) // root for root in _ROOTS[:_SHORT])


def log2_q64(value: int) -> int:
    """Return log2(value) * 2**64, rounded down; value is a positive integer."""
    whole = value.bit_length() - 1
    mantissa = (value << _GUARD) >> whole
    result = whole
    for _ in range(_Q):
        mantissa = (mantissa * mantissa) >> _GUARD
        result <<= 1
        if mantissa >= 2 * _ONE:
            mantissa >>= 1
            result |= 1
    return result


def exp2_q64(exponent: int) -> int:
    """Return 2**(exponent / 2**64), rounded down; exponent is not negative."""
    whole, fraction = exponent >> _Q, exponent & ((1 << _Q) - 1)
    result = _ONE
    for place, root in enumerate(_ROOTS):
        if fraction >> (_Q - 1 - place) & 1:
            result = (result * root) >> _GUARD
    return (result << whole) >> _GUARD


def decay_q64(elapsed_ms: int, half_life_ms: int) -> int:
    """Return 2**(-elapsed / half-life) * 2**64, rounded down; 0 after 64 half-lives. Neither is negative, half_life > 0."""
    gone = (elapsed_ms << _Q) // half_life_ms
    return exp2_q64((_Q << _Q) - gone) if gone < _Q << _Q else 0


def decay_q32(elapsed_ms: int, half_life_ms: int) -> int:
    """The same times 2**32 with 16 bits of the exponent's fraction: off by less than 2**-16 relative, and quick."""
    whole, rest = divmod((elapsed_ms << _SHORT) // half_life_ms, 1 << _SHORT)
    if whole > _Q // 2:
        return 0
    result = _ONE
    for place in range(_SHORT):
        if rest >> (_SHORT - 1 - place) & 1:
            result = (result * _FALLS[place]) >> _GUARD
    return result >> (_GUARD - _Q // 2 + whole)
