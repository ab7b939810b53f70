"""A look at a sign journal that changes nothing, whoever writes to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from oracle.sign.handover import Handover, HandoverState
from oracle.sign.journal_form import NEWEST, form_of

_NEVER = HandoverState(0, b"", b"", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLook:
    """What a journal says of itself.

    Attributes:
        fault: why it cannot be read, or is not whole; "" where it is.
        owner: address of its key; None of an empty one.
        newest_s: newest round_time, 0 for none.
        writes: how often it was written to.
        mute_until_ms: until when its key signs nothing.
        sure: whether that is by a confirmed time.
        handover: of its moves.
    """

    fault: str = ""
    owner: bytes | None = None
    newest_s: int = 0
    writes: int = 0
    mute_until_ms: int = 0
    sure: bool = True
    handover: HandoverState = _NEVER


def look_at(path: Path) -> JournalLook:
    """Read it. A file without content is a journal that nobody has signed with."""
    if not path.stat().st_size:
        return JournalLook()
    try:
        name = f"file:{quote(str(path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(name, uri=True, isolation_level=None)) as db:
            found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                return JournalLook(fault=str(found))
            return _read(db, path)
    except sqlite3.Error as e:
        return JournalLook(fault=str(e))


def _read(db: sqlite3.Connection, path: Path) -> JournalLook:
    form = form_of(db)
    handover = Handover(db, path)
    row = db.execute("SELECT mute_until_ms FROM owner").fetchone()
    sure = db.execute("SELECT sure FROM silence").fetchone()
    writes = db.execute("SELECT writes FROM written").fetchone()
    newest = db.execute("SELECT coalesce(max(round_s), 0) FROM signed").fetchone()
    return JournalLook(
        owner=handover.owner(), newest_s=newest[0], writes=writes[0] if writes else 0,
        mute_until_ms=row[0] if row else 0, sure=bool(sure[0]) if sure else True,
        handover=handover.state() if form >= NEWEST else _NEVER,
    )  # fmt: skip
