"""The ticket of a journal that waits: drawn once, and taken where it was drawn and in no copy of that folder.

Half of it is random, the other half says where it was drawn: on which machine, in which file, beside which witness. To everybody
else it is one number. A clone of a whole machine has all of that too, and cannot be told apart.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from oracle.sign.journal_witness import JournalWitness

TICKET_BYTES = 16
_RANDOM_BYTES = 8
_MACHINE = Path("/etc/machine-id")


def draw_ticket(journal: Path, witness: JournalWitness | None, *, machine: Path = _MACHINE) -> bytes:
    """A new ticket of a journal, whose file is there."""
    drawn = secrets.token_bytes(_RANDOM_BYTES)
    return drawn + _place(drawn, journal, witness, machine)


def drawn_here(ticket: bytes, journal: Path, witness: JournalWitness | None, *, machine: Path = _MACHINE) -> bool:
    """Whether a ticket was drawn by this very file, on this machine, beside this witness."""
    drawn = ticket[:_RANDOM_BYTES]
    return ticket == drawn + _place(drawn, journal, witness, machine)


def _place(drawn: bytes, journal: Path, witness: JournalWitness | None, machine: Path) -> bytes:
    """What a copy of the folder has otherwise. A file system numbers its files: a copy at the same path has another number."""
    try:
        identity = machine.read_bytes().strip()
    except OSError:
        identity = b""  # as in some containers
    files = [journal] if witness is None else [journal, witness.path]
    parts = [drawn, identity, *(f"{f.resolve()}\0{f.stat().st_ino}".encode() for f in files)]
    return hashlib.sha256(b"\0".join(parts)).digest()[: TICKET_BYTES - _RANDOM_BYTES]
