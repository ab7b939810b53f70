"""Invariants of docs/invariants.md about steps, pauses, epochs and whole batches, each under its name there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from eth_account import Account
from web3 import Web3
from web3.exceptions import ContractCustomError, Web3Exception

import contracts
from demo.world import anvil
from oracle.report.wire import decode_slot
from tests.contracts.contract_tools import (
    KEYS,
    WAD,
    WIDE,
    Bench,
    Item,
    connected,
    signatures,
)

pytestmark = pytest.mark.chain
ADDRESSES = [Account.from_key(k).address for k in KEYS]
STEP_BPS, WAIT_S = 500, 100
LOW_32 = 2**32 - 1
HELD_AT, MARKET_HELD = 131_072, 1 << 79


@pytest.fixture(scope="module")
def web3() -> Iterator[Web3]:
    with anvil.running(extra=("--timestamp", "1999000000")) as running, connected(running.url) as w:
        yield w


@pytest.fixture
def bench(web3: Web3) -> Bench:
    made = Bench(web3, step_threshold=3, limits=[(1, STEP_BPS, WAIT_S), WIDE], max_age=3_600)
    made.register("weETH/ETH")
    return made


def land(bench: Bench, at: int, item: Item, who: tuple[int, ...] = (0, 1)) -> None:
    if at > bench.now:
        bench.at(at)
    bench.push(at, [item], who)


def walk(bench: Bench, seed: int, steps: int = 25) -> Iterator[tuple[int, int, int, bool]]:
    """Random pushes that weak and strong batches make: round_time, word before, word after, strong."""
    rng, at = random.Random(seed), bench.now
    price = WAD
    for _ in range(steps):
        at += rng.choice((5, 40, 120))
        price = price * (10_000 + rng.choice((-3_000, -400, -100, 0, 300, 499, 2_000))) // 10_000
        who = (0, 1, 2) if rng.random() < 0.15 else (0, 1)
        before = bench.word(0)
        land(bench, at, Item(0, market=price, redemption=WAD, status=rng.choice((1, 2, 3))), who)
        yield at, before, bench.word(0), len(who) == 3


def far(before: int, after: int) -> bool:
    old, new = (decode_slot(w).market_wad for w in (before, after))
    return abs(new - old) * 10_000 > old * STEP_BPS


def test_a_step_needs_more_signers_or_time(bench: Bench) -> None:
    since: int | None = None
    taken = set()
    for at, before, after, strong in walk(bench, 3):
        if before & LOW_32 and far(before, after):
            assert strong or (since is not None and at >= since + WAIT_S)
            taken.add(strong)
        place = bench.web3.eth.get_storage_at(bench.store.address, HELD_AT)
        waits = after & MARKET_HELD
        since = int.from_bytes(place, "big") >> 32 & LOW_32 if waits else None
    assert taken == {True, False}, "both ways were seen"


def test_a_held_price_is_never_re_stamped(bench: Bench) -> None:
    view, true_at, seen = bench.view(mode=0), 0, 0
    for at, before, after, _ in walk(bench, 4):
        now_true = view.functions.latestTimestamp().call()
        if before & LOW_32 and decode_slot(before).market_wad == decode_slot(after).market_wad != 0:
            assert now_true in (true_at, at - 3)
            seen += now_true == true_at
        true_at = now_true
    assert seen > 3


def test_a_paused_token_is_not_written_and_reads_halt(bench: Bench) -> None:
    land(bench, bench.now, Item(0))
    bench.send(bench.store.functions.pause([0]))
    view, word = bench.view(), bench.word(0)
    for status in (1, 2, 3, 4):
        assert bench.push_refused(bench.now, [Item(0, status=status)], who=(0, 1, 2)) == "NothingNew"
    assert bench.word(0) == word
    assert (view.functions.status().call(), decode_slot(word).status) == (4, 4)
    assert bench.store.functions.latestAt(0).call()[3] & 15 == 4


def test_one_transaction_never_sees_two_rounds(bench: Bench) -> None:
    bench.register("x/ETH")
    many, now = bench.consumer("Many"), bench.now
    for items in ([Item(0)], [Item(1)]):
        batches = [bench.batch(now, [Item(0)]), bench.batch(now + 1, items)]
        signed = [signatures(bench.digest(b), (0, 1)) for b in batches]
        call = many.functions.all(bench.store.address, batches, signed)
        assert bench.refusal(call) == ("SecondRound", now + 1, now)
        call = many.functions.all(bench.store.address, batches[::-1], signed[::-1])
        assert bench.refusal(call) == ("SecondRound", now, now + 1)


def test_an_old_epoch_ends_with_its_overlap(web3: Web3) -> None:
    bench = Bench(web3, delays=(500, 60), max_age=3_600)
    bench.register("weETH/ETH")
    bench.send(bench.store.functions.setSigners(ADDRESSES[:3], [1, 1, 1], 2, 2))
    due = bench.now + 500
    bench.arm(KEYS[:3])
    taken: dict[int, list[tuple[int, int]]] = {1: [], 2: []}
    for offset in (-400, -20, 0, 30, 58, 60, 5_000):
        bench.at(due + offset)
        for epoch in (1, 2):
            for ahead in (-offset - 1, 0, 1, 10):
                batch = bench.batch(due + offset + ahead, [Item(0)], epoch=epoch)
                call = bench.store.functions.push(batch, signatures(bench.digest(batch), (0, 1)))
                with suppress(ContractCustomError):
                    call.call({"from": bench.owner.address})
                    taken[epoch].append((offset, offset + ahead))
    assert {offset for offset, _ in taken[1]} == {-400, -20, 0, 30, 58}
    assert all(round_time < 0 for _, round_time in taken[1])
    assert all(offset >= 0 <= round_time for offset, round_time in taken[2])
    assert {offset for offset, _ in taken[2]} == {0, 30, 58, 60, 5_000}


@pytest.mark.parametrize("count", [0, 1, 500])
def test_a_batch_is_taken_whole_or_not_at_all(web3: Web3, count: int) -> None:
    bench = Bench(web3, max_age=3_600)
    for i in range(max(1, min(count, 3))):
        bench.register(f"T{i}/ETH")
    now = bench.now
    if count == 0:
        assert bench.push_refused(now, []) == "BadLength"
        return
    good = [Item(i % 3, market=WAD + i) for i in range(count)]
    push, owner = bench.store.functions.push, bench.owner.address

    def call(batch: bytes) -> bytes:
        data = bench.store.encode_abi("push", args=[batch, signatures(bench.digest(batch), (0, 1))])
        return bytes.fromhex(data[2:])

    data = call(bench.batch(now, good))
    for cut in (31, 32, 64, len(data) // 2):  # of the padding up to 30 bytes may be missing
        with pytest.raises(Web3Exception):
            bench.web3.eth.call({"to": bench.store.address, "from": owner, "data": data[:-cut]})
    third = min(2, count - 1)  # the first item of its token: a later one would be skipped unread
    spoiled = bench.batch(now, [*good[:third], replace(good[third], market=0), *good[third + 1 :]])
    refused = push(spoiled, signatures(bench.digest(spoiled), (0, 1)))
    assert bench.refusal(refused) == ("WrongPresence", third)
    gas = bench.web3.eth.estimate_gas({"to": bench.store.address, "from": owner, "data": data})
    tried = {"to": bench.store.address, "from": owner, "data": data}
    for share in (2, 3, 5, 9):
        with pytest.raises(Web3Exception):
            bench.web3.eth.call({**tried, "gas": 21_000 + (gas - 21_000) * share // 10})
    assert bench.word(0) & LOW_32 == 0
    assert bench.web3.eth.call({**tried, "data": data + b"padding"}) == b""
    receipt = bench.push(now, good)
    assert bench.event(receipt, "Pushed")["written"] == min(count, 3)
    assert [bench.word(i) for i in range(min(count, 3))] == [good[i].word(now) for i in range(min(count, 3))]


def test_limits_of_a_token_never_change(bench: Bench) -> None:
    functions = bench.store.functions
    before = functions.limitsOf(0).call()
    abi = [e for e in contracts.load("PriceStore").abi if e["type"] == "function"]
    writing = {e["name"] for e in abi if e["stateMutability"] not in ("view", "pure")}
    roles = {"setSigners", "setSignersInEmergency", "arm", "removeSigners"}
    roles |= {"setGuardian", "setSetOwner", "transferOwnership", "acceptOwnership"}
    assert writing == roles | {"push", "register", "pause", "resume"}
    for call in (functions.pause([0]), functions.resume([0]), functions.setGuardian(ADDRESSES[0])):
        bench.send(call)
    assert functions.limitsOf(0).call() == before == (1, STEP_BPS, WAIT_S)
