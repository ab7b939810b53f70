"""DIA's methods: worked examples, and each of the known defects held against them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feeds.units import WAD, Wad
from oracle.combine.methods import dia, dia_window
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


def test_a_block_ends_where_it_is_shifted_to_and_has_no_dust() -> None:
    rows = trades(("1", 5, 0), ("2", 5, 60_000), ("3", 1, 90_000), ("4", 5, 120_000), ("5", 5, 130_000))
    assert [t.price_wad // WAD for t in dia.block(rows, 120_000, 120_000)] == [2, 3, 4]
    assert [t.price_wad // WAD for t in dia.block(rows, 120_000, 120_000, dust_wad=2)] == [2, 4]
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


def entry(at_ms: int, price: str, volume: int = 7, group: str = "a") -> Input:
    return Input(source=group, group=group, price_wad=wad(price), weight=volume, at_ms=at_ms, volume_wad=volume)


def fold(own: dia_window.DiaBlock, view: MethodView, *rounds: tuple[int, list[Input]]) -> Window:
    window = Window()
    for at_ms, groups in rounds:
        window = own.fold(window, RoundPrice(at_ms=at_ms, price_wad=Wad(WAD), groups=groups), view)
    return window


def test_a_quote_that_is_repeated_with_its_time_is_one_quote() -> None:
    view = MethodView(window_s=120, gap_ms=60_000)
    rounds = [(10_000 * k, [entry(10_000, "1"), entry(10_000 * k, "2", group="b")]) for k in (1, 2, 3)]
    window = fold(dia_window.VWAP, view, *rounds)
    assert len(window.trades) == 4
    assert dia_window.VWAP.read(window, 30_000, view) == wad("1.75")


def test_a_shifted_block_looks_at_what_was_then_and_dust_is_never_kept() -> None:
    view = MethodView(window_s=20, gap_ms=60_000, tuning=Tuning(shift_s=30, dust=5))
    rounds = [(10_000 * k, [entry(10_000 * k, str(k)), entry(10_000 * k, "9", 4, "dust")]) for k in range(1, 8)]
    window = fold(dia_window.MA, view, *rounds)
    assert {t.market for t in window.trades} == {"a"}
    assert dia_window.MA.read(window, 70_000, view) == wad("3.5")


def test_the_average_over_blocks_takes_one_point_for_each_block() -> None:
    view = MethodView(window_s=20, gap_ms=60_000, tuning=Tuning(points=3))
    rounds = [(10_000 * k, [entry(10_000 * k, str(k))]) for k in range(1, 8)]
    window = fold(dia_window.EMA, view, *rounds)
    assert [s.at_ms for s in window.samples] == [30_000, 50_000, 70_000]
    assert [s.price_wad for s in window.samples] == [wad("2.5"), wad("4.5"), wad("6.5")]
    assert dia_window.EMA.read(window, 70_000, view) == dia.ema([wad("2.5"), wad("4.5"), wad("6.5")], 3)
