"""Stake in EigenLayer's real core of v1.4: what it counts for, how it leaves, how a penalty takes it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.contracts.evm_process import OWNER
from tests.contracts.stake.eigen_world import (
    DELAY,
    ETHER,
    LRT_RATE,
    NO_CONSENT,
    OPERATORS,
    REACH_S,
    STAKERS,
    WHOLE,
    EigenWorld,
    case,
    core_error,
    registration,
)

OPERATOR, STAKER, OTHER_STAKER = OPERATORS[0], STAKERS[0], STAKERS[1]
DEPOSIT, NATIVE_DEPOSIT = 1_000 * ETHER, 320 * ETHER


def staked(*, allocated: int = WHOLE) -> EigenWorld:
    """An operator of the set with wdivETH and native ether behind it, both allocated by this part."""
    world = EigenWorld()
    for staker, strategy, amount in (
        (STAKER, world.strategies.wdiveth, DEPOSIT),
        (OTHER_STAKER, world.strategies.native, NATIVE_DEPOSIT),
    ):
        world.deposit(staker, strategy, amount)
    world.joined(OPERATOR, 0, *((s, allocated) for s in (world.strategies.wdiveth, world.strategies.native)))
    world.delegate(STAKER, OPERATOR)
    world.delegate(OTHER_STAKER, OPERATOR)
    world.evm.mine()
    return world


# ------------------------------------------------------------------------------------------------------ what stake is


def test_stake_is_what_was_deposited_delegated_and_allocated_to_the_wei() -> None:
    world = EigenWorld()
    strategies, evm = world.strategies, world.evm
    evm.ok(world.core.delegation, "registerAsOperator", "0x" + "00" * 20, 50, "", sender=OPERATOR)
    evm.mine(126_001)
    assert world.register(OPERATOR, world.data(OPERATOR, 0)) == ""
    assert evm.ok(world.set, "isCandidate", OPERATOR) is True
    world.deposit(STAKER, strategies.wdiveth, DEPOSIT)
    world.delegate(STAKER, OPERATOR)
    assert world.stake(OPERATOR) == 0, "nothing is allocated"
    assert world.allocate(OPERATOR, (strategies.wdiveth, WHOLE // 4), (strategies.lrt, WHOLE)) == ""
    evm.mine(49)
    assert world.stake(OPERATOR) == 0, "an allocation counts once its delay is over"
    evm.mine(1)
    assert world.by_kind(OPERATOR) == (DEPOSIT // 4, 0)
    world.deposit(STAKER, strategies.wdiveth, 8 * ETHER)
    assert world.stake(OPERATOR) == DEPOSIT // 4 + 2 * ETHER, "what a delegated staker adds counts"
    world.deposit(OTHER_STAKER, strategies.lrt, 100 * ETHER)
    world.deposit(OTHER_STAKER, strategies.native, NATIVE_DEPOSIT)
    before = world.stake(OPERATOR)
    world.delegate(OTHER_STAKER, OPERATOR)
    assert world.stake(OPERATOR) == before + 100 * LRT_RATE, "native ether is not allocated"
    assert world.allocate(OPERATOR, (strategies.native, WHOLE // 2)) == ""
    evm.mine(50)
    assert world.by_kind(OPERATOR) == (before + 100 * LRT_RATE, NATIVE_DEPOSIT // 2)
    assert world.stake(OPERATOR) == sum(world.by_kind(OPERATOR))
    assert world.slashable(OPERATOR) == world.stake(OPERATOR)


def test_tokens_are_worth_what_their_own_contract_says() -> None:
    world = staked()
    evm = world.evm
    evm.jump(86_400)
    total = int(evm.ok(world.diveth, "totalEther"))
    evm.ok(world.diveth, "rebase", evm.now, 86_400, total * 10_001 // 10_000, 0)
    rate = int(evm.ok(world.wdiveth, "getRate"))
    assert rate > ETHER
    assert world.by_kind(OPERATOR) == (DEPOSIT * rate // ETHER, NATIVE_DEPOSIT)
    evm.ok(world.diveth, "rebase", evm.now, 86_400, total // 2, 0)
    assert world.by_kind(OPERATOR)[0] == DEPOSIT * int(evm.ok(world.wdiveth, "getRate")) // ETHER


# ------------------------------------------------------------------------------------------------------- what leaves


def deallocates(world: EigenWorld) -> None:
    out = [(s, 0) for s in (world.strategies.wdiveth, world.strategies.native)]
    assert world.allocate(OPERATOR, *out) == ""


def deregisters(world: EigenWorld) -> None:
    assert world.deregister(OPERATOR) == ""
    assert world.evm.ok(world.set, "isCandidate", OPERATOR) is False


def withdraws(world: EigenWorld) -> None:
    world.withdraw(STAKER, world.strategies.wdiveth, DEPOSIT)
    world.withdraw(OTHER_STAKER, world.strategies.native, NATIVE_DEPOSIT)


def undelegates(world: EigenWorld) -> None:
    for staker in (STAKER, OTHER_STAKER):
        world.evm.ok(world.core.delegation, "undelegate", staker, sender=staker)


@pytest.mark.parametrize("leave", [deallocates, deregisters, withdraws, undelegates])
def test_what_is_leaving_stays_slashable_until_it_can_no_longer_be_proven(
    leave: Callable[[EigenWorld], None],
) -> None:
    """It counts no longer from the moment it leaves, and can be slashed to the last block of the delay."""
    world = staked()
    evm, all_of_it = world.evm, DEPOSIT + NATIVE_DEPOSIT
    capture = evm.now
    assert (world.stake(OPERATOR), world.slashable(OPERATOR)) == (all_of_it, all_of_it)
    leave(world)
    assert (world.stake(OPERATOR), world.slashable(OPERATOR, capture)) == (0, all_of_it)
    assert int(evm.ok(world.source, "reachS")) == REACH_S
    evm.mine(DELAY)
    assert evm.now == capture + REACH_S
    assert (world.stake(OPERATOR), world.slashable(OPERATOR, capture)) == (0, all_of_it)
    assert world.seize(OPERATOR, WHOLE // 10, case(1), capture) == ("", all_of_it // 10)
    assert world.take(case(1)) == ("", all_of_it // 10)
    assert world.slashable(OPERATOR, capture) == all_of_it * 9 // 10
    evm.mine(1)
    assert (world.stake(OPERATOR), world.slashable(OPERATOR, capture)) == (0, 0)
    assert world.slashable(OPERATOR) == 0, "also as of now: it is gone"
    assert world.seize(OPERATOR, WHOLE, case(2))[0] == "NothingToHold"


def test_nothing_that_is_on_its_way_out_counts_however_near_its_end() -> None:
    world = staked()
    strategy = world.strategies.wdiveth
    for part in (3, 2):
        assert world.allocate(OPERATOR, (strategy, WHOLE * part // 4)) == ""
        assert world.by_kind(OPERATOR)[0] == DEPOSIT * part // 4
        world.evm.mine(DELAY)
        assert world.by_kind(OPERATOR)[0] == DEPOSIT * part // 4
        world.evm.mine(1)
    assert world.slashable(OPERATOR) == DEPOSIT // 2 + NATIVE_DEPOSIT


def test_who_comes_back_counts_again_and_keeps_its_key() -> None:
    world = staked()
    deregisters(world)
    assert world.register(OPERATOR, world.data(OPERATOR, 1)) == core_error("AlreadyMemberOfSet"), (
        "while it is slashable"
    )
    world.evm.mine(DELAY + 1)
    key = world.evm.ok(world.book, "keyOf", OPERATOR)
    from_before = world.register(OPERATOR, registration(NO_CONSENT))
    assert (from_before, world.evm.ok(world.book, "keyOf", OPERATOR)) == ("", key)
    assert world.stake(OPERATOR) == DEPOSIT + NATIVE_DEPOSIT


# ---------------------------------------------------------------------------------------------------------- penalties


def burnable(world: EigenWorld) -> tuple[int, int]:
    """Shares that wait to be burned: of wdivETH, of native ether."""
    evm, core = world.evm, world.core
    liquid = evm.ok(core.strategies, "getBurnableShares", world.strategies.wdiveth)
    return int(liquid), int(evm.ok(core.pods, "burnableShares"))


@pytest.mark.parametrize("part", [1, 3, 50, 100])
def test_a_penalty_takes_its_fraction_once_the_dispute_is_over(part: int) -> None:
    world = staked(allocated=WHOLE // 2)
    all_of_it = (DEPOSIT + NATIVE_DEPOSIT) // 2
    fraction = WHOLE * part // 100
    assert world.seize(OPERATOR, fraction, case(1)) == ("", all_of_it * part // 100)
    assert world.stake(OPERATOR) == all_of_it - all_of_it * part // 100, "what is spoken for counts no longer"
    assert world.slashable(OPERATOR) == world.stake(OPERATOR)
    assert (burnable(world), world.withdrawable(STAKER, world.strategies.wdiveth)) == ((0, 0), DEPOSIT)
    world.evm.mine(7 * 7_200)
    assert world.take(case(1)) == ("", all_of_it * part // 100)
    lost = tuple(whole * part // 200 for whole in (DEPOSIT, NATIVE_DEPOSIT))
    assert burnable(world) == lost
    assert world.withdrawable(STAKER, world.strategies.wdiveth) == DEPOSIT - lost[0]
    assert world.withdrawable(OTHER_STAKER, world.strategies.native) == NATIVE_DEPOSIT - lost[1]
    assert [world.magnitude(OPERATOR, s) for s in (world.strategies.wdiveth, world.strategies.native)] == [
        WHOLE // 2 - WHOLE * part // 200
    ] * 2
    assert abs(world.stake(OPERATOR) - (all_of_it - all_of_it * part // 100)) <= 2_000, "EigenLayer's own rounding"
    evm, token = world.evm, world.wdiveth
    held = int(evm.ok(token, "balanceOf", world.strategies.wdiveth))
    evm.ok(world.core.strategies, "burnShares", world.strategies.wdiveth)
    assert int(evm.ok(token, "balanceOf", world.strategies.wdiveth)) == held - lost[0]
    assert world.take(case(1))[0] == "UnknownCase", "once"


def test_a_restored_case_slashes_nothing() -> None:
    world = staked()
    all_of_it = DEPOSIT + NATIVE_DEPOSIT
    assert world.seize(OPERATOR, WHOLE, case(1)) == ("", all_of_it)
    assert (world.stake(OPERATOR), world.slashable(OPERATOR)) == (0, 0)
    assert world.restore(case(1)) == ""
    assert (world.stake(OPERATOR), world.slashable(OPERATOR), burnable(world)) == (all_of_it, all_of_it, (0, 0))
    assert (world.take(case(1))[0], world.restore(case(1))) == ("UnknownCase", "UnknownCase")
    assert [world.magnitude(OPERATOR, s) for s in (world.strategies.wdiveth, world.strategies.native)] == [WHOLE] * 2


@pytest.mark.parametrize("restored", [None, 0, 1, 2])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_two_cases_compose(order: tuple[int, ...], restored: int | None) -> None:
    """Each takes its part of what the others had left when it was opened, in whatever order; three, so that one is between."""
    world = staked()
    fractions = (WHOLE // 2, WHOLE // 4, WHOLE)
    left, values = DEPOSIT + NATIVE_DEPOSIT, []
    for number, fraction in enumerate(fractions):
        values.append(left * fraction // WHOLE)
        assert world.seize(OPERATOR, fraction, case(number)) == ("", values[-1])
        left -= values[-1]
        assert world.slashable(OPERATOR) == left
    assert world.seize(OPERATOR, WHOLE, case(3))[0] == "NothingToHold", "all is spoken for"
    assert world.seize(OPERATOR, WHOLE, case(0))[0] == "KnownCase"
    for number in order:
        if number == restored:
            assert world.restore(case(number)) == ""
        else:
            error, value = world.take(case(number))
            assert (error, abs(value - values[number]) <= 10) == ("", True)
    back = 0 if restored is None else values[restored]
    assert abs(world.slashable(OPERATOR) - back) <= 10
    assert abs(sum(burnable(world)) - (DEPOSIT + NATIVE_DEPOSIT - back)) <= 10


def test_what_is_allocated_after_a_proof_is_not_slashed_for_it() -> None:
    world = staked(allocated=WHOLE // 4)
    strategies = world.strategies
    quarter = (DEPOSIT + NATIVE_DEPOSIT) // 4
    assert world.seize(OPERATOR, WHOLE, case(1)) == ("", quarter)
    assert world.allocate(OPERATOR, (strategies.wdiveth, WHOLE), (strategies.native, WHOLE)) == ""
    world.evm.mine()
    assert world.stake(OPERATOR) == 3 * quarter
    assert world.take(case(1)) == ("", quarter)
    assert world.magnitude(OPERATOR, strategies.wdiveth) == WHOLE * 3 // 4


def test_what_leaves_after_a_proof_is_slashed_with_the_rest() -> None:
    """A deallocation in between frees less: magnitude that is slashed comes off what is leaving and what stays alike."""
    world = staked()
    all_of_it = DEPOSIT + NATIVE_DEPOSIT
    strategies = world.strategies
    capture = world.evm.now
    assert world.seize(OPERATOR, WHOLE // 2, case(1), capture) == ("", all_of_it // 2)
    assert world.allocate(OPERATOR, (strategies.wdiveth, WHOLE // 4), (strategies.native, 0)) == ""
    assert world.stake(OPERATOR) == DEPOSIT // 8
    assert world.take(case(1)) == ("", all_of_it // 2)
    assert world.stake(OPERATOR) == DEPOSIT // 8
    assert world.slashable(OPERATOR, capture) == all_of_it // 2


def test_a_penalty_takes_no_more_than_is_left() -> None:
    """What was seized while it was leaving may be gone when the dispute is over: then the rest is taken, and nothing else waits."""
    world = staked()
    capture, strategy = world.evm.now, world.strategies.wdiveth
    assert world.allocate(OPERATOR, (strategy, WHOLE // 4)) == ""
    world.evm.mine(DELAY)
    assert world.seize(OPERATOR, WHOLE, case(1), capture) == ("", DEPOSIT + NATIVE_DEPOSIT)
    world.evm.mine(1)
    assert (world.stake(OPERATOR), world.slashable(OPERATOR)) == (0, 0)
    assert world.take(case(1)) == ("", DEPOSIT // 4 + NATIVE_DEPOSIT)
    assert [world.magnitude(OPERATOR, s) for s in (strategy, world.strategies.native)] == [0, 0]
    assert world.withdrawable(STAKER, strategy) == DEPOSIT * 3 // 4
    assert world.allocate(OPERATOR, (strategy, WHOLE // 4)) == ""
    world.evm.mine(1)
    assert abs(world.by_kind(OPERATOR)[0] - DEPOSIT // 4) <= 1_000, "what is allocated afterwards counts"


def test_a_penalty_that_comes_too_late_is_given_up_and_binds_no_later_stake() -> None:
    world = staked()
    capture = world.evm.now
    deregisters(world)
    world.evm.mine(DELAY)
    assert world.seize(OPERATOR, WHOLE, case(1), capture)[0] == ""
    world.evm.mine(1)
    assert world.take(case(1)) == ("", 0)
    assert burnable(world) == (0, 0)
    assert world.register(OPERATOR, registration(NO_CONSENT)) == ""
    assert world.stake(OPERATOR) == DEPOSIT + NATIVE_DEPOSIT
    for far in (capture, world.evm.now + 1):
        assert world.seize(OPERATOR, WHOLE, case(2), far)[0] == "NothingToHold", (
            "no capture that was not, or is too old"
        )
        assert world.slashable(OPERATOR, far) == 0
    for fraction in (0, WHOLE + 1):
        assert world.seize(OPERATOR, fraction, case(2))[0] == "NothingToHold"


def test_another_service_s_slashing_takes_nothing_of_what_is_allocated_here() -> None:
    """So stake counts whole here: magnitude is for one set only."""
    world = staked(allocated=WHOLE // 2)
    evm, allocations, strategy = world.evm, world.core.allocations, world.strategies.wdiveth
    stake = world.stake(OPERATOR)
    evm.ok(allocations, "updateAVSMetadataURI", OWNER, "")
    evm.ok(allocations, "createOperatorSets", OWNER, [(1, [strategy])])
    evm.replace_code("0x" + "fe" * 20, "600160005260206000f3")
    evm.ok(allocations, "setAVSRegistrar", OWNER, "0x" + "fe" * 20)
    evm.ok(allocations, "registerForOperatorSets", OPERATOR, (OWNER, [1], b""), sender=OPERATOR)
    evm.ok(allocations, "modifyAllocations", OPERATOR, [((OWNER, 1), [strategy], [WHOLE // 2])], sender=OPERATOR)
    evm.mine()
    evm.ok(allocations, "slashOperator", OWNER, (OPERATOR, 1, [strategy], [WHOLE], ""))
    assert world.withdrawable(STAKER, strategy) == DEPOSIT // 2
    assert world.stake(OPERATOR) == stake
