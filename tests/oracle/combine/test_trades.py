"""Methods of trades from the tape to the price: against formulas written here from the definitions, to the unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.types import Pair, Print
from feeds.units import WAD, Bps
from oracle.combine.methods.volume_cap import capped_volumes, group_volumes
from oracle.model.state import FeedState, Trade
from oracle.model.status import Status, Why
from oracle.model.types import Abstained, Aggregate, FeedRound, GroupTrades, Leg, Report, Result, TradesUsed
from oracle.round.step import step
from tests.oracle.combine.trade_tapes import (
    RECORDED,
    TapeTrade,
    feed_of_trades,
    payload_folder,
    prices,
    recorded,
    rounds,
)
from tests.oracle.oracle_build import PAIR, T0, seen, source, spec, wad

Formula = Callable[[Sequence[TapeTrade]], Fraction]


# --- the definitions, independent of ours: exact fractions over single trades ---------------------------------------------


def mean_by_volume(trades: Sequence[TapeTrade]) -> Fraction:
    return Fraction(sum(t.price_wad * t.size_wad for t in trades), sum(t.size_wad for t in trades))


def by_second(trades: Sequence[TapeTrade]) -> dict[tuple[str, int], list[TapeTrade]]:
    """DIA: each second of a market has a slot that trades are put into, in the order of their time."""
    out: dict[tuple[str, int], list[TapeTrade]] = {}
    for t in sorted(trades, key=lambda t: (t.at_ms, t.venue, t.price, t.size)):
        out.setdefault((t.venue, t.at_ms // 1_000), []).append(t)
    return out


def moving_average(trades: Sequence[TapeTrade]) -> Fraction:
    """The simple average of the closing prices of the slots."""
    closing = [held[-1].price_wad for held in by_second(trades).values()]
    return Fraction(sum(closing), len(closing))


def median_of(numbers: Sequence[int]) -> int:
    ranked = sorted(numbers)
    return (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) // 2


def cleared(trades: Sequence[TapeTrade]) -> list[TapeTrade]:
    """What the interquartile range leaves: 1.5 ranges around the quartiles, each the median of its half of the trades."""
    ranked = sorted(t.price_wad for t in trades)
    half = max(1, len(ranked) // 2)
    low, high = median_of(ranked[:half]), median_of(ranked[-half:])
    reach = -(-3 * (high - low) // 2)
    return [t for t in trades if low - reach <= t.price_wad <= high + reach]


def slots_by_volume(trades: Sequence[TapeTrade]) -> Fraction:
    """MAIR: of what is left, the slots' closing prices weighted by the slots' volume."""
    slots = [(held[-1].price_wad, sum(t.size_wad for t in held)) for held in by_second(cleared(trades)).values()]
    return Fraction(sum(p * v for p, v in slots), sum(v for _, v in slots))


def middle_trade(trades: Sequence[TapeTrade]) -> Fraction:
    return Fraction(median_of([t.price_wad for t in cleared(trades)]))


def last_by_volume(trades: Sequence[TapeTrade]) -> Fraction:
    """VWALP: each market's last price by its whole volume, without those more than half a percent from their median."""
    markets = sorted({t.venue for t in trades})
    told = {m: sorted((t.at_ms, t.price, t.size) for t in trades if t.venue == m) for m in markets}
    rows = [(int(held[-1][1] * WAD), sum(int(size * WAD) for *_, size in held)) for held in told.values()]
    centre = median_of([price for price, _ in rows])
    near = [(p, v) for p, v in rows if Fraction(abs(p - centre), centre) <= Fraction(50, 10_000)] or rows
    return Fraction(sum(p * v for p, v in near), sum(v for _, v in near))


DEFINITIONS: dict[str, Formula] = {
    "vwap": mean_by_volume,
    "dia_vwap": mean_by_volume,
    "dia_vwapir": lambda trades: mean_by_volume(cleared(trades)),
    "dia_ma": moving_average,
    "dia_mair": slots_by_volume,
    "dia_medir": middle_trade,
    "dia_vwalp": last_by_volume,
}


def expected(tape: Sequence[TapeTrade], at_ms: int, window_s: int, formula: Formula) -> int | None:
    """The formula over the trades of the window that were received by then; None where there are none."""
    inside = [t for t in tape if t.received_ms <= at_ms and at_ms - window_s * 1_000 < t.at_ms <= at_ms]
    return floor(formula(inside)) if inside else None


@pytest.fixture(params=sorted(RECORDED))
def tape(request: pytest.FixtureRequest) -> list[TapeTrade]:
    folder = payload_folder()
    if folder is None:
        pytest.skip("recorded messages of exchanges are not beside this checkout")
    return recorded(folder, request.param)


@pytest.mark.parametrize("method", DEFINITIONS)
def test_a_recorded_tape_gives_what_its_definition_says_to_the_unit(tape: list[TapeTrade], method: str) -> None:
    """Round by round, from tape to price; also where the process was started anew in the middle of it."""
    feed = feed_of_trades([tape[0].venue], method, window_s=20)
    said = {at: expected(tape, at, 20, DEFINITIONS[method]) for at in prices(rounds(feed, tape, every_s=2))}
    assert sum(p is not None for p in said.values()) >= 10
    assert len({p for p in said.values() if p}) >= 3
    assert prices(rounds(feed, tape, every_s=2)) == said
    middle_s = tape[len(tape) // 2].received_ms // 1_000
    assert prices(rounds(feed, tape, every_s=2, restart_at_s=middle_s)) == said


def made_up(row: tuple[str, int, int, int, int], count: int) -> TapeTrade:
    venue, gap, late, price, size = row
    at_ms = T0 + count * 700 + gap
    return TapeTrade(venue, at_ms + late, at_ms, Decimal(price) / 1_000, Decimal(size) / 1_000, str(count))


trades = st.tuples(
    st.sampled_from(["coinbase", "kraken", "binance"]),
    st.integers(0, 600),
    st.sampled_from([0, 5, 40]),
    st.integers(3_800, 4_200),
    st.integers(1, 10**6),
)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(trades, min_size=1, max_size=60),
    restart=st.none() | st.integers(0, 60),
    method=st.sampled_from(sorted(DEFINITIONS)),
)
def test_any_tape_gives_what_its_definition_says(
    rows: list[tuple[str, int, int, int, int]], restart: int | None, method: str
) -> None:
    """Over several venues, each of which quotes when it trades, and tells the last minute again after a restart."""
    tape = [made_up(row, count) for count, row in enumerate(rows)]
    feed = feed_of_trades(["binance", "coinbase", "kraken"], method, window_s=15)
    restart_s = None if restart is None else T0 // 1_000 + restart
    told = prices(rounds(feed, tape, every_s=5, restart_at_s=restart_s))
    assert told == {at_ms: expected(tape, at_ms, 15, DEFINITIONS[method]) for at_ms in told}


# --- one round after another, by hand -------------------------------------------------------------------------------------


def traded(name: str, quote: str, *told: tuple[int, str, str], at_ms: int = T0, **changes: Any) -> Any:
    """An observation with prints of (time, price, base units)."""
    prints = tuple(Print(at_ms=t, price_wad=wad(p), volume_wad=wad(v)) for t, p, v in told)
    return replace(seen(name, quote, at_ms), prints=prints, **changes)


def market(result: Result) -> Aggregate:
    assert isinstance(result, FeedRound), result
    assert result.market is not None
    return result.market


def feed(**changes: Any) -> Any:
    base = spec(
        method="vwap", outliers=None, has_redemption=False,
        sources=tuple(source(n) for n in ("coinbase", "kraken", "binance")),
    )  # fmt: skip
    return replace(base, **changes)


THREE = [
    traded("coinbase", "100", (T0 - 3, "100", "1000")),
    traded("kraken", "101", (T0 - 2, "101", "10")),
    traded("binance", "102", (T0 - 1, "102", "10")),
]


def test_prices_100_101_102_with_volumes_1000_10_10() -> None:
    got = market(step(feed(), FeedState(), THREE, {}, T0)[0])
    assert got.price_wad == (100 * 1_000 + 101 * 10 + 102 * 10) * WAD // 1_020
    assert got.point_wad == wad("101"), "the point is still that of the quotes"
    assert {u.source: u.weight_bps for u in got.used} == {"coinbase": 9_803, "kraken": 98, "binance": 98}


def test_the_day_s_volume_of_a_ticker_weighs_nothing() -> None:
    quoted = [replace(o, volume_wad=10**30) for o in THREE[1:]]
    got = market(step(feed(), FeedState(), [THREE[0], *quoted], {}, T0)[0])
    assert got.price_wad == market(step(feed(), FeedState(), THREE, {}, T0)[0]).price_wad


@pytest.mark.parametrize(
    ("cap", "shares"),
    [(0, (9_803, 98, 98)), (50, (5_000, 2_500, 2_500)), (34, (3_400, 3_300, 3_300)), (33, (3_333, 3_333, 3_333)),
     (1, (3_333, 3_333, 3_333)), (99, (9_803, 98, 98)), (100, (9_803, 98, 98))],
)  # fmt: skip
def test_a_cap_holds_a_group_to_its_share_exactly_and_is_told(cap: int, shares: tuple[int, int, int]) -> None:
    capped = feed(tuning=replace(feed().tuning, volume_cap_percent=cap))
    got = market(step(capped, FeedState(), THREE, {}, T0)[0])
    assert tuple(u.weight_bps for u in sorted(got.used, key=lambda u: u.price_wad)) == shares
    if cap == 50:
        assert got.price_wad == (100 * 2 + 101 + 102) * WAD // 4
    assert got.trades is not None
    assert got.trades.cap_percent == cap


@given(sizes=st.lists(st.integers(1, 10**24), min_size=1, max_size=6), cap=st.integers(1, 100))
def test_a_cap_is_the_water_level_of_the_shares(sizes: list[int], cap: int) -> None:
    """No group is above the cap (or an equal share, where the cap is less); those below it keep their proportions."""
    told = [Trade(market=str(i), group=str(i), at_ms=0, price_wad=wad("1"), volume_wad=v) for i, v in enumerate(sizes)]
    got = group_volumes(capped_volumes(told, cap))
    whole, most = sum(got.values()), max(Fraction(cap, 100), Fraction(1, len(sizes)))
    assert all(Fraction(v, whole) <= most for v in got.values())
    factors = {Fraction(got[t.group], t.volume_wad) for t in told if Fraction(got[t.group], whole) < most}
    assert len(factors) <= 1
    kept = max(factors, default=Fraction(0))
    assert all(Fraction(got[t.group], t.volume_wad) <= kept or not factors for t in told)


def test_trades_leave_the_window_with_their_own_time_and_no_trade_is_no_price() -> None:
    short = feed(window_s=20)
    state = step(short, FeedState(), THREE, {}, T0)[1]
    quotes = [seen(n, "101", T0 + 15_000) for n in ("coinbase", "kraken", "binance")]
    result, state = step(short, state, quotes, {}, T0 + 15_000)
    assert market(result).price_wad == (100 * 1_000 + 101 * 10 + 102 * 10) * WAD // 1_020
    quotes = [seen(n, "101", T0 + 20_000) for n in ("coinbase", "kraken", "binance")]
    result, _ = step(short, state, quotes, {}, T0 + 20_000)
    assert isinstance(result, Abstained)
    assert (result.why, result.text) == (
        Why.NO_QUORUM, "trades of 0 of 2 groups (none) in the 20 s of the window; none of binance, coinbase, kraken"
    )  # fmt: skip


def test_a_round_without_a_price_hears_its_trades_all_the_same() -> None:
    """Two groups trade one after the other: the first alone is no quorum, but what it traded counts when the second is there."""
    first, state = step(feed(), FeedState(), [THREE[0], seen("kraken", "101"), seen("binance", "102")], {}, T0)
    assert isinstance(first, Abstained)
    assert "trades of 1 of 2 groups (coinbase) in the 60 s of the window; none of binance, kraken" in first.text
    later = T0 + 10_000
    second = [
        seen("coinbase", "100", later),
        traded("kraken", "101", (later, "101", "10"), at_ms=later),
        seen("binance", "102", later),
    ]
    result, _ = step(feed(), state, second, {}, later)
    assert market(result).price_wad == (100 * 1_000 + 101 * 10) * WAD // 1_010


def test_an_outlier_s_trades_do_not_enter_and_do_not_count_while_it_is_one() -> None:
    filtered = feed(outliers="mad", outlier_floor_bps=50, max_spread_bps=500)
    said = [traded(n, "100", (T0 - 5, "100", "10")) for n in ("coinbase", "kraken")]
    lie = traded("binance", "104", (T0 - 5, "104", "1000000"))
    first, state = step(filtered, FeedState(), [*said, lie], {}, T0)
    assert market(first).price_wad == wad("100")
    later = T0 + 10_000
    back = [seen(n, "100", later) for n in ("coinbase", "kraken", "binance")]
    second, _ = step(filtered, state, back, {}, later)
    assert market(second).price_wad == wad("100"), "what it traded while it was an outlier never enters"
    told_again = replace(back[2], prints=lie.prints)
    third, _ = step(filtered, state, [*back[:2], told_again], {}, later)
    assert market(third).price_wad == wad("100"), "nor where its venue repeats it once it is believed again"
    honest = [*said, traded("binance", "100", (T0 - 5, "100.5", "80"))]
    _, state = step(filtered, FeedState(), honest, {}, T0)
    fourth, _ = step(filtered, state, [*back[:2], seen("binance", "104", later)], {}, later)
    assert market(fourth).price_wad == wad("100"), "nor does what it traded before count while it is one"


def test_a_trade_far_from_all_quotes_is_no_price() -> None:
    """Whoever trades with himself off the books states what he likes, of a volume that he likes."""
    limit = feed(max_spread_bps=300)
    washed = replace(
        THREE[0], prints=(*THREE[0].prints, Print(at_ms=T0 - 2, price_wad=wad("150"), volume_wad=wad("100000")))
    )
    got = market(step(limit, FeedState(), [washed, *THREE[1:]], {}, T0)[0])
    assert got.price_wad == (100 * 1_000 + 101 * 10 + 102 * 10) * WAD // 1_020


def test_dust_is_of_a_trade() -> None:
    dusty = feed(tuning=replace(feed().tuning, dust=wad("11")))
    one = replace(THREE[1], prints=(Print(at_ms=T0 - 2, price_wad=wad("101"), volume_wad=wad("30")),))
    many = replace(THREE[2], prints=(Print(at_ms=T0 - 1, price_wad=wad("102"), volume_wad=wad("30"), count=3),))
    got = market(step(dusty, FeedState(), [THREE[0], one, many], {}, T0)[0])
    assert got.price_wad == (100 * 1_000 + 101 * 30) * WAD // 1_030


def test_the_round_tells_what_it_was_made_of() -> None:
    rows = [
        traded("coinbase", "100", (T0 - 40_000, "100", "1"), (T0 - 3_000, "101", "2"), prints_span_ms=10),
        traded("kraken", "100", (T0 - 2_000, "100", "5")),
        seen("binance", "100"),
    ]
    first, state = step(feed(), FeedState(), rows, {}, T0)
    later = T0 + 20_000
    second, _ = step(feed(), state, [seen(n, "100", later) for n in ("coinbase", "kraken", "binance")], {}, later)
    assert market(first).trades == TradesUsed(
        since_ms=T0 - 60_000, until_ms=T0, complete_ms=T0, cap_percent=0,
        groups=(
            GroupTrades(group="coinbase", count=2, volume_wad=3 * WAD, first_ms=T0 - 40_000, last_ms=T0 - 3_000, span_ms=10),
            GroupTrades(group="kraken", count=1, volume_wad=5 * WAD, first_ms=T0 - 2_000, last_ms=T0 - 2_000, span_ms=1),
        ),
    )  # fmt: skip
    told = market(second).trades
    assert told is not None
    assert (told.complete_ms, [g.count for g in told.groups]) == (T0, [1, 1])


def test_prices_in_another_unit_are_converted_by_the_leg_of_their_round() -> None:
    """101 dollars are 0.0505 ether at 2,000, and stay so when ether costs 2,500 in a later round."""
    dollars = Pair(base=PAIR.base, quote="USD")
    sources = (source("coinbase"), source("kraken", pair=dollars, convert="ETH/USD", divide=True))
    mixed = feed(sources=sources)

    def legs(price: str, at_ms: int) -> dict[str, Leg]:
        report = Report(
            market_wad=wad(price), redemption_wad=wad("0"), spread_bps=Bps(1), status=Status.OK, why=Why.NONE,
            round_time_s=at_ms // 1_000, market_age_s=0, redemption_age_h=0,
        )  # fmt: skip
        return {"ETH/USD": Leg(feed="ETH/USD", report=report, market_as_of_ms=at_ms)}

    rows = [traded("coinbase", "0.05", (T0 - 1, "0.05", "1")), traded("kraken", "100", (T0 - 1, "101", "3"))]
    first, state = step(mixed, FeedState(), rows, legs("2000", T0), T0)
    by_hand = (wad("0.05") + 3 * wad("0.0505")) // 4
    assert market(first).price_wad == by_hand
    later = T0 + 10_000
    rows = [seen("coinbase", "0.05", later), seen("kraken", "125", later)]
    assert market(step(mixed, state, rows, legs("2500", later), later)[0]).price_wad == by_hand
