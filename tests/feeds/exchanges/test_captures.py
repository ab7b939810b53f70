"""Real captured traffic: every message is read, refused with a type, or known not to be ours."""

from __future__ import annotations

import ast
import gzip
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from feeds.decode import values
from feeds.errors import FeedError
from feeds.registry import EXCHANGES
from feeds.types import Quote
from feeds.units import WAD
from tests.feeds.exchanges.captured import plain, server_lines


def read_all(venue: str, folder: Path) -> tuple[Counter[str], list[tuple[int, str, Quote]]]:
    outcomes: Counter[str] = Counter()
    quotes: list[tuple[int, str, Quote]] = []
    for path in sorted((folder / venue).glob("*.ws.*")):
        session = EXCHANGES[venue].session()
        for at_ms, frame in server_lines(path):
            try:
                ticks = session.read_frame(frame).ticks
            except FeedError as e:
                outcomes[e.code] += 1
                continue
            outcomes["read" if ticks else "control"] += 1
            for t in ticks:
                assert isinstance(t.result, Quote), f"{t}"
                quotes.append((at_ms, t.symbol, t.result))
    return outcomes, quotes


def test_coinbase_tickers(captures: Path) -> None:
    outcomes, quotes = read_all("coinbase", captures)
    assert outcomes["read"] > 50
    assert outcomes["control"] >= 3
    assert set(outcomes) <= {"read", "control", "MALFORMED"}
    for _, symbol, quote in quotes:
        assert "-" in symbol
        assert quote.volume_wad is not None
        assert quote.stated_at_ms is not None
    live = [at_ms - q.stated_at_ms for at_ms, _, q in quotes if q.stated_at_ms is not None]
    assert min(live) > -1_000, "the unit of the venue's time is right: no quote is from the future"
    assert sorted(live)[len(live) // 2] < 60_000


def test_a_ticker_of_coinbase_is_as_old_as_its_match(captures: Path) -> None:
    """The ticker that a subscription begins with is no news: the book beside it in the capture has moved since."""
    tops: dict[str, tuple[Decimal, Decimal]] = {}
    first: dict[str, tuple[int, Quote]] = {}
    session = EXCHANGES["coinbase"].session()
    for at_ms, frame in server_lines(captures / "coinbase" / "COINBASE.ws.28.0.txt"):
        message = plain(frame)
        if message is not None and message.get("type") == "snapshot":
            tops[message["product_id"]] = (Decimal(message["bids"][0][0]), Decimal(message["asks"][0][0]))
        elif message is not None and message.get("type") == "ticker":
            (tick,) = session.read_frame(frame).ticks
            assert isinstance(tick.result, Quote)
            first.setdefault(tick.symbol, (at_ms, tick.result))
    ages_ms = {s: at_ms - (q.stated_at_ms or 0) for s, (at_ms, q) in first.items()}
    moved = {
        s for s, (bid, ask) in tops.items()
        if s in first and (first[s][1].bid_wad, first[s][1].ask_wad) != (bid * WAD, ask * WAD)
    }  # fmt: skip
    assert len(moved) >= 5, "as fresh they would state books that are gone"
    assert all(ages_ms[s] > 5_000 for s in moved), "by their own time they are old"


def test_a_ticker_of_kucoin_is_as_young_as_its_push(captures: Path) -> None:
    """Its documentation calls the time that of the last trade; in the capture it moves while the last trade stays."""
    seen: dict[str, tuple[str, str, int]] = {}
    moved = stood = 0
    for _, frame in server_lines(captures / "kucoin" / "KUCOIN.ws.1.0.txt"):
        message = plain(frame)
        if message is None or not str(message.get("topic", "")).startswith("/market/ticker:"):
            continue
        row, topic = message["data"], message["topic"]
        before = seen.get(topic)
        if before is not None and before[:2] == (row["price"], row["size"]):
            moved, stood = moved + (row["time"] > before[2]), stood + 1
        seen[topic] = (row["price"], row["size"], row["time"])
    assert moved == stood > 100


def test_binance_book_tickers(captures: Path) -> None:
    outcomes, quotes = read_all("binance", captures)
    assert outcomes["read"] > 20
    assert set(outcomes) <= {"read", "control", "MALFORMED"}
    assert all(q.stated_at_ms is None and symbol.isupper() for _, symbol, q in quotes)


def test_kraken_v1_is_another_interface_and_is_refused_as_malformed(captures: Path) -> None:
    outcomes, quotes = read_all("kraken", captures)
    assert set(outcomes) == {"MALFORMED"}
    assert not quotes


def test_okx_tickers(captures: Path) -> None:
    """v5, as today, of spot, a swap and a future."""
    outcomes, quotes = read_all("okx", captures)
    assert outcomes == {"read": 28, "control": 18, "MALFORMED": 166}, (
        "trades and books, which are not ours, are refused"
    )
    assert {symbol for _, symbol, _ in quotes} == {"BTC-USDT", "BTC-USD-220527", "UNI-USD-SWAP"}
    assert all(q.last_wad and q.volume_wad for _, _, q in quotes)
    assert median_lag_ms(quotes) in range(500)


def test_kucoin_tickers(captures: Path) -> None:
    """The ticker channel of 2021, believed unchanged; the capture holds no snapshots, so no volume."""
    outcomes, quotes = read_all("kucoin", captures)
    assert outcomes == {"read": 146, "control": 14, "MALFORMED": 703}, "matches, books and candles are not ours"
    assert len({symbol for _, symbol, _ in quotes}) == 9
    assert all(q.last_wad is not None and q.volume_wad is None for _, _, q in quotes)
    assert median_lag_ms(quotes) in range(500)


def test_gate_tickers(captures: Path) -> None:
    """v4 of 2021: before the frame's time had milliseconds."""
    outcomes, quotes = read_all("gate", captures)
    assert outcomes == {"read": 22, "control": 22, "MALFORMED": 195}, "trades, books and candles are not ours"
    assert all(q.volume_wad is not None and q.stated_at_ms is None and "_" in symbol for _, symbol, q in quotes)


def test_bitfinex_tickers_by_channel_number(captures: Path) -> None:
    """v2, with sequence numbers behind every frame; books and trades have numbers that are not a ticker's."""
    outcomes, quotes = read_all("bitfinex", captures)
    assert outcomes == {"read": 16, "control": 65, "WRONG_SYMBOL": 1299}
    assert {symbol for _, symbol, _ in quotes} == {
        "tBFTUSD", "tIOTETH", "tDOGUSD", "tMNABTC", "tODEUSD", "tTESTBTC:TESTUSD", "tSNGUSD",
    }  # fmt: skip
    assert all(q.last_wad and q.volume_wad is not None and q.stated_at_ms is None for _, _, q in quotes)
    first = quotes[0][2]
    assert (first.bid_wad, first.ask_wad) == (68_965 * 10**12, 77_400 * 10**12)


def test_bitstamp_trades_stand_beside_a_book_to_come(captures: Path) -> None:
    """The capture has changes of books, which are not ours, and trades; a book after them carries the last trade."""
    outcomes, quotes = read_all("bitstamp", captures)
    assert outcomes == {"control": 30, "MALFORMED": 475}
    assert not quotes
    session = EXCHANGES["bitstamp"].session()
    for path in sorted((captures / "bitstamp").glob("*.ws.*")):
        for _, frame in server_lines(path):
            if '"live_trades_ethusd"' in frame:
                session.read_frame(frame)
    book = '"bids":[["3800.5","1"]],"asks":[["3801.5","1"]],"microtimestamp":"1641343722000000"'
    (tick,) = session.read_frame(f'{{"event":"data","channel":"order_book_ethusd","data":{{{book}}}}}').ticks
    assert isinstance(tick.result, Quote)
    assert tick.result.last_wad == 3_800_800 * 10**15
    assert tick.result.stated_at_ms == 1_641_343_722_000


def test_htx_frames_unpack(captures: Path) -> None:
    """Depth and trades of 2021: not our channels, but the venue's own packing. They stand as Python bytes literals."""
    session, outcomes = EXCHANGES["htx"].session(), Counter[str]()
    for path in sorted((captures / "htx").glob("*.ws.*")):
        for _, line in server_lines(path):
            frame = ast.literal_eval(line)
            assert values.gunzip(frame) == gzip.decompress(frame)
            try:
                outcomes["read" if session.read_frame(frame).ticks else "control"] += 1
            except FeedError as e:
                outcomes[e.code] += 1
    assert outcomes == {"control": 20, "MALFORMED": 35}


@pytest.mark.parametrize("venue", ["bybit", "bitget", "gemini"])
def test_retired_interfaces_are_refused_as_malformed(captures: Path, venue: str) -> None:
    """Bybit before v5, Bitget v1 and Gemini's market data v2: whoever still spoke them would not be believed."""
    outcomes, quotes = read_all(venue, captures)
    assert outcomes["MALFORMED"] >= {"gemini": 24}.get(venue, 450)
    assert set(outcomes) <= {"MALFORMED", "control"}
    assert not quotes


def median_lag_ms(quotes: list[tuple[int, str, Quote]]) -> int:
    """Received less stated: the unit of the venue's time is right, and no quote is from the future."""
    lags = sorted(at_ms - q.stated_at_ms for at_ms, _, q in quotes if q.stated_at_ms is not None)
    assert len(lags) == len(quotes)
    assert lags[0] > 0
    return lags[len(lags) // 2]


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_no_venue_reads_another_venues_frames_as_quotes(captures: Path, name: str) -> None:
    foreign = [p for p in sorted(captures.glob("*/*.ws.*")) if p.parent.name != name]
    frames = [f for p in foreign for _, f in list(server_lines(p))[:200]]
    assert len(frames) > 1_000
    session = EXCHANGES[name].session()
    for frame in frames:
        try:
            ticks = session.read_frame(frame).ticks
        except FeedError:
            continue
        assert not any(isinstance(t.result, Quote) for t in ticks), frame
