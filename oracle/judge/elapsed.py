"""How long a gap between two rounds counts in what sums over time: supply, slow drift, the learned level."""

from __future__ import annotations

from oracle.model.state import Memory

HOUR_MS = 3_600_000
MOST_GAP_MS = 24 * HOUR_MS
"""A longer gap counts as one of this length."""


def gap_ms(memory: Memory, now_ms: int) -> int:
    """How long the time since the last round with a price counts in a sum; 0 before the first."""
    return min(MOST_GAP_MS, max(0, now_ms - memory.at_ms)) if memory.at_ms else 0
