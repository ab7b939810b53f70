"""A shadow run beside the process of the same config: that one signs and pushes, the shadow run does neither, and is reported."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import contracts
from demo.testbed import Testbed
from feeds.units import wad_text
from oracle.model.publication import Transition
from oracle.sign.journal_look import look_at
from oracle.storage.reading import DatabaseReader
from tests.e2e.e2e_tools import PATIENCE_S, Proxy, service, stand_with_market, until

pytestmark = [pytest.mark.e2e, pytest.mark.chain]
FEED = "wdivETH/ETH"
REFERENCE = """
[[feeds."{feed}".sources]]
name = "on chain"
type = "chainlink"
kind = "reference"
chain = "local"
feed = "0x{view}"
"""


def write_config(stand: Testbed, proxy: Proxy) -> Path:
    """The config of the process with a reference more, what it pushes itself, and a node in front that hears what is asked."""
    text = stand.config.read_text().replace(stand.node.url, proxy.before(stand.node.url)[0])
    view = stand.deployment.views[FEED].removeprefix("0x")
    path = stand.folder / "shadow.toml"
    path.write_text(text + REFERENCE.format(feed=FEED, view=view))
    return path


ACTS = ("pushes", "not_pushed", "agreements", "attended", "announcements", "epoch_said")
"""Tables of what a process has signed, said or sent."""


def acted(database: Path) -> dict[str, int]:
    reader = DatabaseReader(database)
    try:
        counts = {t: reader.connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ACTS}  # noqa: S608 - ours
    finally:
        reader.close()
    return {table: n for table, n in counts.items() if n}


async def ended(running: asyncio.subprocess.Process) -> tuple[str, str]:
    """What it has printed, once it has ended as it was told."""
    running.terminate()
    async with asyncio.timeout(PATIENCE_S):
        out, err = await running.communicate()
    assert running.returncode == 0, err.decode()
    return out.decode(), err.decode()


async def test_a_shadow_run_neither_pushes_nor_votes_where_the_same_config_does(tmp_path: Path) -> None:
    proxy = Proxy()
    async with stand_with_market(tmp_path) as (stand, market), proxy.running():
        gas = stand.world.accounts.pusher.address
        path, own = write_config(stand, proxy), stand.folder / "oracle.db"
        shadow = stand.folder / "oracle.shadow.db"
        async with service(stand) as app:
            await until(lambda: app.targets["local"].counts["landed"] >= 2, "pushes of the process itself")
        assert {"pushes", "agreements"} <= set(acted(own)), "the process itself signs and pushes"
        journals = [stand.folder / f"{name}.journal.db" for name in ("alpha", "beta", "gamma")]
        before = [look_at(j).writes for j in journals], await stand.chain.rpc("eth_getTransactionCount", gas, "latest")
        assert before[0][0] > 0

        words = [sys.executable, "-m", "oracle", "--config", str(path), "shadow"]
        pipe = asyncio.subprocess.PIPE
        environ = {**os.environ, **stand.environ}  # whatever opens the keys is there
        running = await asyncio.create_subprocess_exec(
            *words, "run", "--for", "1h", env=environ, stdout=pipe, stderr=pipe
        )
        market.prices[FEED] *= Decimal("0.97")
        await until(lambda: shadow.is_file() and len(changes_of(shadow)) >= 2, "the status of a fall")
        out, err = await ended(running)

        assert out.startswith("shadow run: no keys are opened, nothing is signed, pushed or voted on\n"), err
        assert "without a reference: " in out
        assert acted(shadow) == {}
        after = [look_at(j).writes for j in journals], await stand.chain.rpc("eth_getTransactionCount", gas, "latest")
        assert after == before
        assert "eth_call" in proxy.methods, "it was heard"
        assert not {m for m in proxy.methods if "send" in m or "TransactionCount" in m}

        view = stand.chain.contract(contracts.load("FeedView").abi, stand.deployment.views[FEED])
        answer = await view.functions.latestAnswer().call()
        done = await asyncio.create_subprocess_exec(
            *words, "report", "--feed", FEED, "--json", env=environ, stdout=pipe, stderr=pipe
        )
        feed = json.loads((await done.communicate())[0])["feeds"][0]
    (beside,) = feed["references"]
    assert beside["reference"] == "on chain"
    assert beside["rounds_both"] >= 3
    assert beside["distance_bps"]["max"] > 200
    told = [(t.at_ms // 1_000, t.before.word, t.after.word) for t in changes_of(shadow)]
    assert [(c["at"], c["before"], c["after"]) for c in feed["status_changes"] if c["before"] is not None] == told
    said = {r["price"] for c in feed["status_changes"] for r in c["references"] if r["price"]}
    assert said == {wad_text(answer)}


def changes_of(database: Path) -> list[Transition]:
    """Status changes of the feed as the process itself has noted them."""
    reader = DatabaseReader(database)
    try:
        return [t for t in reader.transitions() if t.feed == FEED]
    finally:
        reader.close()
