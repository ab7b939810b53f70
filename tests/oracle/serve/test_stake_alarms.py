"""Alarms of stake: each fires for what it is about and for nothing else, and names a metric that is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from feeds.units import MS
from oracle.model.duty_kind import DutyKind
from oracle.serve.metrics import Metrics
from oracle.stake.due.duties import Duty, duty_step
from oracle.stake.follow import StakeView
from tests.oracle.serve.alarms import OVER_TIME, alarm_rules
from tests.oracle.serve.exposition import samples
from tests.oracle.serve.memory_service import ROUND_S
from tests.oracle.serve.operators_world import seen
from tests.oracle.serve.shown_keeper import ShownKeeper
from tests.oracle.serve.stake_world import READ_MS, case, epoch, found, row, stake_view

ALL_WELL = {"operators": [row(1, 32, 40), row(2, 30, 34), row(3, 30, 30)], "cases": []}
"""Alice signs here."""


def firing(view: StakeView, after_s: int = 5) -> set[str]:
    metrics = Metrics(lambda: READ_MS + after_s * MS)
    metrics.stake.view, metrics.stake.operators = lambda: view, seen
    found_samples = samples(metrics)
    return {r.name for r in alarm_rules() if OVER_TIME not in r.expr and r.fires(found_samples, ROUND_S + after_s)}


def whole(**more: object) -> StakeView:
    return stake_view(found(**{**ALL_WELL, **more}))


def alice(**more: object) -> StakeView:
    return whole(operators=[row(1, 32, 40, **more), *ALL_WELL["operators"][1:]])


NO_SET = {"threshold": "9", "total": "8", "members": 3, "least_members": 3, "can_be_made": False}
CASES: dict[str, tuple[Callable[[], StakeView], set[str]]] = {
    "all is well": (whole, set()),
    "never read": (lambda: StakeView(target="home", error="no endpoint answers"), {"StakeNotRead"}),
    "no stake": (lambda: StakeView(target="home", not_staked="an owner names the signers"), set()),
    "rotation overdue": (lambda: whole(rotate_due_s=ROUND_S - 3_700), {"RotationOverdue"}),
    "just due": (lambda: whole(rotate_due_s=ROUND_S - 60), set()),
    "expires": (lambda: whole(expires_s=ROUND_S + 80_000), {"EpochExpiresSoon"}),
    "never expires": (lambda: whole(expires_s=None), set()),
    "no set": (lambda: whole(next=NO_SET), {"SetSilent"}),
    "too few": (lambda: whole(next={**NO_SET, "can_be_made": True, "members": 2}), {"SetSilent"}),
    "nobody can say": (lambda: whole(next=None), set()),
    "not armed": (lambda: whole(scheduled={"epoch": 3, "at_s": ROUND_S + 9, "armed": False}), {"SetNotArmed"}),
    "armed": (lambda: whole(scheduled={"epoch": 3, "at_s": ROUND_S + 9, "armed": True}), set()),
    "cut": (lambda: whole(frozen_total=str(122 * 10**18)), {"WeightWasCut"}),
    "below T": (
        lambda: whole(threshold=str(93 * 10**18)), {"LittleWeightToSpare", "StakeBelowThreshold"},
    ),
    "hardly T": (lambda: whole(threshold=str(85 * 10**18)), {"LittleWeightToSpare"}),
    "another's case": (lambda: whole(cases=[case("0x" + "ab" * 32, 2)]), {"CaseOpen"}),
    "settled": (lambda: whole(cases=[case("0x" + "ab" * 32, 2, is_open=False)]), set()),
    "own case": (
        lambda: whole(cases=[case("0x" + "ab" * 32, 2, operator=row(1, 1, 1)["operator"])]),
        {"CaseOpen", "CaseAgainstOwnOperator"},
    ),
    "own jail": (
        lambda: alice(jailed_until_s=ROUND_S + 9, why_not="in jail"), {"OwnOperatorJailed", "OwnOperatorNotInNextSet"},
    ),
    "own stake": (lambda: alice(stake=str(9 * 10**18)), {"OwnStakeBelowMinimum", "OwnStakeNearMinimum"}),
    "own stake near": (lambda: alice(stake=str(105 * 10**17)), {"OwnStakeNearMinimum"}),
    "passed over": (lambda: alice(why_not="others have more"), {"OwnOperatorNotInNextSet"}),
    "no report": (
        lambda: whole(rewards=[epoch(1, ended=True, root=None, posted_s=None, missing=True)]), {"RewardReportMissing"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_alarm_fires_for_what_it_is_about_alone(name: str) -> None:
    view, fired = CASES[name]
    assert firing(view()) == fired


def test_a_reading_that_grew_old_and_a_silent_source_are_alarms_too() -> None:
    assert firing(replace(whole(), error="timeout"), after_s=901) == {"StakeNotRead"}
    assert firing(replace(whole(), error="timeout"), after_s=899) == set()
    view = whole()
    assert view.security is not None
    assert firing(replace(view, security=replace(view.security, is_complete=False))) == {"StakeIncomplete"}


KEEPS = {"DutyOverdue", "KeeperHasNoGasForFreeze"}


@pytest.mark.parametrize(
    ("due_for_s", "lacks", "fired"),
    [(1_700, 0, set()), (1_900, 0, {"DutyOverdue"}), (0, 4, {"KeeperHasNoGasForFreeze"}), (1_900, 4, KEEPS)],
)
def test_a_duty_that_nobody_does_and_gas_that_has_no_freeze_in_it_are_alarms(
    due_for_s: int, lacks: int, fired: set[str]
) -> None:
    metrics, keeper = Metrics(lambda: READ_MS), ShownKeeper(gas_lacks=lacks)
    step = duty_step("0x" + "01" * 20, "StakedSet", "rotate", (), "freezes", "never")
    duty = Duty(kind=DutyKind.ROTATE, subject="x", since_s=keeper.now_s() - due_for_s, step=step)
    keeper.due.note([duty], keeper.now_s())
    metrics.keeper.keeper = keeper
    found_samples = samples(metrics)
    rules = [r for r in alarm_rules() if "_keeper_" in r.expr]
    assert {r.name for r in rules if r.fires(found_samples, ROUND_S)} == fired


def test_every_alarm_is_tried_and_names_a_metric() -> None:
    metrics = Metrics(lambda: READ_MS)
    metrics.stake.view, metrics.stake.operators = stake_view, seen
    metrics.keeper.keeper = ShownKeeper()
    there = {series.split("{")[0] for series in samples(metrics)}
    rules = alarm_rules()
    assert len({r.name for r in rules}) == len(rules)
    assert all(r.metrics <= there for r in rules)
    tried = {name for _, fired in CASES.values() for name in fired} | {"StakeIncomplete"} | KEEPS
    assert tried == {r.name for r in rules if OVER_TIME not in r.expr}
