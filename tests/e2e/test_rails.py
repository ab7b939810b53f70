"""A lock box on one chain, what was minted for it on another: both read by the running process, and what a theft changes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.world import anvil, npm
from demo.world.chain import LocalChain, accounts
from feeds.units import WAD
from oracle.app import App
from oracle.build import build
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.model.status import Status, Why
from tests.e2e.e2e_tools import PATIENCE_S, until

pytestmark = [pytest.mark.e2e, pytest.mark.chain]
BRIDGED = "@eth-optimism/contracts/artifacts/contracts/standards/L2StandardERC20.sol/L2StandardERC20.json"
"""A token that its bridge alone can mint and burn."""
FEED, LOCKED = "newETH/ETH", 1_000 * WAD


def config(folder: Path, urls: dict[str, str], contracts: dict[str, str], port: int) -> dict[str, Any]:
    """A feed of a redemption rate with one rail: what a holder has stands for the rate, an account for the lock box."""

    def read(name: str, kind: str, chain: str, function: str, *args: str, **more: Any) -> dict[str, Any]:
        return {
            "name": name, "type": "rate_call" if kind == "redemption" else "amount_call", "kind": kind, "chain": chain, "max_age_s": 60, "contract": contracts[chain],
            "function": function, "args": list(args), "scale": 18, **more,
        }  # fmt: skip

    roles = accounts()
    return {
        "oracle": {"round_interval_s": 1, "scaled_times": True, "database": str(folder / "rails.db")},
        "api": {"port": port},
        "chains": {
            "home": {"chain_id": 1337, "endpoints": [urls["home"]], "poll_ms": 500},
            "far": {"chain_id": 1338, "endpoints": [urls["far"]], "poll_ms": 500},
        },
        "feeds": {
            FEED: {
                "mode": "redemption", "reference_only": True, "halt_after_s": 60, "max_age_s": 60, "rules": {"rail_dwell_s": 2},
                "sources": [
                    read("rate", "redemption", "home", "balanceOf(address)", roles.trader.address),
                    read("lock box", "backing", "home", "balanceOf(address)", roles.user.address, rail="bridge"),
                    read("beyond", "supply", "far", "totalSupply()", rail="bridge"),
                ],
            }
        },
    }  # fmt: skip


async def risk_block(port: int) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/v1/prices/newETH/ETH") as reply,
    ):
        return (await reply.json())["risk"]


async def test_an_emptied_lock_box_reaches_the_judge_and_the_risk_block(tmp_path: Path) -> None:
    with (
        anvil.running(block_time_s=1, extra=["--chain-id", "1337"]) as home,
        anvil.running(block_time_s=1, extra=["--chain-id", "1338"]) as far,
    ):
        urls, port, roles = {"home": home.url, "far": far.url}, anvil.free_port(), accounts()
        async with LocalChain(home.url) as at_home, LocalChain(far.url) as beyond:
            packages = npm.NpmPackages(npm.node_modules())
            weth = await at_home.create(roles.user, packages.aave("dependencies/weth", "WETH9"))
            bridged = npm.read(packages.folder / BRIDGED)
            copy = await beyond.create(roles.user, bridged, roles.user.address, weth.address, "New", "newETH")
            batch = npm.NpmArtifact(abi=[], bytecode=packages.multicall3())
            batches = {"home": await at_home.create(roles.owner, batch), "far": await beyond.create(roles.owner, batch)}
            await at_home.send(roles.trader, weth, "deposit", value_wei=WAD * 105 // 100)
            await at_home.send(roles.user, weth, "deposit", value_wei=LOCKED)
            await beyond.send(roles.user, copy, "mint", roles.user.address, LOCKED)
            await asyncio.gather(at_home.settle(), beyond.settle())
            table = config(tmp_path, urls, {"home": weth.address, "far": copy.address}, port)
            for chain, at in batches.items():
                table["chains"][chain]["multicall"] = at.address
            app = App(build(resolve(parse(table)), environ={}))
            stop = asyncio.Event()
            running = asyncio.create_task(app.run(stop))
            try:
                await until(lambda: app.service.record(FEED) is not None, "a price")
                backed = (await risk_block(port))["live"]["backing"]
                assert [(b["rail"], b["coverage_bps"], b["unread"]) for b in backed] == [("bridge", 10_000, [])]
                record = app.service.record(FEED)
                assert record is not None
                assert record.report.status is Status.OK
                await at_home.send(roles.user, weth, "transfer", roles.pusher.address, LOCKED)
                await at_home.settle()
                await until(lambda: status_of(app) is Status.DEPEG, "the theft in the record")
                stolen = app.service.record(FEED)
                assert stolen is not None
                assert stolen.report.why is Why.BACKING
                assert stolen.report.redemption_wad == WAD * 105 // 100, "the rate saw nothing"
                risk = await risk_block(port)
                assert risk["live"]["backing"][0]["coverage_bps"] == 0
                assert [f["raised"] for f in risk["live"]["facts"] if f["code"] == "RAIL_UNBACKED_NOW"] == [True]
            finally:
                stop.set()
                async with asyncio.timeout(PATIENCE_S):
                    await running


def status_of(app: App) -> Status | None:
    record = app.service.record(FEED)
    return None if record is None else record.report.status
