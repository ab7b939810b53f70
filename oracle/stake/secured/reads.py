"""Reading what secures a price: the set, its governance and terms, penalties, rewards, sources and collateral, at one block."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from oracle.stake.discover import StakeSystem
from oracle.stake.reads import ZERO, StakeReads
from oracle.stake.secured.code import strange_contracts
from oracle.stake.secured.facts import (
    CollateralFacts,
    Governance,
    PenaltyFacts,
    RewardFacts,
    SecuredFacts,
    SecuringOperator,
    SetTerms,
    StakePart,
)
from oracle.stake.secured.places import SourcePlaces, parts_of, places_of
from oracle.stake.standing import EPOCHS_BACK, NEVER_EXPIRES, cases_of, slashing_capture

_TERMS = (
    "epochS", "joinDelayS", "evidenceS", "answerS", "keepsS", "capBps", "minStake", "minMembers", "maxMembers", "thresholdBps",
    "stepBps", "migrateDelayS",
)  # fmt: skip
_GOVERNED = ("timelock", "migratesTo", "migratesAt", "hasMigrated")
_PENALTIES = ("minFraction", "disputeS", "executionS", "jailS", "finderBps", "needsS")


async def secured_facts(reads: StakeReads, system: StakeSystem) -> SecuredFacts:
    """Everything, at the block of ``reads``.

    Raises:
        ChainError: endpoints do not answer or agree, or have no state of the block.
    """
    store = _Contract(reads, system.store, "PriceStore")
    staked = _Contract(reads, system.set, "StakedSet")
    epoch, threshold, keys, weights = await reads.call(system.store, "PriceStore", "signerSet")
    (frozen,) = await reads.call(system.set, "StakedSet", "frozenOf", epoch)
    first_s = frozen[0] or reads.head.time_s - 1
    places = await asyncio.gather(*(places_of(reads, s, first_s) for s in system.sources))
    frozen_keys, operators, frozen_weights = await reads.call(system.set, "StakedSet", "membersOf", epoch)
    live = dict(zip(keys, weights, strict=True))
    rows = zip(frozen_keys, operators, frozen_weights, strict=True)
    values = tuple(sorted({v for p in places if (v := p.facts.values) is not None}))
    terms = await _terms(staked)
    penalties = await _penalties(_Contract(reads, system.penalties, "Penalties"))
    # a case of an epoch before is over: its words can be proven no longer, and its dispute has ended
    back = min(EPOCHS_BACK, 2 + (terms.answer_s + penalties.dispute_s + penalties.execution_s) // terms.epoch_s)
    members = await asyncio.gather(
        *(_member(reads, system, places, back, (k, o, live.get(k, 0), w)) for k, o, w in rows)
    )
    candidates, expires_s = await staked.one("candidates"), await store.one("expiresAt")
    return SecuredFacts(
        system=system,
        block=reads.head.number,
        time_s=reads.head.time_s,
        epoch=epoch,
        threshold=threshold,
        step_threshold=(await reads.call(system.store, "PriceStore", "thresholds"))[1],
        frozen=(frozen[2], frozen[3]) if frozen[0] else None,
        capture_s=frozen[0] or None,
        provable_until_s=frozen[1] or None,
        expires_s=None if expires_s == NEVER_EXPIRES else expires_s,
        overlap_ends_s=await store.one("overlapEnds") if epoch > 1 else 0,
        rotate_due_s=await staked.one("nextRotateAt"),
        silent=bool(await staked.one("frozenAt")) and not await staked.one("scheduledEpoch"),
        next_epoch=await _coming(reads, system, epoch),
        members=tuple(members),
        unnamed={k: w for k, w in live.items() if w and k not in frozen_keys},
        candidates=len(candidates),
        jailed=await _jailed(reads, system, sorted({*candidates, *operators})),
        terms=terms,
        governance=await _governance(reads, store, staked),
        penalties=penalties,
        rewards=await _rewards(_Contract(reads, system.rewards, "Rewards"), reads, system, epoch),
        sources=tuple(p.facts for p in places),
        collateral=await _collateral(reads, values),
        strange=await strange_contracts(reads, system, values),
    )


class _Contract:
    """One of the contracts, for functions that answer one value."""

    def __init__(self, reads: StakeReads, at: str, name: str) -> None:
        self._reads, self._at, self._name = reads, at, name

    async def one(self, function: str, *args: Any) -> Any:
        """What it answers."""
        return (await self._reads.call(self._at, self._name, function, *args))[0]

    async def party(self, function: str) -> str | None:
        """An address; None for nobody."""
        who = str(await self.one(function))
        return None if who == ZERO else who


async def _member(
    reads: StakeReads,
    system: StakeSystem,
    places: Sequence[SourcePlaces],
    back: int,
    row: tuple[str, str, int, int],
) -> SecuringOperator:
    key, operator, weight, frozen_weight = row
    capture_s = await slashing_capture(reads, system, operator)
    (book_key,) = await reads.call(system.book, "KeyBook", "keyOf", operator)
    (jail_s,) = await reads.call(system.set, "StakedSet", "jailedUntil", operator)
    stakes: dict[str, int | None] = {}
    slashable: dict[str, int | None] = {}
    parts: list[StakePart] = []
    for place in places:
        at = place.facts.at
        answer = await reads.tried(at, "IStakeSource", "stakeOf", operator)
        stakes[at] = _number(answer)
        slashable[at], found = await parts_of(reads, place, operator, capture_s)
        parts += found
    return SecuringOperator(
        operator=operator,
        key=key,
        book_key=None if book_key == ZERO else book_key,
        weight=weight,
        frozen_weight=frozen_weight,
        capture_s=capture_s,
        stake_wei=stakes,
        slashable_wei=slashable,
        parts=tuple(parts),
        jailed_until_s=jail_s if jail_s > reads.head.time_s else None,
        open_cases=sum(c["is_open"] for c in await cases_of(reads, system, operator, back)),
    )


async def _coming(reads: StakeReads, system: StakeSystem, epoch: int) -> tuple[int, int, bool] | None:
    coming, at_s = await reads.call(system.store, "PriceStore", "nextSigners")
    if coming <= epoch:
        return None
    (armed,) = await reads.call(system.store, "PriceStore", "armed")
    return int(coming), int(at_s), bool(armed)


async def _jailed(reads: StakeReads, system: StakeSystem, operators: Sequence[str]) -> dict[str, int]:
    ends = await asyncio.gather(*(reads.call(system.set, "StakedSet", "jailedUntil", o) for o in operators))
    return {o: end for o, (end,) in zip(operators, ends, strict=True) if end > reads.head.time_s}


async def _terms(staked: _Contract) -> SetTerms:
    return SetTerms(*[int(await staked.one(name)) for name in _TERMS])


async def _governance(reads: StakeReads, store: _Contract, staked: _Contract) -> Governance:
    timelock, to, at_s, has_migrated = [await staked.one(name) for name in _GOVERNED]
    announced = to != ZERO
    return Governance(
        timelock=timelock,
        timelock_is_key=not await reads.has_code(timelock),
        guardian=await store.party("guardian"),
        migrates_to=to if announced else None,
        migrates_at_s=at_s if announced else None,
        has_migrated=has_migrated,
        pending_owner=await store.party("pendingOwner"),
        set_owner=await store.party("setOwner"),
    )


async def _penalties(penalties: _Contract) -> PenaltyFacts:
    arbiter = await penalties.party("arbiter")
    least, dispute_s, execution_s, jail_s, finder_bps, needs_s = [int(await penalties.one(n)) for n in _PENALTIES]
    return PenaltyFacts(
        min_fraction=least, dispute_s=dispute_s, execution_s=execution_s, jail_s=jail_s, finder_bps=finder_bps,
        arbiter=arbiter, needs_s=needs_s,
    )  # fmt: skip


async def _rewards(rewards: _Contract, reads: StakeReads, system: StakeSystem, epoch: int) -> RewardFacts:
    pots = {}
    for asset in await rewards.one("allAssets"):
        funded, _ = await reads.call(system.rewards, "Rewards", "potOf", epoch, asset)
        pots[asset] = int(funded)
    return RewardFacts(absence_jail_s=int(await rewards.one("absenceJailS")), pots=pots)


async def _collateral(reads: StakeReads, values: Sequence[str]) -> tuple[CollateralFacts, ...]:
    rows = []
    for at in values:
        (tokens,) = await reads.call(at, "CollateralValues", "tokens")
        for token in tokens:
            listed = await reads.call(at, "CollateralValues", "listed", token)
            contract, _, counts, growth, recorded, recorded_at_s, fallen_at_s, fallen = listed
            rate = _number(await reads.tried(at, "CollateralValues", "rateOf", token))
            limit = _number(await reads.tried(at, "CollateralValues", "limitOf", token))
            rows.append(CollateralFacts(
                values=at, token=token, rate_contract=None if contract == ZERO else contract, rate=rate,
                limit=limit, recorded_rate=recorded, recorded_at_s=recorded_at_s, counts_bps=counts,
                growth_bps=growth, fallen=(fallen, fallen_at_s) if fallen_at_s else None,
            ))  # fmt: skip
    return tuple(rows)


def _number(answer: tuple[Any, ...] | None) -> int | None:
    return None if answer is None else int(answer[0])
