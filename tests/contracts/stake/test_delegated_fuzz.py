"""A seeded walk through delegated stake beside its model, and its laws under the names of docs/invariants.md.

``LRT_ORACLE_STAKE_FUZZ`` steps (a few thousand here, a million under ``make fuzz``), in worlds of 2,000. World number n is
always the same one, so ``LRT_ORACLE_STAKE_FUZZ_START`` (a step) repeats a failure.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest

from tests.contracts.evm_process import Evm
from tests.contracts.stake.delegated_fuzz import DelegatedFuzz
from tests.contracts.stake.delegated_world import BoundSide, SetSide
from tests.contracts.stake.real_side import RealSide

STEPS = int(os.environ.get("LRT_ORACLE_STAKE_FUZZ", "6000"))
START = int(os.environ.get("LRT_ORACLE_STAKE_FUZZ_START", "0"))
IN_A_WORLD = 2_000
COMMON = {
    "claim NothingDue", "claim taken", "collect NothingDue", "collect taken", "commission BadCommission",
    "commission IsEnrolled", "commission NotEnrolled", "commission taken", "deposit BadAmount", "deposit CaseOpen",
    "deposit NotEnrolled", "deposit taken", "donate taken", "freeze taken", "generation ended", "lapse NotLapsed",
    "lapse NothingLeaving", "lapse taken", "leave_in_time taken", "let_lapse taken", "prove CaseExists",
    "prove NothingToSeize", "prove taken", "rebase taken", "request BadAmount", "request taken", "reward NotReceived",
    "reward taken", "settle NoSuchCase", "settle taken", "stranger taken", "withdraw CaseOpen", "withdraw NothingLeaving",
    "withdraw TooEarly", "withdraw TooLate", "withdraw taken",
}  # fmt: skip
"""What a few thousand steps must have met, or the walk tests less than it says."""


def walk(first: int, steps: int, side: Callable[[Evm, str], SetSide] = BoundSide) -> Counter[str]:
    """From a step on; what came of the calls."""
    counts: Counter[str] = Counter()
    for number in range(first // IN_A_WORLD, -(-(first + steps) // IN_A_WORLD)):
        fuzz = DelegatedFuzz(number, side)
        for step in range(IN_A_WORLD):
            try:
                fuzz.step()
            except AssertionError as e:
                at = f"LRT_ORACLE_STAKE_FUZZ_START={number * IN_A_WORLD}"
                raise AssertionError(f"world {number}, step {step}: {at}: {e}") from e
        fuzz.look_at_everything()
        counts += fuzz.counts
        if isinstance(fuzz.world.side, RealSide):
            counts["sets that signed"] += fuzz.world.side.epoch
    return counts


@pytest.mark.fuzz
def test_a_million_steps_break_no_law_of_delegated_stake() -> None:
    assert set(walk(START, STEPS)) >= COMMON


@pytest.mark.fuzz
def test_the_same_walk_over_the_real_set_breaks_no_law() -> None:
    """Who signs, and until when it can be proven, is what StakedSet and its store say."""
    counts = walk(START, STEPS // 2, RealSide)
    assert set(counts) >= COMMON
    assert counts["sets that signed"] > STEPS // 200


def only(seed: int, *wanted: str) -> Counter[str]:
    """A short walk in which these calls are frequent."""
    fuzz = DelegatedFuzz(seed)
    fuzz.kinds += [kind for kind in fuzz.kinds if kind.__name__ in wanted] * 4
    for _ in range(1_500):
        fuzz.step()
    fuzz.look_at_everything()
    return fuzz.counts


def test_no_stake_leaves_while_its_key_can_sign_or_be_proven() -> None:
    counts = only(1, "deposit", "freeze", "request", "leave_in_time")
    assert counts["leave_in_time taken"] > 20
    assert counts["freeze taken"] > 50


def test_totals_are_conserved_to_the_wei() -> None:
    counts = only(2, "deposit", "prove", "settle", "reward", "claim", "collect", "donate")
    assert min(counts[f"{what} taken"] for what in ("prove", "settle", "claim", "collect", "donate")) > 8


def test_losses_and_rewards_are_pro_rata() -> None:
    counts = only(3, "prove", "settle", "reward", "freeze", "deposit")
    assert min(counts["prove taken"], counts["settle taken"]) > 20
    assert counts["reward taken"] > 80


def test_an_exit_lapses_if_it_is_not_taken() -> None:
    assert only(4, "request", "let_lapse", "lapse")["let_lapse taken"] > 40


def test_nobody_holds_a_bond_hostage() -> None:
    """Whatever was frozen, proven, lapsed, raised or rebased since: at its time an exit is paid, cases settled."""
    counts = only(5, "deposit", "request", "leave_in_time", "freeze", "commission")
    assert counts["leave_in_time taken"] > 30
