"""When a symbol is asked for by request, and with whom: what the venue refused once is asked alone, and more rarely. Pure.

Times are arguments, in Unix ms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_FIRST_PAUSE_MS = 10_000
_MOST_PAUSE_MS = 600_000
_MOST_DOUBLINGS = 10


@dataclass(slots=True)
class _Turn:
    """One symbol. ``refusals``: in a row, of the symbol itself; ``due_ms``: not before."""

    asked_ms: int = 0
    due_ms: int = 0
    refusals: int = 0
    waiting: bool = False


class AskSchedule:
    """The symbols of one venue: which are asked for now, which of them together.

    Args:
        symbols: as the venue writes them.
    """

    def __init__(self, symbols: Iterable[str]) -> None:
        self._turns = {s: _Turn() for s in symbols}

    def due(self, wanted: Iterable[str], now_ms: int) -> list[str]:
        """Those of the wanted symbols that may be asked for now, the longest unasked first.

        Left out: one whose answer is still waited for, and one that was refused, until its pause is over.
        """
        free = (s for s in wanted if not self._turns[s].waiting and not self._pausing(self._turns[s], now_ms))
        return sorted(free, key=lambda s: (self._turns[s].asked_ms, s))

    def apart(self, symbol: str) -> bool:
        """Whether the symbol was refused when it was last asked for: it must not share a request with others."""
        return self._turns[symbol].refusals > 0

    def sent(self, symbols: Iterable[str], now_ms: int) -> None:
        """A request for them is on its way."""
        for symbol in symbols:
            self._turns[symbol].waiting, self._turns[symbol].asked_ms = True, now_ms

    def answered(self, symbol: str) -> None:
        """The venue knows the symbol, or the request was lost without anybody being to blame."""
        self._turns[symbol].waiting = False

    def accepted(self, symbol: str) -> None:
        """The venue answered for the symbol: it may share requests again."""
        turn = self._turns[symbol]
        turn.waiting, turn.refusals, turn.due_ms = False, 0, 0

    def refused(self, symbol: str, now_ms: int) -> None:
        """The venue refuses the symbol itself: it is asked for alone from now on, after 10 s, 20 s, and so on up to 10 min."""
        turn = self._turns[symbol]
        turn.waiting = False
        turn.due_ms = now_ms + min(_MOST_PAUSE_MS, _FIRST_PAUSE_MS << min(turn.refusals, _MOST_DOUBLINGS))
        turn.refusals += 1

    def _pausing(self, turn: _Turn, now_ms: int) -> bool:
        """A clock that was set back holds a symbol off for no longer than the longest pause."""
        return turn.due_ms - _MOST_PAUSE_MS <= now_ms < turn.due_ms
