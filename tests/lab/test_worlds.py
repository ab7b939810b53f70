"""The seeded markets, and the short form of what the methodology measures at length."""

from __future__ import annotations

import numpy as np
import pytest

from feeds.types import Failure, Observation
from feeds.units import WAD
from lab.seeded.estimate import compare_methods, count_alarms, estimate, step_response
from lab.seeded.world import HONEST, SCENARIOS, Scenario, feed, world
from oracle.combine.methods.registry import METHODS

STEP = SCENARIOS[-1]
SHORT = 90


def test_the_same_seed_is_the_same_world_and_another_is_not() -> None:
    one, same, other = world(1, SHORT), world(1, SHORT), world(2, SHORT)
    assert list(one.rounds()) == list(same.rounds())
    assert not np.array_equal(one.truth, other.truth)


def test_a_scenario_changes_only_the_middle_third_of_what_it_is_about() -> None:
    honest, lying = world(3, SHORT), world(3, SHORT, scenario=Scenario(name="l", liars=2, lie_bps=300))
    first, last = honest.middle
    changed = [n for n in honest.prices if not np.array_equal(honest.prices[n], lying.prices[n])]
    assert len(changed) == 2
    for name in changed:
        ratio = lying.prices[name] / honest.prices[name]
        assert np.allclose(ratio[first:last], 1.03)
        assert np.array_equal(ratio[:first], np.ones(first))
        assert np.array_equal(ratio[last:], np.ones(SHORT - last))


def test_a_pool_is_moved_for_one_round_in_five_minutes_as_far_as_the_budget_goes() -> None:
    """12,000 units against a depth of 600 for each percent: 20 %."""
    moved, honest = world(4, SHORT, scenario=Scenario(name="m", budget=12_000)), world(4, SHORT)
    ratio = moved.prices["pool a"] / honest.prices["pool a"]
    assert sorted(set(ratio.round(6))) == [1.0, 1.2]
    assert (ratio > 1.1).sum() == 1


def test_the_silent_do_not_answer_and_the_truth_steps() -> None:
    quiet = world(5, SHORT, scenario=Scenario(name="s", silent=2))
    first, last = quiet.middle
    counts = [sum(isinstance(o, Failure) for o in outcomes) for _, outcomes in quiet.rounds()]
    assert counts == [0] * first + [2] * (last - first) + [0] * (SHORT - last)
    made = world(5, SHORT, scenario=STEP)
    assert made.truth[first] / made.truth[first - 1] == pytest.approx(0.98, abs=1e-4)


def test_quotes_are_near_the_truth_and_the_rate_only_grows() -> None:
    made = world(6, SHORT)
    assert (np.diff(made.rate) > 0).all()
    for i, (_, outcomes) in enumerate(made.rounds()):
        prices = [o.price_wad / WAD for o in outcomes[:-1] if isinstance(o, Observation)]
        assert all(abs(p / made.truth[i] - 1) < 0.01 for p in prices)


@pytest.mark.parametrize("method", ["median", "depth_weighted_median", "huber", "three_vote", "mean"])
def test_a_true_step_is_in_the_price_at_once_and_in_the_status_after_its_dwell(method: str) -> None:
    """30 s of dwell are three rounds."""
    assert feed().bands.watch_dwell_s == 30
    found = estimate(method, [world(k, SHORT, scenario=STEP) for k in range(3)])
    assert (found.price_delay, found.status_delay) == (0, 3)
    assert found.false_alarms == 0


def test_an_average_over_time_is_late_and_says_so_in_its_spread() -> None:
    made = compare_methods([STEP], range(1), ["twap_arithmetic"])
    found = made["twap_arithmetic", STEP.name]
    assert found.price_delay is not None
    assert found.price_delay > 30
    assert found.worst_bps > 150
    assert found.outside == 0.0
    prices = step_response("twap_arithmetic", 0)[1]
    assert len(prices) == 540


def test_two_liars_of_five_do_not_move_a_median_and_move_a_mean() -> None:
    lying = [world(k, SHORT, scenario=SCENARIOS[2]) for k in range(2)]
    assert estimate("median", lying, None).worst_bps < 30
    assert estimate("mean", lying, None).worst_bps > 80


def test_a_pool_moved_for_a_block_moves_nothing() -> None:
    moved = [world(k, SHORT, scenario=SCENARIOS[5]) for k in range(2)]
    honest = [world(k, SHORT) for k in range(2)]
    for method in ("median", "depth_weighted_median"):
        assert estimate(method, moved).worst_bps < estimate(method, honest).worst_bps + 5


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_through_an_honest_world_without_an_alarm(method: str) -> None:
    found = estimate(method, [world(7, SHORT)])
    assert found.silent == 0
    assert found.false_alarms == 0
    assert found.worst_bps < 20


def test_honest_years_have_less_than_one_false_alarm_each() -> None:
    """The short form: a feed-year in rounds of four hours; the long one is in the methodology."""
    wrong, _, years = count_alarms(range(3), 2_190, 14_400)
    assert years == pytest.approx(3.0, rel=1e-2)
    assert wrong / years < 1


def test_a_feed_goes_on_without_two_of_five_sources() -> None:
    assert estimate("median", [world(8, SHORT, scenario=SCENARIOS[6])]).silent == 0
    assert HONEST.liars == 0
