"""What Prometheus scrapes of the front door: answers that were ready, and what was refused by a limit."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from oracle.serve.front_door import FrontDoor
from oracle.serve.metric_catalog import counter_family, gauge_family


class DoorGauges(Collector):
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
        yield counter_family("http_answers", {(how,): count for how, count in door.answered.items()})
        yield counter_family("http_limited", {(limit,): count for limit, count in door.limited.items()})
        yield gauge_family("http_addresses", {(): len(door.visitors)})
        yield counter_family("http_unlisted_proxy", {(): door.visitors.unlisted})
