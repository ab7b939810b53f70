"""What is read of the contracts of stake around the home store, by a process of its own endpoints."""

from __future__ import annotations

from collections.abc import Callable

from oracle.assemble.network import home_target
from oracle.chain.chain_links import ChainLinks
from oracle.chain.quorum_rpc import QuorumRpc
from oracle.config.sections import Config
from oracle.stake.follow import StakeFollower


def stake_follower(config: Config, now_ms: Callable[[], int], links: ChainLinks | None = None) -> StakeFollower | None:
    """Of the home store, whether this process has operators or only serves; None without a store.

    Args:
        config: the checked config.
        now_ms: the clock.
        links: know who asks which chain.
    """
    name = home_target(config)
    if name is None:
        return None
    target = config.targets[name]
    chain = config.chains[target.chain]
    nodes = QuorumRpc(chain.endpoints, chain_id=chain.chain_id, agree=target.agree)
    if links is not None:
        links.note(target.chain, nodes)
    return StakeFollower(name, nodes, chain.chain_id, target.store, now_ms=now_ms)
