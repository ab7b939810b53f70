"""A journal moves to another machine: a ticket there, a sealed export here, an import there. One key never signs at two places.

A ticket is a number that the new journal draws and takes once. The old journal is closed in the transaction that reads it
for its export, so what is exported is all that its key will ever have signed there; and only the journal that drew the ticket
takes it as such. Any other export is a copy: its key has signed more, so it is mute for a while wherever it is imported. Where
a seal says that the key signs on another machine, a copy is taken only by somebody who says that that machine is lost.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from feeds.errors import LrtOracleError
from feeds.units import MS
from oracle.sign.handover import Handover, HandoverState
from oracle.sign.interchange import EpochRow, JournalDocument, RoundRow, VoteRow, to_json
from oracle.sign.journal_form import NEWEST, JournalError, form_of, open_journal
from oracle.sign.journal_ticket import draw_ticket, drawn_here
from oracle.sign.journal_witness import JournalWitness, WitnessNote
from oracle.sign.mute_period import MutePeriod

LEAST_WINDOW_S = 3_600
"""Lines of so many seconds before the newest go along at least: what was signed there can be signed again, as it was."""


class MoveRefused(LrtOracleError, RuntimeError):
    """A journal cannot be exported or imported so: what stands against it, and what to do."""


def make_ticket(path: Path, address: bytes, *, witness: JournalWitness | None, now_ms: int) -> bytes:
    """Make a journal that waits for what another one knows; its ticket. Asked again, it is the same one.

    A journal from before its key moved, which the witness knows, waits for what the key has signed since. A copy of a journal
    that waits draws a ticket of its own.

    Raises:
        MoveRefused: there is a journal that signs.
        JournalError: there is one of another key.
    """
    with _opened(path, address) as (db, handover):
        state = handover.state()
        signs = handover.owner() is not None and not state.is_closed
        if signs and _sealed_writes(db, state, witness) <= _writes(db):
            raise MoveRefused(
                f"{path} is a journal that signs: nothing has to be brought here. To replace it, export it first (to where its"
                " key is to sign); where it is a copy that must not be used, move it away"
            )
        if state.ticket and drawn_here(state.ticket, path, witness):
            return state.ticket
        ticket = draw_ticket(path, witness)
        handover.close(address, state.closed_ms if state.is_closed else now_ms, moved_to=state.moved_to, ticket=ticket)
        return ticket


def export_journal(
    path: Path,
    address: bytes,
    file: Path,
    *,
    ticket: bytes,
    witness: JournalWitness | None,
    now_ms: int,
    window_s: int,
    known_s: int = 0,
) -> JournalDocument:
    """Write what a key has signed to a file, and seal its journal: nothing is signed with it any more.

    Asked again for the same ticket, the sealed journal is written again, as it was. A journal that is older than what its key
    has signed is exported as one that was restored: whoever imports it is mute for a while.

    Args:
        path: the journal; no process has it.
        address: of its key.
        file: where to; it must not exist.
        ticket: of the journal that takes over; b"" for a copy: the journal then stays open.
        witness: of the key here; it is told that the journal is sealed.
        now_ms: present time.
        window_s: how far back all lines go along.
        known_s: the newest round_time that something else, such as the database, says the key has signed.

    Raises:
        MoveRefused: the journal is not there, or was exported to another ticket; the file exists.
        JournalError: the journal is of another key, or was sealed before and this is a copy from then.
    """
    if not path.is_file():
        raise MoveRefused(f"no journal at {path}: nothing to export")
    if file.exists():
        raise MoveRefused(f"{file} exists: choose another name, nothing was exported")
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
    try:
        with _opened(path, address) as (db, handover):
            state = handover.state()
            if handover.owner() is None or state.ticket:
                raise MoveRefused(f"{path} waits for another machine's journal, or is empty: nothing to export")
            if state.is_closed and not ticket:
                raise MoveRefused(
                    f"{path} is sealed: its key signs elsewhere, and a copy of it would be one more place. Copy the journal there; to"
                    f" write the sealed file again: --to {state.moved_to.hex()}"
                )
            if state.is_closed and state.moved_to != ticket:
                raise MoveRefused(
                    f"{path} was exported to ticket {state.moved_to.hex()} already: import that file, or, where the machine that drew"
                    " the ticket is lost, import it as a copy (docs/journal.md)"
                )
            if not state.is_closed:
                _note_lost(db, handover, witness, known_s)
            if ticket and not state.is_closed:
                handover.close(address, now_ms, moved_to=ticket)
                db.execute("UPDATE written SET writes = writes + 1")
            document = _document(db, address, ticket, state.closed_ms if state.is_closed else now_ms, window_s)
            _write(part, to_json(document))  # if it cannot be written, the journal stays open
        if ticket and witness is not None:
            witness.write(WitnessNote(writes=document.writes, round_s=document.last_round_s, sealed=True))
        part.rename(file)  # not before the journal is closed
    finally:
        part.unlink(missing_ok=True)
    return document


def copy_of(path: Path, address: bytes, now_ms: int, window_s: int) -> JournalDocument | None:
    """What a journal knows now, whoever writes to it meanwhile; None of one that signs nothing. A copy: see `import_journal`."""
    name = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(name, uri=True, isolation_level=None)) as db:
        if form_of(db) < NEWEST:
            return None  # of an older version, which no process of this one has opened yet
        db.execute("BEGIN")  # a reader: rounds go on meanwhile
        handover = Handover(db, path)
        if handover.owner() is None or handover.state().is_closed:
            return None
        return _document(db, address, b"", now_ms, window_s)


def _note_lost(db: sqlite3.Connection, handover: Handover, witness: JournalWitness | None, known_s: int) -> None:
    """Put down that the key has signed more than this journal knows, if it has: it was restored."""
    db.execute("INSERT INTO silence SELECT 0, 1 WHERE NOT EXISTS (SELECT 1 FROM silence)")
    db.execute("INSERT INTO written SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM written)")
    writes = _writes(db)
    (newest_s,) = db.execute("SELECT coalesce(max(round_s), 0) FROM signed").fetchone()
    note = witness.read() if witness is not None else None
    if note is not None and note.writes > writes:
        if note.sealed:
            raise handover.sealed_elsewhere()
        db.execute("UPDATE written SET writes = ?", (note.writes,))
        known_s = max(known_s, note.round_s)
        newest_s = -1
    if known_s > newest_s:
        db.execute("UPDATE silence SET floor_s = max(floor_s, ?), sure = 0", (known_s,))


def import_journal(
    path: Path,
    document: JournalDocument,
    address: bytes,
    *,
    witness: JournalWitness | None,
    now_ms: int,
    mute_ms: int,
    as_copy: bool,
    other_is_lost: bool = False,
) -> None:
    """Take over what a key has signed.

    Args:
        path: the journal that drew the ticket; as a copy, any that does not sign, or none.
        document: what was exported.
        address: of the key.
        witness: of the key here.
        now_ms: present time.
        mute_ms: how long a key is mute that may have signed what is not in the file.
        as_copy: take it as a copy, whatever it is: the journal that it is from signs no more.
        other_is_lost: the machine to which a seal says that the key moved will never sign again; only of a copy.

    Raises:
        MoveRefused: it is of another key, or not for this journal; nothing is changed.
    """
    if document.key != address:
        raise MoveRefused(
            f"the file is of key 0x{document.key.hex()}, this journal is for 0x{address.hex()}: take the right file"
        )
    if not (document.ticket or as_copy):
        raise MoveRefused(
            "the file is a copy, its journal was not sealed: stop what signs with that for good, then import it with --as-copy; the"
            " key is mute for a while then. Or export it anew, --to the ticket of `lrt-oracle journal ticket`"
        )
    with _opened(path, address) as (db, handover):
        state = handover.state()
        if handover.owner() is not None and not state.is_closed:
            raise MoveRefused(
                f"{path} is a journal that signs: nothing is imported into it. Was the file imported already?"
            )
        if not as_copy and state.ticket and not drawn_here(state.ticket, path, witness):
            raise MoveRefused(
                f"{path} was copied after its ticket was drawn, or its witness was: the one that drew it may take the file too. Import"
                " it there; for a move to here, draw a new ticket here first (`lrt-oracle journal ticket`) and export to that one"
            )
        if not as_copy and document.ticket != state.ticket:
            held = f"waits for ticket {state.ticket.hex()}" if state.ticket else "waits for none"
            raise MoveRefused(
                f"the file is for ticket {document.ticket.hex()}, and {path} {held}: it is for another machine, was imported already,"
                " or is older than the newest export. If no journal of this key signs anywhere, nor ever will where that ticket was"
                " drawn, import it with --as-copy --the-other-machine-is-lost"
            )
        if as_copy:
            awaited = document.ticket == state.ticket and drawn_here(state.ticket, path, witness)
            check_seals(document, _sealed_writes(db, state, witness), awaited=awaited, other_is_lost=other_is_lost)
        note = witness.read() if witness is not None else None
        if not as_copy and note is not None and note.writes > document.writes:
            raise MoveRefused(
                f"the witness of this machine knows that the key has signed more than the file says (up to {note.round_s}): {path} was"
                " restored, or the file is an old one. Import the newest export; or, once no journal of this key signs anywhere, this"
                " one with --as-copy"
            )
        _merge(db, document)
        exported_s = min(document.exported_ms, now_ms) // MS
        handover.open(address, max(document.complete_from_s - 1, exported_s, state.floor_s))
        writes = max(document.writes, note.writes if note is not None else 0) + 1
        db.execute("DELETE FROM written")
        db.execute("INSERT INTO written VALUES (?)", (writes,))
        db.execute("DELETE FROM silence")
        db.execute("INSERT INTO silence VALUES (?, ?)", (document.unknown_to_s, document.mute_confirmed))
        db.execute("UPDATE owner SET mute_until_ms = ?", (document.mute_until_ms,))
        if as_copy:
            signed_s = max(document.last_round_s, exported_s, note.round_s if note is not None else 0)
            mute = MutePeriod(db, mute_ms, time_confirmed=False)
            mute.begin(now_ms, min(signed_s, now_ms // MS))
    if witness is not None:
        witness.write(WitnessNote(writes=writes, round_s=document.last_round_s))


def check_seals(document: JournalDocument, sealed_writes: int, *, awaited: bool, other_is_lost: bool) -> None:
    """Whether a file may be taken as a copy, by what seals say: of the journal here, of its witness, of the file itself.

    Where a key has moved to a machine that goes on with it, mute time and marks guard nothing: they end, and both sign. So
    somebody has to say that the machine is lost. Even then no file older than the seal is taken: one that is as new is there,
    the sealed one at least, and an older one says that somebody takes the wrong file, or the wrong machine for the lost one.

    Args:
        document: the file.
        sealed_writes: how often the key had signed when it was sealed here; 0 where it was not.
        awaited: it is sealed to the ticket of this very journal.
        other_is_lost: what somebody says.

    Raises:
        MoveRefused: it may not.
    """
    if not (sealed_writes or document.ticket) or (awaited and document.writes >= sealed_writes):
        return
    if not other_is_lost:
        moved = "the journal here was sealed" if sealed_writes else f"the file is for ticket {document.ticket.hex()}"
        raise MoveRefused(
            f"{moved}: the key signs on another machine, and a copy here would sign beside it. To bring the key here: `lrt-oracle"
            " journal ticket`, and export from where it is now. Only if that machine and its disk are lost for good, add"
            " --the-other-machine-is-lost: the key is slashed if that machine ever signs again"
        )
    if document.writes < sealed_writes:
        raise MoveRefused(
            f"the file is older than the seal here ({document.writes} writes, the seal is of {sealed_writes}): take the file that was"
            " exported then (`lrt-oracle journal export` writes it again, where the sealed journal is), or a newer one"
        )


def _sealed_writes(db: sqlite3.Connection, state: HandoverState, witness: JournalWitness | None) -> int:
    """How often the key had signed when its journal here was sealed, as this and its witness know; 0 if it was not."""
    here = _writes(db) if state.moved_to else 0
    return max(here, witness.sealed_writes() if witness is not None else 0)


def _writes(db: sqlite3.Connection) -> int:
    """How often a journal was written to."""
    return int((db.execute("SELECT writes FROM written").fetchone() or (0,))[0])


@contextmanager
def _opened(path: Path, address: bytes) -> Iterator[tuple[sqlite3.Connection, Handover]]:
    """A journal of a key, in one transaction, which an exception takes back, with the file if there was none."""
    is_new = not path.exists()
    try:
        with closing(open_journal(path)) as db:
            handover = Handover(db, path)
            with db:
                db.execute("BEGIN IMMEDIATE")
                _check_owner(path, handover.owner(), address)
                yield db, handover
    except BaseException:
        for end in ("", "-wal", "-shm") if is_new else ():
            path.with_name(f"{path.name}{end}").unlink(missing_ok=True)
        raise


def _check_owner(path: Path, owner: bytes | None, address: bytes) -> None:
    if owner is not None and owner != address:
        raise JournalError(f"{path} belongs to key 0x{owner.hex()}, not 0x{address.hex()}")


def _document(
    db: sqlite3.Connection, address: bytes, ticket: bytes, exported_ms: int, window_s: int
) -> JournalDocument:
    newest_s = int(db.execute("SELECT coalesce(max(round_s), 0) FROM signed").fetchone()[0])
    from_s = max(0, min(newest_s, exported_ms // MS) - window_s)
    rounds = db.execute(
        "SELECT chain, store, feed, round_s, item_hash FROM signed AS s WHERE round_s >= ? OR round_s = (SELECT max(round_s) FROM"
        " signed WHERE chain = s.chain AND store = s.store AND feed = s.feed) ORDER BY chain, store, feed, round_s", (from_s,)
    )  # fmt: skip
    silence = db.execute("SELECT floor_s, sure FROM silence").fetchone() or (0, 1)
    (mute_until_ms,) = db.execute("SELECT mute_until_ms FROM owner").fetchone()
    return JournalDocument(
        key=address, ticket=ticket, exported_ms=exported_ms, writes=_writes(db), complete_from_s=from_s, unknown_to_s=silence[0],
        mute_until_ms=mute_until_ms, mute_confirmed=bool(silence[1]), rounds=tuple(RoundRow(*r) for r in rounds),
        epochs=tuple(EpochRow(*r) for r in db.execute("SELECT chain, store, kind, epoch, hash FROM epochs")),
        votes=tuple(VoteRow(*r) for r in db.execute("SELECT chain, store, epoch, attempt, kind, content FROM epoch_votes")),
    )  # fmt: skip


def _merge(db: sqlite3.Connection, document: JournalDocument) -> None:
    """Add what is not there. What both have must be the same: otherwise the key has signed two things already.

    Raises:
        MoveRefused: it is not.
    """
    tables = (("signed", 4, document.rounds), ("epochs", 4, document.epochs), ("epoch_votes", 5, document.votes))
    for table, keys, rows in tables:
        columns = [r[1] for r in db.execute(f"PRAGMA table_info({table})")][: keys + 1]
        places = " AND ".join(f"{c} = ?" for c in columns[:keys])
        marks = ", ".join("?" * (keys + 1))
        for row in rows:
            db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608 - our own names
            (held,) = db.execute(f"SELECT {columns[keys]} FROM {table} WHERE {places}", row[:keys]).fetchone()  # noqa: S608
            if bytes(held) != row[keys]:
                raise MoveRefused(
                    f"the file and the journal know two things that the key signed at one place ({table} {row[2:keys]}): two"
                    " machines have used it. Import neither; look at the watch's evidence (docs/operate.md)"
                )


def _write(file: Path, text: str) -> None:
    """A file for its owner alone, on disk when this returns."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
