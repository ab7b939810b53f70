"""How long an answer may be kept by readers and by what stands between: until the next round is due, or for good."""

from __future__ import annotations

from collections.abc import Callable

from feeds.units import MS

KEEP_NOT = "no-store"
ASK_AGAIN = "no-cache"
"""May be kept, and must be asked for again each time: 304 where it is the same."""
FILES = "public, max-age=0, s-maxage=60"
"""The page and the description: a new version is there a minute later."""
PAST = "public, max-age=300, s-maxage=3600"
"""A window of the past: its rounds thin out at some time."""
FOR_GOOD = "public, max-age=31536000, immutable"
_LATE_ROUNDS = 3
"""A process whose newest round is older than so many is behind: as /readyz counts."""
_NEWEST_END = "stale-while-revalidate=1"
_SETTLED_S = 120
"""After so long nothing is learned any more about a round."""


class Freshness:
    """Values of Cache-Control.

    Args:
        interval_s: between rounds; None: not known.
        now_ms: the clock, Unix ms.
        stored_s: the newest round from before the start, Unix seconds; 0: there is none.
    """

    def __init__(self, interval_s: int | None, now_ms: Callable[[], int], stored_s: int = 0) -> None:
        self._interval_s, self._now_ms = interval_s, now_ms
        self._round_s, self._before_s = 0, stored_s or now_ms() // MS

    def learn(self, round_s: int) -> None:
        """A round is shown."""
        self._round_s = max(self._round_s, round_s)

    def behind_s(self) -> int | None:
        """Seconds since the newest round where that one is late, or there is none since the start; None where all is well, or unknown."""
        if self._interval_s is None:
            return None
        lag_ms = self._now_ms() - (self._round_s or self._before_s) * MS
        is_late = abs(lag_ms) >= _LATE_ROUNDS * (self._interval_s + 1) * MS
        return max(0, lag_ms // MS) if is_late or not self._round_s else None

    @property
    def retry_s(self) -> int:
        """After so long the next round may be there."""
        return self._interval_s or 1

    def left_s(self) -> int:
        """Whole seconds until the next round is due; 0 where it is due or late."""
        now_ms, interval_ms = self._now_ms(), (self._interval_s or 1) * MS
        newest_due_ms = now_ms // interval_ms * interval_ms
        return (newest_due_ms + interval_ms - now_ms) // MS if self._round_s * MS >= newest_due_ms else 0

    def newest(self) -> str:
        """Of an answer that the next round changes. What stands between may keep it for a second at least."""
        left_s = self.left_s()
        return f"public, max-age={left_s}, s-maxage={max(1, left_s)}, {_NEWEST_END}"

    @staticmethod
    def is_newest(keep: str) -> bool:
        """Whether an answer with this Cache-Control is one that the next round changes."""
        return keep.endswith(_NEWEST_END)

    def of_prices(self, *, live: bool) -> str:
        """Of prices; an indication may change with every tick."""
        return ASK_AGAIN if live else self.newest()

    def of_round(self, round_s: int | None) -> str:
        """Of an answer about one round; None: about the newest."""
        return FOR_GOOD if round_s is not None and self._is_settled(round_s * MS) else self.newest()

    def until(self, until_ms: int | None) -> str:
        """Of an answer about a window that ends at a time; None: now."""
        return PAST if until_ms is not None and self._is_settled(until_ms) else self.newest()

    def _is_settled(self, at_ms: int) -> bool:
        return self._now_ms() - at_ms >= (_SETTLED_S + 3 * (self._interval_s or 0)) * MS
