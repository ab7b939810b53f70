"""The catalogue of metrics: nothing is exposed that is not in it, and docs/metrics.md is written from it.

``python -m oracle.serve.metric_catalog`` writes that page.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

from oracle.serve.metric_rows import archive, chains, feeds, node, operators, process, pushes, stake, watch
from oracle.serve.metric_rows.row import PREFIX, MetricKind, MetricRow

TOPICS = (process, feeds, chains, pushes, operators, stake, watch, node, archive)
CATALOG: Mapping[str, MetricRow] = MappingProxyType({row.name: row for topic in TOPICS for row in topic.ROWS})
disable_created_metrics()  # type: ignore[no-untyped-call] # a series more for each counter: the start of the process says the same
_WRITTEN = re.compile(r"(<!-- metrics -->\n).*(<!-- end of metrics -->\n)", re.DOTALL)


def made_gauge(registry: CollectorRegistry, name: str) -> Gauge:
    """A gauge of the catalogue; KeyError for any other name."""
    row = _row(name, MetricKind.GAUGE)
    return Gauge(PREFIX + name, row.help, row.labels, registry=registry)


def made_counter(registry: CollectorRegistry, name: str) -> Counter:
    """A counter of the catalogue."""
    row = _row(name, MetricKind.COUNTER)
    return Counter(PREFIX + name, row.help, row.labels, registry=registry)


def made_histogram(registry: CollectorRegistry, name: str) -> Histogram:
    """A histogram of the catalogue."""
    row = _row(name, MetricKind.HISTOGRAM)
    return Histogram(PREFIX + name, row.help, row.labels, registry=registry, buckets=row.buckets)


def made_enum(registry: CollectorRegistry, name: str, states: Sequence[str]) -> Enum:
    """A state of the catalogue."""
    row = _row(name, MetricKind.ENUM)
    return Enum(PREFIX + name, row.help, row.labels, registry=registry, states=states)


def gauge_family(name: str, values: Mapping[tuple[str, ...], float] | None = None) -> GaugeMetricFamily:
    """A gauge of the catalogue, made at a scrape, with its values by labels."""
    row = _row(name, MetricKind.GAUGE)
    family = GaugeMetricFamily(PREFIX + name, row.help, labels=row.labels)
    for labels, value in (values or {}).items():
        family.add_metric(labels, float(value))
    return family


def counter_family(name: str, totals: Mapping[tuple[str, ...], float] | None = None) -> CounterMetricFamily:
    """A counter of the catalogue, made at a scrape, with its totals by labels."""
    row = _row(name, MetricKind.COUNTER)
    family = CounterMetricFamily(PREFIX + name, row.help, labels=row.labels)
    for labels, total in (totals or {}).items():
        family.add_metric(labels, float(total))
    return family


def _row(name: str, kind: MetricKind) -> MetricRow:
    row = CATALOG[name]
    if row.kind is not kind:
        raise KeyError(f"{name} is a {row.kind}, not a {kind}")
    return row


def metrics_page(text: str) -> str:
    """docs/metrics.md with its tables as the catalogue has them."""
    return _WRITTEN.sub(lambda m: m[1] + "".join(f"{line}\n" for line in _tables()) + m[2], text)


def _tables() -> Iterator[str]:
    for topic in TOPICS:
        title, _, more = str(topic.__doc__).strip().partition(": ")
        yield f"\n## {title.rstrip('.')}\n"
        if more:
            yield f"{more[0].upper()}{more[1:]}\n"
        yield "| metric | type | unit | labels | says | worth an alarm |"
        yield "|---|---|---|---|---|---|"
        for row in topic.ROWS:
            labels = ", ".join(f"`{name}`" for name in row.labels)
            yield f"| `{row.full_name}` | {row.kind} | {row.unit} | {labels} | {row.says} | {row.alarm} |"
    yield ""


def main(page: Path) -> None:
    """Write the page."""
    page.write_text(metrics_page(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/metrics.md"))
