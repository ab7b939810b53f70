"""What a whole process tells: every line of its log is a document, one for a node that is down; its metrics are the catalogue's; no secrets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from oracle.serve.metric_catalog import CATALOG
from oracle.serve.metric_rows.row import PREFIX
from tests.e2e.e2e_tools import PATIENCE_S, Proxy, stand_with_market, until
from tests.packaging.prometheus_files import promtool

pytestmark = [pytest.mark.e2e, pytest.mark.chain]
LOG = '\n[log]\nlevels = { "oracle.push.batches" = "error" }\nrepeat_s = 2\nover_s = 20\n'
KEY = "aV3ryS3cretK3yOfAProvider"


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().rpartition("\n")[0].splitlines()]


def of(log: Path, event: str) -> list[dict[str, Any]]:
    return [line for line in lines(log) if line["event"] == event]


async def metrics(port: int) -> str:
    """What the process exposes; "" before it listens."""
    with contextlib.suppress(aiohttp.ClientConnectionError):
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            return await answer.text()
    return ""


async def test_a_process_tells_of_itself_and_of_a_node_that_is_down(tmp_path: Path) -> None:
    proxy, log = Proxy(), tmp_path / "out.log"
    endpoint = f"http://127.0.0.1:{proxy.port}/" + "?key=${NODE_KEY}"
    async with stand_with_market(tmp_path, endpoints=lambda url: (proxy.before(url) and endpoint,)) as (stand, _):
        stand.config.write_text(stand.config.read_text() + LOG)
        port = int(re.findall(r"^port = (\d+)$", stand.config.read_text(), re.MULTILINE)[-1])
        environ = {**os.environ, **stand.environ, "NODE_KEY": KEY}
        async with proxy.running():
            with log.open("wb") as file:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "oracle", "--config", str(stand.config), "run", env=environ, stderr=file,
                )  # fmt: skip
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while "lrt_oracle_ready 1.0" not in (exposed := await metrics(port)):  # noqa: ASYNC110 - it is asked
                        await asyncio.sleep(0.2)
                proxy.mode = "dead"
                await until(lambda: any(x["fault_is"] == "lasts" for x in of(log, "chain not readable")), "the fault")
                await until(
                    lambda: any("STALE" in x["why"] for x in of(log, "a feed has no price")),
                    "a feed that needs the chain",
                )
                proxy.mode = "ok"
                await until(lambda: bool(of(log, "chain is read again")), "the end of the fault")
                await until(lambda: bool(of(log, "a feed has a price again")), "a price")
            finally:
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(PATIENCE_S):
                    assert await process.wait() == 0
    (start,), (stop,) = of(log, "start"), of(log, "stop")
    assert start["config"] == str(stand.config)
    assert len(start["operator"]) == 3
    assert all(o["address"].startswith("0x") for o in start["operator"])
    assert start["target"][0]["store"] in stand.config.read_text()
    assert stop["ran_s"] > 0
    assert of(log, "told to stop")[0]["by"] == "SIGTERM"
    down = of(log, "chain not readable")
    assert [x["fault_is"] for x in down][:2] == ["new", "lasts"]
    (again,) = of(log, "chain is read again")
    assert again["count"] >= down[-1]["count"] > 2 * len(down), "many looks, few lines"
    assert of(log, "push") == [], "its part is told to be quiet"
    assert KEY not in log.read_text() + exposed
    families = {f.name for f in text_string_to_metric_families(exposed)}
    assert {f for f in families if not f.startswith("process_")} <= {PREFIX + name for name in CATALOG}
    for wanted in (
        "pushes_pending",
        "pushes_failed",
        "target_looks_failed",
        "push_fees_ether",
        "onchain_age_seconds",
        "unready",
        "rpc_endpoint_latency_seconds",
        "database_bytes",
        "http_requests",
        "task_restarts",
        "health",
    ):
        assert PREFIX + wanted in families, wanted
    assert 'lrt_oracle_operator_key{operator="' in exposed, "who is mute"
    if shutil.which("promtool") is not None:
        promtool("check", "metrics", given=exposed.encode())
