"""Rewards through EigenLayer's real RewardsCoordinator of v1.4, claimed by a root.

The root is posted by the account that EigenLayer names its updater: what it computes off chain is computed here.
"""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import decode
from eth_utils.crypto import keccak

from demo.world.eigenlayer import DAY_S, EigenTerms
from tests.contracts.evm_process import OWNER
from tests.contracts.stake.eigen_world import (
    ETHER,
    LRT_RATE,
    OPERATORS,
    REVERTS,
    REWARDS,
    STAKERS,
    WHOLE,
    EigenWorld,
    claims_of,
)

OPERATOR, STAKER = OPERATORS[0], STAKERS[0]
NOBODY = "0x" + "00" * 20
SUBMITTED = keccak(text="RewardSubmitted(address,address,uint256,uint256,uint256)")
CREATED = keccak(
    text="OperatorDirectedOperatorSetRewardsSubmissionCreated(address,bytes32,(address,uint32),uint256,"
    "((address,uint96)[],address,(address,uint256)[],uint32,uint32,string))"
)
SUBMISSION = "((address,uint96)[],address,(address,uint256)[],uint32,uint32,string)"


def serving(terms: EigenTerms | None = None) -> EigenWorld:
    world = EigenWorld(terms)
    world.deposit(STAKER, world.strategies.wdiveth, 100 * ETHER)
    world.joined(OPERATOR, 0, (world.strategies.wdiveth, WHOLE))
    world.delegate(STAKER, OPERATOR)
    return world


def pay(world: EigenWorld, amount: int = 10 * ETHER, asset: str = "", value: int = 0) -> str:
    """The rewards contract pays; a token is handed over before."""
    evm, token = world.evm, asset or world.wdiveth
    if token != NOBODY:
        evm.evm.message_call(OWNER, token, b"", amount * 2)
        evm.ok(token, "transfer", world.source, amount)
    data = keccak(text="reward(address,address,uint256)")[:4] + b"".join(
        bytes.fromhex(a[2:]).rjust(32, b"\0") for a in (OPERATOR, token)
    )
    try:
        evm.evm.message_call(REWARDS, world.source, data + amount.to_bytes(32, "big"), value)
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
    evm.jump(5 * DAY_S)
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


def test_a_reward_is_for_the_days_since_the_operator_was_paid_last() -> None:
    """So whoever delegates on the last day does not share in what was earned before."""
    world = serving()
    evm, registered = world.evm, world.evm.now
    first = day(registered) + DAY_S
    evm.jump(5 * DAY_S)
    assert pay(world) == ""
    assert told(world) == (first, day(evm.now - 1) - first)
    until = day(evm.now - 1)
    evm.jump(3_600)
    assert pay(world) == ""
    assert told(world) == (until - DAY_S, DAY_S), "no day has passed: the last one again"
    assert pay(world, 5, NOBODY, 5) == ""
    assert told(world) == (first, until - first), "in another token it was not paid yet"
    evm.jump(3 * DAY_S)
    assert pay(world) == ""
    assert told(world) == (until, day(evm.now - 1) - until)
    evm.jump(200 * DAY_S)
    assert pay(world) == ""
    start, duration = told(world)
    assert (start + duration, duration) == (day(evm.now - 1), 70 * DAY_S), "as long as EigenLayer lets it be"


@pytest.mark.parametrize(
    ("terms", "longest"),
    [
        (EigenTerms(retroactive_s=10 * DAY_S), 9 * DAY_S),
        (EigenTerms(interval_s=2 * DAY_S, longest_s=9 * DAY_S), 8 * DAY_S),
        (EigenTerms(interval_s=2 * DAY_S, retroactive_s=7 * DAY_S), 6 * DAY_S),
    ],
)
def test_a_reward_keeps_eigenlayer_s_bounds(terms: EigenTerms, longest: int) -> None:
    """Whatever the hour."""
    world = serving(terms)
    evm = world.evm
    evm.jump(40 * DAY_S)
    for _ in range(24):
        evm.jump(7_211)
        assert pay(world, 7, NOBODY, 7) == ""
        start, duration = told(world)
        assert start % terms.interval_s == duration % terms.interval_s == 0
        assert 0 < duration <= longest
        assert start + duration < evm.now
        evm.jump(50 * DAY_S)
    evm.jump(-evm.now % terms.interval_s)
    assert pay(world, 7, NOBODY, 7) == "", "in the second in which a day begins"


def test_a_strategy_that_cannot_earn_takes_no_other_along() -> None:
    world = serving()
    evm, strategies = world.evm, world.strategies
    evm.jump(2 * DAY_S)
    evm.ok(world.core.strategies, "removeStrategiesFromDepositWhitelist", [strategies.wdiveth])
    assert pay(world) == ""
    paid = [s for s, _ in submission(world)[2][0]]
    assert paid == [s.lower() for s in strategies.ascending() if s != strategies.wdiveth]
    evm.replace_code(strategies.lrt, REVERTS)
    assert pay(world) == ""
    assert [s for s, _ in submission(world)[2][0]] == [strategies.native.lower()]


def test_ether_that_does_not_fit_is_refused() -> None:
    world = serving()
    world.evm.jump(2 * DAY_S)
    bad = keccak(text="BadReward()")[:4].hex()
    assert bad in pay(world, 10, NOBODY, 9)
    assert bad in pay(world, 10, NOBODY, 11)
    assert bad in pay(world, 10, world.wdiveth, 10)
    world.source = world.source_over(world.settings(weth=NOBODY), world.listed())
    assert bad in pay(world, 10, NOBODY, 10)
    nothing = world.evm.call(world.source, "reward", OPERATOR, world.wdiveth, 0, sender=REWARDS)[0]
    assert nothing == "0x" + keccak(text="AmountIsZero()")[:4].hex()


def test_a_token_that_was_not_handed_over_is_not_paid() -> None:
    world = serving()
    evm = world.evm
    evm.jump(2 * DAY_S)
    assert evm.call(world.source, "reward", OPERATOR, world.wdiveth, 5, sender=REWARDS)[0] != ""
    for code in (REVERTS, "600060005260206000f3", ""):
        evm.replace_code(world.lrt, code)
        assert evm.call(world.source, "reward", OPERATOR, world.lrt, 5, sender=REWARDS)[0] == "CallFailed"
