"""Sources that misbehave, and callers that would make them: nobody is stopped, nothing is lost, what failed is tried again."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi import encode
from eth_utils.crypto import keccak

from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import OWNER, STRANGER
from tests.contracts.stake.penalty_world import (
    ANSWER_S,
    ARBITER,
    DAY,
    DISPUTE_S,
    DISPUTED,
    LEAST,
    RETURNED,
    TAKEN,
    Lie,
    PenaltyWorld,
)

MODES = (
    "honest",
    "reverts",
    "burns its gas",
    "answers nothing",
    "answers too much",
    "reverts with too much",
    "answers the most",
    "calls back",
)
FAILS = {"reverts", "burns its gas", "reverts with too much", "calls back"}
NEEDS_ALL_ITS_GAS = 8
PUT = 32 * LEAST


@pytest.fixture
def world() -> PenaltyWorld:
    return PenaltyWorld((3, 2, 2, 1, 1, 1, 1), sources=3, hostile=True)


def misbehave(world: PenaltyWorld, source: int, mode: str, call: bytes = b"") -> None:
    world.evm.ok(world.sources[source], "misbehave", MODES.index(mode), call)


def carry_out_call(case_id: bytes) -> bytes:
    return keccak(text="carryOut(bytes32)")[:4] + encode(["bytes32"], [case_id])


def failed(world: PenaltyWorld) -> list[bytes]:
    """Sources that the last call's events say have failed."""
    return [topics[1][12:] for topics, _ in world.events("SourceFailed")]


def address(world: PenaltyWorld, source: int) -> bytes:
    return bytes.fromhex(world.sources[source][2:])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_source_that_reverts_stops_nobody(world: PenaltyWorld, mode: str, at: int) -> None:
    """At the proof: the others put aside what is due, the operator is jailed, and the source is tried again later."""
    misbehave(world, at, mode, carry_out_call(bytes(32)))
    case_id = world.lied(1)
    fails = mode in FAILS
    assert failed(world) == ([address(world, at)] if fails else [])
    assert world.jailed_until(1) > world.evm.now
    assert world.is_removed(1)
    assert [world.stake(1, s) for s in range(3)] == [32 * WAD - (0 if fails and s == at else PUT) for s in range(3)]
    assert world.refused("retry", case_id, 0, (at + 1) % 3) == "NotNow"
    if fails:
        assert world.refused("retry", case_id, 0, at) != ""
        misbehave(world, at, "honest")
        world.ok("retry", case_id, 0, at)
        assert world.stake(1, at) == 32 * WAD - PUT
    assert world.refused("retry", case_id, 0, at) == "NotNow"
    assert world.refused("retry", case_id, 1, at) == "NotNow"
    misbehave(world, at, "honest")
    world.carry_out(case_id)
    assert world.events("Settled")[0][1] == (TAKEN, 3 * PUT)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("given", [False, True])
def test_a_source_that_fails_at_the_end_is_tried_again(world: PenaltyWorld, mode: str, *, given: bool) -> None:
    case_id = world.lied(1)
    misbehave(world, 1, mode, carry_out_call(case_id))
    if given:
        world.give_back(case_id)
    else:
        world.carry_out(case_id)
    fails = mode in FAILS
    assert failed(world) == ([address(world, 1)] if fails else [])
    assert world.outcome(case_id) == (RETURNED if given else TAKEN)
    assert world.refused("retry", case_id, 0, 0) == "NotNow"
    misbehave(world, 1, "honest")
    if fails:
        world.ok("retry", case_id, 0, 1)
    assert world.refused("retry", case_id, 0, 1) == "NotNow"
    assert [world.stake(1, s) for s in range(3)] == [32 * WAD - (0 if given else PUT)] * 3
    told = [world.evm.ok(s, "taken") for s in world.sources]
    assert told == [0 if given else PUT - PUT // 20] * 3


def test_what_a_source_could_not_put_aside_is_put_aside_and_taken_later(world: PenaltyWorld) -> None:
    """Also after the dispute, which was of the whole case; a case that was given back puts nothing aside any more."""
    for source in (0, 1):
        misbehave(world, source, "reverts")
    case_id, other = world.lied(1), world.lied(2)
    world.give_back(other)
    world.carry_out(case_id)
    for source in (0, 1):
        misbehave(world, source, "honest")
    world.ok("retry", case_id, 0, 0)
    assert (world.stake(1, 0), world.evm.ok(world.sources[0], "taken")) == (32 * WAD - PUT, 0)
    world.ok("retry", case_id, 0, 0)
    assert world.evm.ok(world.sources[0], "taken") == PUT - PUT // 20
    assert world.refused("retry", case_id, 0, 0) == "NotNow"
    assert world.refused("retry", other, 0, 0) == "NotNow"
    assert [world.stake(2, s) for s in range(3)] == [32 * WAD] * 3


def test_who_comes_later_pays_for_nothing(world: PenaltyWorld) -> None:
    """What a source did not put aside by the end of the dispute, or while words could be proven, it never puts aside."""
    misbehave(world, 0, "reverts")
    early = world.lied(1)
    world.carry_out(early)
    world.evm.jump(ANSWER_S - DISPUTE_S)
    late = world.lied(2)
    misbehave(world, 0, "honest")
    world.evm.jump(1)
    assert world.refused("retry", early, 0, 0) == "TooLate"
    assert world.stake(1, 0) == 32 * WAD
    world.evm.jump(DISPUTE_S - 2)
    snapshot = world.evm.evm.snapshot()
    world.ok("retry", late, 0, 0)
    world.carry_out(late)
    assert [world.stake(2, s) for s in range(3)] == [32 * (WAD - world.fraction(late))] * 3
    world.evm.evm.revert(snapshot)
    world.evm.jump(1)
    assert world.refused("retry", late, 0, 0) == "TooLate"


def test_a_decision_is_of_the_steps_that_it_was_about(world: PenaltyWorld) -> None:
    """A step that a source did not hand over in time is not given back by the dispute of a later step."""
    case_id = world.lied(1)
    misbehave(world, 0, "reverts")
    world.carry_out(case_id)
    misbehave(world, 0, "honest")
    world.lied(3)
    world.ok("topUp", case_id)
    world.give_back(case_id)
    assert [world.stake(1, s) for s in range(3)] == [32 * WAD - PUT] * 3
    world.ok("retry", case_id, 0, 0)
    assert world.evm.ok(world.sources[0], "taken") == PUT - PUT // 20
    assert world.refused("retry", case_id, 1, 0) == "NotNow"


def test_who_calls_back_is_not_let_in(world: PenaltyWorld) -> None:
    first = world.lied(1)
    world.evm.jump(DAY)
    second = world.lied(2)
    world.end_dispute(first)
    world.lied(3)
    a, b = world.words(Lie(keys=(4, 4)))
    words = "(uint8,uint16,bytes,bytes32,bytes32)"
    prove = keccak(text=f"prove({words},{words},uint16)")[:4] + encode([words, words, "uint16"], [a, b, 0])
    step = encode(["bytes32", "uint16", "uint256"], [second, 0, 0])
    calls = {
        "carryOut": carry_out_call(second),
        "topUp": keccak(text="topUp(bytes32)")[:4] + encode(["bytes32"], [second]),
        "giveBack": keccak(text="giveBack(bytes32)")[:4] + encode(["bytes32"], [second]),
        "retry": keccak(text="retry(bytes32,uint16,uint256)")[:4] + step,
        "prove": prove,
    }
    misbehave(world, 0, "reverts")
    world.ok("carryOut", first)
    for name, call in calls.items():
        misbehave(world, 0, "calls back", call)
        # a retry's gas has no bound, so nothing but the lock keeps the source out
        assert world.refused("retry", first, 0, 0) != "", name
        assert world.outcome(second) == DISPUTED
    misbehave(world, 0, "honest")
    world.ok("retry", first, 0, 0)
    world.ok("topUp", second)


# ---------------------------------------------------------------------------------------------------------------- gas


def gas_of(world: PenaltyWorld, name: str, *args: Any, sender: str, gas: int) -> str:
    """A call with so much gas: nothing, or why it did not go through. It is undone."""
    entry = world.evm.abis[world.penalties][name]
    words = "(uint8,uint16,bytes,bytes32,bytes32)"
    kinds = [words if i["type"] == "tuple" else i["type"] for i in entry["inputs"]]
    data = keccak(text=f"{name}({','.join(kinds)})")[:4] + encode(kinds, args)
    snapshot = world.evm.evm.snapshot()
    try:
        world.evm.evm.message_call(sender, world.penalties, data, gas=gas)
    except RuntimeError as e:
        return str(e)
    else:
        return "" if not failed(world) and not world.events("NotRemoved") else "a source failed"
    finally:
        world.evm.evm.revert(snapshot)
        world.evm.evm.reset_transient_storage()


@pytest.mark.parametrize("what", ["prove", "topUp", "giveBack", "carryOut"])
def test_no_caller_makes_a_source_fail(world: PenaltyWorld, what: str) -> None:
    """Whatever gas comes along, either the call is refused whole or every source has had all that it may use."""
    for source in world.sources:
        world.evm.ok(source, "misbehave", NEEDS_ALL_ITS_GAS, b"")
    args: tuple[Any, ...] = (*world.words(Lie(keys=(1, 1))), 0)
    if what != "prove":
        args = (world.lied(1),)
        world.lied(3)
    if what == "carryOut":
        world.evm.jump(DISPUTE_S)
    sender = ARBITER if what == "giveBack" else STRANGER
    told = {gas: gas_of(world, what, *args, sender=sender, gas=gas) for gas in range(60_000, 5_000_000, 61_000)}
    assert "a source failed" not in told.values()
    taken = [gas for gas, error in told.items() if not error]
    assert taken
    assert taken == [gas for gas in told if gas >= taken[0]]


def test_a_call_fits_into_a_transaction_whatever_the_sources_do() -> None:
    """Five of them that burn all that they get: below 2^24 gas."""
    world = PenaltyWorld((3, 2, 2, 1, 1, 1, 1), sources=5, hostile=True)
    most = 2**24
    given, taken = world.lied(1), world.lied(2)
    for source in range(5):
        misbehave(world, source, "burns its gas")
    world.lied(3)
    assert 10_000_000 < world.evm.evm.result.gas_used < most - 3_000_000
    assert len(failed(world)) == 5
    world.give_back(given)
    assert 10_000_000 < world.evm.evm.result.gas_used < most
    world.carry_out(taken)
    assert 10_000_000 < world.evm.evm.result.gas_used < most


def test_steps_that_did_not_fit_are_settled_by_the_next_call(world: PenaltyWorld) -> None:
    case_id = world.lied(1)
    for other in (3, 4):
        world.lied(other)
        world.ok("topUp", case_id)
    world.end_dispute(case_id)
    world.lied(5)
    assert world.ok("fractionDue", case_id) > world.fraction(case_id)
    data = carry_out_call(case_id)
    for settled in (1, 2, 3):
        assert world.refused("topUp", case_id) == "NotNow", "what was decided is carried out first"
        world.evm.evm.message_call(STRANGER, world.penalties, data, gas=2_500_000)
        world.evm.evm.reset_transient_storage()
        assert world.case(case_id)[5:8] == (3, settled, TAKEN)
    assert world.refused("carryOut", case_id) == "NotNow"
    for step in range(3):
        step_id = world.ok("stepIdOf", case_id, step)
        assert world.ok("steps", step_id)[1:] == (0b111, 0b111, TAKEN)
        assert [world.evm.ok(s, "aside", step_id)[1] for s in world.sources] == [0] * 3
    world.ok("topUp", case_id)


def test_a_removal_that_fails_stops_no_proof(world: PenaltyWorld) -> None:
    world.evm.ok(world.set, "stick", True, sender=OWNER)
    case_id = world.lied(1)
    assert len(world.events("NotRemoved")) == 1
    assert world.outcome(case_id) == DISPUTED
    assert not world.is_removed(1)
    assert world.jailed_until(1) > world.evm.now
    world.evm.ok(world.set, "stick", False)
    world.lied(2)
    assert world.events("NotRemoved") == []
