"""Rewards through EigenLayer's real RewardsCoordinator of v1.4, claimed by a root.

The root is posted by the account that EigenLayer names its updater: what it computes off chain is computed here.
"""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from demo.world.eigenlayer import DAY_S, EigenTerms
from tests.contracts.evm_process import OWNER
from tests.contracts.stake.eigen_world import (
    ETHER,
    LRT_RATE,
    NO_CONSENT,
    OPERATORS,
    REVERTS,
    REWARDS,
    STAKERS,
    WHOLE,
    EigenWorld,
    claims_of,
    registration,
)

OPERATOR, STAKER = OPERATORS[0], STAKERS[0]
NOBODY = "0x" + "00" * 20
REWARD = "reward(uint48,address,address,uint256)"
SUBMITTED = keccak(text="RewardSubmitted(address,address,uint256,uint256,uint256)")
CREATED = keccak(
    text="OperatorDirectedOperatorSetRewardsSubmissionCreated(address,bytes32,(address,uint32),uint256,"
    "((address,uint96)[],address,(address,uint256)[],uint32,uint32,string))"
)
SUBMISSION = "((address,uint96)[],address,(address,uint256)[],uint32,uint32,string)"


def serving(terms: EigenTerms | None = None) -> EigenWorld:
    """An operator that was frozen for epoch 1, two days after it registered and two days ago, both at noon."""
    world = registered(terms)
    world.evm.jump(2 * DAY_S)
    freeze(world, 1)
    world.evm.jump(2 * DAY_S)
    return world


def registered(terms: EigenTerms | None = None) -> EigenWorld:
    world = EigenWorld(terms)
    world.deposit(STAKER, world.strategies.wdiveth, 100 * ETHER)
    world.enlist(OPERATOR)
    world.delegate(STAKER, OPERATOR)
    assert world.allocate(OPERATOR, (world.strategies.wdiveth, WHOLE)) == ""
    world.evm.jump(DAY_S * 3 // 2 - world.evm.now % DAY_S)
    register(world)
    return world


def register(world: EigenWorld) -> None:
    """With a key at first, later with the one that it has."""
    data = (
        world.data(OPERATOR, 0) if world.evm.ok(world.book, "keyOf", OPERATOR) == NOBODY else registration(NO_CONSENT)
    )
    assert world.register(OPERATOR, data) == ""


def freeze(world: EigenWorld, epoch: int) -> int:
    """The operator is in the set of an epoch; since when the day lasts."""
    world.evm.ok(world.set, "freeze", epoch, OPERATOR)
    return day(world.evm.now)


def pay(world: EigenWorld, amount: int = 10 * ETHER, asset: str = "", value: int = 0, epoch: int = 1) -> str:
    """The rewards contract pays; a token is handed over before."""
    evm, token = world.evm, asset or world.wdiveth
    if token != NOBODY:
        evm.evm.message_call(OWNER, token, b"", amount * 2)
        evm.ok(token, "transfer", world.source, amount)
    data = encode(["uint48", "address", "address", "uint256"], [epoch, OPERATOR, token, amount])
    try:
        evm.evm.message_call(REWARDS, world.source, keccak(text=REWARD)[:4] + data, value)
    except RuntimeError as e:
        return str(e)
    finally:
        evm.evm.reset_transient_storage()
    return ""


def told(world: EigenWorld) -> tuple[int, int]:
    """Start and duration that were submitted."""
    _, start, duration = decode(["uint256", "uint256", "uint256"], world.evm.event(SUBMITTED))
    return start, duration


def submission(world: EigenWorld) -> Any:
    """What the coordinator keeps of it."""
    return decode(["(address,uint32)", "uint256", SUBMISSION], world.evm.event(CREATED))


def day(seconds: int) -> int:
    return seconds // DAY_S * DAY_S


@pytest.mark.parametrize("asset", ["token", "ether"])
def test_an_operator_and_its_staker_claim_what_was_paid(asset: str) -> None:
    world = serving()
    evm, core, amount = world.evm, world.core, 10 * ETHER
    token = world.wdiveth if asset == "token" else world.weth
    if asset == "token":
        assert pay(world, amount) == ""
    else:
        assert pay(world, amount, NOBODY, amount) == ""
    who, number, (strategies, paid_in, rewards, start, duration, _) = submission(world)
    assert (who, number) == ((world.source.lower(), 7), 0)
    expected = {world.strategies.wdiveth: ETHER, world.strategies.lrt: LRT_RATE, world.strategies.native: ETHER}
    assert strategies == tuple((s.lower(), expected[s]) for s in world.strategies.ascending())
    assert (paid_in, rewards) == (token.lower(), ((OPERATOR, amount),))
    assert (start, duration) == told(world)
    assert int(evm.ok(token, "balanceOf", core.rewards)) == amount
    assert int(evm.ok(token, "balanceOf", world.source)) == 0

    parts = {OPERATOR: amount // 10, STAKER: amount - amount // 10}
    root, claims = claims_of(token, parts)
    evm.ok(core.rewards, "submitRoot", root, start + duration)
    early = evm.call(core.rewards, "processClaim", claims[STAKER], STAKER, sender=STAKER)[0]
    assert early == "0x" + keccak(text="RootNotActivated()")[:4].hex()
    evm.jump(7 * DAY_S)
    for earner, part in parts.items():
        before = int(evm.ok(token, "balanceOf", earner))
        evm.ok(core.rewards, "processClaim", claims[earner], earner, sender=earner)
        assert int(evm.ok(token, "balanceOf", earner)) == before + part
    assert int(evm.ok(token, "balanceOf", core.rewards)) == 0


def refusal(answer: str) -> tuple[str, int]:
    """Error of the source's with a time in it, as `pay` tells it."""
    for name in ("DayNotOver", "DayTooOld"):
        head = keccak(text=f"{name}(uint256)")[:4].hex()
        if head in answer:
            return name, int(answer.partition(head)[2][:64], 16)
    return ("NoDay", 0) if keccak(text="NoDay(uint48,address)")[:4].hex() in answer else (answer, 0)


def test_an_epoch_is_paid_for_the_day_before_its_freeze_whenever_it_is_claimed() -> None:
    """EigenLayer pays a day by what there was at its end: so by who was there before the freeze, and by nobody who came since."""
    world = registered()
    world.evm.jump(3 * DAY_S)
    days = []
    for epoch in (1, 2, 3):
        days.append(freeze(world, epoch) - DAY_S)
        world.evm.jump(7 * DAY_S + 7_211)
    for epoch in (2, 3, 1, 2):
        world.evm.jump(11 * DAY_S)
        assert pay(world, epoch=epoch) == ""
        assert told(world) == (days[epoch - 1], DAY_S)
    assert pay(world, 5, NOBODY, 5, epoch=1) == ""
    assert told(world) == (days[0], DAY_S)


@pytest.mark.parametrize("epoch", [0, 2])
def test_who_was_not_frozen_for_an_epoch_is_paid_nothing_of_it(epoch: int) -> None:
    assert refusal(pay(serving(), epoch=epoch))[0] == "NoDay"


def test_who_was_frozen_on_the_day_of_its_registration_is_paid_by_the_end_of_that_day() -> None:
    """EigenLayer knows it from then on."""
    world = registered()
    today = freeze(world, 1)
    assert refusal(pay(world)) == ("DayNotOver", today + DAY_S)
    world.evm.jump(today + DAY_S - world.evm.now)
    assert refusal(pay(world)) == ("DayNotOver", today + DAY_S), (
        "EigenLayer's own bound: a day ends before it can be paid"
    )
    world.evm.jump(1)
    assert pay(world) == ""
    assert told(world) == (today, DAY_S)


def test_who_left_on_the_day_of_the_freeze_is_paid_by_the_day_before() -> None:
    """EigenLayer knows it until then; and not at all, if it registered the day before."""
    world = registered()
    world.evm.jump(2 * DAY_S)
    today = freeze(world, 1)
    assert world.deregister(OPERATOR) == ""
    world.evm.jump(3 * DAY_S)
    assert pay(world) == ""
    assert told(world) == (today - 2 * DAY_S, DAY_S)
    for days in (0, 1):
        world.evm.mine(200_000)
        register(world)
        world.evm.jump(days * DAY_S)
        freeze(world, 2 + days)
        assert world.deregister(OPERATOR) == ""
        world.evm.jump(3 * DAY_S)
        assert refusal(pay(world, epoch=2 + days))[0] == "NoDay"


def test_who_came_back_after_a_freeze_is_paid_for_it_as_before() -> None:
    world = registered()
    world.evm.jump(2 * DAY_S)
    today = freeze(world, 1)
    world.evm.jump(DAY_S)
    assert world.deregister(OPERATOR) == ""
    world.evm.mine(200_000)
    register(world)
    assert pay(world) == ""
    assert told(world) == (today - DAY_S, DAY_S)


@pytest.mark.parametrize(
    "terms", [EigenTerms(), EigenTerms(interval_s=2 * DAY_S), EigenTerms(retroactive_s=10 * DAY_S)]
)
def test_a_day_that_eigenlayer_takes_no_more_is_refused_and_no_other_is_paid(terms: EigenTerms) -> None:
    """What was not claimed by then stays in the epoch's pot; EigenLayer's own bound is the same to the second."""
    world = registered(terms)
    world.evm.jump(5 * DAY_S)
    freeze(world, 1)
    interval = terms.interval_s
    start = world.evm.now // interval * interval - interval
    world.evm.jump(start + terms.retroactive_s - world.evm.now)
    assert pay(world) == ""
    assert told(world) == (start, interval)
    world.evm.jump(1)
    assert refusal(pay(world)) == ("DayTooOld", start)


def test_nothing_is_paid_for_a_day_before_eigenlayer_s_first() -> None:
    world = EigenWorld()
    first = day(world.evm.now) + 40 * DAY_S
    world = registered(EigenTerms(genesis_s=first))
    world.evm.jump(first - world.evm.now + DAY_S // 2)
    freeze(world, 1)
    world.evm.jump(DAY_S)
    freeze(world, 2)
    world.evm.jump(DAY_S)
    assert refusal(pay(world)) == ("DayTooOld", first - DAY_S)
    assert pay(world, epoch=2) == ""


def test_a_strategy_that_cannot_earn_takes_no_other_along() -> None:
    world = serving()
    evm, strategies = world.evm, world.strategies
    evm.ok(world.core.strategies, "removeStrategiesFromDepositWhitelist", [strategies.wdiveth])
    assert pay(world) == ""
    paid = [s for s, _ in submission(world)[2][0]]
    assert paid == [s.lower() for s in strategies.ascending() if s != strategies.wdiveth]
    evm.replace_code(strategies.lrt, REVERTS)
    assert pay(world) == ""
    assert [s for s, _ in submission(world)[2][0]] == [strategies.native.lower()]


def test_ether_that_does_not_fit_is_refused() -> None:
    world = serving()
    bad = keccak(text="BadReward()")[:4].hex()
    assert bad in pay(world, 10, NOBODY, 9)
    assert bad in pay(world, 10, NOBODY, 11)
    assert bad in pay(world, 10, world.wdiveth, 10)
    world.source = world.source_over(world.settings(weth=NOBODY), world.listed())
    assert bad in pay(world, 10, NOBODY, 10)
    nothing = world.evm.call(world.source, "reward", 1, OPERATOR, world.wdiveth, 0, sender=REWARDS)[0]
    assert nothing == "0x" + keccak(text="AmountIsZero()")[:4].hex()


def test_a_token_that_was_not_handed_over_is_not_paid() -> None:
    world = serving()
    evm = world.evm
    assert evm.call(world.source, "reward", 1, OPERATOR, world.wdiveth, 5, sender=REWARDS)[0] != ""
    for code in (REVERTS, "600060005260206000f3", ""):
        evm.replace_code(world.lrt, code)
        assert evm.call(world.source, "reward", 1, OPERATOR, world.lrt, 5, sender=REWARDS)[0] == "CallFailed"
