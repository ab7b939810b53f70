"""A node's endpoint over real operators."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from oracle.follow.follower import RoundFollower, VerifiedRound
from oracle.node.follow_gauges import FollowGauges
from oracle.node.node_service import NodeService
from oracle.serve.server import serve
from tests.oracle.follow.follow_world import KEEP_S, LIMITS, Site
from tests.oracle.round.round_world import SPECS

OWN = "/v1/prices/wdivETH/ETH"


class Served:
    """A node's endpoint."""

    def __init__(self, url: str, follower: RoundFollower, service: NodeService, session: aiohttp.ClientSession) -> None:
        self.url, self.follower, self.service, self.session = url, follower, service, session

    async def get(self, path: str, **headers: str) -> tuple[int, Any, str]:
        async with self.session.get(self.url + path, headers=headers) as answer:
            body = await answer.read()
            is_json = answer.content_type == "application/json" and body
            return answer.status, orjson.loads(body) if is_json else body, answer.headers.get("ETag", "")


@asynccontextmanager
async def node(here: Site, *urls: str) -> AsyncIterator[Served]:
    taken: list[VerifiedRound] = []
    async with here.follower(*urls, take=taken) as follower, aiohttp.ClientSession() as session:
        service = NodeService("home", SPECS, follower, interval_s=10, keep_s=KEEP_S, now_ms=here.now_ms, risks={})
        gauges = FollowGauges(follower, here.now_ms, lambda: 0)
        server = await serve(
            service, host="127.0.0.1", port=0, now_ms=here.now_ms, metrics=gauges.render, limits=LIMITS, interval_s=10
        )
        yield Served(server.url, follower, service, session)
        await server.close()
