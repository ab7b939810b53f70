"""The archive as a process: what it says of itself, gaps that it fills or tells, pushed records, and what keeps it from starting."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from click.testing import CliRunner

from oracle.__main__ import main
from oracle.archive.archive_process import ArchivePace, ArchiveProcess
from oracle.archive.link import connected
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.config.tables.schema import ConfigError
from tests.contracts.contract_tools import Item
from tests.oracle.archive.postgres_process import needs_postgres
from tests.oracle.follow.follow_world import Site, site
from tests.oracle.serve.service_world import ROUND_S

pytestmark = [pytest.mark.chain, pytest.mark.loopback, needs_postgres]
QUICK = ArchivePace(gaps_s=0.1, upkeep_s=0.1, files_s=0.1, chain_s=0.1)
FEEDS = """
[feeds."ETH/USD"]
mode = "market"
[[feeds."ETH/USD".sources]]
type = "coinbase"
symbol = "ETH-USD"
[[feeds."ETH/USD".sources]]
type = "kraken"
symbol = "ETH/USD"
"""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


def config(here: Site, **archive: Any) -> dict[str, Any]:
    return {
        "chains": {"local": {"chain_id": here.domain.chain_id, "endpoints": [here.url]}},
        "targets": {"main": {"chain": "local", "store": here.bench.store.address}},
        "archive": {"port": 0, **archive},
        **tomllib.loads(FEEDS),
    }


class Running:
    """An archive that runs. ``dsn``: where it writes."""

    def __init__(self, process: ArchiveProcess, dsn: str, session: aiohttp.ClientSession) -> None:
        self.process, self.dsn, self._session = process, dsn, session

    async def get(self, path: str) -> tuple[int, Any]:
        async with self._session.get(self.process.url + path) as answer:
            return answer.status, await (answer.json() if path != "/metrics" else answer.text())

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = await connected(self.dsn, read_only=True)
        try:
            return [tuple(r) for r in await connection.fetch(sql)]
        except asyncpg.UndefinedTableError:
            return []
        finally:
            await connection.close()

    async def said(self, what: str) -> dict[str, Any]:
        """/readyz once it says something."""
        for _ in range(3_000):
            _, body = await self.get("/readyz")
            if what in str(body):
                return dict(body)
            await asyncio.sleep(0.01)
        raise TimeoutError(f"{what} is not in {body}")

    async def until_rows(self, sql: str, wanted: list[tuple[Any, ...]]) -> None:
        for _ in range(3_000):
            if (found := await self.rows(sql)) == wanted:
                return
            await asyncio.sleep(0.01)
        raise TimeoutError(f"{found} in the place of {wanted}")


@asynccontextmanager
async def archive(here: Site, dsn: str, *operators: str) -> AsyncIterator[Running]:
    resolved = resolve(parse(config(here, dsn=dsn, operators=list(operators))))
    process, stop = ArchiveProcess(resolved, here.now_ms, QUICK), asyncio.Event()
    running = asyncio.create_task(process.run(stop))
    while not process.url and not running.done():  # noqa: ASYNC110 - it has no event for it
        await asyncio.sleep(0.01)
    async with aiohttp.ClientSession() as session:
        yield Running(process, dsn, session)
    stop.set()
    await asyncio.wait_for(running, 60)


async def test_it_says_how_far_it_is_and_keeps_what_was_pushed(here: Site, dsn: str) -> None:
    here.rounds(3)
    async with here.process() as one, archive(here, dsn, one.url) as running:
        await running.until_rows("SELECT round_s FROM prices ORDER BY 1", [(ROUND_S + 10 * n,) for n in range(3)])
        body = await running.said("'ready': True")
        assert (body["round"], body["round_lag_s"], body["missing"], body["warnings"]) == (ROUND_S + 20, 0, [], [])
        await running.until_rows("SELECT sum(rounds), min(worst) FROM hours", [(3, "ok")])
        here.bench.at(ROUND_S + 11)
        here.bench.push(ROUND_S + 10, [Item(1, redemption=0)])
        await running.until_rows("SELECT feed, round_s FROM pushed", [("ETH/USD", ROUND_S + 10)])
        exposed = (await running.get("/metrics"))[1].splitlines()
        for line in ("connected 1.0", "written_rounds_total 3.0", f"round_timestamp_seconds {float(ROUND_S + 20):g}"):
            assert any(e.startswith(f"lrt_oracle_archive_{line.split()[0]} ") for e in exposed), line
        assert "lrt_oracle_archive_written_rounds_total 3.0" in exposed
        here.world.at_ms += 100_000
        assert (await running.get("/readyz"))[0] == 503
        assert (await running.get("/healthz"))[0] == 200
        assert "behind" in str((await running.get("/readyz"))[1]["reasons"])


async def test_rounds_that_are_missing_are_told_and_asked_for_at_another_operator(here: Site, dsn: str) -> None:
    """They are older than what is asked for again at a start, and the first operator does not have them."""
    here.rounds(2)
    async with here.process() as two:
        here.rounds(3)
        missed, here.done = here.done[2:5], here.done[:2]
        async with here.process() as one:
            later = [here.world.round(ROUND_S + after_s) for after_s in (50, 7_200)]
            for done in later:
                one.keep(done)
                two.keep(done)
            async with archive(here, dsn, one.url) as running:
                body = await running.said("3 rounds are missing")
                assert body["missing"][-1] | {"asked_for": True} == {
                    "first": missed[0].round_time_s, "last": missed[2].round_time_s, "rounds": 3, "asked_for": True,
                }  # fmt: skip
            async with archive(here, dsn, one.url, two.url) as running:
                await running.until_rows("SELECT count(*) FROM rounds", [(7,)])
                await running.until_rows("SELECT count(*) FROM gaps", [(1,)])


async def test_rounds_that_nobody_has_are_told_as_such_and_not_asked_for_for_ever(here: Site, dsn: str) -> None:
    here.rounds(5)
    here.done = [d for n, d in enumerate(here.done) if n not in {1, 3}]
    async with here.process() as one, archive(here, dsn, one.url) as running:
        await running.said("no operator that was asked has them")
        await running.until_rows(
            "SELECT first_s, rounds, asked FROM gaps ORDER BY 1", [(ROUND_S + 10, 1, 3), (ROUND_S + 30, 1, 3)]
        )
        assert 'missing_rounds{state="nobody_has_it"} 2.0' in (await running.get("/metrics"))[1]


def test_what_it_lacks_is_named(here: Site) -> None:
    with pytest.raises(ConfigError) as e:
        ArchiveProcess(resolve(parse({k: v for k, v in config(here).items() if k != "targets"})), here.now_ms)
    assert {p.key for p in e.value.problems} == {"archive.operators", "archive.dsn", "targets"}
    for dsn in ("postgresql://me:secret@host/db", "mysql://host/db", "postgresql://host/db?password=x"):
        with pytest.raises(ConfigError, match="archive"):
            parse(config(here, dsn=dsn))
    parse(config(here, dsn="postgresql://me:${PASSWORD}@host/db"))


async def test_the_command_line_reads_the_archive(here: Site, dsn: str, tmp_path: Path) -> None:
    here.rounds(2)
    async with here.process() as one, archive(here, dsn, one.url) as running:
        await running.until_rows("SELECT count(*) FROM rounds", [(2,)])
    file = tmp_path / "node.toml"
    file.write_text(
        f'[chains.local]\nchain_id = {here.domain.chain_id}\nendpoints = ["{here.url}"]\n[targets.main]\nchain = "local"\n'
        f'store = "{here.bench.store.address}"\n[node]\narchive = "{dsn}"\n{FEEDS}'
    )

    def said(*args: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["--config", str(file), *args])
        return done.exit_code, done.output

    code, text = await asyncio.to_thread(said, "history", "ETH/USD", "--minutes", "999999999", "--json")
    assert (code, text.count('"round":')) == (0, 2)
    code, text = await asyncio.to_thread(said, "archive-sql", "SELECT feed, price FROM prices ORDER BY round_s")
    assert (code, text.splitlines()) == (0, ["feed\tprice", *["ETH/USD\t2000.000000000000000000"] * 2])
    code, text = await asyncio.to_thread(said, "archive-sql", "SELECT lo_from_bytea(0, 'kept?') > 0 AS made")
    assert (code, "True" in text) == (0, True), text  # it may write even where tables may not be written
    code, text = await asyncio.to_thread(said, "archive-sql", "SELECT count(*) AS kept FROM pg_largeobject_metadata")
    assert (code, text.split()) == (0, ["kept", "0"]), "and nothing of it is kept"
    code, text = await asyncio.to_thread(said, "archive-sql", "DELETE FROM prices")
    assert (code, "read-only" in text) == (1, True)
