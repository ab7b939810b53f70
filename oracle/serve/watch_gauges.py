"""What a watch has heard and found, read when it is scraped."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from oracle.serve.metric_catalog import counter_family, gauge_family
from oracle.watch.duty import WatchDuty
from oracle.watch.endpoint_words import counts_of


class WatchGauges(Collector):
    """Counts of a watch.

    Args:
        registry: where they are registered.

    Attributes:
        watch: asked at each scrape; None: there is none.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.watch: WatchDuty | None = None
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: all is known at a scrape only."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are."""
        if self.watch is None:
            return
        heard = counter_family("watch_words")
        heard.add_metric((), self.watch.watcher.heard)
        yield heard
        evidence = gauge_family("watch_evidence")
        with contextlib.suppress(sqlite3.Error):  # the other metrics say that the database cannot be read
            for state, count in self.watch.watcher.rows.counts().items():
                evidence.add_metric((state.value,), count)
            yield evidence
        blocks = gauge_family("watch_block")
        unread = gauge_family("watch_unread_pushes")
        for name, chain in self.watch.chains.items():
            blocks.add_metric((name,), chain.read_block)
            unread.add_metric((name,), len(chain.unread))
        if self.watch.endpoints:
            counts = counts_of(self.watch.endpoints)
            for outcome, name in (("heard", "words"), ("strange", "strange"), ("failed", "failures")):
                yield counter_family(f"watch_endpoint_{name}", {(e,): c[outcome] for e, c in counts.items()})
        yield blocks
        yield unread
