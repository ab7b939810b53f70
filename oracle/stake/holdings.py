"""What a restaker has: its shares with each operator, what they are worth, who can slash how much of it, when it can leave, what it earned."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from oracle.stake.amounts import token_unit
from oracle.stake.discover import SourceKind, StakeSystem
from oracle.stake.reads import StakeReads
from oracle.stake.standing import WHOLE, alone_fraction, cases_of, penalty_terms


async def holdings_document(
    reads: StakeReads, system: StakeSystem, restaker: str, more: Collection[str] = ()
) -> dict[str, Any]:
    """All that it has with operators of the delegated sources.

    Args:
        reads: the chain.
        system: the contracts.
        restaker: address in hex.
        more: operators to look at in any case, for endpoints that do not look far back.

    Raises:
        ChainError: endpoints do not answer or agree.
    """
    rows, incomplete = [], False
    for source in system.of_kind(SourceKind.DELEGATED):
        operators, searched = await _operators(reads, system, source.at, restaker)
        incomplete |= not searched
        held = await asyncio.gather(
            *(_holding(reads, system, source.at, o, restaker) for o in sorted({*operators, *more}))
        )
        rows += [h for h in held if h is not None]
    return {
        "restaker": restaker,
        "value": str(sum(int(h["value"]) for h in rows)),
        "holdings": rows,
        "penalties": await penalty_terms(reads, system),
        "incomplete": incomplete,
    }


async def _operators(reads: StakeReads, system: StakeSystem, source: str, restaker: str) -> tuple[set[str], bool]:
    """With whom it ever had shares, and whether all of the chain was searched; else the operators that are known now."""
    topic = "0x" + restaker[2:].rjust(64, "0")
    logs = await reads.emitted(source, "DelegatedStake", "Deposited", None, topic)
    if logs is not None:
        return {"0x" + log[1][-40:] for log in logs}, True
    epoch, *_ = await reads.call(system.store, "PriceStore", "signerSet")
    (candidates,), members = await asyncio.gather(
        reads.call(system.set, "StakedSet", "candidates"), reads.call(system.set, "StakedSet", "membersOf", epoch)
    )
    return {*candidates, *members[1]}, False


async def _holding(
    reads: StakeReads, system: StakeSystem, source: str, operator: str, restaker: str
) -> dict[str, Any] | None:
    """None where it has nothing with the operator."""
    ((holding,), (pool,), (assets,), (bound_s,), cases) = await asyncio.gather(
        reads.call(source, "DelegatedStake", "positionOf", operator, restaker),
        reads.call(source, "DelegatedStake", "poolOf", operator),
        reads.call(source, "DelegatedStake", "assets"),
        reads.call(system.set, "StakedSet", "boundUntil", operator),
        cases_of(reads, system, operator),
    )
    shares, tokens, value, leaving, opens_s, closes_s, pending = holding
    if not shares and not any(pending):
        return None
    asked = None
    if shares and not leaving:
        asked = await reads.tried_by(restaker, source, "DelegatedStake", "requestExit", operator, shares)
    (token,) = await reads.call(source, "DelegatedStake", "token")
    unit, *in_assets = [await token_unit(reads, t) for t in (token, *assets)]
    open_cases = [c for c in cases if c["is_open"]]
    alone = await _alone(reads, system, operator)
    aside = pool[11] * shares // pool[1] if shares and pool[1] else 0
    return {
        "source": source,
        "operator": operator,
        "token": unit.document(),
        "assets": {a.address: a.document() for a in in_assets},
        "shares": str(shares),
        "tokens": str(tokens),
        "value": str(value),
        "slashing": {
            "by": system.penalties,
            "aside_tokens": str(aside),
            "cases": [{k: c[k] for k in ("case", "fraction", "fraction_due", "dispute_until_s")} for c in open_cases],
            "alone": str(value * alone // WHOLE),
            "most": str(value),
            "proven_words_until_s": bound_s or None,
        },
        "exit": {"shares": str(leaving), "opens_s": opens_s, "closes_s": closes_s} if leaving else None,
        "exit_asked_now_opens_s": asked[0] if asked else None,
        "waits_for_case": pool[6] != 0,
        "pending": {a: str(n) for a, n in zip(assets, pending, strict=True)},
    }


async def _alone(reads: StakeReads, system: StakeSystem, operator: str) -> int:
    """What the operator loses by a lie in the present epoch if nobody else lies."""
    epoch, *_ = await reads.call(system.store, "PriceStore", "signerSet")
    (least,), (frozen,), (_, operators, weights) = await asyncio.gather(
        reads.call(system.penalties, "Penalties", "minFraction"),
        reads.call(system.set, "StakedSet", "frozenOf", epoch),
        reads.call(system.set, "StakedSet", "membersOf", epoch),
    )
    weight = dict(zip(operators, weights, strict=True)).get(operator, 0)
    return alone_fraction(least, frozen[2], frozen[3], weight) if weight else int(least)
