"""Where an operator's stake lies, by kind of source: pools of delegations, vaults of Symbiotic, strategies of EigenLayer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

from eth_utils.crypto import keccak

from oracle.stake.discover import SourceKind, StakeSource
from oracle.stake.reads import ZERO, StakeReads
from oracle.stake.secured.facts import SourceFacts, StakePart

_MOST_STRATEGIES = 4
_CURATOR_ROLES = (
    bytes(32),
    *(keccak(text=f"{n}_SET_ROLE") for n in ("NETWORK_LIMIT", "OPERATOR_NETWORK_SHARES", "OPERATOR_NETWORK_LIMIT")),
)
"""Of a vault's delegator: its admin, and who moves stake between networks and operators."""
_ROLE_GRANTED = "0x" + keccak(text="RoleGranted(bytes32,address,address)").hex()


@dataclass(frozen=True, slots=True)
class SourcePlaces:
    """A source, and what of its places is the same for all operators.

    Attributes:
        facts: what is said of it.
        vaults: what is known of each vault, as the contract has it, and its curators.
        strategies: address and token of each.
    """

    facts: SourceFacts
    vaults: dict[str, tuple[tuple[Any, ...], tuple[str, ...] | None]] = field(default_factory=dict)
    strategies: tuple[tuple[str, str], ...] = ()
    token: str | None = None
    lists_at: str = ZERO


async def places_of(reads: StakeReads, source: StakeSource, capture_s: int) -> SourcePlaces:
    """What a source is. One that does not say it is a source of which nothing is known but what it answers for an operator.

    Raises:
        ChainError: endpoints do not answer or agree; so does each function here.
    """
    reach = await reads.tried(source.at, "IStakeSource", "reachS")
    nothing = SourcePlaces(
        SourceFacts(at=source.at, kind=source.kind, values=None, reach_s=None if reach is None else int(reach[0]))
    )
    if source.kind is SourceKind.DELEGATED:
        said = await _each(reads, source.at, "DelegatedStake", "values", "token")
        return nothing if said is None else SourcePlaces(replace(nothing.facts, values=said[0]), token=said[1])
    if source.kind is SourceKind.EIGENLAYER:
        said = await _each(reads, source.at, "EigenStake", "values", "allocations", "delegation")
        listed = [await reads.tried(source.at, "EigenStake", "listed", i) for i in range(_MOST_STRATEGIES)]
        if said is None:
            return nothing
        facts = replace(nothing.facts, values=said[0], held_by=tuple(said[1:]))
        return SourcePlaces(facts, strategies=tuple((s[0], s[1]) for s in listed if s is not None))
    if source.kind is SourceKind.SYMBIOTIC:
        return await _symbiotic(reads, nothing, capture_s)
    return nothing


async def _each(reads: StakeReads, at: str, contract: str, *functions: str) -> list[Any] | None:
    """What functions of one value answer; None unless all do."""
    found = [await reads.tried(at, contract, f) for f in functions]
    return None if None in found else [f[0] for f in found if f is not None]


async def _symbiotic(reads: StakeReads, nothing: SourcePlaces, capture_s: int) -> SourcePlaces:
    lists = await _each(reads, nothing.facts.at, "SymbioticStake", "vaults")
    lists_at = ZERO if lists is None else lists[0]
    said = await _each(reads, lists_at, "SymbioticVaults", "vaults", "values", "sharedBps", "factory")
    if said is None:
        return nothing
    listed, values, shared_bps, factory = said
    vaults, held = {}, {}
    for vault in listed:
        (known,) = await reads.call(lists_at, "SymbioticVaults", "vaultOf", vault)
        vaults[vault] = known, await _curators(reads, known[0])
        left = await _left_for(reads, vault, capture_s - 1)
        worth = None if left is None else await reads.tried(values, "CollateralValues", "valueOf", known[7], left)
        held[vault] = None if worth is None else int(worth[0])
    facts = replace(nothing.facts, values=values, shared_bps=shared_bps, vaults=held, held_by=(factory,))
    return SourcePlaces(facts, vaults=vaults, lists_at=lists_at)


async def _left_for(reads: StakeReads, vault: str, capture_s: int) -> int | None:
    """Collateral that the vault's own rules let a slash of this capture take, of everybody: as SymbioticVaults reckons it."""
    epochs = [await reads.tried(vault, "ISymbioticVault", *c) for c in (("currentEpoch",), ("epochAt", capture_s))]
    if epochs[0] is None:
        return None
    if epochs[1] is None or epochs[0] != epochs[1]:
        total = await reads.tried(vault, "ISymbioticVault", "totalStake")
        return None if total is None else int(total[0])
    active = await reads.tried(vault, "ISymbioticVault", "activeStake")
    leaving = await reads.tried(vault, "ISymbioticVault", "withdrawals", epochs[0][0] + 1)
    return None if active is None or leaving is None else int(active[0] + leaving[0])


async def _curators(reads: StakeReads, delegator: str) -> tuple[str, ...] | None:
    """Who holds a role with which stake of a vault is moved; None where endpoints do not look so far back."""
    granted = await reads.logged(delegator, _ROLE_GRANTED)
    if granted is None:
        return None
    candidates = sorted({(bytes.fromhex(t[1][2:]), "0x" + t[2][-40:]) for t in granted})
    asked = [(r, who) for r, who in candidates if r in _CURATOR_ROLES]
    types = ("bytes32", "address")
    has = await asyncio.gather(*(reads.of_other(delegator, "hasRole", types, (r, who), "bool") for r, who in asked))
    return tuple(sorted({who for (_, who), yes in zip(asked, has, strict=True) if yes}))


async def parts_of(
    reads: StakeReads, places: SourcePlaces, operator: str, capture_s: int
) -> tuple[int | None, tuple[StakePart, ...]]:
    """What a penalty can take of an operator in a source, in all and by place; None where the source does not know all of it.

    The sources of Symbiotic and EigenLayer answer 0 for a place that they cannot read, so each place is asked for here.
    """
    source = places.facts
    answer = await reads.tried(source.at, "IStakeSource", "slashableOf", operator, capture_s)
    total = None if answer is None else int(answer[0])
    if total == 0 and source.kind is SourceKind.DELEGATED:
        pool = await reads.tried(source.at, "DelegatedStake", "poolOf", operator)
        total = 0 if pool is not None and not pool[0][0] else None  # tokens whose rate cannot be read
    whole = StakePart(source=source.at, kind=source.kind, wei=total, collateral=places.token)
    parts: tuple[StakePart, ...] = (whole,) if total != 0 else ()
    if source.values is None:
        return total, parts
    if source.kind is SourceKind.SYMBIOTIC:
        parts = tuple([p async for p in _in_vaults(reads, places, operator, capture_s)])
    elif source.kind is SourceKind.EIGENLAYER:
        found = tuple([p async for p in _in_strategies(reads, places, operator)])
        known = sum(p.wei or 0 for p in found)
        if known == total or any(p.wei is None for p in found):
            parts = found
    return None if any(p.wei is None for p in parts) else total, parts


async def _in_vaults(
    reads: StakeReads, places: SourcePlaces, operator: str, capture_s: int
) -> AsyncIterator[StakePart]:
    source = places.facts
    for vault, (known, curators) in places.vaults.items():
        aside = await reads.tried(source.at, "SymbioticStake", "asideOf", vault, operator)
        names = ("slashableIn", vault, operator, capture_s)
        answer = aside and await reads.tried(places.lists_at, "SymbioticVaults", *names, aside[0])
        amount, wei = (None, None) if answer is None else (answer[1], answer[2])
        if amount == 0:
            continue
        yield StakePart(
            source=source.at, kind=source.kind, wei=None if amount and not wei else wei, collateral=known[7], vault=vault,
            shared=bool(known[6]), curators=curators,
        )  # fmt: skip


async def _in_strategies(reads: StakeReads, places: SourcePlaces, operator: str) -> AsyncIterator[StakePart]:
    """By strategy, without what penalties hold: while they do, these come to more than the source says, and are not used."""
    source = places.facts
    allocations, delegation = source.held_by
    set_id = await reads.tried(source.at, "EigenStake", "setId")
    ours = (source.at, set_id[0] if set_id else 0)
    for i, (strategy, token) in enumerate(places.strategies):
        said = [
            await reads.tried(at, contract, function, *args)
            for at, contract, function, *args in (
                (allocations, "IOperatorSets", "isOperatorSlashable", operator, ours),
                (allocations, "IOperatorSets", "getAllocation", operator, ours, strategy),
                (allocations, "IOperatorSets", "getMaxMagnitude", operator, strategy),
                (delegation, "IDelegation", "operatorShares", operator, strategy),
                (delegation, "IDelegation", "getSlashableSharesInQueue", operator, strategy),
            )
        ]
        worth = None
        if None not in said:
            can, allocation, most, shares, queued = (f[0] for f in said if f is not None)
            free = (shares + queued) * allocation[0] // most if most and can else 0
            if not free:
                continue
            worth = await reads.tried(source.at, "EigenStake", "worthOf", i, free)
        native = token == ZERO
        yield StakePart(
            source=source.at, kind=source.kind, wei=None if worth is None else int(worth[0]), collateral=None if native else token,
            native=native,
        )  # fmt: skip
