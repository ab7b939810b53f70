"""User data as a case: a CSV or Parquet file with a column map, judged by the real pipeline.

Each price column is a source and a group of its own. A single one is taken as two groups that agree, for one group alone is
never more than watched and its data could not be judged. A row counts until the next one and ages meanwhile: a gap stays a gap.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path as File

from feeds.errors import LrtOracleError
from feeds.types import Kind, Pair
from feeds.units import MS
from lab.case import ROUND_S, Case
from lab.case_parser import stretched
from lab.data import columns_of, read_series, wad
from lab.expect import Expected
from lab.source_series import SeriesPath, SourceSeries
from oracle.config.sections import feed_section
from oracle.config.spec_builder import spec_of
from oracle.model.spec import FeedSpec, SourceSpec
from oracle.model.suggest import nearest

ROLES = ("time", "price", "redemption", "depth", "share", "supply", "backing")
_KINDS = {"redemption": Kind.REDEMPTION, "supply": Kind.SUPPLY, "backing": Kind.BACKING}
_RATE_AGE_S = 30 * 86_400
_SECOND = ", again"
_MOST_SILENT = 100_000
"""Rounds from one row to the next: at a row a minute ten weeks of nothing. One row of 1970 among rows of today is 280 times that."""
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


class UserDataError(LrtOracleError, ValueError):
    """The file or the column map cannot be used: what is wrong and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column is what. ``price`` may name several, each a source of its own; the other columns may be a number instead."""

    time: str = "time"
    price: tuple[str, ...] = ("price",)
    redemption: str | None = None
    depth: str | None = None
    share: str | None = None
    supply: str | None = None
    backing: str | None = None


def columns(text: str, present: Sequence[str]) -> Columns:
    """Read ``time=ts,price=a,price=b,redemption=r``; what is not named is looked for under its own name.

    Raises:
        UserDataError: an unknown role, or a column that the file has not.
    """
    named: dict[str, list[str]] = {}
    for part in filter(None, text.split(",")):
        role, _, column = part.strip().partition("=")
        if role not in ROLES or not column:
            raise UserDataError(
                f"{part!r} is not a column map; {nearest(role, ROLES)}: write time=a,price=b,redemption=c"
            )
        named.setdefault(role, []).append(column)
    for role, column in ((r, c) for r, cs in named.items() for c in cs):
        if column not in present and (role in ("time", "price") or not _NUMBER.fullmatch(column)):
            raise UserDataError(f"there is no column {column!r}; {nearest(column, present)}")
    columns_by_role = {
        role: named.get(role, [role if role in present else None])[0] for role in ROLES if role != "price"
    }
    time, prices = columns_by_role.pop("time"), tuple(named.get("price", ["price"] if "price" in present else []))
    if time is None or not prices:
        has = ", ".join(map(repr, present))
        raise UserDataError(f"a time and a price are needed; the columns are {has}: write --columns time=...,price=...")
    return Columns(time=time, price=prices, **columns_by_role)


def user_case(file: File, mapping: str, feed: str = "TOKEN/UNIT", like: FeedSpec | None = None) -> Case:
    """Make a case of a file.

    Args:
        file: .csv or .parquet.
        mapping: see :func:`columns`.
        feed: BASE/QUOTE, for what is printed.
        like: a feed whose method, bands and rules are used; None: the defaults.

    Raises:
        UserDataError: the file, its columns or its cells cannot be used.
    """
    try:
        pair = Pair.parse(feed)
        present = columns_of(file)
        names = columns(mapping, present)
        series = {p: read_series(file, names.time, p).values for p in names.price}
        others = {role: name for role in ROLES[2:] if (name := getattr(names, role))}
        extra = {r: read_series(file, names.time, n).values for r, n in others.items() if n in present}
        fixed = {r: wad(n, f"--columns {r}") for r, n in others.items() if n not in present}
    except (ValueError, OSError) as e:
        raise UserDataError(str(e)) from None
    times = sorted({at for rows in series.values() for at, _ in rows})
    if len(times) < 2:  # noqa: PLR2004 - one row has no time between
        raise UserDataError(f"{file.name} has fewer than two rows with a price")
    cadence_ms = _cadence_ms(times)
    _check_gaps(file, times, cadence_ms)
    extra |= {role: ((times[0], value),) for role, value in fixed.items()}
    tracks = tuple(replace(t, stamped=t.source not in fixed) for t in _sources(pair, series, extra, times[0]))
    return Case(
        name=file.stem,
        title=f"{file.name}: one's own data",
        source=file.name,
        facts=f"{len(times)} rows",
        synthesised="one price column is taken as two groups that agree" if len(series) == 1 else "nothing",
        began_ms=times[0],
        length_ms=times[-1] - times[0],
        cadence_ms=cadence_ms,
        specs=(_spec(feed, pair, tracks, cadence_ms // (ROUND_S * MS), like),),
        series={feed: tracks},
        feed=feed,
        truth=None,
        expected=Expected(),
        recorded=True,
    )


def _cadence_ms(times: Sequence[int]) -> int:
    """The median gap, as whole rounds."""
    gaps = sorted(b - a for a, b in pairwise(times))
    return max(1, gaps[len(gaps) // 2] // (ROUND_S * MS)) * ROUND_S * MS


def _check_gaps(file: File, times: Sequence[int], cadence_ms: int) -> None:
    """Refuse a gap that would take hours to play: usually it is one row with another unit of time."""
    before, after = max(pairwise(times), key=lambda pair: pair[1] - pair[0])
    silent = (after - before) // cadence_ms
    if silent > _MOST_SILENT:
        raise UserDataError(
            f"{file.name} has no row from {_utc(before)} to {_utc(after)}, which is {silent} rounds of"
            f" {cadence_ms // MS} s, at most {_MOST_SILENT}: correct the times of the rows there, or replay the parts alone"
        )


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // MS, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _sources(
    pair: Pair,
    series: Mapping[str, tuple[tuple[int, int], ...]],
    extra: Mapping[str, tuple[tuple[int, int], ...]],
    began_ms: int,
) -> tuple[SourceSeries, ...]:
    def path(rows: tuple[tuple[int, int], ...]) -> SeriesPath:
        return SeriesPath(points=tuple((at - began_ms, wad) for at, wad in rows), between="step")

    depth, share = (path(extra[role]) if extra.get(role) else None for role in ("depth", "share"))
    sources = [
        SourceSeries(
            source=name,
            pair=pair,
            group=name,
            kind=Kind.MARKET,
            price=path(rows),
            depth=depth,
            share=share,
            half_spread_bps=0,
            stamped=True,
        )
        for name, rows in series.items()
        if rows
    ]
    if len(sources) == 1:
        only = sources[0]
        sources.append(replace(only, source=only.source + _SECOND, group=only.group + _SECOND))
    sources += [
        SourceSeries(source=role, pair=pair, group=role, kind=kind, price=path(extra[role]), stamped=True)
        for role, kind in _KINDS.items()
        if extra.get(role)
    ]
    return tuple(sources)


def _spec(feed: str, pair: Pair, tracks: Sequence[SourceSeries], stretch: int, like: FeedSpec | None) -> FeedSpec:
    section = feed_section({})
    sources = [
        SourceSpec(
            name=t.source,
            pair=pair,
            kind=t.kind,
            group=t.group,
            max_age_s=section.max_age_s if t.kind is Kind.MARKET else _RATE_AGE_S,
        )
        for t in tracks
    ]
    plain = spec_of(feed, pair, section, sources)
    if like is not None:
        own = replace(like, share_of=None, legs=(), accept_single_group=False)
        plain = replace(
            own,
            feed=feed,
            pair=pair,
            sources=plain.sources,
            min_groups=min(own.min_groups, sum(t.kind is Kind.MARKET for t in tracks)),
            has_market=True,
            has_redemption=plain.has_redemption,
        )
    return stretched(plain, stretch)
