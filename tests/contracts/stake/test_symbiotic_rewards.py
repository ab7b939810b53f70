"""Rewards through Symbiotic's own reward contracts: what operators and restakers can claim, to the wei."""

from __future__ import annotations

import random
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from demo.world import npm
from demo.world.symbiotic import DelegatorKind, SymbioticVault
from oracle.stake.claim_tree import CommissionTree
from tests.contracts.contract_tools import compiled
from tests.contracts.stake.symbiotic_world import (
    ANN,
    ANYBODY,
    BOB,
    CURATOR,
    DAY_S,
    LAG_S,
    MAX_COMMISSION_BPS,
    REWARDS,
    RITA,
    SAM,
    STAND_INS,
    WAD,
    SymbioticWorld,
    account,
    selector,
)

ETHER = "0x" + "00" * 20
LATER = account(0x5AFE)
"""Where an operator has its claim sent."""


@pytest.fixture
def world() -> SymbioticWorld:
    made = SymbioticWorld()
    for who, bps in ((ANN, 1_000), (BOB, MAX_COMMISSION_BPS)):
        made.act(made.source, "setCommission", bps, sender=who)
    made.evm.jump(7 * DAY_S)
    return made


def reward(world: SymbioticWorld, operator: str, amount: int, asset: str | None = None) -> None:
    """As the rewards contract: the tokens first, then the call."""
    token = asset or world.wdiv
    world.know(token, npm.own("WdivETH"))
    world.wrap(REWARDS, amount, token)
    world.act(token, "transfer", world.source, amount, sender=REWARDS)
    world.act(world.source, "reward", operator, token, amount, sender=REWARDS)


def ether_reward(world: SymbioticWorld, operator: str, amount: int, value: int) -> None:
    data = encode(["address", "address", "uint256"], [operator, ETHER, amount])
    head = keccak(text="reward(address,address,uint256)")[:4]
    world.evm.evm.message_call(REWARDS, world.source, head + data, value=value)


def published(world: SymbioticWorld, asset: str) -> CommissionTree:
    """Have a root made, and read its leaves from the event."""
    root = world.act(world.source, "publish", asset)
    ((_, told, _, operators, totals),) = world.logs("RootPublished")
    tree = CommissionTree([to_checksum_address(o) for o in operators], list(totals))
    assert tree.root == root == told
    assert world.ask(world.operator_rewards, "root", world.source, asset) == root
    return tree


def claim(world: SymbioticWorld, tree: CommissionTree, operator: str, asset: str) -> Any:
    mine = tree.claim(operator)
    args = (LATER, world.source, asset, mine.total, mine.proof)
    return world.act(world.operator_rewards, "claimRewards", *args, sender=operator)


def staker_rewards(world: SymbioticWorld, made: SymbioticVault) -> str:
    at = to_checksum_address(world.ask(world.source, "stakerRewardsOf", made.vault))
    return world.know(at, "DefaultStakerRewards")


def staker_claim(world: SymbioticWorld, made: SymbioticVault, who: str, asset: str) -> int:
    """What a restaker receives of all that its vault was paid."""
    before = world.balance(who, asset)
    data = encode(["address", "uint256", "bytes[]"], [world.source, 100, []])
    world.act(staker_rewards(world, made), "claimRewards", who, asset, data, sender=who)
    return world.balance(who, asset) - before


def test_operator_and_restakers_claim_what_was_paid_to_the_wei(world: SymbioticWorld) -> None:
    """Two restakers, 3 to 1; the operator has a tenth. All of it in Symbiotic's own contracts."""
    made = world.counted({ANN: 1, BOB: 1}, 300 * WAD)
    world.deposit(SAM, made, 100 * WAD)
    world.evm.jump(LAG_S + 1)
    reward(world, ANN, 10 * WAD)
    tree = published(world, world.wdiv)
    claim(world, tree, ANN, world.wdiv)
    assert world.balance(LATER) == 1 * WAD
    assert staker_claim(world, made, RITA, world.wdiv) == 675 * WAD // 100
    assert staker_claim(world, made, SAM, world.wdiv) == 225 * WAD // 100
    assert world.balance(world.source) == 0
    # totals only grow: the second root pays the difference
    reward(world, ANN, 5 * WAD)
    reward(world, BOB, 10 * WAD)
    tree = published(world, world.wdiv)
    claim(world, tree, ANN, world.wdiv)
    claim(world, tree, BOB, world.wdiv)
    assert world.balance(LATER) == (1 * WAD + WAD // 2) + 3 * WAD
    mine = tree.claim(ANN)
    again = (LATER, world.source, world.wdiv, mine.total, mine.proof)
    refused = world.refused(world.operator_rewards, "claimRewards", *again, sender=ANN)
    assert refused == selector("InsufficientTotalClaimable")
    refused = world.refused(world.operator_rewards, "claimRewards", *again, sender=BOB)
    assert refused == selector("InvalidProof")
    rest = (5 + 10) * WAD - WAD // 2 - 3 * WAD
    assert staker_claim(world, made, RITA, world.wdiv) == rest * 3 // 4
    assert staker_claim(world, made, SAM, world.wdiv) == rest // 4
    assert [world.balance(at) for at in (world.operator_rewards, staker_rewards(world, made))] == [0, 0]


@pytest.mark.parametrize("frozen", [False, True])
def test_vaults_share_by_what_counts_of_the_operator_in_them(world: SymbioticWorld, frozen: bool) -> None:
    shared = world.counted({ANN: 1, BOB: 3}, 200 * WAD)
    alone = world.counted({ANN: 1}, 75 * WAD, kind=DelegatorKind.OPERATOR_NETWORK, operator=ANN, network=world.source)
    other = world.counted({BOB: 1}, 100 * WAD)
    world.evm.jump(LAG_S + 1)
    assert world.stake(ANN) == 100 * WAD
    if frozen:
        world.act(world.set, "freeze", ANN)
        world.evm.jump(12)
    reward(world, ANN, 10 * WAD)
    assert [world.balance(staker_rewards(world, one)) for one in (shared, alone)] == [
        9 * WAD // 4,
        27 * WAD // 4,
    ]
    assert world.ask(world.source, "stakerRewardsOf", other.vault) == ETHER
    assert world.ask(world.source, "earnedOf", ANN, world.wdiv) == WAD


def test_ether_is_paid_wrapped(world: SymbioticWorld) -> None:
    made = world.counted({ANN: 1}, 100 * WAD)
    world.evm.jump(LAG_S + 1)
    with pytest.raises(RuntimeError):
        ether_reward(world, ANN, 10 * WAD, 9 * WAD)
    ether_reward(world, ANN, 10 * WAD, 10 * WAD)
    claim(world, published(world, world.wrapped), ANN, world.wrapped)
    assert world.balance(LATER, world.wrapped) == WAD
    assert staker_claim(world, made, RITA, world.wrapped) == 9 * WAD


def test_shares_of_before_count_and_a_deposit_of_now_takes_nothing(world: SymbioticWorld) -> None:
    made = world.counted({ANN: 1}, 100 * WAD)
    world.evm.jump(LAG_S)
    world.deposit(SAM, made, 10_000 * WAD)
    world.evm.jump(12)
    reward(world, ANN, 10 * WAD)
    assert staker_claim(world, made, RITA, world.wdiv) == 9 * WAD
    assert staker_claim(world, made, SAM, world.wdiv) == 0


def test_stakers_that_cannot_be_paid_yet_wait(world: SymbioticWorld) -> None:
    """Nobody had a share so long ago: what is theirs stays here until their contract takes it."""
    made = world.counted({ANN: 1}, 100 * WAD)
    world.evm.jump(12)
    reward(world, ANN, 10 * WAD)
    assert len(world.logs("StakersWait")) == 1
    assert world.ask(world.source, "unpaid", made.vault, world.wdiv) == 9 * WAD
    world.act(world.source, "payStakers", made.vault, world.wdiv)
    assert world.ask(world.source, "unpaid", made.vault, world.wdiv) == 9 * WAD
    world.evm.jump(LAG_S)
    world.act(world.source, "payStakers", made.vault, world.wdiv)
    assert world.ask(world.source, "unpaid", made.vault, world.wdiv) == 0
    assert staker_claim(world, made, RITA, world.wdiv) == 9 * WAD
    assert world.balance(world.source) == WAD, "the commission, until a root is published"


@pytest.mark.parametrize("way", ["a withdrawal", "a curator", "the operator", "a retired vault"])
def test_what_was_earned_is_paid_after_all_stake_has_left(world: SymbioticWorld, way: str) -> None:
    """To who had the stake when the operator was last frozen, and not to who came in that second or later."""
    made = world.counted({ANN: 1}, 100 * WAD)
    world.evm.jump(100)
    world.act(world.set, "freeze", ANN)
    if way != "a withdrawal":
        world.deposit(SAM, made, 10_000 * WAD, then_s=12)
        world.deposit(SAM, made, 10_000 * WAD)
    if way == "the operator":
        world.leave(ANN, world.source)
    elif way == "a curator":
        world.act(made.delegator, "setNetworkLimit", world.subnetwork, 0, sender=CURATOR)
    else:
        world.act(made.vault, "withdraw", RITA, 100 * WAD, sender=RITA)
    if way == "a retired vault":
        world.act(made.delegator, "setNetworkLimit", world.subnetwork, 0, sender=CURATOR)
        world.act(world.vaults, "retireVault", made.vault)
    world.evm.jump(DAY_S)
    assert world.stake(ANN) == 0
    assert LAG_S < DAY_S
    reward(world, ANN, 10 * WAD)
    assert len(world.logs("StakersPaid")) == 1
    claim(world, published(world, world.wdiv), ANN, world.wdiv)
    assert world.balance(LATER) == WAD
    assert staker_claim(world, made, RITA, world.wdiv) == 9 * WAD
    assert world.balance(world.source) == 0


@pytest.mark.parametrize("observed", [False, True])
def test_a_reward_goes_to_the_stake_that_earned_it(world: SymbioticWorld, observed: bool) -> None:
    """Of the epoch that ended: whatever left meanwhile, came, was frozen since or is looked at in a moment that suits somebody."""
    large, small = world.counted({ANN: 1}, 270 * WAD), world.counted({ANN: 1}, 90 * WAD)
    world.evm.jump(100)
    world.act(world.set, "freeze", ANN)
    world.deposit(SAM, small, 10_000 * WAD, then_s=0)
    world.act(world.set, "begin")
    world.evm.jump(12)
    world.act(large.vault, "withdraw", RITA, 270 * WAD, sender=RITA)
    world.deposit(SAM, small, 10_000 * WAD)
    late = world.counted({ANN: 1}, 500 * WAD)
    world.evm.jump(DAY_S)
    world.act(world.set, "freeze", ANN)
    world.act(world.set, "begin")
    if observed:
        world.act(world.set, "observe", ANN)
    world.evm.jump(12)
    reward(world, ANN, 10 * WAD)
    assert staker_claim(world, large, RITA, world.wdiv) == 27 * WAD // 4
    assert staker_claim(world, small, RITA, world.wdiv) == 9 * WAD // 4
    assert staker_claim(world, small, SAM, world.wdiv) == 0
    assert world.ask(world.source, "stakerRewardsOf", late.vault) == ETHER


def test_who_was_never_frozen_with_stake_earns_nothing(world: SymbioticWorld) -> None:
    world.counted({ANN: 1}, 100 * WAD)
    for _ in range(2):
        assert world.refused(world.source, "reward", BOB, world.wdiv, WAD, sender=REWARDS) == "NothingStaked"
        world.act(world.set, "freeze", BOB)
        world.evm.jump(12)


def test_what_waits_is_paid_though_the_vault_was_emptied(world: SymbioticWorld) -> None:
    """Nobody had a share so long ago, and nobody has one now: it is theirs who had one at the reward."""
    made = world.counted({ANN: 1}, 100 * WAD)
    world.evm.jump(12)
    reward(world, ANN, 10 * WAD)
    assert len(world.logs("StakersWait")) == 1
    world.evm.jump(1)
    world.act(made.vault, "withdraw", RITA, 100 * WAD, sender=RITA)
    world.evm.jump(30 * DAY_S)
    world.act(world.source, "payStakers", made.vault, world.wdiv)
    assert staker_claim(world, made, RITA, world.wdiv) == 9 * WAD


def test_a_token_that_stops_takes_no_reward_along(world: SymbioticWorld) -> None:
    made = world.counted({ANN: 1}, 100 * WAD)
    token = world.evm.create(compiled(STAND_INS)["StoppingToken"])
    world.evm.jump(LAG_S + 1)
    world.act(token, "mint", world.source, 10 * WAD)
    world.act(token, "stop", True)
    world.act(world.source, "reward", ANN, token, 10 * WAD, sender=REWARDS)
    assert world.ask(world.source, "unpaid", made.vault, token) == 9 * WAD
    world.act(token, "stop", False)
    world.act(world.source, "payStakers", made.vault, token)
    assert staker_claim(world, made, RITA, token) == 9 * WAD


def test_a_commission_waits_a_week_and_has_a_bound(world: SymbioticWorld) -> None:
    assert world.refused(world.source, "setCommission", MAX_COMMISSION_BPS + 1, sender=ANN) == "BadCommission"
    world.act(world.source, "setCommission", 2_000, sender=ANN)
    world.evm.jump(7 * DAY_S - 1)
    assert world.ask(world.source, "commissionOf", ANN) == 1_000
    world.evm.jump(1)
    assert world.ask(world.source, "commissionOf", ANN) == 2_000
    assert world.ask(world.source, "commissionOf", LATER) == 0


def test_only_the_rewards_contract_rewards_and_only_who_has_stake(world: SymbioticWorld) -> None:
    assert world.refused(world.source, "reward", ANN, world.wdiv, WAD) == "NotAllowed"
    assert world.refused(world.source, "reward", ANN, world.wdiv, WAD, sender=REWARDS) == "NothingStaked"
    assert world.refused(world.source, "distribute", ANN, world.wdiv, WAD) == "NotAllowed"
    assert world.refused(world.source, "publish", world.wdiv) == "BadAmount"
    world.counted({ANN: 1}, 100 * WAD)
    # what is no token is nobody's: neither a root nor a vault gets any of it
    world.act(world.source, "reward", ANN, ANYBODY, WAD, sender=REWARDS)
    assert len(world.logs("StakersWait")) == 1
    assert world.refused(world.source, "publish", ANYBODY) == "TokenRefused"


def test_every_leaf_of_every_tree_is_proven_at_symbiotic_s_contract(world: SymbioticWorld) -> None:
    """Trees of one to nine leaves, made on chain and here, and claimed with this project's proofs."""
    rng = random.Random(9)
    operators = [account(0xE00 + i) for i in range(9)]
    for operator in operators:
        world.evm.evm.set_balance(operator, WAD)
        world.act(world.source, "setCommission", MAX_COMMISSION_BPS, sender=operator)
    world.evm.jump(7 * DAY_S)
    world.counted(dict.fromkeys(operators, 1), 900 * WAD)
    world.evm.jump(LAG_S + 1)
    paid = 0
    for i, operator in enumerate(operators):
        amount = rng.randint(1, 9) * WAD
        reward(world, operator, amount)
        tree = published(world, world.wdiv)
        for who in operators[: i + 1]:
            if tree.claim(who).total > world.ask(world.operator_rewards, "claimed", world.source, world.wdiv, who):
                claim(world, tree, who, world.wdiv)
        paid += amount * MAX_COMMISSION_BPS // 10_000
        assert world.balance(LATER) == paid
    with pytest.raises(LookupError, match="was it published"):
        tree.claim(ANN)


def test_beyond_the_most_that_a_root_holds_commissions_are_sent(world: SymbioticWorld) -> None:
    most = world.ask(world.source, "MAX_EARNERS")
    operators = [account(0xE000 + i) for i in range(most + 1)]
    for operator in operators:
        world.evm.evm.set_balance(operator, WAD)
        world.act(world.source, "setCommission", MAX_COMMISSION_BPS, sender=operator)
    world.evm.jump(7 * DAY_S)
    world.counted(dict.fromkeys(operators, 1), 12_900 * WAD)
    world.evm.jump(LAG_S + 1)
    for operator in operators:
        reward(world, operator, WAD)
    assert [world.balance(who) for who in operators[-2:]] == [0, WAD * MAX_COMMISSION_BPS // 10_000]
    tree = published(world, world.wdiv)
    assert list(tree.operators) == operators[:-1]
    claim(world, tree, operators[most - 1], world.wdiv)
