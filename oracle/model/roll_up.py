"""Records of a minute or an hour as one: what is left of them where they are too old to be kept one by one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from feeds.units import Wad
from oracle.model.publication import Record
from oracle.model.status import Status

MINUTE_S, HOUR_S = 60, 3_600
_COLUMNS = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class RollUp:
    """The records of a feed whose rounds began within a step.

    ``first_s``, ``last_s``: of its rounds. ``open_wad`` to ``close_wad``: of the price in the feed's mode, 0 where there was none.
    ``market_wad``, ``redemption_wad``: of the last round with a price; 0: absent. ``worst``: status of them all; ``status``: of the
    last one.
    """

    first_s: int
    last_s: int
    rounds: int
    open_wad: Wad
    high_wad: Wad
    low_wad: Wad
    close_wad: Wad
    market_wad: Wad
    redemption_wad: Wad
    worst: Status
    status: Status

    def start_s(self, step_s: int) -> int:
        """When its step began."""
        return self.first_s - self.first_s % step_s


def of_record(record: Record) -> RollUp:
    """One record by itself."""
    report, price = record.report, record.price_wad
    return RollUp(
        first_s=report.round_time_s, last_s=report.round_time_s, rounds=1, open_wad=price, high_wad=price, low_wad=price,
        close_wad=price, market_wad=report.market_wad if price else Wad(0),
        redemption_wad=report.redemption_wad if price else Wad(0), worst=report.status, status=report.status,
    )  # fmt: skip


def merged(parts: Iterable[RollUp], step_s: int) -> list[RollUp]:
    """One for each step, ascending. Of records with a price the order, and how they were cut before, makes no difference."""
    steps: dict[int, RollUp] = {}
    for part in sorted(parts, key=lambda p: (p.first_s, p.last_s)):
        start_s = part.start_s(step_s)
        steps[start_s] = _joined(steps[start_s], part) if start_s in steps else part
    return list(steps.values())


def _joined(one: RollUp, other: RollUp) -> RollUp:
    """Two of which the first began earlier; where that is the same, it makes no difference."""
    last = other if other.last_s >= one.last_s else one
    whole = replace(
        one, last_s=last.last_s, rounds=one.rounds + other.rounds, worst=max(one.worst, other.worst), status=last.status
    )
    if not other.close_wad:
        return whole
    if not one.close_wad:
        prices = {n: getattr(other, n) for n in RollUp.__slots__ if n.endswith("_wad")}
        return replace(whole, **prices)
    return replace(
        whole, high_wad=max(one.high_wad, other.high_wad), low_wad=min(one.low_wad, other.low_wad),
        close_wad=last.close_wad, market_wad=last.market_wad, redemption_wad=last.redemption_wad,
    )  # fmt: skip


def as_numbers(parts: Sequence[RollUp], start_s: int) -> list[list[int]]:
    """Columns of small numbers: times from a start, prices from the one before, so that they pack well."""
    rows, last = [], 0
    for p in parts:
        rows.append([
            p.first_s - start_s, p.last_s - p.first_s, p.rounds, p.open_wad - last, p.high_wad - p.open_wad,
            p.low_wad - p.open_wad, p.close_wad - p.open_wad, p.market_wad - p.close_wad, p.redemption_wad - p.close_wad,
            int(p.worst), int(p.status),
        ])  # fmt: skip
        last = p.close_wad
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(_COLUMNS)]


def from_numbers(columns: Sequence[Sequence[int]], start_s: int) -> list[RollUp]:
    """What :func:`as_numbers` was given."""
    parts, last = [], 0
    for first, length, rounds, opened, high, low, close, market, redemption, worst, status in zip(
        *columns, strict=True
    ):
        open_wad = last + opened
        last = open_wad + close
        parts.append(
            RollUp(
                first_s=start_s + first, last_s=start_s + first + length, rounds=rounds, open_wad=Wad(open_wad),
                high_wad=Wad(open_wad + high), low_wad=Wad(open_wad + low), close_wad=Wad(last),
                market_wad=Wad(last + market), redemption_wad=Wad(last + redemption), worst=Status(worst),
                status=Status(status),
            )
        )  # fmt: skip
    return parts
