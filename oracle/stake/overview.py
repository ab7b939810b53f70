"""All that a page shows of the contracts around a store at one block: the set, its operators, their cases, the epochs' rewards."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from oracle.stake.case_memory import CaseMemory
from oracle.stake.delegations import delegations
from oracle.stake.discover import StakeSystem
from oracle.stake.reads import StakeReads
from oracle.stake.rewards_view import rewards_rows
from oracle.stake.standing import operator_row, penalty_terms, preview, set_document, why_not

_FAILED = 3
"""Its place in a window of what a source said of an operator."""


async def overview(reads: StakeReads, system: StakeSystem, memory: CaseMemory) -> dict[str, Any]:
    """The document of `stake status`, and more of it.

    Args:
        reads: the chain.
        system: the contracts.
        memory: of the looks before.

    Raises:
        ChainError: endpoints do not answer or agree.
    """
    status, terms = await asyncio.gather(set_document(reads, system), penalty_terms(reads, system))
    (frozen,) = await reads.call(system.set, "StakedSet", "frozenOf", status["epoch"])
    names = await _others(reads, system, status, memory)
    coming = await preview(reads, system)
    others = await asyncio.gather(*(operator_row(reads, system, o, coming) for o in names))
    rows = await asyncio.gather(*(_row(reads, system, r) for r in (*status["operators"], *others)))
    return {
        **status,
        "block": reads.head.number,
        "frozen_total": str(frozen[3]) if frozen[0] else None,
        "operators": rows,
        "terms": terms,
        "cases": await memory.look(reads, system, [r["operator"] for r in rows]),
        "rewards": await rewards_rows(reads, system, status["epoch"]),
    }


async def _others(reads: StakeReads, system: StakeSystem, status: Mapping[str, Any], memory: CaseMemory) -> list[str]:
    """Operators that are neither candidates nor members any more, and still have something to answer for."""
    known = {r["operator"] for r in status["operators"]}
    epochs = {max(1, status["epoch"] - 1)} | ({status["scheduled"]["epoch"]} if status["scheduled"] else set())
    sets = await asyncio.gather(*(reads.call(system.set, "StakedSet", "membersOf", e) for e in epochs))
    return sorted(({o for _, operators, _ in sets for o in operators} | memory.accused) - known)


async def _row(reads: StakeReads, system: StakeSystem, row: Mapping[str, Any]) -> dict[str, Any]:
    operator = row["operator"]
    (windows,) = await reads.call(system.set, "StakedSet", "windows")
    why, (seen_s,), told, kept = await asyncio.gather(
        why_not(reads, system, row),
        reads.call(windows, "StakeWindows", "seenAt", operator),
        asyncio.gather(*(delegations(reads, s, operator) for s in system.sources)),
        asyncio.gather(*(reads.call(windows, "StakeWindows", "windowOf", s.at, operator) for s in system.sources)),
    )
    rows = zip(row["sources"], told, kept, strict=True)
    sources = [{**s, **more, "failed_at_freeze": window[_FAILED]} for s, more, (window,) in rows]
    return {**row, "why_not": why, "observed_s": seen_s or None, "sources": sources}
