"""kill -9 at random moments: nothing that was served is lost, nothing is sent or said twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from demo.testbed import Testbed
from oracle.report.wire import split_items
from oracle.storage.database import Database
from tests.e2e.e2e_tools import PATIENCE_S, stand_with_market

pytestmark = [pytest.mark.e2e, pytest.mark.chain]
KILLS = int(os.environ.get("LRT_ORACLE_TEST_KILLS", "4"))
FEED = "ETH/USD"
THRESHOLD = 2
ENOUGH = 5
"""Rounds that the last process serves, and pushes that land with it, before it is stopped."""


async def test_kill_9_loses_and_repeats_nothing(tmp_path: Path) -> None:
    rng = random.Random(9)
    served: set[int] = set()
    async with stand_with_market(tmp_path) as (stand, _):
        for turn in range(KILLS + 1):
            process = await start(stand)
            last = turn == KILLS
            if last:
                rounds, pushes = len(served) + ENOUGH, pushes_landed(stand) + ENOUGH
                async with asyncio.timeout(PATIENCE_S):
                    await read_until(
                        stand, served, lambda r=rounds, p=pushes: len(served) >= r and pushes_landed(stand) >= p
                    )
            else:
                moment = asyncio.get_running_loop().time() + rng.uniform(2.0, 8.0)
                await read_until(stand, served, lambda at=moment: asyncio.get_running_loop().time() >= at)
            process.send_signal(signal.SIGTERM if last else signal.SIGKILL)
            async with asyncio.timeout(PATIENCE_S):
                code = await process.wait()
            assert code == (0 if last else -signal.SIGKILL), await output(process)
        await check(stand, served)


async def start(stand: Testbed) -> asyncio.subprocess.Process:
    args = [sys.executable, "-m", "oracle", "--config", str(stand.config), "run"]
    env = {**os.environ, **stand.environ}
    pipe = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(*args, env=env, stdout=pipe, stderr=pipe)


async def output(process: asyncio.subprocess.Process) -> str:
    return "" if process.stderr is None else (await process.stderr.read()).decode()


def pushes_landed(stand: Testbed) -> int:
    """How many pushes have landed, as a process has stored it."""
    path = stand.folder / "oracle.db"
    if not path.exists():  # on a busy machine every process so far may have been killed before it made one
        return 0
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'pushes'").fetchone():
            return 0
        return int(database.execute("SELECT count(*) FROM pushes WHERE state = 'landed'").fetchone()[0])
    finally:
        database.close()


async def read_until(stand: Testbed, served: set[int], enough: Callable[[], bool]) -> None:
    """Read the price again and again, as a user would, and note every final round that was served."""
    port = next(line for line in stand.config.read_text().splitlines() if line.startswith("port = ")).split()[-1]
    url = f"http://127.0.0.1:{port}/v1/prices/{FEED}"
    async with aiohttp.ClientSession() as session:
        while not enough():
            try:
                async with session.get(url) as reply:
                    if reply.status == 200:
                        served.add((await reply.json())["round"])
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


async def check(stand: Testbed, served: set[int]) -> None:
    store = Database(stand.folder / "oracle.db")
    kept = {r.report.round_time_s for r in store.history(FEED, 0, 1 << 45, 1 << 20)}
    assert served
    assert served <= kept, "a final round that was served is gone"
    rows = store.pushes("local")
    landed = [r for r in rows if r.state == "landed"]
    assert landed
    assert not [r for r in rows if r.state in ("prepared", "sent") and r.id != rows[-1].id], "left open"
    nonces = Counter(r.nonce for r in landed)
    assert max(nonces.values()) == 1, "a nonce landed twice"
    batches = Counter((r.round_s, r.items) for r in landed)
    assert max(batches.values()) == 1, "a batch landed twice"
    assert len({r.tx_hash for r in rows}) == len(rows)
    sent = await sent_by_gas_key(stand)
    known = {r.tx_hash for r in rows}
    assert sent
    assert sent <= known, "a transaction that is not in the journal"
    said: dict[tuple[int, int], bytes] = {}
    for row in rows:
        for index, item in split_items(row.items).items():
            assert said.setdefault((index, row.round_s), item) == item, "two truths for one feed and round_time"
    spoke = []
    for name in ("alpha", "beta", "gamma"):
        journal = sqlite3.connect(stand.folder / f"{name}.journal.db")
        sql = "SELECT count(*), count(DISTINCT chain || hex(store) || ':' || feed || ':' || round_s) FROM signed"
        total, distinct = journal.execute(sql).fetchone()
        journal.close()
        assert total == distinct
        spoke.append(total > 0)
    assert sum(spoke) >= THRESHOLD, "rounds landed that too few have signed by their journals"
    store.close()


async def sent_by_gas_key(stand: Testbed) -> set[str]:
    """Hashes of all transactions to the store in the chain, read block by block."""
    found = set()
    for number in range(int(await stand.chain.rpc("eth_blockNumber"), 16) + 1):
        block = await stand.chain.rpc("eth_getBlockByNumber", hex(number), True)
        gas_key = stand.world.accounts.pusher.address.lower()
        found |= {t["hash"] for t in block["transactions"] if t["from"] == gas_key}
    return found
