"""Which numbers of a sender have come: each counts once, in any order within a window. Pure.

A forwarded message comes by several members, or again from one that plays it back. Its number only rises at its sender, so
what is older than the window is not believed. (The same as the anti-replay window of IPsec, RFC 4303, 3.4.3.)
"""

from __future__ import annotations

RUN_BITS = 32
_IN_RUN = (1 << RUN_BITS) - 1


class ReplayWindow:
    """The highest number and which of the ``size`` below it have come.

    Args:
        size: how far behind the highest a number may be.
    """

    __slots__ = ("_highest", "_seen", "_size")

    def __init__(self, size: int = 1_024) -> None:
        self._size, self._highest, self._seen = size, -1, 0

    def has(self, number: int) -> bool:
        """Whether a number has come, or is too old to know."""
        behind = self._highest - number
        return behind >= 0 and (behind >= self._size or bool(self._seen >> behind & 1))

    def is_new(self, number: int) -> bool:
        """Whether a number has not come yet; from now on it has."""
        if number > self._highest:
            ahead = number - self._highest
            self._seen = ((self._seen << ahead) if ahead < self._size else 0) | 1
            self._seen &= (1 << self._size) - 1
            self._highest = number
            return True
        if self.has(number):
            return False
        self._seen |= 1 << (self._highest - number)
        return True


class ReplayWindows:
    """Windows of the last runs of a sender: the upper half of a number names the run, which a process draws at its start.

    So a process whose clock went back is heard all the same.

    Args:
        most: runs that are remembered; the one that was silent for longest gives way.
    """

    __slots__ = ("_most", "_runs")

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._runs: dict[int, ReplayWindow] = {}

    def has(self, number: int) -> bool:
        """Whether a number has come, or is too old to know."""
        window = self._runs.get(number >> RUN_BITS)
        return window is not None and window.has(number & _IN_RUN)

    def is_new(self, number: int) -> bool:
        """Whether a number has not come yet; from now on it has."""
        run = number >> RUN_BITS
        window = self._runs.pop(run, None) or ReplayWindow()
        self._runs[run] = window
        if len(self._runs) > self._most:
            self._runs.pop(next(iter(self._runs)))
        return window.is_new(number & _IN_RUN)
