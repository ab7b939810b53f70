"""From a target's store to the contracts that decide who signs for it. Nothing is configured: they name one another."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from feeds.errors import LrtOracleError
from oracle.chain.quorum_rpc import ChainError
from oracle.stake.reads import ZERO, StakeReads


class SourceKind(StrEnum):
    """Where a source's stake lies."""

    DELEGATED = "delegated"
    SYMBIOTIC = "symbiotic"
    EIGENLAYER = "eigenlayer"
    UNKNOWN = "unknown"


_MARKS = (
    (SourceKind.DELEGATED, "DelegatedStake", "maxCommissionBps", "windowS"),
    (SourceKind.SYMBIOTIC, "SymbioticStake", "vaults", "operatorRewards"),
    (SourceKind.EIGENLAYER, "EigenStake", "allocations", "coordinator"),
)
"""A source says nothing of its kind: it is the one whose two functions it answers."""


class NotStaked(LrtOracleError, RuntimeError):
    """The store's signers are not decided by stake: who owns it, and what to do.

    Attributes:
        owner: of the store.
        is_set: a StakedSet of it, but one that was told no penalties and no rewards: it makes no set.
    """

    def __init__(self, text: str, *, owner: str, is_set: bool) -> None:
        super().__init__(text)
        self.owner, self.is_set = owner, is_set


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeSource:
    """A contract that says an operator's stake, and where that lies."""

    at: str
    kind: SourceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeSystem:
    """The contracts around a store: addresses in hex, small letters."""

    chain_id: int
    store: str
    set: str
    book: str
    penalties: str
    rewards: str
    sources: tuple[StakeSource, ...]

    def of_kind(self, kind: SourceKind) -> tuple[StakeSource, ...]:
        """Its sources of a kind."""
        return tuple(s for s in self.sources if s.kind is kind)


async def discover(reads: StakeReads, chain_id: int, store: str) -> StakeSystem:
    """Find them.

    Args:
        reads: the chain.
        chain_id: of it.
        store: address of the PriceStore.

    Raises:
        NotStaked: the store's owner is no StakedSet of this store, or was told no others.
        ChainError: there is no store, or endpoints do not answer or agree.
    """
    if not await reads.has_code(store):
        raise ChainError(f"no contract at {store}: deploy the store first, or correct targets.*.store")
    (owner,) = await reads.call(store, "PriceStore", "owner")
    said = await reads.tried(owner, "StakedSet", "store") if await reads.has_code(owner) else None
    if said is None or said[0] != store:
        text = f"{store} is owned by {owner}, which is no StakedSet of it: its owner names the signers"
        raise NotStaked(text, owner=owner, is_set=False)
    names = ("book", "sources", "penalties", "rewards")
    found = await asyncio.gather(*(reads.call(owner, "StakedSet", name) for name in names))
    (book,), (sources,), (penalties,), (rewards,) = found
    if ZERO in (penalties, rewards):
        text = f"{owner} was not told who penalises and who pays: whoever deployed it must call `connect`"
        raise NotStaked(text, owner=owner, is_set=True)
    kinds = await asyncio.gather(*(source_kind(reads, s) for s in sources))
    listed = tuple(StakeSource(at=s, kind=k) for s, k in zip(sources, kinds, strict=True))
    return StakeSystem(
        chain_id=chain_id, store=store, set=owner, book=book, penalties=penalties, rewards=rewards, sources=listed
    )


async def source_kind(reads: StakeReads, source: str) -> SourceKind:
    """Where the stake of a source lies, by the functions that it answers."""
    for kind, contract, *functions in _MARKS:
        answers = [await reads.tried(source, contract, f) for f in functions]
        if None not in answers:
            return kind
    return SourceKind.UNKNOWN
