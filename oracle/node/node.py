"""Runs a node: the follower and the endpoint, until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import aiohttp
import structlog

from oracle.archive.reading import ArchiveReader
from oracle.assemble.following import Followed, followed, following_problems
from oracle.assemble.network import configured_peers
from oracle.assemble.staking import stake_follower
from oracle.config.feed_risks import risks_of
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.schema import ConfigError
from oracle.follow.follower import RoundFollower
from oracle.node.follow_gauges import FollowGauges
from oracle.node.node_service import NodeService
from oracle.node.relay import OperatorRelay, relaying
from oracle.node.report_check import ReportCheck
from oracle.node.store_looks import store_looks
from oracle.runtime.listening import cannot_listen
from oracle.serve.connection_gate import GateLimits
from oracle.serve.server import Server, serve
from oracle.stake.follow import StakeFollower

_HOUR_S = 3_600
_log = structlog.get_logger("oracle.node.node")


def _names(resolved: ResolvedConfig) -> dict[bytes, str]:
    network = resolved.config.network
    return {} if network is None else {a: p.name for a, p in configured_peers(network).items()}


def _look_failed(error: Exception) -> None:
    _log.error("a fault of this program: stake was not looked at", error=repr(error))


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
        if problems := following_problems(resolved, resolved.config.node.operators, "node.operators"):
            raise ConfigError(problems)
        self._resolved, self._now_ms = resolved, now_ms
        self.server: Server | None = None
        self.follower: RoundFollower | None = None
        self._stake: StakeFollower | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set."""
        async with AsyncExitStack() as opened:
            connector = aiohttp.TCPConnector(force_close=True)  # a stream that broke leaves nothing to use again
            session = await opened.enter_async_context(
                aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            )
            self.follower, service = await self._made(session, opened)
            relay = self._relay(session, self.follower)
            if relay is not None:
                opened.push_async_callback(relay.close)
            gauges = FollowGauges(self.follower, self._now_ms, self._streams, relay)
            self.server = await self._serve(service, gauges, relay)
            opened.push_async_callback(self.server.close)
            _log.info("running", api=self.server.url, sources=[s.name for s in self.follower.states])
            await self._follow(self.follower, service, stop)

    async def _follow(self, follower: RoundFollower, service: NodeService, stop: asyncio.Event) -> None:
        """Follow, and look at chains beside it, until there is nothing more to do."""
        following, stopped = asyncio.create_task(follower.run()), asyncio.create_task(stop.wait())
        beside: list[asyncio.Task[None]] = [asyncio.create_task(service.stores.run())]
        if self._stake is not None:
            beside.append(asyncio.create_task(self._stake.run(_look_failed)))
        try:
            await asyncio.wait({following, stopped, *beside}, return_when=asyncio.FIRST_COMPLETED)
            for done in (following, *beside):
                if done.done():
                    done.result()
        finally:
            for task in (following, stopped, *beside):
                task.cancel()
            await asyncio.gather(following, stopped, *beside, return_exceptions=True)

    def _streams(self) -> int:
        return 0 if self.server is None else len(self.server.hub) + len(self.server.sealed)

    async def _made(self, session: aiohttp.ClientSession, opened: AsyncExitStack) -> tuple[RoundFollower, NodeService]:
        resolved, config = self._resolved, self._resolved.config
        keep_s = config.node.keep_hours * _HOUR_S
        made = followed(resolved, config.node.operators, opened, now_ms=self._now_ms, keep_s=keep_s, session=session)
        looks, stores = store_looks(resolved, made.specs, self._now_ms)
        self._stake = stake_follower(config, self._now_ms)
        for each in stores:
            opened.push_async_callback(each.close)
        if self._stake is not None:
            opened.push_async_callback(self._stake.close)
        service = NodeService(
            made.target, made.specs, made.follower, interval_s=config.oracle.round_interval_s, keep_s=keep_s,
            now_ms=self._now_ms, risks=risks_of(resolved), stores=looks,
            stake=self._stake.view if self._stake is not None else lambda: None, names=_names(resolved),
            relays=config.node.relay, archive=await self._archive(made, opened),
        )  # fmt: skip
        return made.follower, service

    async def _archive(self, made: Followed, opened: AsyncExitStack) -> ArchiveReader | None:
        dsn = self._resolved.config.node.archive
        if dsn is None:
            return None
        reader = ArchiveReader(dsn, made.store.domain, made.target)
        opened.push_async_callback(reader.close)
        await reader.start()
        return reader

    def _relay(self, session: aiohttp.ClientSession, follower: RoundFollower) -> OperatorRelay | None:
        node = self._resolved.config.node
        if not node.relay:
            return None

        def is_up(name: str) -> bool:
            return any(s.name == name and s.connected for s in follower.states)

        return OperatorRelay(node.operators, session, is_up, ReportCheck(follower.sets).check)

    async def _serve(self, service: NodeService, gauges: FollowGauges, relay: OperatorRelay | None) -> Server:
        api = self._resolved.config.api
        elsewhere = relaying(relay, service.kept.hint, service.targets()[0], service.specs())
        try:
            return await serve(
                service, host=api.host, port=api.port, now_ms=self._now_ms, metrics=gauges.render,
                cors_origins=api.cors_origins, gate_limits=GateLimits(connections=api.max_connections, idle_s=api.idle_s),
                counts=gauges.http, elsewhere=elsewhere,
            )  # fmt: skip
        except OSError as e:
            raise cannot_listen("api", api.host, api.port, e) from None
