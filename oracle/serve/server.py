"""The local endpoint: what the oracle knows, over HTTP. It reads a PriceInterface and decides nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace

from aiohttp import web
from aiohttp.typedefs import Middleware

from oracle.serve.behind import marking
from oracle.serve.connection_gate import ConnectionGate, GateLimits, connection_limit, open_file_limit
from oracle.serve.door_gauges import DoorGauges
from oracle.serve.events import EventHub, StreamLimits
from oracle.serve.freshness import Freshness
from oracle.serve.front_door import FrontDoor
from oracle.serve.http_gauges import HttpGauges
from oracle.serve.interface import PriceInterface
from oracle.serve.price_cache import PriceCache
from oracle.serve.public_limits import PublicLimits
from oracle.serve.questions import Answer
from oracle.serve.ready_answers import ReadyAnswers
from oracle.serve.request_log import RequestLog
from oracle.serve.round_stream import RoundStream
from oracle.serve.routes import Routes
from oracle.serve.visitors import Visitors
from oracle.serve.web import add_headers, cors_preflight, error_documents

_ACCEPTED_AT_ONCE, _QUEUED = 16, 256
_STREAM_SHARE = 3, 4
"""Streams keep their connections open: at most this share of all connections may be streams of prices."""
_SEALED_PART = 4
"""For one reader of sealed rounds there may be so many of prices."""
_TURNS = 3
"""Turns of the event loop until a connection that was accepted when the port closed has come to the gate, and is gone again."""
_LONGEST_LINE, _LONGEST_FIELD, _MOST_FIELDS = 4_096, 4_096, 64
"""Of a request: its first line, one header, how many headers."""
_DRAIN_S = 2.0
"""How long a refused body is read and thrown away, so that the refusal is not lost with the connection."""


class Server:
    """The endpoint while it runs.

    Attributes:
        url: where it listens.
        hub: its streams: ``len(hub)`` are open, ``hub.dropped`` were too slow.
        sealed: its streams of sealed rounds: ``len(sealed)`` are open.
        gate: its connections: ``len(gate)`` are open.
    """

    def __init__(
        self,
        listening: asyncio.Server,
        runner: web.AppRunner,
        hub: EventHub,
        sealed: RoundStream,
        gate: ConnectionGate,
    ) -> None:
        self.hub, self.sealed, self.gate = hub, sealed, gate
        self._listening, self._runner = listening, runner
        host, port = listening.sockets[0].getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def close(self) -> None:
        """Close the port, end the streams, let running requests finish."""
        self._listening.close()
        await asyncio.gather(self.hub.close(), self.sealed.close())
        await self._runner.cleanup()
        self.gate.close()
        for _ in range(_TURNS):
            await asyncio.sleep(0)


async def serve(
    service: PriceInterface,
    *,
    host: str,
    port: int,
    now_ms: Callable[[], int],
    metrics: Callable[[], bytes],
    cors_origins: Sequence[str] = (),
    limits: StreamLimits | None = None,
    gate_limits: GateLimits | None = None,
    public: PublicLimits | None = None,
    interval_s: int | None = None,
    counts: HttpGauges | None = None,
    elsewhere: Middleware | None = None,
    answer: Answer | None = None,
) -> Server:
    """Start the endpoint.

    Args:
        service: what it shows.
        host: address to listen on.
        port: 0 takes any free one.
        now_ms: the clock, Unix ms.
        metrics: the exposition that /metrics answers.
        cors_origins: origins whose pages may read the answers, exactly as browsers send them; ``*``: all.
        limits: of the stream.
        gate_limits: of connections; fewer where the process may not open that many files.
        public: limits by address.
        interval_s: between rounds; None: not known, and nobody keeps an answer for longer than a second.
        counts: of requests; None: nobody counts.
        elsewhere: answers what is asked of others; None: nothing is.
        answer: to questions of one's own; None: there are no inputs here.
    """
    granted, streams = gate_limits or GateLimits(), limits or StreamLimits()
    most = connection_limit(granted.connections, open_file_limit())
    visitors = Visitors(public or PublicLimits())
    gate = ConnectionGate(replace(granted, connections=most), visitors.at)
    part, whole = _STREAM_SHARE
    shared = replace(streams, readers=min(streams.readers, max(1, most * part // whole)))
    hub = EventHub(shared)
    sealed = RoundStream(service, replace(shared, readers=max(1, shared.readers // _SEALED_PART)))
    preflight = [cors_preflight(cors_origins)] if cors_origins else []
    fresh = Freshness(interval_s, now_ms, _stored_s(service))
    if (round_s := service.health().round) is not None:
        fresh.learn(round_s)
    cache, dress = PriceCache(service, now_ms), add_headers(cors_origins)
    ready = ReadyAnswers(service, cache, fresh, now_ms, tuple(cors_origins))
    door = FrontDoor(gate, visitors, ready, dress)
    own = DoorGauges(door)
    routes = Routes(
        service, hub, sealed, now_ms, metrics=lambda: metrics() + own.render(), cache=cache, fresh=fresh, answer=answer
    )
    counting = [counts.middleware()] if counts is not None else []
    inner = [] if elsewhere is None else [elsewhere]
    app = web.Application(
        middlewares=[*counting, *preflight, error_documents, marking(fresh), *inner], client_max_size=1
    )
    app.on_response_prepare.append(dress)
    app.add_routes(routes.table())
    if counts is not None:
        counts.expect(app)
    runner = web.AppRunner(
        app, access_log=None, logger=RequestLog(door.not_understood), shutdown_timeout=1.0, lingering_time=_DRAIN_S, max_line_size=_LONGEST_LINE,
        max_field_size=_LONGEST_FIELD, max_headers=_MOST_FIELDS,
    )  # fmt: skip
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("the server was not set up")
    runner.server.request_handler = door.before(runner.server.request_handler)
    listening = await asyncio.get_running_loop().create_server(
        gate.factory(runner.server), host, port, backlog=_ACCEPTED_AT_ONCE
    )
    _queue_more(listening)
    gate.start()
    return Server(listening, runner, hub, sealed, gate)


def _stored_s(service: PriceInterface) -> int:
    """The newest round that is known at the start."""
    records = (service.record(feed) for feed in service.specs())
    return max((r.report.round_time_s for r in records if r is not None), default=0)


def _queue_more(listening: asyncio.Server) -> None:
    """Let more connections queue in the kernel than asyncio accepts at a time.

    asyncio has one number for both, and where files run out it tries, and logs, once for each that it would have accepted.
    """
    for listener in listening.sockets:
        with socket.fromfd(listener.fileno(), listener.family, listener.type) as duplicate:
            duplicate.listen(_QUEUED)
