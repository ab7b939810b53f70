"""DIA's methods: worked examples, and each of the known defects held against them."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from feeds.units import WAD, Wad
from oracle.combine.methods import dia, trade_window
from oracle.combine.methods.iqr import fence
from oracle.combine.methods.over_time import MethodView, RoundPrice
from oracle.model.spec import Tuning
from oracle.model.state import Trade, Window
from oracle.model.types import Input
from tests.oracle.oracle_build import wad


def trades(*rows: tuple[str, int, int], market: str = "m") -> list[Trade]:
    return [Trade(market=market, at_ms=at_ms, price_wad=wad(price), volume_wad=volume) for price, volume, at_ms in rows]


THREE = trades(("90", 998, 1_000), ("100", 1, 2_000), ("100", 1, 3_000))


def test_vwap_of_three_trades_is_90_02_and_stays_so_behind_the_filter() -> None:
    """With the volumes sorted away from their prices, or in reverse order of time, it would be 99.99."""
    assert dia.vwap(THREE) == dia.vwapir(THREE) == dia.mair(THREE) == wad("90.02")
    mixed = [THREE[1], THREE[0], THREE[2]]
    assert dia.vwapir(mixed) == wad("90.02")
    assert dia.vwalp([*THREE], 10_000) == wad("100")


def test_ma_is_the_simple_average_of_seconds() -> None:
    """Two trades in one second are one slot with the later price."""
    rows = trades(("90", 5, 1_000), ("100", 1, 1_400), ("102", 1, 2_000))
    assert dia.ma(rows) == wad("101")
    assert [t.volume_wad for t in dia.slots(rows)] == [6, 1]


def test_markets_have_slots_of_their_own() -> None:
    rows = [*trades(("1", 1, 1_000), market="a"), *trades(("3", 1, 1_000), market="b")]
    assert dia.ma(rows) == wad("2")


def test_the_interquartile_filter_drops_the_far_trade_and_leaves_order_and_volumes() -> None:
    rows = trades(*((str(100 + k % 3), k + 1, k * 1_000) for k in range(8)), ("20", 9, 9_000))
    left = dia.ir(rows)
    assert left == rows[:8]
    assert dia.medir(rows) == wad("101")


def test_a_block_ends_where_it_is_shifted_to() -> None:
    rows = trades(("1", 5, 0), ("2", 5, 60_000), ("3", 1, 90_000), ("4", 5, 120_000), ("5", 5, 130_000))
    assert [t.price_wad // WAD for t in dia.block(rows, 120_000, 120_000)] == [2, 3, 4]
    assert [t.price_wad // WAD for t in dia.block(list(reversed(rows)), 110_000, 60_000)] == [2, 3]


def test_vwalp_takes_last_prices_by_the_markets_volume_and_drops_the_far_market() -> None:
    rows = [
        *trades(("5", 30, 1_000), ("1.001", 10, 2_000), market="a"),
        *trades(("1", 10, 1_500), market="b"),
        *trades(("0.999", 10, 1_500), market="c"),
        *trades(("1.5", 10_000, 1_500), market="d"),
    ]
    assert dia.vwalp(rows, 100) == Wad((wad("1.001") * 40 + wad("1") * 10 + wad("0.999") * 10) // 60)


def test_ema_is_seeded_with_the_first_point() -> None:
    """Three points: the multiplier is 1/2. 10, then (10 + 20) / 2, then (15 + 40) / 2."""
    assert dia.ema([Wad(10 * WAD)], 3) == wad("10")
    assert dia.ema([Wad(10 * WAD), Wad(20 * WAD), Wad(40 * WAD)], 3) == wad("27.5")


@given(rows=st.lists(st.tuples(st.integers(10**17, 10**19), st.integers(1, 10**9)), min_size=1, max_size=20))
def test_every_trade_keeps_its_own_volume(rows: list[tuple[int, int]]) -> None:
    given_ = [Trade(market=str(k), at_ms=k, price_wad=Wad(p), volume_wad=v) for k, (p, v) in enumerate(rows)]
    assert set(dia.ir(given_)) <= set(given_)
    total = sum(v for _, v in rows)
    assert dia.vwap(given_) == sum(p * v for p, v in rows) // total


def trade(at_ms: int, price: str, volume: int = 7, market: str = "a", **more: int) -> Trade:
    return Trade(market=market, group=market, at_ms=at_ms, price_wad=wad(price), volume_wad=volume, **more)


def group(name: str) -> Input:
    return Input(source=name, group=name, price_wad=Wad(WAD), weight=1, at_ms=0)


def fold(own: trade_window.TradeBlock, view: MethodView, *rounds: tuple[int, list[Trade]]) -> Window:
    window = Window()
    for at_ms, brought in rounds:
        believed = tuple(group(name) for name in sorted({t.group for t in brought}))
        window = own.fold(window, RoundPrice(at_ms=at_ms, price_wad=Wad(WAD), groups=believed, trades=brought), view)
    return window


def test_a_trade_that_is_told_again_is_one_trade() -> None:
    view = MethodView(window_s=120, gap_ms=60_000)
    rounds = [(10_000 * k, [trade(9_000, "1"), trade(10_000 * k - 500, "2", market="b")]) for k in (1, 2, 3)]
    window = fold(trade_window.VWAP, view, *rounds)
    assert len(window.trades) == 4
    assert trade_window.VWAP.read(window, 30_000, view) == wad("1.75")


def test_trades_of_one_moment_are_told_apart_by_what_they_are() -> None:
    """At the newest time heard of a market another price or size is news; the same one, or an older one, is a repeat."""
    view = MethodView(window_s=120, gap_ms=60_000)
    first = [trade(9_000, "1"), trade(9_500, "1")]
    again = [*first, trade(9_500, "1", 3), trade(9_500, "1.5"), trade(9_200, "1.7")]
    window = fold(trade_window.VWAP, view, (10_000, first), (20_000, again), (30_000, again))
    assert [(t.at_ms, t.price_wad, t.volume_wad) for t in window.trades] == [
        (9_000, wad("1"), 7), (9_500, wad("1"), 3), (9_500, wad("1"), 7), (9_500, wad("1.5"), 7)
    ]  # fmt: skip


def test_what_was_left_out_when_it_came_does_not_come_in_with_a_repeat() -> None:
    """Dust is heard, so a venue that repeats it after a restart brings nothing new."""
    view = MethodView(window_s=120, gap_ms=60_000, tuning=Tuning(dust=5))
    rows = [trade(9_000, "9", 4), trade(9_000, "9", 12, count=3), trade(9_000, "1", 15, count=3)]
    window = fold(trade_window.VWAP, view, (10_000, rows), (20_000, rows))
    assert [t.volume_wad for t in window.trades] == [15], "three trades of 4 are dust, three of 5 are not"


def test_a_shifted_window_looks_at_what_was_then() -> None:
    view = MethodView(window_s=20, gap_ms=60_000, tuning=Tuning(shift_s=30))
    rounds = [(10_000 * k, [trade(10_000 * k, str(k))]) for k in range(1, 8)]
    window = fold(trade_window.MA, view, *rounds)
    assert trade_window.MA.read(window, 70_000, view) == wad("3.5")


def test_the_average_over_blocks_takes_one_point_for_each_block() -> None:
    view = MethodView(window_s=20, gap_ms=60_000, tuning=Tuning(points=3))
    rounds = [(10_000 * k, [trade(10_000 * k, str(k))]) for k in range(1, 8)]
    window = fold(trade_window.EMA, view, *rounds)
    assert [s.at_ms for s in window.samples] == [30_000, 50_000, 70_000]
    assert [s.price_wad for s in window.samples] == [wad("2.5"), wad("4.5"), wad("6.5")]
    assert trade_window.EMA.read(window, 70_000, view) == dia.ema([wad("2.5"), wad("4.5"), wad("6.5")], 3)


@given(rows=st.lists(st.tuples(st.integers(10**17, 10**19), st.integers(1, 5)), min_size=1, max_size=20))
def test_a_print_of_several_trades_counts_as_so_many(rows: list[tuple[int, int]]) -> None:
    together = [Trade(market="m", at_ms=k, price_wad=Wad(p), volume_wad=n, count=n) for k, (p, n) in enumerate(rows)]
    apart = [replace(t, volume_wad=1, count=1) for t in together for _ in range(t.count)]
    for formula in (dia.medir, dia.vwapir, dia.vwap):
        assert formula(together) == formula(apart)
    assert dia.RankedTrades(together).fence() == fence(sorted(t.price_wad for t in apart))


def test_the_newest_moment_of_a_merged_window_is_not_counted_twice() -> None:
    """What was merged can not be told apart any more, so what is told again of that moment is a repeat."""
    view = MethodView(window_s=600, gap_ms=60_000)
    flood = [trade(300_000 + k, "1", 10, "a") for k in range(trade_window.MOST_TRADES + 2)]
    window = fold(trade_window.VWAP, view, (310_000, flood), (320_000, flood[-3:]))
    assert sum(t.count for t in window.trades) == len(flood)


def test_a_flood_of_trades_makes_the_window_coarser_and_never_shorter() -> None:
    """Whoever sends many small trades does not push out the others'; the average moves by no more than the merged spans."""
    view = MethodView(window_s=600, gap_ms=60_000)
    rng = random.Random(3)
    quiet = [(10_000 * k, [trade(10_000 * k - 1, "1", 10**18, "quiet")]) for k in range(1, 30)]
    flood = [trade(300_000 + k, f"1.{rng.randrange(100, 999)}", 10**12, "flood") for k in range(9_000)]
    window = fold(trade_window.VWAP, view, *quiet, (310_000, flood))
    assert len(window.trades) <= trade_window.MOST_TRADES
    assert window.span_ms == 8
    assert sum(t.count for t in window.trades) == 29 + 9_000
    assert [t for t in window.trades if t.market == "quiet"] == [t for _, (t,) in quiet]
    exact = dia.vwap([*(t for _, (t,) in quiet), *flood])
    assert 0 <= exact - trade_window.VWAP.read(window, 310_000, view) <= 1
    later = trade_window.VWAP.fold(
        window, RoundPrice(at_ms=950_000, price_wad=Wad(WAD), trades=[trade(949_000, "1")]), view
    )
    assert (later.span_ms, len(later.trades)) == (1, 1), "once it is over trades are kept apart again"


def test_a_window_says_from_when_on_it_is_whole() -> None:
    view = MethodView(window_s=600, gap_ms=60_000)
    window = fold(trade_window.VWAP, view, *[(10_000 * k, []) for k in range(5, 9)])
    assert (window.begun_ms, window.folded_ms) == (50_000, 80_000)
    after_gap = trade_window.VWAP.fold(window, RoundPrice(at_ms=150_000, price_wad=Wad(WAD)), view)
    assert after_gap.begun_ms == 150_000
