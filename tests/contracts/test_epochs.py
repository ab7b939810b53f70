"""Whose word counts when: epochs that end by time, arming, emergencies, removals. Invariants of docs/invariants.md.

Sets and slots are read from the raw words of storage.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

import contracts
from oracle.sign.eip712 import batch_bytes
from tests.contracts.fuzz_world import DELAY_S, GUARDIAN, LIMITS, MAX_AGE_S, OVERLAP_S, OWNER, STRANGER, signature
from tests.contracts.set_models import WAD
from tests.contracts.store_model import LOW_32, Signers
from tests.contracts.whole_set import BOTH, FIRST_SET, WIDE_BOTH, ZERO, WholeSet, key_address, packed

GAP_S, AHEAD_S = LIMITS[0].min_gap_s, 30
SET_AT, PREVIOUS_AT, NEXT_AT = 262_157, 262_158, 262_159
NEVER = 2**39 - 1
NEW = Signers(2, (5, 6, 7), (1, 1, 1), 2, 3)


@pytest.fixture
def whole() -> WholeSet:
    made = WholeSet()
    made.evm.jump(1_000)
    return made


def stored(whole: WholeSet, place: int) -> tuple[int, bool, int]:
    """Of a set's word: its time, whether in an emergency, its epoch."""
    word = int(whole.evm.evm.storage(whole.store, place))
    return word >> 217, bool(word >> 216 & 1), word >> 160 & (1 << 48) - 1


def slot(whole: WholeSet, index: int = BOTH) -> int:
    return int(whole.evm.evm.storage(whole.store, index))


def rotate(whole: WholeSet, new: Signers = NEW, name: str = "setSigners", sender: str = OWNER) -> int:
    """Set the next signers; when they take over if they are armed."""
    args = [key_address(k) for k in new.keys], list(new.weights), new.threshold, new.strong
    whole.refused(whole.store, name, *args, sender=sender, expected="")
    whole.model.now = whole.evm.now
    whole.model.set_signers(new, emergency=name == "setSignersInEmergency")
    return whole.evm.now + DELAY_S


def arm(whole: WholeSet, new: Signers = NEW, who: Sequence[int] | None = None) -> None:
    digest = whole.evm.ok(whole.store, "armDigest")
    who = range(len(new.keys)) if who is None else who
    signed = b"".join(bytes([i]) + signature(new.keys[i], digest) for i in who)
    whole.refused(whole.store, "arm", signed, sender=STRANGER, expected="")
    whole.model.now = whole.evm.now
    whole.model.arm(who, [True] * len(who))


def push(whole: WholeSet, signers: Signers, at: int, price: int = WAD, index: int = BOTH) -> str:
    """By all of a set; the error, which is the model's."""
    one = whole.sign(batch_bytes(signers.epoch, at, packed(index, (price, price))), signers, range(len(signers.keys)))
    whole.model.now = whole.evm.now
    whole.model.move_on()
    before = whole.model.previous[0] if whole.model.previous else None
    named = [s for s in (whole.model.signers, whole.model.following, before) if s and s.epoch == signers.epoch]
    right = named[0].keys if named else signers.keys
    one.valid = [right[i : i + 1] == (key,) for i, key in enumerate(signers.keys)]
    return whole.push(one)


def pause(whole: WholeSet, *indexes: int) -> None:
    whole.evm.ok(whole.store, "pause", list(indexes), sender=GUARDIAN)
    for index in indexes:
        whole.model.pause(index)


def resume(whole: WholeSet, *indexes: int) -> None:
    whole.evm.ok(whole.store, "resume", list(indexes))
    for index in indexes:
        whole.model.resume(index)


# --------------------------------------------------------------------------------------------------------------- time


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


TURNS = st.one_of(
    st.tuples(st.just("jump"), st.sampled_from([1, 10, 29, 31, 69, DELAY_S - 31, DELAY_S, 500])),
    st.tuples(st.just("rotate"), st.integers(1, 4)),
    st.tuples(st.just("emergency"), st.integers(1, 4)),
    st.tuples(st.just("arm"), st.integers(2, 3)),
    st.tuples(st.just("push"), st.sampled_from([-60, -31, -1, 0, 1, 30])),
    st.tuples(st.just("pause"), st.just(0)),
    st.tuples(st.just("resume"), st.just(0)),
    st.tuples(st.just("remove"), st.integers(0, 2)),
)


class Reign:
    """Who was in force when: kept from what was called and when, and from nothing that the store says."""

    def __init__(self, now: int) -> None:
        self.sets, self.begins = [FIRST_SET], [0]
        self.next: tuple[Signers, int] | None = None
        self.sure, self.now = False, now

    def tick(self, now: int) -> None:
        self.now = now
        if self.next is not None and self.next[1] <= now:
            if self.sure:
                self.sets.append(self.next[0])
                self.begins.append(self.next[1])
            self.next, self.sure = None, False

    def at(self, round_time: int) -> Signers:
        """Whose a round of that time is, as far as is known now."""
        if self.next is not None and self.sure and round_time >= self.next[1]:
            return self.next[0]
        return next(s for s, b in zip(self.sets[::-1], self.begins[::-1], strict=True) if b <= round_time)


class History:
    """A store and what happened to it, act by act."""

    def __init__(self) -> None:
        self.whole, self.known, self.taken = WholeSet(), [FIRST_SET], 0
        self.whole.evm.jump(1_000)
        self.reign = Reign(self.whole.evm.now)

    def jump(self, seconds: int) -> None:
        self.whole.evm.jump(seconds)

    def rotate(self, n: int, name: str = "setSigners") -> None:
        keys = tuple((len(self.known) + n + i) % 9 for i in range(3))
        new = Signers(self.reign.sets[-1].epoch + 1, keys, (1, 1, 1), 2, 3)
        due = rotate(self.whole, new, name)
        self.reign.next, self.reign.sure = (new, due), name != "setSigners"
        self.known.append(new)

    def emergency(self, n: int) -> None:
        self.rotate(n, "setSignersInEmergency")

    def arm(self, n: int) -> None:
        """Where it can be: the refusals are tested elsewhere."""
        next_ = self.reign.next
        if next_ is not None and not self.reign.sure and next_[1] > self.whole.evm.now + AHEAD_S:
            arm(self.whole, next_[0], range(n))
            self.reign.sure = True

    def pause(self, index: int) -> None:
        pause(self.whole, index)

    def resume(self, index: int) -> None:
        resume(self.whole, index)

    def remove(self, index: int) -> None:
        """One signer of the present set, where the rest still reaches the threshold."""
        model, epoch = self.whole.model, self.reign.sets[-1].epoch
        if not self.whole.evm.call(self.whole.store, "removeSigners", epoch, [index])[0]:
            model.now = self.whole.evm.now
            model.remove(epoch, [index])

    def push(self, ahead_s: int) -> None:
        """By everybody who was ever named."""
        round_time = self.whole.evm.now + ahead_s
        right = self.reign.at(round_time)
        for signers in self.known:
            for index in (BOTH, WIDE_BOTH):
                told = push(self.whole, signers, round_time, WAD, index)
                assert told or (signers.epoch, signers.keys) == (right.epoch, right.keys)
                self.taken += not told


@settings(max_examples=80, deadline=None)
@given(turns=st.lists(TURNS, min_size=8, max_size=40))
def test_epochs_end_by_time(turns: list[tuple[str, int]]) -> None:
    """Over random histories: at no time is a batch taken of a set that is not in force at its roundTime."""
    history = History()
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


# ------------------------------------------------------------------------------------------------------------- arming


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
    blob = int(whole.evm.evm.storage(whole.store, NEXT_AT)) & (1 << 160) - 1
    code = bytes(whole.evm.evm.get_code("0x" + blob.to_bytes(20, "big").hex()))
    head = whole.evm.now + DELAY_S << 192 | NEW.strong << 96 | NEW.threshold
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


# ---------------------------------------------------------------------------------------------------------- emergency


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


# ---------------------------------------------------------------------------------------------------------- set owner


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
    """Who armed it may be the one who lost his weight; in the last 30 s it is too late, and an emergency needs no arming."""
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


# -------------------------------------------------------------------------------------------------------------- kinds


@pytest.mark.parametrize("raw", [b"\xff", b"\xff\x00", b"\xff\x07" + bytes(63), b"\xff" * 200])
def test_an_unknown_kind_of_signature_is_refused_by_its_name(whole: WholeSet, raw: bytes) -> None:
    """Before anything else of it is looked at; a list of 255 signers never begins so."""
    batch = batch_bytes(1, whole.evm.now, packed(BOTH, (WAD, WAD)))
    whole.refused(whole.store, "push", batch, raw, sender=STRANGER, expected="UnknownKind")
    whole.refused(whole.store, "push", batch, b"\xfe" + raw, sender=STRANGER, expected="BadLength")


def test_a_delay_in_which_nobody_could_be_armed_is_refused() -> None:
    whole = WholeSet()
    for delay, error in ((1, "BadSettings"), (30, "BadSettings"), (0, ""), (31, "")):
        settings_ = (OWNER, GUARDIAN, 60, delay, 0)
        args = settings_, [(1, 1, 1)], [key_address(0)], [1], 1, 1
        assert created(whole, *args) == error


def created(whole: WholeSet, *args: Any) -> str:
    """The error of making a store."""
    try:
        whole.evm.create(contracts.load("PriceStore"), *args)
    except RuntimeError as e:
        return "BadSettings" if keccak(text="BadSettings()")[:4].hex() in str(e) else str(e)
    return ""
