"""Signer sets that expire. Invariants of docs/invariants.md, each under its name there."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi import encode
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

import contracts
from oracle.sign.eip712 import batch_bytes
from tests.contracts.contract_tools import error_of
from tests.contracts.epoch_history import History
from tests.contracts.epoch_world import AHEAD_S, NEVER, NEW, NEXT_AT, SET_AT, arm, pause, push, resume, rotate, stored
from tests.contracts.evm_process import (
    DELAY_S,
    GUARDIAN,
    LONGEST_S,
    MAX_AGE_S,
    OVERLAP_S,
    OWNER,
    STRANGER,
    Evm,
    signature,
)
from tests.contracts.set_models import WAD
from tests.contracts.store_words import EVER, Signers
from tests.contracts.whole_set import BOTH, FIRST_SET, WIDE_BOTH, ZERO, WholeSet, key_address, packed

AGAIN = Signers(2, (6, 7, 8), (1, 1, 1), 2, 2)
LAST_S = 2**32 - 1


@pytest.fixture
def whole() -> WholeSet:
    return WholeSet(longest_s=LONGEST_S)


def until(whole: WholeSet, at_s: int) -> None:
    whole.evm.jump(at_s - whole.evm.now)


def head(whole: WholeSet, place: int = SET_AT) -> bytes:
    """First word of a set, from the code of its contract: lastRound 4 | activeAt 4 | stepThreshold 12 | threshold 12."""
    word = int(whole.evm.evm.storage(whole.store, place))
    return bytes(whole.evm.evm.get_code("0x" + (word & (1 << 160) - 1).to_bytes(20, "big").hex()))[1:33]


def end_of(whole: WholeSet, place: int = SET_AT) -> int:
    return int.from_bytes(head(whole, place)[:4], "big") + 1


def another_set(whole: WholeSet, how: str) -> tuple[Signers, int]:
    """The set in force, and when its epoch began."""
    if how == "the first":
        return FIRST_SET, whole.evm.now
    begins_s = rotate(whole, name=how)
    if how == "setSigners":
        arm(whole)
    until(whole, begins_s)
    return NEW, begins_s


@pytest.mark.parametrize("how", ["the first", "setSigners", "setSignersInEmergency"])
def test_a_set_that_nobody_replaced_signs_nothing_after_its_end(whole: WholeSet, how: str) -> None:
    """Its last second is taken, none after it: by all of them, of each token, however much later."""
    signers, begun_s = another_set(whole, how)
    end_s = begun_s + LONGEST_S
    assert whole.evm.ok(whole.store, "expiresAt") == end_s
    until(whole, end_s - AHEAD_S - 1)
    assert not push(whole, signers, whole.evm.now + AHEAD_S)
    until(whole, end_s - AHEAD_S)
    assert push(whole, signers, end_s, index=WIDE_BOTH) == "Expired"
    until(whole, end_s + MAX_AGE_S - 1)
    assert not push(whole, signers, end_s - 1, index=WIDE_BOTH), "signed in time, landed in time"
    shown = whole.evm.ok(whole.feeds[0], "latestRoundData")
    until(whole, end_s + MAX_AGE_S)
    for later_s in (0, DELAY_S, 86_400, 400 * 86_400):
        whole.evm.jump(later_s)
        for ahead_s in (-MAX_AGE_S, -1, 0, AHEAD_S):
            for index in (BOTH, WIDE_BOTH):
                assert push(whole, signers, whole.evm.now + ahead_s, index=index) == "Expired"
    assert whole.evm.ok(whole.feeds[0], "latestRoundData") == shown, "what stands grows old, and says so"
    whole.check()


def test_the_error_says_when_it_was(whole: WholeSet) -> None:
    end_s = whole.evm.now + LONGEST_S
    until(whole, end_s + 3)
    one = whole.sign(batch_bytes(1, end_s + 5, packed(BOTH, (WAD, WAD))), FIRST_SET, range(5))
    data = keccak(text="push(bytes,bytes)")[:4] + encode(["bytes", "bytes"], [one.batch, one.signed])
    with pytest.raises(RuntimeError) as told:
        whole.evm.evm.message_call(STRANGER, whole.store, calldata=data)
    raw = str(told.value).split("output: ")[1].split(" ", maxsplit=1)[0]
    assert error_of(raw) == ("Expired", end_s + 5, end_s)


def test_without_a_longest_epoch_a_set_never_expires() -> None:
    whole = WholeSet()
    assert (whole.evm.ok(whole.store, "longestEpochS"), whole.evm.ok(whole.store, "expiresAt")) == (0, EVER)
    rotate(whole)
    arm(whole)
    whole.evm.jump(DELAY_S)
    for _ in range(3):
        whole.evm.jump(20 * 365 * 86_400)
        assert not push(whole, NEW, whole.evm.now)
    assert whole.evm.ok(whole.store, "expiresAt") == EVER


def acts(whole: WholeSet) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """Whatever writes in the store, and who may call it."""
    args = [key_address(k) for k in FIRST_SET.keys], [1] * 5, 3, 3
    one = whole.sign(batch_bytes(1, whole.evm.now, packed(BOTH, (WAD, WAD))), FIRST_SET, range(5))
    return {
        "push": (STRANGER, (one.batch, one.signed)),
        "setSigners": (OWNER, args),
        "setSignersInEmergency": (OWNER, args),
        "arm": (STRANGER, (b"",)),
        "removeSigners": (OWNER, (1, [4])),
        "setSetOwner": (OWNER, (STRANGER,)),
        "setGuardian": (OWNER, (GUARDIAN,)),
        "transferOwnership": (OWNER, (OWNER,)),
        "acceptOwnership": (OWNER, ()),
        "register": (OWNER, (b"x/y".ljust(32, b"\0"), True, True, 0)),
        "pause": (GUARDIAN, ([BOTH],)),
        "resume": (OWNER, ([BOTH],)),
    }


ACTS = st.sampled_from([*acts(WholeSet()), "arm all", "remove nobody", "remove from the next"])


def test_these_are_all_acts(whole: WholeSet) -> None:
    writing = [e["name"] for e in contracts.load("PriceStore").abi
               if e["type"] == "function" and e["stateMutability"] not in ("view", "pure")]  # fmt: skip
    assert sorted(writing) == sorted(acts(whole))


@settings(max_examples=40, deadline=None)
@given(turns=st.lists(st.tuples(ACTS, st.sampled_from([0, 1, 40, DELAY_S - 1, 1_000, LONGEST_S])), max_size=15))
def test_what_expires_cannot_be_prolonged(turns: list[tuple[str, int]]) -> None:
    """Whatever owner, set owner, guardian and strangers call: each epoch has the end that it began with."""
    whole = WholeSet(longest_s=LONGEST_S)
    ends_s = {1: whole.evm.now + LONGEST_S}
    for name, after_s in turns:
        whole.evm.jump(after_s)
        act(whole, name)
        epoch = whole.evm.ok(whole.store, "signerSet")[0]
        next_epoch, begins_s = whole.evm.ok(whole.store, "nextSigners")
        assert whole.evm.ok(whole.store, "expiresAt") == ends_s[epoch]
        if next_epoch:
            ends_s[next_epoch] = begins_s + LONGEST_S
            assert end_of(whole, NEXT_AT) == begins_s + LONGEST_S


def act(whole: WholeSet, name: str) -> None:
    """Call it, taken or not."""
    evm, store = whole.evm, whole.store
    if name == "arm all":
        error, digest = evm.call(store, "armDigest")
        if not error:
            evm.ok(store, "arm", b"".join(bytes([i]) + signature(k, digest) for i, k in enumerate(FIRST_SET.keys)))
    elif name.startswith("remove "):
        epoch, nobody = evm.ok(store, "signerSet")[0], name == "remove nobody"
        evm.call(store, "removeSigners", epoch + (not nobody), [] if nobody else [0])
    else:
        sender, args = acts(whole)[name]
        evm.call(store, name, *args, sender=sender)


@pytest.mark.parametrize("name", ["setSigners", "setSignersInEmergency"])
@pytest.mark.parametrize("named_s", [-DELAY_S, -DELAY_S + 1, -AHEAD_S, -1, 0, 5_000])
def test_an_expired_store_comes_back_with_the_next_set(whole: WholeSet, named_s: int, name: str) -> None:
    """Named before its end or after it, armed after it where there is time; until it takes over, nothing is taken."""
    end_s = whole.evm.now + LONGEST_S
    until(whole, end_s + named_s)
    begins_s = rotate(whole, name=name)
    until(whole, begins_s - AHEAD_S - 1)
    if name == "setSigners":
        arm(whole)
    until(whole, begins_s - 1)
    assert push(whole, FIRST_SET, whole.evm.now) == ("Expired" if begins_s > end_s else "")
    assert push(whole, NEW, whole.evm.now) == "WrongEpoch"
    until(whole, begins_s)
    assert not push(whole, NEW, begins_s)
    assert whole.evm.ok(whole.store, "expiresAt") == end_of(whole) == begins_s + LONGEST_S
    whole.check()


def test_an_overlap_takes_nothing_that_was_signed_after_the_end(whole: WholeSet) -> None:
    end_s = whole.evm.now + LONGEST_S
    until(whole, end_s - DELAY_S + 10)
    begins_s = rotate(whole)
    arm(whole)
    until(whole, begins_s)
    assert begins_s == end_s + 10
    assert push(whole, FIRST_SET, end_s) == "Expired"
    assert push(whole, FIRST_SET, begins_s - 1) == "Expired"
    assert not push(whole, FIRST_SET, end_s - 1)
    until(whole, begins_s + OVERLAP_S - 1)
    assert not push(whole, FIRST_SET, end_s - 1, index=WIDE_BOTH)
    until(whole, begins_s + OVERLAP_S)
    assert push(whole, FIRST_SET, end_s - 1) == "WrongEpoch"


def test_a_next_set_whose_time_passed_unarmed_is_named_again(whole: WholeSet) -> None:
    """It takes over no more, and stands in nobody's way: of the same number, by others, at another time."""
    end_s = whole.evm.now + LONGEST_S
    until(whole, end_s - 1)
    begins_s = rotate(whole)
    until(whole, begins_s)
    whole.refused(whole.store, "arm", b"", sender=STRANGER, expected="NothingToArm")
    assert (stored(whole, SET_AT), whole.evm.ok(whole.store, "nextSigners")) == ((NEVER, False, 1), (0, 0))
    assert (push(whole, FIRST_SET, begins_s), push(whole, NEW, begins_s)) == ("Expired", "WrongEpoch")
    until(whole, begins_s + 10_000)
    begins_s = rotate(whole, AGAIN)
    arm(whole, AGAIN)
    until(whole, begins_s)
    assert not push(whole, AGAIN, begins_s)
    assert whole.evm.ok(whole.store, "expiresAt") == begins_s + LONGEST_S


def test_signers_are_removed_from_a_set_that_has_expired(whole: WholeSet) -> None:
    """From the present, the next and the previous one, so that nobody who removes somebody from all is stopped; no end moves."""
    end_s = whole.evm.now + LONGEST_S
    until(whole, end_s + 500)
    begins_s = rotate(whole)
    arm(whole)
    for epoch in (1, 2):
        remove(whole, epoch, 2)
    assert (end_of(whole), end_of(whole, NEXT_AT)) == (end_s, begins_s + LONGEST_S)
    assert push(whole, FIRST_SET, end_s + 500) == "Expired"
    arm(whole, who=(0, 1))
    until(whole, begins_s + LONGEST_S)
    assert push(whole, NEW, whole.evm.now) in {"Expired", "BelowThreshold"}
    for epoch in (1, 2):
        remove(whole, epoch, 3 if epoch == 1 else 0, "" if epoch == 1 else "BadThreshold")
    assert whole.evm.ok(whole.store, "expiresAt") == begins_s + LONGEST_S


def remove(whole: WholeSet, epoch: int, index: int, expected: str = "") -> None:
    whole.refused(whole.store, "removeSigners", epoch, [index], sender=OWNER, expected=expected)
    if not expected:
        whole.model.now = whole.evm.now
        whole.model.remove(epoch, [index])
        whole.check_store()


def test_a_pause_does_not_stop_the_time_of_an_epoch(whole: WholeSet) -> None:
    end_s = whole.evm.now + LONGEST_S
    pause(whole, BOTH, WIDE_BOTH)
    until(whole, end_s - 5)
    resume(whole, BOTH, WIDE_BOTH)
    assert not push(whole, FIRST_SET, end_s - 1)
    assert push(whole, FIRST_SET, end_s, index=WIDE_BOTH) == "Expired"


def test_the_histories_meet_an_end_of_each_kind() -> None:
    """Or the laws over them would hold of stores that never expire."""
    history = History(LONGEST_S)
    for act_, n in (("jump", LONGEST_S), ("push", 0), ("rotate", 1), ("arm", 2), ("jump", DELAY_S), ("push", 0)):
        history.reign.tick(history.whole.evm.now)
        getattr(history, act_)(n)
    assert (len(history.reign.sets), history.taken) == (2, 2)


@pytest.mark.parametrize(
    ("delay_s", "longest_s", "taken"),
    [
        (0, 0, True), (0, 1, False), (0, 3_599, False), (0, 3_600, True), (0, 365 * 86_400, True),
        (0, 365 * 86_400 + 1, False), (500, 4_099, False), (500, 4_100, True), (30 * 86_400, 30 * 86_400, False),
    ],
)  # fmt: skip
def test_a_longest_epoch_has_limits(delay_s: int, longest_s: int, taken: bool) -> None:
    """Whoever follows has an hour besides the delay to be named and armed."""
    evm = Evm()
    who = OWNER, ZERO, MAX_AGE_S, delay_s, 0, longest_s
    args = who, [(1, 1, 1)], [key_address(0)], [1], 1, 1
    if taken:
        store = evm.create(contracts.load("PriceStore"), *args)
        assert evm.ok(store, "longestEpochS") == longest_s
        assert evm.ok(store, "expiresAt") == (evm.now + longest_s if longest_s else EVER)
    else:
        with pytest.raises(RuntimeError, match=keccak(text="BadSettings()")[:4].hex()):
            evm.create(contracts.load("PriceStore"), *args)


def test_a_store_without_a_delay_replaces_an_expired_set_at_once() -> None:
    evm = Evm()
    who = OWNER, ZERO, MAX_AGE_S, 0, OVERLAP_S, 3_600
    store = evm.create(contracts.load("PriceStore"), who, [(1, 1, 1)], [key_address(0)], [1], 1, 1)
    evm.jump(10_000)
    evm.ok(store, "setSigners", [key_address(1)], [1], 1, 1)
    assert (evm.ok(store, "signerSet")[0], evm.ok(store, "expiresAt")) == (2, evm.now + 3_600)


def test_no_set_begins_after_the_last_round_time(whole: WholeSet) -> None:
    """A roundTime has 32 bits; a set that would outlast them has no end, as no round is too late for it."""
    until(whole, LAST_S - DELAY_S)
    begins_s = rotate(whole)
    assert (begins_s, head(whole, NEXT_AT)[:8]) == (LAST_S, b"\xff" * 8)
    whole.evm.jump(1)
    args = [key_address(8)], [1], 1, 1
    for name in ("setSigners", "setSignersInEmergency"):
        whole.refused(whole.store, name, *args, sender=OWNER, expected="BadSettings")
