"""Verified rounds in a real PostgreSQL: each once, exact, and what follows from them as a node or an operator has it."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from oracle.archive.link import ArchiveFault, connected
from oracle.archive.migrations import VERSION, bring_up_to_date
from oracle.archive.rows import agreement_of, decimal_of, record_of, wad_of
from oracle.archive.writer import MOST_WAITING, ArchiveWriter
from tests.oracle.archive.archive_world import NOON_S, verified
from tests.oracle.archive.postgres_process import PostgresProcess, needs_postgres
from tests.oracle.archive.writing import writing, written
from tests.oracle.follow.follow_world import until

pytestmark = [pytest.mark.loopback, needs_postgres]


async def rows(dsn: str, sql: str, *args: Any) -> list[asyncpg.Record]:
    connection = await connected(dsn, read_only=True)
    try:
        return list(await connection.fetch(sql, *args))
    finally:
        await connection.close()


JOINED = "SELECT p.*, r.epoch, r.step, r.weight, r.threshold, r.total FROM prices p JOIN rounds r USING (domain, round_s) ORDER BY round_s"


async def test_what_is_written_is_what_was_verified(dsn: str) -> None:
    told = [verified(NOON_S + 10 * n, price=10**18 + n, status=1 + n % 3) for n in range(5)]
    writer = await written(dsn, told)
    assert (writer.written, writer.newest_s, writer.conflicts) == (5, NOON_S + 40, 0)
    assert [record_of(r, "home") for r in await rows(dsn, JOINED)] == [v.records[0] for v in told]
    sealed = await rows(dsn, "SELECT * FROM rounds ORDER BY round_s")
    assert [agreement_of(r, v.agreement.target) for r, v in zip(sealed, told, strict=True)] == [
        v.agreement for v in told
    ]


async def test_rounds_that_are_told_again_are_kept_once_with_the_words_of_the_first_in_the_config(dsn: str) -> None:
    first = verified(NOON_S, source="two")
    better = replace(
        verified(NOON_S, source="one"), records=(replace(first.records[0], computed_at_ms=7),), is_first=False
    )
    await written(dsn, [first])
    await written(dsn, [better])
    again = await written(dsn, [first, better])
    assert (again.written, again.reworded) == (0, 0)
    (kept,) = await rows(dsn, JOINED)
    assert kept["computed_at_ms"] == 7
    ((count,),) = await rows(dsn, "SELECT rounds FROM domains")
    assert count == 1


async def test_a_round_with_something_else_sealed_stays_as_it_was(dsn: str) -> None:
    await written(dsn, [verified(NOON_S)])
    writer = await written(dsn, [verified(NOON_S, price=2 * 10**18), verified(NOON_S + 10)])
    assert (writer.conflicts, writer.written) == (1, 1)
    assert [r["price"] for r in await rows(dsn, "SELECT price FROM prices ORDER BY round_s")] == [
        decimal_of(10**18)
    ] * 2


async def test_words_that_postgresql_does_not_take_hold_nothing_up(dsn: str) -> None:
    bad = verified(NOON_S + 10)
    huge = replace(bad, records=(replace(bad.records[0], deviation_bps=1 << 90),))  # type: ignore[arg-type]
    zero = verified(NOON_S + 20, status=3, text="a \0 byte")
    writer = await written(dsn, [verified(NOON_S), huge, zero])
    assert (writer.written, writer.unwritable) == (2, 1)


def test_prices_are_exact_in_both_directions() -> None:
    rng = random.Random(1)
    for wad in (0, 1, 10**18, (1 << 88) - 1, *(rng.getrandbits(rng.randrange(1, 126)) for _ in range(1_000))):
        assert wad_of(decimal_of(wad)) == wad


async def test_changes_of_status_are_found_in_whatever_order_rounds_come(dsn: str) -> None:
    status = [1, 1, 3, 3, 2, 1, 1, 4, 1]
    told = [verified(NOON_S + 10 * n, status=s) for n, s in enumerate(status)]
    random.Random(5).shuffle(told)
    for each in told:
        await written(dsn, [each])
    found = await rows(dsn, "SELECT round_s, before, after FROM status_changes ORDER BY round_s")
    assert [((r["round_s"] - NOON_S) // 10, r["before"], r["after"]) for r in found] == [
        (2, "ok", "depeg"), (4, "depeg", "watch"), (5, "watch", "ok"), (7, "ok", "halt"), (8, "halt", "ok"),
    ]  # fmt: skip


async def test_the_schema_is_made_once_and_a_later_one_is_refused(dsn: str) -> None:
    connection = await connected(dsn)
    assert [await bring_up_to_date(connection), await bring_up_to_date(connection)] == [0, VERSION]
    await connection.execute("INSERT INTO versions (version) VALUES ($1)", VERSION + 1)
    with pytest.raises(ArchiveFault, match="install a later one"):
        await bring_up_to_date(connection)
    await connection.close()


async def test_one_archive_alone_writes_for_a_store_and_the_second_goes_on_after_it(dsn: str) -> None:
    async with writing(dsn) as first:
        await first.ready.wait()
        async with writing(dsn) as second:
            await second.take(verified(NOON_S))
            await until(lambda: second.error, "it is told")
            assert "another archive" in second.error
            assert not await rows(dsn, "SELECT 1 FROM rounds")
    await written(dsn, [verified(NOON_S)])
    assert len(await rows(dsn, "SELECT 1 FROM rounds")) == 1


async def test_while_postgresql_is_away_so_many_rounds_wait_and_who_brings_more_waits_too() -> None:
    server = PostgresProcess()
    await server.start()
    dsn = await server.new_database()
    async with writing(dsn) as writer:
        await writer.take(verified(NOON_S))
        await until(lambda: writer.written, "the first")
        await server.kill()
        count = 3 * MOST_WAITING  # what is left of the server may take some of them for a moment
        bringing = asyncio.create_task(bring(writer, count))
        await until(lambda: writer.waiting == MOST_WAITING and writer.error, "memory is full, and it is told")
        assert not bringing.done()
        await server.start()
        await bringing
        await until(lambda: not writer.waiting, "all is written")
        assert (writer.written, writer.error) == (count + 1, "")
    assert len(await rows(dsn, "SELECT 1 FROM rounds")) == count + 1
    await server.end()


async def bring(writer: ArchiveWriter, count: int) -> None:
    for n in range(1, count + 1):
        await writer.take(verified(NOON_S + 10 * n))


async def test_the_questions_of_the_page_can_be_asked(dsn: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "archive.md").read_text()
    asked = page.split("## Questions")[1].split("```sql\n")[1].split("```")[0]
    told = [verified(NOON_S + 10 * n, status=1 + n % 3, silent=n == 4) for n in range(9)]
    await written(dsn, told)
    questions = [q.strip() for q in asked.split(";\n") if "SELECT" in q]
    assert len(questions) == 5
    for question in questions:
        await rows(dsn, question)
    found = await rows(
        dsn, "SELECT open, high, rounds, worst FROM roll_up_prices(1::smallint, $1, $2, 300)", NOON_S, NOON_S + 300
    )
    assert [tuple(r) for r in found] == [(1, 1, 8, "depeg")]
