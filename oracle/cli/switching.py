"""Run the oracle, and go over to the rules of another config file at an announced round: all operators at the same one.

Where that file names the rules of another version of this program (``oracle.rules``), this version ends before that round, and
the other one, if it is started before it, waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from feeds.errors import LrtOracleError
from feeds.units import MS
from oracle.config.tables.schema import ConfigError, Problem
from oracle.model.spec import RULES_VERSION

if TYPE_CHECKING:
    from oracle.app import App
    from oracle.config.resolve import ResolvedConfig
    from oracle.config.sections import Config

_LOOK_S, _IDLE_S = 0.05, 0.5
_log = structlog.get_logger("oracle.cli.switching")
MakeApp = Callable[["ResolvedConfig"], "App"]


class OtherVersionDue(LrtOracleError, RuntimeError):
    """From this round on another version of this program makes the rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesSwitch:
    """A config, its file, and the first round_time (Unix s) that goes by it."""

    resolved: ResolvedConfig
    from_s: int
    path: Path


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
        if not _makes_rules_of(resolved):
            raise ConfigError([Problem("oracle.rules", _other_version(resolved))])
        return None
    path = config_path.parent / network.next
    if not path.is_file():
        raise ConfigError([Problem("network.next", f"{path} does not exist: put it there, or correct the path")])
    try:
        after = load(path)
    except ConfigError as e:
        raise ConfigError([Problem("network.next", f"{path}: {p}") for p in e.problems]) from None
    if (text := _contradiction(resolved, after)) is not None:
        raise ConfigError([Problem("network.next", f"{path}: {text}")])
    interval_s = resolved.config.oracle.round_interval_s
    from_s = int(datetime.fromisoformat(network.next_from).timestamp())
    switch = RulesSwitch(resolved=after, from_s=-(-from_s // interval_s) * interval_s, path=path)
    if not (_makes_rules_of(after) if _is_past(switch) else _makes_rules_of(resolved) or _makes_rules_of(after)):
        raise ConfigError([Problem("oracle.rules", _other_version(after if _is_past(switch) else resolved))])
    return switch


def _makes_rules_of(resolved: ResolvedConfig) -> bool:
    """Whether this version makes the rounds of a config."""
    return resolved.config.oracle.rules in (None, RULES_VERSION)


def _other_version(resolved: ResolvedConfig) -> str:
    return (
        f"its rounds are made by rules {resolved.config.oracle.rules}, this version makes rules {RULES_VERSION}: start the version"
        " that makes them (docs/upgrade.md)"
    )


def _contradiction(now: ResolvedConfig, after: ResolvedConfig) -> str | None:
    """What both files must say alike: the process goes on, with its keys, journals and database."""
    a, b = now.config, after.config
    if a.oracle.database != b.oracle.database:
        return "oracle.database differs: the rounds go on in the same file"
    if [(o.name, o.journal) for o in a.operators] != [(o.name, o.journal) for o in b.operators]:
        return "[[operators]] differ: the same operator goes on with the same journal"
    if (a.oracle.rules is None) != (b.oracle.rules is None):
        return "only one of both files has oracle.rules: write it in both, or in none"
    if b.network is None:
        return "has no [network]: the operator goes on among the others"
    if _home_store(a) != _home_store(b):
        return "the store of its home target is another one: the same operators go on signing for the same store"
    return None


def _home_store(config: Config) -> tuple[int, str] | None:
    """Chain id and address of the store whose operators agree."""
    home = (config.network.home if config.network is not None else None) or next(iter(config.targets), None)
    if home is None:
        return None
    target = config.targets[home]
    return config.chains[target.chain].chain_id, target.store.lower()


def switch_note(switch: RulesSwitch) -> str:
    """When the config that is to follow holds, and what to compare with the other operators' beforehand."""
    from oracle.assemble.network import common_rules

    at = stamp(switch.from_s)
    rules = f"with rules 0x{common_rules(switch.resolved).digest.hex()}, which must be the same with every operator"
    if not _makes_rules_of(switch.resolved):
        rules += f"; another version makes them: this process ends before it, start the one of rules {switch.resolved.config.oracle.rules}"
    if _is_past(switch):
        return f"network.next: it holds since round {switch.from_s} ({at}), {rules}: put it in the place of this file"
    return f"network.next: it holds from round {switch.from_s} ({at}) on, {rules}"


def stamp(round_s: int) -> str:
    """A round_time for people."""
    return datetime.fromtimestamp(round_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True, kw_only=True)
class Course:
    """By what a process goes, and what it is to go over to.

    Attributes:
        resolved: the config that holds now.
        path: its file.
        switch: what follows; None for nothing. Another one may take its place while the process runs.
    """

    resolved: ResolvedConfig
    path: Path
    switch: RulesSwitch | None


def course_of(config_path: Path, load: Callable[[Path], ResolvedConfig]) -> Course:
    """What a file means now: where the announced round of its next config is over, that one holds.

    Raises:
        ConfigError: a file cannot be used.
    """
    path, resolved = config_path, load(config_path)
    while (switch := switch_of(resolved, path, load)) is not None and _is_past(switch):
        path, resolved = switch.path, switch.resolved
    return Course(resolved=resolved, path=path, switch=switch)


class Attendant(Protocol):
    """Is told of each process that is made, and may give its course another switch."""

    async def attend(self, app: App, course: Course) -> None:
        """A process was made, and is about to run."""


async def run_with_switches(
    resolved: ResolvedConfig,
    config_path: Path,
    stop: asyncio.Event,
    *,
    load: Callable[[Path], ResolvedConfig],
    make: MakeApp,
    attendant: Attendant | None = None,
) -> None:
    """Run until `stop`; where a next config is named, go over to it once the last round before it is made.

    Args:
        resolved: the config to begin with.
        config_path: its file.
        stop: ends it.
        load: reads and resolves a config file.
        make: makes the process of a config.
        attendant: is told of each process.

    Raises:
        OtherVersionDue: the next rounds are made by rules of another version.
    """
    while True:
        switch = switch_of(resolved, config_path, load)
        if switch is not None and not _makes_rules_of(resolved) and not await _until_due(switch, stop):
            return
        if switch is not None and _is_past(switch):
            config_path, resolved, switch = switch.path, switch.resolved, None
        course = Course(resolved=resolved, path=config_path, switch=switch)
        app = make(resolved)
        if attendant is not None:
            await attendant.attend(app, course)
        switch = await _run_until(app, course, stop)
        if switch is None:
            return
        if not _makes_rules_of(switch.resolved):
            raise OtherVersionDue(
                f"from round {switch.from_s} ({stamp(switch.from_s)}) on rounds are made by rules"
                f" {switch.resolved.config.oracle.rules}, and this version makes rules {RULES_VERSION}: start the version that"
                " makes them (docs/upgrade.md)"
            )
        _log.warning("other rules from now on", round_time=switch.from_s, news=True)
        config_path, resolved = switch.path, switch.resolved


def _is_past(switch: RulesSwitch) -> bool:
    from oracle.runtime.clock import now_ms

    return now_ms() >= switch.from_s * MS


async def _until_due(switch: RulesSwitch, stop: asyncio.Event) -> bool:
    """Wait for the round from which on this version makes rounds; False where it was stopped before."""
    if not _is_past(switch):
        _log.warning(
            "nothing is opened or signed before the announced round: until then another version makes the rounds",
            round_time=switch.from_s, at=stamp(switch.from_s), rules=RULES_VERSION, news=True,
        )  # fmt: skip
    while not stop.is_set() and not _is_past(switch):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await stop.wait()
    return not stop.is_set()


async def _run_until(app: App, course: Course, stop: asyncio.Event) -> RulesSwitch | None:
    """Run a process up to the last round before a switch, which it returns; None where it ended before."""
    own_stop = asyncio.Event()
    task, stopped = asyncio.create_task(app.run(own_stop)), asyncio.create_task(stop.wait())
    interval_s = app.resolved.config.oracle.round_interval_s
    due: RulesSwitch | None = None
    try:
        while not task.done() and not stop.is_set() and due is None:
            switch = course.switch
            if switch is not None and _last_round_is_made(app, switch, interval_s):
                due = switch
            else:
                look_s = _IDLE_S if switch is None else _LOOK_S
                await asyncio.wait({task, stopped}, timeout=look_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        own_stop.set()
        stopped.cancel()
        await task
    return None if stop.is_set() else due


def _last_round_is_made(app: App, switch: RulesSwitch, interval_s: int) -> bool:
    now_s, last_s = app.clock.now_ms() / MS, switch.from_s - interval_s
    return now_s >= switch.from_s - 1 or (now_s >= last_s and app.last_round_s >= last_s)
