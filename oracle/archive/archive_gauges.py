"""What Prometheus scrapes of an archive: how far it has come, what waits, what is missing."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from oracle.archive.gaps import GapFiller
from oracle.archive.parquet_files import ParquetFiles
from oracle.archive.upkeep import Upkeep
from oracle.archive.writer import ArchiveWriter
from oracle.serve.metric_catalog import counter_family, gauge_family


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
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def render(self) -> bytes:
        """The exposition, as text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        writer, upkeep, files = self._writer, self._upkeep, self._files
        yield gauge_family("archive_round_timestamp_seconds", {(): writer.newest_s})
        yield gauge_family("archive_connected", {(): not writer.error and writer.ready.is_set()})
        yield gauge_family("archive_waiting_rounds", {(): writer.waiting})
        open_rounds = sum(g.rounds for g in self._gaps.gaps if g.is_open)
        missing: dict[tuple[str, ...], float] = {
            ("asked_for",): open_rounds,
            ("nobody_has_it",): self._gaps.missing - open_rounds,
        }
        yield gauge_family("archive_missing_rounds", missing)
        totals = {
            "written_rounds": writer.written,
            "reworded_rounds": writer.reworded,
            "conflicting_rounds": writer.conflicts,
            "unwritable_rounds": writer.unwritable,
            "breaks": writer.breaks,
            "rolled_up_hours": upkeep.rolled_up,
            "dropped_partitions": upkeep.dropped,
            "parquet_files": files.written if files is not None else 0,
        }
        for name, total in totals.items():
            yield counter_family(f"archive_{name}", {(): total})
        parts = {"writer": writer.error, "upkeep": upkeep.error, "parquet": files.error if files is not None else ""}
        yield gauge_family("archive_fault", {(part,): bool(error) for part, error in parts.items()})
