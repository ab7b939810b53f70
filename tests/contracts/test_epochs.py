"""Signer sets and their epochs, which end by time. Invariants of docs/invariants.md, each under its name there.

Sets and slots are read from the raw words of storage.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.sign.eip712 import batch_bytes
from tests.contracts.epoch_history import TURNS, History
from tests.contracts.epoch_world import (
    AHEAD_S,
    GAP_S,
    NEVER,
    NEW,
    PREVIOUS_AT,
    SET_AT,
    arm,
    pause,
    push,
    resume,
    rotate,
    slot,
    stored,
)
from tests.contracts.evm_process import DELAY_S, LONGEST_S, MAX_AGE_S, OVERLAP_S, STRANGER
from tests.contracts.set_models import WAD
from tests.contracts.store_words import LOW_32
from tests.contracts.whole_set import BOTH, FIRST_SET, WIDE_BOTH, WholeSet, packed


@pytest.fixture
def whole() -> WholeSet:
    made = WholeSet()
    made.evm.jump(1_000)
    return made


@pytest.mark.parametrize("name", ["setSigners", "setSignersInEmergency"])
def test_a_dismissed_set_prices_nothing(whole: WholeSet, name: str) -> None:
    """Stolen keys after a pause, a rotation and a month: nobody has pushed in between, and the token is just resumed."""
    pause(whole, BOTH)
    due, held = rotate(whole, name=name), slot(whole)
    if name == "setSigners":
        arm(whole)
    whole.evm.jump(DELAY_S + 30 * 86_400)
    resume(whole, BOTH)
    assert stored(whole, SET_AT) == (due, name != "setSigners", 1), "storage has not moved on, and need not"
    for ahead in (-MAX_AGE_S, 0, AHEAD_S):
        assert push(whole, FIRST_SET, whole.evm.now + ahead, 7 * WAD) == "WrongEpoch"
    assert slot(whole) >> 80 == held >> 80
    assert not push(whole, NEW, whole.evm.now)
    assert slot(whole) & LOW_32 == whole.evm.now


def test_the_outgoing_set_can_not_keep_itself_in(whole: WholeSet) -> None:
    """It signs 30 s ahead for hours, and each of the new set's batches that is NothingNew takes nothing back."""
    due = rotate(whole)
    arm(whole)
    refused, told = 0, list[str]()
    while whole.evm.now < due + 3_600:
        whole.evm.jump(10)
        now = whole.evm.now
        late = now + AHEAD_S >= due
        assert push(whole, FIRST_SET, now + AHEAD_S, WAD + refused % 7) == ("WrongEpoch" if late else "")
        refused += late
        told.append(push(whole, NEW, now))
        assert (told[-1] == "WrongEpoch") is (now < due)
    assert refused > 300
    assert told[-360:] == [""] * 360, "all of the hour"
    assert stored(whole, SET_AT) == (NEVER, False, 2)


def test_in_an_overlap_the_old_set_never_shuts_the_new_one_out(whole: WholeSet) -> None:
    """The newer set wins: from its first second on each of its rounds lands, whatever the old one signs ahead."""
    due = rotate(whole)
    arm(whole)
    whole.evm.jump(DELAY_S)
    landed = 0
    for _ in range(OVERLAP_S // 8):
        assert push(whole, FIRST_SET, whole.evm.now + AHEAD_S) == "WrongEpoch"
        assert not push(whole, NEW, whole.evm.now)
        landed += 1
        assert slot(whole) & LOW_32 == whole.evm.now >= due
        whole.evm.jump(8)
    assert landed == 5


@settings(max_examples=80, deadline=None)
@given(turns=st.lists(TURNS, min_size=8, max_size=40), longest_s=st.sampled_from([0, LONGEST_S]))
def test_epochs_end_by_time(turns: list[tuple[str, int]], longest_s: int) -> None:
    """Over random histories: at no time is a batch taken of a set that is not in force at its roundTime, or has expired."""
    history = History(longest_s)
    for act, n in turns:
        history.reign.tick(history.whole.evm.now)
        getattr(history, act)(n)


def test_the_histories_take_batches_of_every_set() -> None:
    """Or the law above would hold of a store that takes nothing."""
    history = History()
    for turn in range(1, 5):
        for act, n in (("rotate", turn), ("arm", 2), ("jump", DELAY_S), ("push", 0)):
            history.reign.tick(history.whole.evm.now)
            getattr(history, act)(n)
    assert (history.reign.sets[-1].epoch, history.taken) == (5, 8)


def test_a_round_from_before_a_set_s_time_is_not_its_own(whole: WholeSet) -> None:
    """And one from before it is the old set's still, until the overlap is over: whatever storage has moved on."""
    due = rotate(whole)
    arm(whole)
    whole.evm.jump(DELAY_S + 5)
    for moved in (False, True):
        assert stored(whole, SET_AT)[2] == 1 + moved
        assert push(whole, NEW, due - 1, index=WIDE_BOTH) == "WrongEpoch"
        assert push(whole, FIRST_SET, due, index=WIDE_BOTH) == "WrongEpoch"
        assert not push(whole, FIRST_SET, due - 4 + moved, index=WIDE_BOTH)
        assert not push(whole, NEW, due + moved)
        whole.evm.jump(GAP_S)
    assert whole.evm.ok(whole.store, "overlapEnds") == due + OVERLAP_S
    whole.evm.jump(due + OVERLAP_S - 1 - whole.evm.now)
    assert not push(whole, FIRST_SET, due - 2, index=WIDE_BOTH)
    whole.evm.jump(1)
    assert push(whole, FIRST_SET, due - 1, index=WIDE_BOTH) == "WrongEpoch"
    assert stored(whole, PREVIOUS_AT) == (due, False, 1)


@pytest.mark.parametrize("raw", [b"\xff", b"\xff\x00", b"\xff\x07" + bytes(63), b"\xff" * 200])
def test_an_unknown_kind_of_signature_is_refused_by_its_name(whole: WholeSet, raw: bytes) -> None:
    """Before anything else of it is looked at; a list of 255 signers never begins so."""
    batch = batch_bytes(1, whole.evm.now, packed(BOTH, (WAD, WAD)))
    whole.refused(whole.store, "push", batch, raw, sender=STRANGER, expected="UnknownKind")
    whole.refused(whole.store, "push", batch, b"\xfe" + raw, sender=STRANGER, expected="BadLength")
