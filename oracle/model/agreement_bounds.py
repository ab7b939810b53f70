"""How much weight may be faulty before independent operators no longer agree, or no longer on an honest price. Pure.

W is all weight, T the threshold, f the weight of those who lie, stay silent or are broken. With T > W/2 no two batches of
one round can both be honest; a network of independent operators needs more. Source: docs/trust.md.
"""

from __future__ import annotations


def least_threshold(total: int) -> int:
    """The least threshold with which independent operators of this weight agree: more than two thirds."""
    return total * 2 // 3 + 1


def tolerated_weight(total: int, threshold: int) -> int:
    """The most faulty weight with which agreement holds: min(W - T, 2T - W - 1)."""
    return min(total - threshold, 2 * threshold - total - 1)


def honest_median_weight(threshold: int) -> int:
    """The most faulty weight with which the median of values of weight T lies within honest values: below T/2."""
    return (threshold - 1) // 2


def is_too_low(total: int, threshold: int, members: int) -> bool:
    """Whether independent operators may fail to agree with a threshold. ``members``: how many have weight."""
    return members > 1 and threshold < least_threshold(total)


def bounds_text(total: int, threshold: int) -> str:
    """What holds with this threshold, as a sentence."""
    return (
        f"agreement holds for a faulty weight f <= min(W - T, 2T - W - 1) = {tolerated_weight(total, threshold)}, and the"
        f" median lies within honest values for f < T/2, so up to {honest_median_weight(threshold)}"
        f" (W = {total}, T = {threshold})"
    )
