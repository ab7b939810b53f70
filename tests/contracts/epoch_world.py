"""Signer sets of a store: set, armed, removed and pushed by, in the store and in its model at once."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.sign.eip712 import batch_bytes
from tests.contracts.evm_process import DELAY_S, GUARDIAN, LIMITS, OWNER, STRANGER, signature
from tests.contracts.set_models import WAD
from tests.contracts.store_words import Signers
from tests.contracts.whole_set import BOTH, WholeSet, key_address, packed

GAP_S, AHEAD_S = LIMITS[0].min_gap_s, 30
SET_AT, PREVIOUS_AT, NEXT_AT = 262_157, 262_158, 262_159
NEVER = 2**39 - 1
NEW = Signers(2, (5, 6, 7), (1, 1, 1), 2, 3)


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
