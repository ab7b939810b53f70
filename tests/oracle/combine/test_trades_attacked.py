"""Methods of trades under attack: by a venue that lies while the others are silent, and by volume that is traded with oneself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feeds.errors import NoData
from feeds.types import Failure, Kind, Observation, Outcome, Print
from feeds.units import Wad
from oracle.model.canonical_json import dump, parse
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.status import Status, Why
from oracle.model.types import Abstained, Aggregate, FeedRound, Result
from oracle.round.step import as_leg, step
from tests.oracle.combine.trade_tapes import TapeTrade, feed_of_trades, prices
from tests.oracle.combine.trade_tapes import rounds as played
from tests.oracle.oracle_build import T0, seen, source, spec, wad

VENUES = ("binance", "coinbase", "kraken")
ROUND_MS = 10_000


def feed(**changes: object) -> FeedSpec:
    made = spec(
        method="vwap", outliers="mad", has_redemption=False, window_s=600, sources=tuple(source(n) for n in VENUES),
        max_spread_bps=500,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def told(name: str, at_ms: int, quote: str, price: str | None = None, volume: str = "10") -> Observation:
    """A quote, and where there is a price a trade of a millisecond before."""
    made = seen(name, quote, at_ms)
    assert isinstance(made, Observation)
    if price is None:
        return made
    return replace(made, prints=(Print(at_ms=at_ms - 1, price_wad=wad(price), volume_wad=wad(volume)),))


def silent(name: str, at_ms: int) -> Failure:
    return Failure(pair=spec().pair, source=name, error=NoData(), failed_at_ms=at_ms)


def market(result: Result) -> Aggregate:
    assert isinstance(result, FeedRound), result
    assert result.market is not None
    return result.market


def play(made: FeedSpec, rounds: Sequence[Sequence[Outcome]]) -> tuple[list[Result], FeedState]:
    """Rounds one after the other; the state goes through the database each time."""
    state, results = FeedState(), []
    for place, outcomes in enumerate(rounds):
        result, state = step(made, state, outcomes, {}, T0 + place * ROUND_MS)
        results.append(result)
        state = parse(FeedState, dump(state))
    return results, state


def calm(at_ms: int, price: str | None = None) -> list[Outcome]:
    return [told(n, at_ms, "100", price) for n in VENUES]


LATER, LAST = T0 + ROUND_MS, T0 + 2 * ROUND_MS
UNCONFIRMED = {
    "alone": [told("coinbase", LATER, "50", "50", "100000"), silent("kraken", LATER), silent("binance", LATER)],
    "apart": [told("coinbase", LATER, "88", "88", "100000"), told("kraken", LATER, "100"), silent("binance", LATER)],
    "old": [
        replace(told("coinbase", LATER, "50", "50", "100000"), observed_at_ms=LATER - 90_000),
        replace(told("kraken", LATER, "50"), observed_at_ms=LATER - 90_000),
        silent("binance", LATER),
    ],
}


@pytest.mark.parametrize("case", UNCONFIRMED)
def test_no_venue_says_alone_what_its_trades_are_worth(case: str) -> None:
    """What is traded while the quotes have no quorum is held against the next quotes that have one."""
    patient = feed(sources=tuple(source(n, max_age_s=300) for n in VENUES))
    results, state = play(patient, [calm(T0, "100"), UNCONFIRMED[case], calm(LAST)])
    assert isinstance(results[1], Abstained)
    assert market(results[2]).price_wad == wad("100")
    assert not state.window.waiting


def test_honest_trades_of_such_a_round_count_once_the_quotes_have_a_quorum() -> None:
    alone = [told("coinbase", LATER, "100", "103", "30"), silent("kraken", LATER), silent("binance", LATER)]
    repeated = [replace(told("coinbase", LAST, "100"), prints=alone[0].prints), *calm(LAST)[::2]]
    for last in (calm(LAST), repeated):
        results, _ = play(feed(), [calm(T0, "100"), alone, last])
        assert market(results[2]).price_wad == (3 * 100 * 10 + 103 * 30) * wad("1") // 60, "and no more than once"


def test_what_waits_of_a_group_that_is_an_outlier_then_never_counts() -> None:
    alone = [told("coinbase", LATER, "100", "103", "30"), silent("kraken", LATER), silent("binance", LATER)]
    off = [told("coinbase", LAST, "104"), *calm(LAST)[::2]]
    results, _ = play(feed(), [calm(T0, "100"), alone, off, calm(LAST + ROUND_MS)])
    assert [market(r).price_wad for r in results[2:]] == [wad("100"), wad("100")]


def test_trades_that_wait_are_bounded_and_leave_the_window() -> None:
    flood = tuple(Print(at_ms=T0 + k, price_wad=wad("100"), volume_wad=wad("1")) for k in range(5_000))
    alone = [replace(told("coinbase", LATER, "100"), prints=flood), silent("kraken", LATER), silent("binance", LATER)]
    nobody = [[silent(n, T0 + k * ROUND_MS) for n in VENUES] for k in range(2, 63)]
    _, held = play(feed(), [calm(T0), alone])
    assert len(held.window.waiting) <= 2_048
    assert sum(t.count for t in held.window.waiting) == 5_000
    _, gone = play(feed(), [calm(T0), alone, *nobody])
    assert not gone.window.waiting


_PRICE = st.integers(50, 200)
_LIAR = st.tuples(_PRICE, _PRICE, st.integers(1, 10**6))
_ROUND = st.tuples(st.sets(st.sampled_from(VENUES)), _LIAR)


@settings(max_examples=60, deadline=None)
@example(rounds=[(set(), (100, 100, 1)), ({"binance", "kraken"}, (50, 50, 10**6)), (set(), (100, 100, 1))])
@given(rounds=st.lists(_ROUND, min_size=1, max_size=12))
def test_one_liar_never_moves_a_price_further_than_its_quotes_may_lie_apart(
    rounds: list[tuple[set[str], tuple[int, int, int]]],
) -> None:
    """Whoever is silent when: with two honest venues at 100, a point lies within 5 % of them and a trade within 5 % of it."""
    script = []
    for place, (out, (quote, price, volume)) in enumerate(rounds):
        at_ms = T0 + place * ROUND_MS
        rows = {n: told(n, at_ms, "100", "100") for n in VENUES}
        rows["coinbase"] = told("coinbase", at_ms, str(quote), str(price), str(volume))
        script.append([silent(n, at_ms) if n in out else row for n, row in rows.items()])
    results, _ = play(feed(), script)
    for result in results:
        if isinstance(result, FeedRound):
            assert wad("89") < market(result).price_wad < wad("111")


# --- volume that is traded with oneself -------------------------------------------------------------------------------------


def judged(volume: str, level: str) -> FeedRound:
    """Half an hour of three venues far below the rate, one of which is washed."""
    sources = (*(source(n) for n in VENUES), source("rate", kind=Kind.REDEMPTION))
    made, state = feed(sources=sources, has_redemption=True), FeedState()
    for place in range(60):
        at_ms = T0 + place * ROUND_MS
        rows = [told(n, at_ms, level, level, volume if n == "coinbase" else "1") for n in VENUES]
        result, state = step(made, state, [*rows, seen("rate", "100", at_ms, kind=Kind.REDEMPTION)], {}, at_ms)
    assert isinstance(result, FeedRound), result
    assert as_leg(made, result, state.rate, at_ms).groups == 3
    return result


@pytest.mark.parametrize("level", ["95", "85"])
@pytest.mark.parametrize("volume", ["1", "1000", "1000000000"])
def test_volume_hides_no_depeg(volume: str, level: str) -> None:
    """The others' share of the volume is then no basis point; what they quote counts all the same."""
    result = judged(volume, level)
    assert result.verdict.status is Status.DEPEG
    assert result.verdict.reasons[0].code is Why.DISCOUNT
    assert market(result).group_prices == dict.fromkeys(VENUES, Wad(wad(level)))


@pytest.mark.parametrize(
    ("method", "shares"),
    [("vwap", (8_000, 1_000, 1_000)), ("dia_mair", (8_000, 1_000, 1_000)), ("dia_medir", (1_428, 1_428, 7_142)),
     ("dia_ma", (2_500, 2_500, 5_000)), ("dia_ema", (2_500, 2_500, 5_000))],
)  # fmt: skip
def test_a_group_weighs_what_its_trades_weigh_in_the_method(method: str, shares: tuple[int, int, int]) -> None:
    """Eight units at once, one at once, and one in five trades of two seconds."""
    rows = [told("binance", T0, "100", "100", "8"), told("coinbase", T0, "100", "100", "1"), told("kraken", T0, "100")]
    small = [Print(at_ms=T0 - k, price_wad=wad("100"), volume_wad=wad("0.2")) for k in (1_500, 1_400, 30, 20, 10)]
    result, _ = step(feed(method=method), FeedState(), [*rows[:2], replace(rows[2], prints=tuple(small))], {}, T0)
    assert tuple(u.weight_bps for u in market(result).used) == shares


def test_small_trades_in_masses_erase_no_larger_one() -> None:
    """Merged, a thousand times a tenth of dust and one unit would be dust in every part: what is no dust counts all the same."""
    made = feed_of_trades(["coinbase", "kraken"], window_s=60, dust=wad("0.01"))
    honest = [
        TapeTrade(v, T0 + k * 400, T0 + k * 400, Decimal(103), Decimal(1), f"h{k}")
        for v in ("coinbase", "kraken")
        for k in range(20)
    ]
    flood = [
        TapeTrade("kraken", T0 + k * 2, T0 + k * 2, Decimal(100 + k % 2), Decimal("0.001"), str(k))
        for k in range(4_000)
    ]
    result = next(iter(played(made, [*flood, *honest], every_s=10)))[1]
    got = market(result)
    assert got.price_wad == wad("103")
    assert got.trades is not None
    assert [(g.group, g.count, g.volume_wad) for g in got.trades.groups] == [
        ("coinbase", 20, wad("20")), ("kraken", 20, wad("20")),
    ]  # fmt: skip


# --- trades out of order, and told again ------------------------------------------------------------------------------------

_DISORDER = st.tuples(
    st.sampled_from(VENUES), st.integers(0, 40), st.integers(0, 8_000), st.integers(99, 101), st.integers(1, 3)
)


def mean_until(tape: Sequence[TapeTrade], at_ms: int, window_s: int) -> int | None:
    """By hand: every trade of the window that came until then, whatever its order."""
    inside = [t for t in tape if t.received_ms <= at_ms and at_ms - window_s * 1_000 < t.at_ms <= at_ms]
    return sum(t.price_wad * t.size_wad for t in inside) // sum(t.size_wad for t in inside) if inside else None


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(_DISORDER, min_size=1, max_size=60))
def test_each_trade_counts_once_in_whatever_order_a_venue_tells_them(
    rows: list[tuple[str, int, int, int, int]],
) -> None:
    """Late, dated back or ahead of others, and several of one moment, price and size that fall into two rounds."""
    opening = [TapeTrade(v, T0 - 10_000, T0 - 10_000, Decimal(100), Decimal(1), v) for v in VENUES]
    tape = opening + [
        TapeTrade(venue, T0 + place * 500 + late, T0 + place * 500, Decimal(price), Decimal(size), str(k))
        for k, (venue, place, late, price, size) in enumerate(rows)
    ]
    told_ = prices(played(feed_of_trades(VENUES, window_s=15), tape, every_s=5))
    assert told_ == {at_ms: mean_until(tape, at_ms, 15) for at_ms in told_}


_SWEEP = st.tuples(
    st.sampled_from(VENUES), st.lists(st.tuples(st.integers(99, 100), st.integers(1, 3)), min_size=1, max_size=4)
)


@settings(max_examples=60, deadline=None)
@example(sweeps=[("coinbase", [(100, 3), (100, 3)])], restart=1, again=1)
@given(sweeps=st.lists(_SWEEP, min_size=1, max_size=20), restart=st.integers(0, 20), again=st.integers(1, 6))
def test_what_a_venue_tells_again_after_a_restart_counts_once(
    sweeps: list[tuple[str, list[tuple[int, int]]]], restart: int, again: int
) -> None:
    """Some venues tell the last trade alone: a part of what one order took at one moment, often at one price."""
    tape = [
        TapeTrade(venue, T0 + k * 900 + 1, T0 + k * 900, Decimal(price), Decimal(size), f"{k}/{n}")
        for k, (venue, trades) in enumerate(sweeps)
        for n, (price, size) in enumerate(trades)
    ]
    made = feed_of_trades(VENUES, window_s=15)
    told_ = prices(played(made, tape, every_s=2, restart_at_s=T0 // 1_000 + restart, told_again=again))
    assert told_ == {at_ms: mean_until(tape, at_ms, 15) for at_ms in told_}
