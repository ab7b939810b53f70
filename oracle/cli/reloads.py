"""A config is read anew while the process runs: on SIGHUP, and for `lrt-oracle reload`. One after the other, whole or not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from feeds.errors import LrtOracleError
from feeds.units import MS
from oracle.assemble.network import common_rules
from oracle.cli.switching import Course, course_of, switch_note
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import Config
from oracle.config.tables.schema import ConfigError, Problem
from oracle.reload.control import ControlSocket, socket_path
from oracle.reload.difference import Difference, difference
from oracle.reload.files import missing_files
from oracle.reload.outcome import ReloadOutcome, ReloadRefused, ReloadResult
from oracle.reload.swap import swap

if TYPE_CHECKING:
    from oracle.app import App

_BEGIN_S = 60.0
_LOOK_S = 0.05
_log = structlog.get_logger("oracle.cli.reloads")
_GOOD = frozenset({ReloadResult.APPLIED, ReloadResult.UNCHANGED})


class Reloads:
    """Takes a config over into the process that runs.

    Args:
        path: of the config file, as the process was started with it.
        load: reads and resolves a config file, with all that a start checks.
        on_config: called with the config that holds from now on.
        environ: where passphrases are.
    """

    def __init__(
        self,
        path: Path,
        load: Callable[[Path], ResolvedConfig],
        *,
        on_config: Callable[[Config], None] = lambda _: None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._path, self._load, self._on_config, self._environ = path, load, on_config, environ
        self._one_at_a_time = asyncio.Lock()
        self._app: App | None = None
        self._course: Course | None = None
        self._socket: ControlSocket | None = None
        self._asked: set[asyncio.Task[ReloadOutcome]] = set()

    async def attend(self, app: App, course: Course) -> None:
        """A process was made, and is about to run: from now on it can be asked."""
        self._app, self._course = app, course
        app.metrics.config.start(_digest(app.resolved), [r.value for r in ReloadResult], app.clock.now_ms() / MS)
        if self._socket is None:
            self._socket = ControlSocket(socket_path(Path(app.resolved.config.oracle.database)), self.answer)
            await self._socket.start()

    async def close(self) -> None:
        """Take nothing over any more."""
        for task in tuple(self._asked):
            task.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()

    def on_signal(self) -> None:
        """SIGHUP: the same without an answer; the log has it."""
        task = asyncio.create_task(self.reload())
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """For whoever asks at the socket."""
        named = question.get("config")
        if isinstance(named, str) and not _is_same(Path(named), self._path):
            text = f"the process runs with {self._path.absolute()}: put the new config there, and reload"
            return self._not_now(Problem("--config", text), dry=bool(question.get("dry"))).document()
        return (await self.reload(dry=bool(question.get("dry")))).document()

    async def reload(self, *, dry: bool = False) -> ReloadOutcome:
        """Read the file, check it whole, and take over what can be taken over; with ``dry`` only say what that would be."""
        async with self._one_at_a_time:
            app = await self._running()
            if app is None or self._course is None:
                return self._not_now(
                    Problem("process", "it starts, or is about to end: ask again once it runs"), dry=dry
                )
            outcome = await self._attempt(app, self._course, dry=dry)
            if not dry:
                self._tell(app, outcome)
            return outcome

    def _not_now(self, problem: Problem, *, dry: bool) -> ReloadOutcome:
        """Refused before the file is read: told and counted like any other, but it says nothing about the file."""
        outcome = _refused("" if self._app is None else _digest(self._app.resolved), [problem], dry=dry)
        if self._app is not None and not dry:
            self._tell(self._app, outcome, was_read=False)
        return outcome

    async def _running(self) -> App | None:
        """The process, once it runs; None of one that does not begin, or ends."""
        try:
            async with asyncio.timeout(_BEGIN_S):
                while self._app is None or not (self._app.is_running or self._app.has_ended):  # noqa: ASYNC110 - it has no event of its own
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            return None
        return self._app if self._app.is_running else None

    async def _attempt(self, app: App, course: Course, *, dry: bool) -> ReloadOutcome:
        rules = _digest(app.resolved)
        try:
            read = await asyncio.to_thread(self._read)
            found = difference(app.resolved, read.resolved)
            after = await asyncio.to_thread(_resolved, found)
            outcome = _planned(app, read, found, after)
            if dry:
                return replace(outcome, dry=True)
            if found.changed:
                await swap(app, after)
            course.switch = read.switch
        except ConfigError as e:
            return _refused(rules, e.problems, dry=dry)
        except LrtOracleError as e:
            return _refused(rules, [Problem("reload", str(e))], dry=dry)
        except Exception as e:  # noqa: BLE001 - whatever it was, what was begun is taken back, and the process goes on
            _log.exception("a fault of this program: the config is as it was before the reload", news=True)
            problem = Problem("reload", f"a fault of this program, all is as it was: {type(e).__name__}: {e}")
            return replace(_refused(rules, [problem], dry=dry), result=ReloadResult.FAILED)
        self._on_config(app.resolved.config)
        return outcome

    def _read(self) -> Course:
        """What the file means now.

        Raises:
            ConfigError: something is wrong with it, or a file that it names is not there.
        """
        read = course_of(self._path, self._load)
        missing = list(missing_files(read.resolved.config, self._environ))
        if missing:
            raise ConfigError(missing)
        return read

    def _tell(self, app: App, outcome: ReloadOutcome, *, was_read: bool = True) -> None:
        """The log and the metrics have it, whoever asked."""
        good = outcome.result in _GOOD if was_read else None
        app.metrics.config.reloaded(
            outcome.result.value, good=good, rules=outcome.rules[1], waiting=len(outcome.restart),
            now_s=app.clock.now_ms() / MS,
        )  # fmt: skip
        if outcome.result not in _GOOD:
            _log.error(
                "the config is not taken over: the process goes on with the one it has", config=str(self._path),
                why=[str(p) for p in outcome.problems], news=True,
            )  # fmt: skip
            return
        changed = [str(c) for c in outcome.changed]
        _log.warning("the config was read anew", config=str(self._path), changed=changed, news=True)
        if outcome.rules[0] != outcome.rules[1]:
            _log.warning(
                "other rules from the next round on", before=outcome.rules[0], after=outcome.rules[1], news=True
            )
        if outcome.waits:
            _log.warning("what is announced", what=outcome.waits, news=True)
        if outcome.restart:
            _log.warning("what does not hold before a restart", keys=[str(c) for c in outcome.restart], news=True)


def _planned(app: App, read: Course, found: Difference, after: ResolvedConfig) -> ReloadOutcome:
    """What is to become of it.

    Raises:
        ReloadRefused: it changes what all operators must have alike, and they have agreed on no round for that.
    """
    before, then = _digest(app.resolved), _digest(after)
    if before != then and app.resolved.config.network is not None:
        raise ReloadRefused(
            f"what all operators must have alike would change, rules {before} to {then}: write this config beside the one of"
            " now, name it there as network.next with the round that you agree on with the others as network.next_from, and"
            " reload (docs/operate.md, Updates)"
        )
    return ReloadOutcome(
        result=ReloadResult.APPLIED if found.changed else ReloadResult.UNCHANGED,
        changed=found.changed,
        restart=found.restart,
        waits=switch_note(read.switch) if read.switch is not None else "",
        rules=(before, then),
    )


def _resolved(found: Difference) -> ResolvedConfig:
    """What would hold.

    Raises:
        ConfigError: with all in its place that needs a restart, it does not hold together.
    """
    try:
        return resolve(found.after)
    except ConfigError as e:
        keys = ", ".join(c.key for c in found.restart) or "what needs a restart"
        raise ConfigError(
            [Problem(p.key, f"{p.text} (as long as {keys} stays as it is: restart)") for p in e.problems]
        ) from None


def _refused(rules: str, problems: Any, *, dry: bool) -> ReloadOutcome:
    return ReloadOutcome(result=ReloadResult.REFUSED, rules=(rules, rules), problems=tuple(problems), dry=dry)


def _digest(resolved: ResolvedConfig) -> str:
    return f"0x{common_rules(resolved).digest.hex()}"


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return one.absolute() == other.absolute()
