"""The tape: trades of the last minutes of every symbol that a method needs them of. Pure: times are arguments."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace

from feeds.errors import FeedError, FromFuture
from feeds.types import Print, TradeTick, VenueTrade
from feeds.units import Wad

KEEP_MS = 900_000
"""A trade that came longer ago is forgotten: rounds take them in as they come."""
MOST_TRADES = 50_000
"""Of one symbol. Beyond it those go that a round has taken in; where all are news the smallest, so that nobody pushes out
others' trades by small ones of his own."""
_LEFT_TRADES = MOST_TRADES * 3 // 4
_TOLD_AGAIN = 1_000
"""More than any venue tells again when it is subscribed to."""
MOST_PRINTS = 512
"""Of one symbol in one round. Beyond it trades are merged over a longer span."""
_SPANS_MS = (1, 10, 100, 1_000, 10_000, 100_000, KEEP_MS)


@dataclass(slots=True)
class _Symbol:
    """(received at, trade), as they came, and the ids among them. ``taken_ms``: until then rounds have taken them in.

    ``from_ms``: what was traded later was heard as it was traded, and what is told again is known by its number; before, the venue
    told its last trades. 0: it gives no numbers, so nobody can tell.
    """

    trades: deque[tuple[int, VenueTrade]] = field(default_factory=deque)
    ids: set[str] = field(default_factory=set)
    taken_ms: int = 0
    from_ms: int = -1

    def drop_first(self) -> None:
        self.ids.discard(self.trades.popleft()[1].trade_id)

    def drop_smallest(self) -> int:
        """Leave three quarters of them, the newest among them whatever their size; returns how many went.

        The newest are what a venue tells again.
        """
        least = sorted((t.volume_wad for _, t in self.trades), reverse=True)[_LEFT_TRADES - 1]
        newest = len(self.trades) - _TOLD_AGAIN
        above = sum(t.volume_wad > least for _, t in self.trades)
        left = _LEFT_TRADES - above  # of those that are just as large as the least, the newest
        kept: deque[tuple[int, VenueTrade]] = deque()
        for place, (received_ms, trade) in zip(range(len(self.trades) - 1, -1, -1), reversed(self.trades), strict=True):
            equal = trade.volume_wad == least and left > 0
            left -= equal
            if trade.volume_wad > least or equal or place >= newest:
                kept.appendleft((received_ms, trade))
            else:
                self.ids.discard(trade.trade_id)
        gone = len(self.trades) - len(kept)
        self.trades = kept
        return gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Prints:
    """Trades of some time, ascending. ``span_ms``: trades that are no further apart were merged; 1: only equal times and prices.

    ``from_ms``: of later ones none is a repeat.
    """

    prints: tuple[Print, ...] = ()
    span_ms: int = 1
    from_ms: int = 0


class TradeTape:
    """(venue, symbol) -> its newest trades, each once.

    Args:
        future_ms: how far a trade's own time may lie ahead of ours.
    """

    def __init__(self, *, future_ms: int = 5_000) -> None:
        self._future_ms = future_ms
        self._symbols: dict[tuple[str, str], _Symbol] = {}
        self.dropped: Counter[str] = Counter()
        """Trades of a venue that were repeated, too old, from the future, or the smallest of too many."""

    def put(self, venue: str, tick: TradeTick, received_at_ms: int) -> FeedError | None:
        """Keep a trade. One that is known already (a venue repeats the last ones on each subscription) is not news.

        Returns:
            The tick's error, or FromFuture; None for a trade, news or not.
        """
        trade = tick.result
        if isinstance(trade, FeedError):
            return trade
        symbol = self._symbols.setdefault((venue, tick.symbol), _Symbol())
        if (ahead_ms := trade.at_ms - received_at_ms) > self._future_ms:
            self.dropped[venue] += 1
            return FromFuture("the trade's own time", ahead_ms=ahead_ms, tolerance_ms=self._future_ms)
        if received_at_ms - trade.at_ms > KEEP_MS or (trade.trade_id and trade.trade_id in symbol.ids):
            self.dropped[venue] += 1
            return None
        if symbol.from_ms < 0:
            symbol.from_ms = received_at_ms + self._future_ms
        if not trade.trade_id:
            symbol.from_ms = 0
        symbol.trades.append((received_at_ms, trade))
        symbol.ids.add(trade.trade_id)
        # a number is forgotten only when its trade, which may have been stamped a little ahead, would be too old to return
        kept_from_ms = received_at_ms - KEEP_MS - self._future_ms
        while symbol.trades[0][0] < kept_from_ms:
            symbol.drop_first()
        while len(symbol.trades) > MOST_TRADES and symbol.trades[0][0] <= symbol.taken_ms:
            symbol.drop_first()
        if len(symbol.trades) > MOST_TRADES:
            self.dropped[venue] += symbol.drop_smallest()
        return None

    def prints(self, venue: str, symbol: str, after_ms: int, until_ms: int, least_wad: int = 0) -> Prints:
        """Trades that were received after one time and until another, merged where they are too many.

        Trades of fewer base units than ``least_wad`` are left out before that: merged with others they would make those small.
        """
        held = self._symbols.get((venue, symbol))
        if held is None:
            return Prints()
        held.taken_ms = max(held.taken_ms, after_ms)
        trades: list[VenueTrade] = []
        for received_ms, trade in reversed(held.trades):
            if received_ms <= after_ms:
                break
            if received_ms <= until_ms and trade.volume_wad >= least_wad:
                trades.append(trade)
        return replace(merged(trades[::-1]), from_ms=max(0, held.from_ms))


def merged(trades: list[VenueTrade], most: int = MOST_PRINTS) -> Prints:
    """Prints of trades: exact where there are not too many, else means over the shortest span that makes them few enough."""
    exact: dict[tuple[int, Wad], list[int]] = {}
    for t in trades:
        held = exact.setdefault((t.at_ms, t.price_wad), [0, 0])
        held[0] += t.volume_wad
        held[1] += 1
    prints = [
        Print(at_ms=at_ms, price_wad=price, volume_wad=volume, count=count)
        for (at_ms, price), (volume, count) in sorted(exact.items())
    ]
    span_ms = next((s for s in _SPANS_MS if _places(prints, s) <= most), _SPANS_MS[-1])
    if span_ms == 1 and len(prints) <= most:
        return Prints(prints=tuple(prints))
    spans: dict[int, list[Print]] = {}
    for p in prints:
        spans.setdefault(p.at_ms // span_ms, []).append(p)
    return Prints(prints=tuple(_mean(held) for held in spans.values()), span_ms=span_ms)


def _places(prints: list[Print], span_ms: int) -> int:
    return len(prints) if span_ms == 1 else len({p.at_ms // span_ms for p in prints})


def _mean(prints: list[Print]) -> Print:
    """One print at the volume-weighted mean price, rounded down, at the time of the last."""
    volume = sum(p.volume_wad for p in prints)
    count = sum(p.count for p in prints)
    total = sum(p.price_wad * p.volume_wad for p in prints)
    price = total // volume if volume else sum(p.price_wad for p in prints) // len(prints)
    return Print(at_ms=prints[-1].at_ms, price_wad=Wad(price), volume_wad=volume, count=count)
