"""Rewards through Symbiotic's own reward contracts: what operators and restakers can claim, to the wei."""

from __future__ import annotations

import random
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from demo.world.symbiotic import DelegatorKind
from oracle.stake.claim_tree import CommissionTree
from tests.contracts.contract_tools import compiled
from tests.contracts.stake.symbiotic_payments import (
    EPOCH,
    frozen,
    retire,
    reward,
    staker_claim,
    staker_rewards,
)
from tests.contracts.stake.symbiotic_world import (
    ANN,
    ANYBODY,
    BOB,
    CURATOR,
    DAY_S,
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


def ether_reward(world: SymbioticWorld, operator: str, amount: int, value: int) -> None:
    data = encode(["uint48", "address", "address", "uint256"], [EPOCH, operator, ETHER, amount])
    head = keccak(text="reward(uint48,address,address,uint256)")[:4]
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


def test_operator_and_restakers_claim_what_was_paid_to_the_wei(world: SymbioticWorld) -> None:
    """Two restakers, 3 to 1; the operator has a tenth. All of it in Symbiotic's own contracts."""
    made = world.counted({ANN: 1, BOB: 1}, 300 * WAD)
    world.deposit(SAM, made, 100 * WAD)
    frozen(world, ANN, BOB)
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


def test_vaults_share_by_what_counts_of_the_operator_in_them(world: SymbioticWorld) -> None:
    shared = world.counted({ANN: 1, BOB: 3}, 200 * WAD)
    alone = world.counted({ANN: 1}, 75 * WAD, kind=DelegatorKind.OPERATOR_NETWORK, operator=ANN, network=world.source)
    other = world.counted({BOB: 1}, 100 * WAD)
    assert world.stake(ANN) == 100 * WAD
    frozen(world, ANN)
    reward(world, ANN, 10 * WAD)
    assert [world.balance(staker_rewards(world, one)) for one in (shared, alone)] == [
        9 * WAD // 4,
        27 * WAD // 4,
    ]
    assert world.ask(world.source, "stakerRewardsOf", other.vault) == ETHER
    assert world.ask(world.source, "earnedOf", ANN, world.wdiv) == WAD


def test_ether_is_paid_wrapped(world: SymbioticWorld) -> None:
    made = world.counted({ANN: 1}, 100 * WAD)
    frozen(world, ANN)
    with pytest.raises(RuntimeError):
        ether_reward(world, ANN, 10 * WAD, 9 * WAD)
    ether_reward(world, ANN, 10 * WAD, 10 * WAD)
    claim(world, published(world, world.wrapped), ANN, world.wrapped)
    assert world.balance(LATER, world.wrapped) == WAD
    assert staker_claim(world, made, RITA, world.wrapped) == 9 * WAD


@pytest.mark.parametrize("way", ["a withdrawal", "a curator", "the operator", "a retired vault"])
def test_what_was_earned_is_paid_after_all_stake_has_left(world: SymbioticWorld, way: str) -> None:
    """To who had the stake when the operator was frozen, and not to who came in that second or later."""
    made = world.counted({ANN: 1}, 100 * WAD)
    world.evm.jump(100)
    world.act(world.set, "freeze", EPOCH, ANN)
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
        retire(world, made)
    world.evm.jump(DAY_S)
    assert world.stake(ANN) == 0
    reward(world, ANN, 10 * WAD)
    assert len(world.logs("StakersPaid")) == 1
    claim(world, published(world, world.wdiv), ANN, world.wdiv)
    assert world.balance(LATER) == WAD
    assert staker_claim(world, made, RITA, world.wdiv) == 9 * WAD
    assert world.balance(world.source) == 0


def test_who_was_not_frozen_with_stake_for_an_epoch_earns_nothing_of_it(world: SymbioticWorld) -> None:
    """Nothing is paid by another epoch's stake instead: it stays where it is."""
    world.counted({ANN: 1}, 100 * WAD)
    frozen(world, ANN, BOB)
    frozen(world, ANN, epoch=3)
    for operator, epoch in ((BOB, EPOCH), (BOB, 3), (ANN, 2), (ANN, 4)):
        error = world.refused(world.source, "reward", epoch, operator, world.wdiv, WAD, sender=REWARDS)
        assert error == "NothingStaked"


def stopping(world: SymbioticWorld, amount: int) -> str:
    """A token of which the network has so much, and that nobody can move now."""
    token = str(world.evm.create(compiled(STAND_INS)["StoppingToken"]))
    world.act(token, "mint", world.source, amount)
    world.act(token, "stop", True)
    return token


def test_what_a_token_that_stops_keeps_back_is_paid_later_by_each_epoch_s_shares(world: SymbioticWorld) -> None:
    """It takes no reward along; and nobody has a share any more when it goes on."""
    made = world.counted({ANN: 1}, 100 * WAD)
    token = stopping(world, 20 * WAD)
    frozen(world, ANN)
    world.deposit(SAM, made, 300 * WAD)
    frozen(world, ANN, epoch=2)
    for who, amount in ((RITA, 100 * WAD), (SAM, 300 * WAD)):
        world.act(made.vault, "withdraw", who, amount, sender=who)
    captures = [world.ask(world.set, "captureOf", epoch, ANN) for epoch in (1, 2)]
    for epoch in (2, 1):
        world.act(world.source, "reward", epoch, ANN, token, 10 * WAD, sender=REWARDS)
        assert [waits[-2:] for waits in world.logs("StakersWait")] == [(captures[epoch - 1], 9 * WAD)]
    for capture in captures:
        assert world.ask(world.source, "unpaid", made.vault, token, capture) == 9 * WAD
        world.act(world.source, "payStakers", made.vault, token, capture)
        assert world.ask(world.source, "unpaid", made.vault, token, capture) == 9 * WAD
    world.act(token, "stop", False)
    for capture in reversed(captures):
        world.act(world.source, "payStakers", made.vault, token, capture)
        assert world.ask(world.source, "unpaid", made.vault, token, capture) == 0
    assert staker_claim(world, made, RITA, token) == 9 * WAD + 9 * WAD // 4
    assert staker_claim(world, made, SAM, token) == 27 * WAD // 4


def test_a_commission_waits_a_week_and_has_a_bound(world: SymbioticWorld) -> None:
    assert world.refused(world.source, "setCommission", MAX_COMMISSION_BPS + 1, sender=ANN) == "BadCommission"
    world.act(world.source, "setCommission", 2_000, sender=ANN)
    world.evm.jump(7 * DAY_S - 1)
    assert world.ask(world.source, "commissionOf", ANN) == 1_000
    world.evm.jump(1)
    assert world.ask(world.source, "commissionOf", ANN) == 2_000
    assert world.ask(world.source, "commissionOf", LATER) == 0


def test_only_the_rewards_contract_rewards_and_only_who_has_stake(world: SymbioticWorld) -> None:
    frozen(world, ANN)
    assert world.refused(world.source, "reward", EPOCH, ANN, world.wdiv, WAD) == "NotAllowed"
    assert world.refused(world.source, "reward", EPOCH, ANN, world.wdiv, WAD, sender=REWARDS) == "NothingStaked"
    assert world.refused(world.source, "distribute", ANN, world.wdiv, 1, WAD) == "NotAllowed"
    assert world.refused(world.source, "publish", world.wdiv) == "BadAmount"
    world.counted({ANN: 1}, 100 * WAD)
    frozen(world, ANN)
    # what is no token is nobody's: neither a root nor a vault gets any of it
    world.act(world.source, "reward", EPOCH, ANN, ANYBODY, WAD, sender=REWARDS)
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
    frozen(world, *operators)
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
    frozen(world, *operators)
    for operator in operators:
        reward(world, operator, WAD)
    assert [world.balance(who) for who in operators[-2:]] == [0, WAD * MAX_COMMISSION_BPS // 10_000]
    tree = published(world, world.wdiv)
    assert list(tree.operators) == operators[:-1]
    claim(world, tree, operators[most - 1], world.wdiv)
