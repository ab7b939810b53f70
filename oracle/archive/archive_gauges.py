"""What Prometheus scrapes of an archive: how far it has come, what waits, what is missing."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from oracle.archive.gaps import GapFiller
from oracle.archive.parquet_files import ParquetFiles
from oracle.archive.upkeep import Upkeep
from oracle.archive.writer import ArchiveWriter

_PREFIX = "lrt_oracle_archive_"


class ArchiveGauges(Collector):
    """The metrics of an archive, computed when they are scraped.

    Args:
        writer: of it.
        gaps: of it.
        upkeep: of it.
        files: None where there are none.
    """

    def __init__(self, writer: ArchiveWriter, gaps: GapFiller, upkeep: Upkeep, files: ParquetFiles | None) -> None:
        self._writer, self._gaps, self._upkeep, self._files = writer, gaps, upkeep, files
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> bytes:
        """The exposition, as text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        writer, upkeep, files = self._writer, self._upkeep, self._files
        newest_s = writer.newest_s
        yield _gauge("round_timestamp_seconds", "round_time of the newest round that is on disk", newest_s)
        yield _gauge(
            "connected", "1 while PostgreSQL takes what is written", int(not writer.error and writer.ready.is_set())
        )
        yield _gauge("waiting_rounds", "verified rounds in memory that are not on disk yet", writer.waiting)
        missing = GaugeMetricFamily(
            _PREFIX + "missing_rounds", "round times of the time that is asked for without a round", labels=["state"]
        )
        open_rounds = sum(g.rounds for g in self._gaps.gaps if g.is_open)
        missing.add_metric(["asked_for"], open_rounds)
        missing.add_metric(["nobody_has_it"], self._gaps.missing - open_rounds)
        yield missing
        yield _counter("written_rounds", "rounds that were written", writer.written)
        yield _counter(
            "reworded_rounds", "rounds that got the words of an earlier source of the config", writer.reworded
        )
        yield _counter(
            "conflicting_rounds", "rounds sealed with something else than what is in the archive", writer.conflicts
        )
        yield _counter("unwritable_rounds", "rounds that PostgreSQL does not take", writer.unwritable)
        yield _counter("breaks", "how often the connection for writing broke", writer.breaks)
        yield _counter("rolled_up_hours", "hours that were rolled up", upkeep.rolled_up)
        yield _counter("dropped_partitions", "partitions that were past their time", upkeep.dropped)
        yield _counter("parquet_files", "Parquet files that were written", files.written if files is not None else 0)
        fault = GaugeMetricFamily(_PREFIX + "fault", "1 while a part of the archive does not work", labels=["part"])
        parts = {"writer": writer.error, "upkeep": upkeep.error, "parquet": files.error if files is not None else ""}
        for part, error in parts.items():
            fault.add_metric([part], int(bool(error)))
        yield fault


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(_PREFIX + name, text, value=value)
