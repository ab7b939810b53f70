"""The log of a whole process: a banner, every line a document, one line for a node that is down, no secrets, a last line."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.e2e_tools import PATIENCE_S, Proxy, stand_with_market, until

pytestmark = [pytest.mark.e2e, pytest.mark.chain]
LOG = '\n[log]\nlevels = { "oracle.push.batches" = "error" }\nrepeat_s = 5\nover_s = 20\n'
KEY = "aV3ryS3cretK3yOfAProvider"


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def of(log: Path, event: str) -> list[dict[str, Any]]:
    return [line for line in lines(log) if line["event"] == event]


async def test_a_process_tells_of_itself_and_of_a_node_that_is_down(tmp_path: Path) -> None:
    proxy, log = Proxy(), tmp_path / "out.log"
    endpoint = f"http://127.0.0.1:{proxy.port}/" + "?key=${NODE_KEY}"
    async with stand_with_market(tmp_path, endpoints=lambda url: (proxy.before(url) and endpoint,)) as (stand, _):
        stand.config.write_text(stand.config.read_text() + LOG)
        environ = {**os.environ, **stand.environ, "NODE_KEY": KEY}
        async with proxy.running():
            with log.open("wb") as file:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "oracle", "--config", str(stand.config), "run", env=environ, stderr=file,
                )  # fmt: skip
            try:
                await until(lambda: len(of(log, "a feed has no price")) == len(of(log, "a feed has a price again"))
                            and bool(of(log, "running")), "prices")  # fmt: skip
                await asyncio.sleep(2)
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
    assert KEY not in log.read_text()
