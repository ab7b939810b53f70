"""What this process hands on to NATS, for Prometheus: read when it is scraped. Without [nats] there is nothing of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from oracle.serve.metric_catalog import counter_family, gauge_family


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
        yield gauge_family("nats_up", {(): not publisher.error})
        yield gauge_family("nats_waiting_rounds", {(): publisher.waiting()})
        yield gauge_family("nats_round_timestamp_seconds", {(): publisher.newest_s})
        yield counter_family("nats_published", {(): publisher.published})
        yield counter_family("nats_breaks", {(): publisher.breaks})
