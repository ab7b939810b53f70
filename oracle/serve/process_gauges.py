"""The gauges of the process itself: what it is, why it is not ready, its keys, its tasks, its database and the disk under it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from oracle.model.spec import RULES_VERSION
from oracle.model.unready import Unready
from oracle.serve.metric_catalog import counter_family, gauge_family, made_gauge, made_histogram

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
        self._write = made_histogram(registry, "database_write_seconds")
        self._interval = made_gauge(registry, "round_interval_seconds")
        self._unready = made_gauge(registry, "unready")
        self._keys = made_gauge(registry, "operator_key")
        build = made_gauge(registry, "build_info")
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
        tasks = counter_family("task_restarts")
        for task, count in self.restarts.items():
            tasks.add_metric((task,), count)
        yield tasks
        if self.database is None:
            return
        size = gauge_family("database_bytes")
        for name, ending in _FILES.items():
            with suppress(FileNotFoundError):
                size.add_metric((name,), self.database.with_name(self.database.name + ending).stat().st_size)
        yield size
        with suppress(OSError):
            disk = shutil.disk_usage(self.database.parent)
            for what, count in (("free", disk.free), ("size", disk.total)):
                yield gauge_family(f"disk_{what}_bytes", {(): count})
