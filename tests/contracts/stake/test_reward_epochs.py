"""Each epoch's rewards go by the stake of that epoch's freeze, whenever they are claimed: over Symbiotic's real contracts."""

from __future__ import annotations

import random

import pytest

from demo.world.symbiotic import SymbioticVault
from tests.contracts.stake.symbiotic_payments import frozen, retire, reward, staker_claim, staker_rewards
from tests.contracts.stake.symbiotic_world import (
    ANN,
    CURATOR,
    DAY_S,
    EPOCH_S,
    NOBODY,
    REWARDS,
    RITA,
    SAM,
    WAD,
    SymbioticWorld,
)

LONG_S = 240 * DAY_S
"""Longer than an epoch's rewards can be claimed: its words' time, thirty days for a report, half a year."""
REMEMBERED = 64
"""Vaults that have left the list."""


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_an_epoch_is_paid_by_its_own_freeze_in_whatever_order(order: tuple[int, ...]) -> None:
    """What came or left meanwhile, in vaults and among vaults, was frozen for later epochs and changes nothing of an earlier one."""
    world = SymbioticWorld()
    one = world.counted({ANN: 1}, 100 * WAD)
    frozen(world, ANN, epoch=1)  # one: Rita 100
    other = world.counted({ANN: 1}, 300 * WAD)
    world.deposit(SAM, one, 100 * WAD)
    frozen(world, ANN, epoch=2)  # one: Rita 100, Sam 100; other: Rita 300
    world.act(one.vault, "withdraw", RITA, 100 * WAD, sender=RITA)
    world.deposit(SAM, other, 300 * WAD)
    frozen(world, ANN, epoch=3)  # one: Sam 100; other: Rita 300, Sam 300
    world.act(other.vault, "withdraw", SAM, 300 * WAD, sender=SAM)
    world.evm.jump(LONG_S)
    for epoch in order:
        reward(world, ANN, 70 * WAD, epoch=epoch)
    claimed = {
        who: [staker_claim(world, vault, who, world.wdiv) // WAD for vault in (one, other)] for who in (RITA, SAM)
    }
    assert claimed == {RITA: [70 + 14, 42 + 30], SAM: [14 + 10, 30]}


def again(world: SymbioticWorld, made: SymbioticVault) -> None:
    """A vault leaves the list, as nothing of it can be slashed any more, and is counted anew."""
    retire(world, made)
    world.evm.jump(EPOCH_S + 1)
    world.act(world.vaults, "removeVault", made.vault)
    world.act(made.delegator, "setNetworkLimit", world.subnetwork, 10**24, sender=CURATOR)
    world.act(world.vaults, "addVault", made.vault, NOBODY)
    world.evm.jump(1)


def test_a_vault_that_has_left_the_list_still_pays_the_epochs_that_counted_it() -> None:
    """And none that did not, also when it counts again by now."""
    world = SymbioticWorld()
    left = world.counted({ANN: 1}, 100 * WAD)
    stays = world.counted({ANN: 1}, 100 * WAD)
    frozen(world, ANN, epoch=1)
    retire(world, left)
    world.evm.jump(1)
    frozen(world, ANN, epoch=2)
    world.evm.jump(EPOCH_S)
    world.act(world.vaults, "removeVault", left.vault)
    frozen(world, ANN, epoch=3)
    world.act(left.delegator, "setNetworkLimit", world.subnetwork, 10**24, sender=CURATOR)
    world.act(world.vaults, "addVault", left.vault, NOBODY)
    world.evm.jump(1)
    frozen(world, ANN, epoch=4)
    assert world.ask(world.vaults, "vaults") == (stays.vault.lower(), left.vault.lower())
    paid = []
    for epoch in (1, 2, 3, 4):
        reward(world, ANN, 8 * WAD, epoch=epoch)
        paid.append([world.balance(staker_rewards(world, vault)) // WAD for vault in (left, stays)])
    assert paid == [[4, 4], [4, 12], [4, 20], [8, 24]]
    assert [staker_claim(world, vault, RITA, world.wdiv) for vault in (left, stays)] == [8 * WAD, 24 * WAD]


def test_the_newest_vaults_that_have_left_are_remembered() -> None:
    """What cannot be read any more is refused, and with that stays in the epoch's pot: nobody else is paid it."""
    world = SymbioticWorld()
    made = world.counted({ANN: 1}, 100 * WAD)
    for epoch in range(1, REMEMBERED + 2):
        frozen(world, ANN, epoch=epoch)
        again(world, made)
    error = world.refused(world.source, "reward", 1, ANN, world.wdiv, WAD, sender=REWARDS)
    assert error == "NothingStaked"
    for epoch in (2, *random.Random(4).sample(range(3, REMEMBERED + 2), 4)):
        reward(world, ANN, WAD, epoch=epoch)
        assert staker_claim(world, made, RITA, world.wdiv) == WAD
