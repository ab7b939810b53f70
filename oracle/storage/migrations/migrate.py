"""Bring a file up to date: one step after the other, with nobody else at the file, and a copy of it before one that rewrites."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from oracle.runtime.private_files import private_file
from oracle.storage.errors import MigrationBlocked, NewerDatabase, OlderDatabase
from oracle.storage.migrations.migration import Migration
from oracle.storage.migrations.steps import STEPS

_log = structlog.get_logger("oracle.storage.migrations")
_SPARE_BYTES = 64 << 20
"""Left free beside a copy and the step's own journal."""


def schema_of(connection: sqlite3.Connection) -> int:
    """The number of the last step that a file has taken."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def pending(connection: sqlite3.Connection, path: Path | str, steps: Sequence[Migration] = STEPS) -> list[Migration]:
    """The steps that a file lacks.

    Raises:
        NewerDatabase: it has taken steps that this version does not know.
    """
    schema, newest = schema_of(connection), steps[-1].number
    if schema > newest:
        raise NewerDatabase(
            f"{path} has schema {schema}, this version knows schemas up to {newest}: a later version has written it. Start"
            " that version, or put back the copy that was made before it was brought up to date (docs/upgrade.md)"
        )
    return [step for step in steps if step.number > schema]


def check_readable(connection: sqlite3.Connection, path: Path | str, steps: Sequence[Migration] = STEPS) -> None:
    """Whether a file can be read as it is, by who may not change it.

    Raises:
        NewerDatabase: a later version has written it.
        OlderDatabase: it lacks a step without which it cannot be read.
    """
    needed = [step for step in pending(connection, path, steps) if step.needed_to_read]
    if needed:
        raise OlderDatabase(
            f"{path} has schema {schema_of(connection)}, this version reads schema {steps[-1].number} and changes nothing when"
            " it only reads: `lrt-oracle upgrade` (or the next start of `lrt-oracle run`) brings the file up to date; or read"
            " it with the version that wrote it"
        )


def migrate(connection: sqlite3.Connection, path: Path | str, steps: Sequence[Migration] = STEPS) -> list[Migration]:
    """Take the steps that a file lacks, each in a transaction of its own; returns them.

    Args:
        connection: in autocommit mode, the only one of this process to the file.
        path: the file; ":memory:" has no others and no copy.
        steps: all there are, in order.

    Raises:
        NewerDatabase: a later version has written it.
        MigrationBlocked: another process has it open, or there is no room for a copy. Nothing was changed.
    """
    todo = pending(connection, path, steps)
    if not todo:
        return []
    with _alone(connection, path):
        todo = pending(connection, path, steps)  # another process may have done it in the meantime
        is_new = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if not is_new and any(step.rewrites for step in todo):
            _copy(connection, Path(path))
        for step in todo:
            _take(connection, step)
            if not is_new:
                _log.warning(
                    "the database is brought up to date", file=str(path), schema=step.number, step=step.name, news=True
                )
    return todo


def _take(connection: sqlite3.Connection, step: Migration) -> None:
    if step.restartable:
        step.run(connection)
    with connection:  # commits, or rolls back when an exception passes
        connection.execute("BEGIN IMMEDIATE")
        if not step.restartable:
            step.run(connection)
        connection.execute(f"PRAGMA user_version = {step.number:d}")


@contextlib.contextmanager
def _alone(connection: sqlite3.Connection, path: Path | str) -> Iterator[None]:
    """Nobody else has the file open: a file in WAL mode is left by that mode only then, whatever version has it."""
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as e:
        connection.execute("PRAGMA locking_mode = NORMAL")
        if e.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        raise MigrationBlocked(
            f"{path} has an older schema, and another process has it open: stop every process that uses it, then start again"
        ) from e
    try:
        yield
    finally:
        connection.execute("PRAGMA locking_mode = NORMAL")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the lock goes with the next read


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    """Copy a file beside itself, whole or not at all."""
    copy = path.with_name(f"{path.name}.schema-{schema_of(connection)}")
    if copy.exists():  # of an attempt that did not get further: the file is still what it was
        return
    size = path.stat().st_size
    free, needed = shutil.disk_usage(path.parent).free, 2 * size + _SPARE_BYTES
    if free < needed:
        raise MigrationBlocked(
            f"{path} must be rewritten for this version, and is copied first: {needed >> 20} MiB must be free in"
            f" {path.parent}, {free >> 20} MiB are. Make room, or put the file where there is some and name it in"
            " oracle.database"
        )
    half = copy.with_name(f"{copy.name}.part")
    half.unlink(missing_ok=True)
    private_file(half)
    with contextlib.closing(sqlite3.connect(half)) as target:
        connection.backup(target)
    half.replace(copy)
    _log.warning("the database is copied before it is rewritten", file=str(path), copy=str(copy), news=True)
