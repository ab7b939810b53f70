"""Captured trades and order books: each number equal to a plain reading of the raw JSON, and none of them wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from feeds.decode import order_book
from feeds.errors import FeedError, Malformed
from feeds.registry import EXCHANGES
from feeds.types import Book, VenueTrade
from tests.feeds.exchanges.captured import replies, server_frames

WAD = 10**18
Row = tuple[str, str, str, str, Fraction]
"""symbol, id, price, volume, time in ms."""


def plain(text: str | bytes) -> Any:
    """JSON whose numbers stay the texts that they were."""
    return json.loads(text, parse_float=str, parse_int=str)


def wad(text: str) -> int:
    return int(Fraction(text) * WAD)


def okx(message: Any) -> list[Row]:
    if "data" not in message or message["arg"]["channel"] != "trades":
        return []
    return [(r["instId"], r["tradeId"], r["px"], r["sz"], Fraction(r["ts"])) for r in message["data"]]


def gate(message: Any) -> list[Row]:
    if message["channel"] != "spot.trades" or message["event"] != "update":
        return []
    r = message["result"]
    return [(r["currency_pair"], r["id"], r["price"], r["amount"], Fraction(r["create_time_ms"]))]


def kucoin(message: Any) -> list[Row]:
    if message.get("subject") != "trade.l3match":
        return []
    r = message["data"]
    return [(r["symbol"], r["tradeId"], r["price"], r["size"], Fraction(r["time"]) / 1_000_000)]


def htx(message: Any) -> list[Row]:
    if not message.get("ch", "").endswith(".trade.detail"):
        return []
    symbol = message["ch"].split(".")[1]
    return [(symbol, r["tradeId"], r["price"], r["amount"], Fraction(r["ts"])) for r in message["tick"]["data"]]


READERS: dict[str, tuple[Callable[[Any], list[Row]], int, int]] = {
    "gate": (gate, 9, 0),
    "htx": (htx, 12, 0),
    "kucoin": (kucoin, 10, 0),
    "okx": (okx, 69, 5),
}
"""A plain reading, how many trades of base units the capture holds, and how many of contracts."""


@pytest.mark.parametrize("venue", sorted(READERS))
def test_captured_trades_equal_a_plain_reading_of_their_json(captures: Path, venue: str) -> None:
    read_plainly, traded, of_contracts = READERS[venue]
    session = EXCHANGES[venue].trade_session()
    right = refused = 0
    for received_ms, frame in server_frames(captures, venue):
        text = gzip.decompress(frame) if isinstance(frame, bytes) else frame
        rows = read_plainly(plain(text))
        try:
            trades = session.read_frame(frame).trades
        except Malformed:  # of another channel, which is not ours
            assert not rows
            continue
        assert len(trades) == len(rows)
        for tick, (symbol, number, price, volume, at_ms) in zip(trades, rows, strict=True):
            assert tick.symbol == symbol
            if symbol.count("-") > 1:  # OKX's derivatives, whose sizes are contracts
                assert isinstance(tick.result, FeedError)
                refused += 1
                continue
            assert tick.result == VenueTrade(
                trade_id=number, price_wad=wad(price), volume_wad=wad(volume), at_ms=int(at_ms)
            )
            assert at_ms < received_ms + 1_000, "the unit of the time is right"
            right += 1
    assert (right, refused) == (traded, of_contracts)


def sides(bids: Iterable[Any], asks: Iterable[Any]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """A plain reading of [price, size, ...] levels: none of size 0, equal prices added, the best first."""
    out = []
    for levels, descending in ((bids, True), (asks, False)):
        sizes: dict[Fraction, Fraction] = {}
        for level in levels:
            price = Fraction(level[0])
            sizes[price] = sizes.get(price, Fraction(0)) + Fraction(level[1])
        ordered = sorted(sizes.items(), reverse=descending)
        out.append(tuple((int(p * WAD), int(s * WAD)) for p, s in ordered if s))
    return tuple(out)


def assert_equal(venue: str, symbol: str, body: bytes, bids: Any, asks: Any) -> Book:
    exchange = EXCHANGES[venue]
    book = exchange.parse_book(exchange.book_request(symbol), body)
    assert (book.bids, book.asks) == sides(bids, asks)
    depth = order_book.depth(book)
    assert 0 <= depth.half_wad <= depth.one_wad <= depth.two_wad
    return book


@pytest.mark.parametrize(("venue", "count"), [("gate", 10), ("kucoin", 6)])
def test_captured_replies_of_order_books_equal_a_plain_reading(captures: Path, venue: str, count: int) -> None:
    """KuCoin's are of the whole book, which today wants a key; the part that does not is of the same form."""
    read = 0
    for url, body in replies(captures, venue):
        query = parse_qs(urlsplit(url).query)
        symbol = (query.get("currency_pair") or query["symbol"])[0]
        message = plain(body)
        found = message.get("data", message)
        book = assert_equal(venue, symbol, body, found["bids"], found["asks"])
        assert book.stated_at_ms == (int(found["time"]) if "time" in found else None)
        read += 1
    assert read == count


def test_captured_snapshots_of_htx_are_books_of_the_same_form(captures: Path) -> None:
    """A frame of ``depth.step0`` is the REST reply without its status."""
    read = 0
    for _, frame in server_frames(captures, "htx"):
        text = gzip.decompress(frame) if isinstance(frame, bytes) else frame.encode()
        message = plain(text)
        if not message.get("ch", "").endswith(".depth.step0"):
            continue
        symbol = message["ch"].split(".")[1]
        tick = message["tick"]
        book = assert_equal("htx", symbol, b'{"status":"ok",' + text[1:], tick["bids"], tick["asks"])
        assert book.stated_at_ms == int(message["ts"])
        read += 1
    assert read == 24
