"""The arithmetic of weights: laws of docs/invariants.md, and equality with a model in Python, over thousands of seeded cases."""

from __future__ import annotations

import random
from collections import Counter
from typing import NamedTuple

import pytest

import contracts
from tests.contracts.evm_process import Evm
from tests.contracts.stake.weights_model import (
    BPS,
    Before,
    ModelSet,
    Rules,
    capped,
    change_limit,
    is_equal,
    model_set,
    rises,
)

CASES = 3_000
ETHER = 10**18


class Case(NamedTuple):
    stakes: tuple[int, ...]
    previous: tuple[int, ...]
    before: Before
    total: int
    rules: Rules
    made: ModelSet


def drawn(rng: random.Random) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, int], Rules]:
    """Stakes of any spread, and a set before that some of the members were in: its own arithmetic, or after silence."""
    count = rng.choice((1, 2, 3, 4, 5, 7, 13, 31))
    unit = rng.choice((1, 10**9, ETHER, 10**24))
    cap = rng.choice((BPS, 5_000, 3_400, 3_334, 2_500, 2_000, 1_000, rng.randrange(1, BPS + 1), -(-BPS // count)))
    rules = Rules(cap, threshold := rng.choice((6_667, 6_700, 7_500, 9_999)), rng.choice((threshold, BPS)))
    stakes = [rng.choice((unit, rng.randrange(1, 100 * unit), rng.randrange(1, 3) * unit)) for _ in range(count)]
    if rng.random() < 0.2:
        return tuple(stakes), (0,) * count, (0, 0), rules
    was = capped([max(1, s * rng.choice((5, 9, 10, 10, 11, 30)) // 10) for s in stakes], cap)
    gone = [rng.randrange(1, 50 * unit) for _ in range(rng.choice((0, 0, 1, 3)))]
    previous = [rng.choice((w, w, w, 0)) for w in was]
    total = sum(previous) + sum(gone)
    at = total * rules.threshold // BPS + 1
    return tuple(stakes), tuple(previous), (rng.choice((at, at, total, total * 2, total // 2 + 1)), total), rules


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Each with what the contract says."""
    evm, rng, made = Evm(), random.Random(7), []
    math = evm.create(contracts.load("WeightMath"))
    for _ in range(CASES):
        stakes, previous, (least, sum_before), rules = drawn(rng)
        before = Before(least, change_limit(least, sum_before))
        weights, threshold, step, total = evm.ok(math, "weightsOf", stakes, previous, before, rules)
        one = Case(stakes, previous, before, sum_before, rules, ModelSet(tuple(weights), threshold, step, total))
        made.append(one)
    return made


def test_the_contract_says_what_the_model_says(cases: list[Case]) -> None:
    for one in cases:
        assert one.made == model_set(one.stakes, one.previous, one.before, one.rules), one


def test_no_share_above_the_cap(cases: list[Case]) -> None:
    seen: Counter[bool] = Counter()
    for one in cases:
        weights, total = one.made.weights, one.made.total
        can = len(weights) * one.rules.cap >= BPS
        assert is_equal(weights) if not can else max(weights) * BPS <= one.rules.cap * total, one
        seen[can] += 1
    assert min(seen[True], seen[False]) > CASES // 20


def test_a_cap_takes_no_more_than_it_must(cases: list[Case]) -> None:
    """Of a first set: one wei more for those who are cut would be above the cap."""
    cut = 0
    for one in cases:
        if one.before.threshold or len(one.stakes) * one.rules.cap < BPS:
            continue
        top = max(one.made.weights)
        higher = [min(s, top + 1) for s in one.stakes]
        if higher != list(one.made.weights):
            assert max(higher) * BPS > one.rules.cap * sum(higher), one
            cut += 1
    assert cut > CASES // 100


def test_rises_and_the_fall_of_t_stay_below_half_of_2t_minus_w(cases: list[Case]) -> None:
    """So that a quorum of one set and one of the next share weight, whoever they are."""
    seen: Counter[str] = Counter()
    for one in cases:
        if not one.before.threshold:
            continue
        spare = 2 * one.before.threshold - one.total
        rise, fall = rises(one.made.weights, one.previous), one.before.threshold - one.made.threshold
        assert 2 * (rise + max(0, fall)) <= max(0, spare), one
        seen["rises"] += rise > 0
        seen["falls"] += fall > 0
        seen["both"] += rise > 0 and fall > 0
    assert min(seen["rises"], seen["falls"], seen["both"]) > CASES // 50


def test_a_weight_never_exceeds_its_stake(cases: list[Case]) -> None:
    for one in cases:
        assert all(w <= s for w, s in zip(one.made.weights, one.stakes, strict=True)), one


def test_t_is_above_two_thirds(cases: list[Case]) -> None:
    for one in cases:
        assert 3 * one.made.threshold > 2 * one.made.total, one
        assert one.made.step >= one.made.threshold, one


def test_the_store_is_silent_rather_than_t_falls_too_fast(cases: list[Case]) -> None:
    """Where T is above the total: as far down as the limit allows, and no further."""
    silent = [one for one in cases if one.made.threshold > one.made.total > 99 and one.before.threshold]
    assert len(silent) > CASES // 50
    for one in silent:
        assert one.made.threshold + one.before.limit - rises(one.made.weights, one.previous) == one.before.threshold
