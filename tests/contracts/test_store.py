"""PriceStore on a real chain: what it takes, what it refuses and by which error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import coincurve
import pytest
from eth_abi import encode
from eth_account import Account
from eth_utils.crypto import keccak
from web3 import Web3

from demo.world import anvil
from oracle.sign.eip712 import sign_compact
from tests.contracts.contract_tools import (
    KEYS,
    VECTOR_STORE,
    VECTORS,
    WIDE,
    Bench,
    Item,
    connected,
    errors,
    signatures,
    vectors,
)

pytestmark = pytest.mark.chain
STRANGER = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
ADDRESSES = [Account.from_key(k).address for k in KEYS]
ZERO = "0x" + "00" * 20
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
IDS_OF_CLASS_7_SLOT = 262_155  # after four fixed arrays of 65,536 words, four roles and seven other classes


@pytest.fixture(scope="module")
def web3(node: anvil.Anvil) -> Iterator[Web3]:
    with connected(node.url) as w:
        yield w


@pytest.fixture(scope="module")
def own() -> Iterator[Web3]:
    """A node whose clock, storage and chain id a test may change."""
    with anvil.running() as running, connected(running.url) as w:
        yield w


def filled(web3: Web3) -> Bench:
    made = Bench(web3)
    made.register("weETH/ETH")
    made.register("ETH/USD", redemption=False)
    made.register("pufETH/ETH", market=False)
    return made


@pytest.fixture
def bench(web3: Web3) -> Bench:
    return filled(web3)


def ask(web3: Web3, method: str, *params: Any) -> None:
    assert "error" not in web3.provider.make_request(method, params)  # type: ignore[arg-type]


def id_of(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")


ETH_USD = Item(1, market=2_000 * 10**18, redemption=0)


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


def test_a_signer_change_bumps_the_epoch_and_is_told(bench: Bench) -> None:
    now, old = bench.now, bench.batch(bench.now, [Item(0)])
    signed = signatures(bench.digest(old), (0, 1))
    receipt = bench.send(bench.store.functions.setSigners(ADDRESSES[2:5], [3, 1, 1], 3, 4))
    assert bench.event(receipt, "SignersSet") == {
        "epoch": 2,
        "threshold": 3,
        "stepThreshold": 4,
        "signers": ADDRESSES[2:5],
        "weights": [3, 1, 1],
        "activeAt": bench.now,
    }
    assert bench.store.functions.thresholds().call() == [3, 4]
    assert bench.refusal(bench.store.functions.push(old, signed)) == ("WrongEpoch", 1, 2)
    bench.epoch = 2
    assert bench.push_refused(now, [Item(0)], who=(0, 1)) == "BadSignature"
    now = bench.now
    batch = bench.batch(now, [Item(0)])
    bench.send(bench.store.functions.push(batch, signatures(bench.digest(batch), (0,), KEYS[2:5])))
    assert bench.word(0) == Item(0).word(now)


def test_every_error_of_the_store_comes_with_its_arguments(bench: Bench) -> None:
    functions, now = bench.store.functions, bench.now
    bench.push(now, [ETH_USD])

    def push(items: list[Item], *, at: int = now, who: tuple[int, ...] = (0, 1), epoch: int = 1) -> tuple[Any, ...]:
        batch = bench.batch(at, items, epoch=epoch)
        return bench.refusal(functions.push(batch, signatures(bench.digest(batch), who)))

    got = [
        bench.refusal(functions.transferOwnership(ZERO), STRANGER),
        bench.refusal(functions.setSigners([], [], 1, 1)),
        bench.refusal(functions.setSigners(ADDRESSES[:3], [1, 1, 0], 2, 2)),
        bench.refusal(functions.setSigners(ADDRESSES[:3], [1, 2, 3], 3, 3)),
        bench.refusal(functions.register(id_of("a b"), True, True, 0)),
        bench.refusal(functions.latest(id_of("none"))),
        bench.refusal(functions.presence(3)),
        bench.refusal(functions.push(b"\0" * 39, b"\0" * 66)),
        bench.refusal(functions.push(b"\0" * 40, b"\xff\x07")),
        bench.refusal(functions.arm(b"")),
        bench.refusal(functions.removeSigners(1, []), STRANGER),
        push([Item(0)], epoch=7),
        push([Item(0)], at=1)[:2],
        push([Item(0)], at=now + 3_600)[:2],
        push([Item(0)], who=(1, 0)),
        push([Item(0)], who=(2,)),
        push([Item(0, status=5 | 3 << 4)]),
        push([Item(0, spread_bps=16_384)]),
        push([Item(2)]),
        push([ETH_USD]),
    ]
    assert got == [
        ("NotOwner", Account.from_key(STRANGER).address.lower()),
        ("BadSettings",),
        ("BadSigner", 2),
        ("BadThreshold", 3, 6),
        ("BadId", id_of("a b")),
        ("UnknownFeed", id_of("none")),
        ("UnknownIndex", 3),
        ("BadLength", 39, 66),
        ("UnknownKind", 7),
        ("NothingToArm",),
        ("NotSetOwner", Account.from_key(STRANGER).address.lower()),
        ("WrongEpoch", 7, 1),
        ("TooOld", 1),
        ("TooFarAhead", now + 3_600),
        ("BadSignature", 1),
        ("BelowThreshold", 1, 2),
        ("BadStatus", 0, 5),
        ("BadSpread", 0, 16_384),
        ("WrongPresence", 2),
        ("NothingNew",),
    ]
    elsewhere = {
        "BadClass",
        "BadLimits",
        "NotGuardian",
        "SecondRound",
        "UnknownFunction",
        "TooLate",
    }  # in _safety and _epochs
    assert {g[0] for g in got} | elsewhere == {name for name, _ in errors("PriceStore").values()}


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


@pytest.mark.parametrize(
    ("owner", "max_age_s", "taken"),
    [(True, 1, True), (True, 3_600, True), (True, 0, False), (True, 3_601, False), (False, 60, False)],
)
def test_the_constructor_checks_owner_and_age(web3: Web3, owner: bool, max_age_s: int, taken: bool) -> None:
    bench = Bench(web3)
    who = (bench.owner.address if owner else ZERO, ZERO, max_age_s, 0, 0)
    args = [who, [WIDE], ADDRESSES[:3], [1, 1, 1], 2, 2]
    if taken:
        assert bench.create("PriceStore", *args).functions.maxPushAgeS().call() == max_age_s
    else:
        assert bench.create_refusal("PriceStore", *args) == ("BadSettings",)


def test_255_signers_are_the_most_and_the_threshold_bounds_their_weight(bench: Bench) -> None:
    functions = bench.store.functions
    many = [Web3.to_checksum_address(f"0x{i + 1:040x}") for i in range(253)] + ADDRESSES[:3]
    assert bench.refused(functions.setSigners(many, [1] * 256, 129, 129)) == "BadSettings"
    bench.send(functions.setSigners(many[1:], [1] * 252 + [100, 100, 100], 277, 277))
    bench.epoch = 2
    batch = bench.batch(bench.now, [Item(0)])
    last = [bytes([252 + i]) + signatures(bench.digest(batch), (i,))[1:] for i in range(3)]
    assert bench.refusal(functions.push(batch, last[0] + last[2])) == ("BelowThreshold", 200, 277)
    bench.send(functions.push(batch, b"".join(last)))
    # weights may be wei; as a threshold has 96 bits and is more than half, their sum stays below 2^97
    most = 2**96 - 1
    assert bench.refusal(functions.setSigners(ADDRESSES[:2], [most, most], most, most)) == (
        "BadThreshold",
        most,
        2 * most,
    )
    bench.send(functions.setSigners(ADDRESSES[:2], [most, most - 1], most, most))
    assert functions.signerSet().call() == [3, most, ADDRESSES[:2], [most, most - 1]]


def test_the_last_index_is_65535(own: Web3) -> None:
    bench = Bench(own, limits=[WIDE] * 8)
    ask(own, "anvil_setStorageAt", bench.store.address, hex(IDS_OF_CLASS_7_SLOT), f"0x{8_191:064x}")
    assert bench.store.functions.count().call() == 8_191
    assert bench.register("weETH/ETH", limits=7) == 65_535
    assert bench.store.functions.indexOf(id_of("weETH/ETH")).call() == 65_535
    assert bench.store.functions.idAt(65_535).call() == id_of("weETH/ETH")
    bench.push(bench.now, [Item(65_535)])
    assert bench.store.functions.latest(id_of("weETH/ETH")).call()[0] == Item(0).market
    more = bench.store.functions.register(id_of("x/y"), True, True, 7)
    assert bench.refusal(more) == ("BadClass", 7)


def test_an_index_that_nobody_registered_reads_as_zeros(bench: Bench) -> None:
    assert bench.word(9) == 0
    assert list(bench.store.functions.latestAt(9).call()) == [0] * 8


def test_only_the_owner_and_only_in_two_steps(bench: Bench) -> None:
    functions = bench.store.functions
    stranger = Account.from_key(STRANGER).address
    assert bench.refused(functions.register(b"x/y".ljust(32, b"\0"), True, True, 0), STRANGER) == "NotOwner"
    assert bench.refused(functions.setSigners([stranger], [1], 1, 1), STRANGER) == "NotSetOwner"
    assert bench.refused(functions.acceptOwnership(), STRANGER) == "NotOwner"
    receipt = bench.send(functions.transferOwnership(stranger))
    (event,) = bench.store.events.OwnershipTransferStarted().process_receipt(receipt)
    assert dict(event["args"]) == {"from": bench.owner.address, "to": stranger}
    assert functions.pendingOwner().call() == stranger
    assert bench.refused(functions.acceptOwnership()) == "NotOwner"
    assert functions.owner().call() == bench.owner.address
    receipt = bench.send(functions.acceptOwnership(), STRANGER)
    (event,) = bench.store.events.OwnershipTransferred().process_receipt(receipt)
    assert dict(event["args"]) == {"from": bench.owner.address, "to": stranger}
    assert (functions.owner().call(), functions.pendingOwner().call()) == (stranger, ZERO)
    assert bench.refused(functions.transferOwnership(stranger)) == "NotOwner"


@pytest.mark.parametrize(
    ("signers", "weights", "threshold", "error"),
    [
        ([], [], 1, ("BadSettings",)),
        (KEYS[:2], [1], 1, ("BadSettings",)),
        (KEYS[:2], [1, 0], 1, ("BadSigner", 1)),
        ([KEYS[0], KEYS[1], KEYS[0]], [1, 1, 1], 2, ("BadSigner", 2)),
        ([None], [1], 1, ("BadSigner", 0)),
        (KEYS[:2], [1, 1], 0, ("BadThreshold", 0, 2)),
        (KEYS[:2], [1, 1], 1, ("BadThreshold", 1, 2)),
        (KEYS[:2], [1, 1], 3, ("BadThreshold", 3, 2)),
        (KEYS[:4], [1, 1, 1, 1], 2, ("BadThreshold", 2, 4)),
    ],
)
def test_a_set_without_a_majority_or_with_holes_is_refused(
    bench: Bench, signers: list[str | None], weights: list[int], threshold: int, error: tuple[Any, ...]
) -> None:
    addresses = [Account.from_key(k).address if k else ZERO for k in signers]
    assert bench.refusal(bench.store.functions.setSigners(addresses, weights, threshold, threshold)) == error
    args = [(bench.owner.address, ZERO, 60, 0, 0), [WIDE], addresses, weights, threshold, threshold]
    assert bench.create_refusal("PriceStore", *args) == error


@pytest.mark.parametrize("raw", [b"", b"a b", b"a\0b", b"a" * 32, b"\xc3\xa9/ETH", b"weETH/ETH"])
def test_bad_or_doubled_ids_are_refused(bench: Bench, raw: bytes) -> None:
    assert bench.refused(bench.store.functions.register(raw.ljust(32, b"\0"), True, True, 0)) == "BadId"


def test_the_signer_set_reads_back(web3: Web3) -> None:
    bench = Bench(web3, weights=(5, 1, 7), threshold=8)
    epoch, threshold, signers, weights = bench.store.functions.signerSet().call()
    assert (epoch, threshold, weights) == (1, 8, [5, 1, 7])
    assert signers == [Account.from_key(k).address for k in KEYS[:3]]


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
