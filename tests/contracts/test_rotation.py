"""Signers that change in their time, and tokens that are paused, on a real chain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from web3 import Web3

from demo.world import anvil
from oracle.report.wire import decode_slot
from tests.contracts.contract_tools import KEYS, WIDE, Bench, Item, connected, signatures
from tests.contracts.safety_bench import ADDRESSES, FIRST_S, GAP_S, GUARDIAN, LOW_32, STEP_BPS, WAIT_S, land

pytestmark = pytest.mark.chain
STRANGER = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


@pytest.fixture(scope="module")
def web3() -> Iterator[Web3]:
    with anvil.running(extra=("--timestamp", str(FIRST_S))) as running, connected(running.url) as w:
        yield w


@pytest.fixture
def bench(web3: Web3) -> Bench:
    """Three signers of weight 1: two push, three may move a price by any step."""
    guardian = Account.from_key(GUARDIAN).address
    limits = [(GAP_S, STEP_BPS, WAIT_S), WIDE]
    made = Bench(web3, step_threshold=3, limits=limits, guardian=guardian, max_age=3_600)
    made.register("weETH/ETH")
    made.register("ETH/USD", redemption=False)
    return made


def test_a_pause_stops_one_token_and_reads_say_halt(bench: Bench) -> None:
    now, functions = bench.now, bench.store.functions
    view = bench.view()
    land(bench, now, [Item(0, status=2 | 6 << 4), Item(1, redemption=0)])
    receipt = bench.send(functions.pause([0]), GUARDIAN)
    assert bench.event(receipt, "Paused") == {"index": 0, "by": Account.from_key(GUARDIAN).address}
    assert [functions.paused(i).call() for i in (0, 1)] == [True, False]
    halted = 4 | 6 << 4
    assert decode_slot(bench.word(0)).status == 4
    assert functions.latestAt(0).call()[3] == functions.latest(b"weETH/ETH".ljust(32, b"\0")).call()[3] == halted
    assert (view.functions.status().call(), view.functions.peek().call()[3]) == (4, halted)
    land(bench, now + GAP_S, [Item(0), Item(1, redemption=0)])
    assert [bench.word(i) & LOW_32 for i in (0, 1)] == [now, now + GAP_S]
    bench.at(now + 90)
    assert bench.push_refused(now + 99, [Item(0, status=4)], who=(0, 1, 2)) == "NothingNew"
    bench.send(functions.resume([0]))
    assert (functions.paused(0).call(), decode_slot(bench.word(0)).status) == (False, 4)
    land(bench, now + 99, [Item(0)])
    assert bench.word(0) == Item(0).word(now + 99)


def test_a_token_without_data_can_be_paused_and_keeps_what_prices_it_has(bench: Bench) -> None:
    functions = bench.store.functions
    bench.send(functions.pause([0, 1]))
    assert bench.push_refused(bench.now, [Item(0)]) == "NothingNew"
    assert list(functions.latestAt(0).call()) == [0] * 8
    bench.send(functions.resume([0, 1]))
    assert functions.presence(1).call() == [True, False]
    assert bench.push_refused(bench.now, [Item(1)]) == "WrongPresence"
    land(bench, bench.now, [Item(0)])


def test_the_guardian_only_stops(bench: Bench) -> None:
    functions, stranger = bench.store.functions, Account.from_key(STRANGER).address
    assert bench.refusal(functions.pause([0]), STRANGER) == ("NotGuardian", stranger.lower())
    assert bench.refused(functions.resume([0]), GUARDIAN) == "NotOwner"
    assert bench.refused(functions.setGuardian(stranger), GUARDIAN) == "NotOwner"
    assert bench.refusal(functions.pause([9])) == ("UnknownIndex", 9)
    bench.send(functions.setGuardian(stranger))
    assert bench.refused(functions.pause([0]), GUARDIAN) == "NotGuardian"
    bench.send(functions.pause([0]), STRANGER)
    assert functions.guardian().call() == stranger


def rotating(web3: Web3, delay_s: int = 1_000, overlap_s: int = 50) -> Bench:
    made = Bench(web3, delays=(delay_s, overlap_s), max_age=3_600)
    made.register("weETH/ETH")
    return made


def test_signers_change_after_the_delay_and_the_old_ones_are_taken_for_the_overlap(web3: Web3) -> None:
    bench = rotating(web3)
    functions, new = bench.store.functions, ADDRESSES[3:5]
    assert (functions.rotationDelayS().call(), functions.overlapS().call()) == (1_000, 50)
    bench.send(functions.setSigners(new, [1, 1], 2, 2))
    due = bench.now + 1_000
    assert functions.nextSigners().call() == [2, due]
    receipt = bench.arm(KEYS[3:5])
    assert bench.event(receipt, "Armed") == {"epoch": 2, "activeAt": due}
    assert functions.armed().call()
    assert functions.signerSet().call()[:3] == [1, 2, ADDRESSES[:3]]

    def by_new(at: int) -> Any:
        batch = bench.batch(at, [Item(0)], epoch=2)
        return functions.push(batch, signatures(bench.digest(batch), (0, 1), KEYS[3:5]))

    assert bench.refusal(by_new(bench.now)) == ("WrongEpoch", 2, 1)
    land(bench, bench.now, [Item(0)])
    bench.at(due)
    assert functions.signerSet().call()[:3] == [2, 2, new]
    ends = due + 50
    assert (functions.overlapEnds().call(), functions.nextSigners().call()) == (ends, [0, 0])
    bench.push(due - 2, [Item(0)], epoch=1)
    receipt = bench.send(by_new(due))
    assert bench.event(receipt, "EpochStarted") == {"epoch": 2, "overlapEnds": ends}
    assert (functions.overlapEnds().call(), functions.nextSigners().call()) == (ends, [0, 0])
    assert bench.push_refused(due + 1, [Item(0)], epoch=1) == "WrongEpoch"
    bench.at(ends)
    assert bench.push_refused(due - 1, [Item(0)], epoch=1) == "WrongEpoch"
    bench.send(by_new(ends))
    assert bench.word(0) & LOW_32 == ends


def test_until_the_new_set_is_armed_the_old_one_goes_on(web3: Web3) -> None:
    bench = rotating(web3)
    bench.send(bench.store.functions.setSigners(ADDRESSES[3:5], [1, 1], 2, 2))
    bench.at(bench.now + 1_000 + 500)
    land(bench, bench.now, [Item(0)])
    assert bench.word(0)


def test_an_emergency_is_told_and_ends_the_epoch(web3: Web3) -> None:
    bench = rotating(web3)
    receipt = bench.send(bench.store.functions.setSignersInEmergency(ADDRESSES[3:5], [1, 1], 2, 2))
    due = bench.now + 1_000
    assert bench.event(receipt, "Emergency") == {"epoch": 2, "activeAt": due}
    bench.at(due)
    assert bench.push_refused(due - 1, [Item(0)]) == "WrongEpoch"


def test_set_owner_and_removals_are_told(web3: Web3) -> None:
    bench = rotating(web3)
    functions, stranger = bench.store.functions, Account.from_key(STRANGER).address
    assert bench.event(bench.send(functions.setSetOwner(stranger)), "SetOwnerSet") == {"setOwner": stranger}
    receipt = bench.send(functions.removeSigners(1, [2]), STRANGER)
    assert bench.event(receipt, "SignersRemoved") == {"epoch": 1, "indexes": [2]}
    assert functions.signerSet().call()[3] == [1, 1, 0]


def test_a_change_before_the_last_one_counts_replaces_it(web3: Web3) -> None:
    bench = rotating(web3)
    functions = bench.store.functions
    bench.send(functions.setSigners(ADDRESSES[3:5], [1, 1], 2, 2))
    bench.at(bench.now + 900)
    bench.send(functions.setSigners(ADDRESSES[5:7], [1, 1], 2, 2))
    due = bench.now + 1_000
    assert functions.nextSigners().call() == [2, due]
    bench.arm(KEYS[5:7])
    bench.at(due)
    assert functions.signerSet().call()[2] == ADDRESSES[5:7]
    bench.send(functions.setSigners(ADDRESSES[:3], [1, 1, 1], 2, 3))
    assert functions.signerSet().call()[0] == 2
    assert functions.nextSigners().call()[0] == 3


@pytest.mark.parametrize(("delay_s", "overlap_s"), [(30 * 86_400 + 1, 0), (0, 86_401), (1, 0), (30, 0)])
def test_delays_have_limits(web3: Web3, delay_s: int, overlap_s: int) -> None:
    who = (ADDRESSES[0], ADDRESSES[0], 60, delay_s, overlap_s, 0)
    assert Bench(web3).create_refusal("PriceStore", who, [WIDE], ADDRESSES[:1], [1], 1, 1) == ("BadSettings",)
