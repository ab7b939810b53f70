"""PriceStore on a real chain: owner, signers, ids and indexes, what the constructor refuses, and every error with its arguments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from web3 import Web3

from demo.world import anvil
from tests.contracts.contract_tools import (
    KEYS,
    WIDE,
    Bench,
    Item,
    connected,
    errors,
    signatures,
)
from tests.contracts.store_bench import ETH_USD, STRANGER, ask, filled, id_of

pytestmark = pytest.mark.chain
ADDRESSES = [Account.from_key(k).address for k in KEYS]
ZERO = "0x" + "00" * 20
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


@pytest.fixture
def bench(web3: Web3) -> Bench:
    return filled(web3)


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
        "Expired",
    }  # in _safety, _epochs and _expiry
    assert {g[0] for g in got} | elsewhere == {name for name, _ in errors("PriceStore").values()}


@pytest.mark.parametrize(
    ("owner", "max_age_s", "taken"),
    [(True, 1, True), (True, 3_600, True), (True, 0, False), (True, 3_601, False), (False, 60, False)],
)
def test_the_constructor_checks_owner_and_age(web3: Web3, owner: bool, max_age_s: int, taken: bool) -> None:
    bench = Bench(web3)
    who = (bench.owner.address if owner else ZERO, ZERO, max_age_s, 0, 0, 0)
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
    args = [(bench.owner.address, ZERO, 60, 0, 0, 0), [WIDE], addresses, weights, threshold, threshold]
    assert bench.create_refusal("PriceStore", *args) == error


@pytest.mark.parametrize("raw", [b"", b"a b", b"a\0b", b"a" * 32, b"\xc3\xa9/ETH", b"weETH/ETH"])
def test_bad_or_doubled_ids_are_refused(bench: Bench, raw: bytes) -> None:
    assert bench.refused(bench.store.functions.register(raw.ljust(32, b"\0"), True, True, 0)) == "BadId"


def test_the_signer_set_reads_back(web3: Web3) -> None:
    bench = Bench(web3, weights=(5, 1, 7), threshold=8)
    epoch, threshold, signers, weights = bench.store.functions.signerSet().call()
    assert (epoch, threshold, weights) == (1, 8, [5, 1, 7])
    assert signers == [Account.from_key(k).address for k in KEYS[:3]]
