"""What Prometheus scrapes of the endpoint itself."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from oracle.serve.front_door import FrontDoor


class HttpGauges(Collector):
    """Counters of the front door, taken when they are scraped.

    Args:
        door: whose.
    """

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> bytes:
        """The exposition, as text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        door = self._door
        text = "requests by how they were answered: ready-made, or by the long way"
        answered = CounterMetricFamily("lrt_oracle_http_requests", text, labels=("answer",))
        for how, count in door.answered.items():
            answered.add_metric((how,), count)
        text = "requests that were refused, by the limit: rate, streams, or a key that is none"
        limited = CounterMetricFamily("lrt_oracle_http_limited", text, labels=("limit",))
        for limit, count in door.limited.items():
            limited.add_metric((limit,), count)
        yield answered
        yield limited
        visitors = door.visitors
        yield GaugeMetricFamily("lrt_oracle_http_addresses", "addresses that are remembered", value=len(visitors))
        text = "requests through a proxy that is not in api.trusted_proxies"
        yield CounterMetricFamily("lrt_oracle_http_unlisted_proxy", text, value=visitors.unlisted)
