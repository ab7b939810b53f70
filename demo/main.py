"""`lrt-oracle demo`: a local chain and local venues around the same service that runs in production."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from demo import settings
from demo.fleet.fleet_run import run_fleet
from demo.fleet.fleet_summary import closing_lines as fleet_lines
from demo.fleet.restaked_summary import restaked_lines
from demo.fleet.stories import LEAST_OPERATORS, MOST_OPERATORS, NETWORK_STORIES, STORIES
from demo.kept_keys import keep_passphrase
from demo.liar import Liar
from demo.market import DemoMarket
from demo.scenarios import SCENARIOS, Stage
from demo.summary import summarise
from demo.table import Screen
from demo.testbed import Options, Testbed, resolved_config, running_testbed
from demo.world.trader import Trader
from oracle.app import App
from oracle.assemble.network import MakeMember, make_member
from oracle.build import build
from oracle.model.suggest import nearest
from oracle.network.seats import LocalMember
from oracle.sign.operator import Operator

_LIAR = "beta"
_READY_S = 30.0
_UNTIL_INTERRUPTED_S = 60.0
"""Length of the scenario in a run without an end."""
_SETTLE_S = 1.5


async def run(options: Options, stop: asyncio.Event) -> dict[str, Any]:
    """Run the demo; returns the summary that --json writes."""
    if options.operators:
        return written(options, await run_fleet(options, stop))
    async with AsyncExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lrt-oracle-demo-")))
        testbed = await stack.enter_async_context(running_testbed(folder, port=options.port))
        if options.folder is not None:
            for line in keep_passphrase(testbed.folder, testbed.environ, [testbed.config]):
                _say(line)
        app = App(build(resolved_config(testbed), environ=testbed.environ, member=_members(options.scenario)))
        screen = Screen(app, options) if options.table else None
        stop_service = asyncio.Event()
        service = asyncio.create_task(app.run(stop_service))
        try:
            await _run_scenario(app, testbed, options, stop, screen)
            summary = await summarise(app, testbed, options.scenario)
        finally:
            stop_service.set()
            await service
    return written(options, summary)


def written(options: Options, summary: dict[str, Any]) -> dict[str, Any]:
    """The summary, and a file of it where one is asked for."""
    if options.json_file is not None:
        options.json_file.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def closing_lines(summary: Mapping[str, Any]) -> list[str]:
    """What a run came to, for people."""
    if "rounds_due" in summary:
        return [*fleet_lines(summary), *(restaked_lines(summary["restaked"]) if "restaked" in summary else ())]
    return [
        f"{summary['rounds']} rounds, {summary['pushes_landed']} pushes landed, {len(summary['states'])} status changes"
    ]


def scenarios(operators: int) -> tuple[str, ...]:
    """What can be told with so many operators in processes of their own, 0 for one process."""
    return tuple(STORIES if operators else SCENARIOS)


def with_operators(options: Options) -> Options:
    """The same with as many operators as the scenario has where nobody says how many."""
    story = STORIES.get(options.scenario)
    return options if options.operators or story is None else replace(options, operators=story.operators)


def unfit(options: Options) -> str:
    """Why a run cannot be told as it is asked for; "" where it can."""
    name, operators = options.scenario, options.operators
    if operators and not LEAST_OPERATORS <= operators <= MOST_OPERATORS:
        return (
            f"--operators {operators}: write {LEAST_OPERATORS} to {MOST_OPERATORS}, so that one of them may fail and the"
            " others still weigh more than two thirds; without --operators three run in one process"
        )
    if not operators and name in NETWORK_STORIES:
        return f"scenario {name!r} needs operators that are processes of their own: add --operators 5"
    if name not in scenarios(operators):
        return f"{name!r} is not a scenario; {nearest(name, scenarios(operators))}"
    if operators and operators > STORIES[name].most:
        return f"scenario {name!r} cannot be told with {operators} operators: write --operators {STORIES[name].most} or fewer"
    least_s = STORIES[name].least_s if operators else 0
    if 0 < options.seconds < least_s:
        return f"scenario {name!r} cannot be told in {options.seconds:g} s: write --seconds {least_s} or more"
    return _taken(options)


def _taken(options: Options) -> str:
    """What is in the way of a run, before anything is made for it."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", options.port))
        except OSError as e:
            return f"--port {options.port} cannot be had ({e.strerror}): write another one"
    if options.folder is not None and next(options.folder.glob("**/*.key.json"), None) is not None:
        return f"{options.folder} has the keys of an earlier demo, whose chain is gone: write another --folder, or remove it"
    return ""


async def _run_scenario(
    app: App, testbed: Testbed, options: Options, stop: asyncio.Event, screen: Screen | None
) -> None:
    """Run the market and the scenario until the time is up, or until interrupted."""
    market = DemoMarket(Trader(testbed.chain, testbed.world), testbed.venues)
    say = screen.say if screen is not None else _say
    tasks = [asyncio.create_task(market.run_venues()), asyncio.create_task(market.run_pools())]
    if screen is not None:
        tasks.append(asyncio.create_task(screen.run()))
    try:
        await _until_ready(app, tasks)
        seconds = options.seconds or _UNTIL_INTERRUPTED_S
        tasks.append(asyncio.ensure_future(SCENARIOS[options.scenario](Stage(market, seconds, say))))
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait())]
        if options.seconds:
            waits.append(asyncio.create_task(asyncio.sleep(options.seconds)))
        await asyncio.wait([*waits, *tasks[:2]], return_when=asyncio.FIRST_COMPLETED)
        for failed in (t for t in tasks if t.done() and t.exception()):
            failed.result()
        for wait in waits:
            wait.cancel()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(_SETTLE_S)


async def _until_ready(app: App, tasks: list[asyncio.Task[None]]) -> None:
    """Wait until every feed that goes on chain has landed once."""
    deadline = time.monotonic() + _READY_S
    wanted = set(settings.PUSHED)
    while not all(wanted <= set(t.onchain) for t in app.targets.values()) or not app.targets:
        for failed in (t for t in tasks if t.done()):
            failed.result()
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"the demo's feeds did not reach the chain within {_READY_S:g} s: look at the log lines above"
            )
        await asyncio.sleep(0.1)


def _members(scenario: str) -> MakeMember:
    def make(operator: Operator) -> LocalMember:
        if scenario == "liar" and operator.name == _LIAR:
            return Liar(operator=operator)
        return make_member(operator)

    return make


def _say(line: str) -> None:
    sys.stderr.write(f"demo: {line}\n")
