"""How much a database does at a time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseLimits:
    """Sizes of steps, in rounds.

    Attributes:
        checkpoint_every: a state is kept before each so many rounds of a feed.
        pruned_at_once: dropped at most by one call of ``prune``.
        pruned_a_round: dropped at most with each round that is saved afterwards.
        quiet_rounds: after so many rounds of a feed without a read of a chain, it is not searched further back for one.
    """

    checkpoint_every: int = 1_000
    pruned_at_once: int = 5_000
    pruned_a_round: int = 250
    quiet_rounds: int = 60
