"""A backup of all that an operator's process keeps: its database, and copies of its journals by the rule of copies."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from oracle.assemble.journals import JournalSeat, journal_seats
from oracle.config.sections import Config
from oracle.model.spec import RULES_VERSION
from oracle.runtime.clock import now_ms
from oracle.sign.interchange import JournalDocument, from_json, to_json
from oracle.sign.journal_look import look_at
from oracle.sign.journal_moves import check_seals, copy_of, import_journal
from oracle.sign.key_lock import sole_writer
from oracle.storage.backup import BadBackup, read_backup, restore_database, write_backup
from oracle.storage.database import Database
from oracle.storage.wholeness import check_whole

_LOOK_S = 60.0


def back_up(config: Config, file: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Write a backup while the process runs, or while none does; its manifest.

    Journals are copied after the database: what that knows to be signed is in them. A journal that is not there, or is sealed,
    has nothing to copy.

    Raises:
        BadBackup: the file exists, or there is no database.
    """
    path = Path(config.oracle.database)
    if not path.is_file():
        raise BadBackup(f"no database at {path}: nothing to back up")
    copies = {}
    for seat in journal_seats(config, environ):
        if seat.path.is_file() and (copied := copy_of(seat.path, seat.address, now_ms(), seat.window_s)) is not None:
            copies[seat] = copied
    facts = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "program": version("lrt-oracle"),
        "rules": RULES_VERSION,
        "operators": [
            {"name": seat.name, "address": f"0x{seat.address.hex()}", "low_water": copied.last_round_s}
            for seat, copied in copies.items()
        ],
    }
    texts = {_name(seat): to_json(copied) for seat, copied in copies.items()}
    return write_backup(file, path, texts, facts)


def restore(config: Config, file: Path, environ: Mapping[str, str], *, other_is_lost: bool = False) -> dict[str, Any]:
    """Put a backup back: the database, and journals as copies, so that their keys are mute for a while.

    Args:
        config: where they belong.
        file: the backup.
        environ: of the process.
        other_is_lost: a machine to which a key has moved from here will never sign again, see `import_journal`.

    Returns:
        Its manifest.

    Raises:
        BadBackup: it is none, was changed, or something is there that it would overwrite.
        DatabaseInUse, JournalInUse: a process runs.
        MoveRefused: a key has moved from here to another machine.
    """
    backup, path = read_backup(file), Path(config.oracle.database)
    seats = [s for s in journal_seats(config, environ) if _name(s) in backup.texts]
    for seat in seats:
        if seat.path.exists():
            _check_unsealed(seat)
            raise BadBackup(
                f"{seat.path} exists: a journal that is there knows more than a backup, so keep it and move the backup's"
                " aside. Where it is lost in fact, move the file away and restore again"
            )
    documents = {seat: from_json(backup.texts[_name(seat)]) for seat in seats}
    for seat, document in documents.items():  # before anything is put anywhere
        with seat.alone() as witness:
            sealed_writes = witness.sealed_writes() if witness is not None else 0
        check_seals(document, sealed_writes, awaited=False, other_is_lost=other_is_lost)
    restored = path.with_name(f".{path.name}.restored")
    if path.exists() and path.stat().st_size:
        raise BadBackup(f"{path} exists and is not overwritten: move it away, with {path}-wal and {path}-shm")
    restored.unlink(missing_ok=True)
    restore_database(file, backup, restored)
    try:
        with closing(sqlite3.connect(restored)) as db:
            check_whole(db, restored, _LOOK_S)
        with sole_writer(path):
            for seat, document in documents.items():
                _import(seat, document, other_is_lost=other_is_lost)
            restored.rename(path)
        with closing(Database(path)):  # of rules and a schema that this version takes
            pass
    finally:
        restored.unlink(missing_ok=True)
    return dict(backup.manifest)


def _check_unsealed(seat: JournalSeat) -> None:
    """A journal that was sealed is not moved away for a backup: that would be another place where its key signs."""
    if look_at(seat.path).handover.moved_to:
        raise BadBackup(
            f"{seat.path} is sealed: its key signs on another machine, and a backup belongs to that one. To bring the key here:"
            " `lrt-oracle journal ticket`, and export from where it is now (docs/journal.md); the backup has the database"
        )


def _import(seat: JournalSeat, document: JournalDocument, *, other_is_lost: bool) -> None:
    seat.path.parent.mkdir(parents=True, exist_ok=True)
    with seat.alone() as witness:
        import_journal(
            seat.path,
            document,
            seat.address,
            witness=witness,
            now_ms=now_ms(),
            mute_ms=seat.mute_ms,
            as_copy=True,
            other_is_lost=other_is_lost,
        )


def _name(seat: JournalSeat) -> str:
    return f"journals/0x{seat.address.hex()}.json"
