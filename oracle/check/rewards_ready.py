"""Whether [rewards] names the contract that the set of its store names."""

from __future__ import annotations

from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.config.check_rewards import rewards_target
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.config.tables.schema import Problem
from oracle.stake.discover import NotStaked, discover
from oracle.stake.reads import StakeReads


async def rewards_problems_on_chain(config: Config) -> list[Problem]:
    """Another contract than the one that pays the store's signers: a report of it is worth nothing."""
    name = rewards_target(config)
    if config.rewards.contract is None or name is None:
        return []
    target = config.targets[name]
    chain = config.chains[target.chain]
    nodes = QuorumRpc(chain.endpoints, chain_id=chain.chain_id, agree=target.agree)
    try:
        system = await discover(await StakeReads.open(nodes), chain.chain_id, target.store.lower())
    except (NotStaked, ChainError) as e:
        return [Problem("rewards.contract", str(e))]
    finally:
        await nodes.close()
    if bytes.fromhex(system.rewards[2:]) == raw_address(config.rewards.contract):
        return []
    text = f"the set of the store names {system.rewards}: write that; what another contract is told pays nobody"
    return [Problem("rewards.contract", text)]
