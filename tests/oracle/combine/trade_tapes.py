"""Trade tapes through the tape, the observer and the rounds of a feed; and recorded ones, read without any of our adapters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from feeds.observe import Observer, Source
from feeds.types import Kind, Pair, Quote, Tick, TradeTick, VenueTrade
from feeds.units import WAD, Wad
from oracle.model.canonical_json import dump, parse
from oracle.model.spec import FeedSpec, Tuning
from oracle.model.state import FeedState
from oracle.model.types import Abstained, FeedRound, Result
from oracle.round.step import step
from tests.oracle.oracle_build import source, spec

BOUGHT = Pair(base="TOK", quote="USD")


@dataclass(frozen=True, slots=True)
class TapeTrade:
    """A trade of a venue, and when it was received (Unix ms); without an id where the venue has none."""

    venue: str
    received_ms: int
    at_ms: int
    price: Decimal
    size: Decimal
    trade_id: str = ""

    @property
    def price_wad(self) -> int:
        return int(self.price * WAD)

    @property
    def size_wad(self) -> int:
        return int(self.size * WAD)


def feed_of_trades(
    venues: Sequence[str], method: str = "vwap", window_s: int = 60, *, min_groups: int = 1, **tuning: Any
) -> FeedSpec:
    """A feed that believes every trade within half of its price, of venues that are groups of their own."""
    return spec(
        feed=str(BOUGHT), pair=BOUGHT, sources=tuple(source(v, pair=BOUGHT, max_age_s=3_600) for v in venues),
        method=method, outliers=None, window_s=window_s, min_groups=min_groups, max_spread_bps=5_000, has_redemption=False,
        max_age_s=3_600, tuning=Tuning(drift_bps_day=0, **tuning),
    )  # fmt: skip


def observer_of(feed: FeedSpec) -> Observer:
    """With a stream of quotes and one of trades for each venue."""
    return Observer([
        Source(
            feed=feed.feed, name=s.name, pair=s.pair, group=s.group, kind=Kind.MARKET, max_age_s=s.max_age_s,
            venue=s.name, symbol="TOK-USD", trades=True, dust_wad=feed.tuning.dust,
        )
        for s in feed.sources
    ])  # fmt: skip


def heard(observer: Observer, trade: TapeTrade) -> None:
    """A trade comes in, and the venue's quote follows it."""
    made = VenueTrade(
        trade_id=trade.trade_id, price_wad=Wad(trade.price_wad), volume_wad=trade.size_wad, at_ms=trade.at_ms
    )
    observer.tape.put(trade.venue, TradeTick(symbol="TOK-USD", result=made), trade.received_ms)
    quote = Quote(price_wad=Wad(trade.price_wad), last_wad=Wad(trade.price_wad))
    observer.latest.put(trade.venue, Tick(symbol="TOK-USD", result=quote), trade.received_ms)


def rounds(
    feed: FeedSpec,
    tape: Sequence[TapeTrade],
    *,
    every_s: int = 10,
    restart_at_s: int | None = None,
    told_again: int | None = None,
) -> Iterator[tuple[int, Result]]:
    """(time, result) of each round while the tape is played, in the order of receipt.

    ``restart_at_s``: before the first round from then on the process starts anew: its state comes from what was stored, its
    tables are empty, and each venue repeats the trades of the last minute, as venues do on a subscription; or its last
    ``told_again``.
    """
    ordered = sorted(tape, key=lambda t: t.received_ms)
    observer, state = observer_of(feed), FeedState()
    last_ms, place = 0, 0
    first_s = (ordered[0].received_ms // 1_000 // every_s) * every_s
    until_s = ordered[-1].received_ms // 1_000 + feed.window_s + 2 * every_s
    for at_s in range(first_s + every_s, until_s, every_s):
        if restart_at_s is not None and at_s >= restart_at_s:
            state, restart_at_s, observer = parse(FeedState, dump(state)), None, observer_of(feed)
            for t in _repeated(ordered[:place], last_ms, told_again):
                heard(observer, replace(t, received_ms=last_ms + 1))
        while place < len(ordered) and ordered[place].received_ms <= at_s * 1_000:
            heard(observer, ordered[place])
            place += 1
        outcomes = observer.observe(feed.feed, at_s * 1_000, last_ms)
        result, state = step(feed, state, outcomes, {}, at_s * 1_000)
        last_ms = at_s * 1_000
        yield last_ms, result


def _repeated(known: Sequence[TapeTrade], now_ms: int, told_again: int | None) -> list[TapeTrade]:
    if told_again is None:
        return [t for t in known if t.received_ms > now_ms - 60_000]
    by_venue = [[t for t in known if t.venue == v] for v in sorted({t.venue for t in known})]
    return [t for held in by_venue for t in held[max(0, len(held) - told_again) :]]


def prices(played: Iterator[tuple[int, Result]]) -> dict[int, int | None]:
    """The price of each round by its time; None where the feed abstained."""
    out: dict[int, int | None] = {}
    for at_ms, result in played:
        market = result.market if isinstance(result, FeedRound) else None
        assert market is not None or isinstance(result, Abstained)
        out[at_ms] = None if market is None else market.price_wad
    return out


def payload_folder() -> Path | None:
    """The recorded messages of exchanges, where they lie beside this checkout."""
    places = (folder / "shared" / "data" / "exchange_payloads" for folder in Path(__file__).resolve().parents)
    return next((p for p in places if p.is_dir()), None)


def _messages(folder: Path, name: str) -> Iterator[tuple[int, Any]]:
    for line in (folder / name).read_text(encoding="utf-8").splitlines():
        stamp, _, body = line.partition(": ")
        if body.startswith("{") and stamp.replace(".", "", 1).isdigit():
            yield int(Decimal(stamp) * 1_000), json.loads(body, parse_float=Decimal)


def _okx(message: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    if message.get("arg", {}).get("channel") == "trades":
        for t in message.get("data", ()):
            if t["instId"] == "BTC-USDT":
                yield int(t["ts"]), t["px"], t["sz"], t["tradeId"]


def _coinbase(message: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    if message.get("type") in ("match", "last_match") and message["product_id"] == "SKL-USD":
        hours, minutes, seconds = message["time"][11:-1].split(":")
        day_ms = 1_618_617_600_000  # 2021-04-17
        at_ms = day_ms + int((int(hours) * 3_600 + int(minutes) * 60 + Decimal(seconds)) * 1_000)
        yield at_ms, message["price"], message["size"], message["trade_id"]


def _bitget(message: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    if message.get("arg", {}).get("channel") == "trade" and message["arg"]["instId"] == "EOSUSDT":
        for at, price, size, _ in message.get("data", ()):
            yield int(at), price, size, ""


def _bitstamp(message: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    if message.get("event") == "trade" and message["channel"] == "live_trades_ethusd":
        t = message["data"]
        yield int(t["microtimestamp"]) // 1_000, t["price_str"], t["amount_str"], t["id"]


def _bybit(message: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    if message.get("topic") == "trade.LTCUSDT":
        for t in message["data"]:
            yield int(t["trade_time_ms"]), t["price"], t["size"], t["trade_id"]


Reader = Callable[[Mapping[str, Any]], Iterator[tuple[Any, ...]]]
RECORDED: Mapping[str, tuple[str, Reader]] = {
    "okx": ("okx/OKX.ws.1.0.txt", _okx),
    "coinbase": ("coinbase/COINBASE.ws.28.0.txt", _coinbase),
    "bitget": ("bitget/BITGET.ws.1.0.txt", _bitget),
    "bitstamp": ("bitstamp/BITSTAMP.ws.1.0.txt", _bitstamp),
    "bybit": ("bybit/BYBIT.ws.25.0.txt", _bybit),
}


def recorded(folder: Path, venue: str) -> list[TapeTrade]:
    """The trades of a recorded tape, each once; those of before the recording began, which the venue repeats, included."""
    name, read = RECORDED[venue]
    seen: set[tuple[Any, ...]] = set()
    tape: list[TapeTrade] = []
    for received_ms, message in _messages(folder, name):
        for place, row in enumerate(read(message)):
            at_ms, price, size, number = row
            key = (number,) if number else (*row, place)
            if key not in seen:
                seen.add(key)
                tape.append(TapeTrade(venue, received_ms, at_ms, Decimal(str(price)), Decimal(str(size)), str(number)))
    return tape
