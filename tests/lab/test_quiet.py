"""What is leapt over comes to the same as what is played, byte for byte; and a leap that would not is taken back."""

from __future__ import annotations

import os
import random
from array import array
from dataclasses import replace
from typing import Any

import pytest

from feeds.types import Kind, Pair
from feeds.units import MS, WAD
from lab.play.quiet import Snapshot, period_rounds
from lab.play.run import Moment, play
from lab.scenario.case import Case
from lab.scenario.expect import Expected
from lab.scenario.rows import FAR_MS, Between, RowPath
from lab.scenario.source_series import SeriesPath, SourceSeries
from lab.tables.settings import with_settings
from oracle.model.spec import SourceSpec

PAIR = Pair.parse("X/ETH")
MODES = ("market", "min", "capped", "redemption_unless_depeg")
SEEDS = int(os.environ.get("LRT_FUZZ_QUIET", "10"))
METHODS = ("median", "ema", "twap_arithmetic", "mean", "time_median")


def path(chance: random.Random, length_ms: int, level: int, moves: tuple[int, ...], between: Between) -> RowPath:
    times = sorted({0, *(chance.randrange(0, length_ms // 1_000) * 1_000 for _ in range(chance.randrange(0, 5)))})
    values = [level * (10_000 + chance.choice(moves)) // 10_000 for _ in times]
    hold = chance.choice((FAR_MS, 600_000))
    return RowPath(array("q", times), values, between, hold_ms=hold, gap_ms=hold)


def drawn(seed: int) -> Case:
    """A case with a few rows hours apart, a random feed, and rounds of ten seconds or a minute."""
    chance = random.Random(seed)
    length_ms = chance.choice((2, 4, 9)) * 3_600_000
    between = chance.choice((Between.HOLD, Between.HOLD, Between.INTERPOLATE))
    settings: dict[str, Any] = {"mode": chance.choice(MODES), "method": chance.choice(METHODS)}
    if chance.random() < 0.4:
        settings["rules.learn_bps_day"] = 3
    if chance.random() < 0.4:
        settings |= {"rules.growth_bps_year": 900, "rules.cadence_s": 20_000}
    if chance.random() < 0.3:
        settings["bands.slash_hold_s"] = 900
    rate = path(chance, length_ms, WAD, (0, 0, 1, -40, 30), Between.HOLD)
    depth = path(chance, length_ms, 500 * WAD, (0, -8_000), Between.HOLD) if chance.random() < 0.4 else None
    tracks = [
        SourceSeries(
            source=name, pair=PAIR, group=name, kind=Kind.MARKET, depth=depth,
            price=path(chance, length_ms, WAD, (0, 0, -3, -60, -150, -400), between),
        )
        for name in ("a", "b", "c")[: chance.choice((2, 3))]
    ]  # fmt: skip
    if chance.random() < 0.5:
        tracks[0] = replace(tracks[0], silent=((3_000_000, 5_000_000),))
    tracks.append(SourceSeries(source="rate", pair=PAIR, group="protocol", kind=Kind.REDEMPTION, price=rate))
    sources = [
        SourceSpec(
            name=t.source, pair=PAIR, kind=t.kind, group=t.group, max_age_s=0 if t.kind is Kind.MARKET else 86_400,
            average_s=60 if t.source == "b" and seed % 3 == 0 else 0,
        )
        for t in tracks
    ]  # fmt: skip
    return Case(
        name=f"drawn {seed}", title="", source="", facts="", synthesised="", began_ms=1_700_000_000_000, length_ms=length_ms,
        round_ms=chance.choice((10, 60)) * MS, specs=(with_settings("X/ETH", PAIR, sources, None, settings),),
        series={"X/ETH": tuple(tracks)}, feed="X/ETH", truth=SeriesPath(points=((0, WAD),)), expected=Expected(),
        row_rounds_ms=sorted({int(t) for track in tracks if isinstance(track.price, RowPath) for t in track.price.times_ms}),
    )  # fmt: skip


def spread_out(moment: Moment, case: Case) -> list[tuple[int, Moment]]:
    """Every round that a moment stands for, without what a leap leaves open."""
    plain = replace(moment, t_ms=0, last_ms=0, rounds=1, texts=(), outcomes={})
    return [(t_ms, plain) for t_ms in range(moment.t_ms, moment.last_ms + 1, case.round_ms)]


def all_rounds(case: Case, *, leap: bool) -> tuple[list[tuple[int, Moment]], int]:
    moments = list(play(case, leap=leap))
    assert sum(m.rounds for m in moments) == sum(len(spread_out(m, case)) for m in moments)
    return [r for m in moments for r in spread_out(m, case)], len(moments)


def test_what_is_leapt_over_comes_to_the_same() -> None:
    played = rounds = 0
    for seed in range(SEEDS):
        case = drawn(seed)
        leapt, moments = all_rounds(case, leap=True)
        assert leapt == all_rounds(case, leap=False)[0], seed
        played, rounds = played + moments, rounds + len(leapt)
    assert played < rounds * 2 // 3, "much of it was leapt over"


def test_a_month_of_days_is_played_in_a_part_of_its_rounds_and_every_change_is_there() -> None:
    day = 86_400_000
    times = array("q", [n * day for n in range(30)])
    falls = [WAD if n < 20 else WAD * 97 // 100 for n in range(30)]
    price = RowPath(times, falls, Between.HOLD, hold_ms=day, gap_ms=day)
    case = drawn(0)
    tracks = tuple(
        replace(t, price=price, depth=None, silent=()) for t in case.series["X/ETH"] if t.kind is Kind.MARKET
    )
    sources = [SourceSpec(name=t.source, pair=PAIR, kind=t.kind, group=t.group, max_age_s=0) for t in tracks]
    long = replace(
        case, length_ms=29 * day, round_ms=10_000, series={"X/ETH": tracks}, specs=(with_settings("X/ETH", PAIR, sources, None, {}),),
        row_rounds_ms=list(times),
    )  # fmt: skip
    moments = list(play(long))
    assert sum(m.rounds for m in moments) == 29 * 8_640 + 1
    assert len(moments) < 29 * 8_640 // 20
    assert {m.market_wad for m in moments if m.last_ms < 20 * day} == {WAD}
    assert {m.market_wad for m in moments if m.t_ms >= 20 * day} == {WAD * 97 // 100}


def test_a_leap_that_lands_where_something_else_grows_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing tells the leap when the rate's daily snapshots are due. Without them the cap on its jump would be another one."""
    monkeypatch.setattr("lab.play.run.DAY_MS", FAR_MS)
    day = 86_400_000
    times = array("q", [0, 9 * day])
    path = RowPath(times, [WAD, WAD * 1_005 // 1_000], Between.HOLD, hold_ms=day, gap_ms=FAR_MS)
    case = drawn(0)
    kinds = (("a", Kind.MARKET), ("b", Kind.MARKET), ("rate", Kind.REDEMPTION))
    tracks = tuple(SourceSeries(source=n, pair=PAIR, group=n, kind=k, price=path) for n, k in kinds)
    sources = [SourceSpec(name=n, pair=PAIR, kind=k, group=n, max_age_s=0) for n, k in kinds]
    settings = {"mode": "capped", "rules.growth_bps_year": 900, "rules.snapshot_days": 7}
    capped = replace(
        case, length_ms=9 * day + 600_000, round_ms=60_000, series={"X/ETH": tracks}, row_rounds_ms=list(times),
        specs=(with_settings("X/ETH", PAIR, sources, None, settings),),
    )  # fmt: skip
    leapt, moments = all_rounds(capped, leap=True)
    assert moments < len(leapt) // 10
    assert leapt == all_rounds(capped, leap=False)[0]
    assert WAD < leapt[-1][1].price_wad < WAD * 1_004 // 1_000, "the cap binds"


def test_a_snapshot_grown_is_what_was_remembered_with_its_times_later() -> None:
    first, second = Snapshot({"a": (1, "x", (10, 5))}), Snapshot({"a": (3, "x", (20, 5))})
    growth = second.growth_since(first)
    assert growth == [2, 10, 0]
    assert second.grown(growth, 3) == {"a": (9, "x", (50, 5))}
    assert Snapshot({"a": (3, "y", (20, 5))}).growth_since(first) is None
    assert Snapshot({"a": (3, "x", (20, 5, 6))}).growth_since(first) is None


def test_the_period_follows_from_what_is_kept_one_in_so_many_rounds() -> None:
    case = drawn(0)
    assert period_rounds(case.specs, 10_000, has_depth=False) == 4
    assert period_rounds(case.specs, 10_000, has_depth=True) == 180
    assert period_rounds(case.specs, 60_000, has_depth=True) == 30
    odd = replace(case.specs[0], rules=replace(case.specs[0].rules, depth_s=86_399, moved_s=997))
    assert period_rounds([odd], 1_000, has_depth=True) is None
