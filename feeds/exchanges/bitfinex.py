"""Bitfinex spot: ``ticker`` and ``trades`` channels of WebSocket v2, the REST tickers and order book.

Source: docs.bitfinex.com (WebSocket "General": info and error codes, "Ticker", "Trades"; REST "Tickers", "Book"). Data frames are arrays that
name a channel's number instead of its symbol: the session remembers which is which, from the acknowledgements of its own
connection. Fields are read by position from the front: flags of the connection and later versions append some. Prices are
JSON numbers; there is no time in either interface, so quotes are untimed. Bid, ask, last trade and daily volume (base
units) stand at 0, 2, 6 and 7 of the ticker.

A trade is told twice under one id: ``te`` when it is executed, which counts, and ``tu`` a little later, which does not. A
subscription to trades begins with the last ones; of id, time, amount and price the amount is negative where the taker sold.
The book is asked for at four significant digits, 250 levels together: 1 to 12 % on each side. Bids are then rounded down and asks
up [unconfirmed], so that depth is understated at the most.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import quote as url_quote

from feeds.decode import order_book, spelling, values
from feeds.errors import FeedError, Malformed, RateLimited, Refused, Unreachable, WrongSymbol
from feeds.streams.venue import Frame, ParsedFrame, PlainSession, Session, VenueLimits
from feeds.types import Book, Instrument, Listing, Quote, Request, Tick, TradeTick, VenueTrade

_LIMITS = VenueLimits(symbols_per_connection=25, connect_interval_ms=4_000, requests_per_s=1)
_SYMBOLS_PER_REQUEST = 20
_MOST_CHANNELS = 250
_VERSION = 2
_RESTART, _PAUSED, _RESUMED = 20_051, 20_060, 20_061
_TOO_MANY = 10_305
_BOOK = "P1?len=250"
_TRADE_PARTS = 4
_NAMES = MappingProxyType({
    "UST": "USDT", "UDC": "USDC", "TSD": "TUSD", "EUT": "EURT", "EUS": "EURS", "XCH": "XCHF", "ALG": "ALGO", "AMP": "AMPL",
    "ATO": "ATOM", "DAT": "DATA", "DOG": "MDOGE", "DSH": "DASH", "IOT": "IOTA", "MNA": "MANA", "QTM": "QTUM", "STJ": "STORJ",
})  # fmt: skip
"""The venue's own names of coins, most of them of three letters."""
_THREE = 3
_FUTURES = "F0"
_QUIET = ("unsubscribed", "conf", "pong")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitfinex(PlainSession):
    """Symbols as the venue writes them, with a t in front: ``tETHUSD``, ``tTESTBTC:TESTUSD``. UST is its tether."""

    name: str = "bitfinex"
    ws_url: str = "wss://api-pub.bitfinex.com/ws/2"
    rest_url: str = "https://api-pub.bitfinex.com"
    limits: VenueLimits = _LIMITS

    def subscribe(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol."""
        del now_ms
        return tuple(json.dumps({"event": "subscribe", "channel": "ticker", "symbol": s}) for s in symbols)

    def session(self) -> Session:
        """Return a reader that remembers channel numbers."""
        return _Session("ticker")

    def subscribe_trades(self, symbols: Sequence[str], now_ms: int) -> tuple[str, ...]:
        """One message per symbol."""
        del now_ms
        return tuple(json.dumps({"event": "subscribe", "channel": "trades", "symbol": s}) for s in symbols)

    def trade_session(self) -> Session:
        """The same of trades."""
        return _Session("trades")

    def request(self, symbols: Sequence[str]) -> tuple[Request, ...]:
        """One request per 20 symbols. What is not listed is left out of the reply."""
        root, size = f"{self.rest_url}/v2/tickers?symbols=", _SYMBOLS_PER_REQUEST
        groups = (tuple(symbols[i : i + size]) for i in range(0, len(symbols), size))
        return tuple(Request(url=root + url_quote(",".join(g), safe=""), symbols=g) for g in groups)

    def parse_reply(self, request: Request, body: bytes) -> tuple[Tick, ...]:
        """Read the tickers; a symbol that was asked and is not there is WrongSymbol."""
        message = _rows(values.load(body))
        rows = {row[0]: row[1:] for row in message if isinstance(row, list) and row and isinstance(row[0], str)}
        return tuple(values.tick(s, partial(_quote, rows.get(s))) for s in request.symbols)

    def listing(self, symbol: str) -> Listing:
        """``tETHUSD`` or ``tWEETH:USD``; ``tETHF0:USTF0`` is perpetual."""
        mark, written = symbol[:1], symbol[1:]
        text = written if ":" in written or len(written) != 2 * _THREE else f"{written[:_THREE]}:{written[_THREE:]}"
        if mark != "t" or text.count(":") != 1:
            raise ValueError(
                f"{symbol!r} is not a pair of this venue: it writes tBASEQUOTE of three letters each, or tBASE:QUOTE"
            )
        found = spelling.parted(text, ":", names=_NAMES)
        base, quote = (coin or "" for coin in (found.base, found.quote))
        if not (base.endswith(_FUTURES) and quote.endswith(_FUTURES)):
            return found
        base, quote = base.removesuffix(_FUTURES), quote.removesuffix(_FUTURES)
        return Listing(base=_NAMES.get(base, base), quote=_NAMES.get(quote, quote), instrument=Instrument.PERPETUAL)

    def book_request(self, symbol: str) -> Request:
        """Both sides in one array, at four significant digits."""
        return Request(url=f"{self.rest_url}/v2/book/{url_quote(symbol, safe='')}/{_BOOK}", symbols=(symbol,))

    def parse_book(self, request: Request, body: bytes) -> Book:
        """Levels of [price, orders, amount], asks with a negative amount; the reply does not name its symbol."""
        del request
        levels = [[values.item(row, 0), values.number(values.item(row, 2))] for row in _rows(values.load(body))]
        bids, asks = order_book.side(levels, lambda level: level[1] > 0)
        return order_book.read(bids, [[price, -amount] for price, amount in asks])


@dataclass(slots=True)
class _Session:
    """Of one connection, which subscribed to one channel only: ``ticker`` or ``trades``."""

    channel: str
    ping_text: str | None = None
    _symbols: dict[int, str] = field(default_factory=dict)

    def read_frame(self, frame: Frame) -> ParsedFrame:
        """Read one frame.

        Raises:
            Refused: an error that names no symbol, or a venue under maintenance.
            Unreachable: the venue restarts, or asks to subscribe again after maintenance.
            WrongSymbol: data of a channel that is not one of ours.
            Malformed: a message of an unknown kind, or not a message at all.
        """
        message = values.load(frame)
        if isinstance(message, Mapping):
            refused = self._event(message)
            return ParsedFrame() if refused is None else self._refused(*refused)
        channel, body = values.item(message, 0), values.item(message, 1)
        if not isinstance(channel, int) or isinstance(channel, bool):
            raise Malformed("a channel is a number", got=values.printable(channel))
        if body == "hb":
            return ParsedFrame()
        symbol = self._symbols.get(channel)
        if symbol is None:
            raise WrongSymbol("data of a channel that was not subscribed", channel=str(channel)[:20])
        if self.channel == "ticker":
            return ParsedFrame(ticks=(values.tick(symbol, partial(_quote, body)),))
        return ParsedFrame(trades=tuple(values.trade_tick(symbol, partial(_trade, row)) for row in _traded(message)))

    def ping(self, now_ms: int) -> Frame | None:
        """None: the venue sends heartbeats of its own."""
        del now_ms
        return self.ping_text

    def _refused(self, symbol: str, error: FeedError) -> ParsedFrame:
        if self.channel == "ticker":
            return ParsedFrame(ticks=(Tick(symbol=symbol, result=error),))
        return ParsedFrame(trades=(TradeTick(symbol=symbol, result=error),))

    def _event(self, message: Mapping[str, Any]) -> tuple[str, FeedError] | None:
        """Symbol and error of a refused subscription; None for what needs no answer."""
        event = values.text(values.member(message, "event"))
        if event == "subscribed":
            self._remember(message)
        elif event == "error":
            return _refusal(message)
        elif event == "info":
            _inform(message)
        elif event not in _QUIET:
            raise Malformed("unknown event", event=values.printable(event))
        return None

    def _remember(self, message: Mapping[str, Any]) -> None:
        if values.member(message, "channel") != self.channel:
            return
        channel, symbol = values.member(message, "chanId"), values.text(values.member(message, "symbol"))
        if not isinstance(channel, int) or isinstance(channel, bool):
            raise Malformed("a channel is a number", got=values.printable(channel))
        if len(self._symbols) >= _MOST_CHANNELS:
            raise Unreachable("more channels than were ever subscribed", channels=len(self._symbols))
        self._symbols[channel] = symbol


def _rows(message: Any) -> list[Any]:
    """Rows of a reply, which may be an error: ["error", 10020, "symbol: invalid"]."""
    if not isinstance(message, list):
        raise Malformed("expected an array", got=type(message).__name__)
    if message[:1] == ["error"]:
        code, text = (values.printable(part) for part in (*message[1:3], "", "")[:2])
        raise (WrongSymbol if text.startswith("symbol") else Refused)(text, code=code)
    return message


def _traded(message: Any) -> list[Any]:
    """Trades of a data frame: one of ``te``, none of ``tu``, all of a snapshot."""
    body = values.item(message, 1)
    if body == "tu":
        return []
    if body == "te":
        return [values.item(message, 2)]
    if not isinstance(body, list):
        raise Malformed("neither a trade nor a snapshot", got=values.printable(body))
    return body


def _trade(row: Any) -> VenueTrade:
    number, at, amount, price = (values.item(row, i) for i in range(_TRADE_PARTS))
    return values.trade(price, abs(values.number(amount)), at_ms=values.time_ms(at), trade_id=number)


def _quote(row: Any) -> Quote:
    if row is None:
        raise WrongSymbol("the reply does not hold the symbol that was asked")
    bid, ask, last, volume = (values.item(row, i) for i in (0, 2, 6, 7))
    return values.book_quote(bid, ask, last=last, volume=volume)


def _inform(message: Mapping[str, Any]) -> None:
    """Raise what an info message means, if it is more than a greeting."""
    code = message.get("code")
    if code in (_RESTART, _RESUMED):
        raise Unreachable("the venue asks for a new connection", code=values.printable(code))
    platform = message.get("platform")
    up = platform.get("status", 1) if isinstance(platform, Mapping) else 1
    if code == _PAUSED or up != 1:
        raise Refused("the venue is under maintenance", code=values.printable(code))
    version = message.get("version", _VERSION)
    if version != _VERSION:
        raise Malformed("another version of the interface", version=values.printable(version))


def _refusal(message: Mapping[str, Any]) -> tuple[str, FeedError]:
    text, code, symbol = values.printable(message.get("msg", "")), message.get("code"), message.get("symbol")
    kind = WrongSymbol if text.startswith("symbol") else RateLimited if code == _TOO_MANY else Refused
    error = kind(text, code=values.printable(code))
    if not isinstance(symbol, str) or not symbol:
        raise error
    return symbol, error
