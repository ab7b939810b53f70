"""When to push, as pure functions: the mirror of PriceStore's own checks, and the operator's reasons to spend gas."""

from __future__ import annotations

from feeds.units import BPS
from oracle.types import FeedSpec, Report, Status

MAX_AHEAD_S = 30
"""As PriceStore: how far a round_time may lie ahead of the block."""


def acceptable(stored: Report | None, fresh: Report, *, block_time_s: int, max_push_age_s: int) -> str | None:
    """Why the store would not take this item in a block of that time; None if it takes it.

    Line for line the contract: too old and too far ahead revert the batch, not newer skips the item.
    """
    if fresh.round_time_s + max_push_age_s < block_time_s:
        return f"round_time is {block_time_s - fresh.round_time_s} s old, the store takes {max_push_age_s}"
    if fresh.round_time_s > block_time_s + MAX_AHEAD_S:
        return f"round_time lies {fresh.round_time_s - block_time_s} s ahead, the store takes {MAX_AHEAD_S}"
    if stored is not None and fresh.round_time_s <= stored.round_time_s:
        return "the store has this round_time or a later one"
    return None


def due(spec: FeedSpec, stored: Report | None, fresh: Report) -> str | None:
    """The reason to push a feed now, None if there is none: first, status, deviation of either price, heartbeat."""
    if stored is None or not stored.round_time_s:
        return "first"
    if fresh.status is not stored.status:
        return f"status {stored.status.word} to {fresh.status.word}"
    if fresh.status is not Status.HALT:
        for name, new, old in (
            ("market", fresh.market_wad, stored.market_wad),
            ("redemption", fresh.redemption_wad, stored.redemption_wad),
        ):
            if old and abs(new - old) * BPS >= old * spec.push_bps:
                return f"{name} moved {abs(new - old) * BPS // old} bps"
    if fresh.round_time_s - stored.round_time_s >= spec.heartbeat_s:
        return "heartbeat"
    return None
