"""How far the reports of epochs have come, read when it is scraped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from oracle.serve.metric_catalog import counter_family, gauge_family


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
        posted = gauge_family("rewards_epoch")
        posted.add_metric((), self.roots.posted)
        yield posted
        failed = counter_family("rewards_attempts_failed")
        failed.add_metric((), self.roots.failed)
        yield failed
