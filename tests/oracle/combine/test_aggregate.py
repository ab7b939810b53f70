from __future__ import annotations

import random
from dataclasses import replace

import pytest

from feeds.types import Kind, Observation, Outcome, Pair, Print
from feeds.units import WAD, Bps
from oracle.combine.aggregate import combine_market, combine_redemption
from oracle.combine.inputs import SourceIndex, eligible_inputs, next_windows
from oracle.combine.methods.registry import METHODS
from oracle.model.canonical_json import dump, parse
from oracle.model.spec import FeedSpec, Tuning
from oracle.model.state import Window
from oracle.model.status import Diverged, NoQuorum, NoRedemption, Status, TooOld, Why
from oracle.model.types import Aggregate, Leg, Report
from tests.oracle.oracle_build import T0, failed, outcomes, seen, source, spec, wad


def combined(feed: FeedSpec, seen_now: list[Outcome], legs: dict[str, Leg] | None = None, now: int = T0) -> Aggregate:
    return combine_market(feed, eligible_inputs(feed, (), seen_now, legs or {}, now), Window(), now).aggregate


def test_one_venue_that_prints_a_fifth_is_rejected_by_name() -> None:
    got = combined(spec(), [seen("coinbase", "1.0501"), seen("kraken", "1.0499"), seen("binance", "0.2")])
    assert got.price_wad == wad("1.05")
    assert [(r.source, r.code) for r in got.rejected] == [("binance", "OUTLIER")]
    assert {u.source for u in got.used} == {"coinbase", "kraken"}


def test_two_sources_one_of_them_times_a_thousand_gives_no_price() -> None:
    with pytest.raises(Diverged):
        combined(spec(), [seen("coinbase", "1.05"), seen("kraken", "1050"), failed("binance")])


def test_below_quorum_there_is_no_price_and_the_text_says_who_is_missing() -> None:
    with pytest.raises(NoQuorum, match=r"1 of 2 groups \(coinbase\); binance NO_DATA; kraken STALE"):
        combined(spec(), [seen("coinbase", "1.05"), seen("kraken", "1.05", T0 - 31_000), failed("binance")])


def test_an_old_value_is_stale_and_a_future_one_is_refused() -> None:
    got = combined(
        spec(min_groups=1),
        [seen("coinbase", "1.05"), seen("kraken", "1.0", T0 - 30_001), seen("binance", "1.0", T0 + 2_001)],
    )
    assert [(r.source, r.code) for r in got.rejected] == [("binance", "FROM_FUTURE"), ("kraken", "STALE")]


def test_the_aggregate_is_as_old_as_its_oldest_input_used() -> None:
    got = combined(
        spec(), [seen("coinbase", "1.05", T0 - 9_000), seen("kraken", "1.05", T0 - 4_000), failed("binance")]
    )
    assert got.as_of_ms == T0 - 9_000
    with pytest.raises(TooOld):
        combined(spec(max_age_s=8), [seen("coinbase", "1.05", T0 - 9_000), seen("kraken", "1.05", T0)])


def test_sources_of_one_group_count_once() -> None:
    feed = spec(sources=tuple(source(n, group="chain:1") for n in ("a", "b", "c")))
    with pytest.raises(NoQuorum):
        combined(feed, [seen(n, "1.05") for n in ("a", "b", "c")])


def pool_reads(count: int, step_ms: int, price: str = "1.05") -> list[Observation]:
    return [seen("pool", price, T0 + i * step_ms, block=100 + i, chain_id=1) for i in range(count)]


POOL = source("pool", group="chain:1", average_s=30, max_age_s=60)


def test_a_pool_becomes_its_own_group_once_averaged_over_blocks_and_time() -> None:
    feed = spec(sources=(POOL, source("coinbase")))
    pools = ()
    for count, read in enumerate(pool_reads(8, 12_000)):
        eligible = eligible_inputs(feed, pools, [read], {}, read.observed_at_ms)
        pools = eligible.pools
        assert eligible.inputs[0].group == ("pool" if count >= 3 else "chain:1")


def test_a_pool_read_twice_in_one_block_counts_once_and_a_restarted_chain_forgets() -> None:
    feed = spec(sources=(POOL,))
    first = pool_reads(1, 0)
    pools = next_windows(next_windows((), SourceIndex(feed), first), SourceIndex(feed), first)
    assert [len(w) for _, w in pools] == [1]
    pools = next_windows(pools, SourceIndex(feed), [seen("pool", "1.05", T0 + 5_000, block=3, chain_id=1)])
    assert [s.block for s in dict(pools)["pool"]] == [3]


def test_the_average_is_weighted_by_time() -> None:
    feed = spec(sources=(POOL,))
    pools = ()
    for at, price in ((0, "1.00"), (10_000, "1.00"), (20_000, "1.00"), (30_000, "1.30"), (40_000, "1.30")):
        read = seen("pool", price, T0 + at, block=at, chain_id=1)
        eligible = eligible_inputs(feed, pools, [read], {}, T0 + at)
        pools = eligible.pools
    assert eligible.inputs[0].price_wad == wad("1.1")


def test_after_a_gap_a_pool_is_no_group_of_its_own_until_its_average_knows_enough() -> None:
    """What stood before the reads were missed is not taken for what stood since."""
    feed = spec(sources=(POOL,))
    pools, groups = (), []
    times = [*range(0, 50_000, 10_000), *range(3_600_000, 3_650_000, 10_000)]
    for at in times:
        read = seen("pool", "1.05" if at < 60_000 else "0.95", T0 + at, block=at + 1, chain_id=1)
        eligible = eligible_inputs(feed, pools, [read], {}, T0 + at)
        pools = eligible.pools
        groups.append((eligible.inputs[0].group, eligible.inputs[0].price_wad))
    assert groups[4] == ("pool", wad("1.05"))
    assert groups[5] == (POOL.group, wad("0.95"))
    assert groups[-1] == ("pool", wad("0.95"))
    assert {price for _, price in groups[5:]} == {wad("0.95")}


def test_a_source_in_another_unit_is_converted_by_its_feed_and_fails_without_it() -> None:
    usdt = Pair(base="ETH", quote="USDT")
    feed = spec(sources=(source("binance", pair=usdt, convert="USDT/USD"), source("coinbase")), min_groups=1)
    report = Report(
        market_wad=wad("0.99"),
        redemption_wad=wad("0"),
        spread_bps=1,  # type: ignore[arg-type]
        status=Status.OK,
        why=Why.NONE,
        round_time_s=T0 // 1000,
        market_age_s=0,
        redemption_age_h=0,
    )
    leg = Leg(feed="USDT/USD", report=report, market_as_of_ms=T0 - 3_000)
    got = eligible_inputs(feed, (), [seen("binance", "2000")], {"USDT/USD": leg}, T0)
    assert (got.inputs[0].price_wad, got.inputs[0].at_ms) == (wad("1980"), T0 - 3_000)
    got = eligible_inputs(feed, (), [seen("binance", "2000")], {}, T0)
    assert [r.code for r in got.rejected] == ["NO_LEG"]


def test_redemption_is_never_in_the_market_median() -> None:
    got = combined(spec(), [*outcomes("1.00", rate="1.05")])
    assert got.price_wad == wad("1.00")
    assert all(u.source != "rate" for u in got.used)
    owed = combine_redemption(spec(), outcomes("1.00", rate="1.05"), T0)
    assert (owed.kind, owed.price_wad) == (Kind.REDEMPTION, wad("1.05"))


def test_without_a_rate_there_is_no_redemption() -> None:
    with pytest.raises(NoRedemption, match="rate: NO_DATA"):
        combine_redemption(spec(), [*outcomes("1.00")[:3], failed("rate")], T0)


def test_the_order_of_outcomes_does_not_matter() -> None:
    rng = random.Random(3)
    rows = [seen(n, p) for n, p in (("coinbase", "1.051"), ("kraken", "1.049"), ("binance", "1.050"))]
    first = combined(spec(), rows)
    for _ in range(5):
        rng.shuffle(rows)
        assert combined(spec(), rows) == first


def test_depth_weights_are_capped() -> None:
    feed = spec(method="depth_weighted_median", outliers=None)
    rows = [
        replace(seen("coinbase", "1.00"), depth_wad=10**24),
        replace(seen("kraken", "1.05"), depth_wad=10**18),
        replace(seen("binance", "1.05"), depth_wad=10**18),
    ]
    assert combined(feed, rows).price_wad == wad("1.05")


def test_a_source_without_a_depth_weighs_as_the_thinnest_and_not_nothing() -> None:
    feed = spec(method="depth_weighted_median", outliers=None)
    rows = [
        replace(seen("coinbase", "1.00"), depth_wad=10**18),
        seen("kraken", "1.05"),
        seen("binance", "1.05"),
    ]
    assert combined(feed, rows).price_wad == wad("1.05")


def test_a_waterfall_is_the_first_source_of_the_file_and_is_as_old_as_that_one() -> None:
    feed = spec(method="waterfall", outliers=None)
    rows = [seen("coinbase", "1.051", T0 - 1_000), seen("kraken", "1.049", T0 - 9_000), seen("binance", "1.050")]
    got = combined(feed, rows)
    assert (got.price_wad, got.as_of_ms) == (wad("1.051"), T0 - 1_000)
    assert {u.source: u.weight_bps for u in got.used} == {"coinbase": 10_000, "kraken": 0, "binance": 0}
    assert combined(feed, [failed("coinbase"), *rows[1:]]).price_wad == wad("1.049")


def test_a_modelled_depth_is_no_weight() -> None:
    """It counts as unknown, as the smallest depth that another source states: volume that is washed weighs nothing."""
    rows = [
        replace(seen(n, "1.00"), depth_wad=d * WAD, depth_modelled=modelled)
        for n, d, modelled in (("coinbase", 4, False), ("kraken", 3, False), ("binance", 9, True))
    ]
    given = {i.source: i.weight for i in eligible_inputs(spec(method="lwap"), (), rows, {}, T0).inputs}
    assert given == {"coinbase": 4 * WAD, "kraken": 3 * WAD, "binance": 0}


def test_the_published_spread_is_more_than_disagreement_and_the_gate_looks_at_disagreement_alone() -> None:
    wide = {"bid_wad": wad("0.95"), "ask_wad": wad("1.15")}
    feed = spec(max_spread_bps=10)
    got = combined(feed, [replace(seen(n, "1.05"), **wide) for n in ("coinbase", "kraken")])
    assert (got.disagree_bps, got.spread_bps) == (0, 953 + 2)


def test_a_price_outside_of_the_feeds_bounds_is_refused_at_its_source() -> None:
    feed = spec(tuning=Tuning(least=wad("0.9"), most=wad("1.2")), max_spread_bps=20_000, outliers=None)
    got = combined(feed, [seen("coinbase", "1.05"), seen("kraken", "1.05"), seen("binance", "1.21")])
    assert [(r.source, r.code) for r in got.rejected] == [("binance", "BOUNDS")]


def test_a_source_that_jumps_alone_is_thrown_out_by_its_own_past() -> None:
    feed = spec(outliers="recent", max_spread_bps=20_000)
    pools = ()
    for i in range(5):
        eligible = eligible_inputs(
            feed, pools, [seen(n, "1.05", T0 + i * 1_000) for n in ("coinbase", "kraken", "binance")], {}, T0
        )
        pools = eligible.pools
    late = T0 + 5_000
    rows = [seen("coinbase", "1.05", late), seen("kraken", "1.05", late), seen("binance", "0.9", late)]
    got = combine_market(feed, eligible_inputs(feed, pools, rows, {}, late), Window(), late).aggregate
    assert [(r.source, r.code) for r in got.rejected] == [("binance", "OUTLIER")]
    together = [seen(n, "0.9", late) for n in ("coinbase", "kraken", "binance")]
    assert combine_market(
        feed, eligible_inputs(feed, pools, together, {}, late), Window(), late
    ).aggregate.price_wad == wad("0.9")


def test_own_pasts_are_thinned_and_bounded() -> None:
    feed = spec(outliers="recent")
    pools = ()
    for i in range(400):
        pools = next_windows(pools, SourceIndex(feed), [seen("coinbase", "1.05", T0 + i * 1_000)])
    kept = dict(pools)["coinbase"]
    assert len(kept) <= 32
    assert kept[-1].at_ms - kept[0].at_ms <= 120_000


def test_sums_of_another_method_are_not_gone_on_with() -> None:
    rows = [seen(n, "1.05") for n in ("coinbase", "kraken")]
    feed = spec(method="twap_geometric")
    first = combine_market(feed, eligible_inputs(feed, (), rows, {}, T0), Window(), T0)
    other = replace(feed, method="twap_arithmetic")
    later = [seen(n, "1.07", T0 + 5_000) for n in ("coinbase", "kraken")]
    got = combine_market(other, eligible_inputs(other, (), later, {}, T0 + 5_000), first.window, T0 + 5_000)
    assert (got.aggregate.price_wad, len(got.window.samples)) == (wad("1.07"), 1)


def test_the_spread_of_an_average_holds_its_lag() -> None:
    feed = spec(method="twap_arithmetic", tuning=Tuning(drift_bps_day=0))
    window = Window()
    for i, price in enumerate(("1.00", "1.00", "1.10")):
        now = T0 + i * 10_000
        rows = [seen(n, price, now) for n in ("coinbase", "kraken")]
        done = combine_market(feed, eligible_inputs(feed, (), rows, {}, now), window, now)
        window = done.window
    got = done.aggregate
    assert (got.price_wad, got.point_wad, got.disagree_bps, got.spread_bps) == (wad("1"), wad("1.1"), 0, 1_000)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_runs_as_a_feeds_method_and_gives_the_same_bytes_after_a_restart(method: str) -> None:
    feed, window, stored = spec(method=method), Window(), Window()
    for i in range(12):
        now = T0 + i * 10_000
        rows = [
            replace(seen(n, price, now), prints=(Print(at_ms=now, price_wad=wad(price), volume_wad=10**18),))
            for price in (f"1.05{i:02d}",)
            for n in ("coinbase", "kraken", "binance")
        ]
        eligible = eligible_inputs(feed, (), rows, {}, now)
        done = combine_market(feed, eligible, window, now)
        again = combine_market(feed, eligible, stored, now)
        assert dump(done.aggregate) == dump(again.aggregate)
        window, stored = done.window, parse(Window, dump(again.window))
    assert wad("1.05") <= done.aggregate.price_wad <= wad("1.0511")


def test_a_book_that_is_no_market_is_refused() -> None:
    wide = replace(seen("binance", "0.96"), bid_wad=wad("0.01"), ask_wad=wad("1.91"))
    got = combined(spec(), [seen("coinbase", "1.05"), seen("kraken", "1.05"), wide])
    assert [(r.source, r.code) for r in got.rejected] == [("binance", "WIDE")]
    assert got.price_wad == wad("1.05")


def test_a_conversion_that_leaves_no_price_is_refused_at_its_source() -> None:
    dust = Pair(base="ETH", quote="USD")
    feed = spec(
        sources=(source("binance", pair=dust, convert="ETH/USD", divide=True), source("coinbase")), min_groups=1
    )
    report = Report(
        market_wad=wad("4000"), redemption_wad=wad("0"), spread_bps=Bps(1), status=Status.OK, why=Why.NONE,
        round_time_s=T0 // 1000, market_age_s=0, redemption_age_h=0,
    )  # fmt: skip
    leg = Leg(feed="ETH/USD", report=report, market_as_of_ms=T0)
    got = eligible_inputs(
        feed, (), [seen("binance", "0.000000000000001"), seen("coinbase", "1.05")], {"ETH/USD": leg}, T0
    )
    assert [(r.source, r.code) for r in got.rejected] == [("binance", "OUT_OF_RANGE")]
    fine = eligible_inputs(feed, (), [seen("binance", "4200")], {"ETH/USD": leg}, T0)
    assert fine.inputs[0].price_wad == wad("1.05")
