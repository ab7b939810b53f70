"""What the process finds of its own health, for Prometheus: one number for each look and severity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from oracle.serve.metric_catalog import gauge_family

SEVERITIES = ("ok", "info", "warning", "critical")


class HealthShown(NamedTuple):
    """A look, and how bad its worst finding is."""

    check: str
    severity: str


class HealthGauges(Collector):
    """The looks of a process.

    Args:
        registry: where they are registered.

    Attributes:
        shown: asked at each scrape.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.shown: Callable[[], Iterable[HealthShown]] = tuple
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: all is known at a scrape only."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """1 for the severity that a look came to, 0 for the others."""
        gauge = gauge_family("health")
        for check, severity in self.shown():
            for each in SEVERITIES:
                gauge.add_metric((check, each), float(each == severity))
        yield gauge
