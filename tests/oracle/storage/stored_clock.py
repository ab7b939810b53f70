"""A clock that a test moves, and that somebody has confirmed."""

from __future__ import annotations

from collections.abc import Callable

from oracle.runtime.clock import Clock


def clock_at(now_ms: Callable[[], int]) -> Clock:
    clock = Clock(now_ms, now_ms)
    at_ms = clock.now_ms()
    clock.watch.stated("kraken", at_ms, at_ms)
    clock.read()
    return clock
