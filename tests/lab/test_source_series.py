"""Paths and tracks: values between facts, ages, lateness, errors; and the problems of a wrong path."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.types import Failure, Kind, Observation, Pair
from feeds.units import WAD
from lab.source_series import SeriesPath, SourceSeries, path_of, spans_of, time_of
from oracle.config.tables.schema import Problem

PAIR = Pair.parse("X/ETH")
BEGAN = 1_700_000_000_000
points = st.lists(
    st.tuples(st.integers(0, 10**9), st.integers(1, 10**24)), min_size=1, max_size=12, unique_by=lambda p: p[0]
).map(lambda ps: tuple(sorted(ps)))


def track(path: SeriesPath, **more: Any) -> SourceSeries:
    return SourceSeries(source="a", pair=PAIR, group="a", kind=Kind.MARKET, price=path, **more)


@given(points, st.integers(-10, 10**9 + 10))
def test_a_line_stays_between_its_neighbours_and_a_step_is_the_last_fact(ps: Any, t_ms: int) -> None:
    line, step = SeriesPath(points=ps), SeriesPath(points=ps, between="step")
    past = [v for at, v in ps if at <= t_ms]
    if not past:
        assert line.at(t_ms) is None
        assert step.at(t_ms) is None
        return
    later = [v for at, v in ps if at > t_ms]
    ends = (past[-1], later[0] if later else past[-1])
    assert step.at(t_ms) == past[-1]
    assert min(ends) <= (line.at(t_ms) or 0) <= max(ends)
    assert step.changed_at(t_ms) == max(at for at, _ in ps if at <= t_ms)


@given(points)
def test_both_forms_go_through_every_fact(ps: Any) -> None:
    assert [SeriesPath(points=ps).at(t) for t, _ in ps] == [v for _, v in ps]
    assert [SeriesPath(points=ps, between="step").at(t) for t, _ in ps] == [v for _, v in ps]


def test_a_line_is_rounded_down_also_when_it_falls() -> None:
    assert SeriesPath(points=((0, 10), (3, 0))).at(1) == 6  # 10 - 3.33
    assert SeriesPath(points=((0, 0), (3, 10))).at(1) == 3


def test_a_silent_source_repeats_its_last_word_with_the_time_of_then() -> None:
    seen = track(SeriesPath(points=((0, WAD), (10_000, 2 * WAD))), silent=((4_000, 8_000),)).at(7_000, BEGAN)
    assert isinstance(seen, Observation)
    assert (seen.price_wad, seen.observed_at_ms) == (14 * WAD // 10, BEGAN + 4_000)


def test_a_late_source_repeats_its_earlier_answer() -> None:
    source = track(SeriesPath(points=((0, WAD), (10_000, 2 * WAD))), late=((6_000, 8_000, 5_000),))
    times = [source.at(t, BEGAN) for t in (5_000, 6_000, 7_999, 8_000)]
    assert [o.observed_at_ms - BEGAN for o in times if isinstance(o, Observation)] == [5_000, 1_000, 2_999, 8_000]


def test_a_stamped_source_is_as_old_as_its_fact() -> None:
    seen = track(SeriesPath(points=((0, WAD), (60_000, WAD)), between="step"), stamped=True).at(59_000, BEGAN)
    assert isinstance(seen, Observation)
    assert seen.observed_at_ms == BEGAN


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (track(SeriesPath(points=((10, WAD),))), "NO_DATA"),
        (track(SeriesPath(points=((0, 0),))), "NOT_POSITIVE"),
        (track(SeriesPath(points=((0, WAD),)), broken=((0, 5, "UNREACHABLE"),)), "UNREACHABLE"),
        (track(SeriesPath(points=((0, WAD),)), broken=((0, 5, "SEQUENCER_DOWN"),)), "SEQUENCER_DOWN"),
    ],
)
def test_what_is_not_a_price_is_a_typed_failure(source: SourceSeries, code: str) -> None:
    failed = source.at(1, BEGAN)
    assert isinstance(failed, Failure)
    assert failed.error.code == code
    assert failed.failed_at_ms == BEGAN + 1


def test_only_a_market_quotes_a_spread() -> None:
    market = track(SeriesPath(points=((0, WAD),)), half_spread_bps=20).at(0, BEGAN)
    assert isinstance(market, Observation)
    assert (market.bid_wad, market.ask_wad) == (WAD - WAD // 500, WAD + WAD // 500)
    owed = SourceSeries(
        source="r", pair=PAIR, group="p", kind=Kind.REDEMPTION, price=SeriesPath(points=((0, WAD),))
    ).at(0, BEGAN)
    assert isinstance(owed, Observation)
    assert owed.bid_wad is None


@pytest.mark.parametrize(
    ("value", "between", "said"),
    [
        ([[5, Decimal(1)], [5, Decimal(2)]], "linear", "times must ascend"),
        ([[5, Decimal(1)], [4, Decimal(2)]], "linear", "times must ascend"),
        ([[5]], "linear", "write [time, number]"),
        ([[5, "x"]], "linear", "is not a number"),
        ([[5, True]], "linear", "is not a number"),
        ([[1.5, Decimal(1)]], "linear", "is not a time"),
        ([[datetime(2022, 1, 1), Decimal(1)]], "linear", "is not a time"),  # noqa: DTZ001 - a time without a zone is refused
        ([], "linear", "is empty"),
        ("1.0", "linear", "is not a number"),
        ([[5, Decimal(1)]], "cubic", "write linear or step"),
    ],
)
def test_a_wrong_path_is_named_with_what_to_write(value: Any, between: str, said: str) -> None:
    problems: list[Problem] = []
    path_of(value, 0, "price", problems, between)
    assert any(said in p.text for p in problems)


def test_numbers_are_taken_as_written() -> None:
    problems: list[Problem] = []
    path = path_of(Decimal("1.000000000000000001"), 0, "price", problems)
    assert path is not None
    assert path.at(0) == WAD + 1
    assert time_of(datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC), BEGAN, "t", problems) == 1_000
    assert spans_of([[1, 2]], BEGAN, "s", problems) == ((1_000, 2_000),)
    assert problems == []
    spans_of([[2, 1], 3, [1]], BEGAN, "s", problems)
    assert [p.text for p in problems] == ["ends before it begins", "write [from, to]", "write [from, to]"]
