"""What a watch has heard and found, read when it is scraped."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

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
        heard = CounterMetricFamily("lrt_oracle_watch_words", "signatures of operators that were compared")
        heard.add_metric((), self.watch.watcher.heard)
        yield heard
        evidence = GaugeMetricFamily(
            "lrt_oracle_watch_evidence",
            "operators' words that contradict each other, by what became of it",
            labels=("state",),
        )
        with contextlib.suppress(sqlite3.Error):  # the other metrics say that the database cannot be read
            for state, count in self.watch.watcher.rows.counts().items():
                evidence.add_metric((state.value,), count)
            yield evidence
        blocks = GaugeMetricFamily("lrt_oracle_watch_block", "newest block whose pushes were read", labels=("target",))
        unread = GaugeMetricFamily(
            "lrt_oracle_watch_unread_pushes", "pushes of which it is not known who signed", labels=("target",)
        )
        for name, chain in self.watch.chains.items():
            blocks.add_metric((name,), chain.read_block)
            unread.add_metric((name,), len(chain.unread))
        for outcome, name, text in (
            (
                "heard",
                "lrt_oracle_watch_endpoint_words",
                "signatures that an operator's endpoint showed and that counted",
            ),
            (
                "strange",
                "lrt_oracle_watch_endpoint_strange",
                "signatures that an endpoint showed and that are of no key of a set",
            ),
            ("failed", "lrt_oracle_watch_endpoint_failures", "answers of an endpoint that came to nothing"),
        ):
            counted = CounterMetricFamily(name, text, labels=("endpoint",))
            for endpoint, counts in counts_of(self.watch.endpoints).items():
                counted.add_metric((endpoint,), counts[outcome])
            if self.watch.endpoints:
                yield counted
        yield blocks
        yield unread
