"""The process hands each trade to one round, whatever it was told before, and a stored round recomputes with its trades."""

from __future__ import annotations

from pathlib import Path

import orjson

from feeds.types import Observation, Quote, Tick, TradeTick, VenueTrade
from feeds.units import MS, WAD, Wad, wad_text
from oracle.app import App
from oracle.audit.recompute import verify
from oracle.build import build
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.runtime.clock import Clock
from tests.oracle.oracle_build import T0

FEED = "ETH/USD"
SYMBOLS = {"coinbase": "ETH-USD", "kraken": "ETH/USD"}


def hear(app: App, number: int, at_ms: int) -> None:
    """A quote and a trade of each exchange; the last trade is told again with each, as after a new subscription."""
    for venue, symbol in SYMBOLS.items():
        app.observer.latest.put(venue, Tick(symbol=symbol, result=Quote(price_wad=Wad(2_000 * WAD))), at_ms)
        for n in (number - 1, number):
            trade = VenueTrade(trade_id=str(n), price_wad=Wad((2_000 + n) * WAD), volume_wad=WAD, at_ms=T0 + n * 10_000)
            app.observer.tape.put(venue, TradeTick(symbol=symbol, result=trade), at_ms)


async def test_each_trade_is_in_one_round_and_its_rounds_recompute(tmp_path: Path) -> None:
    sources = [{"type": v, "symbol": s} for v, s in SYMBOLS.items()]
    feed = {"sources": sources, "method": "vwap", "window_s": 600}
    config = resolve(parse({"oracle": {"database": str(tmp_path / "o.db")}, "feeds": {FEED: feed}}))
    components = build(config, environ={})
    try:
        app, prices = App(components), []
        for k in range(1, 5):
            hear(app, k, T0 + k * 10_000)
            at_s = T0 // MS + k * 10
            await app.round(at_s)
            result = app.database.result("local", FEED, at_s)
            assert result is not None
            told = [o for o in result.outcomes if isinstance(o, Observation)]
            expected = [T0 + n * 10_000 for n in ((0, 1) if k == 1 else (k,))]
            assert [[p.at_ms for p in o.prints] for o in told] == [expected, expected]
            record = app.database.record(FEED, at_s)
            assert record is not None
            prices.append(record.report.market_wad)
        assert prices == [Wad((2_000 * (k + 1) + k * (k + 1) // 2) * WAD // (k + 1)) for k in range(1, 5)]
        checks = list(verify(app.database, FEED, T0 // MS + 40))
        assert checks
        assert all(check.ok for check in checks), checks
    finally:
        await components.close()


async def test_a_live_question_is_answered_of_what_the_process_holds_now_each_trade_once(tmp_path: Path) -> None:
    """Through the process as it is built: its tables, its rounds, its readers in another process."""
    sources = [{"type": v, "symbol": s} for v, s in SYMBOLS.items()]
    feed = {"sources": sources, "method": "dia_vwapir", "window_s": 600}
    config = resolve(parse({"oracle": {"database": str(tmp_path / "o.db")}, "feeds": {FEED: feed}}))
    components = build(config, environ={}, clock=Clock(lambda: T0 + 34_000, lambda: 0))
    try:
        app = App(components)
        for k in (1, 2):
            hear(app, k, T0 + k * 10_000)
            await app.round(T0 // MS + k * 10)
        hear(app, 3, T0 + 33_000)
        question = {"base": "ETH", "quote": "USD", "method": "dia_vwap", "sources": [{"venue": "kraken"}]}
        found = orjson.loads((await components.questions.answer(question)).payload)
        assert (found["live"], found["computed_at_ms"], found["rounds"]) == (True, T0 + 34_000, 2)
        (used,) = found["answer"]["used"]
        assert (used["source"], used["age_ms"]) == ("kraken", 1_000)
        assert found["answer"]["price"] == wad_text((4 * 2_000 + 0 + 1 + 2 + 3) * WAD // 4)
    finally:
        await components.close()
