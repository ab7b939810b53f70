"""Laws that every method and every filter obeys, run over the registry: a new one is held to them unasked."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from feeds.units import BPS, WAD, Wad
from oracle.combine.groups import cap_weights, weigh_groups
from oracle.combine.methods.over_time import MethodView, OverTime, RoundPrice
from oracle.combine.methods.registry import METHODS, OUTLIERS, Method, Outliers
from oracle.model.canonical_json import dump, parse
from oracle.model.spec import PLAIN
from oracle.model.state import Trade, Window
from oracle.model.status import NoQuorum
from oracle.model.types import Input

prices = st.integers(min_value=10**12, max_value=10**24)
weights = st.integers(min_value=1, max_value=10**24)
quotes = st.tuples(prices, weights, st.integers(0, 60_000), st.none() | st.integers(0, 2_000))
rows = st.lists(quotes, min_size=1, max_size=9)
Row = tuple[int, int, int, int | None]
named = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
filters = pytest.mark.parametrize("outliers", OUTLIERS.values(), ids=OUTLIERS.keys())
_TIMED = {n: m for n, m in METHODS.items() if m.over_time}
over_time = pytest.mark.parametrize("method", _TIMED.values(), ids=_TIMED.keys())


def as_inputs(rows: Sequence[Row]) -> list[Input]:
    return [
        Input(
            source=f"s{i}",
            group=f"g{i}",
            price_wad=Wad(p),
            weight=w,
            at_ms=10**6 + t,
            rank=i,
            own_bps=own,
        )
        for i, (p, w, t, own) in enumerate(rows)
    ]


def price(method: Method, inputs: Sequence[Input]) -> int:
    """What a round does: the method's own weights, held to their share, then its point."""
    return of_weighed(method, weigh_groups(method, inputs, PLAIN), [i.weight for i in inputs])


def of_weighed(method: Method, inputs: Sequence[Input], volumes: Sequence[int]) -> int:
    """The point; of a method of trades the price of one trade of each input, with the volumes."""
    if not method.of_trades:
        return method.point(inputs)
    trades = [as_trade(i, volume) for i, volume in zip(inputs, volumes, strict=True)]
    view = MethodView(window_s=10**6, gap_ms=10_000)
    return timed(method).read(Window(trades=tuple(trades)), 2 * 10**6, view)


def as_trade(entry: Input, volume_wad: int) -> Trade:
    return Trade(
        market=entry.source, group=entry.group, at_ms=entry.at_ms, price_wad=entry.price_wad, volume_wad=volume_wad
    )


@named
@given(rows=rows, seed=st.integers(0, 99))
def test_order_does_not_matter(method: Method, rows: list[Row], seed: int) -> None:
    inputs = as_inputs(rows)
    shuffled = inputs[:]
    random.Random(seed).shuffle(shuffled)
    assert price(method, inputs) == price(method, shuffled)


@named
@given(rows=rows)
def test_result_lies_within_the_inputs(method: Method, rows: list[Row]) -> None:
    assert min(r[0] for r in rows) <= price(method, as_inputs(rows)) <= max(r[0] for r in rows)


@named
@given(rows=rows, factor=st.integers(2, 1_000))
def test_scaling_the_prices_scales_the_result(method: Method, rows: list[Row], factor: int) -> None:
    scaled = [(p * factor, *rest) for p, *rest in rows]
    slack = factor * (1 + len(rows))
    assert abs(price(method, as_inputs(scaled)) - price(method, as_inputs(rows)) * factor) <= slack  # type: ignore[arg-type]


@named
@given(rows=rows)
def test_equal_prices_are_the_result(method: Method, rows: list[Row]) -> None:
    same = [(10**18 + 7, *rest) for _, *rest in rows]
    assert price(method, as_inputs(same)) == 10**18 + 7  # type: ignore[arg-type]


@named
@given(honest=rows, lies=st.lists(quotes, max_size=8), factor=st.sampled_from((0, 1, 10**6)))
def test_lies_below_the_breakdown_point_stay_inside_the_honest_range(
    method: Method, honest: list[Row], lies: list[Row], factor: int
) -> None:
    bad = [(max(1, p * factor), *rest) for p, *rest in lies]
    given_ = as_inputs([*honest, *bad])  # type: ignore[list-item]
    inputs = list(weigh_groups(method, given_, PLAIN))
    share = sum(i.weight for i in inputs[len(honest) :])
    assume(share * BPS < method.breakdown_bps * sum(i.weight for i in inputs) or not lies)
    got = of_weighed(method, inputs, [i.weight for i in given_])
    assert min(r[0] for r in honest) <= got <= max(r[0] for r in honest)


def crowds(count: int, bad: int) -> Iterator[tuple[list[Row], list[Row]]]:
    """Honest crowds, some of them lopsided, with liars near and far, above and below, that stand first in the config."""
    honest = count - bad
    for low, heavy, step in product((0, 3, honest // 2), (1, 10**6), (0, 20, 1_000)):
        top = WAD + WAD * step // BPS
        crowd: list[Row] = [(WAD, 1, 0, 0)] * low + [(top, heavy, 0, 10)] * (honest - low)
        below = (WAD - 1, WAD - WAD * 25 // BPS, 1)
        for lie in (top + 1, top + WAD * 25 // BPS, top + 3 * (top - WAD) // 2, 10**24, *below):
            yield crowd, [(lie, heavy, 60_000, 0)] * bad


@named
def test_the_breakdown_point_is_not_declared_too_low(method: Method) -> None:
    """A share of liars just above it does move the result out of the honest range, at least once."""
    count = 16
    bad = method.breakdown_bps * count // BPS + 1
    said = [(price(method, as_inputs([*liars, *crowd])), [r[0] for r in crowd]) for crowd, liars in crowds(count, bad)]
    moved = [not min(honest) <= result <= max(honest) for result, honest in said]
    assert any(moved), f"{bad} of {count} liars move nothing: declare more than {method.breakdown_bps} bps"


@given(rows=st.lists(quotes, min_size=2, max_size=9))
def test_no_group_passes_its_share(rows: list[Row]) -> None:
    capped = cap_weights(as_inputs(rows), weighted=True)
    total = sum(i.weight for i in capped)
    share = 2 if len(rows) == 2 else 3
    assert all(i.weight * share <= total + share for i in capped)


@filters
@given(rows=rows, seed=st.integers(0, 99), floor=st.integers(0, 500))
def test_a_filter_reorders_nothing_and_the_order_does_not_matter_to_it(
    outliers: Outliers, rows: list[Row], seed: int, floor: int
) -> None:
    inputs = [replace(i, recent_wad=WAD) for i in as_inputs(rows)]
    shuffled = inputs[:]
    random.Random(seed).shuffle(shuffled)
    before = tuple(shuffled)
    out = outliers(shuffled, floor)
    assert tuple(shuffled) == before
    assert list(out) == sorted(set(out))
    assert {shuffled[p].source for p in out} == {inputs[p].source for p in outliers(inputs, floor)}


@filters
@given(rows=rows)
def test_a_filter_leaves_a_half(outliers: Outliers, rows: list[Row]) -> None:
    inputs = [replace(i, recent_wad=WAD) for i in as_inputs(rows)]
    assert len(outliers(inputs, 0)) < max(2, len(rows))
    assert 2 * len(outliers(inputs, 0)) <= len(rows)


@filters
@given(parts=st.lists(st.integers(-40, 40), min_size=1, max_size=9))
def test_nothing_nearer_than_the_floor_is_an_outlier(outliers: Outliers, parts: list[int]) -> None:
    rows = [(WAD + WAD * part // BPS, 1, 0, None) for part in parts]
    inputs = [replace(i, recent_wad=WAD) for i in as_inputs(rows)]
    assert outliers(inputs, 100) == ()


VIEW = MethodView(window_s=30, gap_ms=10_000)
steps = st.lists(st.tuples(st.integers(1, 20_000), prices, st.integers(0, 300)), min_size=1, max_size=40)
Steps = list[tuple[int, int, int]]


def as_steps(rows: Steps) -> list[RoundPrice]:
    at, out = 10**6, []
    for gap, price_wad, doubt in rows:
        at += gap
        group = Input(source="a", group="a", price_wad=Wad(price_wad), weight=1, at_ms=at)
        out.append(
            RoundPrice(
                at_ms=at,
                price_wad=Wad(price_wad),
                confidence_bps=doubt,
                groups=(group,),
                trades=(as_trade(group, WAD),),
            )
        )
    return out


def timed(method: Method) -> OverTime:
    assert method.over_time is not None
    return method.over_time


def fold(method: Method, taken: Sequence[RoundPrice], window: Window | None = None, view: MethodView = VIEW) -> Window:
    window = window or Window()
    for step in taken:
        window = timed(method).fold(window, step, view)
    return window


@over_time
@given(rows=steps, later=st.integers(0, 9_999))
def test_over_time_the_result_lies_within_what_was_taken_in(method: Method, rows: Steps, later: int) -> None:
    taken = as_steps(rows)
    got = timed(method).read(fold(method, taken), taken[-1].at_ms + later, VIEW)
    assert min(r[1] for r in rows) <= got <= max(r[1] for r in rows)


@over_time
@given(rows=steps, cut=st.integers(0, 39))
def test_a_restart_from_the_store_changes_nothing(method: Method, rows: Steps, cut: int) -> None:
    taken = as_steps(rows)
    stored = parse(Window, dump(fold(method, taken[:cut])))
    assert fold(method, taken[cut:], stored) == fold(method, taken)


@over_time
@given(rows=steps)
def test_a_round_that_comes_again_takes_the_first_one_back(method: Method, rows: Steps) -> None:
    taken = as_steps(rows)
    assume(len(taken) > 1)
    window = fold(method, taken)
    again = timed(method).fold(window, taken[-1], VIEW)
    assert timed(method).read(again, taken[-1].at_ms, VIEW) == timed(method).read(window, taken[-1].at_ms, VIEW)


@over_time
def test_what_is_remembered_is_bounded(method: Method) -> None:
    rng = random.Random(5)
    rows = [(rng.randrange(1, 200), rng.randrange(10**17, 10**19), 10) for _ in range(620)]
    window = fold(method, as_steps(rows), view=MethodView(window_s=10**6, gap_ms=10_000))
    assert len(window.samples) <= 512
    assert len(window.trades) == (620 if method.of_trades else 0)
    now_ms = as_steps(rows)[-1].at_ms
    assert min(r[1] for r in rows) <= timed(method).read(window, now_ms, VIEW) <= max(r[1] for r in rows)


@over_time
@given(rows=steps)
def test_equal_prices_over_time_are_the_result(method: Method, rows: Steps) -> None:
    taken = as_steps([(gap, WAD + 3, doubt) for gap, _, doubt in rows])
    assert timed(method).read(fold(method, taken), taken[-1].at_ms, VIEW) == WAD + 3


@over_time
def test_what_left_the_window_counts_no_more(method: Method) -> None:
    """But an exponential average forgets by halves, and DIA's looks back over its points."""
    early = as_steps([(1_000, 5 * WAD, 10)] * 10)
    late = [replace(s, at_ms=s.at_ms + 30_000_000) for s in as_steps([(1_000, WAD, 10)] * 40)]
    late = [replace(s, trades=tuple(replace(t, at_ms=s.at_ms) for t in s.trades)) for s in late]
    got = timed(method).read(fold(method, [*early, *late]), late[-1].at_ms, VIEW)
    forgetting = method in (METHODS["ema"], METHODS["ema_confidence"], METHODS["dia_ema"])
    assert WAD <= got < 5 * WAD
    assert forgetting or got == WAD


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if m.of_trades])
def test_a_window_without_trades_has_no_price(name: str) -> None:
    taken = as_steps([(1_000, WAD, 10)])
    method = METHODS[name]
    with pytest.raises(NoQuorum, match="no trade in the 30 s"):
        timed(method).read(fold(method, taken), taken[-1].at_ms + 60_000, VIEW)
