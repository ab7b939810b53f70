"""What PriceStore takes and what it does with it: the mirror of its own checks, line for line, as pure functions."""

from __future__ import annotations

from dataclasses import dataclass

from feeds.units import BPS
from oracle.status import Status
from oracle.types import Report

MAX_AHEAD_S = 30
"""How far a round_time may lie ahead of the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Prices that the store did not take with their status, as they were too far from the stored ones or inside a gap.

    Attributes:
        since_s: since when they have stood.
        last_s: round_time of the write that held them. They count while the stored report has it.
        inside_s: seconds between the beginning of the gap and that write; 0 for one that began a gap itself.
    """

    market_wad: int
    redemption_wad: int
    since_s: int
    last_s: int
    inside_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """What the store takes of one feed.

    Attributes:
        max_push_age_s: a batch older than this reverts.
        min_gap_s: seconds between two writes of a feed. A worse status comes before, without its prices unless strong.
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
    if inside_gap(stored, fresh, limits):
        return None  # the store skips it, and ``acceptable`` says so
    since_s = _stands_since(stored, fresh, limits)
    if since_s is None:
        return None  # a push is what starts the wait
    return (
        f"more than {limits.step_bps} bps from the stored price: the store takes it at {since_s + limits.step_wait_s}"
    )


def takes_price(stored: Report | None, fresh: Report, limits: StoreLimits) -> bool:
    """Whether the store writes the prices of an item that it accepts, or keeps its own and takes the status alone."""
    if stored is None or limits.strong:
        return True
    if inside_gap(stored, fresh, limits):
        return False
    if not limits.step_bps:
        return True
    if _near((stored.market_wad, stored.redemption_wad), fresh, limits.step_bps):
        return True
    since_s = _stands_since(stored, fresh, limits)
    return since_s is not None and fresh.round_time_s >= since_s + limits.step_wait_s


def inside_gap(stored: Report | None, fresh: Report, limits: StoreLimits) -> bool:
    """Whether the gap before this item is not over. As PriceStore._inside.

    What is written inside a gap leaves the prices and begins no gap of its own: the next price can come min_gap_s after
    the write before it, whatever the status did in between.
    """
    return stored is not None and fresh.round_time_s < _gap_began_s(stored, limits) + limits.min_gap_s


def _gap_began_s(stored: Report, limits: StoreLimits) -> int:
    held = limits.waiting
    inside_s = held.inside_s if held is not None and held.last_s == stored.round_time_s else 0
    return stored.round_time_s - inside_s


def needs_waiting(stored: Report | None, fresh: Report, limits: StoreLimits) -> bool:
    """Whether what the store holds back can bear on this item, so that ``StoreLimits.waiting`` must be read.

    Not where the stored status is ok: a write that left the prices is at least watch.
    """
    if stored is None or stored.status is Status.OK:
        return False
    return inside_gap(stored, fresh, limits) or not takes_price(stored, fresh, limits)


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
    if inside_gap(stored, fresh, limits) and fresh.status <= stored.status:
        passed_s = fresh.round_time_s - _gap_began_s(stored, limits)
        return f"{passed_s} s after the last write, the store asks {limits.min_gap_s}"
    return None
