"""For how long a process keeps what it has stored."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Days of each kind.

    Attributes:
        rounds_days: rounds with all their inputs.
        records_days: published records, one by one.
        minutes_days: what is left of them by the minute.
        hours_days: the same by the hour.
        values_days: what operators signed in a round.
        pushed_values_days: the same behind a push that landed.
        pushes_days: pushes whose outcome cannot change any more.
    """

    rounds_days: int
    records_days: int
    minutes_days: int
    hours_days: int
    values_days: int
    pushed_values_days: int
    pushes_days: int
