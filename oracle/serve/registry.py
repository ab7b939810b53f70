"""The registry of all metrics, from which what hangs on something that is gone is taken out: a feed, a target, a source."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector


class ForgettingRegistry(CollectorRegistry):
    """Knows what is registered."""

    def __init__(self) -> None:
        super().__init__()
        self._by_labels: list[MetricWrapperBase] = []

    def register(self, collector: Collector) -> None:
        """Register a metric."""
        super().register(collector)
        if isinstance(collector, MetricWrapperBase):
            self._by_labels.append(collector)

    def forget(self, labels: Mapping[str, str]) -> None:
        """Take out every series with these labels among its own: it would show for ever what was last."""
        for metric in self._by_labels:
            with suppress(ValueError):  # it has no such labels
                metric.remove_by_labels(dict(labels))
