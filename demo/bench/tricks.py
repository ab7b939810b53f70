"""What the trick of the core buys, beside the plain way, in the same run, as a ratio.

``record``: :func:`feeds.record.record` against the dataclass's own ``__init__``, for the class that a round makes most of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, field, fields, make_dataclass
from typing import Any

from demo.bench.tools import median_sync_ms
from oracle.model.types import Input

_MADE = 20_000


def tricks() -> dict[str, Any]:
    """Measure it."""
    return {"record": _record()}


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
