"""Parquet files by feed and day, made of what is in PostgreSQL: files in the hive layout that anything reads.

    prices/domain=1-0x.../feed=weETH%2FETH/day=2026-12-01/13.parquet    an hour of a day that goes on
    prices/domain=1-0x.../feed=weETH%2FETH/day=2026-11-30/day.parquet   a whole day

A file is written under another name beside that tree and renamed, so that a reader sees all of it or nothing. Of a day that is over
the hours become one file: the folder is exchanged as a whole, so that no row is ever there twice. Which hours have rounds that are in
no file yet is written in PostgreSQL with the rounds: after a crash they are made again.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from oracle.archive.repeated_look import RepeatedLook
from oracle.archive.writer import DAY_S, ArchiveWriter
from oracle.sign.eip712 import Domain

HOUR_S = 3_600
_CLOSED_AFTER_S = HOUR_S
"""A day is over so long after its end: a round may be learned late. One that comes later still is taken in all the same."""
_DIGITS = 38, 18
_ROWS = """
SELECT coalesce(p.feed, a.feed) AS feed, coalesce(p.round_s, a.round_s) AS round_s, p.price, p.market, p.redemption,
  p.deviation_bps, p.spread_bps, p.status::text AS status, p.status_only, p.market_age_s, p.redemption_age_h, p.observed_at_ms,
  p.computed_at_ms, p.mode, p.operators, ARRAY(SELECT r->>'code' FROM jsonb_array_elements(p.reasons) r) AS reasons,
  a.round_s IS NOT NULL AS abstained, a.why AS abstained_why
FROM (SELECT * FROM prices WHERE domain = $1 AND round_s >= $2 AND round_s < $3) p
FULL JOIN (SELECT * FROM abstentions WHERE domain = $1 AND round_s >= $2 AND round_s < $3) a USING (feed, round_s)
ORDER BY 1, 2
"""
_TOUCHED = "SELECT hour_s, times FROM touched WHERE sink = 'parquet' AND domain = $1 ORDER BY hour_s LIMIT $2"
_DONE = "DELETE FROM touched WHERE sink = 'parquet' AND (domain, hour_s, times) = ($1, $2, $3)"
_OVER = """
SELECT DISTINCT d.day_s FROM (SELECT round_s - round_s % 86400 AS day_s FROM rounds
  WHERE domain = $1 AND round_s >= $2 AND round_s < $3) d
WHERE NOT EXISTS (SELECT 1 FROM parquet_days p WHERE (p.domain, p.day_s) = ($1, d.day_s)) ORDER BY 1
"""
_CLOSE = "INSERT INTO parquet_days (domain, day_s) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_HOURS_AT_ONCE, _PASSES = 48, 1_000
_LOOKED_BACK_S = 40 * DAY_S


def schema() -> Any:
    """Columns of every file; prices are exact. The feed, the day and the store are in the path."""
    import pyarrow as pa  # noqa: PLC0415 - an optional part

    price, time_ms = pa.decimal128(*_DIGITS), pa.timestamp("ms", tz="UTC")
    return pa.schema([
        pa.field("round", pa.int64(), nullable=False), pa.field("at", time_ms, nullable=False),
        ("price", price), ("market", price), ("redemption", price),
        ("deviation_bps", pa.int64()), ("spread_bps", pa.int32()), ("status", pa.string()), ("status_only", pa.bool_()),
        ("market_age_s", pa.int32()), ("redemption_age_h", pa.int32()), ("observed_at", time_ms), ("computed_at", time_ms),
        ("mode", pa.string()), ("operators", pa.list_(pa.string())), ("reasons", pa.list_(pa.string())),
        pa.field("abstained", pa.bool_(), nullable=False), ("abstained_why", pa.string()),
    ])  # fmt: skip


class ParquetFiles(RepeatedLook):
    """Writes the files of one store.

    Args:
        dsn: of the archive.
        writer: that writes there.
        folder: where the files go.
        domain: of the store.
        now_s: the clock.
        every_s: between two looks: so old the newest rows may be.

    Attributes:
        written: files since the start.
        error: what is wrong; "" while nothing is.
    """

    fails = "Parquet files are not written"

    def __init__(
        self,
        dsn: str,
        writer: ArchiveWriter,
        folder: Path,
        domain: Domain,
        *,
        now_s: Callable[[], int],
        every_s: float = 60.0,
    ) -> None:
        super().__init__(dsn, writer, every_s)
        self._tree = folder / "prices" / f"domain={domain.chain_id}-0x{domain.store.hex()}"
        self._work = folder / "work"
        self._now_s = now_s
        self.written = 0

    async def look(self, connection: Any) -> None:
        """Bring the files up to date."""
        await asyncio.to_thread(self._clean)
        domain = self._writer.domain_id
        over_s = (self._now_s() - _CLOSED_AFTER_S) // DAY_S * DAY_S
        for _ in range(_PASSES):
            touched = await connection.fetch(_TOUCHED, domain, _HOURS_AT_ONCE)
            days: set[int] = set()
            for hour_s, times in touched:
                day_s = hour_s // DAY_S * DAY_S
                if day_s >= over_s:
                    rows = await connection.fetch(_ROWS, domain, hour_s, hour_s + HOUR_S)
                    name = datetime.fromtimestamp(hour_s, UTC).strftime("%H.parquet")
                    await asyncio.to_thread(self._put_files, _by_feed(rows), day_s, name)
                elif day_s not in days:
                    await self._write_day(connection, day_s)
                    days.add(day_s)
                await connection.execute(_DONE, domain, hour_s, times)
            if len(touched) < _HOURS_AT_ONCE:
                break
        for (day_s,) in await connection.fetch(_OVER, domain, over_s - _LOOKED_BACK_S, over_s):
            await self._write_day(connection, day_s)

    async def _write_day(self, connection: Any, day_s: int) -> None:
        """One file for a whole day, in the place of all that is there of it."""
        rows = await connection.fetch(_ROWS, self._writer.domain_id, day_s, day_s + DAY_S)
        await asyncio.to_thread(self._exchange, _by_feed(rows), day_s)
        await connection.execute(_CLOSE, self._writer.domain_id, day_s)

    def _put_files(self, by_feed: dict[str, list[Any]], day_s: int, name: str) -> None:
        for feed, rows in by_feed.items():
            made = self._work / name
            self._make(made, rows)
            folder = self._folder(feed, day_s)
            folder.mkdir(parents=True, exist_ok=True)
            made.replace(folder / name)

    def _exchange(self, by_feed: dict[str, list[Any]], day_s: int) -> None:
        for feed, rows in by_feed.items():
            folder, fresh, gone = self._folder(feed, day_s), self._work / "fresh", self._work / "gone"
            fresh.mkdir(parents=True)
            self._make(fresh / "day.parquet", rows)
            folder.parent.mkdir(parents=True, exist_ok=True)
            if folder.is_dir() and [p.name for p in folder.iterdir()] != ["day.parquet"]:
                folder.rename(gone)
            if folder.is_dir():
                (fresh / "day.parquet").replace(folder / "day.parquet")
                fresh.rmdir()
            else:
                fresh.rename(folder)
            shutil.rmtree(gone, ignore_errors=True)

    def _make(self, path: Path, rows: Sequence[Any]) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415 - an optional part

        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(_table(rows), path, compression="zstd")
        self.written += 1

    def _folder(self, feed: str, day_s: int) -> Path:
        day = datetime.fromtimestamp(day_s, UTC).strftime("%Y-%m-%d")
        return self._tree / f"feed={quote(feed, safe='')}" / f"day={day}"

    def _clean(self) -> None:
        """Throw away what a crash has left behind."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self._work)


def _by_feed(rows: Sequence[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row["feed"], []).append(row)
    return found


def _table(rows: Sequence[Any]) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - an optional part

    named = {"round": "round_s", "at": "round_s", "observed_at": "observed_at_ms", "computed_at": "computed_at_ms"}
    columns = schema()
    found = {c.name: [row[named.get(c.name, c.name)] for row in rows] for c in columns}
    found["at"] = [s * 1_000 for s in found["at"]]
    return pa.table({c.name: pa.array(found[c.name], type=c.type) for c in columns}, schema=columns)
