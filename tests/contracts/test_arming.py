"""Arming the next signer set, and emergencies. Invariants of docs/invariants.md, each under its name there."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

import contracts
from tests.contracts.epoch_world import AHEAD_S, NEVER, NEW, NEXT_AT, SET_AT, arm, push, rotate, slot, stored
from tests.contracts.evm_process import DELAY_S, GUARDIAN, OWNER, STRANGER, signature
from tests.contracts.store_words import LOW_32, Signers
from tests.contracts.whole_set import FIRST_SET, WholeSet, key_address

LAST_ROUND = 2**32 - 1
"""Of a set that never expires."""


@pytest.fixture
def whole() -> WholeSet:
    made = WholeSet()
    made.evm.jump(1_000)
    return made


def test_a_set_that_is_not_armed_never_takes_over(whole: WholeSet) -> None:
    """A rotation to keys that are lost: the present set goes on, and the next rotation takes the same number."""
    due = rotate(whole)
    assert stored(whole, SET_AT) == (NEVER, False, 1)
    for who, error in (([], "BelowThreshold"), ([0], "BelowThreshold"), ([1, 0], "BadSignature")):
        digest = whole.evm.ok(whole.store, "armDigest")
        signed = b"".join(bytes([i]) + signature(NEW.keys[i], digest) for i in who)
        whole.refused(whole.store, "arm", signed, sender=STRANGER, expected=error)
    whole.evm.jump(due - whole.evm.now - AHEAD_S)
    whole.refused(whole.store, "armDigest", sender=STRANGER, expected="NothingToArm")
    whole.evm.jump(AHEAD_S + 10_000)
    assert whole.evm.ok(whole.store, "signerSet")[0] == 1
    assert whole.evm.ok(whole.store, "nextSigners") == (0, 0)
    assert push(whole, NEW, whole.evm.now) == "WrongEpoch"
    assert not push(whole, FIRST_SET, whole.evm.now)
    again = Signers(2, (4, 5), (1, 1), 2, 2)
    rotate(whole, again)
    arm(whole, again)
    whole.evm.jump(DELAY_S)
    assert push(whole, NEW, whole.evm.now) == "BadSignature"
    assert not push(whole, again, whole.evm.now)


def test_arming_is_for_one_set_at_one_store(whole: WholeSet) -> None:
    """The digest by a general encoder: epoch and the hash of the set's own contract; another set's signatures arm nothing."""
    rotate(whole)
    first = whole.evm.ok(whole.store, "armDigest")
    pointer = int(whole.evm.evm.storage(whole.store, NEXT_AT)) & (1 << 160) - 1
    code = bytes(whole.evm.evm.get_code("0x" + pointer.to_bytes(20, "big").hex()))
    head = LAST_ROUND << 224 | whole.evm.now + DELAY_S << 192 | NEW.strong << 96 | NEW.threshold
    members = b"".join(
        bytes.fromhex(key_address(k)[2:]) + w.to_bytes(12, "big") for k, w in zip(NEW.keys, NEW.weights, strict=True)
    )
    assert code[: 33 + len(members)] == b"\0" + head.to_bytes(32, "big") + members
    assert first == arm_digest(whole.store, 2, keccak(code[: 33 + len(members)]))
    whole.evm.jump(1)
    rotate(whole)
    assert whole.evm.ok(whole.store, "armDigest") != first, "the same signers at another time are another set"
    signed = b"".join(bytes([i]) + signature(k, first) for i, k in enumerate(NEW.keys))
    whole.refused(whole.store, "arm", signed, sender=STRANGER, expected="BadSignature")
    whole.refused(whole.store, "arm", b"\xff\x01", sender=STRANGER, expected="UnknownKind")
    whole.refused(whole.store, "arm", b"\x00", sender=STRANGER, expected="BadLength")
    arm(whole)
    whole.refused(whole.store, "armDigest", sender=STRANGER, expected="NothingToArm")


def arm_digest(store: str, epoch: int, code_hash: bytes) -> bytes:
    kinds = {
        "EIP712Domain": [
            {"name": "name", "type": "string"},
            {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"},
            {"name": "verifyingContract", "type": "address"},
        ],
        "Arm": [{"name": "epoch", "type": "uint48"}, {"name": "set", "type": "bytes32"}],
    }
    message = encode_typed_data(
        full_message={
            "types": kinds,
            "primaryType": "Arm",
            "domain": {"name": "lrt-oracle", "version": "1", "chainId": 1, "verifyingContract": store},
            "message": {"epoch": epoch, "set": code_hash},
        }
    )
    return keccak(b"\x19\x01" + message.header + message.body)


def test_no_round_beyond_a_set_s_end_was_taken_before_it_was_armed(whole: WholeSet) -> None:
    """At the last moment at which it can be armed, a round 30 s ahead still lies before the new set's time."""
    due = rotate(whole)
    whole.evm.jump(due - AHEAD_S - 1 - whole.evm.now)
    assert not push(whole, FIRST_SET, whole.evm.now + AHEAD_S)
    arm(whole)
    assert slot(whole) & LOW_32 == due - 1


def test_an_emergency_ends_an_epoch_armed_or_not(whole: WholeSet) -> None:
    """And without an overlap; a later emergency, or the owner's plain rotation before its time, replaces it."""
    due = rotate(whole, name="setSignersInEmergency")
    assert (stored(whole, SET_AT), stored(whole, NEXT_AT)) == ((due, True, 1), (due, True, 2))
    assert whole.evm.ok(whole.store, "armed")
    assert push(whole, FIRST_SET, due) == "TooFarAhead"
    whole.evm.jump(DELAY_S - 10)
    assert push(whole, FIRST_SET, due) == "WrongEpoch"
    assert not push(whole, FIRST_SET, due - 5)
    whole.evm.jump(10)
    assert whole.evm.ok(whole.store, "overlapEnds") == due
    assert push(whole, FIRST_SET, due - 1) == "WrongEpoch"
    assert not push(whole, NEW, due)
    assert push(whole, FIRST_SET, due - 1) == "WrongEpoch"
    third = Signers(3, (1, 2), (1, 1), 2, 2)
    rotate(whole, third, "setSignersInEmergency")
    rotate(whole, third)
    assert stored(whole, SET_AT) == (NEVER, False, 2)


def test_a_delay_in_which_nobody_could_be_armed_is_refused() -> None:
    whole = WholeSet()
    for delay, error in ((1, "BadSettings"), (30, "BadSettings"), (0, ""), (31, "")):
        settings_ = (OWNER, GUARDIAN, 60, delay, 0, 0)
        args = settings_, [(1, 1, 1)], [key_address(0)], [1], 1, 1
        assert created(whole, *args) == error


def created(whole: WholeSet, *args: Any) -> str:
    """The error of making a store."""
    try:
        whole.evm.create(contracts.load("PriceStore"), *args)
    except RuntimeError as e:
        return "BadSettings" if keccak(text="BadSettings()")[:4].hex() in str(e) else str(e)
    return ""
