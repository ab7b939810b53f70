"""Seeded schedules of 4 to 13 members: a few hundred here, LRT_ORACLE_AGREE_SCHEDULES of them under ``make fuzz``.

What befalls the members is drawn in `tests.oracle.agree.schedule`, the laws are in `tests.oracle.agree.schedule_laws`. A schedule
that breaks one is made as simple as it gets and shown; it is drawn again from its seed.
"""

from __future__ import annotations

import os

import pytest

from tests.oracle.agree.schedule import Schedule, schedule_of, shrunk, text_of
from tests.oracle.agree.schedule_laws import broken_laws, due_of, reaches
from tests.oracle.agree.schedule_run import Run

_COUNT = int(os.environ.get("LRT_ORACLE_AGREE_SCHEDULES", "300"))
_PARTS = 4
_FIRST_SEED = 1_000_000


@pytest.mark.fuzz
@pytest.mark.parametrize("part", range(_PARTS))
def test_no_schedule_breaks_a_law(part: int) -> None:
    for seed in range(_FIRST_SEED + part, _FIRST_SEED + _COUNT, _PARTS):
        schedule = schedule_of(seed)
        if broken := broken_laws(schedule):
            law = broken[0].split(":")[0]
            simple = shrunk(schedule, lambda s, law=law: any(b.startswith(law) for b in broken_laws(s)))  # type: ignore[misc]
            pytest.fail(f"seed {seed}: {broken[0]}\nin {text_of(simple)}:\n{broken_laws(simple)}")


def test_a_run_is_the_same_from_the_same_seed() -> None:
    schedules = [schedule_of(seed) for seed in range(20)]
    first, second = ([Run(s).run() for s in schedules] for _ in range(2))
    assert [(r.words, r.sealed_ms, r.bound) for r in first] == [(r.words, r.sealed_ms, r.bound) for r in second]


def test_schedules_are_of_all_kinds() -> None:
    """So that a law that is never asked for is noticed."""
    schedules = [schedule_of(seed) for seed in range(400)]
    due = [due_of(s) for s in schedules]
    assert sum(d is not None for d in due) > 200
    assert {2_000, 3_000, 4_000} <= set(due)
    assert {way for s in schedules for way in s.liars.values()} >= {
        "splits",
        "twins",
        "flips",
        "picks",
        "chaos",
        "hides_values",
    }
    assert any(s.crashed for s in schedules)
    assert any(s.loss >= 40 and s.bad_until_ms for s in schedules)


def test_what_breaks_a_law_is_made_simpler() -> None:
    schedule = next(s for s in map(schedule_of, range(1_000)) if len(s.liars) > 1 and any(s.blind) and s.bad_until_ms)
    simple = shrunk(schedule, lambda s: len(s.liars) >= 1)
    assert len(simple.liars) == 1
    assert not any(simple.blind)
    assert simple.bad_until_ms == 0
    assert isinstance(simple, Schedule)


@pytest.mark.parametrize("seed", [1_062_910, 1_062_920, 1_008_363, 1_035_749])
def test_what_is_certified_is_taken_without_its_values(seed: int) -> None:
    """A liar has several values, and the honest leader of a later attempt lacks the one that is certified, as do others."""
    assert broken_laws(schedule_of(seed)) == []


def test_each_step_of_an_attempt_pays_the_difference_of_clocks() -> None:
    """Words of 70 ms and clocks 62 ms apart: one step fits into an attempt, two do not, so the next one is due."""
    schedule = schedule_of(1_071_268)
    assert reaches(schedule)
    assert not reaches(schedule, 6)
    assert broken_laws(schedule) == []
