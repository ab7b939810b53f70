"""A running process takes over a changed config between two rounds: its streams, targets and rounds go on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
import pytest

from demo.testbed import Testbed
from oracle.reload.control import socket_path
from oracle.storage.database import Database
from tests.e2e.e2e_tools import PATIENCE_S, Proxy, stand_with_market, until

pytestmark = [pytest.mark.e2e, pytest.mark.chain]
FEED, GONE = "ETH/USD", ("demoLRT/ETH", "demoLRT/USD")


class Operated:
    """A process beside its stand, as its operator has it."""

    def __init__(self, stand: Testbed, process: asyncio.subprocess.Process, session: aiohttp.ClientSession) -> None:
        self.stand, self.process, self.session = stand, process, session
        self.text = stand.config.read_text()
        port = next(line for line in self.text.splitlines() if line.startswith("port = ")).split()[-1]
        self.url = f"http://127.0.0.1:{port}"

    def write(self, *changes: tuple[str, str]) -> None:
        """Write the first config with these texts in the place of others."""
        text = self.text
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        self.stand.config.write_text(text)

    def written(self) -> str:
        return self.stand.config.read_text()

    def put(self, text: str) -> None:
        self.stand.config.write_text(text)

    async def reload(self, *flags: str) -> dict[str, Any]:
        """`lrt-oracle reload`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "oracle", "--config", str(self.stand.config), "reload", "--json", *flags,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        document: dict[str, Any] = json.loads(out)
        assert process.returncode == (2 if document["errors"] else 0)
        return document

    async def get(self, path: str) -> Any:
        async with self.session.get(self.url + path) as reply:
            return await reply.json() if path != "/metrics" else await reply.text()

    async def metric(self, name: str) -> float:
        lines = (await self.get("/metrics")).splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), float("nan"))

    async def round_s(self, feed: str = FEED) -> int:
        """Round of the newest price of a feed; 0 without one."""
        try:
            price = await self.get(f"/v1/prices/{feed}")
        except aiohttp.ClientError:
            return 0
        return int(price.get("round") or 0)

    async def later(self, feed: str = FEED) -> None:
        """Until a feed has a price of a round that comes after now."""
        first = await self.round_s()
        async with asyncio.timeout(PATIENCE_S):
            while await self.round_s(feed) <= first:  # noqa: ASYNC110 - a process has no events here
                await asyncio.sleep(0.1)

    def streams(self) -> dict[str, int]:
        return {name: venue.streams_opened for name, venue in self.stand.venues.items()}


@asynccontextmanager
async def operated(folder: Path, endpoints: Callable[[str], tuple[str, ...]]) -> AsyncIterator[Operated]:
    async with stand_with_market(folder, endpoints) as (stand, _), aiohttp.ClientSession() as session:
        with opened(folder / "log") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "oracle", "--config", str(stand.config), "run",
                env={**os.environ, **stand.environ}, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            yield Operated(stand, process, session)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_no_round_is_lost_over_a_reload(tmp_path: Path) -> None:
    other = Proxy()
    async with operated(tmp_path, lambda url: other.before(url)[1:]) as it, other.running():
        await it.later("demoLRT/USD")
        await until(lambda: landed(tmp_path) > 0, "a push")
        first_s, streams = await it.round_s(), it.streams()
        await bands_change(it)
        await feeds_go_and_come_back(it)
        await a_bad_file_changes_nothing(it)
        await endpoints_are_replaced(it, other)
        await targets_come_and_go(it)
        await what_needs_a_restart_is_named(it)
        assert {n: it.streams()[n] for n in ("coinbase", "kraken")} == {n: streams[n] for n in ("coinbase", "kraken")}
        last_s = await it.round_s()
        it.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            assert await it.process.wait() == 0, log_of(tmp_path)
        assert not is_there(socket_path(tmp_path / "oracle.db"))
    made = [r.report.round_time_s for r in stored(tmp_path, FEED) if first_s <= r.report.round_time_s <= last_s]
    assert sorted(made) == list(range(first_s, last_s + 1)), "no round is lost over a reload"


async def bands_change(it: Operated) -> None:
    streams = it.streams()
    it.write(("watch_bps = 100", "watch_bps = 110"))
    dry = await it.reload("--dry")
    assert (await it.reload())["changed"] == dry["changed"]
    assert {'feeds."ETH/USD".bands.watch_bps', 'feeds."wdivETH/ETH".bands.watch_bps'} <= {
        c["key"] for c in dry["changed"]
    }
    assert dry["rules"]["before"] != dry["rules"]["after"]
    await it.later()
    metrics = await it.get("/metrics")
    assert f'lrt_oracle_config_info{{rules="{dry["rules"]["after"]}"}} 1.0' in metrics
    assert it.streams() == streams, "no stream is opened anew for a band"
    assert (await it.reload())["result"] == "unchanged"


async def feeds_go_and_come_back(it: Operated) -> None:
    start, end = it.text.index('[feeds."demoLRT/ETH"]'), it.text.index('[feeds."ETH/USD"]')
    cross = it.text.index('[feeds."demoLRT/USD"]')
    pushes = landed(it.stand.folder)
    it.write((it.text[start:end], ""), (it.text[cross:], ""))
    gone = await it.reload()
    assert {(c["key"], c["text"]) for c in gone["changed"]} >= {(f'feeds."{f}"', "removed") for f in GONE}
    await it.later()
    assert set(GONE).isdisjoint({p["feed"] for p in (await it.get("/v1/prices"))["prices"]})
    assert 'feed="demoLRT/ETH"' not in await it.get("/metrics")
    await until(lambda: landed(it.stand.folder) > pushes + 1, "pushes without the feed")
    it.write()
    assert {c["text"] for c in (await it.reload())["changed"]} >= {"added"}
    await it.later("demoLRT/USD")


async def a_bad_file_changes_nothing(it: Operated) -> None:
    streams, round_s = it.streams(), await it.round_s()
    it.write(('mode = "market"', 'mode = "markt"'))
    refused = await it.reload()
    assert (refused["result"], refused["changed"]) == ("refused", [])
    assert any("markt" in e["text"] for e in refused["errors"])
    it.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(PATIENCE_S):
        while await it.metric('lrt_oracle_reloads_total{result="refused"}') < 2:  # noqa: ASYNC110 - as well
            await asyncio.sleep(0.1)
    assert await it.metric("lrt_oracle_config_last_reload_successful") == 0
    log = log_of(it.stand.folder)
    assert "the config is not taken over" in log
    assert "markt" in log
    await it.later()
    assert (it.streams(), round_s < await it.round_s()) == (streams, True)


async def endpoints_are_replaced(it: Operated, other: Proxy) -> None:
    node = next(line for line in it.text.splitlines() if line.startswith("endpoints = "))
    it.write((node, f'endpoints = ["http://127.0.0.1:{other.port}"]'))
    streams, pushes = it.streams(), landed(it.stand.folder)
    it.process.send_signal(signal.SIGHUP)
    await until(lambda: other.requests > 0, "requests at the new endpoint")
    await until(lambda: landed(it.stand.folder) > pushes + 1, "pushes by the new endpoint")
    assert "eth_sendRawTransaction" in other.methods
    assert it.streams() == streams


async def targets_come_and_go(it: Operated) -> None:
    added = f'[targets.second]\nchain = "local"\nstore = "{it.stand.deployment.store}"\n'
    now = it.written()
    it.put(f"{now}\n{added}")
    (error,) = (await it.reload())["errors"]
    assert (error["key"], "write max_push_age_s = 20" in error["text"]) == ("targets.second", True), "as at a start"
    added += "max_push_age_s = 20\n"
    it.put(f"{now}\n{added}")
    assert [c["key"] for c in (await it.reload())["changed"]] == ["targets.second"]
    async with asyncio.timeout(PATIENCE_S):
        while await it.metric('lrt_oracle_target_connected{target="second"}') != 1:  # noqa: ASYNC110 - as well
            await asyncio.sleep(0.1)
    it.put(f"{now}\n{added.replace('second', 'third')}")
    assert [c["text"] for c in (await it.reload())["changed"]] == ["removed", "added"]
    it.put(now.replace("bump_after_s = 5", "bump_after_s = 6"))
    assert {c["key"] for c in (await it.reload())["changed"]} == {"targets.third", "targets.local.bump_after_s"}
    pushes = landed(it.stand.folder)
    await until(lambda: landed(it.stand.folder) > pushes + 1, "pushes of the target that was made anew")
    assert 'target="second"' not in await it.get("/metrics")


async def what_needs_a_restart_is_named(it: Operated) -> None:
    now = it.written()
    it.put(now.replace("round_interval_s = 1", "round_interval_s = 2"))
    said = await it.reload()
    assert (said["result"], [c["key"] for c in said["restart"]]) == ("unchanged", ["oracle.round_interval_s"])
    assert await it.metric("lrt_oracle_config_restart_needed") == 1


def log_of(folder: Path) -> str:
    return (folder / "log").read_text()


def opened(path: Path) -> BinaryIO:
    return path.open("wb")


def is_there(path: Path) -> bool:
    return path.exists()


def landed(folder: Path) -> int:
    database = Database(folder / "oracle.db")
    try:
        return sum(r.state == "landed" for r in database.pushes("local"))
    finally:
        database.close()


def stored(folder: Path, feed: str) -> list[Any]:
    database = Database(folder / "oracle.db")
    try:
        return list(database.history(feed, 0, 1 << 45, 1 << 20))
    finally:
        database.close()
