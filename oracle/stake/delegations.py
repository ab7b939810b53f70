"""What a source tells of what was delegated to an operator: how much, through how many vaults, and the operator's commission."""

from __future__ import annotations

import asyncio
from typing import Any

from oracle.stake.discover import SourceKind, StakeSource
from oracle.stake.reads import StakeReads

NOT_TOLD: dict[str, Any] = {
    "commission_bps": None, "commission_next": None, "vaults": None, "native": None, "token": None, "tokens": None,
    "own_tokens": None, "aside_tokens": None, "leaving_tokens": None,
}  # fmt: skip
"""No source counts restakers, so nobody says how many there are. Amounts of ether are wei, of tokens their smallest unit."""


async def delegations(reads: StakeReads, source: StakeSource, operator: str) -> dict[str, Any]:
    """As far as the source tells; None for the rest.

    Args:
        reads: the chain.
        source: where stake lies.
        operator: address in hex.

    Raises:
        ChainError: endpoints do not answer or agree.
    """
    told = dict(NOT_TOLD)
    match source.kind:
        case SourceKind.DELEGATED:
            told |= await _pool(reads, source.at, operator)
        case SourceKind.SYMBIOTIC:
            told |= await _vaults(reads, source.at, operator)
        case SourceKind.EIGENLAYER:
            kinds = await reads.tried(source.at, "EigenStake", "stakeByKind", operator)
            told["native"] = None if kinds is None else str(kinds[1])
    return told


async def _pool(reads: StakeReads, source: str, operator: str) -> dict[str, Any]:
    (pool,), (own,), (bps,), (token,) = await asyncio.gather(
        reads.call(source, "DelegatedStake", "poolOf", operator),
        reads.call(source, "DelegatedStake", "positionOf", operator, operator),
        reads.call(source, "DelegatedStake", "commissionOf", operator),
        reads.call(source, "DelegatedStake", "token"),
    )
    tokens, shares, _, leaving, _, _, _, _, enrolled, next_bps, next_at, aside = pool
    rises = next_at > reads.head.time_s
    return {
        "commission_bps": bps if enrolled else None,
        "commission_next": {"bps": next_bps, "at_s": next_at} if rises else None,
        "token": token, "tokens": str(tokens), "own_tokens": str(own[1]), "aside_tokens": str(aside),
        "leaving_tokens": str(tokens * leaving // shares if shares else 0),
    }  # fmt: skip


async def _vaults(reads: StakeReads, source: str, operator: str) -> dict[str, Any]:
    (bps,), (listed_by,) = await asyncio.gather(
        reads.call(source, "SymbioticStake", "commissionOf", operator), reads.call(source, "SymbioticStake", "vaults")
    )
    (vaults,) = await reads.call(listed_by, "SymbioticVaults", "vaults")
    stakes = await asyncio.gather(
        *(reads.tried(listed_by, "SymbioticVaults", "stakeIn", v, operator, 0, reads.head.time_s) for v in vaults)
    )
    silent = any(s is None for s in stakes)
    return {"commission_bps": bps, "vaults": None if silent else sum(s[0] > 0 for s in stakes if s is not None)}
