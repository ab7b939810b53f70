"""What is looked at every minute: the process by /proc, its metrics, and its database by kind."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from prometheus_client.parser import text_string_to_metric_families

from oracle.model.retention import Retention
from oracle.storage.sizes import DatabaseSize, database_size

_KIB = 1_024
_LATE = "lrt_oracle_round_durable_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look.

    Attributes:
        at_s: seconds since the first round.
        rss, anonymous: bytes in memory; those that are no file's.
        files, threads: open ones.
        cpu_s: seconds of a core, since the start.
        rounds: made so far; newest_s: the time of the newest.
        late: of those, how many were stored within so many seconds (each bound, ``inf`` for all).
        late_sum_s: seconds from round_time until stored, of all together.
        held: rounds that were not made, by reason.
        pushes: landed and failed.
        feeds: that had a price in the newest round.
        database, wal, journal: bytes of files.
        kinds: bytes and rows by kind of what is stored.
    """

    at_s: float
    rss: int
    anonymous: int
    files: int
    threads: int
    cpu_s: float
    rounds: int
    newest_s: int
    late: dict[str, int]
    late_sum_s: float
    held: dict[str, int]
    pushes: dict[str, int]
    feeds: int
    database: int
    wal: int
    journal: int
    kinds: dict[str, dict[str, int]] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def process_numbers(pid: int) -> dict[str, Any]:
    """Memory, files, threads and time of a process."""
    folder = Path("/proc") / str(pid)
    said = dict(line.split(":", 1) for line in (folder / "status").read_text(encoding="ascii").splitlines())
    times = (folder / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
    ticks = int(times[11]) + int(times[12])
    return {
        "rss": int(said["VmRSS"].split()[0]) * _KIB,
        "anonymous": int(said["RssAnon"].split()[0]) * _KIB,
        "files": len(list((folder / "fd").iterdir())),
        "threads": int(said["Threads"]),
        "cpu_s": ticks / os.sysconf("SC_CLK_TCK"),
    }


_WHOLE = {f"{_LATE}_count": "rounds", "lrt_oracle_round_timestamp_seconds": "newest_s"}


def metric_numbers(text: str) -> dict[str, Any]:
    """What the metrics say of rounds and pushes."""
    late: dict[str, int] = {}
    held: dict[str, int] = {}
    pushes = {"landed": 0, "failed": 0}
    whole = {"rounds": 0, "newest_s": 0}
    late_sum_s, feeds, newest = 0.0, 0, 0.0
    made: list[float] = []
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            if name == f"{_LATE}_bucket":
                late[str(float(labels["le"]))] = int(value)
            elif name == f"{_LATE}_sum":
                late_sum_s = value
            elif name in _WHOLE:
                whole[_WHOLE[name]] = int(value)
            elif name == "lrt_oracle_rounds_held_total" and value:
                held[labels["reason"]] = int(value)
            elif name == "lrt_oracle_pushes_landed_total":
                pushes["landed"] += int(value)
            elif name == "lrt_oracle_pushes_failed_total":
                pushes["failed"] += int(value)
            elif name == "lrt_oracle_feed_round_timestamp_seconds":
                made.append(value)
    newest = max(made, default=0.0)
    feeds = sum(value == newest for value in made)
    return {
        **whole, "late": late, "late_sum_s": late_sum_s, "held": held, "pushes": pushes, "feeds": feeds,
    }  # fmt: skip


def file_numbers(database: Path, journal: Path) -> dict[str, int]:
    """Bytes of the files."""
    wal = database.with_name(f"{database.name}-wal")
    return {"database": _size(database), "wal": _size(wal), "journal": _size(journal)}


def database_kinds(database: Path, retention: Retention) -> DatabaseSize:
    """The database by kind; it reads all of it."""
    with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as connection:
        return database_size(connection, retention)


def kind_numbers(size: DatabaseSize) -> dict[str, dict[str, int]]:
    """Bytes and rows of each kind."""
    return {k.name: {"bytes": k.bytes, "rows": k.rows, "days": k.days} for k in size.kinds}


def now_s() -> float:
    """A clock that does not jump."""
    return time.monotonic()


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
