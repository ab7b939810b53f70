"""`lrt-oracle demo --operators N`: a local chain and local venues around so many operators, each a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from demo.fleet.fleet import Fleet, running_fleet
from demo.fleet.fleet_summary import summarise_fleet
from demo.fleet.fleet_table import FleetScreen
from demo.fleet.ledger import rounds_sealed
from demo.fleet.rounds_of import next_round_s, rounds_between, sleep_until
from demo.fleet.stories import STORIES, FleetStage, plan_of
from demo.kept_keys import keep_passphrase
from demo.market import DemoMarket
from demo.testbed import Options
from demo.world.trader import Trader
from feeds.errors import LrtOracleError
from feeds.units import MS
from oracle.runtime.clock import now_ms

_READY_S = 90.0
_UNTIL_INTERRUPTED_S = 120.0
"""Length of the scenario in a run without an end."""
_READY_ROUNDS = 2
_SETTLE_S = 1.5
_SEALING = frozenset({"honest", "liar", "splits", "two-signatures-late"})
"""Behaviours with which an operator sees rounds sealed like everybody."""


class FleetNotReady(LrtOracleError, TimeoutError):
    """The operators did not come to a sealed round: where to look."""


async def run_fleet(options: Options, stop: asyncio.Event) -> dict[str, Any]:
    """Run a scenario with several operators; returns the summary."""
    started = time.monotonic()
    story = STORIES[options.scenario]
    async with AsyncExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lrt-oracle-demo-")))
        plan = plan_of(story, options.operators, options.port)
        if plan.network is not None:
            await stack.enter_async_context(plan.network)
        fleet = await stack.enter_async_context(running_fleet(folder.absolute(), plan))
        if options.folder is not None:
            made = list(fleet.operators.values())
            for line in keep_passphrase(folder, made[0].environ, (o.config for o in made)):
                _say(line)
        screen = FleetScreen(fleet, options.scenario) if options.table else None
        async with market_of(fleet) as market:
            await fleet.start()
            await until_sealing(fleet)
            ready_s = time.monotonic() - started
            first_s = next_round_s(fleet)
            await _tell(fleet, market, options, stop, screen)
            await sleep_until(now_ms() / MS + _SETTLE_S)
            rounds = rounds_between(fleet, first_s, now_ms() / MS - _SETTLE_S)
            summary = await summarise_fleet(fleet, rounds)
            if story.facts is not None:
                facts = dict(await story.facts(fleet))
                summary["problems"] += facts.pop("problems")
                summary |= facts
        return {"scenario": options.scenario, "scaled_times": True, "seconds_to_start": round(ready_s, 2), **summary}


@contextlib.asynccontextmanager
async def market_of(fleet: Fleet) -> Any:
    """The market of a fleet, as it moves; a fault of it ends the run."""
    market = DemoMarket(Trader(fleet.chain, fleet.world), fleet.venues)
    tasks = [asyncio.create_task(market.run_venues()), asyncio.create_task(market.run_pools())]
    try:
        yield market
        for failed in (t for t in tasks if t.done()):
            failed.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_sealing(fleet: Fleet, wait_s: float = _READY_S) -> None:
    """Wait until every operator that signs has seen rounds sealed.

    Raises:
        FleetNotReady: they have not, in good time.
    """
    signing = [o for o in fleet.operators.values() if o.behaviour in _SEALING]
    deadline = time.monotonic() + wait_s
    while late := [o for o in signing if len(rounds_sealed(o.database)) < _READY_ROUNDS]:
        dead = [o.name for o in fleet.operators.values() if not o.runs]
        if dead or time.monotonic() > deadline:
            names = ", ".join(dead or [o.name for o in late])
            raise FleetNotReady(
                f"{names} {'ended' if dead else 'sealed no round'} within {wait_s:g} s: read {late[0].log}"
                f" (kept with --folder): {_last_line(late[0].log)}"
            )
        await asyncio.sleep(0.2)


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return lines[-1][:300] if lines else "its log is empty"


async def _tell(
    fleet: Fleet, market: DemoMarket, options: Options, stop: asyncio.Event, screen: FleetScreen | None
) -> None:
    """Run the scenario until the time is up, or until interrupted."""
    say = screen.say if screen is not None else _say
    seconds = options.seconds or _UNTIL_INTERRUPTED_S
    script = asyncio.ensure_future(STORIES[options.scenario].script(FleetStage(market, fleet, seconds, say)))
    drawing = asyncio.create_task(screen.run()) if screen is not None else None
    waits: list[asyncio.Future[Any]] = [asyncio.create_task(stop.wait())]
    if options.seconds:
        waits.append(asyncio.create_task(asyncio.sleep(options.seconds)))
    try:
        pending: set[asyncio.Future[Any]] = {*waits, script}
        while not any(w.done() for w in waits):
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for each in done & {script}:
                each.result()
    finally:
        tasks = [t for t in (script, drawing, *waits) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _say(line: str) -> None:
    sys.stderr.write(f"demo: {line}\n")
