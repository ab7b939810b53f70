"""OperatorRegistry: bonds, weights, proofs of equivocation, the vault; and EigenLayer behind a stand-in.

`solidity/EigenStandIn.sol` keeps the rules that a slasher meets there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth_utils.crypto import keccak
from web3 import Web3

from demo.world import anvil
from tests.contracts.contract_tools import (
    KEYS,
    Bench,
    compiled,
    connected,
)
from tests.contracts.guild import (
    ADDRESSES,
    ARBITER,
    AVS,
    BOND,
    DISPUTE_S,
    LOCKED,
    LONGEST_S,
    RETURNED,
    STRANGER,
    TAKEN,
    TREASURY,
    ZERO,
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


def test_weights_of_an_epoch_are_what_was_bonded_and_not_asked_back(guild: Guild) -> None:
    bench, functions = guild.bench, guild.functions
    guild.bond(KEYS[1], BOND // 2)
    bench.send(functions.requestLeave(ADDRESSES[2], BOND // 4))
    weights = functions.snapshot(2, ADDRESSES[:3]).call({"from": guild.me})
    assert weights == [BOND, BOND * 3 // 2, BOND * 3 // 4]
    bench.send(functions.snapshot(2, ADDRESSES[:3]))
    guild.bond(KEYS[0])
    assert [functions.weightIn(2, a).call() for a in ADDRESSES[:3]] == weights
    assert bench.refused(functions.snapshot(2, ADDRESSES[:3])) == "NotNow"
    assert bench.refusal(functions.snapshot(3, [ADDRESSES[5]])) == ("Unbonded", ADDRESSES[5].lower())
    assert bench.refused(functions.snapshot(3, [ADDRESSES[0]] * 2)) == "Unbonded"
    assert bench.refused(functions.snapshot(3, ADDRESSES[:1]), STRANGER) == "NotYours"
    assert bench.refused(functions.snapshot(3, [])) == "BadAmount"
    total = sum(weights)
    bench.send(bench.store.functions.setSigners(ADDRESSES[:3], weights, total * 2 // 3, total))
    assert bench.store.functions.signerSet().call()[3] == weights


def test_nobody_bonds_a_key_that_they_do_not_hold(guild: Guild) -> None:
    bench, functions = guild.bench, guild.functions
    r, vs = guild.consent(KEYS[4], guild.me)
    assert bench.refused(functions.bond(ADDRESSES[5], 1, r, vs)) == "BadConsent"
    assert bench.refused(functions.bond(ADDRESSES[4], 1, r, vs), STRANGER) == "BadConsent"
    assert bench.refused(functions.bond(ZERO, 1, bytes(32), bytes(32))) == "BadConsent"
    assert bench.refused(functions.bond(ADDRESSES[0], 1, r, vs), STRANGER) == "NotYours"
    assert bench.refused(functions.bond(ADDRESSES[4], 0, r, vs)) == "BadAmount"
    assert bench.refused(functions.bond(ADDRESSES[4], 2**96, r, vs)) == "BadAmount"


def test_a_bond_stays_for_as_long_as_it_can_still_be_proven_guilty(guild: Guild) -> None:
    bench, functions = guild.bench, guild.functions
    assert bench.refused(functions.leave(ADDRESSES[0])) == "NotNow"
    assert bench.refused(functions.requestLeave(ADDRESSES[0], BOND), STRANGER) == "NotYours"
    assert bench.refused(functions.requestLeave(ADDRESSES[0], BOND + 1)) == "BadAmount"
    bench.send(functions.requestLeave(ADDRESSES[0], BOND))
    due = functions.operators(ADDRESSES[0]).call()[3]
    assert due == bench.now + LONGEST_S + DISPUTE_S
    bench.at(due - 10)
    assert bench.refused(functions.leave(ADDRESSES[0])) == "NotNow"
    held = guild.token.functions.balanceOf(guild.me).call()
    bench.at(due)
    bench.send(functions.leave(ADDRESSES[0]))
    assert guild.token.functions.balanceOf(guild.me).call() == held + BOND
    assert bench.refused(functions.leave(ADDRESSES[0])) == "NotNow"


def test_a_token_that_takes_a_fee_or_fails_or_calls_back_is_not_bonded(guild: Guild) -> None:
    bench = guild.bench
    token = bench.consumer("OddToken")
    registry = bench.create("OperatorRegistry", token.address, guild.settings(), LONGEST_S)
    guild.functions = registry.functions
    bench.send(token.functions.mint(guild.me, 10 * BOND))
    guild.bond(KEYS[0])
    again = registry.functions.bond(ADDRESSES[0], BOND, bytes(32), bytes(32))
    for how, error in ((1, "TokenFailed"), (2, "TokenFailed"), (3, "NotNow")):
        bench.send(token.functions.set(how))
        assert bench.refused(again) == error
    bench.send(token.functions.set(0))
    bench.send(registry.functions.requestLeave(ADDRESSES[0], BOND))
    bench.at(bench.now + LONGEST_S + DISPUTE_S)
    for how, error in ((2, "TokenFailed"), (3, "NotNow")):
        bench.send(token.functions.set(how))
        assert bench.refused(registry.functions.leave(ADDRESSES[0])) == error
    bench.send(token.functions.set(0))
    bench.send(registry.functions.leave(ADDRESSES[0]))
    assert registry.functions.totalShares().call() == 0


def test_the_terms_of_a_registry_can_be_read(guild: Guild) -> None:
    names = ["store", "chainId", "curator", "arbiter", "treasury", "slasher", "unbondingS", "disputeS"]
    assert tuple(guild.functions[n]().call() for n in names) == guild.settings()
    assert guild.functions.token().call() == guild.token.address
    assert guild.functions.domain().call() == guild.bench.store.functions.domainSeparator().call()
    slasher = guild.bench.create("EigenSlasher", guild.me, TREASURY, AVS, 7).functions
    told = [slasher[n]().call() for n in ("allocations", "keys", "avs", "setId", "registry")]
    assert told == [guild.me, TREASURY, AVS, 7, ZERO]


@pytest.mark.parametrize(
    "changes",
    [
        {"unbonding": LONGEST_S + DISPUTE_S - 1},
        {"dispute": 0},
        {"store": ZERO},
        {"treasury": ZERO},
        {"unbonding": 366 * 86_400},
    ],
)
def test_a_registry_whose_bonds_leave_too_early_is_refused(guild: Guild, changes: dict[str, Any]) -> None:
    args = guild.token.address, guild.settings(**changes), LONGEST_S
    assert guild.bench.create_refusal("OperatorRegistry", *args) == ("BadSettings",)


def test_anybody_proves_and_the_bond_is_locked_then_taken(guild: Guild) -> None:
    bench, functions = guild.bench, guild.functions
    a, b = guild.evidence()
    evidence = guild.name_of(a, b)
    bench.send(functions.requestLeave(ADDRESSES[0], BOND))
    assert functions.prove(b, a, 0).call() == evidence
    bench.send(functions.prove(a, b, 0), STRANGER)
    assert functions.operators(ADDRESSES[0]).call() == [
        guild.me,
        0,
        0,
        functions.operators(ADDRESSES[0]).call()[3],
        True,
    ]
    assert functions.penalties(evidence).call() == [ADDRESSES[0], BOND, bench.now + DISPUTE_S, LOCKED]
    for call in (functions.prove(a, b, 0), functions.prove(b, a, 0)):
        assert bench.refusal(call) == ("UsedEvidence", evidence)
    for call in (functions.leave(ADDRESSES[0]), functions.bond(ADDRESSES[0], 1, bytes(32), bytes(32))):
        assert bench.refused(call) == "NotYours"
    assert bench.refused(functions.release(evidence)) == "NotNow"
    bench.at(bench.now + DISPUTE_S + 1)
    assert bench.refused(functions.giveBack(evidence), ARBITER) == "NotNow"
    before = guild.token.functions.balanceOf(TREASURY).call()
    bench.send(functions.release(evidence), STRANGER)
    assert guild.token.functions.balanceOf(TREASURY).call() == before + BOND
    assert functions.penalties(evidence).call()[3] == TAKEN
    assert bench.refused(functions.release(evidence)) == "NotNow"
    assert functions.totalShares().call() == 2 * BOND == guild.token.functions.balanceOf(guild.registry.address).call()


def test_the_arbiter_only_gives_back_and_only_in_time(guild: Guild) -> None:
    bench, functions = guild.bench, guild.functions
    a, b = guild.evidence()
    evidence = guild.name_of(a, b)
    assert bench.refused(functions.giveBack(evidence), ARBITER) == "NotNow"
    bench.send(functions.prove(a, b, 0))
    assert bench.refused(functions.giveBack(evidence)) == "NotYours"
    held = guild.token.functions.balanceOf(guild.me).call()
    bench.send(functions.giveBack(evidence), ARBITER)
    assert guild.token.functions.balanceOf(guild.me).call() == held + BOND
    assert functions.penalties(evidence).call()[3] == RETURNED
    assert bench.refused(functions.snapshot(2, ADDRESSES[:1])) == "Unbonded"
    bench.at(bench.now + DISPUTE_S + 1)
    assert bench.refused(functions.release(evidence)) == "NotNow"


@pytest.mark.parametrize("tells", [False, True])
def test_a_final_penalty_reaches_eigenlayer_and_a_failing_slasher_stops_nothing(web3: Web3, *, tells: bool) -> None:
    """Whether EigenLayer answers to a slash (from v1.5 on) or not."""
    bench = Bench(web3)
    strategies = [Web3.to_checksum_address(f"0x{i:040x}") for i in (0x51, 0x22, 0x33)]
    standin = compiled("tests/contracts/solidity/EigenStandIn.sol")["EigenStandIn"]
    eigen = bench.deploy(standin, strategies, tells)
    slasher = bench.create("EigenSlasher", eigen.address, eigen.address, AVS, 7)
    guild = Guild(web3, slasher=slasher.address)
    operator = Web3.to_checksum_address(f"0x{0x0B:040x}")
    guild.bond(KEYS[0])
    assert bench.refused(slasher.functions.setRegistry(guild.registry.address), STRANGER) == "NotRegistry"
    bench.send(slasher.functions.setRegistry(guild.registry.address))
    assert bench.refused(slasher.functions.setRegistry(guild.me)) == "AlreadySet"
    assert bench.refused(slasher.functions.slash(ADDRESSES[0], 1, bytes(32))) == "NotRegistry"
    a, b = guild.evidence()
    evidence = guild.name_of(a, b)
    bench.send(guild.functions.prove(a, b, 0))
    assert bench.refused(guild.functions.retry(evidence)) == "NotNow"
    bench.at(bench.now + DISPUTE_S)
    receipt = bench.send(guild.functions.release(evidence))
    failed = keccak(text="SlasherFailed(bytes32)")
    assert failed in [bytes(log["topics"][0]) for log in receipt["logs"]], "EigenLayer does not know the key yet"
    assert bench.refusal(guild.functions.retry(evidence)) == ("UnknownKey", ADDRESSES[0].lower())
    bench.send(eigen.functions.register(operator, ADDRESSES[0]))
    bench.send(eigen.functions.setSlasher(slasher.address))
    bench.send(eigen.functions.deregister(operator, 14 * 86_400))
    bench.send(guild.functions.retry(evidence), STRANGER)
    assert [eigen.functions.magnitude(operator, s).call() for s in strategies] == [0, 0, 0]
    assert bench.refusal(guild.functions.retry(evidence)) == ("Repeated", evidence)
