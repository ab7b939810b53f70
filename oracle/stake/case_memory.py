"""The cases against operators, asked for again only where something can have changed: most operators have none."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from eth_abi.abi import decode

from oracle.stake.discover import StakeSystem
from oracle.stake.reads import StakeReads
from oracle.stake.standing import cases_of


class CaseMemory:
    """What was read of cases. A case jails its operator, so who was not jailed since the last look has no new one."""

    def __init__(self) -> None:
        self._jails: dict[str, tuple[int, int]] = {}
        self._cases: dict[str, list[dict[str, Any]]] = {}

    @property
    def accused(self) -> set[str]:
        """Operators with a case that is open."""
        return {o for o, cases in self._cases.items() if _any_open(cases)}

    async def look(self, reads: StakeReads, system: StakeSystem, operators: Collection[str]) -> list[dict[str, Any]]:
        """The cases of these operators in the newest epochs, those of the newest epoch first.

        Raises:
            ChainError: endpoints do not answer or agree.
        """
        each = await asyncio.gather(*(self._of(reads, system, o) for o in operators))
        rows = [case for cases in each for case in cases]
        return sorted(rows, key=lambda c: (not c["is_open"], -c["epoch"], c["operator"]))

    async def _of(self, reads: StakeReads, system: StakeSystem, operator: str) -> list[dict[str, Any]]:
        candidate = await reads.call(system.set, "StakedSet", "candidateOf", operator)
        jail = (candidate[2], candidate[3])
        known = self._cases.get(operator, [])
        if jail == self._jails.get(operator, (0, 0)) and not _any_open(known):
            return known
        found = await cases_of(reads, system, operator)
        taken = await asyncio.gather(*(_taken(reads, system, c) for c in found))
        cases = [{"operator": operator, **c, "taken": t} for c, t in zip(found, taken, strict=True)]
        self._jails[operator], self._cases[operator] = jail, cases
        return cases


def _any_open(cases: list[dict[str, Any]]) -> bool:
    return any(c["is_open"] for c in cases)


async def _taken(reads: StakeReads, system: StakeSystem, case: dict[str, Any]) -> str | None:
    """Wei that were taken for good; None where endpoints do not look so far back."""
    if case["outcome"] != "taken":
        return "0"
    logs = await reads.event_data(system.penalties, "Penalties", "Settled", case["case"])
    if logs is None:
        return None
    return str(sum(int(decode(["uint8", "uint256"], data)[1]) for data in logs))
