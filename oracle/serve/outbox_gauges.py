"""What this process hands on to NATS, for Prometheus: read when it is scraped. Without [nats] there is nothing of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_PREFIX = "lrt_oracle_nats_"


class PublisherShown(Protocol):
    """What hands rounds on, to be shown."""

    published: int
    breaks: int
    newest_s: int
    error: str

    def waiting(self) -> int:
        """Sealed rounds that are not acknowledged yet."""


class OutboxGauges(Collector):
    """How far the handing on has come.

    Args:
        registry: where they are registered.

    Attributes:
        publisher: asked at each scrape; None: nothing is handed on.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.publisher: PublisherShown | None = None
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: all is known at a scrape only."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        if (publisher := self.publisher) is None:
            return
        up, late = 0 if publisher.error else 1, publisher.waiting()
        yield GaugeMetricFamily(_PREFIX + "up", "1 while sealed rounds are handed on to NATS", value=up)
        yield GaugeMetricFamily(
            _PREFIX + "waiting_rounds", "sealed rounds that it has not acknowledged yet", value=late
        )
        text = "newest round that it acknowledged since the start, 0: none"
        yield GaugeMetricFamily(_PREFIX + "round_timestamp_seconds", text, value=publisher.newest_s)
        yield CounterMetricFamily(_PREFIX + "published", "rounds that it acknowledged", value=publisher.published)
        yield CounterMetricFamily(
            _PREFIX + "breaks", "how often the connection broke or failed", value=publisher.breaks
        )
