"""The endpoint as [api] wants it, of an operator's process and of a node alike."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp.typedefs import Middleware

from oracle.config.sections import Config
from oracle.config.tables.forms import parsed_network, sha256_hash
from oracle.config.tables.process_sections import ApiSection
from oracle.runtime.listening import cannot_listen
from oracle.serve.connection_gate import GateLimits
from oracle.serve.events import StreamLimits
from oracle.serve.http_gauges import HttpGauges
from oracle.serve.interface import PriceInterface
from oracle.serve.public_limits import PublicLimits, VisitorLimits
from oracle.serve.questions import Answer
from oracle.serve.server import Server, serve


async def serve_as_configured(
    config: Config,
    service: PriceInterface,
    *,
    now_ms: Callable[[], int],
    metrics: Callable[[], bytes],
    counts: HttpGauges | None = None,
    elsewhere: Middleware | None = None,
    answer: Answer | None = None,
) -> Server:
    """Start the endpoint.

    Args:
        config: the whole file.
        service: what is shown.
        now_ms: the clock, Unix ms.
        metrics: the exposition.
        counts: of requests; None: nobody counts.
        elsewhere: answers what is asked of others; None: nothing is.
        answer: to questions of one's own; None: there are no inputs here.

    Raises:
        LrtOracleError: it cannot listen there.
    """
    api = config.api
    gate = GateLimits(
        connections=api.max_connections, per_address=api.connections_per_address, idle_s=api.idle_s, first_s=api.first_s
    )
    try:
        return await serve(
            service, host=api.host, port=api.port, now_ms=now_ms, metrics=metrics, cors_origins=api.cors_origins,
            limits=StreamLimits(readers=api.max_streams), gate_limits=gate, public=public_limits(api),
            interval_s=config.oracle.round_interval_s, counts=counts, elsewhere=elsewhere, answer=answer,
        )  # fmt: skip
    except OSError as e:
        raise cannot_listen("api", api.host, api.port, e) from None


def public_limits(api: ApiSection) -> PublicLimits:
    """Limits by address and by key."""
    each = VisitorLimits(per_s=api.rate_per_s, burst=api.burst, streams=api.streams_per_address)
    keys = {
        sha256_hash(own.sha256): (name, VisitorLimits(per_s=own.rate_per_s, burst=own.burst, streams=own.streams))
        for name, own in api.keys.items()
    }
    return PublicLimits(
        each=each, unlimited=tuple(parsed_network(n) for n in api.unlimited),
        proxies=tuple(parsed_network(n) for n in api.trusted_proxies), proxy_header=api.proxy_header.lower(), keys=keys,
    )  # fmt: skip
