"""Packs what is no longer needed at once: the newest rows of a series stay as they were written, older ones go into packs."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oracle.storage.limits import DatabaseLimits
from oracle.storage.packs import compressed, place


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedTable:
    """A table with bodies that can be packed.

    ``series``: the columns before round_s in its key. ``withdrawn_as``: what its rows are called once they are withdrawn.
    ``columns``: bodies, of which the first tells whether a row is packed. ``always``: a value of a column that a row keeps, as
    it is asked for.
    """

    name: str
    series: tuple[str, ...]
    withdrawn_as: str
    columns: tuple[str, ...] = ("body",)
    always: bytes | None = None

    @property
    def unpacked(self) -> str:
        """The condition of the index over rows that are not packed, word for word as the schema has it."""
        return f"substr({self.columns[0]}, 1, 1) != x'01'"


_SERIES = "\n"
_SIGNED = ("sealed", "body", "signers", "indexes")
TABLES = (
    PackedTable(name="rounds", series=("operator", "feed"), withdrawn_as="round"),
    PackedTable(name="records", series=("feed",), withdrawn_as="record"),
    PackedTable(name="kept_records", series=("feed",), withdrawn_as="record"),
    PackedTable(name="agreements", series=("target",), withdrawn_as="agreement", columns=_SIGNED, always=b"[]"),
    PackedTable(name="kept_agreements", series=("target",), withdrawn_as="agreement", columns=_SIGNED, always=b"[]"),
)
"""Rows of these are read through :class:`oracle.storage.packs.Packs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackJob:
    """Rows that are to be packed together."""

    table: PackedTable
    series: tuple[str, ...]
    rounds: tuple[int, ...]
    bodies: tuple[bytes, ...]

    def packed(self) -> bytes:
        """The pack. It is work of some ten milliseconds for a thread."""
        return compressed(self.bodies)


class Packer:
    """Finds rows that can be packed, and writes packs.

    Args:
        conn: the database, in autocommit mode; every pack is a transaction of its own.
        limits: how many rows there are in a pack, and how many stay as they are.
    """

    def __init__(self, conn: sqlite3.Connection, limits: DatabaseLimits) -> None:
        self._conn, self._limits = conn, limits
        self._waiting: deque[tuple[PackedTable, tuple[str, ...]]] = deque()

    def next(self) -> PackJob | None:
        """The oldest rows of a series of which more than a pack and the newest few are as they were written; None if there is none."""
        if not self._waiting:
            self._waiting.extend(self._found())
        while self._waiting:
            table, series = self._waiting.popleft()
            job = self._job(table, series)
            if len(job.rounds) == self._limits.packed_together:
                return job
        return None

    def _found(self) -> Iterator[tuple[PackedTable, tuple[str, ...]]]:
        """Each series with rows to pack, once for each pack that they make."""
        together = self._limits.packed_together
        for table in TABLES:
            keys = ", ".join(table.series)
            sql = (
                f"SELECT {keys}, count(*) FROM {table.name} WHERE {table.unpacked} GROUP BY {keys} HAVING count(*) >= ?"  # noqa: S608 - our own names
            )
            for *series, count in self._conn.execute(sql, (together + self._limits.left_unpacked,)):
                for _ in range((count - self._limits.left_unpacked) // together):
                    yield table, tuple(series)

    def keep(self, job: PackJob, body: bytes) -> None:
        """Write a pack, and in its rows where they are in it.

        The rows are taken out and put in again: made smaller where they are, they would leave their pages nearly empty.
        """
        table, width = job.table, len(job.table.columns)
        where = " AND ".join(f"{k} = ?" for k in table.series)
        span = f"{where} AND round_s BETWEEN ? AND ? AND {table.unpacked}"
        which = (*job.series, job.rounds[0], job.rounds[-1])
        with self._conn:
            self._conn.execute("BEGIN IMMEDIATE")
            values = (table.name, _SERIES.join(job.series), job.rounds[0], job.rounds[-1], body)
            sql = "INSERT INTO packs (what, series, first_s, last_s, body) VALUES (?, ?, ?, ?, ?)"
            pack = int(self._conn.execute(sql, values).lastrowid or 0)
            cursor = self._conn.execute(f"SELECT * FROM {table.name} WHERE {span}", which)  # noqa: S608 - our own names
            names = [column[0] for column in cursor.description]
            stored = {row["round_s"]: row for row in (dict(zip(names, r, strict=True)) for r in cursor)}
            self._conn.execute(f"DELETE FROM {table.name} WHERE {span}", which)  # noqa: S608 - our own names
            for i, round_s in enumerate(job.rounds):
                stored[round_s] |= dict(zip(table.columns, self._changed(job, place(pack, i * width), i), strict=True))
            marks = ", ".join("?" for _ in names)
            rows = [tuple(row[n] for n in names) for _, row in sorted(stored.items())]
            self._conn.executemany(f"INSERT INTO {table.name} VALUES ({marks})", rows)  # noqa: S608 - our own names

    def _job(self, table: PackedTable, series: Sequence[str]) -> PackJob:
        columns = ", ".join(table.columns)
        where = " AND ".join(f"{k} = ?" for k in table.series)
        sql = f"SELECT round_s, {columns} FROM {table.name} WHERE {where} AND {table.unpacked} ORDER BY round_s LIMIT ?"  # noqa: S608 - our own names
        rows = self._conn.execute(sql, (*series, self._limits.packed_together)).fetchall()
        return PackJob(
            table=table,
            series=tuple(series),
            rounds=tuple(r[0] for r in rows),
            bodies=tuple(bytes(b) for r in rows for b in r[1:]),
        )

    @staticmethod
    def _changed(job: PackJob, where: bytes, index: int) -> list[bytes]:
        """What each column of a row holds from now on: the first its place, the others nothing, or what they always keep."""
        width = len(job.table.columns)
        others = job.bodies[index * width + 1 : (index + 1) * width]
        return [where, *(b if b == job.table.always else b"" for b in others)]


def drop_packs(conn: sqlite3.Connection, name: str, series: Sequence[str], before_s: int) -> None:
    """Drop the packs of a series that no row points to any more; those of which rows were withdrawn stay.

    Args:
        conn: the database, in a transaction.
        name: of the table.
        series: the values of its columns before round_s.
        before_s: packs with rows from then on are not looked at.
    """
    table = next(t for t in TABLES if t.name == name)
    where = " AND ".join(f"t.{k} = ?" for k in table.series)
    sql = (
        "DELETE FROM packs WHERE what = ? AND series = ? AND last_s < ?"  # noqa: S608 - our own names
        f" AND NOT EXISTS (SELECT 1 FROM {name} t WHERE {where} AND t.round_s BETWEEN packs.first_s AND packs.last_s"
        f" AND NOT substr(t.{table.columns[0]}, 1, 1) != x'01')"
        " AND NOT EXISTS (SELECT 1 FROM withdrawn w WHERE w.feed = ? AND w.what = ? AND w.round_s BETWEEN packs.first_s"
        " AND packs.last_s)"
    )
    feed = series[-1] if table.series[-1] == "feed" else ""
    conn.execute(sql, (name, _SERIES.join(series), before_s, *series, feed, table.withdrawn_as))
