"""Runs a node: the follower and the endpoint, until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import aiohttp
import structlog

from oracle.assemble.handing_on import check_nats_installed
from oracle.assemble.network import home_target
from oracle.assemble.serving import serve_as_configured
from oracle.chain.store_reads import StoreReads
from oracle.config.feed_risks import risks_of
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.forms import raw_address
from oracle.config.tables.schema import ConfigError, Problem
from oracle.follow.follower import RoundFollower
from oracle.follow.jetstream import JetStreamSource
from oracle.follow.operator_stream import OperatorStream
from oracle.follow.sources import RoundSource
from oracle.follow.store_sets import StoreSets
from oracle.model.spec import FeedSpec
from oracle.node.follow_gauges import FollowGauges
from oracle.node.node_service import NodeService
from oracle.runtime.log_limit import limit_logs
from oracle.serve.server import Server
from oracle.sign.eip712 import Domain

_HOUR_S = 3_600
_log = structlog.get_logger("oracle.node.node")


def node_problems(resolved: ResolvedConfig) -> list[Problem]:
    """What keeps a config from being a node's."""
    problems = []
    if not resolved.config.node.operators and not resolved.config.nats.servers:
        text = "is empty: list the public endpoints of the operators that this node follows, or nats.servers"
        problems.append(Problem("node.operators", text))
    if home_target(resolved.config) is None:
        text = "is missing: a node verifies rounds against the signer set of a store; add [targets.NAME] with chain and store"
        problems.append(Problem("targets", text))
    return problems


def sealed_specs(resolved: ResolvedConfig) -> dict[str, FeedSpec]:
    """Feeds that operators seal, and crosses of them: of others a node never hears."""
    return {f: s for f, s in resolved.specs.items() if set(s.legs or (f,)) <= set(resolved.pushed)}


class ServingNode:
    """One node.

    Args:
        resolved: the checked config.
        now_ms: the clock, Unix ms.

    Attributes:
        server: its endpoint, while it runs.
        follower: what it follows, while it runs.

    Raises:
        ConfigError: it is no node's.
    """

    def __init__(self, resolved: ResolvedConfig, now_ms: Callable[[], int]) -> None:
        if problems := node_problems(resolved):
            raise ConfigError(problems)
        self._resolved, self._now_ms = resolved, now_ms
        self.server: Server | None = None
        self.follower: RoundFollower | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set."""
        limit_logs()
        async with AsyncExitStack() as opened:
            connector = aiohttp.TCPConnector(force_close=True)  # a stream that broke leaves nothing to use again
            session = await opened.enter_async_context(
                aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            )
            self.follower, service = self._made(session, opened)
            opened.callback(service.close)
            gauges = FollowGauges(self.follower, self._now_ms, self._streams)
            self.server = await self._serve(service, gauges)
            opened.push_async_callback(self.server.close)
            _log.info("running", api=self.server.url, sources=[s.name for s in self.follower.states])
            following = asyncio.create_task(self.follower.run())
            stopped = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    following.result()
            finally:
                for task in (following, stopped):
                    task.cancel()
                with suppress(asyncio.CancelledError):
                    await asyncio.gather(following, stopped, return_exceptions=True)

    def _streams(self) -> int:
        return 0 if self.server is None else len(self.server.hub) + len(self.server.sealed)

    def _made(self, session: aiohttp.ClientSession, opened: AsyncExitStack) -> tuple[RoundFollower, NodeService]:
        resolved, config = self._resolved, self._resolved.config
        name = home_target(config) or ""
        target = config.targets[name]
        chain = config.chains[target.chain]
        domain = Domain(chain_id=chain.chain_id, store=raw_address(target.store))
        store = StoreReads(chain.endpoints, domain, agree=target.agree)
        opened.push_async_callback(store.close)
        keep_s, specs = config.node.keep_hours * _HOUR_S, sealed_specs(resolved)
        sources: list[RoundSource] = [OperatorStream(u, i, session) for i, u in enumerate(config.node.operators)]
        if config.nats.servers:
            check_nats_installed()
            sources.append(JetStreamSource(config.nats.servers, config.nats.stream, domain, len(sources)))
        follower = RoundFollower(
            name, StoreSets(store, self._now_ms), specs, sources, now_ms=self._now_ms, keep_s=keep_s
        )
        service = NodeService(
            name, specs, follower, interval_s=config.oracle.round_interval_s, keep_s=keep_s, now_ms=self._now_ms,
            risks=risks_of(resolved),
        )  # fmt: skip
        return follower, service

    async def _serve(self, service: NodeService, gauges: FollowGauges) -> Server:
        return await serve_as_configured(self._resolved.config, service, now_ms=self._now_ms, metrics=gauges.render)
