"""What has to be done at Symbiotic and EigenLayer themselves: which calls, at which addresses. Their own tools do it."""

from __future__ import annotations

from eth_abi.abi import encode

from oracle.stake.discover import SourceKind, StakeSource, StakeSystem
from oracle.stake.reads import ZERO, StakeReads

FOR = ("join", "leave", "delegate", "undelegate", "claim", "commission")
_KEEPS_KEY = encode(["(address,uint64,uint64,bytes32,bytes32)", "bytes"], [(ZERO, 0, 0, bytes(32), bytes(32)), b""])
"""What an operator of EigenLayer registers with: a consent without a key keeps the one in the book, and nothing is announced."""


async def elsewhere(reads: StakeReads, system: StakeSystem, what: str, operator: str) -> list[str]:
    """Sentences, one a source.

    Args:
        reads: the chain.
        system: the contracts.
        what: one of `FOR`.
        operator: address, or a word for it.

    Raises:
        ChainError: endpoints do not answer or agree.
    """
    rows = []
    for source in system.sources:
        if source.kind is SourceKind.SYMBIOTIC and what != "commission":
            rows.append("Symbiotic, by its own tools: " + await _symbiotic(reads, source, what, operator))
        elif source.kind is SourceKind.EIGENLAYER:
            rows.append("EigenLayer, by its own tools: " + await _eigenlayer(reads, source, what, operator))
    return rows


async def _symbiotic(reads: StakeReads, source: StakeSource, what: str, operator: str) -> str:
    (list_at,) = await reads.call(source.at, "SymbioticStake", "vaults")
    (vaults,) = await reads.call(list_at, "SymbioticVaults", "vaults")
    (paid_by,) = await reads.call(source.at, "SymbioticStake", "operatorRewards")
    named = ", ".join(vaults) or "none is listed yet"
    return {
        "join": f"registerOperator() of its operator registry, then optIn({source.at}) (the network) and optIn(vault) of its two"
        f" opt-in services, from {operator}; the vault's curator gives the operator stake. Vaults: {named}",
        "leave": f"optOut({source.at}) of its network opt-in service, from {operator}",
        "delegate": f"deposit(onBehalfOf, amount) of a vault that gives {operator} stake: {named}",
        "undelegate": f"withdraw(claimer, amount) of the vault, and claim(recipient, epoch) once that epoch is over: {named}",
        "claim": f"an operator's commission: claimRewards of {paid_by}, after publish(asset) of {source.at}; a restaker's:"
        f" claimRewards of the contract that stakerRewardsOf(vault) of {source.at} answers, for each of: {named}",
    }[what]


async def _eigenlayer(reads: StakeReads, source: StakeSource, what: str, operator: str) -> str:
    names = ("allocations", "delegation", "coordinator", "setId")
    found = [(await reads.call(source.at, "EigenStake", name))[0] for name in names]
    allocations, delegation, coordinator, set_id = found
    return {
        "join": f"registerForOperatorSets({operator}, ({source.at}, [{set_id}], data)) of {allocations}, once the key is in the"
        f" book, with data 0x{_KEEPS_KEY.hex()}; and modifyAllocations there, for stake that counts",
        "leave": f"deregisterFromOperatorSets(({operator}, {source.at}, [{set_id}])) of {allocations}",
        "delegate": f"delegateTo({operator}, ...) of {delegation}, after a deposit into one of the set's strategies",
        "undelegate": f"queueWithdrawals(...) of {delegation}, and completeQueuedWithdrawal(...) after its delay",
        "commission": f"setOperatorSetSplit({operator}, ({source.at}, {set_id}), split) of {coordinator}: it counts after that"
        " contract's delay",
        "claim": f"processClaim(...) of {coordinator}, with the proof of its next root",
    }[what]
