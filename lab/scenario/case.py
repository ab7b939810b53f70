"""A case: an incident (or an honest day) as data: its source, its facts, what is made up between them, and what is expected."""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path as File
from typing import Any

from feeds.units import MS
from lab.scenario.attack import EVERY_MS, MOST_SOURCES, Attack, depths_of, ladder, under_attack
from lab.scenario.case_parser import CaseParser
from lab.scenario.expect import Expected, expected_of
from lab.scenario.rows import FAR_MS, Between, RowPath
from lab.scenario.source_series import Path, SourceSeries, path_of
from oracle.config.tables.schema import ConfigError, Problem
from oracle.model.spec import FeedSpec
from oracle.model.suggest import nearest

CASES = File(__file__).parent.parent / "cases"
ROUND_S = 10
"""Interval of the rounds of a case that names none: that of production."""
_KEYS = frozenset({
    "title", "source", "facts", "synthesised", "honest", "start", "end", "round_s", "gap_s", "warm_up_s", "feed", "feeds", "truth",
    "truth_between", "config", "expect", "part", "licence", "attacked",
})  # fmt: skip
MOST_ROUND_S = 60
"""An answer counts for a minute by default, and a feed without a price for five is in halt: rounds further apart are no rounds."""
TRAIN, HELD_OUT = PARTS = ("train", "held-out")
OWN_FACTS = "facts, which are nobody's; the words are this repository's and under its licence"
_SENTENCES = ("title", "source", "facts", "synthesised")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnData:
    """What is to be said of a case that was made of a table.

    Attributes:
        between: what is assumed between two rows.
        spacing_ms: usually from one row to the next; an event may be so much older than its row.
        columns: what each column was taken for.
        notes: a sentence for everything that was put in order, left out, or not judged.
        unknown: why no status can be told; empty where one can.
    """

    between: Between
    spacing_ms: int
    columns: str
    notes: tuple[str, ...]
    unknown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """See :mod:`lab.scenario.case`. Times in ms; ``truth`` is what a unit of the feed's token was worth.

    ``round_ms``: between two rounds. ``row_rounds_ms``: times (since it began, ascending, whole seconds) of rows that are looked at
    by a round of their own. ``stretch``: how many times longer ages, windows and dwells are than in production.
    ``warm_up_ms``: the feed runs for so long on the values of the beginning first, so that its start is not measured.
    ``part``: train or held-out, and ``licence`` of its facts: see docs/benchmark.md. ``own``: of a case that was made of a table.
    ``attacks``: what is done to its sources, one attack after the other (:mod:`lab.scenario.attack`).
    ``honest``: nobody attacked and nothing broke, so every alarm is a false one. ``recorded``: a file was used.
    """

    name: str
    title: str
    source: str
    facts: str
    synthesised: str
    began_ms: int
    length_ms: int
    round_ms: int
    specs: tuple[FeedSpec, ...]
    series: Mapping[str, tuple[SourceSeries, ...]]
    feed: str
    truth: Path | None
    expected: Expected
    row_rounds_ms: Sequence[int] = ()
    stretch: int = 1
    own: OwnData | None = None
    warm_up_ms: int = 0
    honest: bool = False
    recorded: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    part: str = TRAIN
    licence: str = OWN_FACTS
    attacks: tuple[Attack, ...] = ()

    @property
    def spec(self) -> FeedSpec:
        """The feed that the case is about."""
        return next(s for s in self.specs if s.feed == self.feed)

    def next_round_ms(self, t_ms: int) -> int:
        """The time of the round after one at this time: the next interval's, or that of a row before it."""
        following = (t_ms // self.round_ms + 1) * self.round_ms
        place = bisect_right(self.row_rounds_ms, t_ms)
        return min(following, self.row_rounds_ms[place]) if place < len(self.row_rounds_ms) else following

    def next_change_ms(self, t_ms: int) -> int:
        """The first later time at which a source may answer something else, or the truth be another one."""
        paths = (s.next_change_ms(t_ms) for series in self.series.values() for s in series)
        return min((*paths, self.truth.next_change_ms(t_ms) if self.truth else FAR_MS), default=FAR_MS)

    def with_method(self, method: str) -> Case:
        """The same case with another method in its own feed."""
        specs = tuple(replace(s, method=method) if s.feed == self.feed else s for s in self.specs)
        return replace(self, specs=specs)


def names() -> list[str]:
    """Every case that is shipped."""
    return sorted(p.stem for p in CASES.glob("*.toml"))


def load(file: File, data: File | None = None) -> Case:
    """Read a case.

    Args:
        file: its TOML.
        data: folder of recorded series; a track that names a file uses it if it exists, else the facts typed in.

    Raises:
        ConfigError: with everything that is wrong with it.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ConfigError([Problem(str(file), f"is not a case: {e}")]) from None
    return parse(file.stem, table, data)


def parse(name: str, table: Mapping[str, Any], data: File | None = None) -> Case:
    """Turn a parsed TOML document (its floats as Decimal) into a case; raises ConfigError as :func:`load` does."""
    problems = [Problem(k, f"unknown key; {nearest(k, _KEYS)}") for k in table if k not in _KEYS]
    problems += [Problem(k, "is missing: write a sentence") for k in _SENTENCES if not isinstance(table.get(k), str)]
    config, span = table.get("config", {}), _span(table)
    if not config and span is None:
        problems.append(Problem("start", "write start and end as 2022-05-01T00:00:00Z, in this order"))
    round_s, gap_s = int(table.get("round_s", ROUND_S)), table.get("gap_s")
    if not 1 <= round_s <= MOST_ROUND_S:
        problems.append(Problem("round_s", f"must be from 1 to {MOST_ROUND_S}"))
    if problems:
        raise ConfigError(problems)
    began, length = span or (0, 0)
    part = table.get("part", TRAIN)
    if part not in PARTS:
        problems.append(Problem("part", f"{part!r} is unknown: write {' or '.join(PARTS)}"))
    gap_ms = None if gap_s is None else int(gap_s) * MS
    parser = CaseParser(began_ms=began, gap_ms=gap_ms, data=data, problems=problems)
    parsed = {name: parser.parse_feed(name, section) for name, section in table.get("feeds", {}).items()}
    feeds = {name: f for name, f in parsed.items() if f is not None}
    main = table.get("feed") or next(reversed(feeds), "")
    if not config and main not in feeds:
        problems.append(Problem("feed", f"{main!r} is not one of the feeds; {nearest(main, feeds)}"))
    series = {name: f[1] for name, f in feeds.items()}
    truth = _truth(table, began, series.get(main, ()), problems)
    attacks = _attacks(series.get(main, ()), length, problems) if table.get("attacked") else ()
    if attacks:
        series[main] = tuple(under_attack(s, attacks) for s in series[main])
    expected = expected_of(table.get("expect", {}), began, length, problems)
    if problems:
        raise ConfigError(problems)
    return Case(
        **{k: table[k] for k in _SENTENCES},
        name=name,
        began_ms=began,
        length_ms=length,
        round_ms=round_s * MS,
        specs=tuple(f[0] for f in feeds.values()),
        series=series,
        feed=main,
        truth=truth,
        expected=expected,
        warm_up_ms=int(table.get("warm_up_s", 0)) // round_s * round_s * MS,
        honest=bool(table.get("honest", False)),
        recorded=any(isinstance(s.price, RowPath) for own in series.values() for s in own),
        config=config,
        part=part,
        licence=str(table.get("licence", OWN_FACTS)),
        attacks=attacks,
    )


def _attacks(series: Sequence[SourceSeries], length: int, problems: list[Problem]) -> tuple[Attack, ...]:
    """The attacks on the market sources of a case, each of which must state a depth."""
    stated = depths_of(series)
    depths = {name: depth for name, depth in stated.items() if depth is not None}
    if len(depths) < len(stated) or not 1 <= len(depths) <= MOST_SOURCES:
        problems.append(
            Problem("attacked", f"write a depth for each market track, of which there are 1 to {MOST_SOURCES}")
        )
        return ()
    attacks = ladder(depths)
    needed = attacks[-1].from_ms + EVERY_MS
    if length != needed:
        problems.append(
            Problem("end", f"{len(attacks)} attacks take {needed // MS} s, from start to end are {length // MS}")
        )
    return attacks


def _span(table: Mapping[str, Any]) -> tuple[int, int] | None:
    """Beginning (Unix ms) and length (ms) of a case; None unless both are times, in order."""
    start, end = table.get("start"), table.get("end")
    if not isinstance(start, datetime) or not isinstance(end, datetime) or not (start.tzinfo and end.tzinfo):
        return None
    began, ended = (int(t.timestamp() * MS) for t in (start, end))
    return (began, ended - began) if began < ended else None


def _truth(
    table: Mapping[str, Any], began: int, series: tuple[SourceSeries, ...], problems: list[Problem]
) -> Path | None:
    """What the token was worth: a path, or the name of the track that is the truth."""
    if "truth" not in table:
        return None
    if not isinstance(table["truth"], str):
        return path_of(table["truth"], began, "truth", problems, table.get("truth_between", "linear"))
    prices = {s.source: s.price for s in series}
    if table["truth"] not in prices:
        problems.append(Problem("truth", f"{table['truth']!r} is not a track; {nearest(table['truth'], prices)}"))
    return prices.get(table["truth"])
