"""What the endpoint is asked, by the form of the path: who asks for what is not there makes no new series."""

from __future__ import annotations

import time

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry

from oracle.serve.metric_catalog import made_counter, made_histogram
from oracle.serve.web import Handler

_OTHER = "other"
_STREAM = "text/event-stream"


class HttpGauges:
    """Counts of requests.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = made_counter(registry, "http_requests")
        self._seconds = made_histogram(registry, "http_request_seconds")

    def expect(self, app: web.Application) -> None:
        """Show every path from the start."""
        for resource in app.router.resources():
            self._requests.labels(resource.canonical, "200")
            self._seconds.labels(resource.canonical)
        self._requests.labels(_OTHER, "404")

    def middleware(self) -> Middleware:
        """Counts each request once it is answered. A stream lasts as long as its reader: it has no duration."""

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            began_s = time.monotonic()
            response = await handler(request)
            resource = request.match_info.route.resource
            route = _OTHER if resource is None else resource.canonical
            self._requests.labels(route, str(response.status)).inc()
            if response.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0] != _STREAM:
                self._seconds.labels(route).observe(time.monotonic() - began_s)
            return response

        return count
