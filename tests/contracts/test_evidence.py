"""What is evidence for OperatorRegistry, and what is none: two words of a key, batches or certificates, that differ."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import coincurve
import pytest
from web3 import Web3

from demo.world import anvil
from oracle.sign.eip712 import Domain, announce_digest, arm_digest, observed_digest, sign_compact
from tests.contracts.contract_tools import (
    KEYS,
    KIND_PAIRS,
    KINDS,
    Item,
    connected,
    signatures,
    typed_digest,
)
from tests.contracts.guild import (
    ADDRESSES,
    BOND,
    LOCKED,
    STRANGER,
    Guild,
)

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def web3() -> Iterator[Web3]:
    with anvil.running(extra=("--timestamp", "1999000000")) as running, connected(running.url) as w:
        yield w


@pytest.fixture
def guild(web3: Web3) -> Guild:
    made = Guild(web3)
    for key in KEYS[:3]:
        made.bond(key)
    return made


@pytest.mark.parametrize("kinds", KIND_PAIRS, ids="/".join)
def test_what_is_no_contradiction_is_no_evidence(guild: Guild, kinds: tuple[str, str]) -> None:
    bench, functions, kind = guild.bench, guild.functions, kinds[1]
    a, b = guild.evidence(kinds=kinds)
    refused = {
        "the same twice": (a, a, 0),
        "another round": (a, guild.signed(KEYS[0], 1_001, [Item(0, market=7)], kind=kind), 0),
        "another token": (a, guild.signed(KEYS[0], 1_000, [Item(1, market=7)], kind=kind), 0),
        "a token of neither": (a, b, 1),
        "the same item among others": (a, guild.signed(KEYS[0], 1_000, [Item(1), Item(0)], kind=kind), 0),
        "the same item of fewer": (guild.signed(KEYS[0], 1_000, [Item(0), Item(1)], kind=kinds[0]), a, 0),
        "the same item in another epoch": (a, guild.signed(KEYS[0], 1_000, [Item(0)], epoch=2, kind=kind), 0),
    }
    got = {name: bench.refused(functions.prove(*case)) for name, case in refused.items()}
    assert got == dict.fromkeys(refused, "NoContradiction")
    two = functions.prove(a, guild.signed(KEYS[1], 1_000, [Item(0, market=7)], kind=kind), 0)
    assert bench.refusal(two) == ("Unbonded", ADDRESSES[1].lower())
    stranger = [guild.signed(KEYS[7], 1_000, [Item(0, market=m)]) for m in (1, 2)]
    assert bench.refusal(functions.prove(*stranger, 0)) == ("Unbonded", ADDRESSES[7].lower())
    for cut in (b[2][:-1], b[2][:10], b[2] + b"\0"):
        assert bench.refused(functions.prove(a, (*b[:2], cut, *b[3:]), 0)) == "BadBatch"
    assert bench.refused(functions.prove(a, (*b[:3], bytes(32), bytes(32)), 0)) == "BadEvidence"


@pytest.mark.parametrize("kinds", KIND_PAIRS, ids="/".join)
def test_words_of_either_kind_contradict_each_other(guild: Guild, kinds: tuple[str, str]) -> None:
    """A key has one item for a token and a round, in whatever it signs it; a long certificate against one item of a cut."""
    bench, functions = guild.bench, guild.functions
    a = guild.signed(KEYS[0], 1_000, [Item(1), Item(0)], kind=kinds[0])
    b = guild.signed(KEYS[0], 1_000, [Item(0, spread_bps=8)], kind=kinds[1], step=7 * (kinds[1] == "Sealed"))
    bench.send(functions.prove(a, b, 0), STRANGER)
    assert [functions.operators(x).call()[4] for x in ADDRESSES[:3]] == [True, False, False]
    assert functions.penalties(guild.name_of(a, b)).call()[3] == LOCKED


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_counts_as_what_it_was_signed_as(guild: Guild, kind: str) -> None:
    """Told as of the other kind, another key comes out of it; and of a third kind there is none."""
    a, _ = guild.evidence(kinds=(kind, kind))
    other = guild.signed(KEYS[0], 1_000, [Item(0, market=7)], kind=kind)
    told = (1 - other[0], *other[1:])
    assert guild.bench.refused(guild.functions.prove(a, told, 0)) == "Unbonded"
    later = guild.functions.prove(a, (other[0], 1, *other[2:]), 0)
    if kind == "Sealed":
        assert guild.bench.refused(later) == "Unbonded", "it was signed in another step"
    else:
        assert later.call() == guild.name_of(a, other), "a batch has no step"
    third = guild.bench.refusal(guild.functions.prove(a, (2, *other[1:]), 0))
    assert third == ("0x",), "the decoder takes no third kind"


def test_no_store_takes_a_certificate(guild: Guild) -> None:
    """Signed by all, and packed as a batch is: the store recovers other keys than its signers'."""
    bench = guild.bench
    batch = bench.batch(bench.now, [Item(0), Item(1)])
    push = bench.store.functions.push
    assert bench.refused(push(batch, signatures(bench.digest(batch, "Sealed"), (0, 1, 2)))) == "BadSignature"
    mixed = signatures(bench.digest(batch), (0,)) + signatures(bench.digest(batch, "Sealed"), (1, 2))
    assert bench.refused(push(batch, mixed)) == "BadSignature"
    bench.send(push(batch, signatures(bench.digest(batch), (0, 1, 2))))


def test_observations_and_other_domains_are_no_evidence(guild: Guild) -> None:
    """What operators tell each other is another type; what they sign for another chain or store another domain."""
    bench = guild.bench
    a, _ = guild.evidence()
    batch = bench.batch(1_000, [Item(0, market=7)])
    key = coincurve.PrivateKey(bytes.fromhex(KEYS[0][2:].rjust(64, "0")))
    domain = Domain(chain_id=bench.web3.eth.chain_id, store=bytes.fromhex(bench.store.address[2:]))
    digests = [
        observed_digest(domain, 1, 1_000, batch[10:]),
        announce_digest(domain, 1_000, batch[10:]),
        arm_digest(domain, 1, batch[10:][:32].ljust(32, b"\0")),
        typed_digest(domain.chain_id + 1, bench.store.address, 1, 1_000, batch[10:]),
        typed_digest(domain.chain_id, guild.registry.address, 1, 1_000, batch[10:]),
    ]
    for digest, kind in product(digests, range(len(KINDS))):
        signed = sign_compact(key, digest)
        other = guild.functions.prove(a, (kind, 0, batch, signed[:32], signed[32:]), 0)
        assert bench.refused(other) == "Unbonded", "the recovered key is some other, unknown one"


def test_evidence_of_two_epochs_counts(guild: Guild) -> None:
    a = guild.signed(KEYS[0], 1_000, [Item(0)], epoch=1)
    b = guild.signed(KEYS[0], 1_000, [Item(1), Item(0, spread_bps=8)], epoch=2)
    guild.bench.send(guild.functions.prove(a, b, 0))
    assert guild.functions.operators(ADDRESSES[0]).call()[4] is True


def test_honest_operators_can_not_be_slashed(guild: Guild) -> None:
    """Seeded fuzz: from all that honest keys signed, and every mutation of it, nobody makes evidence against them."""
    rng = random.Random(11)
    bench, functions = guild.bench, guild.functions
    heap = []
    for round_time in (1_000, 1_010, 1_020):
        words = {i: Item(i, market=rng.randrange(1, 2**88)) for i in (0, 1)}
        for epoch in (1, 2):
            for key in KEYS[:3]:
                shape = rng.choice([[0], [1], [0, 1], [1, 0]])
                items, kind = [words[i] for i in shape], rng.choice(KINDS)
                heap.append(guild.signed(key, round_time, items, epoch=epoch, kind=kind))
    for _ in range(150):
        a, b = (list(x) for x in rng.sample(heap, 2))
        match rng.randrange(6):
            case 0:
                at = rng.randrange(len(b[2]))
                b[2] = b[2][:at] + bytes([b[2][at] ^ 1 << rng.randrange(8)]) + b[2][at + 1 :]
            case 1:
                b[3], b[4] = a[3], a[4]
            case 2:
                b[4] = (int.from_bytes(b[4], "big") ^ 1 << 255).to_bytes(32, "big")
            case 3:
                b[2] = b[2] + a[2][10:]
            case 4:
                b[0], b[1] = rng.choice([(1 - b[0], b[1]), (b[0], b[1] + 1)])
            case _:
                pass
        refused = bench.refused(functions.prove(tuple(a), tuple(b), rng.choice([0, 1, 7])))
        assert refused in {"NoContradiction", "Unbonded", "BadEvidence", "BadBatch"}
    assert [functions.operators(a).call()[1] for a in ADDRESSES[:3]] == [BOND] * 3
    liar = guild.signed(KEYS[2], 1_000, [replace(Item(0), market=3)]), guild.signed(KEYS[2], 1_000, [Item(0)])
    bench.send(functions.prove(*liar, 0))
    assert [functions.operators(a).call()[4] for a in ADDRESSES[:3]] == [False, False, True]
