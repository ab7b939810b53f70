"""A key's journal in a process that may end at any statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oracle.sign.journal_witness import JournalWitness
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.sign.sign_world import KEYS, NOW_MS, ROUND_S

ENDED_S = ROUND_S - 100
MUTE_MS = 60_000


class Crash(Exception):
    """The process ends here."""


class FailingJournal:
    """A connection whose process ends at the n-th statement, before it is executed."""

    def __init__(self, inner: sqlite3.Connection, crash_at: int) -> None:
        self.inner, self.left = inner, crash_at

    def execute(self, *args: Any) -> sqlite3.Cursor:
        self.left -= 1
        if self.left < 0:
            raise Crash
        return self.inner.execute(*args)

    def __enter__(self) -> None:
        self.inner.__enter__()

    def __exit__(self, *error: object) -> None:
        if self.left < 0:
            self.inner.close()  # what is not committed is gone, as when the process ends
            return
        self.left -= 1
        if self.left < 0:
            self.inner.close()
            raise Crash
        self.inner.__exit__(*error)

    def close(self) -> None:
        self.inner.close()


@contextmanager
def operator(path: Path, *, witness: Path | None = None, now_ms: int = NOW_MS) -> Iterator[Operator]:
    address = Operator("", KEYS[0], None, bound_bps=0).address  # type: ignore[arg-type]
    newborn = not path.exists()
    seen = JournalWitness(witness, address) if witness is not None else None
    journal = SignJournal(path, address, now_ms=now_ms, mute_ms=MUTE_MS, newborn=newborn, witness=seen)
    yield Operator("a", KEYS[0], journal, bound_bps=100)
    journal.close()
