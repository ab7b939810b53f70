"""What PriceStore takes and what it does with it: the mirror of its own checks, line for line, as pure functions."""

from __future__ import annotations

from dataclasses import dataclass

from feeds.units import BPS
from oracle.types import Report

MAX_AHEAD_S = 30
"""How far a round_time may lie ahead of the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Prices that the store holds back because they are too far from the stored ones: since when, and last seen when."""

    market_wad: int
    redemption_wad: int
    since_s: int
    last_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """What the store takes of one feed.

    Attributes:
        max_push_age_s: a batch older than this reverts.
        min_gap_s: seconds between two writes of a feed, unless its status gets worse.
        step_bps: a price further away from the stored one is held back; 0 where the store has no such limit.
        step_wait_s: until it has stood for this long. Its status is taken at once, and is at least watch.
        strong: the signers reach the weight with which a price may move by any step.
        paused: the guardian stopped the feed.
        waiting: what is held back now, if anything.
    """

    max_push_age_s: int
    min_gap_s: int = 0
    step_bps: int = 0
    step_wait_s: int = 0
    strong: bool = True
    paused: bool = False
    waiting: Waiting | None = None


def waits(stored: Report | None, fresh: Report, limits: StoreLimits) -> str | None:
    """Why a push would bring nothing yet: the store holds this very price back, and knows since when."""
    if stored is None or takes_price(stored, fresh, limits) or fresh.status > stored.status:
        return None
    since_s = _stands_since(stored, fresh, limits)
    if since_s is None:
        return None  # a push is what starts the wait
    return (
        f"more than {limits.step_bps} bps from the stored price: the store takes it at {since_s + limits.step_wait_s}"
    )


def takes_price(stored: Report | None, fresh: Report, limits: StoreLimits) -> bool:
    """Whether the store writes the prices of an item that it accepts, or keeps its own and takes the status alone."""
    if stored is None or limits.strong or not limits.step_bps:
        return True
    if _near((stored.market_wad, stored.redemption_wad), fresh, limits.step_bps):
        return True
    since_s = _stands_since(stored, fresh, limits)
    return since_s is not None and fresh.round_time_s >= since_s + limits.step_wait_s


def _stands_since(stored: Report, fresh: Report, limits: StoreLimits) -> int | None:
    """Since when the store has held this price back; None if it does not. As PriceStore._hold."""
    held = limits.waiting
    if held is None or held.last_s != stored.round_time_s:
        return None
    return held.since_s if _near((held.market_wad, held.redemption_wad), fresh, limits.step_bps) else None


def _near(from_wad: tuple[int, int], fresh: Report, step_bps: int) -> bool:
    """Whether neither price is more than the step away. A price that appears or disappears is always too far."""
    pairs = zip(from_wad, (fresh.market_wad, fresh.redemption_wad), strict=True)
    return all(abs(new - old) * BPS <= old * step_bps for old, new in pairs)


def gap_s(stored: Report | None, fresh: Report) -> int:
    """Seconds between the stored round and this one; 0 where nothing is stored."""
    return 0 if stored is None else fresh.round_time_s - stored.round_time_s


def acceptable(stored: Report | None, fresh: Report, *, block_time_s: int, limits: StoreLimits) -> str | None:
    """Why the store would not take this item in a block of that time; None if it takes it.

    Line for line the contract: too old and too far ahead revert the batch; paused, not newer or too soon skips the
    item.
    """
    if fresh.round_time_s + limits.max_push_age_s < block_time_s:
        return f"round_time is {block_time_s - fresh.round_time_s} s old, the store takes {limits.max_push_age_s}"
    if fresh.round_time_s > block_time_s + MAX_AHEAD_S:
        return f"round_time lies {fresh.round_time_s - block_time_s} s ahead, the store takes {MAX_AHEAD_S}"
    if limits.paused:
        return "the guardian paused the feed"
    if stored is None:
        return None
    if fresh.round_time_s <= stored.round_time_s:
        return "the store has this round_time or a later one"
    passed_s = gap_s(stored, fresh)
    if passed_s < limits.min_gap_s and fresh.status <= stored.status:
        return f"{passed_s} s after the last write, the store asks {limits.min_gap_s}"
    return None
