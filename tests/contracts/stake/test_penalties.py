"""Penalties: what proves a lie, whose it is, and what a proof brings about."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from eth_utils.crypto import keccak

import contracts
from oracle.sign.eip712 import observed_digest
from tests.contracts.contract_tools import WAD, Item, error_of
from tests.contracts.evm_process import GUARDIAN, STRANGER, signature, word_digest
from tests.contracts.stake.penalty_world import (
    ANSWER_S,
    ARBITER,
    BATCH,
    DAY,
    DISPUTE_S,
    DISPUTED,
    EPOCH_S,
    EXECUTION_S,
    JAIL_S,
    LEAST,
    REACH_S,
    RETURNED,
    SEALED,
    STORE,
    TAKEN,
    Lie,
    PenaltyWorld,
    key,
    operator,
    standin,
)

KINDS = list(product((BATCH, SEALED, SEALED + 3), repeat=2))


@pytest.fixture
def world() -> PenaltyWorld:
    made = PenaltyWorld()
    made.evm.jump(EPOCH_S)
    made.freeze(2, keys={0: 5})
    made.evm.ok(made.book, "set", operator(0), key(5))
    return made


# ------------------------------------------------------------------------------------------------------------- proofs


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize(
    ("keys", "epochs", "epoch"),
    [
        ((0, 0), (1, 1), 1),
        ((0, 0), (1, 2), 1),
        ((1, 1), (1, 2), 2),
        ((1, 1), (2, 1), 2),
        ((0, 5), (1, 2), 2),
        ((5, 0), (2, 1), 2),
        ((0, 5), (1, 1), 1),
        ((5, 5), (2, 777), 2),
    ],
)
def test_two_words_of_one_operator_are_one_lie(
    world: PenaltyWorld, kinds: tuple[int, int], keys: tuple[int, int], epochs: tuple[int, int], epoch: int
) -> None:
    """Of either kind, of one key or of an old and a new one, of one epoch or two: the case is of the last one with weight."""
    number = min(keys) if min(keys) == 1 else 0
    lie = Lie(keys=keys, epochs=epochs, kinds=kinds)
    a, b = world.words(lie)
    evidence, case_id = world.ok("prove", a, b, 0)
    assert world.events("Proven")[0][0][0] == evidence
    low, high = sorted(word_digest(world.domains[0], k, w[2]) for k, w in zip(kinds, (a, b), strict=True))
    assert evidence == keccak(bytes.fromhex(operator(number)[2:]).rjust(32, b"\0") + low + high)
    assert world.case(case_id) == (
        operator(number),
        epoch,
        world.evm.now + DISPUTE_S,
        1,
        LEAST,
        1,
        0,
        DISPUTED,
        STRANGER,
    )
    assert world.ok("caseIn", operator(number), epoch) == case_id
    assert world.ok("isProven", evidence) is True
    for pair in ((a, b), (b, a)):
        assert world.refused("prove", *pair, 0) == "UsedEvidence"


def test_words_that_prove_nothing(world: PenaltyWorld) -> None:
    a, b = world.words(Lie(keys=(0, 0)))
    same, other_round = world.word(0), world.word(0, round_s=1_001, market=7)
    assert world.refused("prove", a, same, 0) == "NoContradiction"
    assert world.refused("prove", a, other_round, 0) == "NoContradiction"
    assert world.refused("prove", a, b, 1) == "NoContradiction"
    assert world.refused("prove", a, world.word(1, market=7), 0) == "TwoOperators"
    assert world.refused("prove", a, world.word(7, market=7), 0) == "UnknownKey"
    assert world.refused("prove", world.word(7, market=7), a, 0) == "UnknownKey"
    assert world.refused("prove", a, (*b[:3], bytes(32), bytes(32)), 0) == "BadEvidence"
    assert world.refused("prove", a, (*b[:2], b[2][:-1], *b[3:]), 0) == "BadBatch"
    observed = signature(0, observed_digest(world.domains[0], 1, 1_000, Item(0, market=7).packed()))
    assert world.refused("prove", a, (0, 0, b[2], observed[:32], observed[32:]), 0) == "UnknownKey"


def test_words_for_epochs_without_weight_prove_nothing_alone(world: PenaltyWorld) -> None:
    """No store takes them. One of them beside a word that a store takes is a lie like any other."""
    for keys, epochs in (((0, 0), (2, 2)), ((5, 5), (1, 1)), ((5, 0), (1, 2)), ((1, 1), (3, 777))):
        assert world.refused("prove", *world.words(Lie(keys=keys, epochs=epochs)), 0) == "NoWeight"
    assert world.case(world.prove(Lie(keys=(1, 1), epochs=(777, 1))))[1] == 1
    world.freeze(3, weights={2: 0, 3: 1})
    assert world.refused("prove", *world.words(Lie(keys=(2, 2), epochs=(3, 3))), 0) == "NoWeight"
    assert world.case(world.prove(Lie(keys=(2, 2), epochs=(1, 3))))[1] == 1


def test_a_word_is_provable_until_the_last_second_of_its_epoch(world: PenaltyWorld) -> None:
    """Of two epochs with weight the later counts, of one with and one without the one with."""
    world.evm.jump(ANSWER_S - EPOCH_S)
    world.lied(1)
    world.evm.jump(1)
    assert world.refused("prove", *world.words(Lie(keys=(2, 2))), 0) == "TooLate"
    assert world.refused("prove", *world.words(Lie(keys=(2, 2), epochs=(1, 777))), 0) == "TooLate"
    assert world.case(world.prove(Lie(keys=(2, 2), epochs=(1, 2))))[1] == 2
    world.evm.jump(EPOCH_S)
    assert world.refused("prove", *world.words(Lie(keys=(3, 3), epochs=(1, 2))), 0) == "TooLate"


def test_evidence_is_two_words_within_one_domain(world: PenaltyWorld) -> None:
    """The home store's, or another that the same sets sign for; a word of each proves nothing."""
    home, away = (world.words(Lie(keys=(0, 0)), domain=d) for d in (0, 1))
    assert world.refused("prove", *away, 0) == "UnknownKey"
    assert world.refused("prove", home[0], away[1], 0) == "UnknownKey"
    assert world.refused("proveIn", 1, home[0], away[1], 0) == "UnknownKey"
    assert world.refused("proveIn", 1, *home, 0) == "UnknownKey"
    assert world.refused("proveIn", 2, *away, 0) != ""
    first = world.ok("proveIn", 1, *away, 0)
    second = world.ok("prove", *home, 0)
    assert first[0] != second[0]
    assert first[1] == second[1], "one case, whatever store was lied to"
    assert world.refused("proveIn", 0, *home, 0) == "UsedEvidence"


# ----------------------------------------------------------------------------------------------------- what they bring


def test_a_proof_jails_removes_and_puts_aside_at_once(world: PenaltyWorld) -> None:
    case_id = world.lied(1)
    assert world.events("Seized") == [([case_id], (0, LEAST, 32 * LEAST, world.evm.now + DISPUTE_S))]
    assert world.jailed_until(1) == world.evm.now + JAIL_S
    assert world.is_removed(1)
    assert world.stake(1) == 32 * (WAD - LEAST)
    assert [world.stake(n) for n in (0, 2, 3)] == [32 * WAD] * 3
    assert [world.jailed_until(n) for n in (0, 2, 3)] == [0] * 3
    world.carry_out(case_id)
    assert world.events("Settled") == [([case_id], (TAKEN, 32 * LEAST))]
    assert world.outcome(case_id) == TAKEN


@pytest.mark.parametrize("how", ["nothing bonded", "all left", "the source reverts", "after a give-back"])
def test_a_proven_operator_is_recorded_whatever_it_has_left(how: str) -> None:
    hostile = how == "the source reverts"
    world = PenaltyWorld(stake=0 if how == "nothing bonded" else 32 * WAD, hostile=hostile)
    if hostile:
        world.evm.ok(world.sources[0], "misbehave", 1, b"")
    elif how == "all left":
        world.evm.jump(ANSWER_S + 1)
        world.evm.ok(world.sources[0], "leave", sender=operator(0))
        world.freeze(2)
    elif how == "after a give-back":
        world.give_back(world.lied(0, round_s=900))
    epoch = 2 if how == "all left" else 1
    lie = Lie(keys=(0, 0), epochs=(epoch, epoch))
    evidence, case_id = world.ok("prove", *world.words(lie), 0)
    nothing = how != "after a give-back"
    assert len(world.events("SourceFailed")) == int(nothing)
    assert world.ok("isProven", evidence) is True
    assert world.outcome(case_id) == (DISPUTED if nothing else RETURNED)
    assert world.jailed_until(0) == world.evm.now + (JAIL_S if nothing else 0)
    assert world.record(epoch, 0)[2] == 1
    if nothing:
        world.carry_out(case_id)
        assert world.outcome(case_id) == TAKEN
        assert world.record(epoch, 0)[0] == 1, "it counts for the others' fractions all the same"


def test_one_case_an_operator_and_epoch(world: PenaltyWorld) -> None:
    """More evidence is recorded, and costs no more: neither stake nor time; another epoch is another case."""
    case_id = world.lied(1)
    before, left, jailed = world.case(case_id), world.stake(1), world.jailed_until(1)
    world.evm.jump(DAY)
    for round_s, sender in ((1_001, STRANGER), (2**31, GUARDIAN)):
        again = Lie(keys=(1, 1), round_s=round_s, kinds=(BATCH, SEALED))
        evidence, found = world.ok("prove", *world.words(again), 0, sender=sender)
        assert (found, len(world.events("Proven")), world.events("Seized")) == (case_id, 1, [])
        assert world.ok("isProven", evidence) is True
    assert (world.case(case_id), world.stake(1), world.jailed_until(1)) == (before, left, jailed)
    other = world.lied(1, epochs=(2, 2))
    assert other != case_id
    assert world.stake(1) == left - left // 100
    assert world.jailed_until(1) == world.evm.now + JAIL_S
    world.carry_out(case_id)
    again = Lie(keys=(1, 1), round_s=1_002)
    assert world.ok("prove", *world.words(again), 0)[1] == case_id
    assert world.case(case_id)[5:8] == (1, 1, TAKEN)


def test_a_give_back_closes_nothing_later(world: PenaltyWorld) -> None:
    """Of rounds up to it evidence is only recorded; of a later one, also where it was recorded before, it opens a new case."""
    case_id = world.lied(1)
    world.evm.jump(DAY)
    future = Lie(keys=(1, 1), round_s=world.evm.now + 3 * DAY)
    assert world.prove(future) == case_id
    world.give_back(case_id)
    assert (world.stake(1), world.outcome(case_id)) == (32 * WAD, RETURNED)
    assert world.record(1, 1) == (0, world.evm.now, 1)
    earlier = Lie(keys=(1, 1), round_s=world.evm.now)
    assert world.prove(earlier) == case_id
    assert world.stake(1) == 32 * WAD
    assert world.refused("prove", *world.words(earlier), 0) == "UsedEvidence"
    assert world.jailed_until(1) == world.evm.now
    second = world.prove(future)
    assert second not in (case_id, bytes(32))
    assert world.ok("caseIn", operator(1), 1) == second
    assert world.record(1, 1) == (1, 0, 2)
    assert world.stake(1) == 32 * (WAD - LEAST)
    assert world.jailed_until(1) == world.evm.now + JAIL_S
    assert world.outcome(case_id) == RETURNED
    world.evm.jump(DAY)
    world.give_back(second)
    assert world.refused("prove", *world.words(future), 0) == "UsedEvidence", "what opened a case opens no other"
    third = world.lied(1, round_s=world.evm.now + 1)
    world.carry_out(third)
    assert world.stake(1) == 32 * (WAD - LEAST)


def test_the_arbiter_only_gives_back_and_only_in_time(world: PenaltyWorld) -> None:
    assert world.refused("giveBack", bytes(32), sender=ARBITER) == "NotNow"
    assert world.refused("carryOut", bytes(32)) == "NotNow"
    case_id = world.lied(1)
    assert world.refused("giveBack", case_id) == "NotArbiter"
    world.evm.jump(DISPUTE_S - 1)
    assert world.refused("carryOut", case_id, sender=ARBITER) == "NotNow"
    other = world.lied(2)
    world.give_back(case_id)
    assert world.events("Settled") == [([case_id], (RETURNED, 0))]
    assert world.refused("giveBack", case_id, sender=ARBITER) == "NotNow"
    assert world.refused("carryOut", case_id) == "NotNow"
    world.evm.jump(DISPUTE_S)
    assert world.refused("giveBack", other, sender=ARBITER) == "NotNow"
    world.ok("carryOut", other)
    assert world.refused("carryOut", other) == "NotNow"


def test_an_operator_stays_jailed_by_every_case_that_was_not_given_back(world: PenaltyWorld) -> None:
    first = world.lied(1)
    until = world.jailed_until(1)
    world.evm.jump(DAY)
    second = world.lied(1, epochs=(2, 2))
    longer = world.jailed_until(1)
    assert longer == until + DAY
    world.give_back(second)
    assert world.jailed_until(1) == longer
    world.give_back(first)
    assert world.jailed_until(1) == world.evm.now


# ------------------------------------------------------------------------------------------------------------- terms


def test_the_terms_can_be_read(world: PenaltyWorld) -> None:
    names = ("disputeS", "executionS", "minFraction", "jailS", "finderBps", "needsS", "set", "book", "arbiter")
    told = [world.ok(n) for n in names]
    assert told[:6] == [DISPUTE_S, EXECUTION_S, LEAST, JAIL_S, 500, REACH_S]
    assert told[6:] == [world.set.lower(), world.book.lower(), ARBITER]
    assert world.ok("sources", 0) == world.sources[0].lower()
    assert world.ok("domains", 0) != world.ok("domains", 1)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"dispute": 0}, "BadSettings"),
        ({"dispute": 366 * DAY}, "BadSettings"),
        ({"execution": 0}, "BadSettings"),
        ({"execution": 366 * DAY}, "BadSettings"),
        ({"least": 0}, "BadSettings"),
        ({"least": WAD + 1}, "BadSettings"),
        ({"jail": 0}, "BadSettings"),
        ({"jail": 36_501 * DAY}, "BadSettings"),
        ({"finder": 501}, "BadSettings"),
        ({"sources": []}, "BadSettings"),
        ({"book": "0x" + "00" * 20}, "BadSettings"),
        ({"domains": []}, "BadSettings"),
        ({"domains": [(10, "0x" + "52" * 20), (1, STORE)]}, "BadSettings"),
        ({"dispute": DISPUTE_S + 1}, "OutOfReach"),
        ({"execution": EXECUTION_S + 1}, "OutOfReach"),
    ],
)
def test_terms_that_do_not_fit_are_refused(world: PenaltyWorld, changes: dict[str, Any], error: str) -> None:
    assert refusal(world, **changes) == error


def test_every_source_must_reach_far_enough(world: PenaltyWorld) -> None:
    """Capture, answer, dispute and execution lie within what each source can still slash; and there are five at most."""
    short, long = (world.evm.create(standin("SourceStandIn"), s) for s in (REACH_S - 1, 2**256 - 1))
    assert refusal(world, sources=[*world.sources, short]) == "OutOfReach"
    assert refusal(world, sources=[*world.sources, long]) == ""
    assert refusal(world, sources=[long] * 6) == "BadSettings"


def refusal(world: PenaltyWorld, **changes: Any) -> str:
    """Name of the error with which the constructor ends; nothing if the contract is made."""
    try:
        world.evm.create(contracts.load("Penalties"), *world.arguments(**changes))
    except RuntimeError as e:
        return str(error_of(str(e).split("output: ")[1].split(" ", maxsplit=1)[0])[0])
    return ""
