"""The time of the process as rounds need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementClock:
    """The time of the process. ``now_ms``: Unix ms; ``clock_ok``: whether it may go under a signature."""

    now_ms: Callable[[], int]
    clock_ok: Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClock:
    """The time of a round.

    Attributes:
        elapsed_ms: since the round's start.
        now_ms: Unix ms.
        clock_ok: whether our time may go under a signature.
    """

    elapsed_ms: Callable[[], int]
    now_ms: Callable[[], int]
    clock_ok: Callable[[], bool]
