"""Real captured traffic: every message is read, refused with a type, or known not to be ours."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from feeds.registry import EXCHANGES
from feeds.types import FeedError, Quote


def server_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(receive time in ms, frame) of each line that the server sent."""
    for line in path.read_text().splitlines():
        stamp, colon, frame = line.partition(": ")
        if colon and stamp.replace(".", "").isdigit():
            yield int(float(stamp) * 1_000), frame


def read_all(venue: str, folder: Path) -> tuple[Counter[str], list[tuple[int, str, Quote]]]:
    outcomes: Counter[str] = Counter()
    quotes: list[tuple[int, str, Quote]] = []
    for path in sorted((folder / venue).glob("*.ws.*")):
        session = EXCHANGES[venue].session()
        for at_ms, frame in server_lines(path):
            try:
                ticks = session.hear(frame).ticks
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


def test_binance_book_tickers(captures: Path) -> None:
    outcomes, quotes = read_all("binance", captures)
    assert outcomes["read"] > 20
    assert set(outcomes) <= {"read", "control", "MALFORMED"}
    assert all(q.stated_at_ms is None and symbol.isupper() for _, symbol, q in quotes)


def test_kraken_v1_is_another_interface_and_is_refused_as_malformed(captures: Path) -> None:
    outcomes, quotes = read_all("kraken", captures)
    assert set(outcomes) == {"MALFORMED"}
    assert not quotes


def test_no_venue_reads_another_venues_frames_as_quotes(captures: Path) -> None:
    frames = [f for p in sorted(captures.glob("*/*.ws.*")) for _, f in list(server_lines(p))[:200]]
    assert len(frames) > 1_000
    for name in ("coinbase", "binance", "kraken"):
        session = EXCHANGES[name].session()
        for frame in frames:
            try:
                ticks = session.hear(frame).ticks
            except FeedError:
                continue
            mine = {"coinbase": "product_id", "binance": "stream", "kraken": "channel"}[name]
            assert not ticks or mine in json.loads(frame)
