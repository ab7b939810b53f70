"""What a move to another machine leaves in a journal: the old one is closed for good, the new one waits until it knows all."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from oracle.sign.journal_form import JournalSealed

_CLOSED_OWNER = b"sealed:"
"""Before the address of a closed journal's key: versions that know nothing of moves take it for another key's journal."""


class HandoverState(NamedTuple):
    """``closed_ms``: when it was closed. ``moved_to``: the ticket that it was exported to. ``ticket``: the one that it waits for.

    One of neither is open. ``floor_s``: what was signed up to there is not all in here.
    """

    closed_ms: int
    moved_to: bytes
    ticket: bytes
    floor_s: int

    @property
    def is_closed(self) -> bool:
        """Whether nothing may be signed with it."""
        return bool(self.moved_to or self.ticket)


class Handover:
    """The move of one journal, in its own transactions.

    Args:
        db: the journal's.
        path: its file, for what is said of it.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db, self._path = db, path

    def state(self) -> HandoverState:
        """As the file says."""
        row = self._db.execute("SELECT closed_ms, moved_to, ticket, floor_s FROM handover").fetchone()
        return HandoverState(0, b"", b"", 0) if row is None else HandoverState(*row)

    @property
    def floor_s(self) -> int:
        """Up to which round_time nothing is signed that is not in here."""
        return self.state().floor_s

    def check_open(self) -> None:
        """Raise JournalSealed if nothing may be signed with it."""
        state = self.state()
        if state.ticket:
            raise JournalSealed(
                f"{self._path} waits for the journal of another machine: export that one with `lrt-oracle journal export FILE"
                f" --to {state.ticket.hex()}`, and import the file here"
            )
        if state.is_closed:
            raise self.sealed_elsewhere()

    def sealed_elsewhere(self) -> JournalSealed:
        """What to say of a journal whose key signs on another machine."""
        return JournalSealed(
            f"{self._path} was exported to another machine, where its key signs now: it signs nothing here any more. Take the"
            " operator out of this config, or bring its journal back (docs/journal.md): `lrt-oracle journal ticket`"
        )

    def close(self, address: bytes, now_ms: int, *, moved_to: bytes = b"", ticket: bytes = b"") -> None:
        """Sign nothing with it any more: it is exported to a ticket, or waits to be imported with one."""
        self._write(HandoverState(now_ms, moved_to, ticket, self.floor_s), _CLOSED_OWNER + address)

    def open(self, address: bytes, floor_s: int) -> None:
        """Sign with it, above a round_time."""
        self._write(HandoverState(0, b"", b"", floor_s), address)

    def _write(self, state: HandoverState, owner: bytes) -> None:
        self._db.execute("DELETE FROM handover")
        self._db.execute("INSERT INTO handover VALUES (?, ?, ?, ?)", state)
        self._db.execute("INSERT INTO owner SELECT ?, 0 WHERE NOT EXISTS (SELECT 1 FROM owner)", (owner,))
        self._db.execute("UPDATE owner SET address = ?", (owner,))

    def owner(self) -> bytes | None:
        """The key's address, 20 bytes; None of a file that is new."""
        row = self._db.execute("SELECT address FROM owner").fetchone()
        return None if row is None else bytes(row[0]).removeprefix(_CLOSED_OWNER)
