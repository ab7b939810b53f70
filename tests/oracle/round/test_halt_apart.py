"""Operators that were not halted together: nothing was sealed for long, or one of them was cut off."""

from __future__ import annotations

from dataclasses import replace

from oracle.model.status import Status
from oracle.model.types import FeedRound
from oracle.round.step import step
from tests.oracle.round.halt_world import FEED, START_S, STEP_S, HaltWorld, everybody, outcomes_of


def test_operators_whose_halts_began_apart_come_back_together() -> None:
    """Nothing is sealed for long, and each saw other gaps meanwhile: nobody leaves the halt before it is published."""
    world = HaltWorld(threshold=3, leave_dwell_s=20)
    world.run_round(everybody("1.00"))
    world.operators["gamma"].silenced = "not there"
    for n in range(60):
        alone = {"beta": (None, "1.00")} if n % 7 == 3 else {"gamma": (None, "1.00")} if n % 5 == 1 else {}
        assert world.run_round(everybody("1.00") | alone) is None
    world.operators["gamma"].silenced = ""
    words = [r.report.status.word if r else None for r in (world.run_round(everybody("1.00")) for _ in range(8))]
    assert words[0] == "halt", "the first round in which all are there"
    assert words[-1] == "ok", words
    assert None not in words


def test_an_operator_that_was_cut_off_goes_on_from_what_the_others_published() -> None:
    """Its own halt ends with their prices, not after a dwell of its own: until then the feed would hang on fewer."""
    world = HaltWorld(threshold=3)
    world.run_round(everybody("1.00"))
    world.operators["gamma"].silenced = "not there"
    while world.rounds.members[2].states[FEED.feed].judge.status is not Status.HALT:
        world.run_round(everybody("1.00"))
    cut_off = world.rounds.members[2].states
    fresh = replace(world.rounds.published(FEED.feed), silent_since_s=None)
    report = replace(fresh.report, round_time_s=START_S + world.n * STEP_S + 1)
    published = replace(fresh, report=report, status=Status.OK)
    spec = world.rounds.members[2].specs[FEED.feed]
    now_ms = (START_S + (world.n + 1) * STEP_S) * 1_000
    given = outcomes_of(everybody("1.00"), now_ms)
    own = [o for o in given if o.source.endswith("gamma")]
    result, _ = step(spec, cut_off[FEED.feed], own, {}, now_ms, published)
    assert isinstance(result, FeedRound)
    assert (result.report.status, result.report.status_only) == (Status.OK, False)
