"""`lrt-oracle db`: what the database takes, and a file that shrinks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.shell import Exit, ExitCode, checked_config, print_result

if TYPE_CHECKING:
    from oracle.config.resolve import ResolvedConfig
    from oracle.storage.sizes import DatabaseSize, KindSize

_MB = 1_000_000
_UNKNOWN = "?"
_BYTES_A_SECOND = 40 * _MB
"""That are rewritten at least, on a slow disk."""


@click.group()
def db() -> None:
    """Look at the database: what takes how much, and for how long the disk lasts."""


@db.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def size(config_path: Path, as_json: bool) -> None:
    """Show what takes how much by kind, how fast it grows, and what it settles at. Works while the oracle runs."""
    from oracle.config.retention import retention_of
    from oracle.storage.reading import DatabaseReader
    from oracle.storage.sizes import database_size

    resolved = checked_config(config_path)
    path = _file(resolved)
    database = DatabaseReader(path)
    try:
        found = database_size(database.connection, retention_of(resolved.config))
    finally:
        database.connection.close()
    files = {"database": path, "wal": path.with_name(f"{path.name}-wal")}
    files |= {f"journal of {o.name}": Path(o.journal) for o in resolved.config.operators}
    sizes = {name: file.stat().st_size for name, file in files.items() if file.is_file()}
    document = _document(found, sizes, shutil.disk_usage(path.parent).free)
    print_result(as_json, document, list(_lines(found, document)))


@db.command()
@click.option("--yes", is_flag=True, help="Do it; without it, only say what it takes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def vacuum(config_path: Path, yes: bool, as_json: bool) -> None:
    """Rewrite the file as small as it can be; once done it shrinks by itself from then on. Refused while a process runs on it."""
    from oracle.sign.key_lock import sole_writer
    from oracle.storage.database import Database
    from oracle.storage.vacuum import rewrite

    path = _file(checked_config(config_path))
    before, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    if free < 2 * before:
        text = f"{path} has {_mb(before)}, and twice that must be free in {path.parent}; {_mb(free)} are"
        raise Exit(f"{text}. Make room, or put the file where there is some", ExitCode.FAILED)
    if yes:
        with sole_writer(path):
            database = Database(path)
            try:
                rewrite(database.connection)
            finally:
                database.close()
    after = path.stat().st_size
    about_s = 1 + before // _BYTES_A_SECOND
    document = {"file": str(path), "before": before, "after": after, "done": yes, "about_s": about_s}
    room = f"with the oracle stopped and {_mb(2 * before)} free beside it"
    asked = f"{path}: {_mb(before)}; it takes {about_s} s or less, {room}"
    rows = [f"{path}: {_mb(before)} before, {_mb(after)} now"] if yes else [asked, "nothing is changed yet: add --yes"]
    print_result(as_json, document, rows)


def _file(resolved: ResolvedConfig) -> Path:
    path = Path(resolved.config.oracle.database)
    if not path.is_file():
        raise Exit(f"no database at {path}: run the oracle first", ExitCode.ABSTAINED)
    return path


def _document(found: DatabaseSize, files: dict[str, int], disk_free: int) -> dict[str, Any]:
    missing = found.settles_at - files["database"]
    lasts = (
        None
        if missing <= disk_free or not found.a_day or not found.is_telling
        else (disk_free + found.free) // found.a_day
    )
    return {
        "kinds": [
            {"kind": k.name, "bytes": k.bytes, "rows": k.rows, "oldest": k.oldest_s, "bytes_a_day": k.a_day,
             "kept_days": k.days or None, "settles_at": k.settles_at}
            for k in found.kinds
        ],
        "files": files,
        "used": found.used,
        "free_in_file": found.free,
        "shrinks_by_itself": found.by_steps,
        "spans_s": found.spans_s,
        "is_telling": found.is_telling,
        "bytes_a_day": found.a_day,
        "settles_at": found.settles_at,
        "for_good_a_year": found.for_good_a_year,
        "disk_free": disk_free,
        "disk_lasts_days": lasts,
    }  # fmt: skip


def _lines(found: DatabaseSize, document: dict[str, Any]) -> Iterator[str]:
    yield f"{'':<22}{'now':>12}{'rows':>12}{'a day':>12}{'kept':>12}{'settles at':>13}"
    tells = found.is_telling
    yield from (_line(k, tells=tells) for k in found.kinds)
    a_day, settles = (_mb(n) if tells else _UNKNOWN for n in (found.a_day, found.settles_at))
    yield f"{'in all':<22}{_mb(found.used):>12}{'':>12}{a_day:>12}{'':>12}{settles:>13}"
    yield ""
    yield from (f"{name:<22}{_mb(taken):>12}" for name, taken in document["files"].items())
    yield f"{'free in the file':<22}{_mb(found.free):>12}"
    if not found.by_steps:
        yield "this file was made by an older version and does not shrink by itself: stop the oracle, then `lrt-oracle db vacuum`"
    yield f"{'free on the disk':<22}{_mb(document['disk_free']):>12}"
    lasts = document["disk_lasts_days"]
    good = f"then {_mb(found.for_good_a_year)} a year of what is kept for good"
    if not found.is_telling:
        yield (
            f"how fast it grows, what it settles at and how long the disk lasts cannot be told yet: the rounds in it reach over"
            f" {found.spans_s} s, ask again after an hour"
        )
    elif lasts is None:
        yield f"the disk lasts: the file settles at {_mb(found.settles_at)}, {good}"
    else:
        yield f"the disk is full in {lasts} days: make room, or shorten [retention] (docs/storage.md)"


def _line(kind: KindSize, *, tells: bool) -> str:
    kept = f"{kind.days} days" if kind.days else "for good" if kind.rows or kind.settles_at is None else ""
    settles = "" if kind.settles_at is None else _mb(kind.settles_at) if tells else _UNKNOWN
    a_day = _mb(kind.a_day) if tells else _UNKNOWN
    return f"{kind.name:<22}{_mb(kind.bytes):>12}{kind.rows:>12}{a_day:>12}{kept:>12}{settles:>13}"


def _mb(size: int) -> str:
    return f"{size / _MB:,.1f} MB"


COMMANDS = (db,)
