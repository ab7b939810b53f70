"""How far the reports of epochs have come, read when it is scraped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class RootProgress(Protocol):
    """What is asked of those who make reports."""

    @property
    def posted(self) -> int:
        """The newest epoch that is known to have a report; 0 for none."""

    @property
    def failed(self) -> int:
        """Attempts that came to nothing since the start."""


class RewardsGauges(Collector):
    """Counts of the reports of epochs.

    Args:
        registry: where they are registered.

    Attributes:
        roots: asked at each scrape; None: reports are made by hand.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.roots: RootProgress | None = None
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: all is known at a scrape only."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Both of them, as they are."""
        if self.roots is None:
            return
        posted = GaugeMetricFamily("lrt_oracle_rewards_epoch", "newest epoch whose report is posted; 0: none is known")
        posted.add_metric((), self.roots.posted)
        yield posted
        failed = CounterMetricFamily(
            "lrt_oracle_rewards_attempts_failed", "attempts to agree on the report of an epoch that came to nothing"
        )
        failed.add_metric((), self.roots.failed)
        yield failed
