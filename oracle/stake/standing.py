"""How the set and each of its operators stand: stakes by source, weights now and next, jail, cases. As JSON documents; wei are texts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oracle.stake.amounts import token_unit
from oracle.stake.discover import SourceKind, StakeSystem
from oracle.stake.reads import ZERO, StakeReads

PLACES = ("member", "too new", "too little stake", "others have more")
"""Why a candidate is in the next set or is not, as the contract numbers it."""
OUTCOMES = ("none", "disputed", "taken", "given back")
WHOLE = 10**18
NEVER_EXPIRES = (1 << 256) - 1
_JAILED_AT = 2
"""Its place in what the set says of a candidate."""
EPOCHS_BACK = 32
"""So many of the newest epochs are searched for cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The set that `rotate` would make now."""

    rows: Mapping[str, tuple[Any, ...]]
    threshold: int
    total: int

    def weight(self, operator: str) -> int:
        """Of an operator in it; 0 where it would not be in it."""
        return int(self.rows[operator][5]) if operator in self.rows else 0

    def place(self, operator: str) -> str | None:
        """Why it is in it or not; None for who is no candidate."""
        return PLACES[self.rows[operator][2]] if operator in self.rows else None


async def preview(reads: StakeReads, system: StakeSystem) -> Preview | None:
    """None where nobody can say it now."""
    found = await reads.tried(system.set, "StakedSet", "preview")
    if found is None:
        return None
    rows, threshold, _, total = found
    return Preview(rows={r[0]: r for r in rows}, threshold=threshold, total=total)


async def set_document(reads: StakeReads, system: StakeSystem) -> dict[str, Any]:
    """The whole set.

    Raises:
        ChainError: endpoints do not answer or agree; so does each function here.
    """
    names = (
        "candidates",
        "nextRotateAt",
        "minStake",
        "minMembers",
        "maxMembers",
        "answerS",
        "scheduledEpoch",
        "scheduledAt",
    )
    own, signers, (expires_s,), coming = await asyncio.gather(
        asyncio.gather(*(reads.call(system.set, "StakedSet", n) for n in names)),
        reads.call(system.store, "PriceStore", "signerSet"),
        reads.call(system.store, "PriceStore", "expiresAt"),
        preview(reads, system),
    )
    facts = {n: values[0] for n, values in zip(names, own, strict=True)}
    epoch, threshold, _, weights = signers
    (frozen,) = await reads.call(system.set, "StakedSet", "frozenOf", epoch)
    _, members, _ = await reads.call(system.set, "StakedSet", "membersOf", epoch)
    listed = sorted({*facts["candidates"], *members})
    rows = await asyncio.gather(*(operator_row(reads, system, o, coming) for o in listed))
    waits = facts["scheduledEpoch"] > epoch
    armed = waits and (await reads.call(system.store, "PriceStore", "armed"))[0]
    return {
        "store": system.store,
        "contracts": {
            "set": system.set, "book": system.book, "penalties": system.penalties, "rewards": system.rewards,
            "sources": [{"address": s.at, "kind": s.kind.value} for s in system.sources],
        },
        "at_s": reads.head.time_s,
        "epoch": epoch,
        "by_stake": frozen[0] != 0,
        "threshold": str(threshold),
        "total": str(sum(weights)),
        "expires_s": None if expires_s == NEVER_EXPIRES else expires_s,
        "provable_until_s": frozen[1] or None,
        "rotate_due_s": facts["nextRotateAt"],
        "scheduled": {"epoch": facts["scheduledEpoch"], "at_s": facts["scheduledAt"], "armed": bool(armed)} if waits else None,
        "next": None if coming is None else {
            "threshold": str(coming.threshold), "total": str(coming.total),
            "members": sum(coming.weight(o) > 0 for o in coming.rows), "least_members": facts["minMembers"],
            "can_be_made": coming.threshold <= coming.total,
        },
        "least_stake": str(facts["minStake"]),
        "answer_s": facts["answerS"],
        "operators": sorted(rows, key=lambda r: (-int(r["weight"]), -int(r["stake"]), r["operator"])),
    }  # fmt: skip


async def operator_row(reads: StakeReads, system: StakeSystem, operator: str, coming: Preview | None) -> dict[str, Any]:
    """One operator, in short."""
    (key,), candidate, (jail_s,), signers = await asyncio.gather(
        reads.call(system.book, "KeyBook", "keyOf", operator),
        reads.call(system.set, "StakedSet", "candidateOf", operator),
        reads.call(system.set, "StakedSet", "jailedUntil", operator),
        reads.call(system.store, "PriceStore", "signerSet"),
    )
    epoch, _, keys, weights = signers
    by_key = dict(zip(keys, weights, strict=True))
    frozen_keys, operators, _ = await reads.call(system.set, "StakedSet", "membersOf", epoch)
    mine = [k for k, o in zip(frozen_keys, operators, strict=True) if o == operator]
    capture_s = await slashing_capture(reads, system, operator)
    stakes = await asyncio.gather(*(_stakes(reads, s.at, operator, capture_s) for s in system.sources))
    return {
        "operator": operator,
        "key": None if key == ZERO else key,
        "signs_with": mine[0] if mine else None,
        "is_candidate": candidate[0] != 0,
        "place": None if coming is None else coming.place(operator),
        "weight": str(sum(by_key.get(k, 0) for k in mine)),
        "next_weight": None if coming is None else str(coming.weight(operator)),
        "stake": str(sum(s or 0 for s, _ in stakes)),
        "slashable": str(sum(s or 0 for _, s in stakes)),
        "sources": [
            {
                "address": source.at, "kind": source.kind.value,
                "stake": None if stake is None else str(stake), "slashable": None if slashable is None else str(slashable),
            }
            for source, (stake, slashable) in zip(system.sources, stakes, strict=True)
        ],
        "jailed_until_s": jail_s if jail_s > reads.head.time_s else None,
        "bound_until_s": candidate[5] or None,
    }  # fmt: skip


async def slashing_capture(reads: StakeReads, system: StakeSystem, operator: str) -> int:
    """Of what time an operator's stake answers for what it signs now: when it was seen for the set in force; of another just now.

    A source that reads a history by time knows nothing of the very second of a block yet.
    """
    epoch, *_ = await reads.call(system.store, "PriceStore", "signerSet")
    (capture_s,) = await reads.call(system.set, "StakedSet", "captureOf", epoch, operator)
    return int(capture_s) or reads.head.time_s - 1


async def _stakes(reads: StakeReads, source: str, operator: str, capture_s: int) -> tuple[int | None, int | None]:
    """What counts as stake in a source, and what can be slashed there of a capture; None where it does not say."""
    stake, slashable = await asyncio.gather(
        reads.tried(source, "IStakeSource", "stakeOf", operator),
        reads.tried(source, "IStakeSource", "slashableOf", operator, capture_s),
    )
    return (None if stake is None else stake[0]), (None if slashable is None else slashable[0])


async def cases_of(
    reads: StakeReads, system: StakeSystem, operator: str, back: int = EPOCHS_BACK
) -> list[dict[str, Any]]:
    """Its newest case in each of the newest epochs, so many of them. A case jails its operator: who was never jailed has none."""
    candidate = await reads.call(system.set, "StakedSet", "candidateOf", operator)
    if not candidate[_JAILED_AT]:
        return []
    epoch, *_ = await reads.call(system.store, "PriceStore", "signerSet")
    epochs = range(max(1, epoch + 1 - back), epoch + 2)
    named = await asyncio.gather(*(reads.call(system.penalties, "Penalties", "caseIn", operator, e) for e in epochs))
    found = [case_id for (case_id,) in named if any(case_id)]
    return list(await asyncio.gather(*(_case(reads, system, c) for c in found)))


async def _case(reads: StakeReads, system: StakeSystem, case_id: bytes) -> dict[str, Any]:
    (case,), (due,) = await asyncio.gather(
        reads.call(system.penalties, "Penalties", "caseOf", case_id),
        reads.call(system.penalties, "Penalties", "fractionDue", case_id),
    )
    _, epoch, dispute_until_s, _, fraction, steps, settled, outcome, finder = case
    return {
        "case": "0x" + case_id.hex(),
        "epoch": epoch,
        "fraction": str(fraction),
        "fraction_due": str(due),
        "outcome": OUTCOMES[outcome],
        "dispute_until_s": dispute_until_s,
        "is_open": settled < steps,
        "finder": finder,
    }


async def penalty_terms(reads: StakeReads, system: StakeSystem) -> dict[str, Any]:
    """What a proven lie costs, and how long a dispute is."""
    names = ("minFraction", "disputeS", "executionS", "finderBps", "arbiter")
    values = await asyncio.gather(*(reads.call(system.penalties, "Penalties", n) for n in names))
    least, dispute_s, execution_s, finder_bps, arbiter = (v for (v,) in values)
    return {
        "alone": str(least), "together": str(WHOLE), "dispute_s": dispute_s, "execution_s": execution_s,
        "finder_bps": finder_bps, "arbiter": None if arbiter == ZERO else arbiter,
    }  # fmt: skip


def alone_fraction(least: int, threshold: int, total: int, weight: int) -> int:
    """What an operator of this frozen weight loses if nobody else lied, 1e18 for all: as the contract has it."""
    return WHOLE if 2 * threshold <= total + weight else least


async def operator_document(reads: StakeReads, system: StakeSystem, operator: str) -> dict[str, Any]:
    """One operator, with its cases, commissions and rewards."""
    coming = await preview(reads, system)
    row, cases, (nonce,), candidate = await asyncio.gather(
        operator_row(reads, system, operator, coming),
        cases_of(reads, system, operator),
        reads.call(system.book, "KeyBook", "nonceOf", operator),
        reads.call(system.set, "StakedSet", "candidateOf", operator),
    )
    names = ("minStake", "joinDelayS", "nextRotateAt")
    least, delay_s, due_s = [(await reads.call(system.set, "StakedSet", n))[0] for n in names]
    pools = [await _pool(reads, s.at, operator) for s in system.of_kind(SourceKind.DELEGATED)]
    return {
        **row, "nonce": nonce, "why_not": await why_not(reads, system, row), "cases": cases, "pools": pools,
        "least_stake": str(least), "join_delay_s": delay_s, "joined_s": candidate[1], "rotate_due_s": due_s,
    }  # fmt: skip


async def why_not(reads: StakeReads, system: StakeSystem, row: Mapping[str, Any]) -> str | None:
    """Why an operator is no member of the next set; None where it would be one."""
    if row["is_candidate"]:
        return None if row["place"] in (PLACES[0], None) else str(row["place"])
    if row["jailed_until_s"] is not None:
        return f"in jail until {row['jailed_until_s']}"
    if row["key"] is None:
        return "it has no report key in the book"
    (least,) = await reads.call(system.set, "StakedSet", "minStake")
    return PLACES[2] if int(row["stake"]) < least else "it has not joined"


async def _pool(reads: StakeReads, source: str, operator: str) -> dict[str, Any]:
    (pool,), (commission,), (assets,), (token,) = await asyncio.gather(
        reads.call(source, "DelegatedStake", "poolOf", operator),
        reads.call(source, "DelegatedStake", "commissionOf", operator),
        reads.call(source, "DelegatedStake", "assets"),
        reads.call(source, "DelegatedStake", "token"),
    )
    unit, *in_assets = [await token_unit(reads, t) for t in (token, *assets)]
    due = await asyncio.gather(*(reads.call(source, "DelegatedStake", "dueOf", operator, a) for a in assets))
    tokens, shares, _, leaving, _, _, open_cases, _, enrolled, next_bps, next_at, aside = pool
    return {
        "source": source, "token": unit.document(), "assets": {a.address: a.document() for a in in_assets},
        "enrolled": enrolled, "tokens": str(tokens), "shares": str(shares), "leaving": str(leaving),
        "aside": str(aside), "open_cases": open_cases, "commission_bps": commission,
        "commission_next": {"bps": next_bps, "at_s": next_at} if next_at > reads.head.time_s else None,
        "due": {a: str(n) for a, (n,) in zip(assets, due, strict=True)},
    }  # fmt: skip
