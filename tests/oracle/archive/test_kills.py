"""All that is between an operator and an archive is killed at random moments, and both of them, and a node.

No sealed round is missing in the archive, none is there twice, and nothing is there or served that its signers did not seal.

``LRT_ORACLE_KILLS`` is how often each is killed (1; the long form has 20), ``LRT_ORACLE_KILL_SEED`` which moments those are.
"""

from __future__ import annotations

import asyncio
import copy
import os
import random
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import asyncpg
import pytest

from demo.world import anvil
from oracle.sign.eip712 import Domain
from oracle.storage.reading import DatabaseReader
from tests.contracts.contract_tools import Bench
from tests.contracts.contract_tools import connected as chain
from tests.oracle.archive.killable import KillableProcess
from tests.oracle.archive.postgres_process import PostgresProcess, needs_postgres
from tests.oracle.follow.follow_world import telling, until
from tests.oracle.nats.nats_process import NatsProcess, needs_nats

pytestmark = [pytest.mark.chain, pytest.mark.loopback, needs_postgres, needs_nats]
KILLS = int(os.environ.get("LRT_ORACLE_KILLS", "1"))
SEED = int(os.environ.get("LRT_ORACLE_KILL_SEED", "7"))
FEED = "ETH/USD"
LONGEST_S = 2 if KILLS == 1 else 5
PAST_S = 3_640
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


class Victim(Protocol):
    async def start(self) -> None:
        """Start it, also after a kill."""

    async def kill(self) -> None:
        """Without a word."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class World:
    """All of them, and what can be asked of them. ``rng``: the moments."""

    def __init__(self, folder: Path, domain: Domain, endpoint: str, first_s: int) -> None:
        self.folder, self.domain, self.endpoint = folder, domain, endpoint
        self.rng = random.Random(SEED)
        self.ports = {name: free_port() for name in ("operator", "node", "archive")}
        self.nats, self.postgres = NatsProcess(folder / "nats"), PostgresProcess()
        store = domain.store.hex()
        self.operator = KillableProcess(
            folder / "operator.log", "tests.oracle.archive.sealing_process", str(folder), str(domain.chain_id), store,
            str(first_s), str(self.ports["operator"]), self.nats.url,
        )  # fmt: skip
        self.node = self.command("node", "serve")
        self.archive = self.command("archive", "archive")

    def command(self, name: str, what: str) -> KillableProcess:
        return KillableProcess(
            self.folder / f"{name}.log", "oracle", "--config", str(self.folder / f"{name}.toml"), what
        )

    def write_configs(self, dsn: str, *operators: str) -> None:
        """``operators``: whom node and archive follow."""
        common = (
            f'[oracle]\nround_interval_s = 1\n[chains.local]\nchain_id = {self.domain.chain_id}\nendpoints = ["{self.endpoint}"]\n'
            f'[targets.main]\nchain = "local"\nstore = "0x{self.domain.store.hex()}"\n'
            f'[nats]\nservers = ["{self.nats.url}"]\nstream = "ROUNDS"\n{FEEDS}'
        )
        listed = ", ".join(f'"{o}"' for o in operators)
        node = (
            f'[api]\nport = {self.ports["node"]}\n[node]\noperators = [{listed}]\nkeep_hours = 1\narchive = "{dsn}"\n'
        )
        archive = (
            f'[archive]\ndsn = "{dsn}"\noperators = [{listed}]\nfollow_hours = 3\nport = {self.ports["archive"]}\n'
            f'parquet = "{self.folder}/parquet"\n'
        )
        (self.folder / "node.toml").write_text(node + common)
        (self.folder / "archive.toml").write_text(archive + common)

    @property
    def victims(self) -> dict[str, Victim]:
        return {
            "nats": self.nats, "postgres": self.postgres, "operator": self.operator, "node": self.node, "archive": self.archive,
        }  # fmt: skip

    def sealed(self) -> dict[int, bytes]:
        """All that the operator keeps: items by round."""
        reader = DatabaseReader(self.folder / "rounds.db")
        try:
            rows = reader.connection.execute("SELECT round_s FROM agreements WHERE target = 'main'").fetchall()
            found = {r: reader.agreement(r, "main") for (r,) in rows}
            return {r: a.items for r, a in found.items() if a is not None}
        finally:
            reader.close()

    async def served(self) -> dict[int, str]:
        """Prices that the node answers of all times, by round; none while it does not."""
        url = f"http://127.0.0.1:{self.ports['node']}/v1/prices/{FEED}/history?limit=10000"
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                body = await answer.json()
        except aiohttp.ClientError:
            return {}
        return {r["round"]: r["price"] for r in body.get("rounds", ())}

    async def end(self) -> None:
        for process in (self.node, self.archive, self.operator):
            await process.kill()
        await self.nats.kill()
        await self.postgres.end()


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    now_s = int(time.time())
    with anvil.running(extra=("--timestamp", str(now_s - 20_000))) as running, chain(running.url) as web3:
        bench = Bench(web3)
        bench.register("wdivETH/ETH")
        bench.register(FEED, redemption=False)
        bench.at(now_s - PAST_S - 100)
        store = bytes.fromhex(bench.store.address[2:])
        made = World(folder, Domain(chain_id=web3.eth.chain_id, store=store), running.url, now_s - PAST_S)
        try:
            yield made
        finally:
            await made.end()


async def rows(dsn: str, sql: str) -> list[asyncpg.Record]:
    """Of the archive; none while it does not answer."""
    try:
        connection = await asyncpg.connect(dsn, timeout=30)
    except (OSError, asyncpg.PostgresError):
        return []
    try:
        return list(await connection.fetch(sql))
    except asyncpg.UndefinedTableError:
        return []
    finally:
        await connection.close()


async def forged(world: World) -> list[tuple[int, dict[str, Any]]]:
    """The first rounds as a liar would tell them: other prices under the same signatures, and old rounds as new ones."""
    url = f"http://127.0.0.1:{world.ports['operator']}/v1/rounds"
    told = []
    async with aiohttp.ClientSession() as session:
        for round_s in sorted(world.sealed())[:20]:
            async with session.get(f"{url}/{round_s}/sealed") as answer:
                sealed = await answer.json()
            items = bytearray.fromhex(sealed["items"][2:])
            items[12] ^= 1
            told.append((round_s, {"sealed": sealed | {"items": "0x" + items.hex()}, "records": []}))
            later = copy.deepcopy(sealed) | {"round": round_s + 100_000}
            told.append((round_s + 100_000, {"sealed": later, "records": []}))
    return told


async def test_no_kill_of_anything_loses_or_doubles_a_round_and_nothing_unverified_is_kept_or_served(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        await here.nats.start()
        await here.postgres.start()
        dsn = await here.postgres.new_database()
        await here.operator.start()
        await until((tmp_path / "begun").exists, "the operator seals rounds")
        async with telling(await forged(here)) as liar:
            here.write_configs(dsn, liar, f"http://127.0.0.1:{here.ports['operator']}")
            await here.archive.start()
            await here.node.start()
            served = await kill(here)
            assert not here.archive.has_ended, here.archive.log.read_text()
            assert not here.node.has_ended, here.node.log.read_text()
            await asyncio.sleep(1)
            (tmp_path / "stop").touch()
            await asyncio.sleep(1)
            sealed = here.sealed()
            await check_archive(dsn, sealed)
            await check_served(here, served, sealed)
        print(f"\n{len(sealed)} sealed rounds, {KILLS} kills of each of {len(here.victims)}")  # noqa: T201 - its figures


async def kill(here: World) -> dict[int, set[str]]:
    """Kill each so often, at random moments, and start it again; prices that the node answered meanwhile."""
    served: dict[int, set[str]] = {}
    order = [name for name in here.victims for _ in range(KILLS)]
    here.rng.shuffle(order)
    for name in order:
        await asyncio.sleep(here.rng.random() * LONGEST_S)
        victim = here.victims[name]
        await victim.kill()
        await asyncio.sleep(here.rng.random())
        await victim.start()
        for round_s, price in (await here.served()).items():
            served.setdefault(round_s, set()).add(price)
    return served


async def check_archive(dsn: str, sealed: dict[int, bytes]) -> None:
    kept: dict[int, bytes] = {}
    for _ in range(1_200):
        kept = {
            r["round_s"]: bytes(r["items"]) for r in await rows(dsn, "SELECT round_s, items FROM lrt_oracle.rounds")
        }
        if len(kept) >= len(sealed):
            break
        await asyncio.sleep(0.1)
    assert kept == sealed, "none is missing, and none is there that was not sealed"
    ((count, listed, counted),) = await rows(
        dsn,
        "SELECT (SELECT count(*) FROM lrt_oracle.rounds), (SELECT count(*) FROM lrt_oracle.prices), rounds FROM lrt_oracle.domains",
    )
    assert count == counted == listed == len(sealed), "none twice"


async def check_served(here: World, served: dict[int, set[str]], sealed: dict[int, bytes]) -> None:
    """The node answers all of it at last, and has never answered anything else."""
    reader = DatabaseReader(here.folder / "rounds.db")
    truth = {r.report.round_time_s: r for r in reader.history(FEED, 0, 1 << 45, 100_000)}
    reader.close()
    assert truth.keys() == sealed.keys()
    final: dict[int, str] = {}
    for _ in range(1_200):
        final = await here.served()
        if len(final) >= min(len(sealed), 10_000):
            break
        await asyncio.sleep(0.1)
    assert final.keys() == sealed.keys()
    for round_s, prices in [*served.items(), *((r, {p}) for r, p in final.items())]:
        assert prices == {f"{truth[round_s].price_wad // 10**18}.{truth[round_s].price_wad % 10**18:018}"}, round_s
