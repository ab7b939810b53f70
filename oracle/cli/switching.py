"""Run the oracle, and go over to the rules of another config file at an announced round: all operators at the same one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from feeds.units import MS
from oracle.config.tables.schema import ConfigError, Problem

if TYPE_CHECKING:
    from oracle.app import App
    from oracle.config.resolve import ResolvedConfig

_LOOK_S = 0.05
_log = structlog.get_logger("oracle.cli.switching")
MakeApp = Callable[["ResolvedConfig"], "App"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesSwitch:
    """A config, and the first round_time (Unix s) that goes by it."""

    resolved: ResolvedConfig
    from_s: int


def switch_of(
    resolved: ResolvedConfig, config_path: Path, load: Callable[[Path], ResolvedConfig]
) -> RulesSwitch | None:
    """The next config that this one names; None where it names none.

    Args:
        resolved: the present config.
        config_path: its file; the next one's name is taken from its folder.
        load: reads and resolves a config file.

    Raises:
        ConfigError: it cannot be used, or is another operator's, another store's or another database's.
    """
    network = resolved.config.network
    if network is None or network.next is None or network.next_from is None:
        return None
    path = config_path.parent / network.next
    try:
        after = load(path)
    except ConfigError as e:
        raise ConfigError([Problem("network.next", f"{path}: {p}") for p in e.problems]) from None
    if (text := _contradiction(resolved, after)) is not None:
        raise ConfigError([Problem("network.next", f"{path}: {text}")])
    interval_s = resolved.config.oracle.round_interval_s
    from_s = int(datetime.fromisoformat(network.next_from).timestamp())
    return RulesSwitch(resolved=after, from_s=-(-from_s // interval_s) * interval_s)


def _contradiction(now: ResolvedConfig, after: ResolvedConfig) -> str | None:
    """What both files must say alike: the process goes on, with its keys, journals and database."""
    a, b = now.config, after.config
    if a.oracle.database != b.oracle.database:
        return "oracle.database differs: the rounds go on in the same file"
    if [(o.name, o.journal) for o in a.operators] != [(o.name, o.journal) for o in b.operators]:
        return "[[operators]] differ: the same operator goes on with the same journal"
    if b.network is None:
        return "has no [network]: the operator goes on among the others"
    return None


async def run_with_switches(
    resolved: ResolvedConfig,
    config_path: Path,
    stop: asyncio.Event,
    *,
    load: Callable[[Path], ResolvedConfig],
    make: MakeApp,
) -> None:
    """Run until `stop`; where a next config is named, go over to it once the last round before it is made.

    Args:
        resolved: the config to begin with.
        config_path: its file.
        stop: ends it.
        load: reads and resolves a config file.
        make: makes the process of a config.
    """
    while True:
        switch = switch_of(resolved, config_path, load)
        app = make(switch.resolved if switch is not None and _is_past(switch) else resolved)
        if switch is None or _is_past(switch):
            await app.run(stop)
            return
        if not await _run_until(app, switch, stop):
            return
        _log.warning("other rules from now on", round_time=switch.from_s)
        config_path, resolved = (
            config_path.parent / str(resolved.config.network and resolved.config.network.next),
            switch.resolved,
        )


def _is_past(switch: RulesSwitch) -> bool:
    from oracle.runtime.clock import now_ms

    return now_ms() >= switch.from_s * MS


async def _run_until(app: App, switch: RulesSwitch, stop: asyncio.Event) -> bool:
    """Run a process up to the last round before a switch; False where it was stopped before."""
    own_stop = asyncio.Event()
    task = asyncio.create_task(app.run(own_stop))
    interval_s = app.resolved.config.oracle.round_interval_s
    last_s = switch.from_s - interval_s
    while not task.done() and not stop.is_set():
        now_s = app.clock.now_ms() / MS
        if now_s >= switch.from_s - 1 or (now_s >= last_s and app.last_round_s >= last_s):
            break
        await asyncio.sleep(_LOOK_S)
    own_stop.set()
    await task
    return not stop.is_set()
