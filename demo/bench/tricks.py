"""What the tricks of the core buy, beside the plain way, in the same run, as ratios.

``record``: :func:`feeds.record.record` against the dataclass's own ``__init__``, for the class that a round makes most of.
``with_weight``: :meth:`oracle.model.types.Input.with_weight` against ``dataclasses.replace``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, field, fields, make_dataclass, replace
from typing import Any

from demo.bench.tools import median_sync_ms
from feeds.units import WAD, Wad
from oracle.model.types import Input

_MADE = 20_000


def tricks() -> dict[str, Any]:
    """Measure them."""
    return {"record": _record(), "with_weight": _with_weight()}


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
    return _compared(lambda: Input(**values), lambda: plain(**values))


def _with_weight() -> dict[str, Any]:
    entry = Input(source="a", group="a", price_wad=Wad(WAD), weight=0, at_ms=0)
    return _compared(lambda: entry.with_weight(1), lambda: replace(entry, weight=1))


def _compared(quick: Callable[[], object], plain: Callable[[], object]) -> dict[str, Any]:
    quick_ms, plain_ms = _ms(quick), _ms(plain)
    return {
        "quick_per_s": round(_MADE * 1_000 / quick_ms),
        "plain_per_s": round(_MADE * 1_000 / plain_ms),
        "ratio": round(plain_ms / quick_ms, 2),
    }


def _ms(make: Callable[[], object]) -> float:
    def make_all() -> None:
        for _ in range(_MADE):
            make()

    return median_sync_ms(make_all)
