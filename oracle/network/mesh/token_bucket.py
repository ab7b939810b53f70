"""Token buckets: so much a second, and a burst. Pure: times are arguments, in microseconds; integers only."""

from __future__ import annotations

_US = 1_000_000


class TokenBucket:
    """Holds ``burst`` tokens at most and gains ``per_s`` a second. A time that goes back gains nothing.

    Args:
        per_s: tokens a second, more than 0.
        burst: the most that it holds; it starts full.
        now_us: microseconds of a clock that nobody sets.
    """

    __slots__ = ("_at_us", "_burst", "_level", "_per_s")

    def __init__(self, per_s: int, burst: int, now_us: int) -> None:
        self._per_s, self._burst, self._at_us = per_s, burst, now_us
        self._level = burst * _US  # millionths of a token, so that nothing is lost by rounding

    def take(self, count: int, now_us: int) -> bool:
        """Take so many tokens, or none and say no."""
        self._gain(now_us)
        if count * _US > self._level:
            return False
        self._level -= count * _US
        return True

    def wait_us(self, count: int, now_us: int) -> int:
        """Microseconds until so many are there; more than a burst counts as a burst."""
        self._gain(now_us)
        missing = min(count, self._burst) * _US - self._level
        return -(-missing // self._per_s) if missing > 0 else 0

    def put(self, count: int) -> None:
        """Give tokens back that were taken for nothing."""
        self._level = min(self._burst * _US, self._level + count * _US)

    def _gain(self, now_us: int) -> None:
        passed_us = now_us - self._at_us
        if passed_us > 0:
            self._level = min(self._burst * _US, self._level + passed_us * self._per_s)
            self._at_us = now_us
