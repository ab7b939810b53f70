"""What comes in one message and is much: a burst of deals, and a whole order book."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from feeds.errors import FeedError
from feeds.registry import EXCHANGES
from feeds.types import VenueTrade
from feeds.units import WAD
from tests.feeds.golden_cases import protobuf

LEVELS = 5_000
_DEALS = "spot@public.aggre.deals.v3.api.pb@100ms@ETHUSDT"


def test_a_burst_of_mexc_s_deals_is_read_to_the_last_one() -> None:
    """More than a message of prices ever holds; those that cannot be read cost no other."""
    deals: list[Any] = [
        {"1": "4000.5", "2": "0.25" if i % 50 else "0", "3": 1, "4": 1_736_409_765_051, "5": str(i)}
        for i in range(3_000)
    ]
    frame = protobuf({"1": _DEALS, "3": "ETHUSDT", "6": 1_736_409_765_052, "314": {"1": deals, "2": "x"}})
    trades = EXCHANGES["mexc"].trade_session().read_frame(frame).trades
    assert len(trades) == len(deals)
    read = [t.result for t in trades if isinstance(t.result, VenueTrade)]
    assert [t.trade_id for t in read] == [str(i) for i in range(3_000) if i % 50]
    assert {(t.price_wad, t.volume_wad) for t in read} == {(40_005 * WAD // 10, WAD // 4)}
    assert {t.result.code for t in trades if isinstance(t.result, FeedError)} == {"NOT_POSITIVE"}


def _okx(bids: list[Any], asks: list[Any]) -> Any:
    return {"code": "0", "msg": "", "data": [{"asks": asks, "bids": bids, "ts": "1760130545123"}]}


def _mexc(bids: list[Any], asks: list[Any]) -> Any:
    return {"lastUpdateId": 1, "bids": bids, "asks": asks}


def _gemini(bids: list[Any], asks: list[Any]) -> Any:
    return {k: [{"price": p, "amount": s} for p, s in v] for k, v in (("bids", bids), ("asks", asks))}


BOOKS: dict[str, tuple[str, Callable[[list[Any], list[Any]], Any]]] = {
    "gemini": ("ETHUSD", _gemini),
    "mexc": ("ETHUSDT", _mexc),
    "okx": ("ETH-USDT", _okx),
}


@pytest.mark.parametrize("name", sorted(BOOKS))
def test_as_many_levels_as_are_asked_for_are_read(name: str) -> None:
    symbol, written = BOOKS[name]
    exchange = EXCHANGES[name]
    request = exchange.book_request(symbol)
    assert str(LEVELS) in request.url
    bids, asks = (
        [[f"{4_000 + sign * (i + 1) / 100:.2f}", "0.5"] for i in range(LEVELS)] for sign in (-1, 1)
    )  # the texts of prices, no arithmetic of ours
    book = exchange.parse_book(request, json.dumps(written(bids, asks)).encode())
    assert len(book.bids) == len(book.asks) == LEVELS
    assert (book.bids[0], book.asks[0]) == ((399_999 * WAD // 100, WAD // 2), (400_001 * WAD // 100, WAD // 2))
    assert (book.bids[-1][0], book.asks[-1][0]) == (3_950 * WAD, 4_050 * WAD)
