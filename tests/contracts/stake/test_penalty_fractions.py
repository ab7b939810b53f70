"""What part of its stake a proven operator loses: little alone, all with who else lied; top-ups, and who gets what of it."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import GUARDIAN, STRANGER
from tests.contracts.stake.penalty_world import (
    ANSWER_S,
    ARBITER,
    DAY,
    DISPUTE_S,
    DISPUTED,
    EPOCH_S,
    FINDER_BPS,
    FOREVER,
    JAIL_S,
    LEAST,
    RETURNED,
    TAKEN,
    Lie,
    PenaltyWorld,
    key,
    operator,
)

SEVEN = (3, 2, 2, 1, 1, 1, 1)
"""W = 11, T = 8, so 2T - W = 5."""


def due(own: int, others: int, enough: int) -> int:
    """The fraction, by what the contract's documents say."""
    if own + others >= enough:
        return WAD
    return LEAST + int(Fraction((WAD - LEAST) * others, enough - own))


# ------------------------------------------------------------------------------------------------------------ fraction


def test_the_fraction_rises_with_who_else_lied() -> None:
    """Linear in the others' weight, up to all where all of them together have 2T - W."""
    world = PenaltyWorld(SEVEN)
    case_id = world.lied(1)
    assert world.fraction(case_id) == due(2, 0, 5) == LEAST
    told = []
    for other in (3, 4, 5, 6):
        world.lied(other)
        told.append(world.ok("fractionDue", case_id))
    assert told == [due(2, n, 5) for n in (1, 2, 3, 4)]
    assert LEAST < told[0] < told[1] < told[2] == told[3] == WAD
    assert world.fraction(case_id) == LEAST, "until somebody tops it up"


def test_who_lies_last_loses_by_all_before() -> None:
    world = PenaltyWorld(SEVEN)
    fractions = [world.fraction(world.lied(n)) for n in (3, 4, 1)]
    assert fractions == [due(1, 0, 5), due(1, 1, 5), due(2, 2, 5)]
    assert world.fraction(world.lied(5)) == WAD
    assert [world.jailed_until(n) for n in (1, 5)] == [world.evm.now + JAIL_S, FOREVER]


@pytest.mark.parametrize(("weights", "whole"), [((4, 1, 1, 1, 1), True), ((1, 1, 1, 1, 1), False), ((6, 1, 1), True)])
def test_an_operator_that_alone_can_seal_two_contents_loses_all(weights: tuple[int, ...], *, whole: bool) -> None:
    world = PenaltyWorld(weights)
    case_id = world.lied(0)
    assert world.fraction(case_id) == (WAD if whole else LEAST)
    assert (world.stake(0) == 0) is whole
    assert (world.jailed_until(0) == FOREVER) is whole


def test_neighbouring_epochs_count_and_further_ones_do_not() -> None:
    """An operator counts once, with the most that it had; what was given back does not."""
    world = PenaltyWorld(SEVEN)
    for epoch in (2, 3, 4):
        world.freeze(epoch, weights=dict(enumerate(SEVEN)) | ({3: 2} if epoch == 3 else {}))
    case_id = world.lied(1, epochs=(2, 2))

    def due_with(others: int) -> None:
        assert world.ok("fractionDue", case_id) == due(2, others, 5)

    world.lied(3, epochs=(4, 4))
    due_with(0)
    world.lied(3, epochs=(1, 1))
    due_with(1)
    twice = world.lied(3, epochs=(3, 3))
    due_with(2)
    world.give_back(twice)
    due_with(1)
    given = world.lied(4, epochs=(1, 1))
    again = world.lied(4, epochs=(2, 2))
    due_with(2)
    world.give_back(given)
    due_with(2)
    world.give_back(again)
    due_with(1)
    assert world.ok("fractionDue", bytes(32)) == 0


def test_the_fraction_is_the_model_s_over_random_lies() -> None:
    """Any order of lies in any epochs with any weights, and of give-backs."""
    for seed in range(12):
        rng = random.Random(seed)
        world = PenaltyWorld((1,), stake=0)
        for n in range(6):
            world.evm.ok(world.book, "set", operator(n), key(n))
        sets = {e: {n: rng.randrange(1, 50) for n in range(6)} for e in range(1, 7)}
        for epoch, weights in sets.items():
            world.freeze(epoch, weights=weights)
        cases: dict[tuple[int, int], bytes] = {}
        given: set[tuple[int, int]] = set()
        for _ in range(14):
            epoch, n = rng.randrange(1, 7), rng.randrange(6)
            if (epoch, n) not in cases:
                cases[epoch, n] = world.lied(n, epochs=(epoch, epoch))
                assert world.fraction(cases[epoch, n]) == modelled(sets, cases.keys() - given, epoch, n)
            elif (epoch, n) not in given and rng.random() < 0.5:
                world.give_back(cases[epoch, n])
                given.add((epoch, n))
        for (epoch, n), case_id in cases.items():
            assert world.ok("fractionDue", case_id) == modelled(sets, cases.keys() - given, epoch, n)


def modelled(sets: dict[int, dict[int, int]], lies: set[tuple[int, int]], epoch: int, number: int) -> int:
    """Fraction by the sets' weights and the lies that count."""
    total = sum(sets[epoch].values())
    others = {n for e, n in lies if abs(e - epoch) <= 1 and n != number}
    most = [max(sets[e][n] for e, m in lies if m == n and abs(e - epoch) <= 1) for n in others]
    return due(sets[epoch][number], sum(most), 2 * (total * 2 // 3 + 1) - total)


def test_a_jail_for_ever_is_not_cut_short_by_a_smaller_case() -> None:
    world = PenaltyWorld((5, 1, 1))
    world.lied(0)
    assert world.jailed_until(0) == FOREVER
    world.freeze(2, weights={0: 1, 1: 5, 2: 5})
    second = world.lied(0, epochs=(2, 2))
    assert world.jailed_until(0) == FOREVER
    world.give_back(second)
    assert world.jailed_until(0) == FOREVER


@pytest.mark.parametrize("great", [1, 2])
def test_a_jail_for_ever_ends_with_the_case_that_brought_it(great: int) -> None:
    """Whichever epoch's came first: the other case's jail is served, and no more."""
    world = PenaltyWorld((5, 1, 1))
    for epoch in (1, 2):
        world.freeze(epoch, weights={0: 5, 1: 1, 2: 1} if epoch == great else {0: 1, 1: 5, 2: 5})
    cases, proven_at = {}, {}
    for epoch in (1, 2):
        world.evm.jump(DAY)
        cases[epoch], proven_at[epoch] = world.lied(0, epochs=(epoch, epoch)), world.evm.now
    small = 3 - great
    assert [world.fraction(cases[e]) for e in (great, small)] == [WAD, LEAST]
    assert world.jailed_until(0) == FOREVER
    world.give_back(cases[great])
    assert world.jailed_until(0) == proven_at[small] + JAIL_S
    world.give_back(cases[small])
    assert world.jailed_until(0) == world.evm.now


# ------------------------------------------------------------------------------------------------------------- top-up


def test_a_later_proof_tops_up() -> None:
    """What is put aside in the end is the fraction that is due in the end, whoever came when; its dispute is a whole one."""
    world = PenaltyWorld(SEVEN, sources=2)
    case_id = world.lied(1)
    world.evm.jump(DAY)
    assert world.refused("topUp", case_id) == "NothingDue"
    world.lied(3)
    world.ok("topUp", case_id, sender=GUARDIAN)
    now = due(2, 1, 5)
    assert world.fraction(case_id) == now
    assert world.case(case_id)[2] == world.evm.now + DISPUTE_S
    for source in (0, 1):
        assert world.stake(1, source) == pytest.approx(32 * (WAD - now), abs=64)
    assert world.refused("topUp", case_id) == "NothingDue"
    world.evm.jump(DAY)
    world.lied(2)
    world.ok("topUp", case_id)
    assert world.fraction(case_id) == WAD
    assert [world.stake(1, s) for s in (0, 1)] == [0, 0]
    assert world.jailed_until(1) == FOREVER
    assert world.case(case_id)[5:8] == (3, 0, DISPUTED)
    world.carry_out(case_id)
    assert world.events("Settled")[0][1] == (TAKEN, 64 * WAD)
    assert world.case(case_id)[5:8] == (3, 3, TAKEN)


def test_a_case_that_was_taken_is_topped_up_while_its_words_can_be_proven() -> None:
    """With a dispute of its own, in which the arbiter gives back what is not taken yet, and no more."""
    world = PenaltyWorld(SEVEN)
    case_id = world.lied(1)
    world.end_dispute(case_id)
    world.lied(3)
    assert world.refused("topUp", case_id) == "NotNow", "a dispute that is over stays over"
    world.ok("carryOut", case_id)
    taken = 32 * LEAST
    world.ok("topUp", case_id)
    assert world.case(case_id)[5:8] == (2, 1, DISPUTED)
    assert world.refused("carryOut", case_id) == "NotNow"
    assert world.refused("retry", case_id, 0, 0) == "NotNow"
    assert world.stake(1) == pytest.approx(32 * (WAD - due(2, 1, 5)), abs=64)
    world.give_back(case_id)
    assert world.stake(1) == 32 * WAD - taken
    assert world.case(case_id)[5:8] == (2, 2, RETURNED)
    assert world.refused("topUp", case_id) == "NotNow"


def test_nothing_is_put_aside_when_words_can_no_longer_be_proven() -> None:
    """So every step is over within the time that a source's stake is within reach for."""
    world = PenaltyWorld(SEVEN)
    world.evm.jump(EPOCH_S)
    world.freeze(2)
    world.evm.jump(ANSWER_S - EPOCH_S - DAY)
    case_id = world.lied(1)
    world.lied(3, epochs=(2, 2))
    world.evm.jump(DAY)
    world.ok("topUp", case_id)
    assert world.case(case_id)[2] == world.evm.now + DISPUTE_S
    world.lied(4, epochs=(2, 2))
    world.evm.jump(1)
    assert world.ok("fractionDue", case_id) > world.fraction(case_id)
    assert world.refused("topUp", case_id) == "TooLate"


# ----------------------------------------------------------------------------------------------------- who gets what


@pytest.mark.parametrize("liars", [(1,), (1, 3), (1, 0), (0, 1, 2, 3, 4, 5, 6)])
def test_nobody_proves_himself_for_profit(liars: tuple[int, ...]) -> None:
    """Operators that own their stake and are their own finders, together and with every top-up: they lose all but a twentieth."""
    world = PenaltyWorld(SEVEN)
    before = {n: world.balance(operator(n)) for n in liars}
    for n in liars:
        world.evm.evm.set_balance(operator(n), before[n] + WAD)
    cases = {n: world.prove(Lie(keys=(n, n)), sender=operator(n)) for n in liars}
    for n, case_id in cases.items():
        world.call("topUp", case_id, sender=operator(n))
    for n, case_id in cases.items():
        world.carry_out(case_id)
        found = world.balance(operator(n)) - before[n] - WAD
        lost = 32 * WAD - world.stake(n)
        assert found <= lost * FINDER_BPS // 10_000
        assert found >= lost * FINDER_BPS // 10_000 - 2
        assert found < lost
        assert lost >= 32 * LEAST


def test_what_was_given_back_finds_nothing() -> None:
    world = PenaltyWorld(SEVEN)
    before = world.balance(STRANGER)
    case_id = world.lied(1)
    world.give_back(case_id)
    world.evm.jump(DISPUTE_S)
    assert world.refused("carryOut", case_id) == "NotNow"
    assert (world.balance(STRANGER), world.balance(ARBITER)) == (before, 0)
    assert world.stake(1) == 32 * WAD
