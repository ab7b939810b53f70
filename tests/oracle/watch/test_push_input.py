"""Who signed a push is read out of a transaction's input, whoever made the call and whatever stands around it."""

from __future__ import annotations

import random

from eth_abi.abi import encode

from oracle.chain.multicall_push import wrap
from oracle.chain.store_abi import calldata
from oracle.sign.eip712 import batch_bytes
from oracle.watch.push_input import FoundPush, find_push
from tests.oracle.watch.watch_world import ADDRESSES, HERE, ROUND_S, A, B, push_signatures, word_by

SIGNED = [word_by(n, A) for n in (0, 2)]
BATCH = batch_bytes(1, ROUND_S, A)
CALL = calldata("push", (BATCH, push_signatures(SIGNED)))[0]
DIGEST = SIGNED[0].digest
SETS = {1: ADDRESSES}
FOUND = FoundPush(epoch=1, round_time_s=ROUND_S, items=A, signatures=tuple((w.key, w.signature) for w in SIGNED))


def found(data: bytes, sets: dict[int, list[bytes]] | None = None) -> FoundPush | None:
    return find_push(data, HERE, DIGEST, ROUND_S, SETS if sets is None else sets)


def test_a_push_by_itself_and_inside_other_calls() -> None:
    other = calldata("push", (batch_bytes(1, ROUND_S, B), push_signatures([word_by(1, B)])))[0]
    assert found(CALL) == FOUND
    assert found(wrap(HERE.store, CALL, [bytes(20)])) == FOUND
    assert found(other + bytes(7) + CALL) == FOUND, "unaligned, behind another push"
    relayed = bytes(4) + encode(["address", "bytes", "uint256"], ["0x" + "11" * 20, wrap(HERE.store, CALL, []), 7])
    assert found(relayed) == FOUND
    assert found(relayed, {}) == FOUND, "also where the set is not known"
    assert found(other) is None
    assert found(b"") is None


def test_a_batch_without_its_call_is_searched_for() -> None:
    """Bytes of the batch, of signatures, in any order: only members' own count."""
    junk = random.Random(3).randbytes(100)
    packed = junk + push_signatures(SIGNED) + junk + BATCH + junk
    assert found(packed) == FOUND
    assert found(junk + BATCH) is None, "nobody signed"
    assert found(packed, {}) is None, "and without the set nobody can be told from noise"


def test_only_the_key_at_its_index_has_signed() -> None:
    wrong = bytes([1]) + SIGNED[0].signature + bytes([2]) + SIGNED[1].signature
    read = found(calldata("push", (BATCH, wrong))[0])
    assert read is not None
    assert [key for key, _ in read.signatures] == [ADDRESSES[2]]
    unknown = found(calldata("push", (BATCH, wrong))[0], {7: ADDRESSES})
    assert unknown is not None
    assert [key for key, _ in unknown.signatures] == [ADDRESSES[0], ADDRESSES[2]], "the store has checked them"


def test_no_bytes_break_it() -> None:
    rng = random.Random(4)
    for _ in range(400):
        data = bytearray(CALL)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        read = found(bytes(data[: rng.randrange(len(data) + 1)]))
        assert read is None or set(read.signatures) <= set(FOUND.signatures)
