"""Facts of a token that a lender asks for and no price rule reads: what moves its rate, who can stop it, how long a way out takes. Pure.

Each states where it was published. A fact that nobody has published is left out: what is unknown is never a no.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_MOST_DAYS = 365


class WayOut(StrEnum):
    """How a holder redeems, where redemption is open."""

    INSTANT = "instant"
    DELAY = "delay"
    """Each request waits for a time of its own."""
    QUEUE = "queue"
    """Requests are paid in their order, as stake comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Donation:
    """Whether anybody can move the rate by sending tokens or ether to a contract. ``why``: how, or why not."""

    movable: bool
    why: str | None = None
    source: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_source("donation", self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Whether somebody can stop the token's contracts. ``what`` is stopped then, ``by`` whom; None where unpublished."""

    possible: bool
    what: str | None = None
    by: str | None = None
    source: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_source("pausable", self.source)
        if not self.possible and (self.what or self.by):
            raise ValueError("pausable: what and by belong to possible = true")


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalTerms:
    """How long a redemption takes.

    Attributes:
        way: at once, after a delay, or in a queue.
        least_days, most_days: bounds that the contracts state; None where there are none.
        settable: somebody can change the delay.
        why: what else is known, in words.
        source: where it was published.
    """

    way: WayOut
    least_days: int | None = None
    most_days: int | None = None
    settable: bool = False
    why: str | None = None
    source: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_source("withdrawal", self.source)
        days = [d for d in (self.least_days, self.most_days) if d is not None]
        if not all(0 < d <= _MOST_DAYS for d in days) or days != sorted(days):
            raise ValueError(
                f"withdrawal: write least_days and most_days in whole days, 1 to {_MOST_DAYS}, the least first"
            )
        if self.way is WayOut.INSTANT and (days or self.settable):
            raise ValueError('withdrawal: way = "instant" has no days: leave them out, or write way = "delay"')


def _check_source(key: str, source: tuple[str, ...]) -> None:
    if not source:
        raise ValueError(f'{key}.source is empty: write where it was published, source = ["..."]')
