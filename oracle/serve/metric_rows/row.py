"""What is said of one metric: its kind, labels, meaning, and when it is worth an alarm."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

PREFIX = "lrt_oracle_"
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_UNITS = ("seconds", "bytes", "ether", "bps", "ratio")


class MetricKind(StrEnum):
    """What Prometheus makes of it."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    ENUM = "enum"
    """A gauge for each of several states: 1 for the one that is, 0 for the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """A metric.

    Attributes:
        name: without prefix, and without the ending of a counter.
        kind: of it.
        says: what it is, in the form of the documentation.
        labels: names of its labels.
        alarm: what of it is worth an alarm; "" for nothing.
        buckets: upper bounds of a histogram.
    """

    name: str
    kind: MetricKind
    says: str
    labels: tuple[str, ...] = ()
    alarm: str = ""
    buckets: tuple[float, ...] = field(default=())

    @property
    def full_name(self) -> str:
        """As it is scraped."""
        return f"{PREFIX}{self.name}{'_total' if self.kind is MetricKind.COUNTER else ''}"

    @property
    def help(self) -> str:
        """The meaning as plain text."""
        return _LINK.sub(r"\1", self.says).replace("`", "")

    @property
    def unit(self) -> str:
        """By the end of its name; "" for a count, a time of Unix or a mark."""
        if self.name.endswith("_timestamp_seconds"):
            return "Unix time"
        return next((u for u in _UNITS if self.name.endswith(f"_{u}")), "")


def gauge(name: str, says: str, labels: tuple[str, ...] = (), *, alarm: str = "") -> MetricRow:
    """A number as it is now."""
    return MetricRow(name=name, kind=MetricKind.GAUGE, says=says, labels=labels, alarm=alarm)


def counter(name: str, says: str, labels: tuple[str, ...] = (), *, alarm: str = "") -> MetricRow:
    """A number that only grows, from the start of the process."""
    return MetricRow(name=name, kind=MetricKind.COUNTER, says=says, labels=labels, alarm=alarm)


def histogram(
    name: str, says: str, labels: tuple[str, ...] = (), *, buckets: tuple[float, ...], alarm: str = ""
) -> MetricRow:
    """How values are spread."""
    return MetricRow(name=name, kind=MetricKind.HISTOGRAM, says=says, labels=labels, alarm=alarm, buckets=buckets)


def enum(name: str, says: str, labels: tuple[str, ...] = (), *, alarm: str = "") -> MetricRow:
    """Which of several states it is in."""
    return MetricRow(name=name, kind=MetricKind.ENUM, says=says, labels=labels, alarm=alarm)
