"""How much a database does at a time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseLimits:
    """Sizes of steps, in rounds.

    Attributes:
        checkpoint_every: a state is kept before each so many rounds of a feed.
        pruned_at_once: dropped, or thinned out, at most by one step.
        packed_together: rounds of a feed in one pack.
        left_unpacked: the newest rounds of a feed, which stay as they were written.
        quiet_rounds: after so many rounds of a feed without a read of a chain, it is not searched further back for one.
    """

    checkpoint_every: int = 1_000
    pruned_at_once: int = 360
    packed_together: int = 60
    left_unpacked: int = 60
    quiet_rounds: int = 60
