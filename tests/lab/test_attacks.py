"""What it costs to move an oracle: the formula, the ladder, what counts as given in, and the same through the files."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from feeds.types import Observation
from feeds.units import BPS, MS, WAD
from lab.benchmark.export import export, write_answers
from lab.benchmark.layout import CASE, QUOTES, read_case
from lab.benchmark.score import score
from lab.designs.registry import DESIGNS
from lab.outcome.measure import OURS
from lab.outcome.replay import replay
from lab.outcome.summary import table as summary_table
from lab.scenario import case as cases
from lab.scenario.attack import (
    BOUNDS_BPS,
    EVERY_MS,
    HOLD_MS,
    MOVES_BPS,
    Attack,
    AttackMeter,
    capital_wad,
    cost_units,
    ladder,
)
from oracle.config.tables.schema import ConfigError
from oracle.model.status import Status

NAME = "attack-one-venue"
FILE = cases.CASES / f"{NAME}.toml"


@pytest.mark.parametrize("moved", MOVES_BPS)
def test_the_capital_moves_a_pool_of_constant_product_so_far(moved: int) -> None:
    """A pool of x tokens and y ether whose depth at 1 % is 300: the trade of that size is played."""
    x = 300 / (0.99**-0.5 - 1)
    y, capital = 1.05 * x, capital_wad(300 * WAD, moved) / WAD
    if moved < 0:
        after = (y * x / (x + capital)) / (x + capital)
    else:  # bought for as much ether as the capital is worth at the fair price
        paid = capital * 1.05
        after = (y + paid) / (x * y / (y + paid))
    assert after / 1.05 == pytest.approx(1 + moved / BPS, abs=1e-9)
    assert capital_wad(300 * WAD, -100) == 300 * WAD


def test_the_ladder_rises_and_has_every_set_with_every_move() -> None:
    steps = ladder({"a": 300 * WAD, "b": 800 * WAD, "c": 2_000 * WAD})
    assert [a.cost_wad for a in steps] == sorted(a.cost_wad for a in steps)
    assert len({(a.sources, a.moved_bps) for a in steps}) == len(steps) == 7 * len(MOVES_BPS)
    assert [a.from_ms for a in steps] == [EVERY_MS * n for n in range(1, len(steps) + 1)]
    assert all(a.to_ms - a.from_ms == HOLD_MS for a in steps)
    both = next(a for a in steps if a.sources == ("a", "b") and a.moved_bps == 600)
    assert both.cost_wad == capital_wad(300 * WAD, 600) + capital_wad(800 * WAD, 600)


def attack(place: int, cost: int) -> Attack:
    start = place * EVERY_MS
    return Attack(from_ms=start, to_ms=start + HOLD_MS, sources=("a",), moved_bps=600, cost_wad=cost * WAD)


FIRST, SECOND = attack(1, 10), attack(2, 20)
CALM, HIT, LATER = FIRST.from_ms - 10_000, FIRST.from_ms, FIRST.from_ms + 30_000
Told = tuple[int, int | None, Status]


@pytest.mark.parametrize(
    ("told", "one", "five"),
    [
        ([(CALM, 3, Status.OK), (HIT, 600, Status.OK), (LATER, 600, Status.WATCH)], (10, 30), (10, 30)),
        ([(CALM, 3, Status.OK), (HIT, 120, Status.OK), (FIRST.to_ms, 3, Status.OK)], (10, 300), (None, 0)),
        ([(CALM, 3, Status.OK), (HIT, 120, Status.OK), (SECOND.from_ms - 10_000, 3, Status.OK)], (10, 300), (None, 0)),
        ([(CALM, 3, Status.OK), (HIT, 600, Status.WATCH)], (None, 0), (None, 0)),
        ([(CALM, 3, Status.WATCH), (HIT, 600, Status.WATCH), (FIRST.to_ms, 3, Status.OK)], (10, 300), (10, 300)),
        ([(CALM, 700, Status.OK), (HIT, 700, Status.OK)], (None, 0), (None, 0)),
        ([(CALM, 300, Status.OK), (HIT, 600, Status.OK), (FIRST.to_ms, 3, Status.OK)], (None, 0), (10, 300)),
        ([(CALM, None, Status.HALT), (HIT, 600, Status.OK)], (None, 0), (None, 0)),
        ([(CALM, 3, Status.OK), (HIT, None, Status.OK)], (None, 0), (None, 0)),
        ([(CALM, 3, Status.OK), (FIRST.to_ms, 600, Status.OK)], (None, 0), (None, 0)),
    ],
    ids=["until-said", "small", "until-the-end", "said", "always-warns", "was-wrong", "was-off", "no-price-before", "none", "after-it"],
)  # fmt: skip
def test_who_gives_in_publishes_it_with_no_worse_a_state_than_before(
    told: Sequence[Told], one: tuple[int | None, int], five: tuple[int | None, int]
) -> None:
    meter = AttackMeter([FIRST, SECOND])
    for each in told:
        meter.add(*each)
    found = {c.bound_bps: (c.attack and cost_units(c.attack), c.unsaid_ms // MS) for c in meter.cheapest()}
    assert found == dict(zip(BOUNDS_BPS, (one, five), strict=True))
    assert AttackMeter(()).cheapest() == ()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attacks")
    case = cases.load(FILE)
    export(case, folder / "cases")
    write_answers(case, (OURS, *DESIGNS), folder / "answers")
    return folder


def test_the_cost_through_the_files_is_the_cost_in_the_laboratory(world: Path) -> None:
    played = replay(cases.load(FILE))
    for design in (OURS, *DESIGNS):
        assert score(world / "cases", world / "answers" / design).costs() == {NAME: played.designs[design].cheapest}
    told = {d: [c.attack and cost_units(c.attack) for c in o.cheapest] for d, o in played.designs.items()}
    assert told["naive-spot"] == [357, 1_761], "the one venue by 1.2 and by 6 %"
    assert told["pyth"] == [None, None], "it publishes nothing from one source"
    assert [c.unsaid_ms // MS for c in played.designs[OURS].cheapest] == [30, 30], "watch_dwell_s"
    assert summary_table([played])[0].cases == 0, "a ladder is no case of the other figures"


def test_quotes_of_a_case_are_moved_while_an_attack_lasts_and_only_then() -> None:
    case = cases.load(FILE)
    series = next(s for s in case.series[case.feed] if s.source == "only")
    for step in case.attacks:
        for at_ms, moved in ((step.from_ms - 1, 0), (step.from_ms, 1), (step.to_ms - 1, 1), (step.to_ms, 0)):
            seen = series.at(at_ms, case.began_ms)
            assert isinstance(seen, Observation)
            off = (seen.price_wad * BPS // (1_079 * 10**15)) - BPS
            assert abs(off - moved * step.moved_bps) <= 2, (step, at_ms)


def test_a_row_of_the_quotes_begins_and_ends_each_attack(world: Path) -> None:
    case = read_case(world / "cases" / NAME)
    with (world / "cases" / NAME / QUOTES).open(newline="") as text:
        prices = {int(r["time"]): Decimal(r["price"]) for r in csv.DictReader(text) if r["source"] == "only"}
    for step in case.attacks:
        first, after = ((case.began_ms + at) // MS for at in (step.from_ms, step.to_ms))
        assert abs(prices[first] / prices[after] - 1 - Decimal(step.moved_bps) / BPS) < Decimal("0.0003"), step


def test_an_outsider_is_told_at_which_step_it_gave_in(world: Path, tmp_path: Path) -> None:
    steps = json.loads((world / "cases" / NAME / CASE).read_text())["attacks"]
    assert [Decimal(s["cost"]) for s in steps] == sorted(Decimal(s["cost"]) for s in steps)
    began = read_case(world / "cases" / NAME).began_ms // MS
    third = steps[2]
    rows = f"time,price\n{began},1.079\n{third['from']},1.2\n{third['to']},1.079\n"
    (tmp_path / f"{NAME}.csv").write_text(rows)
    found = score(world / "cases", tmp_path)
    cheapest = found.costs()[NAME]
    assert [c.attack and c.attack.cost_wad for c in cheapest] == [int(Decimal(third["cost"]) * WAD)] * 2
    assert [c.unsaid_ms // MS for c in cheapest] == [300, 300]
    assert found.row().cases == 0
    assert found.false_alarms() == (0, 0.0)
    stated = found.document()["cases"][NAME]["attacks"][1]
    assert stated == cheapest[1].document()
    assert (stated["sources"], stated["cost"]) == (["only"], cost_units(read_case(world / "cases" / NAME).attacks[2]))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("depth = 300\n", "", "attacked: write a depth for each market track"),
        ("T03:30:00Z", "T03:00:00Z", "end: 6 attacks take 12600 s, from start to end are 10800"),
    ],
)
def test_a_case_of_attacks_states_its_depths_and_is_long_enough(old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        cases.parse(NAME, tomllib.loads(FILE.read_text().replace(old, new), parse_float=Decimal))
    assert said in str(refused.value)


def test_our_own_costs_are_expected_and_can_fail() -> None:
    case = cases.load(FILE)
    dearer = tomllib.loads(FILE.read_text().replace("[[100, 355]]", "[[100, 358]]"), parse_float=Decimal)
    assert replay(case, ()).passed
    assert replay(cases.parse(NAME, dearer), ()).failures == (
        "357 base units moved only and the price by 100 bps, at least 358 were expected",
    )
