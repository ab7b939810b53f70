"""The gauges of the process itself: what it is, why it is not ready, its keys, its tasks, its database and the disk under it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from oracle.model.spec import RULES_VERSION
from oracle.model.unready import Unready

_WRITE_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_FILES = {"main": "", "wal": "-wal", "shm": "-shm"}


class KeyUse(StrEnum):
    """What an operator of the config can do with its report key."""

    OPEN = "open"
    MUTE = "mute"
    """Its journal was lost or restored, or cannot be read."""
    ELSEWHERE = "elsewhere"
    """It spoke from another process: it signs nothing until this one starts anew."""
    CLOSED = "closed"
    """It has no key here."""


class ProcessGauges(Collector):
    """Gauges of one process.

    Args:
        registry: where they are registered.
        version: of this software.

    Attributes:
        database: its file; None keeps nothing on disk.
        restarts: how often each task was started again; every task is in it from the start.
    """

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        self.database: Path | None = None
        self.restarts: Mapping[str, int] = {}
        self._write = Histogram(
            "lrt_oracle_database_write_seconds", "time to write a round to disk", registry=registry, buckets=_WRITE_S
        )
        self._interval = _gauge(registry, "round_interval_seconds", "time from one round to the next")
        self._unready = _gauge(registry, "unready", "1: this keeps /readyz from answering 200", "reason")
        self._keys = _gauge(registry, "operator_key", "1: what an operator can do with its key here", "operator", "use")
        build = _gauge(registry, "build_info", "what runs here; always 1", "version", "rules_version", "python")
        build.labels(version, str(RULES_VERSION), sys.version.split()[0]).set(1)
        self.unready(())
        ProcessCollector(registry=registry)
        registry.register(self)

    def unready(self, found: Iterable[Unready]) -> None:
        """Why the process is not ready now."""
        reasons = set(found)
        for reason in Unready:
            self._unready.labels(reason.value).set(int(reason in reasons))

    def key(self, operator: str, use: KeyUse) -> None:
        """What an operator of the config can do with its key now."""
        for each in KeyUse:
            self._keys.labels(operator, each.value).set(int(each is use))

    def interval(self, interval_s: int) -> None:
        """Time from one round to the next, of the config."""
        self._interval.set(interval_s)

    def written(self, took_s: float) -> None:
        """A round was written to disk."""
        self._write.observe(took_s)

    def describe(self) -> Iterable[Metric]:
        """Nothing: what is collected is known at a scrape only."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Files, disk and tasks, as they are."""
        tasks = CounterMetricFamily(
            "lrt_oracle_task_restarts", "times that a task of the process ended and was started again", labels=("task",)
        )
        for task, count in self.restarts.items():
            tasks.add_metric((task,), count)
        yield tasks
        if self.database is None:
            return
        size = GaugeMetricFamily("lrt_oracle_database_bytes", "size of the database's files", labels=("file",))
        for name, ending in _FILES.items():
            with suppress(FileNotFoundError):
                size.add_metric((name,), self.database.with_name(self.database.name + ending).stat().st_size)
        yield size
        with suppress(OSError):
            disk = shutil.disk_usage(self.database.parent)
            for what, count in (("free", disk.free), ("size", disk.total)):
                yield GaugeMetricFamily(
                    f"lrt_oracle_disk_{what}_bytes", f"{what} of the file system that the database is on", value=count
                )


def _gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"lrt_oracle_{name}", text, labels, registry=registry)
