"""Venues whose best bid and ask come in one channel, and the last trade or the 24 h volume in another. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from feeds.decode import values
from feeds.streams.venue import Frame, ParsedFrame
from feeds.types import Quote, Tick

_MOST_SYMBOLS = 1_000
_MAX_AGE_MS = 300_000
"""A last trade that is older than the book by more is left out: its channel may have died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastTrade:
    """Last trade and 24 h base volume of a symbol, as the venue wrote them; None where this channel does not say."""

    symbol: str
    last: Any = None
    volume: Any = None
    stated_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookTop:
    """Best bid and ask of a symbol, as the venue wrote them, and the last trade where it comes along."""

    symbol: str
    bid: Any
    ask: Any
    last: Any = None
    stated_at_ms: int | None = None


Part: TypeAlias = Tick | BookTop | LastTrade
"""What a frame can hold: a result that is complete, or one of two halves."""


@dataclass(slots=True)
class TwoChannels:
    """A session that completes each book with the newest last trade and volume.

    Only a book makes a tick, with the book's own time: the other channel never makes a price look younger. A book that
    comes first is quoted without last trade and volume. Where the other channel cannot be read, the books after it are
    errors until it can.
    """

    parse: Callable[[Frame], tuple[Part, ...]]
    ping_text: str | None = None
    _last_trades: dict[str, LastTrade] = field(default_factory=dict)

    def read_frame(self, frame: Frame) -> ParsedFrame:
        """Read one frame."""
        ticks: list[Tick] = []
        for part in self.parse(frame):
            if isinstance(part, Tick):
                ticks.append(part)
            elif isinstance(part, BookTop):
                ticks.append(self._complete(part))
            elif part.symbol in self._last_trades or len(self._last_trades) < _MOST_SYMBOLS:
                self._last_trades[part.symbol] = part
        return ParsedFrame(ticks=tuple(ticks))

    def ping(self, now_ms: int) -> Frame | None:
        """Return the same text each time."""
        del now_ms
        return self.ping_text

    def _complete(self, top: BookTop) -> Tick:
        trade = self._last_trades.get(top.symbol)
        if trade is None or _is_old(trade, top):
            trade = LastTrade(symbol=top.symbol)
        last = trade.last if top.last is None else top.last

        def read() -> Quote:
            return values.book_quote(top.bid, top.ask, last=last, volume=trade.volume, stated_at_ms=top.stated_at_ms)

        return values.tick(top.symbol, read)


def _is_old(trade: LastTrade, top: BookTop) -> bool:
    if trade.stated_at_ms is None or top.stated_at_ms is None:
        return False
    return top.stated_at_ms - trade.stated_at_ms > _MAX_AGE_MS
