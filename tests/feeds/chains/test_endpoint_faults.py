"""An endpoint that fails beside others that answer is told in the log, and so is its end."""

from __future__ import annotations

from typing import Any, cast

from structlog.testing import capture_logs

from feeds.chains.endpoint import ReaderCounts, ReaderLimits
from feeds.chains.endpoints import Endpoints
from feeds.chains.jsonrpc import JsonRpc
from feeds.errors import Unreachable


class _Node:
    """Stands in for a client: it answers, or is down."""

    def __init__(self, name: str) -> None:
        self.name, self.is_down = name, False

    async def request(self, method: str, _: tuple[Any, ...]) -> Any:
        if self.is_down:
            raise Unreachable("connection refused", endpoint=self.name)
        return "0x1" if method == "eth_chainId" else {"hash": "0x" + "11" * 32, "number": "0x1", "timestamp": "0x1"}


async def test_an_endpoint_that_fails_beside_others_is_told_and_so_is_its_end() -> None:
    now, nodes = [1_000], [_Node("a.example"), _Node("b.example")]
    endpoints = Endpoints(
        chain_id=1,
        clients=cast("list[JsonRpc]", nodes),
        now_ms=lambda: now[0],
        limits=ReaderLimits(),
        counts=ReaderCounts(),
    )
    told = []
    for is_down in (False, True, False):
        nodes[1].is_down = is_down
        now[0] += 60_000
        with capture_logs() as lines:
            await endpoints.poll()
        told.append([(x["endpoint"], x.get("ends") is not None) for x in lines])
    assert told == [[], [("b.example", False)], [("b.example", True)]]
