"""Error budget of a feed that is made of others: it can be off by at least the sum of what its legs can be off by.

A leg on chain may lag by its push threshold before anyone has to push, by its age, and by its spread. Errors do not cancel
unless that is proved: two legs of 2 % and 0.5 % make 2.51 %, not 2 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feeds.units import BPS, mul_div_up


@dataclass(frozen=True, slots=True, kw_only=True)
class LegError:
    """What one leg states: its push threshold, its heartbeat, its confidence and its age now."""

    feed: str
    push_bps: int
    heartbeat_s: int
    spread_bps: int
    age_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBudget:
    """What the product of the legs can claim. ``total_bps`` joins thresholds and spreads; ``age_ms`` is the oldest leg's.

    ``stale_s`` is how old it may grow while every leg keeps its promise.
    """

    legs: tuple[str, ...]
    push_bps: int
    spread_bps: int
    total_bps: int
    age_ms: int
    stale_s: int


def error_budget(legs: Sequence[LegError]) -> ErrorBudget:
    """Sum up at least one leg; the joint terms of a product count too, rounded up.

    Raises:
        ValueError: there is no leg.
    """
    if not legs:
        raise ValueError("an error budget needs at least one leg")
    push, spread = _joined([leg.push_bps for leg in legs]), _joined([leg.spread_bps for leg in legs])
    return ErrorBudget(
        legs=tuple(leg.feed for leg in legs),
        push_bps=push,
        spread_bps=spread,
        total_bps=_joined([push, spread]),
        age_ms=max(leg.age_ms for leg in legs),
        stale_s=max(leg.heartbeat_s for leg in legs),
    )


def _joined(errors: Sequence[int]) -> int:
    """(1 + a)(1 + b) ... - 1 in bps, rounded up at each step."""
    joined = 0
    for error in errors:
        joined += error + mul_div_up(joined, error, BPS)
    return joined
