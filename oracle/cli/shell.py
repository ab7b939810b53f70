"""What every command shares: exit statuses, errors as one line, the config, output for people or for programs."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from feeds.errors import LrtOracleError

if TYPE_CHECKING:
    from oracle.config.resolve import ResolvedConfig
    from oracle.storage.database import Database

T = TypeVar("T")
_OURS = frozenset({"oracle", "feeds", "contracts", "demo", "lab"})

LAST_ROUND_S = (1 << 40) - 1
ROUND = click.IntRange(0, LAST_ROUND_S)
"""A round_time in Unix seconds."""


class ExitCode(IntEnum):
    """What scripts rely on."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    ABSTAINED = 3


class Exit(LrtOracleError, click.ClickException):
    """Ends a command with a message for people and an exit status for scripts."""

    def __init__(self, message: str, code: ExitCode) -> None:
        from oracle.runtime.logs import without_secrets

        super().__init__(without_secrets(message))
        self.__dict__["exit_code"] = code

    def show(self, file: IO[Any] | None = None) -> None:
        """One line on the error output; where programs read that, as a line of the log."""
        from oracle.runtime.logs import is_json_log

        if not is_json_log():
            super().show(file)
            return
        import structlog

        structlog.get_logger("oracle.cli").critical("the command ends", why=self.message, status=self.exit_code)


class Commands(click.Group):
    """Turns the project's own errors and the system's into one line and an exit status; any other is a bug and keeps its trace."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except sqlite3.Error as e:
            text = f"a database cannot be used ({e}): look at oracle.database and the operators' journals in the config"
            raise Exit(text, ExitCode.FAILED) from e
        except OSError as e:
            if e.errno == errno.EPIPE:  # the reader of the output has closed it
                raise
            raise Exit(_system(e), ExitCode.FAILED) from e
        except (RuntimeError, LookupError, ValueError) as e:
            if type(e).__module__.split(".")[0] not in _OURS:
                raise
            raise Exit(str(e), ExitCode.FAILED) from e


def _system(error: OSError) -> str:
    """What the system says, with the file that it is about."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def comma_list(_: click.Context, __: click.Parameter, text: str | None) -> list[str] | None:
    """A list of texts, comma separated."""
    return None if text is None else [part.strip() for part in text.split(",")]


def comma_numbers(ctx: click.Context, param: click.Parameter, text: str | None) -> list[int] | None:
    """A list of whole numbers, comma separated."""
    try:
        return None if text is None else [int(part) for part in comma_list(ctx, param, text) or ()]
    except ValueError:
        raise click.BadParameter(f"{text!r}: write whole numbers, comma separated") from None


def seconds(_: click.Context, __: click.Parameter, value: float) -> float:
    """A time that can be waited for; the comparison refuses nan too."""
    if not 0 <= value <= 1e9:  # noqa: PLR2004 - thirty years
        raise click.BadParameter(f"{value:g}: write seconds, 0 or more")
    return value


def checked_config(config_path: Path, *, raw: bool = False, network: bool = False) -> ResolvedConfig:
    """The config, checked; Exit with every error in it, or with ``raw`` the ConfigError itself.

    ``network``: a network will be asked, so the secrets that addresses name must have values.
    """
    from oracle.cli.hiding import hide_secrets
    from oracle.config.resolve import resolve, with_secrets
    from oracle.config.sections import load
    from oracle.config.tables.schema import ConfigError

    try:
        config = load(config_path)
        hide_secrets(config, os.environ)
        return with_secrets(resolve(config)) if network else resolve(config)
    except ConfigError as e:
        if raw:
            raise
        raise Exit(f"{config_path}:\n{e}", ExitCode.USAGE) from None


def open_database(config_path: Path, feed: str) -> Database:
    """The database that the config names, to be read until the command ends; Exit where it does not exist, or the feed does not."""
    from oracle.model.suggest import nearest
    from oracle.storage.reading import DatabaseReader

    resolved = checked_config(config_path)
    if feed not in resolved.specs:
        raise Exit(f"{feed!r} is not a feed of {config_path}; {nearest(feed, resolved.specs)}", ExitCode.USAGE)
    path = Path(resolved.config.oracle.database)
    if not path.is_file():
        raise Exit(f"no database at {path}: run the oracle first", ExitCode.ABSTAINED)
    database = DatabaseReader(path)
    click.get_current_context().call_on_close(database.close)
    return database


def run_until_signal(work: Callable[[asyncio.Event], Awaitable[T]], *, is_service: bool = False) -> T:
    """Run until the work ends; SIGTERM and SIGINT set its stop event. It may hold keys: nothing dumps its memory.

    Args:
        work: what runs.
        is_service: whether it goes on after SIGHUP, which asks services to read their config anew, and says that it does not.
    """
    import structlog

    from oracle.runtime.logs import STARTS, tell_of_faults
    from oracle.runtime.no_dumps import forbid_dumps

    log = structlog.get_logger(STARTS)

    async def whole() -> T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end(sign: signal.Signals) -> None:
            log.info("told to stop", by=sign.name)
            stop.set()

        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, end, sign)
        if is_service:
            text = "SIGHUP changes nothing here: the config is read at a start alone, so restart to change it"
            loop.add_signal_handler(signal.SIGHUP, log.warning, text)
        telling = asyncio.create_task(tell_of_faults())
        try:
            return await work(stop)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    forbid_dumps()
    return asyncio.run(whole())


def print_result(as_json: bool, document: dict[str, Any], rows: list[str]) -> None:
    """One JSON document, or lines, on standard output."""
    from oracle.runtime.logs import without_secrets

    shown = without_secrets(document if as_json else rows)
    click.echo(json.dumps(shown, indent=2) if as_json else "\n".join(shown))


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[float], None] | None]:
    """A bar with an estimate on a terminal's error output, told what share is done; None where there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    parts = 1_000
    with click.progressbar(length=parts, label=label, file=sys.stderr) as bar:
        yield lambda share: bar.update(max(0, int(share * parts) - bar.pos))
