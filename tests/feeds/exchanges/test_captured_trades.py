"""Real captured trades and order books, read by the adapters and once more by a plain reading of the JSON: every one equal.

The plain readings know nothing of ``feeds``: fields by name, numbers as fractions. What an interface of years ago sent in
another form is refused, not read as something else.
"""

from __future__ import annotations

import gzip
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from feeds.decode import order_book
from feeds.errors import FeedError
from feeds.registry import EXCHANGES
from feeds.types import Instrument, TradeTick, VenueTrade
from feeds.units import WAD
from tests.feeds.exchanges.captured import plain, rest_bodies, server_lines, unpacked


class Row(NamedTuple):
    """A trade as it stands in the message; ``contracts``: its size is no number of base units."""

    symbol: str
    trade_id: str
    price: Fraction
    volume: Fraction
    at_ms: int
    contracts: bool = False


def _binance(message: Any, _: dict[int, str]) -> list[Row]:
    data = message.get("data", {}) if isinstance(message, dict) else {}
    if data.get("e") != "aggTrade":
        return []
    return [Row(data["s"], str(data["a"]), Fraction(data["p"]), Fraction(data["q"]), data["T"])]


def _coinbase(message: Any, _: dict[int, str]) -> list[Row]:
    if message.get("type") not in ("match", "last_match"):
        return []
    at = datetime.fromisoformat(message["time"])
    at_ms = int(at.replace(microsecond=0).timestamp()) * 1_000 + at.microsecond // 1_000
    price, volume = Fraction(message["price"]), Fraction(message["size"])
    return [Row(message["product_id"], str(message["trade_id"]), price, volume, at_ms)]


def _bitfinex(message: Any, channels: dict[int, str]) -> list[Row]:
    if isinstance(message, dict):
        if message.get("event") == "subscribed" and message["channel"] == "trades":
            channels[message["chanId"]] = message["symbol"]
        return []
    if message[0] not in channels or message[1] in ("hb", "tu"):
        return []
    rows = [message[2]] if message[1] == "te" else message[1]
    return [Row(channels[message[0]], str(i), Fraction(p), abs(Fraction(a)), at) for i, at, a, p in rows]


def _bitstamp(message: Any, _: dict[int, str]) -> list[Row]:
    if message.get("event") != "trade":
        return []
    data, symbol = message["data"], message["channel"].removeprefix("live_trades_")
    at_ms = int(data["microtimestamp"]) // 1_000
    return [Row(symbol, str(data["id"]), Fraction(data["price_str"]), Fraction(data["amount_str"]), at_ms)]


def _gate(message: Any, _: dict[int, str]) -> list[Row]:
    if message["channel"] != "spot.trades" or message["event"] != "update":
        return []
    row = message["result"]
    at_ms = math.floor(Fraction(row["create_time_ms"]))
    return [Row(row["currency_pair"], str(row["id"]), Fraction(row["price"]), Fraction(row["amount"]), at_ms)]


def _htx(message: Any, _: dict[int, str]) -> list[Row]:
    _, symbol, *channel = message.get("ch", "..").split(".")
    if channel != ["trade", "detail"]:
        return []
    rows = message["tick"]["data"]
    return [Row(symbol, str(r["tradeId"]), Fraction(r["price"]), Fraction(r["amount"]), r["ts"]) for r in rows]


def _kucoin(message: Any, _: dict[int, str]) -> list[Row]:
    if message.get("subject") != "trade.l3match":
        return []
    row = message["data"]
    at_ms = int(row["time"]) // 1_000_000
    return [Row(row["symbol"], row["tradeId"], Fraction(row["price"]), Fraction(row["size"]), at_ms)]


def _okx(message: Any, _: dict[int, str]) -> list[Row]:
    if "data" not in message or message["arg"]["channel"] != "trades":
        return []
    names = ("instId", "tradeId", "px", "sz", "ts")
    rows = ([row[n] for n in names] for row in message["data"])
    return [Row(s, i, Fraction(p), Fraction(n), int(at), s != "BTC-USDT") for s, i, p, n, at in rows]


@dataclass(frozen=True)
class Tape:
    """A venue's captured trades: how they are read plainly, and how many there are."""

    read: Callable[[Any, dict[int, str]], list[Row]]
    trades: int
    files: str = "*.ws.*"


TAPES = {
    "binance": Tape(_binance, 2),
    "bitfinex": Tape(_bitfinex, 210),
    "bitstamp": Tape(_bitstamp, 10),
    "coinbase": Tape(_coinbase, 107),
    "gate": Tape(_gate, 9),
    "htx": Tape(_htx, 12),
    "kucoin": Tape(_kucoin, 10),
    "okx": Tape(_okx, 74),
}


def read_trades(venue: str, folder: Path) -> tuple[list[TradeTick], list[Row]]:
    """What the adapter read, and what stands there, in the order in which it was sent."""
    read, stands = list[TradeTick](), list[Row]()
    tape, channels, session = TAPES[venue], dict[int, str](), EXCHANGES[venue].trade_session()
    for path in sorted((folder / venue).glob(tape.files)):
        for _, line in server_lines(path):
            frame = unpacked(line)
            stands += tape.read(plain(frame), channels)
            try:
                read += session.read_frame(frame).trades
            except FeedError:
                continue
    return read, stands


@pytest.mark.parametrize("venue", sorted(TAPES))
def test_every_captured_trade_reads_as_it_stands(captures: Path, venue: str) -> None:
    read, stands = read_trades(venue, captures)
    assert len(stands) == TAPES[venue].trades
    assert len(read) == len(stands)
    for tick, row in zip(read, stands, strict=True):
        assert isinstance(tick.result, FeedError if row.contracts else VenueTrade), str(tick)
        if isinstance(tick.result, FeedError):
            assert EXCHANGES[venue].listing(tick.symbol).instrument is not Instrument.SPOT
            continue
        price, volume = math.floor(row.price * WAD), math.floor(row.volume * WAD)
        assert (tick.symbol, tick.result.trade_id) == (row.symbol, row.trade_id)
        assert (tick.result.price_wad, tick.result.volume_wad, tick.result.at_ms) == (price, volume, row.at_ms)
        assert EXCHANGES[venue].listing(tick.symbol).base


@pytest.mark.parametrize("venue", ["bybit", "bitget", "kraken"])
def test_trades_of_a_retired_interface_are_refused(captures: Path, venue: str) -> None:
    """Bybit before v5, Bitget v1, Kraken v1: not one of their trades is taken for something else."""
    session, outcomes = EXCHANGES[venue].trade_session(), Counter[str]()
    for path in sorted((captures / venue).glob("*.ws.*")):
        for _, frame in server_lines(path):
            try:
                outcomes["trades"] += len(session.read_frame(frame).trades)
            except FeedError as error:
                outcomes[error.code] += 1
    assert outcomes["trades"] == 0
    assert outcomes["MALFORMED"] > 50


BOOKS = {
    "binance": ("/depth?", ""),
    "bitstamp": ("/order_book/", ""),
    "gate": ("/order_book?", ""),
    "kucoin": ("/orderbook/level2?", "data"),
}
"""What the address of a book holds, and under which key of the reply it stands. KuCoin's are of the whole book."""


@pytest.mark.parametrize("venue", sorted(BOOKS))
def test_every_captured_book_reads_as_it_stands(captures: Path, venue: str) -> None:
    books, (address, key) = 0, BOOKS[venue]
    for path in sorted((captures / venue).glob("*.http.*")):
        for url, body in rest_bodies(path):
            if address in url:
                message = plain(body)
                assert_equal(venue, "x", body.encode(), message[key] if key else message)
                books += 1
    assert books > 2


def test_captured_snapshots_of_htx_are_the_same_book_as_its_rest_reply(captures: Path) -> None:
    """A frame of ``depth.step0`` is that reply without its status."""
    books = 0
    for path in sorted((captures / "htx").glob("*.ws.*")):
        for _, line in server_lines(path):
            frame = unpacked(line)
            assert isinstance(frame, bytes)
            message = plain(frame)
            _, symbol, *channel = message.get("ch", "..").split(".")
            if channel == ["depth", "step0"]:
                body = b'{"status":"ok",' + gzip.decompress(frame)[1:]
                assert_equal("htx", symbol, body, message["tick"])
                books += 1
    assert books == 24


def assert_equal(venue: str, symbol: str, body: bytes, stands: Any) -> None:
    """The book that an adapter reads has the levels that stand there, and a depth that grows."""
    exchange = EXCHANGES[venue]
    book = exchange.parse_book(exchange.book_request(symbol), body)
    for side, levels in ((book.bids, stands["bids"]), (book.asks, stands["asks"])):
        assert [(p, s) for p, s in side] == [
            (math.floor(Fraction(p) * WAD), math.floor(Fraction(s) * WAD)) for p, s, *_ in levels
        ]
    depth = order_book.depth(book)
    assert 0 <= depth.half_wad <= depth.one_wad <= depth.two_wad


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_no_venue_reads_another_venues_frames_as_trades(captures: Path, name: str) -> None:
    foreign = [p for p in sorted(captures.glob("*/*.ws.*")) if p.parent.name != name]
    frames = [unpacked(f) for p in foreign for _, f in list(server_lines(p))[:200]]
    assert len(frames) > 1_000
    session = EXCHANGES[name].trade_session()
    for frame in frames:
        try:
            trades = session.read_frame(frame).trades
        except FeedError:
            continue
        assert not any(isinstance(t.result, VenueTrade) for t in trades), frame
