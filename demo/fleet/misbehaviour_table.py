"""Each misbehaviour, really run in one seat of a fleet, one after the other: what it cost and what was kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from demo.fleet.behaviours import BEHAVIOURS
from demo.fleet.fleet import Fleet
from demo.fleet.fleet_summary import fleet_ledger, summarise_fleet
from demo.fleet.ledger import Ledger, rounds_made
from demo.fleet.measuring import MeasureOptions, after_rounds, sealing_fleet
from demo.fleet.process import OperatorProcess
from demo.fleet.rounds_of import leader_of, members_of, next_round_s
from demo.fleet.usage import ProcessUsage, usage_of
from feeds.units import MS
from oracle.runtime.clock import now_ms

_SEAT = 1
_LOG_LINES = 3


async def measure_misbehaviours(folder: Path, options: MeasureOptions) -> dict[str, Any]:
    """A table with a row for each misbehaviour: ``rounds`` rounds of it, in the same seat."""
    names = options.only or tuple(n for n, b in BEHAVIOURS.items() if n != "honest" and not b.from_epoch)
    async with sealing_fleet(folder, options.plan(), options.conditions) as fleet:
        first_s = next_round_s(fleet)
        rows = [await misbehave(fleet, name, options.rounds) for name in names]
        last_s = next_round_s(fleet) - fleet.interval_s
        rounds = list(range(first_s, last_s, fleet.interval_s))
        summary = await summarise_fleet(fleet, rounds)
        return {**options.document(), "rounds_each": options.rounds, "misbehaviours": rows,
                "forks": summary["forks"], "problems": summary["problems"]}  # fmt: skip


async def misbehave(fleet: Fleet, name: str, rounds: int) -> dict[str, Any]:
    """Start the operator of one seat anew with a behaviour, and count so many rounds."""
    operator = list(fleet.operators.values())[_SEAT]
    await operator.stop()
    operator.behaviour = name
    started_s = now_ms() // MS
    await operator.start()
    await _until_it_makes_rounds(operator, started_s)
    before = _victims(fleet)
    logged = operator.log.stat().st_size
    counted = await after_rounds(fleet, rounds)
    after = _victims(fleet)
    ledger = fleet_ledger(fleet, counted)
    return {
        "behaviour": name,
        "what": BEHAVIOURS[name].says,
        "rounds": len(counted),
        "lost": len(ledger.lost),
        "attempts": {str(n): count for n, count in ledger.attempts.items()},
        "led": await _led(fleet, operator.name, counted),
        "signed_by_it": ledger.signed.get(fleet.addresses[operator.name], 0),
        "evidence": _evidence(fleet, ledger, operator.name),
        "refused": len(ledger.refused),
        "forks": list(ledger.forks),
        "others_rss_kb": {n: used.rss_kb for n, used in after.items()},
        "others_rss_grew_kb": max((after[n].rss_kb - before[n].rss_kb for n in before if n in after), default=0),
        "others_cpu_ms_a_round": max(
            ((after[n].cpu_ms - before[n].cpu_ms) // rounds for n in before if n in after), default=0
        ),
        "its_log_bytes": operator.log.stat().st_size - logged,
        "seen_by_others": _seen(fleet, operator.name),
    }


async def _led(fleet: Fleet, name: str, rounds: Sequence[int]) -> int:
    """Of how many of these rounds it led the first attempt."""
    async with members_of(fleet) as members:
        return [await leader_of(fleet, members, r) for r in rounds].count(name)


async def _until_it_makes_rounds(operator: OperatorProcess, started_s: int) -> None:
    """Its own database says so; whether anything of it counts with the others is what is measured."""
    while not any(r > started_s for r in rounds_made(operator.database)):  # noqa: ASYNC110 - a process has no events
        await asyncio.sleep(0.2)


def _evidence(fleet: Fleet, ledger: Ledger, name: str) -> Mapping[str, int]:
    own = fleet.addresses[name]
    return {kind: count for (address, kind), count in ledger.evidence.items() if address == own}


def _victims(fleet: Fleet) -> dict[str, ProcessUsage]:
    found = {}
    for number, (name, operator) in enumerate(fleet.operators.items()):
        used = usage_of(operator.process.pid) if number != _SEAT and operator.process is not None else None
        if used is not None:
            found[name] = used
    return found


def _seen(fleet: Fleet, name: str) -> list[str]:
    """The newest lines of another operator's log that name it: what people see."""
    other = next(o for o in fleet.operators.values() if o.name != name)
    lines = other.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line[:300] for line in lines if name in line][-_LOG_LINES:]
