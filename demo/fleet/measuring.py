"""Measurements of whole operators, each a process of its own: calm, killed leaders, too few of them, parted networks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.fleet.fleet import Fleet, FleetPlan, running_fleet
from demo.fleet.fleet_run import market_of, until_sealing
from demo.fleet.fleet_summary import fleet_ledger, summarise_fleet
from demo.fleet.rounds_of import leader_of, members_of, next_round_s, sleep_until, until_sealed
from demo.fleet.usage import usage_of
from demo.world.hostile_network import HostileNetwork, PartitionKind
from demo.world.link_conditions import Conditions
from feeds.units import MS
from oracle.runtime.clock import now_ms

_READY_S = 300.0
_CALM_ROUNDS = 2
_DOWN_ROUNDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions:
    """Of the command line, see `demo.fleet.measure`. ``conditions``: of each way between two operators."""

    operators: int
    rounds: int
    interval_s: int
    feeds: int
    seconds: int
    seed: int
    conditions: Mapping[str, Any]
    only: tuple[str, ...] = ()

    def plan(self, *, relayed: bool = False) -> FleetPlan:
        """The fleet; with a relay between all where the network is to be bad."""
        network = HostileNetwork(self.seed) if relayed or self.conditions else None
        return FleetPlan(operators=self.operators, interval_s=self.interval_s, network=network)

    def document(self) -> dict[str, Any]:
        """For the figures."""
        return {"operators": self.operators, "interval_s": self.interval_s, "seed": self.seed,
                "conditions": dict(self.conditions)}  # fmt: skip


@asynccontextmanager
async def sealing_fleet(folder: Path, plan: FleetPlan, conditions: Mapping[str, Any]) -> AsyncIterator[Fleet]:
    """A fleet of whole operators that seals its rounds, under these conditions, in a market with a little noise."""
    try:
        async with running_fleet(folder, plan) as fleet, market_of(fleet):
            await fleet.start()
            await until_sealing(fleet, _READY_S)
            if plan.network is not None and conditions:
                plan.network.plan(Conditions(**conditions))
            yield fleet
    finally:
        if plan.network is not None:
            await plan.network.close()


async def measure_calm(folder: Path, options: MeasureOptions) -> dict[str, Any]:
    """So many rounds in which nothing happens."""
    async with sealing_fleet(folder, options.plan(), options.conditions) as fleet:
        before = _usage(fleet)
        rounds = await after_rounds(fleet, options.rounds)
        used = _used(before, _usage(fleet), len(rounds))
        return {**options.document(), "a_round_of_one_operator": used, **await summarise_fleet(fleet, rounds)}


async def measure_leaders(folder: Path, options: MeasureOptions) -> dict[str, Any]:
    """``rounds`` times: the leader of the next round is killed at a random moment of its first attempt, and started again later."""
    rng = random.Random(options.seed)
    kills = []
    async with sealing_fleet(folder, options.plan(), options.conditions) as fleet, members_of(fleet) as members:
        first_s = next_round_s(fleet)
        for _ in range(options.rounds):
            round_s = next_round_s(fleet)
            name = await leader_of(fleet, members, round_s)
            late_ms = rng.randrange(options.interval_s * MS // 5)
            await sleep_until(round_s + late_ms / MS)
            await fleet.operators[name].kill()
            await sleep_until(round_s + _DOWN_ROUNDS * options.interval_s)
            await fleet.operators[name].start()
            kills.append({"round": round_s, "leader": name, "after_ms": late_ms})
            await until_sealed(fleet, name, now_ms() // MS)
        rounds = await _since(fleet, first_s)
        return {**options.document(), "kills": kills, **await summarise_fleet(fleet, rounds)}


async def measure_blackout(folder: Path, options: MeasureOptions) -> dict[str, Any]:
    """Of n operators n - T + 1 are killed: nothing may be sealed; then they are started again, and all comes back by itself."""
    async with sealing_fleet(folder, options.plan(), options.conditions) as fleet:
        first_s = next_round_s(fleet)
        await after_rounds(fleet, _CALM_ROUNDS)
        victims = list(fleet.operators)[-(options.operators - fleet.threshold + 1) :]
        await asyncio.gather(*(fleet.operators[n].kill() for n in victims))
        dark_s = next_round_s(fleet)
        await asyncio.sleep(options.seconds)
        light_s = now_ms() / MS
        await fleet.start(*victims)
        back_s = await until_sealed(fleet, victims[0], int(light_s))
        await after_rounds(fleet, _CALM_ROUNDS)
        dark = fleet_ledger(fleet, range(dark_s, int(light_s) - options.interval_s, options.interval_s))
        rounds = await _since(fleet, first_s)
        return {
            **options.document(), "killed": victims, "dark_rounds": len(dark.rounds), "sealed_in_the_dark": len(dark.sealed),
            "first_sealed_after_start_s": round(back_s - light_s, 1), **await summarise_fleet(fleet, rounds),
        }  # fmt: skip


async def measure_partition(folder: Path, options: MeasureOptions) -> dict[str, Any]:
    """The network parts 2-3, later 1-4, so long each, and heals."""
    parts: list[dict[str, Any]] = []
    async with sealing_fleet(folder, options.plan(relayed=True), options.conditions) as fleet:
        network, names = fleet.network, list(fleet.operators)
        assert network is not None  # noqa: S101 - the plan has one
        first_s = next_round_s(fleet)
        for alone in (2, 1):
            await after_rounds(fleet, _CALM_ROUNDS)
            network.partition([names[:alone], names[alone:]], kind=PartitionKind.SILENT)
            parted_s = next_round_s(fleet)
            await asyncio.sleep(options.seconds)
            network.heal()
            healed_s = now_ms() / MS
            during = list(range(parted_s, int(healed_s) - options.interval_s, options.interval_s))
            back = {n: await until_sealed(fleet, n, int(healed_s)) for n in names}
            parts.append({
                "parted": f"{alone}-{len(names) - alone}", "rounds": len(during),
                "sealed": len(fleet_ledger(fleet, during).sealed),
                "first_sealed_round_after_heal_s": round(min(back.values()) - healed_s, 1),
                "all_have_sealed_after_s": round(max(back.values()) - healed_s, 1),
            })  # fmt: skip
        rounds = await _since(fleet, first_s)
        return {**options.document(), "partitions": parts, **await summarise_fleet(fleet, rounds)}


async def after_rounds(fleet: Fleet, count: int) -> list[int]:
    """The next so many rounds, once they are over."""
    first_s = next_round_s(fleet)
    rounds = [first_s + i * fleet.interval_s for i in range(count)]
    await sleep_until(rounds[-1] + fleet.interval_s + 0.5)
    return rounds


async def _since(fleet: Fleet, first_s: int) -> list[int]:
    """All rounds since one, the present one too, once it is over."""
    last_s = next_round_s(fleet) - fleet.interval_s
    await sleep_until(last_s + fleet.interval_s + 0.5)
    return list(range(first_s, last_s + 1, fleet.interval_s))


def _usage(fleet: Fleet) -> dict[str, tuple[int, int]]:
    found = {}
    for name, operator in fleet.operators.items():
        used = usage_of(operator.process.pid) if operator.process is not None else None
        if used is not None:
            found[name] = (used.cpu_ms, used.rss_kb)
    return found


def _used(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]], rounds: int) -> dict[str, int]:
    both: Sequence[str] = [n for n in before if n in after]
    if not both or not rounds:
        return {}
    return {
        "cpu_ms": sum(after[n][0] - before[n][0] for n in both) // len(both) // rounds,
        "rss_kb_first": sum(before[n][1] for n in both) // len(both),
        "rss_kb_last": sum(after[n][1] for n in both) // len(both),
    }
