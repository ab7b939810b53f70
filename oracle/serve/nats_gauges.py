"""How far sealed rounds are handed on to NATS, read when it is scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from oracle.serve.metric_catalog import counter_family, gauge_family


class PublisherShown(Protocol):
    """What hands rounds on."""

    published: int
    errors: int
    is_connected: bool


class NatsGauges(Collector):
    """Gauges of what hands rounds on.

    Args:
        registry: where they are registered.

    Attributes:
        publisher: asked at each scrape; None: nothing is handed on.
        behind: rounds that are stored and not handed on, by target.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.publisher: PublisherShown | None = None
        self.behind: Callable[[], Mapping[str, int]] = dict
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: all is known at a scrape only."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are."""
        if self.publisher is None:
            return
        yield gauge_family("nats_connected", {(): self.publisher.is_connected})
        yield counter_family("nats_published", {(): self.publisher.published})
        yield counter_family("nats_errors", {(): self.publisher.errors})
        yield gauge_family("nats_lag_rounds", {(target,): count for target, count in self.behind().items()})
