"""No price is a message too; and without keys everything happens but signing and sending."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from e2e_tools import service, stand_with_market, until

import contracts
from demo.stand import load
from oracle.app import App
from oracle.status import Status

pytestmark = [pytest.mark.e2e, pytest.mark.chain]


async def test_silence_is_halted_on_chain_and_leaves_with_quorum_and_dwell(tmp_path: Path) -> None:
    async with stand_with_market(tmp_path) as (stand, _), service(stand) as app:
        await until(lambda: bool(app.targets) and "ETH/USD" in app.targets["local"].onchain, "a price on chain")
        for venue in stand.venues.values():
            venue.misbehave("silent")
        record = app.desk.record("ETH/USD")
        await until(lambda: app.desk.abstaining("ETH/USD") is not None, "an abstention", 20)
        held = app.desk.record("ETH/USD")
        assert record is not None
        assert held is not None
        url = f"http://127.0.0.1:{app.plan.config.api.port}/v1/prices/ETH/USD"
        async with aiohttp.ClientSession() as session, session.get(url) as reply:
            served = await reply.json()
            assert (reply.status, served["abstaining"]["code"]) == (200, "NO_QUORUM")
            assert served["observed_at_ms"] == held.observed_at_ms
        view = stand.chain.contract(contracts.load("FeedView").abi, stand.deployment.views["ETH/USD"])
        await until(lambda: status_of(app) is Status.HALT, "a halt", 20)
        halted = app.desk.record("ETH/USD")
        assert halted is not None
        for _ in range(80):
            if await view.functions.status().call() == 4:
                break
            await asyncio.sleep(0.1)
        assert await view.functions.status().call() == 4
        assert await view.functions.reason().call() == 1
        assert await view.functions.latestAnswer().call() == halted.price_wad // 10**10
        last = [m.states["ETH/USD"].last for m in app.rounds.members]
        assert halted.price_wad in {r.market_wad for r in last if r is not None}, (
            "one operator's last price, no new one"
        )
        assert halted.report.market_age_s > held.report.market_age_s
        for venue in stand.venues.values():
            venue.misbehave(None)
        await until(lambda: status_of(app) is Status.OK, "leaving halt", 30)
        changes = [(t.before.word, t.after.word) for t in app.store.transitions() if t.feed == "ETH/USD"]
        assert changes == [("ok", "halt"), ("halt", "ok")]


def status_of(app: App) -> Status | None:
    record = app.desk.record("ETH/USD")
    return record.report.status if record else None


async def test_without_passphrases_it_runs_dry(tmp_path: Path) -> None:
    async with stand_with_market(tmp_path) as (stand, _):
        app = App(load(stand), environ={})
        stop = asyncio.Event()
        running = asyncio.create_task(app.run(stop))
        await until(lambda: status_of(app) is Status.OK, "an unsigned price")
        record = app.desk.record("ETH/USD")
        assert record is not None
        assert record.signed_at_ms is None
        await asyncio.sleep(2)
        assert app.store.pushes("local") == []
        stop.set()
        async with asyncio.timeout(5):
            await running
