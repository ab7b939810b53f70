"""No price is a message too; and without keys everything happens but signing and sending."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest

import contracts
from demo.testbed import resolved_config
from oracle.app import App
from oracle.build import build
from oracle.model.publication import Record
from oracle.model.status import Status
from oracle.model.types import Abstained, Rejected
from tests.e2e.e2e_tools import PATIENCE_S, service, stand_with_market, until

pytestmark = [pytest.mark.e2e, pytest.mark.chain]


async def test_silence_is_halted_on_chain_and_leaves_with_quorum_and_dwell(tmp_path: Path) -> None:
    async with stand_with_market(tmp_path) as (stand, _), service(stand) as app:
        await until(lambda: bool(app.targets) and "ETH/USD" in app.targets["local"].onchain, "a price on chain")
        endpoints = [e for states in app.service.chains().values() for e in states]
        assert [e.down_since_ms for e in endpoints] == [None] * len(endpoints) != []
        assert all(e.latency_ms for e in endpoints), "what the metrics and /readyz are told of them"
        for venue in stand.venues.values():
            venue.misbehave("silent")
        record = app.service.record("ETH/USD")
        await until(lambda: app.service.abstaining("ETH/USD") is not None, "an abstention")
        held = app.service.record("ETH/USD")
        assert record is not None
        assert held is not None
        url = f"http://127.0.0.1:{app.resolved.config.api.port}/v1/prices/ETH/USD"
        async with aiohttp.ClientSession() as session, session.get(url) as reply:
            served = await reply.json()
            assert (reply.status, served["abstaining"]["code"]) == (200, "NO_QUORUM")
            assert served["observed_at_ms"] == held.observed_at_ms
        view = stand.chain.contract(contracts.load("FeedView").abi, stand.deployment.views["ETH/USD"])
        await until(lambda: status_of(app) is Status.HALT, "a halt")
        halted = app.service.record("ETH/USD")
        assert halted is not None
        async with asyncio.timeout(PATIENCE_S):
            while await view.functions.status().call() != 4:  # noqa: ASYNC110 - a chain has no events
                await asyncio.sleep(0.1)
        assert await view.functions.reason().call() == 1
        assert await view.functions.latestAnswer().call() == halted.price_wad // 10**10
        records = app.database.history("ETH/USD", 0, 1 << 45, 1 << 20)
        kept_as_published(records)
        assert halted.price_wad in {r.price_wad for r in records if not r.report.status_only}, "no new price"
        assert halted.report.market_age_s > held.report.market_age_s
        assert halted.observed_at_ms == held.observed_at_ms
        for venue in stand.venues.values():
            venue.misbehave(None)
        await until(lambda: status_of(app) is Status.OK, "leaving halt")
        kept_as_published(app.database.history("ETH/USD", 0, 1 << 45, 1 << 20))
        changes = [(t.before.word, t.after.word) for t in app.database.transitions() if t.feed == "ETH/USD"]
        assert changes == [("ok", "halt"), ("halt", "ok")]


def kept_as_published(records: Sequence[Record]) -> None:
    """Every record without fresh prices repeats the last one that had them, to the bit and as old as it is; a halt has none."""
    fresh = records[0]
    for record in records:
        if not record.report.status_only:
            assert record.report.status is not Status.HALT
            fresh = record
            continue
        report, was = record.report, fresh.report
        assert (report.market_wad, report.spread_bps, record.price_wad) == (
            was.market_wad, was.spread_bps, fresh.price_wad,
        )  # fmt: skip
        assert report.market_age_s == was.market_age_s + report.round_time_s - was.round_time_s
        assert record.observed_at_ms == fresh.observed_at_ms


async def test_one_mute_venue_halts_without_a_new_price(tmp_path: Path) -> None:
    """The demo's `mute`: operators differ in what they have left, and none of that is in the halt."""
    async with stand_with_market(tmp_path) as (stand, _), service(stand) as app:
        await until(lambda: status_of(app) is Status.OK, "a price")
        stand.venues["kraken"].misbehave("silent")
        await until(lambda: any(r.code in {"STALE", "TIMED_OUT"} for r in rejected(app)), "kraken is stale")
        await asyncio.sleep(8)
        stand.venues["kraken"].misbehave(None)
        await until(lambda: status_of(app) is Status.OK and app.service.abstaining("ETH/USD") is None, "a price again")
        for feed in app.resolved.specs:
            if not app.resolved.specs[feed].is_cross:
                kept_as_published(app.database.history(feed, 0, 1 << 45, 1 << 20))


def rejected(app: App) -> list[Rejected]:
    """What the newest rounds of all operators refused for ETH/USD."""
    found = [app.database.result(m.name, "ETH/USD", app.last_round_s) for m in app.rounds.members]
    return [
        r
        for one in found
        if one is not None
        for r in (one.rejected if isinstance(one, Abstained) else one.market.rejected if one.market else ())
    ]


def status_of(app: App) -> Status | None:
    record = app.service.record("ETH/USD")
    return record.report.status if record else None


async def test_without_passphrases_it_runs_dry(tmp_path: Path) -> None:
    async with stand_with_market(tmp_path) as (stand, _):
        app = App(build(resolved_config(stand), environ={}))
        stop = asyncio.Event()
        running = asyncio.create_task(app.run(stop))
        await until(lambda: status_of(app) is Status.OK, "an unsigned price")
        record = app.service.record("ETH/USD")
        assert record is not None
        assert record.signed_at_ms is None
        await asyncio.sleep(2)
        assert app.database.pushes("local") == []
        health = app.service.health()
        assert not health.ready, "a gas key is in the config: it is to push"
        assert "target local: nothing is pushed: set LRT_ORACLE_GAS_PASSPHRASE" in health.reasons
        assert app.targets["local"].feeds_to_push == set(app.resolved.pushed)
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await running
