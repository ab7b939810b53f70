"""Real captured trades and order books, read by the adapters and once more by a plain reading of the JSON: every one equal.

The plain readings know nothing of ``feeds``: fields by name, numbers as fractions. What an interface of years ago sent in
another form is refused, not read as something else.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from feeds.decode import order_book
from feeds.errors import FeedError
from feeds.registry import EXCHANGES
from feeds.types import TradeTick, VenueTrade
from feeds.units import WAD
from tests.feeds.exchanges.captured import plain, rest_bodies, server_lines


class Row(NamedTuple):
    """A trade as it stands in the message."""

    symbol: str
    trade_id: str
    price: Fraction
    volume: Fraction
    at_ms: int


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


@dataclass(frozen=True)
class Tape:
    """A venue's captured trades: how they are read plainly, and how many there are."""

    read: Callable[[Any, dict[int, str]], list[Row]]
    trades: int
    files: str = "*.ws.*"
    frame: Callable[[str], Any] = field(default=str)
    """From a line of the file to what the venue sent."""


TAPES = {
    "binance": Tape(_binance, 2),
    "bitfinex": Tape(_bitfinex, 210),
    "bitstamp": Tape(_bitstamp, 10),
    "coinbase": Tape(_coinbase, 107),
}


def read_trades(venue: str, folder: Path) -> tuple[list[TradeTick], list[Row]]:
    """What the adapter read, and what stands there, in the order in which it was sent."""
    read, stands = list[TradeTick](), list[Row]()
    tape, channels, session = TAPES[venue], dict[int, str](), EXCHANGES[venue].trade_session()
    for path in sorted((folder / venue).glob(tape.files)):
        for _, line in server_lines(path):
            frame = tape.frame(line)
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
        assert isinstance(tick.result, VenueTrade), str(tick)
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


BOOKS = {"binance": "/depth?", "bitstamp": "/order_book/"}
"""What the address of a book holds."""


@pytest.mark.parametrize("venue", sorted(BOOKS))
def test_every_captured_book_reads_as_it_stands(captures: Path, venue: str) -> None:
    exchange, books = EXCHANGES[venue], 0
    for path in sorted((captures / venue).glob("*.http.*")):
        for url, body in rest_bodies(path):
            if BOOKS[venue] not in url:
                continue
            stands = plain(body)
            book = exchange.parse_book(exchange.book_request("x"), body.encode())
            for side, levels in ((book.bids, stands["bids"]), (book.asks, stands["asks"])):
                assert [(p, s) for p, s in side] == [
                    (math.floor(Fraction(p) * WAD), math.floor(Fraction(s) * WAD)) for p, s, *_ in levels
                ]
            depth = order_book.depth(book)
            assert 0 <= depth.half_wad <= depth.one_wad <= depth.two_wad
            books += 1
    assert books > 2


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_no_venue_reads_another_venues_frames_as_trades(captures: Path, name: str) -> None:
    foreign = [p for p in sorted(captures.glob("*/*.ws.*")) if p.parent.name != name]
    frames = [f for p in foreign for _, f in list(server_lines(p))[:200]]
    assert len(frames) > 1_000
    session = EXCHANGES[name].trade_session()
    for frame in frames:
        try:
            trades = session.read_frame(frame).trades
        except FeedError:
            continue
        assert not any(isinstance(t.result, VenueTrade) for t in trades), frame
