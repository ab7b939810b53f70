"""The local endpoint: what the oracle knows, over HTTP. It reads a Desk and decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiohttp import web

from oracle.endpoint.documents import Abstaining
from oracle.endpoint.events import Hub, StreamLimits
from oracle.endpoint.routes import Routes
from oracle.endpoint.shown import Desk, Health, News, NoReport
from oracle.endpoint.web import crossing, dress, guarded

__all__ = ["Abstaining", "Desk", "Health", "News", "NoReport", "Server", "StreamLimits", "serve"]


class Server:
    """The endpoint while it runs.

    Attributes:
        url: where it listens.
        hub: its streams: ``len(hub)`` are open, ``hub.dropped`` were too slow.
    """

    def __init__(self, runner: web.AppRunner, hub: Hub) -> None:
        self.hub = hub
        self._runner = runner
        host, port = runner.addresses[0][:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def close(self) -> None:
        """End the streams, let running requests finish, close the port."""
        await self.hub.close()
        await self._runner.cleanup()


async def serve(
    desk: Desk,
    *,
    host: str,
    port: int,
    now_ms: Callable[[], int],
    metrics: Callable[[], bytes],
    cors_origins: Sequence[str] = (),
    limits: StreamLimits | None = None,
) -> Server:
    """Start the endpoint.

    Args:
        desk: what it shows.
        host: address to listen on.
        port: 0 takes any free one.
        now_ms: the clock, Unix ms.
        metrics: the exposition that /metrics answers.
        cors_origins: origins whose pages may read the answers, exactly as browsers send them.
        limits: of the stream.
    """
    hub = Hub(limits or StreamLimits())
    app = web.Application(middlewares=[*([crossing(cors_origins)] if cors_origins else []), guarded], client_max_size=1)
    app.on_response_prepare.append(dress(cors_origins))
    app.add_routes(Routes(desk, hub, now_ms, metrics).table())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, max_line_size=4_096)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return Server(runner, hub)
