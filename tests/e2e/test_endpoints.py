"""An RPC endpoint that dies, lies about its chain id, or freezes: the feeds go on from the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.model.types import Abstained
from tests.e2e.e2e_tools import Proxy, service, stand_with_market, until

pytestmark = [pytest.mark.e2e, pytest.mark.chain]
FEED = "wdivETH/ETH"


async def test_feeds_go_on_when_the_first_endpoint_fails(tmp_path: Path) -> None:
    proxy = Proxy()
    async with proxy.running(), stand_with_market(tmp_path, proxy.before) as (stand, _), service(stand) as app:
        await until(lambda: app.service.record(FEED) is not None, "a first price")
        assert app.ingest is not None
        reader = app.ingest.readers["local"]
        for mode in ("dead", "wrong_chain", "frozen"):
            proxy.mode = "ok"
            asked = proxy.requests
            await until(lambda a=asked: proxy.requests > a, "the endpoint is used or tried again")
            proxy.mode = mode
            first = app.last_round_s
            await until(lambda f=first: app.last_round_s >= f + 8, "eight rounds")
            results = [r for _, r in app.database.results_since("alpha", FEED, first + 1, app.last_round_s)]
            silent = [r.text for r in results if isinstance(r, Abstained)]
            assert not silent, (mode, silent)
            held = app.observer.observe(FEED, app.last_round_s * 1_000)
            blocks = [o.observed_at_ms for o in held if getattr(o, "block", None)]
            assert min(blocks) > (app.last_round_s - 6) * 1_000, mode
        assert reader.stats.failovers >= 1
        assert len(reader.stats.endpoints) == 2
