"""A track: what one source answered over time, from facts typed in, from a file, or from both."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from feeds.errors import ERRORS
from feeds.types import Failure, Kind, Observation, Outcome, Pair, Print
from feeds.units import BPS, MS, WAD, Wad
from lab.scenario.rows import FAR_MS, RowPath
from oracle.config.tables.schema import Problem

_POINT = 2
_BLOCK_MS = 12_000
_LINEAR, _STEP, _DAILY = "linear", "step", "daily"
_DAY_MS = 86_400 * MS


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPath:
    """A value over time: points (ms since the case began, wad), and what holds between them.

    ``linear``: a straight line between two facts. ``step``: a fact holds until the next. ``daily``: the straight line, taken in
    a step a day, counted from the first fact.
    Before the first point there is no value, after the last it does not change.
    """

    points: tuple[tuple[int, int], ...]
    between: str = _LINEAR

    @property
    def first(self) -> int:
        """The first value."""
        return self.points[0][1]

    def at(self, t_ms: int) -> int | None:
        """Value at a time; None before the first point. Straight lines are rounded down."""
        place = bisect_right(self.points, t_ms, key=lambda p: p[0]) - 1
        if place < 0:
            return None
        at, value = self.points[place]
        if self.between == _STEP or place + 1 == len(self.points):
            return value
        later, then = self.points[place + 1]
        if self.between == _DAILY:
            t_ms = max(at, t_ms - (t_ms - self.points[0][0]) % _DAY_MS)
        return value + (then - value) * (t_ms - at) // (later - at)

    def answered_ms(self, t_ms: int) -> int:
        """When the source last said so: at every moment."""
        return t_ms

    def next_change_ms(self, t_ms: int) -> int:
        """The first later time at which the value may be another one."""
        place = bisect_right(self.points, t_ms, key=lambda p: p[0]) - 1
        if place + 1 == len(self.points):
            return FAR_MS
        later, then = self.points[place + 1]
        moves = place >= 0 and self.between != _STEP and then != self.points[place][1]
        if moves and self.between == _DAILY:
            return min(later, t_ms + _DAY_MS - (t_ms - self.points[0][0]) % _DAY_MS)
        return t_ms + 1 if moves else later

    def scaled(self, numerator: int, denominator: int) -> SeriesPath:
        """The same path with every value at this ratio, rounded down."""
        points = tuple((at, value * numerator // denominator) for at, value in self.points)
        return SeriesPath(points=points, between=self.between)

    def lowest(self, from_ms: int, to_ms: int) -> int | None:
        """The lowest value within a span."""
        inside = [value for at, value in self.points if from_ms < at <= to_ms]
        ends = (self.at(from_ms), self.at(to_ms))
        return min((*inside, *(v for v in ends if v is not None)), default=None)


Path = SeriesPath | RowPath


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSeries:
    """One source of one feed.

    Attributes:
        price: its price (or rate, supply, backing) in wad.
        depth: base units that move it by 1 %, in wad; None for a venue that shows none.
        share: of a stable pool's value in the token, in wad (0.7 is 70 %).
        silent: intervals (ms) in which the source is connected and sends nothing: its last answer ages.
        late: intervals (ms) with a lag (ms): the source repeats its answer of so long ago, with the time of then.
        broken: intervals (ms) with the code of the error that it gives.
        moved: intervals (ms) in which somebody holds its market so far (bps) from its price.
        half_spread_bps: of its bid and ask around the price.
        bid, ask: both, where they are known.
        volume: base units of the trade that each price is of, where that is known.
    """

    source: str
    pair: Pair
    group: str
    kind: Kind
    price: Path
    depth: Path | None = None
    share: Path | None = None
    silent: tuple[tuple[int, int], ...] = ()
    late: tuple[tuple[int, int, int], ...] = ()
    broken: tuple[tuple[int, int, str], ...] = ()
    moved: tuple[tuple[int, int, int], ...] = ()
    half_spread_bps: int = 5
    bid: Path | None = None
    ask: Path | None = None
    volume: Path | None = None

    def at(self, t_ms: int, began_ms: int) -> Outcome:
        """What the source answered at a time (ms since the case began)."""
        code = next((c for a, b, c in self.broken if a <= t_ms < b), None)
        answer_ms = next((a for a, b in self.silent if a <= t_ms < b), t_ms)
        answer_ms -= next((lag for a, b, lag in self.late if a <= t_ms < b), 0)
        price = self.price.at(answer_ms)
        moved_bps = BPS + next((bps for a, b, bps in self.moved if a <= answer_ms < b), 0)
        price = None if price is None else price * moved_bps // BPS
        if code is None and (price is None or price <= 0):
            code = "NO_DATA" if price is None else "NOT_POSITIVE"
        if code is not None or price is None:
            error = ERRORS[code or "NO_DATA"]("as in the case")
            return Failure(pair=self.pair, source=self.source, error=error, failed_at_ms=began_ms + t_ms)
        at_ms = began_ms + self.price.answered_ms(answer_ms)
        on_chain = self.group.startswith("chain:")
        quoted = self.kind is Kind.MARKET
        spread = price * self.half_spread_bps // BPS
        bid, ask = (p.at(answer_ms) if p else None for p in (self.bid, self.ask))
        if bid is None or ask is None:
            bid, ask = price - spread, price + spread
        else:
            bid, ask = bid * moved_bps // BPS, ask * moved_bps // BPS
        if bid > ask:
            error = ERRORS["CROSSED"]("the row's bid is above its ask")
            return Failure(pair=self.pair, source=self.source, error=error, failed_at_ms=began_ms + t_ms)
        share = self.share.at(answer_ms) if self.share else None
        return Observation(
            pair=self.pair,
            source=self.source,
            group=self.group,
            kind=self.kind,
            price_wad=Wad(price),
            observed_at_ms=at_ms,
            bid_wad=Wad(bid) if quoted else None,
            ask_wad=Wad(ask) if quoted else None,
            depth_wad=self.depth.at(answer_ms) if self.depth else None,
            base_share_bps=share * BPS // WAD if share is not None else None,
            chain_id=1 if on_chain else None,
            block=at_ms // _BLOCK_MS if on_chain else None,
            prints=self._prints(answer_ms, began_ms, price),
        )

    def _prints(self, answer_ms: int, began_ms: int, price: int) -> tuple[Print, ...]:
        """The trade that the row is of, where its volume is known."""
        volume = self.volume.at(answer_ms) if self.volume else None
        if not volume or not isinstance(self.price, RowPath):
            return ()
        return (Print(at_ms=began_ms + self.price.row_ms(answer_ms), price_wad=Wad(price), volume_wad=volume),)

    def next_change_ms(self, t_ms: int) -> int:
        """The first later time at which the source may answer something else than that it goes on."""
        if any(b > t_ms for _, b, _ in self.late):
            return t_ms + 1
        spans = [*self.silent, *((a, b) for a, b, _ in (*self.broken, *self.moved))]
        edges = [e for span in spans for e in span if e > t_ms]
        paths = (self.price, self.depth, self.share, self.bid, self.ask, self.volume)
        return min((*edges, *(p.next_change_ms(t_ms) for p in paths if p is not None)), default=FAR_MS)


def path_of(
    value: Any, began_ms: int, where: str, problems: list[Problem], between: str = _LINEAR
) -> SeriesPath | None:
    """Read a path: a number, or a list of [time, number]; a time is seconds since the beginning or an RFC 3339 text."""
    if not isinstance(value, list):
        wad = _wad(value, where, problems)
        return None if wad is None else SeriesPath(points=((0, wad),), between=_STEP)
    points: list[tuple[int, int]] = []
    for i, point in enumerate(value):
        here = f"{where}[{i}]"
        if not isinstance(point, list) or len(point) != _POINT:
            problems.append(Problem(here, "write [time, number]"))
            continue
        at, wad = time_of(point[0], began_ms, here, problems), _wad(point[1], here, problems)
        if at is not None and wad is not None:
            points.append((at, wad))
    if not value:
        problems.append(Problem(where, "is empty: write a list of [time, number]"))
    if any(a[0] >= b[0] for a, b in pairwise(points)):
        problems.append(Problem(where, "times must ascend"))
    if between not in (_LINEAR, _STEP, _DAILY):
        problems.append(Problem(where, f"{between!r} is unknown: write linear, step or daily"))
    return SeriesPath(points=tuple(points), between=between) if points else None


def time_of(value: Any, began_ms: int, where: str, problems: list[Problem]) -> int | None:
    """Milliseconds since the case began, from seconds or a date and time."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return int(value.timestamp() * MS) - began_ms
    if isinstance(value, int) and not isinstance(value, bool):
        return value * MS
    problems.append(
        Problem(where, f"{value!r} is not a time: write seconds since the beginning, or 2022-05-12T06:44:00Z")
    )
    return None


def spans_of(value: Any, began_ms: int, where: str, problems: list[Problem]) -> tuple[tuple[int, int], ...]:
    """Read intervals: a list of [from, to]."""
    out = []
    for i, span in enumerate(value if isinstance(value, list) else [value]):
        here = f"{where}[{i}]"
        if not isinstance(span, list) or len(span) < _POINT:
            problems.append(Problem(here, "write [from, to]"))
            continue
        a, b = (time_of(t, began_ms, here, problems) for t in span[:2])
        if a is not None and b is not None and a >= b:
            problems.append(Problem(here, "ends before it begins"))
        elif a is not None and b is not None:
            out.append((a, b))
    return tuple(out)


def _wad(value: Any, where: str, problems: list[Problem]) -> int | None:
    """A number exactly as it is written (TOML numbers are read as Decimal)."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        problems.append(Problem(where, f"{value!r} is not a number"))
        return None
    return int(Decimal(value) * WAD)
