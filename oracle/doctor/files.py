"""What lies on the disk: secrets and who may read them, keys and who holds them, journals, the database."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from feeds.units import MS
from oracle.assemble.journals import JournalSeat, journal_seats
from oracle.check.network_ready import key_file_notes
from oracle.config.retention import retention_of
from oracle.config.sections import Config
from oracle.doctor.findings import HealthFinding, critical, info, ok, split_advice, warning
from oracle.doctor.machine import disk_findings
from oracle.runtime.private_files import readable_by_others
from oracle.sign.journal_look import look_at
from oracle.sign.journal_witness import JournalWitness, WitnessError, WitnessNote, witness_fault, witness_folder
from oracle.sign.keyfiles import KeyfileError
from oracle.storage.errors import DatabaseError
from oracle.storage.reading import DatabaseReader
from oracle.storage.sizes import database_size
from oracle.storage.wholeness import check_whole

_LOOK_S = 5.0
_MOVED = "take the operator out of this config; to bring it back: `lrt-oracle journal ticket` (docs/journal.md)"


def rights_findings(config: Config) -> Iterator[HealthFinding]:
    """Secrets, journals and databases that other users of this machine may read."""
    wide = [n for n in key_file_notes(config) if n.startswith("others may read")]
    for note in wide:
        text, _, advice = note.partition(": ")
        yield critical("keys", text, advice)
    for path in (Path(config.oracle.database), *(Path(o.journal) for o in config.operators)):
        if readable_by_others(path):
            yield warning("keys", f"others may read {path}", f"run chmod 600 {path}")
    if not wide:
        yield ok("keys", "no other user may read a key")


def lock_findings(config: Config) -> Iterator[HealthFinding]:
    """Who holds keys and database: one process for both, or none."""
    path = Path(config.oracle.database)
    runs = _is_held(path.with_name(f"{path.name}.lock"))
    for operator in config.operators:
        if operator.keyfile is None or not Path(operator.keyfile).is_file():
            continue
        keyfile, journal = _is_held(Path(operator.keyfile)), _is_held(Path(operator.journal))
        if keyfile and not journal:
            text = f"another process signs with {operator.keyfile}, and with another journal than {operator.journal}"
            yield critical(
                "locks", text, "stop one of the two: one key with two journals signs two things, and is slashed"
            )
        elif keyfile and not runs and not operator.shared_journal:
            text = f"a process holds {operator.keyfile} and its journal, and none has the database {path}"
            yield critical("locks", text, f"find it with `fuser -v {operator.keyfile}`, and stop it")
    yield info("locks", f"a process has {path}") if runs else ok("locks", f"no process has {path}")


def _is_held(path: Path) -> bool:
    """Whether a process has a lock on a file."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def journal_findings(config: Config, environ: Mapping[str, str], now_ms: int) -> Iterator[HealthFinding]:
    """The journals of all operators, and where their witnesses are kept."""
    folder = witness_folder(config.oracle.witness, environ)
    if config.operators and folder is not None and (fault := witness_fault(folder)):
        yield critical("journals", *split_advice(fault))
    try:
        seats = journal_seats(config, environ)
    except KeyfileError as e:
        text, advice = split_advice(str(e))
        yield warning("journals", f"whose journals they are is not known: {text}", advice)
        return
    for seat in seats:
        yield from _journal(seat, now_ms)


def _journal(seat: JournalSeat, now_ms: int) -> Iterator[HealthFinding]:
    whose = f"operator {seat.name}: {seat.path}"
    note = _note(seat)
    sealed_writes = note.writes if note is not None and note.sealed else 0
    if not seat.path.is_file() and sealed_writes:
        yield critical("journals", f"{whose} is not there, and its witness says that it was exported", _MOVED)
        return
    if not seat.path.is_file():
        yield critical(
            "journals", f"{whose} is not there, so its key is mute at first and signs no round from before",
            "put the journal of this key there if there is one (docs/journal.md); a new key has none: start the process",
        )  # fmt: skip
        return
    look = look_at(seat.path)
    if look.fault:
        advice = f"move it away with {seat.path}-wal and {seat.path}-shm, and put no older copy there (docs/upgrade.md)"
        yield critical("journals", f"{whose} is damaged ({look.fault})", advice)
        return
    if look.owner not in {None, seat.address}:
        yield critical(
            "journals", f"{whose} is of another key", "name this key's own journal in the operator's section"
        )
        return
    if look.handover.ticket:
        advice = f"export the old one `--to {look.handover.ticket.hex()}` and import it here (docs/journal.md)"
        yield critical("journals", f"{whose} waits for the journal of another machine", advice)
        return
    if look.handover.is_closed:
        yield critical("journals", f"{whose} was exported: its key signs on another machine", _MOVED)
        return
    is_behind = note is not None and note.writes > look.writes
    if is_behind and sealed_writes:
        text = f"{whose} is a copy from before its export, says its witness: its key signs on another machine"
        yield critical("journals", text, _MOVED)
        return
    known_s = max(seat.known_s(), note.round_s if note is not None and is_behind else 0)
    if known_s > look.newest_s:
        advice = "put the newest journal there, or wait: it is mute for a minute or two after the start"
        yield warning("journals", f"{whose} is older than what its key has signed (up to {known_s})", advice)
    rest_s = max(0, look.mute_until_ms - now_ms) // MS
    if rest_s or not look.sure:
        text = f"{whose}: its key is mute for " + (
            f"{rest_s} s more" if look.sure else "a while once a clock is confirmed"
        )
        yield warning("journals", text, "wait; the journal was missing or restored (docs/push.md, A backup)")
    else:
        yield ok("journals", f"{whose} is whole, newest round {look.newest_s}")


def _note(seat: JournalSeat) -> WitnessNote | None:
    """What the witness knows; None where there is none."""
    folder = seat.witness_folder
    if folder is None or not (folder / f"0x{seat.address.hex()}.said").is_file():
        return None
    witness = JournalWitness(folder, seat.address)
    try:
        return witness.read()
    except WitnessError:
        return None
    finally:
        witness.close()


def database_findings(config: Config) -> Iterator[HealthFinding]:
    """Whether the database is whole, as far as a few seconds tell."""
    path = Path(config.oracle.database)
    if not path.is_file() or not path.stat().st_size:
        yield info("database", f"there is none at {path}", "the first start makes it")
        return
    try:
        with closing(_reading(path)) as db:
            whole = check_whole(db, path, _LOOK_S)
    except DatabaseError as e:
        text, _, advice = str(e).partition(": ")
        yield critical("database", text, advice)
        return
    except sqlite3.Error as e:
        yield critical(
            "database", f"{path} cannot be read ({e})", "is it a database? Put back a backup, or move it away"
        )
        return
    size = path.stat().st_size >> 20
    yield ok(
        "database", f"{path} is whole, {size} MiB" if whole else f"{path}: {_LOOK_S:g} s showed no damage, {size} MiB"
    )


def room_findings(config: Config, *, growth: bool) -> Iterator[HealthFinding]:
    """Room for the database and for journals; with ``growth`` for how long, which takes a look through all of the file."""
    database = Path(config.oracle.database)
    a_day = bytes_a_day(config, database) if growth and database.is_file() else 0.0
    yield from disk_findings([database, *(Path(o.journal) for o in config.operators)], a_day)


def bytes_a_day(config: Config, database: Path) -> float:
    """By how much a database grows; 0 where there is room for all that it will ever take, or it is too young to tell."""
    try:
        with closing(DatabaseReader(database)) as reader:
            size = database_size(reader.connection, retention_of(config))
    except (sqlite3.Error, DatabaseError):
        return 0.0
    if not size.is_telling:
        return 0.0
    left = size.settles_at - size.used
    return float(size.a_day) if left > shutil.disk_usage(database.parent).free else 0.0


def _reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None)
