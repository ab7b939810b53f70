"""What is evidence for penalties, and what is none: two words of a key, batches or certificates, that differ.

Words are signed over what eth_account's general encoder makes of their types, which shares nothing with the oracle's own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
from eth_utils.crypto import keccak

from oracle.sign.eip712 import announce_digest, arm_digest, batch_bytes, observed_digest
from tests.contracts.contract_tools import KIND_PAIRS, KINDS, WAD, Item, compact, typed_digest
from tests.contracts.evm_process import signature
from tests.contracts.stake.penalty_world import DISPUTED, STORE, PenaltyWorld, Word, operator

STRANGER = 7
"""Number of a key that speaks for nobody."""


@pytest.fixture
def world() -> PenaltyWorld:
    made = PenaltyWorld()
    made.freeze(2)
    return made


def digest(word: Word) -> bytes:
    kind, step, batch = word[:3]
    epoch, at = int.from_bytes(batch[:6], "big"), int.from_bytes(batch[6:10], "big")
    return typed_digest(1, STORE, epoch, at, batch[10:], kind=KINDS[kind], step=step)


def said(by: int, at: int, items: Sequence[Item], kind: str = "Batch", *, epoch: int = 1, step: int = 0) -> Word:
    batch = batch_bytes(epoch, at, b"".join(i.packed() for i in items))
    signed = compact(f"0x{by + 1:064x}", digest((KINDS.index(kind), step, batch, b"", b"")))
    return KINDS.index(kind), step, batch, signed[:32], signed[32:]


def lie(by: int, kinds: tuple[str, str] = ("Batch", "Batch")) -> tuple[Word, Word]:
    return said(by, 1_000, [Item(0)], kinds[0]), said(by, 1_000, [Item(0, market=7)], kinds[1])


def jailed(world: PenaltyWorld) -> list[int]:
    return [n for n in range(len(world.weights)) if world.jailed_until(n)]


@pytest.mark.parametrize("kinds", KIND_PAIRS, ids="/".join)
def test_a_proof_needs_two_words_of_one_key(world: PenaltyWorld, kinds: tuple[str, str]) -> None:
    """Of one operator; of one round and token, with another item; whole, and signed."""
    (a, b), kind = lie(0, kinds), kinds[1]
    refused = {
        "the same twice": (a, a, 0),
        "another round": (a, said(0, 1_001, [Item(0, market=7)], kind), 0),
        "another token": (a, said(0, 1_000, [Item(1, market=7)], kind), 0),
        "a token of neither": (a, b, 1),
        "the same item among others": (a, said(0, 1_000, [Item(1), Item(0)], kind), 0),
        "the same item of fewer": (said(0, 1_000, [Item(0), Item(1)], kinds[0]), a, 0),
        "the same item in another epoch": (a, said(0, 1_000, [Item(0)], kind, epoch=2), 0),
    }
    got = {name: world.refused("prove", *case) for name, case in refused.items()}
    assert got == dict.fromkeys(refused, "NoContradiction")
    assert world.refused("prove", a, said(1, 1_000, [Item(0, market=7)], kind), 0) == "TwoOperators"
    strangers = [said(STRANGER, 1_000, [Item(0, market=m)], kind) for m in (1, 2)]
    assert world.refused("prove", *strangers, 0) == "UnknownKey"
    for cut in (b[2][:-1], b[2][:10], b[2] + b"\0"):
        assert world.refused("prove", a, (*b[:2], cut, *b[3:]), 0) == "BadBatch"
    assert world.refused("prove", a, (*b[:3], bytes(32), bytes(32)), 0) == "BadEvidence"
    assert jailed(world) == []
    world.ok("prove", a, b, 0)
    assert jailed(world) == [0]


@pytest.mark.parametrize("kinds", KIND_PAIRS, ids="/".join)
def test_words_of_either_kind_contradict_each_other(world: PenaltyWorld, kinds: tuple[str, str]) -> None:
    """A key has one item for a token and a round, in whatever it signs it; a long certificate against one item of a cut."""
    a = said(0, 1_000, [Item(1), Item(0)], kinds[0])
    b = said(0, 1_000, [Item(0, spread_bps=8)], kinds[1], step=7 * (kinds[1] == "Sealed"))
    evidence, case_id = world.ok("prove", a, b, 0)
    assert jailed(world) == [0]
    assert (world.outcome(case_id), world.ok("isProven", evidence)) == (DISPUTED, True)
    assert evidence == keccak(bytes.fromhex(operator(0)[2:]).rjust(32, b"\0") + b"".join(sorted(map(digest, (a, b)))))


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_counts_as_what_it_was_signed_as(world: PenaltyWorld, kind: str) -> None:
    """Told as of the other kind, another key comes out of it; and of a third kind there is none."""
    a, other = lie(0, (kind, kind))
    assert world.refused("prove", a, (1 - other[0], *other[1:]), 0) == "UnknownKey"
    later = a, (other[0], 1, *other[2:])
    third = world.refused("prove", a, (2, *other[1:]), 0)
    assert third == "Reverted", "the decoder takes no third kind"
    if kind == "Sealed":
        assert world.refused("prove", *later, 0) == "UnknownKey", "it was signed in another step"
    else:
        world.ok("prove", *later, 0)
        assert world.refused("prove", a, other, 0) == "UsedEvidence", "a batch has no step"


def test_observations_and_other_domains_are_no_evidence(world: PenaltyWorld) -> None:
    """What operators tell each other is another type; what they sign for another chain or contract another domain."""
    a, _ = lie(0)
    domain, items = world.domains[0], Item(0, market=7).packed()
    digests = [
        observed_digest(domain, 1, 1_000, items),
        announce_digest(domain, 1_000, items),
        arm_digest(domain, 1, items[:32].ljust(32, b"\0")),
        typed_digest(2, STORE, 1, 1_000, items),
        typed_digest(1, world.penalties, 1, 1_000, items),
    ]
    for wrong, kind in product(digests, range(len(KINDS))):
        signed = signature(0, wrong)
        other = (kind, 0, batch_bytes(1, 1_000, items), signed[:32], signed[32:])
        assert world.refused("prove", a, other, 0) == "UnknownKey", "the recovered key is some other, unknown one"


def test_honest_words_prove_nothing_however_they_are_bent(world: PenaltyWorld) -> None:
    """From all that honest keys signed, and every mutation of it, nobody makes evidence against them."""
    rng = random.Random(11)
    heap = []
    for round_s in (1_000, 1_010, 1_020):
        words = {i: Item(i, market=rng.randrange(1, 2**88)) for i in (0, 1)}
        for epoch, by in product((1, 2), range(3)):
            shape, kind = rng.choice([[0], [1], [0, 1], [1, 0]]), rng.choice(KINDS)
            heap.append(said(by, round_s, [words[i] for i in shape], kind, epoch=epoch))
    for _ in range(600):
        a, b = rng.sample(heap, 2)
        refused = world.refused("prove", a, bent(rng, a, b), rng.choice([0, 1, 7]))
        assert refused in {"NoContradiction", "TwoOperators", "UnknownKey", "BadEvidence", "BadBatch"}
    assert jailed(world) == []
    assert [world.stake(n) for n in range(3)] == [32 * WAD] * 3
    world.ok("prove", said(2, 1_000, [replace(Item(0), market=3)]), said(2, 1_000, [Item(0)]), 0)
    assert jailed(world) == [2]


def bent(rng: random.Random, a: Word, word: Word) -> Word:
    """The word with a fault, or with something of the other one, or as it is."""
    kind, step, batch, r, vs = word
    match rng.randrange(6):
        case 0:
            at = rng.randrange(len(batch))
            batch = batch[:at] + bytes([batch[at] ^ 1 << rng.randrange(8)]) + batch[at + 1 :]
        case 1:
            r, vs = a[3], a[4]
        case 2:
            vs = (int.from_bytes(vs, "big") ^ 1 << 255).to_bytes(32, "big")
        case 3:
            batch += a[2][10:]
        case 4:
            kind, step = rng.choice([(1 - kind, step), (kind, step + 1)])
        case _:
            pass
    return kind, step, batch, r, vs
