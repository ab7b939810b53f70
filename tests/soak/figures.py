"""What the samples of a soak come to: slopes with their doubt, bytes a round, a year, lateness."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_DAY_ROUNDS = 8_640
"""Rounds in a day of the shipped config."""
_YEAR_DAYS = 365
_HOUR_S = 3_600
_LEAST = 3
_PACKING = 240
"""Rounds from which on packing keeps up with what comes: until then everything is stored as it is written."""
_FREE_PART = 20
"""One of so many pages stays free in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """A straight line through points: how steep it is, and by how much that may be wrong (95 %, as if points did not depend on each other)."""

    per_unit: float
    doubt: float
    points: int

    @property
    def is_growth(self) -> bool:
        """Whether it rises beyond doubt."""
        return self.per_unit > self.doubt


def slope(xs: Sequence[float], ys: Sequence[float]) -> Slope | None:
    """Least squares; None where there are too few points."""
    n = len(xs)
    if n < _LEAST:
        return None
    mean_x, mean_y = sum(xs) / n, sum(ys) / n
    spread = sum((x - mean_x) ** 2 for x in xs)
    if not spread:
        return None
    rise = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    left = sum((y - mean_y - rise * (x - mean_x)) ** 2 for x, y in zip(xs, ys, strict=True))
    quantile = 1.96 + 2.4 / (n - 2)  # of Student's distribution, near enough from five points on
    return Slope(per_unit=rise, doubt=quantile * math.sqrt(left / (n - 2) / spread), points=n)


def late_at(before: Mapping[str, int], after: Mapping[str, int], part: float) -> float:
    """Below how many seconds that part of the rounds between two looks was stored; within a bucket as if they were spread evenly."""
    counts = sorted((float(bound), count - before.get(bound, 0)) for bound, count in after.items())
    whole = counts[-1][1] if counts else 0
    lower_s, passed = 0.0, 0
    for bound_s, count in counts:
        if whole and count >= part * whole:
            if math.isinf(bound_s):
                return bound_s
            return lower_s + (bound_s - lower_s) * (part * whole - passed) / max(1, count - passed)
        lower_s, passed = bound_s, count
    return 0.0


def projected_year(a_round: Mapping[str, float], days: Mapping[str, int], here: Mapping[str, int]) -> dict[str, int]:
    """Bytes of each kind after a year at the shipped interval, with what waits to be packed, and what stays free in the file.

    Args:
        a_round: bytes of each kind that a round adds.
        days: for which it is kept; 0: for good.
        here: bytes that do not come by rounds, by kind.
    """
    found = {k: round(max(0.0, each) * _DAY_ROUNDS * (days.get(k) or _YEAR_DAYS)) for k, each in a_round.items()}
    for kind, size in here.items():
        found[kind] = found.get(kind, 0) + size
    found["free in the file"] = sum(found.values()) // _FREE_PART
    return found


def summary(samples: Sequence[Mapping[str, Any]], warm_up_s: float, settled: Mapping[str, int]) -> dict[str, Any]:
    """Figures of all samples so far.

    Args:
        samples: in order of time.
        warm_up_s: samples before it do not count.
        settled: bytes of kinds that come only later (records by minutes and hours), by what they settle at.
    """
    if not samples:
        return {"seconds": 0}
    warm = [s for s in samples if s["at_s"] >= warm_up_s] or list(samples[-1:])
    first, last = warm[0], warm[-1]
    hours = [s["at_s"] / _HOUR_S for s in warm]
    rounds = [float(s["rounds"]) for s in warm]
    sized = [s for s in warm if s["kinds"]]
    a_round = {
        kind: line.per_unit
        for kind in (sized[-1]["kinds"] if sized else {})
        if (line := slope([float(s["rounds"]) for s in sized], [float(s["kinds"][kind]["bytes"]) for s in sized]))
    }
    days = {kind: numbers["days"] for kind, numbers in (sized[-1]["kinds"] if sized else {}).items()}
    year = projected_year({k: v for k, v in a_round.items() if k not in settled}, days, settled)
    made = last["rounds"] - first["rounds"]
    expected = last["newest_s"] - first["newest_s"]  # one a second
    return {
        "seconds": round(last["at_s"]),
        "counted_from_s": round(first["at_s"]),
        "rounds": made,
        "rounds_lost": max(0, expected - made),
        "held": last["held"],
        "pushes": {k: last["pushes"][k] - first["pushes"][k] for k in last["pushes"]},
        "feeds_with_a_price": min(s["feeds"] for s in warm),
        "rss_mb": {"first": _mb(first["rss"]), "last": _mb(last["rss"]), "most": _mb(max(s["rss"] for s in warm))},
        "rss_mb_an_hour": _line(slope(hours, [s["rss"] / 1e6 for s in warm])),
        "anonymous_mb_an_hour": _line(slope(hours, [s["anonymous"] / 1e6 for s in warm])),
        "files": {"first": first["files"], "last": last["files"], "most": max(s["files"] for s in warm)},
        "core": round((last["cpu_s"] - first["cpu_s"]) / max(1.0, last["at_s"] - first["at_s"]), 3),
        "late_ms": {
            **{f"p{p:g}": round(1e3 * late_at(first["late"], last["late"], p / 100), 1) for p in (50, 90, 99, 99.9)},
            "within": round(1e3 * late_at(first["late"], last["late"], 1.0)),
            "mean": round(1e3 * (last["late_sum_s"] - first["late_sum_s"]) / max(1, made), 1),
        },
        "packing": first["rounds"] >= _PACKING or f"begins after {_PACKING} rounds: bytes and year below are too high",
        "bytes_a_round": {k: round(v, 1) for k, v in a_round.items()},
        "file_bytes_a_round": _line(slope(rounds, [float(s["database"]) for s in warm])),
        "journal_bytes_a_round": _line(slope(rounds, [float(s["journal"]) for s in warm])),
        "wal_mb_most": _mb(max(s["wal"] for s in warm)),
        "year_mb": {k: _mb(v) for k, v in year.items() if v >= 10**4} | {"in all": _mb(sum(year.values()))},
        "below_1_gb": sum(year.values()) < 10**9,
    }


def _line(found: Slope | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"slope": round(found.per_unit, 3), "plus_minus": round(found.doubt, 3), "grows": found.is_growth}


def _mb(size: float) -> float:
    return round(size / 1e6, 1)
