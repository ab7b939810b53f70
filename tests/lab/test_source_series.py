"""Paths and tracks: values between facts, ages, lateness, errors; and the problems of a wrong path."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.types import Failure, Kind, Observation, Pair
from feeds.units import WAD
from lab.scenario.rows import FAR_MS, Between, RowPath
from lab.scenario.source_series import SeriesPath, SourceSeries, path_of, spans_of, time_of
from oracle.config.tables.schema import Problem

PAIR = Pair.parse("X/ETH")
BEGAN = 1_700_000_000_000
points = st.lists(
    st.tuples(st.integers(0, 10**9), st.integers(1, 10**24)), min_size=1, max_size=12, unique_by=lambda p: p[0]
).map(lambda ps: tuple(sorted(ps)))


def track(path: SeriesPath | RowPath, **more: Any) -> SourceSeries:
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
    assert step.next_change_ms(t_ms) == min((at for at, _ in ps if at > t_ms), default=FAR_MS)


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


def rows(*points: tuple[int, int], between: Between, gap_ms: int = 100_000, hold_ms: int = 30_000) -> RowPath:
    times = array("q", (at for at, _ in points))
    return RowPath(times, [v for _, v in points], between, hold_ms=hold_ms, gap_ms=gap_ms)


def test_a_row_stands_until_the_next_or_for_a_while_before_a_gap() -> None:
    path = rows((0, WAD), (60_000, 2 * WAD), (200_000, 3 * WAD), between=Between.HOLD)
    seen = [track(path).at(t, BEGAN) for t in (59_000, 60_000, 90_000, 91_000, 199_000, 200_000, 230_001)]
    assert [(o.price_wad // WAD, o.observed_at_ms - BEGAN) for o in seen if isinstance(o, Observation)] == [
        (1, 59_000), (2, 60_000), (2, 90_000), (2, 90_000), (2, 90_000), (3, 200_000), (3, 230_000),
    ]  # fmt: skip
    assert [path.next_change_ms(t) for t in (0, 60_000, 90_000, 90_001, 200_000, 230_001)] == [
        60_000, 90_001, 90_001, 200_000, 230_001, FAR_MS,
    ]  # fmt: skip


def test_a_straight_line_between_rows_never_crosses_a_gap() -> None:
    path = rows((0, 0), (60_000, 60 * WAD), (200_000, 0), between=Between.INTERPOLATE)
    assert [path.at(t) for t in (-1, 0, 30_000, 60_000, 100_000, 200_000)] == [None, 0, 30 * WAD, 60 * WAD, 60 * WAD, 0]
    assert (path.next_change_ms(5), path.next_change_ms(61_000), path.lowest(10_000, 61_000)) == (6, 90_001, 10 * WAD)


def test_where_nothing_is_assumed_a_row_is_as_old_as_it_is() -> None:
    seen = track(rows((0, WAD), (60_000, WAD), between=Between.ROWS)).at(59_000, BEGAN)
    assert isinstance(seen, Observation)
    assert seen.observed_at_ms == BEGAN


def test_a_daily_line_takes_a_step_a_day() -> None:
    day = 86_400_000
    path = SeriesPath(points=((5, 0), (5 + 10 * day, 10 * WAD)), between="daily")
    assert [path.at(t) for t in (5, 4 + day, 5 + day, 4 + 3 * day, 5 + 10 * day)] == [0, 0, WAD, 2 * WAD, 10 * WAD]
    assert [path.next_change_ms(t) for t in (0, 5, 6 + day, 5 + 10 * day)] == [5, 5 + day, 5 + 2 * day, FAR_MS]


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
        ([[5, Decimal(1)]], "cubic", "write linear, step or daily"),
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
