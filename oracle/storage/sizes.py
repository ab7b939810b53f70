"""What of a database takes how much, how fast it grows, and what it settles at. Reads only, and may be asked while it is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oracle.model.retention import Retention
from oracle.model.roll_up import HOUR_S, MINUTE_S
from oracle.storage.errors import DatabaseError
from oracle.storage.limits import DatabaseLimits
from oracle.storage.packer import TABLES
from oracle.storage.vacuum import SPARE_PART, shrinks_by_steps

_DAY_S = 86_400
_FOR_GOOD = 0
_PACKED_PART = 20
"""A row that is packed takes one of so many of what it took before, as long as nothing of its kind was packed here."""
_PLACE_BYTES = 45
"""Of a row whose body is in a pack."""
_HOUR_OF_MINUTES, _DAY_OF_HOURS = 2_050, 980
"""Bytes of a row of roll-ups, as long as there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSize:
    """One kind of what is stored.

    Attributes:
        name: of the kind.
        bytes: with indexes.
        rows: how many.
        oldest_s: of them, Unix seconds; None where there is none, or it has no time.
        a_day: bytes that are added in a day, once they are packed.
        days: for how long they are kept; 0: for good.
        settles_at: bytes once as much goes as comes; None: it never does.
    """

    name: str
    bytes: int
    rows: int
    oldest_s: int | None
    a_day: int
    days: int
    settles_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSize:
    """All of it. ``used``, ``free``: bytes of pages in the file. ``by_steps``: whether what is free leaves the file while it is used.

    ``spans_s``: over so many seconds reach the rounds that are stored.
    """

    kinds: tuple[KindSize, ...]
    used: int
    free: int
    by_steps: bool
    spans_s: int

    @property
    def is_telling(self) -> bool:
        """Whether there is enough of it to tell how fast it grows."""
        return self.spans_s >= HOUR_S

    @property
    def a_day(self) -> int:
        """Bytes that are added in a day at present: of what has reached its time as much goes as comes."""
        return sum(k.a_day for k in self.kinds if k.settles_at is None or k.settles_at > k.bytes)

    @property
    def settles_at(self) -> int:
        """Bytes of the file once all that settles has settled, with what is left free in it."""
        whole = sum(k.bytes if k.settles_at is None else max(k.settles_at, 0) for k in self.kinds)
        return whole + whole // SPARE_PART

    @property
    def for_good_a_year(self) -> int:
        """Bytes a year of what is kept for good."""
        return 365 * sum(k.a_day for k in self.kinds if k.settles_at is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """``tables``: of which the first has the rows; ``others``: their indexes and what belongs to them. ``at``: its column of time."""

    name: str
    tables: tuple[str, ...]
    days: int = _FOR_GOOD
    at: str = "round_s"
    unit_s: int = 1


def _kinds(keep: Retention) -> tuple[_Kind, ...]:
    return (
        _Kind(name="rounds with inputs", tables=("rounds", "rounds_unpacked", "checkpoints", "states", "specs"),
              days=keep.rounds_days),
        _Kind(name="records", tables=("records", "records_unpacked"), days=keep.records_days),
        _Kind(name="kept records", tables=("kept_records", "kept_records_unpacked")),
        _Kind(name="operators' values", tables=("agreements", "agreements_round", "agreements_unpacked", "outbox",
              "sqlite_autoindex_outbox_1"), days=keep.values_days),
        _Kind(name="values behind pushes", tables=("kept_agreements", "kept_agreements_unpacked"),
              days=keep.pushed_values_days),
        _Kind(name="pushes", tables=("pushes", "pushes_open", "pushes_landed", "pushes_made", "pushes_watched"),
              days=keep.pushes_days, at="made_ms", unit_s=1_000),
        _Kind(name="status changes", tables=("transitions", "transitions_of_feed", "transitions_at"), at="at_ms", unit_s=1_000),
        _Kind(name="who signed", tables=("attended",), days=keep.rounds_days),
        _Kind(name="words of operators", tables=("watch_words", "watch_items", "watch_items_of_round"),
              days=keep.rounds_days),
    )  # fmt: skip


def database_size(conn: sqlite3.Connection, retention: Retention, limits: DatabaseLimits | None = None) -> DatabaseSize:
    """Look through a database.

    Args:
        conn: to it, which may be read-only.
        retention: for how long each kind is kept.
        limits: how much of it is packed.

    Raises:
        DatabaseError: this build of SQLite cannot tell what its tables take.
    """
    pages = _pages(conn)
    packs = _packs(conn, pages.pop("packs", 0) + pages.pop("packs_of_series", 0))
    kinds = [_size(conn, kind, pages, packs, limits or DatabaseLimits()) for kind in _kinds(retention)]
    feeds = int(conn.execute("SELECT count(DISTINCT feed) FROM records").fetchone()[0])
    kinds += _roll_ups(conn, pages, retention, feeds)
    oldest_s, newest_s = conn.execute("SELECT min(round_s), max(round_s) FROM records").fetchone()
    rest = sum(pages.values())
    kinds.append(KindSize(name="the rest", bytes=rest, rows=0, oldest_s=None, a_day=0, days=0, settles_at=rest))
    size, free = (int(conn.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_size", "freelist_count"))
    return DatabaseSize(
        kinds=tuple(kinds),
        used=sum(k.bytes for k in kinds),
        free=size * free,
        by_steps=shrinks_by_steps(conn),
        spans_s=0 if newest_s is None else newest_s - oldest_s,
    )


def _pages(conn: sqlite3.Connection) -> dict[str, int]:
    try:
        return dict(conn.execute("SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE").fetchall())
    except sqlite3.OperationalError as e:
        raise DatabaseError(
            f"this build of SQLite cannot tell what its tables take ({e}): run the command with a Python whose SQLite has"
            " dbstat, as that of Debian, Ubuntu and python.org"
        ) from e


def _packs(conn: sqlite3.Connection, total: int) -> Mapping[str, int]:
    """Bytes of packs by table."""
    rows = conn.execute("SELECT what, sum(length(body)) FROM packs GROUP BY what").fetchall()
    whole = sum(size for _, size in rows)
    return {what: total * size // whole for what, size in rows}


def _size(
    conn: sqlite3.Connection, kind: _Kind, pages: dict[str, int], packs: Mapping[str, int], limits: DatabaseLimits
) -> KindSize:
    table = kind.tables[0]
    in_packs = packs.get(table, 0)
    taken = in_packs + sum(pages.pop(name, 0) for name in kind.tables)
    rows, oldest, newest = conn.execute(f"SELECT count(*), min({kind.at}), max({kind.at}) FROM {table}").fetchone()  # noqa: S608 - our own names
    if not rows:
        return KindSize(name=kind.name, bytes=taken, rows=0, oldest_s=None, a_day=0, days=kind.days, settles_at=taken)
    oldest_s, newest_s = oldest // kind.unit_s, newest // kind.unit_s
    since = max(oldest_s, newest_s - _DAY_S)
    lately = conn.execute(f"SELECT count(*) FROM {table} WHERE {kind.at} > ?", (since * kind.unit_s,)).fetchone()[0]  # noqa: S608 - our own names
    a_day = lately * _DAY_S // max(1, newest_s - since)
    each, unpacked = _row_bytes(conn, table, rows, taken, in_packs, limits)
    added = round(a_day * each)
    settles = None if kind.days == _FOR_GOOD else added * kind.days + unpacked
    return KindSize(
        name=kind.name, bytes=taken, rows=rows, oldest_s=oldest_s, a_day=added, days=kind.days, settles_at=settles
    )


def _row_bytes(
    conn: sqlite3.Connection, table: str, rows: int, taken: int, in_packs: int, limits: DatabaseLimits
) -> tuple[float, int]:
    """Bytes of a row in the end, and of those that are not packed yet."""
    packed_table = next((t for t in TABLES if t.name == table), None)
    if packed_table is None:
        return taken / rows, 0
    sql = f"SELECT count(*) FROM {table} WHERE {packed_table.unpacked}"  # noqa: S608 - our own names
    plain = int(conn.execute(sql).fetchone()[0])
    packed = rows - plain
    each_plain = (taken - in_packs - _PLACE_BYTES * packed) / max(1, plain)
    each = _PLACE_BYTES + (in_packs / packed if packed else each_plain / _PACKED_PART)
    series = len(conn.execute(f"SELECT DISTINCT {', '.join(packed_table.series)} FROM {table}").fetchall())  # noqa: S608 - our own names
    usual = series * (limits.left_unpacked + limits.packed_together // 2)
    return each, round(each_plain * usual)


def _roll_ups(conn: sqlite3.Connection, pages: dict[str, int], keep: Retention, feeds: int) -> Sequence[KindSize]:
    taken = sum(pages.pop(name, 0) for name in ("roll_ups", "sqlite_autoindex_roll_ups_1"))
    sql = "SELECT step_s, count(*), min(start_s), sum(length(body)) FROM roll_ups GROUP BY step_s"
    found = {step_s: (rows, oldest, size) for step_s, rows, oldest, size in conn.execute(sql)}
    whole = sum(size for _, _, size in found.values())
    sizes = []
    for name, step_s, days, rows_a_day, usual in (
        ("minutes", MINUTE_S, keep.minutes_days - keep.records_days, 24, _HOUR_OF_MINUTES),
        ("hours", HOUR_S, keep.hours_days - keep.minutes_days, 1, _DAY_OF_HOURS),
    ):
        rows, oldest_s, size = found.get(step_s, (0, None, 0))
        here = taken * size // whole if whole else 0
        a_day = round(feeds * rows_a_day * (here / rows if rows else usual))
        sizes.append(
            KindSize(
                name=f"records by {name}", bytes=here, rows=rows, oldest_s=oldest_s, a_day=a_day, days=days,
                settles_at=a_day * max(0, days),
            )
        )  # fmt: skip
    return sizes
