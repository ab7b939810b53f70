"""What moving a price costs: by hand, and against an attacker who tries every set of groups."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from feeds.types import Outcome, Print
from feeds.units import BPS, WAD, Wad
from oracle.combine.aggregate import combine_market
from oracle.combine.inputs import eligible_inputs
from oracle.combine.manipulation_cost import (
    DepthFrom,
    GroupDepth,
    cost_of_trades,
    cost_to_move,
    depth_at,
    gate_cost,
    group_depths,
    price_cost,
    standard_costs,
)
from oracle.combine.methods import dia
from oracle.combine.methods.registry import METHODS
from oracle.combine.methods.volume_cap import capped_volumes
from oracle.model.spec import FeedSpec, Tuning
from oracle.model.state import Trade, Window
from oracle.model.status import Cheap
from oracle.model.types import Aggregate
from tests.oracle.oracle_build import T0, outcomes, seen, source, spec, wad


def stake(name: str, depth: int, weight: int = 1, price: int = WAD) -> GroupDepth:
    levels = ((50, depth // 2), (100, depth), (200, 3 * depth)) if depth else ()
    return GroupDepth(group=name, price_wad=Wad(price), weight=weight, depths=levels)


@pytest.mark.parametrize(
    ("bps", "expected"), [(0, 0), (25, 25), (50, 50), (75, 75), (100, 100), (150, 200), (900, 300)]
)
def test_depth_between_the_levels_is_on_a_line_and_beyond_them_no_more_than_stated(bps: int, expected: int) -> None:
    assert depth_at(((50, 50), (100, 100), (200, 300)), bps) == expected
    assert depth_at((), bps) == 0


def test_a_median_of_three_takes_the_two_cheapest() -> None:
    got = cost_to_move([stake("a", 100), stake("b", 10), stake("c", 50)], Wad(WAD), 5_000, 100)
    assert (got.base_wad, got.groups, got.unknown) == (60, ("b", "c"), ())


def test_a_group_that_is_there_already_costs_nothing() -> None:
    groups = [stake("a", 100), stake("b", 10, price=102 * WAD // 100), stake("c", 50)]
    got = cost_to_move(groups, Wad(WAD), 5_000, 100)
    assert (got.base_wad, got.groups) == (50, ("b", "c"))


def test_an_unknown_depth_counts_as_free_and_is_named() -> None:
    got = cost_to_move([stake("a", 100), stake("venue", 0), stake("c", 50)], Wad(WAD), 5_000, 100)
    assert (got.base_wad, got.unknown) == (50, ("venue",))


def test_a_heavy_group_alone_is_enough() -> None:
    """Half of the weight lies in one: it must be moved, or both others."""
    groups = [stake("a", 100, weight=5_000), stake("b", 300, weight=2_500), stake("c", 300, weight=2_500)]
    assert cost_to_move(groups, Wad(WAD), 5_000, 100).base_wad == 100


def test_a_mean_is_pulled_by_the_cheapest_weight() -> None:
    """A third of the weight has to go 3 %; its book is known up to 2 %, where 300 of a depth of 100 move it."""
    groups = [stake("a", 100), stake("b", 1_000), stake("c", 1_000)]
    assert cost_to_move(groups, Wad(WAD), 0, 100).base_wad == 300
    assert cost_to_move(groups, Wad(WAD), 0, 20).base_wad == 60


sizes = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(1, 3_333), st.integers(-150, 150)), min_size=1, max_size=7
)


@given(rows=sizes, bps=st.sampled_from((50, 100, 500)))
def test_no_set_of_groups_is_cheaper_than_what_is_said(rows: list[tuple[int, int, int]], bps: int) -> None:
    """Every subset with half of the weight, up and down, at the depth that each of its groups needs."""
    groups = [stake(str(k), d, w, WAD + WAD * off // BPS) for k, (d, w, off) in enumerate(rows)]
    said = cost_to_move(groups, Wad(WAD), 5_000, bps).base_wad
    half = sum(g.weight for g in groups)
    for sign in (1, -1):
        target = WAD * (BPS + sign * bps) // BPS
        for count in range(1, len(groups) + 1):
            for chosen in combinations(groups, count):
                if 2 * sum(g.weight for g in chosen) >= half:
                    assert said <= sum(reach(g, target, sign) for g in chosen)


def reach(group: GroupDepth, target: int, sign: int) -> int:
    way = sign * (target - group.price_wad)
    return depth_at(group.depths, -(-way * BPS // group.price_wad)) if way > 0 else 0


@given(
    rows=st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 3_333)), min_size=2, max_size=4),
    split=st.lists(st.integers(0, 100), min_size=4, max_size=4),
)
def test_no_split_of_a_pull_is_cheaper_than_what_is_said(rows: list[tuple[int, int]], split: list[int]) -> None:
    groups = [stake(str(k), d, w) for k, (d, w) in enumerate(rows)]
    said = cost_to_move(groups, Wad(WAD), 0, 100).base_wad
    total, parts = sum(g.weight for g in groups), split[: len(groups)]
    if sum(parts):
        moves = [-(-100 * total * part // (sum(parts) * g.weight)) for g, part in zip(groups, parts, strict=True)]
        assert said <= sum(depth_at(g.depths, move) for g, move in zip(groups, moves, strict=True)) + len(groups)


def deep(name: str, price: str, depth: int) -> Outcome:
    return replace(
        seen(name, price), depth_half_wad=depth * WAD // 2, depth_wad=depth * WAD, depth_two_wad=2 * depth * WAD
    )


def combined(feed: FeedSpec, given_: list[Outcome]) -> Aggregate:
    return combine_market(feed, eligible_inputs(feed, (), given_, {}, T0), Window(), T0).aggregate


GIVEN: list[Outcome] = [deep("coinbase", "1.05", 100), deep("kraken", "1.05", 40), deep("binance", "1.05", 70)]


def test_a_stored_rounds_cost_is_told_for_three_moves_and_grows() -> None:
    market = combined(spec(), GIVEN)
    found = standard_costs(market, GIVEN, METHODS["median"].breakdown_bps)
    assert [c.bps for c in found] == [50, 100, 500]
    assert [c.base_wad // WAD for c in found] == [55, 110, 220]
    assert found[1].groups == ("kraken", "binance")


def test_of_one_group_half_of_its_depth_has_to_move_and_one_unknown_makes_it_unknown() -> None:
    feed = spec(sources=tuple(source(n, group="chain:1") for n in ("a", "b")), min_groups=1)
    given_: list[Outcome] = [deep("a", "1.05", 100), deep("b", "1.05", 40)]
    (one,) = group_depths(combined(feed, given_).used, given_)
    assert one.depths == ((50, 35 * WAD), (100, 70 * WAD), (200, 140 * WAD))
    given_ = [deep("a", "1.05", 100), seen("b", "1.05")]
    (one,) = group_depths(combined(feed, given_).used, given_)
    assert one.depths == ()


def test_too_cheap_to_move_is_no_price() -> None:
    dear = spec(tuning=Tuning(min_cost_100bps=111 * WAD))
    with pytest.raises(Cheap, match=r"1 % costs 110\.000 base units, the gate is 111\.000"):
        combined(dear, GIVEN)
    assert combined(replace(dear, tuning=Tuning(min_cost_100bps=110 * WAD)), GIVEN).price_wad == wad("1.05")


def test_the_gate_names_whose_depth_it_does_not_know() -> None:
    dear = spec(tuning=Tuning(min_cost_100bps=WAD))
    with pytest.raises(
        Cheap, match="nothing is known of the depth of binance, coinbase, so it counts as free: its order book"
    ):
        combined(dear, [*outcomes("1.05")])
    assert price_cost(combined(spec(), GIVEN), GIVEN, 5_000, 100).unknown == ()


def modelled(name: str, depth: int) -> Outcome:
    return replace(deep(name, "1.05", depth), depth_modelled=True)


def test_a_modelled_depth_is_shown_as_one_and_opens_no_gate() -> None:
    """Volume can be washed: whoever trades with himself for a day would open the gate before he moves the price."""
    given_: list[Outcome] = [modelled("coinbase", 10**6), modelled("kraken", 10**6), deep("binance", "1.05", 70)]
    market = combined(spec(), given_)
    shown, counted = price_cost(market, given_, 5_000, 100), gate_cost(market, given_, 5_000, 100)
    assert (shown.base_wad // WAD, shown.groups, shown.modelled) == (10**6 + 70, ("binance", "coinbase"), ("coinbase",))
    assert (counted.base_wad, counted.modelled, counted.unknown) == (0, ("coinbase", "kraken"), ())
    with pytest.raises(
        Cheap, match="the depth of coinbase, kraken is only modelled from its volume, so it counts as free"
    ):
        combined(spec(tuning=Tuning(min_cost_100bps=1)), given_)


def test_where_a_depth_is_from_is_said_of_each_group() -> None:
    feed = spec(sources=tuple(source(n) for n in ("a", "b", "c", "d")), min_groups=1, outliers=None)
    pool = replace(deep("b", "1.05", 5), chain_id=1, block=7)
    given_: list[Outcome] = [deep("a", "1.05", 5), pool, modelled("c", 5), seen("d", "1.05")]
    groups = group_depths(combined(feed, given_).used, given_)
    assert {g.group: g.known_from.value for g in groups} == {"a": "book", "b": "pool", "c": "model", "d": "unknown"}


def test_one_modelled_depth_in_a_group_makes_the_group_s_a_model() -> None:
    feed = spec(sources=tuple(source(n, group="host") for n in ("a", "b")), min_groups=1)
    given_ = [deep("a", "1.05", 100), modelled("b", 100)]
    (one,) = group_depths(combined(feed, given_).used, given_)
    assert (one.known_from, bool(one.depths)) == (DepthFrom.MODEL, True)
    (one,) = group_depths(combined(feed, given_).used, [modelled("a", 100), seen("b", "1.05")])
    assert one.known_from is DepthFrom.UNKNOWN


def traded(feed: FeedSpec, rows: list[tuple[str, str, int, int]]) -> tuple[Aggregate, list[Outcome]]:
    """The round of venues with (name, price, volume, depth)."""

    def told(name: str, price: str, volume: int, depth: int) -> Outcome:
        prints = (Print(at_ms=T0, price_wad=wad(price), volume_wad=volume * WAD),) if volume else ()
        return replace(deep(name, price, depth), prints=prints)

    given_ = [told(*row) for row in rows]
    return combined(feed, given_), given_


VWAP = spec(method="vwap", outliers=None, has_redemption=False)


@pytest.mark.parametrize("volumes", [(990, 5, 5), (5, 990, 5), (10**9, 1, 0)])
def test_a_price_of_trades_costs_its_thinnest_book_whatever_was_traded_there(volumes: tuple[int, int, int]) -> None:
    """Whoever moves that book may trade there with himself until it has all the volume; it need not have traded before."""
    rows = [
        ("coinbase", "1.05", volumes[0], 900),
        ("kraken", "1.05", volumes[1], 700),
        ("binance", "1.05", volumes[2], 10),
    ]
    market, given_ = traded(VWAP, rows)
    cost = price_cost(market, given_, METHODS["vwap"].breakdown_bps, 100)
    assert (cost.base_wad, cost.groups) == (10 * WAD, ("binance",))
    gate = replace(VWAP, tuning=Tuning(min_cost_100bps=10 * WAD + 1))
    with pytest.raises(Cheap):
        traded(gate, rows)


def test_a_cap_makes_the_thinnest_book_s_way_longer() -> None:
    """With half of the volume at most it has to go 2 %, with a third more than its book states."""
    rows = [("coinbase", "1.05", 5, 900), ("kraken", "1.05", 5, 900), ("binance", "1.05", 5, 10)]
    costs = []
    for cap in (0, 100, 50, 34, 1):
        market, given_ = traded(replace(VWAP, tuning=Tuning(volume_cap_percent=cap)), rows)
        costs.append(price_cost(market, given_, 0, 100).base_wad // WAD)
    assert costs == [10, 10, 20, 20, 20]


def test_volume_moves_a_price_of_trades_between_the_books_for_nothing() -> None:
    rows = [("coinbase", "1.05", 990, 900), ("kraken", "1.05", 5, 900), ("binance", "1.066", 5, 900)]
    market, given_ = traded(VWAP, rows)
    cost = price_cost(market, given_, 0, 100)
    assert (cost.base_wad, cost.groups) == (0, ("binance",))


_VENUE = st.tuples(st.integers(0, 10**6), st.integers(0, 10**4), st.integers(-150, 150))
_ATTACK = st.tuples(st.integers(0, 10**9), st.integers(0, 900))


@given(
    rows=st.lists(_VENUE, min_size=1, max_size=4),
    attack=st.lists(_ATTACK, min_size=4, max_size=4),
    cap=st.sampled_from((0, 0, 20, 34, 50, 90)),
    bps=st.sampled_from((10, 50, 100)),
    up=st.booleans(),
)
def test_no_washing_is_cheaper_than_what_is_said(
    rows: list[tuple[int, int, int]], attack: list[tuple[int, int]], cap: int, bps: int, up: bool
) -> None:
    """Move each book by so much and trade so much with oneself there, whatever the volume of the others: by the real formulas."""
    groups = [stake(str(k), depth, 1, WAD + WAD * off // BPS) for k, (depth, _, off) in enumerate(rows)]
    honest = [
        Trade(market=g.group, group=g.group, at_ms=T0, price_wad=g.price_wad, volume_wad=volume)
        for g, (_, volume, _) in zip(groups, rows, strict=True)
        if volume
    ]
    assume(honest)
    washed, paid = [], 0
    for g, (volume, far) in zip(groups, attack, strict=False):
        if volume:
            price = Wad(g.price_wad + (1 if up else -1) * g.price_wad * far // BPS)
            washed.append(Trade(market=g.group, group=g.group, at_ms=T0, price_wad=price, volume_wad=volume))
            paid += depth_at(g.depths, far)
    before, after = (dia.vwap(capped_volumes(trades, cap)) for trades in (honest, [*honest, *washed]))
    reach = max(cap * 100, -(-BPS // len(honest))) if cap else BPS
    if (after - before if up else before - after) * BPS > before * bps:
        assert cost_of_trades(groups, before, reach, bps).base_wad <= paid
