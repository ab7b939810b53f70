"""`Penalties` over the module's own delegations, in real wdivETH: who pays for a lie, who is paid, and who gets it back.

The set, the key book and the token's value are stand-ins.
"""

from __future__ import annotations

import pytest

from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import GUARDIAN, STRANGER, TREASURY
from tests.contracts.stake.penalty_delegations import DELEGATED, OWN, RESTAKER, DelegatedPenalties
from tests.contracts.stake.penalty_world import (
    ANSWER_S,
    LEAST,
    TAKEN,
    Lie,
    operator,
)


@pytest.fixture
def world() -> DelegatedPenalties:
    return DelegatedPenalties()


def test_a_lie_costs_the_operator_and_who_delegated_to_it_alike(world: DelegatedPenalties) -> None:
    case_id = world.lied(1)
    put = 100 * LEAST
    assert world.tokens(1, operator(1)) == OWN - OWN // 100
    assert world.tokens(1, RESTAKER) == DELEGATED - DELEGATED // 100
    assert world.evm.call(world.source, "withdraw", operator(1), sender=RESTAKER)[0] != ""
    before = world.held(TREASURY)
    world.carry_out(case_id)
    assert (world.held(STRANGER), world.held(TREASURY) - before) == (put // 20, put - put // 20)
    assert world.outcome(case_id) == TAKEN
    assert [world.pool(n) for n in (0, 2, 3)] == [OWN + DELEGATED] * 3
    assert world.held(world.source) == world.whole - put


def test_a_top_up_takes_what_is_left_of_the_pool(world: DelegatedPenalties) -> None:
    case_id = world.lied(1)
    for other in (3, 4, 5):
        world.lied(other)
    world.ok("topUp", case_id, sender=GUARDIAN)
    assert world.pool(1) == 0
    world.carry_out(case_id)
    assert world.held(STRANGER) == 100 * WAD * 5 // 100
    assert world.held(TREASURY) == 100 * WAD * 95 // 100


def test_a_give_back_leaves_every_position_as_it_was(world: DelegatedPenalties) -> None:
    case_id = world.lied(1)
    world.lied(3)
    world.ok("topUp", case_id)
    assert world.pool(1) < OWN + DELEGATED - WAD
    world.give_back(case_id)
    assert (world.tokens(1, operator(1)), world.tokens(1, RESTAKER)) == (OWN, DELEGATED)


def test_an_exit_that_is_open_ends_with_a_proof(world: DelegatedPenalties) -> None:
    """Stake that could leave in this very block is put aside if the proof comes first; and it opens after the last word is old."""
    world.evm.ok(world.source, "requestExit", operator(1), DELEGATED, sender=RESTAKER)
    world.evm.jump(ANSWER_S)
    assert world.evm.call(world.source, "withdraw", operator(1), sender=RESTAKER)[0] == "TooEarly"
    world.prove(Lie(keys=(1, 1)))
    world.evm.jump(1)
    assert world.evm.call(world.source, "withdraw", operator(1), sender=RESTAKER)[0] == "CaseOpen"
    assert world.tokens(1, RESTAKER) == DELEGATED - DELEGATED // 100


@pytest.mark.parametrize(("own", "found"), [(0, 0), (1, 50), (5, 250), (10, 500), (50, 500)])
def test_nobody_proves_himself_for_profit(own: int, found: int) -> None:
    """However little of its pool is its own, in per cent: it finds no more than half of what it loses, in every step."""
    world = DelegatedPenalties(own * WAD)
    case_id = world.prove(Lie(keys=(1, 1)), sender=operator(1))
    before = world.held(operator(1))
    for other in (3, 4):
        world.lied(other)
        world.ok("topUp", case_id, sender=operator(1))
    world.carry_out(case_id)
    lost = own * WAD - world.tokens(1, operator(1))
    taken = 100 * WAD - world.pool(1)
    assert (own == 0) == (lost == 0)
    got = world.held(operator(1)) - before
    assert taken * found // 10_000 - 3 <= got <= min(lost // 2, taken * found // 10_000)
