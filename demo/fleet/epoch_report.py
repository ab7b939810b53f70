"""The report of an epoch that operators have made by themselves, computed again from what was posted."""

from __future__ import annotations

from demo.fleet.fleet import Fleet
from oracle.chain.quorum_rpc import QuorumRpc
from oracle.rewards.posted import RewardsReads
from oracle.rewards.recomputed import RecomputedReport, recompute
from oracle.sign.eip712 import Domain


async def recomputed_report(fleet: Fleet, contract: str, epoch: int) -> RecomputedReport | None:
    """What `lrt-oracle rewards` finds of an epoch; None while no report of it is posted."""
    nodes = QuorumRpc((fleet.node.url,), chain_id=fleet.world.chain_id)
    try:
        domain = Domain(chain_id=fleet.world.chain_id, store=bytes.fromhex(fleet.deployment.store[2:]))
        reads = await RewardsReads.open(nodes, bytes.fromhex(contract[2:]), domain)
        frozen, posted = await reads.frozen(epoch), await reads.posted(epoch)
        return None if frozen is None or posted is None else await recompute(reads, frozen, posted)
    finally:
        await nodes.close()
