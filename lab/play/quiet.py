"""Quiet stretches of a replay are leapt over where that is proven to change nothing.

While the inputs of a feed stand still, what it remembers moves in straight lines, period after period: times grow with the
clock, sums grow by the same amount, all else stays. A round compares such numbers with limits and with one another, picks the
smaller or the larger, and divides with rounding down. A comparison of straight lines that comes out the same at the
beginning and at the end of a stretch comes out the same everywhere in it. So it is enough to see two periods with the same
results and the same growth, to put the memory where it must be many periods later, and to play one more period there with the
real round: where that has the same results and the same growth again, all rounds between have had them. Else the leap is taken back.

What a period is follows from what is kept one in so many rounds: deviations and depths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from math import lcm
from typing import Any

from feeds.units import MS
from oracle.judge.rules.fast_move import KEPT_A_WINDOW
from oracle.judge.rules.market import MOST_DEPTHS
from oracle.model.spec import FeedSpec

_MOST_PERIOD = 1_080
"""A period of more rounds is not looked for."""


def period_rounds(specs: Sequence[FeedSpec], round_ms: int, *, has_depth: bool) -> int | None:
    """After how many rounds the memory of feeds with constant inputs looks alike; None where that is too long to look for."""
    steps = [max(1, s.rules.moved_s * MS // KEPT_A_WINDOW) for s in specs]
    if has_depth:
        steps += [max(1, s.rules.depth_s * MS // MOST_DEPTHS) for s in specs]
    period = lcm(*(-(-step // round_ms) for step in steps))
    return period if period <= _MOST_PERIOD else None


class Snapshot:
    """The integers of a value in order, and everything else of it as its shape."""

    __slots__ = ("numbers", "shape", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.numbers: list[int] = []
        self.shape: list[Any] = []
        self._flatten(value)

    def _flatten(self, value: Any) -> None:
        if type(value) is int:
            self.numbers.append(value)
            self.shape.append(int)
        elif is_dataclass(value) and not isinstance(value, type):
            self.shape.append(type(value))
            for name in _field_names(type(value)):
                self._flatten(getattr(value, name))
        elif isinstance(value, tuple):
            self.shape.append(len(value))
            for item in value:
                self._flatten(item)
        elif isinstance(value, Mapping):
            self.shape.append(tuple(value))
            for item in value.values():
                self._flatten(item)
        else:
            self.shape.append(value)

    def growth_since(self, earlier: Snapshot) -> list[int] | None:
        """How much each integer has grown; None where the shapes differ."""
        if self.shape != earlier.shape:
            return None
        return [b - a for a, b in zip(earlier.numbers, self.numbers, strict=True)]

    def grown(self, growth: Sequence[int], times: int) -> Any:
        """The value after so many periods more."""
        numbers = iter([n + times * g for n, g in zip(self.numbers, growth, strict=True)])
        return _rebuilt(self.value, numbers)


_FIELDS: dict[type, tuple[str, ...]] = {}


def _field_names(kind: type) -> tuple[str, ...]:
    """Without the hours since the rate's last change: no round looks at them, and each with a price states them anew."""
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(f.name for f in fields(kind) if f.name != "redemption_age_h")
    return _FIELDS[kind]


def _rebuilt(value: Any, numbers: Any) -> Any:
    if type(value) is int:
        return next(numbers)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{name: _rebuilt(getattr(value, name), numbers) for name in _field_names(type(value))})
    if isinstance(value, tuple):
        return tuple(_rebuilt(item, numbers) for item in value)
    if isinstance(value, Mapping):
        return {key: _rebuilt(item, numbers) for key, item in value.items()}
    return value
