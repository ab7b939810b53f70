"""The whole process: ready once its round and every chain say so, not before, and again only after a round of its own."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.settings import PUSHED
from oracle.app import App
from tests.e2e.e2e_tools import PATIENCE_S, service, stand_with_market

pytestmark = [pytest.mark.e2e, pytest.mark.chain]
PATHS = ("history", "twap", "explain")


NOT_YET = "no round since the start of this process"


async def ready(app: App) -> dict[str, Any]:
    """The answer of /readyz once it is 200."""
    url = f"http://127.0.0.1:{app.resolved.config.api.port}/readyz"
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with session.get(url) as answer:
                    body: dict[str, Any] = await answer.json()
                    if answer.status == 200:
                        return body
            await asyncio.sleep(0.05)


async def test_ready_means_this_run_s_round_and_every_feed_on_chain(tmp_path: Path) -> None:
    async with stand_with_market(tmp_path) as (stand, _):
        async with service(stand) as app:
            assert NOT_YET in app.service.health().reasons
            (target,) = (await ready(app))["targets"]
            assert {f["feed"] for f in target["feeds"] if f["round"]} == set(PUSHED)
            assert not [f for f in target["feeds"] if f["late"]]
            assert (target["quorum"]["weight"], target["quorum"]["threshold"]) == ("3", "2")
            url = f"http://127.0.0.1:{app.resolved.config.api.port}"
            async with aiohttp.ClientSession() as session:
                for path in PATHS:
                    async with session.get(f"{url}/v1/prices/ETH/USD/{path}") as answer:
                        assert answer.status == 200, "read by another process, from the database that this one writes"
                async with session.get(f"{url}/metrics") as answer:
                    text = await answer.text()
            assert "lrt_oracle_ready 1.0" in text
            assert 'lrt_oracle_onchain_late{feed="ETH/USD",target="local"} 0.0' in text
        async with service(stand) as again:
            health, quiet = again.service.health(), again.service.abstaining("ETH/USD")
            assert again.service.record("ETH/USD") is not None
            assert (health.ready, health.round, NOT_YET in health.reasons) == (False, None, True)
            assert quiet is not None, "what an earlier run published is no price of now"
            await ready(again)
            assert again.service.abstaining("ETH/USD") is None
