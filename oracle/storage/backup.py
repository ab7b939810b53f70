"""Copy a database while it is written, and keep the copy with what else belongs to it in one file."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tarfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from oracle.runtime.file_faults import FileFaultKind, file_fault, is_damage
from oracle.runtime.private_files import private_file
from oracle.storage.errors import DatabaseError
from oracle.storage.wholeness import check_whole, damaged

FORMAT, VERSION = "lrt-oracle-backup", 1
_MANIFEST, _DATABASE = "manifest.json", "database.db"
_PAGES, _PAUSE_S = 256, 0.005
"""A mebibyte, then a pause: rounds write in between as if nothing happened."""
_LOOK_S = 60.0
_MOST_TEXT = 1 << 30
_BLOCK = 1 << 20


class BadBackup(DatabaseError):
    """The file is no backup, or not as its manifest says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup holds: its manifest, and other texts by name."""

    manifest: Mapping[str, Any]
    texts: Mapping[str, str]


def copy_database(source: Path, target: Path) -> None:
    """Copy it as it is at one moment. Its process goes on writing: a reader of a WAL file stops nobody.

    The reading transaction holds that moment: without it each write of another process would begin the copy anew.

    Raises:
        DatabaseDamaged: the copy is not whole, so neither is the database.
    """
    private_file(target)
    try:
        _copy(source, target)
    except sqlite3.Error as e:
        if is_damage(e):
            raise damaged(source, str(e)) from e
        raise


def _copy(source: Path, target: Path) -> None:
    with (
        closing(
            sqlite3.connect(f"file:{quote(str(source.absolute()))}?mode=ro", uri=True, isolation_level=None)
        ) as reading,
        closing(sqlite3.connect(target, isolation_level=None)) as written,
    ):
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reading.backup(written, pages=_PAGES, sleep=_PAUSE_S)
        reading.execute("COMMIT")
        check_whole(written, source, _LOOK_S)
        written.execute("PRAGMA journal_mode = DELETE")  # one file, without what SQLite keeps beside it


def write_backup(file: Path, database: Path, texts: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write a backup; returns its manifest. It is there whole or not at all, for its owner alone.

    Args:
        file: it must not exist.
        database: to be copied.
        texts: what else belongs to it, by name.
        facts: for the manifest.

    Raises:
        BadBackup: the file exists, or its disk has no room.
        DatabaseDamaged: the copy is not whole, so neither is the database.
    """
    if file.exists():
        raise BadBackup(f"{file} exists: choose another name")
    copy, part = (file.with_name(f".{file.name}.{end}") for end in ("db", "part"))
    try:
        copy_database(database, copy)
        raw = {name: text.encode() for name, text in texts.items()}
        hashes = {_DATABASE: _hash_of(copy)} | {n: hashlib.sha256(r).hexdigest() for n, r in raw.items()}
        manifest = {"format": FORMAT, "format_version": VERSION, **facts, "sha256": hashes}
        private_file(part)
        with tarfile.open(part, "w:gz", compresslevel=3) as archive:
            for name, body in ((_MANIFEST, json.dumps(manifest, indent=1).encode()), *raw.items()):
                archive.addfile(_entry(name, len(body)), io.BytesIO(body))
            with copy.open("rb") as copied:
                archive.addfile(_entry(_DATABASE, copy.stat().st_size), copied)
        part.rename(file)
    except (sqlite3.Error, OSError) as e:
        if (fault := file_fault(e)) is not None and fault.kind is FileFaultKind.DISK_FULL:  # the database is only read
            raise BadBackup(
                f"the disk of {file} is full, nothing is left there: make room, or name a file on another disk"
            ) from e
        raise
    finally:
        copy.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    return manifest


def read_backup(file: Path) -> Backup:
    """What a backup holds, without its database.

    Raises:
        BadBackup: it is none, or not as its manifest says.
    """
    try:
        with tarfile.open(file, "r:gz") as archive:
            manifest = json.loads(_text(archive, _MANIFEST))
            if (manifest["format"], manifest["format_version"]) != (FORMAT, VERSION):
                raise BadBackup(f"{file} is not {FORMAT}, version {VERSION}: restore it with the version that made it")
            texts = {name: _text(archive, name) for name in manifest["sha256"] if name != _DATABASE}
    except (tarfile.TarError, ValueError, KeyError, TypeError, EOFError) as e:
        raise BadBackup(f"{file} is no backup, or cut short ({type(e).__name__}): take another one") from None
    for name, text in texts.items():
        if hashlib.sha256(text.encode()).hexdigest() != manifest["sha256"][name]:
            raise _changed(file, name)
    return Backup(manifest=manifest, texts=texts)


def restore_database(file: Path, backup: Backup, target: Path) -> None:
    """Put the database of a backup to its place, whole or not at all.

    Raises:
        BadBackup: there is a database; or the one in the backup is not as its manifest says.
    """
    if target.exists():
        raise BadBackup(f"{target} exists and is not overwritten: move it away, with {target}-wal and {target}-shm")
    part = target.with_name(f".{target.name}.part")
    try:
        private_file(part)
        try:
            with tarfile.open(file, "r:gz") as archive, part.open("wb") as out:
                body = archive.extractfile(_DATABASE)
                while body is not None and (block := body.read(_BLOCK)):
                    out.write(block)
        except (tarfile.TarError, KeyError, EOFError) as e:
            raise BadBackup(f"{file} is cut short ({type(e).__name__}): take another one") from None
        if _hash_of(part) != backup.manifest["sha256"].get(_DATABASE):
            raise _changed(file, _DATABASE)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


def _text(archive: tarfile.TarFile, name: str) -> str:
    body = archive.extractfile(name)
    return "" if body is None else body.read(_MOST_TEXT).decode()


def _hash_of(file: Path) -> str:
    with file.open("rb") as body:
        return hashlib.file_digest(body, "sha256").hexdigest()


def _changed(file: Path, name: str) -> BadBackup:
    return BadBackup(f"{file}: {name} is not as its manifest says: the file was changed or damaged, take another one")
