"""PriceStore on a real chain: what it takes, what it refuses and by which error, and its invariants by name."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from contract_tools import KEYS, VECTOR_STORE, Bench, Item, connected, signatures, typed_digest, vectors
from eth_account import Account
from web3 import Web3

from demo import anvil

pytestmark = pytest.mark.chain
STRANGER = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
VECTORS = Path(__file__).parent / "vectors.json"


@pytest.fixture(scope="module")
def web3(node: anvil.Anvil) -> Iterator[Web3]:
    with connected(node.url) as w:
        yield w


@pytest.fixture
def bench(web3: Web3) -> Bench:
    made = Bench(web3)
    made.register("weETH/ETH")
    made.register("ETH/USD", redemption=False)
    made.register("pufETH/ETH", market=False)
    return made


ETH_USD = Item(1, market=2_000 * 10**18, redemption=0)


def test_a_batch_lands_and_reads_back_field_for_field(bench: Bench) -> None:
    now = bench.now
    receipt = bench.push(now, [Item(0, status=3 | 6 << 4), ETH_USD])
    got = bench.store.functions.latest(b"weETH/ETH".ljust(32, b"\0")).call()
    assert list(got) == [Item(0).market, Item(0).redemption, 7, 3 | 6 << 4, now, 3, 9]
    assert bench.word(1) == ETH_USD.word(now)
    (event,) = bench.store.events.Pushed().process_receipt(receipt)
    assert (event["args"]["roundTime"], event["args"]["written"]) == (now, 2)
    assert event["args"]["digest"] == bench.digest(bench.batch(now, [Item(0, status=3 | 6 << 4), ETH_USD]))


def test_anyone_may_push(bench: Bench) -> None:
    batch = bench.batch(bench.now, [Item(0)])
    bench.send(bench.store.functions.push(batch, signatures(bench.digest(batch), (1, 2))), key=STRANGER)
    assert bench.word(0)


def test_a_stale_item_is_skipped_and_the_others_are_written(bench: Bench) -> None:
    now = bench.now
    bench.push(now, [Item(0)])
    bench.push(now + 1, [ETH_USD])
    bench.push(now + 1, [Item(0, market=10**18), replace(ETH_USD, market=1)])
    assert bench.word(0) == Item(0, market=10**18).word(now + 1)
    assert bench.word(1) == ETH_USD.word(now + 1)


@pytest.mark.parametrize(
    ("items", "error"),
    [
        ([Item(9)], "UnknownIndex"),
        ([Item(0, market=0)], "WrongPresence"),
        ([Item(0, redemption=0)], "WrongPresence"),
        ([replace(ETH_USD, redemption=1)], "WrongPresence"),
        ([Item(2)], "WrongPresence"),
        ([Item(0, status=0)], "BadStatus"),
        ([Item(0, status=5)], "BadStatus"),
        ([], "BadLength"),
    ],
)
def test_bad_items_are_refused(bench: Bench, items: list[Item], error: str) -> None:
    assert bench.push_refused(bench.now, items) == error


@pytest.mark.parametrize(
    ("offset_s", "error"), [(-61, "TooOld"), (-60, None), (0, None), (30, None), (31, "TooFarAhead")]
)
def test_times_out_of_the_window_are_refused(bench: Bench, offset_s: int, error: str | None) -> None:
    now = bench.now + 1_000
    batch = bench.batch(now + offset_s, [Item(0)])
    call = bench.store.functions.push(batch, signatures(bench.digest(batch), (0, 1)))
    bench.web3.provider.make_request("evm_setNextBlockTimestamp", [now])  # type: ignore[arg-type]
    bench.web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]
    if error is None:
        assert call.call({"from": bench.owner.address}) == []
    else:
        assert bench.refused(call) == error


@pytest.mark.parametrize("cut", [1, 29, 31])
def test_a_batch_of_a_wrong_length_is_refused(bench: Bench, cut: int) -> None:
    batch = bench.batch(bench.now, [Item(0), ETH_USD])[:-cut]
    assert bench.refused(bench.store.functions.push(batch, b"")) == "BadLength"
    whole = bench.batch(bench.now, [Item(0)])
    assert bench.refused(bench.store.functions.push(whole, b"\0" * 64)) == "BadLength"


def test_bad_signatures_are_refused(bench: Bench) -> None:
    batch = bench.batch(bench.now, [Item(0)])
    digest = bench.digest(batch)
    good = signatures(digest, (0, 1))
    forged = bytes([0]) + signatures(digest, (0, 4))[66:] + good[65:]
    flipped = good[:40] + bytes([good[40] ^ 1]) + good[41:]
    cases = {
        "descending": signatures(digest, (1, 0)),
        "twice": signatures(digest, (0, 0)),
        "outside the set": bytes([3]) + good[1:65],
        "another key": forged,
        "flipped bit": flipped,
        "empty r and s": bytes(65) + good[65:],
    }
    refused = {n: bench.refused(bench.store.functions.push(batch, s)) for n, s in cases.items()}
    assert refused == dict.fromkeys(cases, "BadSignature")


def test_below_threshold_writes_nothing(bench: Bench) -> None:
    assert bench.push_refused(bench.now, [Item(0)], who=(1,)) == "BelowThreshold"
    assert bench.push_refused(bench.now, [Item(0)], who=()) == "BelowThreshold"
    assert bench.word(0) & 0xFFFFFFFF == 0


def test_weights_count_and_not_heads(web3: Web3) -> None:
    bench = Bench(web3, weights=(5, 1, 1, 1), threshold=5)
    bench.register("weETH/ETH")
    assert bench.push_refused(bench.now, [Item(0)], who=(1, 2, 3)) == "BelowThreshold"
    bench.push(bench.now, [Item(0)], who=(0,))


def test_nothing_new_reverts(bench: Bench) -> None:
    now = bench.now
    bench.push(now, [Item(0)])
    assert bench.push_refused(now, [Item(0)]) == "NothingNew"


def test_a_signature_is_worth_nothing_elsewhere(bench: Bench, web3: Web3) -> None:
    other = Bench(web3)
    other.register("weETH/ETH")
    batch = bench.batch(bench.now, [Item(0)])
    signed = signatures(bench.digest(batch), (0, 1))
    assert other.refused(other.store.functions.push(batch, signed)) == "BadSignature"
    chain = typed_digest(1, bench.store.address, 1, bench.now, batch[10:])
    assert bench.refused(bench.store.functions.push(batch, signatures(chain, (0, 1)))) == "BadSignature"
    addresses = [Account.from_key(k).address for k in KEYS[:3]]
    bench.send(bench.store.functions.setSigners(addresses, [1, 1, 1], 2))
    assert bench.refused(bench.store.functions.push(batch, signed)) == "WrongEpoch"
    bench.epoch = 2
    bench.push(bench.now, [Item(0)])


def test_the_domain_follows_the_chain_through_a_fork() -> None:
    with anvil.running() as own, connected(own.url) as web3:
        bench = Bench(web3)
        bench.register("weETH/ETH")
        before = bench.store.functions.domainSeparator().call()
        web3.provider.make_request("anvil_setChainId", [4242])  # type: ignore[arg-type]
        web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]
        assert bench.store.functions.domainSeparator().call() != before


def test_only_the_owner_and_only_in_two_steps(bench: Bench) -> None:
    functions = bench.store.functions
    stranger = Account.from_key(STRANGER).address
    assert bench.refused(functions.register(b"x/y".ljust(32, b"\0"), True, True), STRANGER) == "NotOwner"
    assert bench.refused(functions.setSigners([stranger], [1], 1), STRANGER) == "NotOwner"
    assert bench.refused(functions.acceptOwnership(), STRANGER) == "NotOwner"
    bench.send(functions.transferOwnership(stranger))
    assert functions.owner().call() == bench.owner.address
    bench.send(functions.acceptOwnership(), STRANGER)
    assert functions.owner().call() == stranger
    assert bench.refused(functions.transferOwnership(stranger)) == "NotOwner"


@pytest.mark.parametrize(
    ("signers", "weights", "threshold"),
    [
        ([], [], 1),
        (KEYS[:2], [1], 1),
        (KEYS[:2], [1, 0], 1),
        ([KEYS[0], KEYS[0]], [1, 1], 2),
        (KEYS[:2], [1, 1], 1),
        (KEYS[:2], [1, 1], 3),
        (KEYS[:4], [1, 1, 1, 1], 2),
    ],
)
def test_a_set_without_a_majority_or_with_holes_is_refused(
    bench: Bench, signers: list[str], weights: list[int], threshold: int
) -> None:
    addresses = [Account.from_key(k).address for k in signers]
    assert bench.refused(bench.store.functions.setSigners(addresses, weights, threshold)) == "BadSettings"


@pytest.mark.parametrize("raw", [b"", b"a b", b"a\0b", b"a" * 32, b"\xc3\xa9/ETH", b"weETH/ETH"])
def test_bad_or_doubled_ids_are_refused(bench: Bench, raw: bytes) -> None:
    assert bench.refused(bench.store.functions.register(raw.ljust(32, b"\0"), True, True)) == "BadId"


def test_an_index_keeps_its_id(bench: Bench) -> None:
    functions = bench.store.functions
    for index, name in enumerate((b"weETH/ETH", b"ETH/USD", b"pufETH/ETH")):
        assert functions.idAt(index).call().rstrip(b"\0") == name
        assert functions.indexOf(name.ljust(32, b"\0")).call() == index
    assert [functions.presence(i).call() for i in range(3)] == [[True, True], [True, False], [False, True]]
    assert bench.refused(functions.indexOf(b"none".ljust(32, b"\0"))) == "UnknownFeed"
    assert bench.refused(functions.idAt(3)) == "UnknownIndex"
    assert list(functions.latestAt(0).call()) == [0] * 7
    assert bench.refused(functions.register(b"n/m".ljust(32, b"\0"), False, False)) == "WrongPresence"


def test_the_signer_set_reads_back(web3: Web3) -> None:
    bench = Bench(web3, weights=(5, 1, 7), threshold=8)
    epoch, threshold, signers, weights = bench.store.functions.signerSet().call()
    assert (epoch, threshold, weights) == (1, 8, [5, 1, 7])
    assert signers == [Account.from_key(k).address for k in KEYS[:3]]


def test_round_time_never_decreases_and_absent_field_stays_absent(bench: Bench) -> None:
    """A seeded fuzz: the store is at every step what a model in Python is."""
    rng = random.Random(5)
    model: dict[int, int] = {}
    base = bench.now
    for _ in range(60):
        round_time = base + rng.randrange(0, 25)
        picked = rng.sample([0, 1, 2], rng.randrange(1, 4))
        items = [random_item(rng, i) for i in picked]
        fresh = [i for i in items if round_time > model.get(i.index, 0)]
        if fresh:
            bench.push(round_time, items, who=rng.choice([(0, 1), (0, 2), (1, 2), (0, 1, 2)]))
            model |= dict.fromkeys([i.index for i in fresh], round_time)
            for item in fresh:
                assert bench.word(item.index) == item.word(round_time)
        else:
            assert bench.push_refused(round_time, items) == "NothingNew"
        words = {i: bench.word(i) for i in model}
        assert {i: w & 0xFFFFFFFF for i, w in words.items()} == model
        assert words.get(1, 0) >> 80 & (2**88 - 1) == 0
        assert words.get(2, 0) >> 168 == 0


def random_item(rng: random.Random, index: int) -> Item:
    market, redemption = rng.randrange(1, 2**88), rng.randrange(1, 2**88)
    return Item(
        index,
        market=0 if index == 2 else market,
        redemption=0 if index == 1 else redemption,
        spread_bps=rng.randrange(2**16),
        status=rng.randrange(1, 5) | rng.randrange(16) << 4,
        market_age_s=rng.randrange(2**16),
        redemption_age_h=rng.randrange(2**8),
    )


def test_vectors_hold_on_the_contract() -> None:
    expected = json.loads(VECTORS.read_text())
    assert expected == vectors()
    start = int(expected["vectors"][0]["round_time"])
    with anvil.running(extra=("--timestamp", str(start))) as own, connected(own.url) as web3:
        bench = Bench(web3)
        assert bench.store.address == VECTOR_STORE
        bench.register("weETH/ETH")
        bench.register("ETH/USD", redemption=False)
        for one in expected["vectors"]:
            batch, signed = (bytes.fromhex(one[k][2:]) for k in ("batch_hex", "signatures_hex"))
            assert "0x" + bench.store.functions.digest(batch).call().hex() == one["digest"]
            bench.send(bench.store.functions.push(batch, signed))
            assert [str(bench.word(int(i["index"]))) for i in one["items"]] == one["slots"]
