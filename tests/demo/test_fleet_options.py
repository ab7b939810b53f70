"""What `lrt-oracle demo` refuses to tell, with a sentence that says what to write."""

from __future__ import annotations

import pytest

from demo.fleet.behaviours import BEHAVIOURS
from demo.fleet.fleet import FleetPlan
from demo.fleet.fleet_config import WITHOUT
from demo.fleet.measure import MEASURES, parsed
from demo.fleet.stories import NETWORK_STORIES, STORIES, plan_of
from demo.main import closing_lines
from demo.scenarios import SCENARIOS
from demo.settings import SYMBOLS
from tests.oracle.cli.command import run


@pytest.mark.parametrize("scenario", [n for n, story in NETWORK_STORIES.items() if not story.operators])
def test_a_scenario_of_the_network_needs_operators_of_their_own(scenario: str) -> None:
    done = run("demo", "--scenario", scenario)
    assert done.exit_code == 2
    assert "needs operators that are processes of their own: add --operators 5" in done.stderr


@pytest.mark.parametrize("operators", [1, 3, 14, -1])
def test_a_network_of_a_size_that_shows_nothing_is_refused(operators: int) -> None:
    done = run("demo", "--operators", str(operators))
    assert done.exit_code == 2
    assert "write 4 to 13" in done.stderr


def test_a_rotation_cannot_be_told_in_less_than_the_store_takes() -> None:
    done = run("demo", "--operators", "5", "--scenario", "rotation", "--seconds", "20")
    assert done.exit_code == 2
    assert "write --seconds 90 or more" in done.stderr


def test_the_story_of_stake_has_operators_of_its_own_and_a_most_of_them() -> None:
    done = run("demo", "--scenario", "restaked", "--seconds", "20")
    assert done.exit_code == 2
    assert "write --seconds 250 or more" in done.stderr
    done = run("demo", "--scenario", "restaked", "--operators", "10")
    assert done.exit_code == 2
    assert "write --operators 9 or fewer" in done.stderr


def test_an_unknown_scenario_is_refused_with_the_nearest() -> None:
    done = run("demo", "--operators", "5", "--scenario", "leader-split")
    assert done.exit_code == 2
    assert "leader-splits" in done.stderr


def test_all_scenarios_of_the_market_can_be_told_with_several_operators() -> None:
    assert set(STORIES) == {*SCENARIOS, *NETWORK_STORIES}
    assert not set(SCENARIOS) & set(NETWORK_STORIES)


@pytest.mark.parametrize("scenario", STORIES)
async def test_the_fleet_of_a_scenario_can_lose_one_operator(scenario: str) -> None:
    plan = plan_of(STORIES[scenario], 5, 0)
    if plan.network is not None:
        await plan.network.close()
    assert (plan.members, plan.needed) == (5, 4)
    assert set(plan.behaviours.values()) <= set(BEHAVIOURS)


@pytest.mark.parametrize("members", range(4, 14))
def test_the_threshold_of_a_fleet_lies_above_two_thirds(members: int) -> None:
    plan = FleetPlan(operators=members)
    assert 3 * plan.needed > 2 * members >= 3 * (plan.needed - 1)


def test_every_measurement_has_its_options() -> None:
    for what in MEASURES:
        asked, options, folder = parsed([what, "--rounds", "7", "--operators", "9", "--conditions", "delay-drop"])
        assert (asked, options.rounds, options.operators, folder) == (what, 7, 9, None)
        assert options.conditions == {"delay_ms": 80.0, "drop": 0.01}


def test_no_operator_of_a_fleet_leaves_out_the_only_venue_of_a_pair() -> None:
    pairs = {pair for symbols in SYMBOLS.values() for pair in symbols if pair != "ETH/USDT"}
    for left_out in WITHOUT:
        told = {pair for venue, symbols in SYMBOLS.items() if venue != left_out for pair in symbols}
        assert pairs <= told, left_out


def test_the_last_lines_of_a_run_say_what_was_lost_and_who_stood_aside() -> None:
    summary = {
        "rounds_due": 9, "rounds_sealed": 8, "rounds_lost": [
            {"round": 30, "why": "3 of 5 made it, 4 are needed", "said": {"beta": "values of weight 3", "gamma": "nothing"}}
        ],
        "attempts": {"1": 7, "2": 1}, "forks": [], "pushes_landed": 4, "pushes_double": 1, "states": [],
        "refused": [
            {"operator": "beta", "feed": f, "why": "too far from its own view", "rounds": r} for f, r in (("a", 3), ("b", 5))
        ],
        "evidence": [{"operator": "gamma", "kind": "two_items", "rounds": 2}],
    }  # fmt: skip
    first, *more = closing_lines(summary)
    assert first.startswith(
        "8 of 9 rounds sealed (7 in attempt 1, 1 in attempt 2), 1 lost, 0 forks; 4 pushes landed, 1 double"
    )
    assert more == [
        "  lost: round 30: 3 of 5 made it, 4 are needed; beta says: values of weight 3",
        "  beta did not vouch for a feed in 5 rounds: too far from its own view",
        "  evidence against gamma in 2 rounds: two_items",
    ]
