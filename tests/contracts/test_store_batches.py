"""PriceStore on a real chain: which batches it takes, which it refuses and by which error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import coincurve
import pytest
from eth_abi import encode
from eth_utils.crypto import keccak
from web3 import Web3

from demo.world import anvil
from oracle.sign.eip712 import sign_compact
from tests.contracts.contract_tools import (
    VECTOR_STORE,
    VECTORS,
    Bench,
    Item,
    connected,
    signatures,
    vectors,
)
from tests.contracts.store_bench import ETH_USD, STRANGER, ask, filled

pytestmark = pytest.mark.chain
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture(scope="module")
def web3(node: anvil.Anvil) -> Iterator[Web3]:
    with connected(node.url) as w:
        yield w


@pytest.fixture(scope="module")
def own() -> Iterator[Web3]:
    """A node whose clock, storage and chain id a test may change."""
    with anvil.running() as running, connected(running.url) as w:
        yield w


@pytest.fixture
def bench(web3: Web3) -> Bench:
    return filled(web3)


def test_a_batch_lands_and_reads_back_field_for_field(bench: Bench) -> None:
    now = bench.now
    receipt = bench.push(now, [Item(0, status=3 | 6 << 4), ETH_USD])
    got = bench.store.functions.latest(b"weETH/ETH".ljust(32, b"\0")).call()
    assert list(got) == [Item(0).market, Item(0).redemption, 7, 3 | 6 << 4, now, 3, 9, 0]
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
def test_times_out_of_the_window_are_refused(own: Web3, offset_s: int, error: str | None) -> None:
    bench = filled(own)
    now = bench.now + 1_000
    batch = bench.batch(now + offset_s, [Item(0)])
    call = bench.store.functions.push(batch, signatures(bench.digest(batch), (0, 1)))
    ask(own, "evm_setNextBlockTimestamp", now)
    ask(own, "evm_mine")
    if error is None:
        assert call.call({"from": bench.owner.address}) == []
    else:
        assert bench.refusal(call) == (error, now + offset_s, now)


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


def test_another_form_of_a_signature_is_refused(bench: Bench) -> None:
    """(r, n - s) with the other v is the same statement to ecrecover; a compact signature has no room for it."""
    batch = bench.batch(bench.now, [Item(0)])
    good = signatures(bench.digest(batch), (0, 1))
    vs = int.from_bytes(good[33:65], "big")
    s, parity = vs & (2**255 - 1), vs >> 255
    other = CURVE_ORDER - s
    assert other >= 2**255
    for twin in (other, (other & (2**255 - 1)) | (1 - parity) << 255, s | (1 - parity) << 255):
        forged = good[:33] + twin.to_bytes(32, "big") + good[65:]
        assert bench.refusal(bench.store.functions.push(batch, forged)) == ("BadSignature", 0)


def test_every_signature_counts_also_beyond_the_threshold(bench: Bench) -> None:
    batch = bench.batch(bench.now, [Item(0)])
    digest = bench.digest(batch)
    bad = signatures(digest, (0, 1)) + bytes([2]) + signatures(digest, (1,))[1:]
    assert bench.refusal(bench.store.functions.push(batch, bad)) == ("BadSignature", 2)
    bench.send(bench.store.functions.push(batch, signatures(digest, (0, 1, 2))))


def test_a_token_s_storage_slot_is_its_index(bench: Bench) -> None:
    bench.push(bench.now, [ETH_USD])
    stored = bench.web3.eth.get_storage_at(bench.store.address, 1)
    assert int.from_bytes(stored, "big") == bench.word(1) == ETH_USD.word(bench.word(1) & 2**32 - 1)


def test_a_digest_of_less_than_a_header_is_refused(bench: Bench) -> None:
    assert bench.refusal(bench.store.functions.digest(b"\0" * 9)) == ("BadLength", 9, 0)


def test_weights_count_and_not_heads(web3: Web3) -> None:
    bench = Bench(web3, weights=(5, 1, 1, 1), threshold=5)
    bench.register("weETH/ETH")
    assert bench.push_refused(bench.now, [Item(0)], who=(1, 2, 3)) == "BelowThreshold"
    bench.push(bench.now, [Item(0)], who=(0,))


def test_nothing_new_reverts(bench: Bench) -> None:
    now = bench.now
    bench.push(now, [Item(0)])
    assert bench.push_refused(now, [Item(0)]) == "NothingNew"


def test_the_domain_is_bound_to_chain_and_store_and_follows_a_fork(own: Web3) -> None:
    bench = filled(own)
    chain = own.eth.chain_id
    kind = keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")

    def separator(chain_id: int) -> bytes:
        names = [keccak(text="lrt-oracle"), keccak(text="1")]
        kinds = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
        return keccak(encode(kinds, [kind, *names, chain_id, bench.store.address]))

    assert bench.store.functions.domainSeparator().call() == separator(chain)
    batch = bench.batch(bench.now, [Item(0)])
    before = signatures(bench.digest(batch), (0, 1))
    ask(own, "anvil_setChainId", 4242)
    try:
        ask(own, "evm_mine")
        assert bench.store.functions.domainSeparator().call() == separator(4242)
        assert bench.refusal(bench.store.functions.push(batch, before)) == ("BadSignature", 0)
        bench.push(bench.now, [Item(0)])
    finally:
        ask(own, "anvil_setChainId", chain)
        ask(own, "evm_mine")
    assert bench.store.functions.domainSeparator().call() == separator(chain)


def test_one_bad_item_spoils_the_whole_batch(bench: Bench) -> None:
    empty = bench.word(0)
    assert bench.push_refused(bench.now, [Item(0), Item(1)]) == "WrongPresence"
    assert bench.push_refused(bench.now, [Item(0), Item(77)]) == "UnknownIndex"
    assert bench.word(0) == empty


def test_of_an_index_twice_in_a_batch_the_first_counts(bench: Bench) -> None:
    now = bench.now
    receipt = bench.push(now, [Item(0, market=5), Item(0, market=6)])
    assert bench.word(0) == Item(0, market=5).word(now)
    assert bench.store.events.Pushed().process_receipt(receipt)[0]["args"]["written"] == 1


def test_a_skipped_item_is_not_looked_at(bench: Bench) -> None:
    now = bench.now
    bench.push(now, [Item(0)])
    bench.push(now, [Item(0, market=0, status=0), ETH_USD])
    assert (bench.word(0), bench.word(1)) == (Item(0).word(now), ETH_USD.word(now))


def test_vectors_hold_on_the_contract() -> None:
    expected = json.loads(VECTORS.read_text())
    assert expected == vectors()
    start = int(expected["vectors"][0]["round_time"]) - 30
    with anvil.running(extra=("--timestamp", str(start))) as own, connected(own.url) as web3:
        bench = Bench(web3)
        assert bench.store.address == VECTOR_STORE
        bench.register("weETH/ETH")
        bench.register("ETH/USD", redemption=False)
        bench.register("pufETH/ETH", market=False)
        for one in expected["vectors"]:
            batch, signed = (bytes.fromhex(one[k][2:]) for k in ("batch_hex", "signatures_hex"))
            assert "0x" + bench.store.functions.digest(batch).call().hex() == one["digest"]
            keys = [coincurve.PrivateKey(bytes.fromhex(k[2:])) for k in one["private_keys"]]
            for at in range(0, len(signed), 65):
                digest = bytes.fromhex(one["digest"][2:])
                assert sign_compact(keys[signed[at]], digest) == signed[at + 1 : at + 65]
            ask(web3, "evm_setNextBlockTimestamp", int(one["round_time"]))
            ask(web3, "evm_mine")
            bench.send(bench.store.functions.push(batch, signed))
            assert [str(bench.word(int(i["index"]))) for i in one["items"]] == one["slots"]
