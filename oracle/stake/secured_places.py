"""Where an operator's stake lies, by kind of source: pools of delegations, vaults of Symbiotic, strategies of EigenLayer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from eth_utils.crypto import keccak

from oracle.stake.discover import SourceKind, StakeSource
from oracle.stake.reads import ZERO, StakeReads
from oracle.stake.secured_facts import SourceFacts, StakePart

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
    """What a source is.

    Raises:
        ChainError: endpoints do not answer or agree; so does each function here.
    """
    reach = await reads.tried(source.at, "IStakeSource", "reachS")
    reach_s = None if reach is None else int(reach[0])
    if source.kind is SourceKind.DELEGATED:
        (values,), (token,) = [await reads.call(source.at, "DelegatedStake", n) for n in ("values", "token")]
        facts = SourceFacts(at=source.at, kind=source.kind, values=values, reach_s=reach_s)
        return SourcePlaces(facts, token=token)
    if source.kind is SourceKind.SYMBIOTIC:
        return await _symbiotic(reads, source, reach_s, capture_s)
    if source.kind is SourceKind.EIGENLAYER:
        names = ("values", "allocations", "delegation")
        values, *core = [(await reads.call(source.at, "EigenStake", n))[0] for n in names]
        facts = SourceFacts(at=source.at, kind=source.kind, values=values, reach_s=reach_s, held_by=tuple(core))
        listed = [await reads.tried(source.at, "EigenStake", "listed", i) for i in range(_MOST_STRATEGIES)]
        return SourcePlaces(facts, strategies=tuple((s[0], s[1]) for s in listed if s is not None))
    return SourcePlaces(SourceFacts(at=source.at, kind=source.kind, values=None, reach_s=reach_s))


async def _symbiotic(reads: StakeReads, source: StakeSource, reach_s: int | None, capture_s: int) -> SourcePlaces:
    (lists_at,) = await reads.call(source.at, "SymbioticStake", "vaults")
    names = ("vaults", "values", "sharedBps", "factory")
    found = [(await reads.call(lists_at, "SymbioticVaults", n))[0] for n in names]
    listed, values, shared_bps, factory = found
    vaults, held = {}, {}
    for vault in listed:
        (known,) = await reads.call(lists_at, "SymbioticVaults", "vaultOf", vault)
        vaults[vault] = known, await _curators(reads, known[0])
        left = await _left_for(reads, vault, capture_s - 1)
        worth = None if left is None else await reads.tried(values, "CollateralValues", "valueOf", known[6], left)
        held[vault] = None if worth is None else int(worth[0])
    facts = SourceFacts(
        at=source.at, kind=source.kind, values=values, reach_s=reach_s, shared_bps=shared_bps, vaults=held, held_by=(factory,)
    )  # fmt: skip
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
    """What a penalty can take of an operator in a source, in all and by place; None where the source does not say."""
    source = places.facts
    answer = await reads.tried(source.at, "IStakeSource", "slashableOf", operator, capture_s)
    total = None if answer is None else int(answer[0])
    if source.kind is SourceKind.SYMBIOTIC:
        return total, tuple([p async for p in _in_vaults(reads, places, operator, capture_s)])
    if source.kind is SourceKind.EIGENLAYER and total:
        return total, await _in_strategies(reads, places, operator, total)
    whole = StakePart(source=source.at, kind=source.kind, wei=total, collateral=places.token)
    return total, (whole,) if total != 0 else ()


async def _in_vaults(reads: StakeReads, places: SourcePlaces, operator: str, capture_s: int) -> Any:
    source = places.facts
    for vault, (known, curators) in places.vaults.items():
        (aside,) = await reads.call(source.at, "SymbioticStake", "asideOf", vault, operator)
        names = ("slashableIn", vault, operator, capture_s, aside)
        answer = await reads.tried(places.lists_at, "SymbioticVaults", *names)
        amount, wei = (None, None) if answer is None else (answer[1], answer[2])
        if amount == 0:
            continue
        yield StakePart(
            source=source.at, kind=source.kind, wei=None if amount and not wei else wei, collateral=known[6], vault=vault,
            shared=bool(known[5]), curators=curators,
        )  # fmt: skip


async def _in_strategies(reads: StakeReads, places: SourcePlaces, operator: str, total: int) -> tuple[StakePart, ...]:
    """By strategy where that comes to the whole; else, as while a penalty holds a part, as one place of unknown collateral."""
    source = places.facts
    allocations, delegation = source.held_by
    (set_id,) = await reads.call(source.at, "EigenStake", "setId")
    parts = []
    for i, (strategy, token) in enumerate(places.strategies):
        allocation = await reads.tried(
            allocations, "IOperatorSets", "getAllocation", operator, (source.at, set_id), strategy
        )
        most = await reads.tried(allocations, "IOperatorSets", "getMaxMagnitude", operator, strategy)
        shares = [
            await reads.tried(delegation, "IDelegation", n, operator, strategy)
            for n in ("operatorShares", "getSlashableSharesInQueue")
        ]
        if allocation is None or most is None or None in shares or not most[0]:
            continue
        free = sum(s[0] for s in shares if s is not None) * allocation[0][0] // most[0]
        worth = await reads.tried(source.at, "EigenStake", "worthOf", i, free)
        if worth is None or not worth[0]:
            continue
        native = token == ZERO
        parts.append(
            StakePart(
                source=source.at, kind=source.kind, wei=worth[0], collateral=None if native else token, native=native
            )
        )
    if sum(p.wei or 0 for p in parts) == total:
        return tuple(parts)
    return (StakePart(source=source.at, kind=source.kind, wei=total),)
