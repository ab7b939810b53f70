"""Weights and thresholds of a signer set from stakes, in rational numbers and by sorting: another way than the contract's."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import NamedTuple

BPS = 10_000


class Rules(NamedTuple):
    """Largest share, and the parts of the total above which the two thresholds lie, in bps."""

    cap: int
    threshold: int
    step: int


def change_limit(threshold: int, total: int) -> int:
    """Half of 2T - W: what weights may rise by and T may fall by, together."""
    return max(0, 2 * threshold - total) // 2


class Before(NamedTuple):
    """T of the set before (0: there was none), and how much may change."""

    threshold: int
    limit: int


class ModelSet(NamedTuple):
    weights: tuple[int, ...]
    threshold: int
    step: int
    total: int


def level(stakes: Sequence[int], cap: int) -> int:
    """The highest at which no share is above the cap: with the k largest at it, it is the cap's part of k times it and the rest."""
    if len(stakes) * cap < BPS:
        return min(stakes, default=0)
    share = Fraction(cap, BPS)
    falling = sorted(stakes, reverse=True)
    for k, highest in enumerate(falling):
        if k * share < 1 and highest <= (found := sum(falling[k:]) * share / (1 - k * share)):
            return floor(found)
    raise AssertionError(stakes, cap)


def capped(stakes: Sequence[int], cap: int) -> list[int]:
    top = level(stakes, cap)
    return [min(s, top) for s in stakes]


def rises(weights: Sequence[int], previous: Sequence[int]) -> int:
    return sum(max(0, w - p) for w, p in zip(weights, previous, strict=True))


def limited(weights: Sequence[int], previous: Sequence[int], limit: int) -> list[int]:
    wanted = rises(weights, previous)
    part = min(Fraction(1), Fraction(limit, wanted)) if wanted else Fraction(1)
    return [w if w <= p else p + floor((w - p) * part) for w, p in zip(weights, previous, strict=True)]


def model_set(stakes: Sequence[int], previous: Sequence[int], before: Before, rules: Rules) -> ModelSet:
    """The next set of these stakes."""
    weights, least = capped(stakes, rules.cap), 0
    if before.threshold:
        weights = capped(limited(weights, previous, before.limit), rules.cap)
        least = before.threshold - (before.limit - rises(weights, previous))
    total = sum(weights)
    threshold = max(floor(Fraction(total * rules.threshold, BPS)) + 1, least)
    step = max(threshold, min(total, floor(Fraction(total * rules.step, BPS)) + 1))
    return ModelSet(tuple(weights), threshold, step, total)


def is_equal(weights: Sequence[int]) -> bool:
    return all(a == b for a, b in pairwise(weights))
