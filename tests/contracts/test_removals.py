"""Removing the weight of signers at once, and the set owner. Invariants of docs/invariants.md, each under its name there."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.sign.eip712 import batch_bytes
from tests.contracts.epoch_world import AHEAD_S, NEVER, NEW, NEXT_AT, SET_AT, arm, push, rotate, stored
from tests.contracts.evm_process import DELAY_S, OWNER, STRANGER
from tests.contracts.set_models import WAD
from tests.contracts.store_words import Signers
from tests.contracts.whole_set import BOTH, FIRST_SET, ZERO, WholeSet, key_address, packed


@pytest.fixture
def whole() -> WholeSet:
    made = WholeSet()
    made.evm.jump(1_000)
    return made


def test_the_set_owner_makes_nobody_a_signer_at_once(whole: WholeSet) -> None:
    """It replaces signers after the delay and removes some at once; it declares no emergency and ends none."""
    args = [key_address(8)], [1], 1, 1
    whole.refused(whole.store, "setSetOwner", STRANGER, sender=STRANGER, expected="NotOwner")
    whole.refused(whole.store, "setSigners", *args, sender=STRANGER, expected="NotSetOwner")
    whole.evm.ok(whole.store, "setSetOwner", STRANGER)
    whole.set_owner = STRANGER
    due = rotate(whole, sender=STRANGER)
    assert stored(whole, NEXT_AT) == (due, False, 2)
    whole.refused(whole.store, "setSignersInEmergency", *args, sender=STRANGER, expected="NotOwner")
    mine: list[tuple[str, tuple[Any, ...]]] = [
        ("register", (b"x/y".ljust(32, b"\0"), True, True, 0)), ("resume", ([0],)), ("setGuardian", (ZERO,)),
    ]  # fmt: skip
    for name, values in mine:
        whole.refused(whole.store, name, *values, sender=STRANGER, expected="NotOwner")
    whole.refused(whole.store, "pause", [0], sender=STRANGER, expected="NotGuardian")
    assert push(whole, NEW, whole.evm.now) == "WrongEpoch"
    rotate(whole, name="setSignersInEmergency")
    whole.refused(whole.store, "setSigners", *args, sender=STRANGER, expected="NotSetOwner")
    whole.evm.jump(DELAY_S)
    third = Signers(3, (1, 2), (1, 1), 2, 2)
    rotate(whole, third, sender=STRANGER)
    whole.evm.ok(whole.store, "setSetOwner", ZERO)
    whole.refused(whole.store, "setSigners", *args, sender=STRANGER, expected="NotSetOwner")
    whole.refused(whole.store, "removeSigners", 2, [0], sender=STRANGER, expected="NotSetOwner")


@settings(max_examples=40, deadline=None)
@given(weights=st.lists(st.integers(1, 5), min_size=2, max_size=5), data=st.data())
def test_a_removal_opens_no_way_to_the_threshold(weights: list[int], data: Any) -> None:
    """Who reaches it afterwards reached it before, any two such groups share a signer, and somebody still reaches it."""
    whole, total = WholeSet(), sum(weights)
    whole.evm.jump(1_000)
    threshold = data.draw(st.integers(total // 2 + 1, total))
    signers = Signers(2, tuple(range(len(weights))), tuple(weights), threshold, total)
    rotate(whole, signers)
    arm(whole, signers)
    whole.evm.jump(DELAY_S)
    gone = data.draw(st.lists(st.integers(0, len(weights) - 1), max_size=3, unique=True))
    left = [0 if i in gone else w for i, w in enumerate(weights)]
    enough = sum(left) >= threshold
    error, _ = whole.evm.call(whole.store, "removeSigners", 2, gone)
    assert error == ("" if enough else "BadThreshold")
    now = left if enough else weights
    assert whole.evm.ok(whole.store, "signerSet")[3] == tuple(now)
    assert whole.evm.ok(whole.store, "thresholds") == (threshold, total)
    people = range(len(weights))
    groups = [set(g) for n in people for g in combinations(people, n + 1) if sum(now[i] for i in g) >= threshold]
    assert groups
    assert all(a & b for a in groups for b in groups)


def test_a_removed_signer_weighs_nothing_in_the_same_epoch(whole: WholeSet) -> None:
    """At the same index; in the present set, the next one, and the one before while it is taken."""
    body = packed(BOTH, (WAD, WAD))
    batch = batch_bytes(1, whole.evm.now, body)
    whole.evm.ok(whole.store, "removeSigners", 1, [0])
    whole.model.now = whole.evm.now
    whole.model.remove(1, [0])
    assert whole.push(whole.sign(batch, FIRST_SET, (0, 1))) == "BelowThreshold"
    assert not whole.push(whole.sign(batch, FIRST_SET, (0, 1, 2, 3)))
    assert stored(whole, SET_AT) == (NEVER, False, 1)
    due = rotate(whole)
    digest = whole.evm.ok(whole.store, "armDigest")
    whole.evm.ok(whole.store, "removeSigners", 2, [1])
    whole.model.remove(2, [1])
    assert whole.evm.ok(whole.store, "armDigest") != digest
    arm(whole)
    whole.evm.jump(DELAY_S)
    assert stored(whole, SET_AT) == (due, False, 1)
    assert whole.push(whole.sign(batch_bytes(2, due, body), NEW, (0, 1))) == "BelowThreshold"
    assert not whole.push(whole.sign(batch_bytes(2, due, body), NEW, (0, 2)))
    whole.refused(whole.store, "removeSigners", 1, [1], sender=OWNER, expected="BadThreshold")
    whole.refused(whole.store, "removeSigners", 2, [1], sender=OWNER, expected="BadSigner")
    whole.refused(whole.store, "removeSigners", 2, [3], sender=OWNER, expected="BadSigner")
    whole.refused(whole.store, "removeSigners", 3, [], sender=OWNER, expected="WrongEpoch")
    whole.refused(whole.store, "removeSigners", 0, [], sender=OWNER, expected="WrongEpoch")


def test_a_removal_from_a_set_that_is_armed_makes_it_arm_anew(whole: WholeSet) -> None:
    """Those who armed it may be the ones who lost their weight; in the last 30 s it is too late, and an emergency needs no arming."""
    due = rotate(whole)
    arm(whole)
    assert stored(whole, SET_AT) == (due, False, 1)
    whole.evm.ok(whole.store, "removeSigners", 2, [])
    assert stored(whole, SET_AT) == (due, False, 1), "nothing was taken"
    remove(whole, 2, [0], "")
    assert (stored(whole, SET_AT), stored(whole, NEXT_AT)) == ((NEVER, False, 1), (due, False, 2))
    assert not whole.evm.ok(whole.store, "armed")
    whole.evm.jump(due - AHEAD_S - 1 - whole.evm.now)
    arm(whole, who=(1, 2))
    assert stored(whole, SET_AT) == (due, False, 1)
    whole.evm.jump(1)
    before = whole.evm.evm.storage(whole.store, NEXT_AT)
    remove(whole, 1, [4], "")
    assert stored(whole, SET_AT) == (due, False, 1), "of the present set at any time"
    again = Signers(2, (5, 6, 7), (2, 2, 1), 3, 5)
    remove(whole, 2, [1], "BadThreshold")
    assert whole.evm.evm.storage(whole.store, NEXT_AT) == before
    due = rotate(whole, again)
    arm(whole, again)
    whole.evm.jump(DELAY_S - AHEAD_S)
    remove(whole, 2, [2], "TooLate")
    assert stored(whole, SET_AT) == (due, False, 1)
    rotate(whole, again, "setSignersInEmergency")
    due = whole.evm.now + DELAY_S
    whole.evm.jump(DELAY_S - 5)
    remove(whole, 2, [2], "")
    assert stored(whole, SET_AT) == (due, True, 1)


def test_a_set_that_lost_weight_and_was_not_armed_anew_never_takes_over(whole: WholeSet) -> None:
    due = rotate(whole)
    arm(whole)
    remove(whole, 2, [2], "")
    whole.evm.jump(DELAY_S)
    assert not push(whole, FIRST_SET, due)
    assert whole.evm.ok(whole.store, "signerSet")[0] == 1


def remove(whole: WholeSet, epoch: int, indexes: list[int], expected: str) -> None:
    whole.refused(whole.store, "removeSigners", epoch, indexes, sender=OWNER, expected=expected)
    if not expected:
        whole.model.now = whole.evm.now
        whole.model.remove(epoch, indexes)
        whole.check_store()
