"""The cases against operators, with what was taken for good: that is in the chain's events, and asked for once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from eth_abi.abi import decode

from oracle.stake.discover import StakeSystem
from oracle.stake.reads import StakeReads
from oracle.stake.standing import cases_of


class CaseMemory:
    """What was read of cases.

    Attributes:
        accused: operators with a case that was open at the last look.
    """

    def __init__(self) -> None:
        self.accused: set[str] = set()
        self._taken: dict[str, str] = {}

    async def look(self, reads: StakeReads, system: StakeSystem, operators: Collection[str]) -> list[dict[str, Any]]:
        """The cases of these operators in the newest epochs: open ones first, then those of the newest epochs.

        Raises:
            ChainError: endpoints do not answer or agree.
        """
        each = await asyncio.gather(*(cases_of(reads, system, o) for o in operators))
        found = [{"operator": o, **c} for o, cases in zip(operators, each, strict=True) for c in cases]
        taken = await asyncio.gather(*(self._taken_of(reads, system, c) for c in found))
        self.accused = {c["operator"] for c in found if c["is_open"]}
        rows = [{**c, "taken": t} for c, t in zip(found, taken, strict=True)]
        return sorted(rows, key=lambda c: (not c["is_open"], -c["epoch"], c["operator"]))

    async def _taken_of(self, reads: StakeReads, system: StakeSystem, case: dict[str, Any]) -> str | None:
        """Wei that were taken for good; None where endpoints do not look so far back."""
        if case["outcome"] != "taken":
            return "0"
        if case["case"] in self._taken:
            return self._taken[case["case"]]
        logs = await reads.event_data(system.penalties, "Penalties", "Settled", case["case"])
        if logs is None:
            return None
        wei = str(sum(int(decode(["uint8", "uint256"], data)[1]) for data in logs))
        if not case["is_open"]:
            self._taken[case["case"]] = wei
        return wei
