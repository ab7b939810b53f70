"""How a test of Symbiotic's rewards plays the set and the rewards contract, and how a vault's stakers claim."""

from __future__ import annotations

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from demo.world import npm
from demo.world.symbiotic import SymbioticVault
from tests.contracts.stake.symbiotic_world import CURATOR, REWARDS, SymbioticWorld

EPOCH = 1


def frozen(world: SymbioticWorld, *operators: str, epoch: int = EPOCH) -> None:
    """They are in the set of an epoch; a block later."""
    for operator in operators:
        world.act(world.set, "freeze", epoch, operator)
    world.evm.jump(12)


def reward(world: SymbioticWorld, operator: str, amount: int, asset: str | None = None, epoch: int = EPOCH) -> None:
    """As the rewards contract: the tokens first, then the call."""
    token = asset or world.wdiv
    world.know(token, npm.own("WdivETH"))
    world.wrap(REWARDS, amount, token)
    world.act(token, "transfer", world.source, amount, sender=REWARDS)
    world.act(world.source, "reward", epoch, operator, token, amount, sender=REWARDS)


def staker_rewards(world: SymbioticWorld, made: SymbioticVault) -> str:
    at = to_checksum_address(world.ask(world.source, "stakerRewardsOf", made.vault))
    return world.know(at, "DefaultStakerRewards")


def staker_claim(world: SymbioticWorld, made: SymbioticVault, who: str, asset: str) -> int:
    """What a restaker receives of all that its vault was paid."""
    before = world.balance(who, asset)
    data = encode(["address", "uint256", "bytes[]"], [world.source, 100, []])
    world.act(staker_rewards(world, made), "claimRewards", who, asset, data, sender=who)
    return world.balance(who, asset) - before


def retire(world: SymbioticWorld, made: SymbioticVault) -> None:
    """Its curator gives nothing any more, and somebody says so."""
    world.act(made.delegator, "setNetworkLimit", world.subnetwork, 0, sender=CURATOR)
    world.act(world.vaults, "retireVault", made.vault)
