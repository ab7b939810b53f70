"""Parquet files by feed and day: every round once, exact, whatever was killed, as DuckDB and pyarrow read them."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from oracle.archive.link import connected
from oracle.archive.parquet_files import ParquetFiles
from oracle.archive.writer import ArchiveWriter
from tests.oracle.archive.archive_world import DOMAIN, NOON_S, OWN, STRANGE, verified
from tests.oracle.archive.postgres_process import needs_postgres
from tests.oracle.archive.writing import written

pytestmark = [
    pytest.mark.loopback, needs_postgres,
    pytest.mark.skipif(find_spec("pyarrow") is None or find_spec("duckdb") is None, reason="pyarrow or duckdb is missing"),
]  # fmt: skip
FEEDS = (OWN, STRANGE)
DAY_S = 86_400
EVENING_S = NOON_S + 43_200 - 20


async def brought_up(dsn: str, folder: Path, writer: ArchiveWriter, now_s: int) -> ParquetFiles:
    files = ParquetFiles(dsn, writer, folder, DOMAIN, now_s=lambda: now_s)
    connection = await connected(dsn)
    try:
        await files.look(connection)
    finally:
        await connection.close()
    return files


def duck(folder: Path, select: str) -> list[tuple[Any, ...]]:
    import duckdb  # noqa: PLC0415 - an optional part

    source = f"read_parquet('{folder}/prices/**/*.parquet', hive_partitioning = true)"
    with duckdb.connect() as connection:
        return connection.execute(select.format(source)).fetchall()


def names(folder: Path) -> set[str]:
    return {f"{p.parent.name[4:]}/{p.name}" for p in folder.rglob("*.parquet")}


async def test_hours_of_a_day_become_one_file_when_it_is_over_and_no_row_is_there_twice(
    dsn: str, tmp_path: Path
) -> None:
    told = [verified(EVENING_S + 10 * n, price=10**18 + n, feeds=FEEDS) for n in range(4)]
    writer = await written(dsn, told)
    await brought_up(dsn, tmp_path, writer, EVENING_S + 60)
    assert names(tmp_path) == {"2023-11-15/23.parquet", "2023-11-16/00.parquet"}
    await written(dsn, [verified(EVENING_S - 10, feeds=FEEDS)])
    await brought_up(dsn, tmp_path, writer, EVENING_S + 7_200)
    assert names(tmp_path) == {"2023-11-15/day.parquet", "2023-11-16/00.parquet"}
    await written(dsn, [verified(EVENING_S - 3_600, feeds=FEEDS)])
    await brought_up(dsn, tmp_path, writer, EVENING_S + 7_260)
    assert names(tmp_path) == {"2023-11-15/day.parquet", "2023-11-16/00.parquet"}
    found = duck(tmp_path, "SELECT feed, round, count(*) FROM {} GROUP BY ALL ORDER BY ALL")
    rounds = [EVENING_S - 3_600, EVENING_S - 10, *(v.round_time_s for v in told)]
    assert found == [(feed, r, 1) for feed in sorted(FEEDS) for r in rounds]


async def test_duckdb_and_pyarrow_read_exact_prices_and_who_was_silent(dsn: str, tmp_path: Path) -> None:
    import pyarrow.dataset as ds  # noqa: PLC0415 - an optional part

    big = (1 << 88) - 7
    told = [verified(NOON_S, price=big), verified(NOON_S + 10, price=7, status=3), verified(NOON_S + 20, silent=True)]
    await brought_up(dsn, tmp_path, await written(dsn, told), NOON_S + 60)
    columns = "round, price, market, status, reasons, abstained, abstained_why, domain, CAST(day AS VARCHAR)"
    rows = duck(tmp_path, f"SELECT {columns} FROM {{}} ORDER BY round")  # noqa: S608 - our own text
    domain = f"{DOMAIN.chain_id}-0x{DOMAIN.store.hex()}"
    assert rows == [
        (NOON_S, Decimal(big).scaleb(-18), Decimal(big).scaleb(-18), "ok", [], False, None, domain, "2023-11-15"),
        (NOON_S + 10, Decimal(7).scaleb(-18), Decimal(7).scaleb(-18), "depeg", ["DISCOUNT"], False, None, domain, "2023-11-15"),
        (NOON_S + 20, None, None, None, [], True, "NO_QUORUM", domain, "2023-11-15"),
    ]  # fmt: skip
    table = ds.dataset(tmp_path / "prices", partitioning="hive").to_table().sort_by("round")
    assert table["price"].to_pylist() == [r[1] for r in rows]
    assert set(table["feed"].to_pylist()) == {OWN}
    assert str(table.schema.field("price").type) == "decimal128(38, 18)"


async def test_a_crash_at_any_step_doubles_nothing_and_is_made_good_by_the_next_look(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends before or after a file or folder gets its name, while days are opened, closed, and opened again by a late round."""
    rng, crashes = random.Random(3), [0]
    for name in ("rename", "replace"):
        monkeypatch.setattr(Path, name, ending_at_random(getattr(Path, name), rng, crashes))
    rounds = [EVENING_S - 3_600 + 10 * n for n in range(380)]
    late = rng.sample(rounds, 30)
    writer = await written(dsn, [verified(r) for r in rounds if r not in late])
    for turn in range(16):
        with suppress(Ended):
            await brought_up(dsn, tmp_path, writer, EVENING_S + 500 * turn)
        found = duck(tmp_path, "SELECT count(*) - count(DISTINCT round) FROM {}") if names(tmp_path) else [(0,)]
        assert found == [(0,)], "none twice at any moment"
        await written(dsn, [verified(late.pop())])
    assert crashes[0] > 3
    monkeypatch.undo()
    await written(dsn, [verified(r) for r in late])
    await brought_up(dsn, tmp_path, writer, EVENING_S + 20_000)
    assert [r for (r,) in duck(tmp_path, "SELECT round FROM {} ORDER BY round")] == rounds


class Ended(BaseException):
    """The process would be gone."""


def ending_at_random(
    step: Callable[[Path, Path], Path], rng: random.Random, crashes: list[int]
) -> Callable[[Path, Path], Path]:
    def ending(self: Path, target: Path) -> Path:
        at = rng.random()
        crashes[0] += at < 0.5
        if at < 0.25:
            raise Ended
        done = step(self, target)
        if at < 0.5:
            raise Ended
        return done

    return ending
