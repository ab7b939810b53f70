"""What the two tricks of the core buy: each beside the plain way, in the same run, as a ratio.

``record``: :func:`feeds.record.record` against the dataclass's own ``__init__``, for the class that a round makes most of.
``source_index``: a kept index of a spec against building it, and against an ordinary cache, which has to hash the spec.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, field, fields, make_dataclass
from typing import Any

from demo.bench.tools import median_sync_ms
from oracle.combine.inputs import SourceIndex, source_index
from oracle.model.spec import FeedSpec
from oracle.model.types import Input

_MADE = 20_000
_ASKED = 500


def tricks(spec: FeedSpec) -> dict[str, Any]:
    """Measure both; the spec is that of a usual feed."""
    return {"record": _record(), "source_index": _source_index(spec)}


def _record() -> dict[str, Any]:
    values: dict[str, Any] = {f.name: place for place, f in enumerate(fields(Input))}
    plain = make_dataclass(
        "Plain",
        [
            (f.name, object) if f.default is MISSING else (f.name, object, field(default=f.default))
            for f in fields(Input)
        ],
        frozen=True,
        slots=True,
        kw_only=True,
    )
    quick_ms, plain_ms = (_ms(kind, values) for kind in (Input, plain))
    return {
        "quick_per_s": round(_MADE * 1_000 / quick_ms),
        "plain_per_s": round(_MADE * 1_000 / plain_ms),
        "ratio": round(plain_ms / quick_ms, 2),
    }


def _ms(kind: Callable[..., object], values: dict[str, Any]) -> float:
    def make() -> None:
        for _ in range(_MADE):
            kind(**values)

    return median_sync_ms(make)


def _source_index(spec: FeedSpec) -> dict[str, Any]:
    kept_us, built_us, hashed_us = (_us(work, spec) for work in (source_index, SourceIndex, hash))
    return {
        "kept_us": round(kept_us, 3),
        "built_us": round(built_us, 3),
        "hashed_us": round(hashed_us, 3),
        "ratio": round(built_us / kept_us, 1),
    }


def _us(work: Callable[[FeedSpec], object], spec: FeedSpec) -> float:
    def ask() -> None:
        for _ in range(_ASKED):
            work(spec)

    return median_sync_ms(ask) * 1_000 / _ASKED
