"""``python -m demo.bench.fleet_pushes [SECONDS [PAYERS]]``: how many pushes of a fleet whose operators all pay came twice.

Operators are processes of their own. What is counted is in their databases: a push is wasted where the store had its round
from another one already, or refused it. Heartbeats of 3 s and blocks of 1 s make many pushes in little time.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from demo.fleet.fleet import FleetPlan, running_fleet
from demo.market import DemoMarket
from demo.world.trader import Trader

_SECONDS, _PAYERS, _INTERVAL_S = 300, 3, 2
_WASTED = frozenset({"overtaken", "reverted"})


async def fleet_pushes(seconds: int = _SECONDS, payers: int = _PAYERS) -> dict[str, Any]:
    """Run a fleet for so long, and count."""
    with tempfile.TemporaryDirectory() as folder:
        plan = FleetPlan(operators=payers, threshold=payers, interval_s=_INTERVAL_S, payers=payers)
        async with running_fleet(Path(folder), plan) as fleet:
            market = DemoMarket(Trader(fleet.chain, fleet.world), fleet.venues)
            moving = [asyncio.create_task(market.run_venues()), asyncio.create_task(market.run_pools())]
            for operator in fleet.operators.values():
                await operator.start()
            await asyncio.sleep(seconds)
            for operator in fleet.operators.values():
                await operator.stop()
            for task in moving:
                task.cancel()
            return counted({name: o.database for name, o in fleet.operators.items()})


def counted(databases: dict[str, Path]) -> dict[str, Any]:
    """The pushes in several databases: what became of them, for each operator and in all."""
    by_operator = {name: Counter(_states(path)) for name, path in databases.items()}
    total = sum(by_operator.values(), Counter[str]())
    wasted, landed = sum(total[s] for s in _WASTED), total["landed"]
    return {
        "by_operator": {name: dict(c) for name, c in by_operator.items()},
        "landed": landed,
        "wasted": wasted,
        "wasted_percent": round(100 * wasted / max(1, landed + wasted), 2),
    }


def _states(path: Path) -> Iterable[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return [state for (state,) in database.execute("SELECT state FROM pushes")]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(fleet_pushes(*map(int, sys.argv[1:]))), indent=2))  # noqa: T201
