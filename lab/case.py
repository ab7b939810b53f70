"""A case: an incident (or an honest day) as data: its source, its facts, what is made up between them, and what is expected."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path as File
from typing import Any

from feeds.units import MS
from lab.case_parser import CaseParser
from lab.expect import Expected, expected_of
from lab.source_series import SeriesPath, SourceSeries, path_of
from oracle.config.tables.schema import ConfigError, Problem
from oracle.model.spec import FeedSpec
from oracle.model.suggest import nearest

CASES = File(__file__).parent / "cases"
ROUND_S = 10
"""Round interval that dwell times and ages of a feed are written for; a case with rarer facts stretches them."""
_KEYS = frozenset({
    "title", "source", "facts", "synthesised", "honest", "start", "end", "cadence_s", "warm_up_s", "feed", "feeds", "truth",
    "truth_between", "config", "expect",
})  # fmt: skip
_SENTENCES = ("title", "source", "facts", "synthesised")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """See :mod:`lab.case`. Times in ms; ``truth`` is what a unit of the feed's token was worth.

    ``warm_up_ms``: the feed runs for so long on the values of the beginning first, so that its start is not measured.
    ``honest``: nobody attacked and nothing broke, so every alarm is a false one. ``recorded``: a file was used.
    """

    name: str
    title: str
    source: str
    facts: str
    synthesised: str
    began_ms: int
    length_ms: int
    cadence_ms: int
    specs: tuple[FeedSpec, ...]
    series: Mapping[str, tuple[SourceSeries, ...]]
    feed: str
    truth: SeriesPath | None
    expected: Expected
    warm_up_ms: int = 0
    honest: bool = False
    recorded: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stretch(self) -> int:
        """How many times longer ages and dwells are than in production."""
        return max(1, self.cadence_ms // (ROUND_S * MS))

    @property
    def spec(self) -> FeedSpec:
        """The feed that the case is about."""
        return next(s for s in self.specs if s.feed == self.feed)

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
    cadence = int(table.get("cadence_s", ROUND_S)) * MS
    if cadence < ROUND_S * MS:
        problems.append(Problem("cadence_s", f"must be at least {ROUND_S}"))
    if problems:
        raise ConfigError(problems)
    began, length = span or (0, 0)
    parser = CaseParser(began_ms=began, stretch=cadence // (ROUND_S * MS), data=data, problems=problems)
    parsed = {name: parser.parse_feed(name, section) for name, section in table.get("feeds", {}).items()}
    feeds = {name: f for name, f in parsed.items() if f is not None}
    main = table.get("feed") or next(reversed(feeds), "")
    if not config and main not in feeds:
        problems.append(Problem("feed", f"{main!r} is not one of the feeds; {nearest(main, feeds)}"))
    series = {name: f[1] for name, f in feeds.items()}
    truth = _truth(table, began, series.get(main, ()), problems)
    expected = expected_of(table.get("expect", {}), began, length, problems)
    if problems:
        raise ConfigError(problems)
    return Case(
        **{k: table[k] for k in _SENTENCES},
        name=name,
        began_ms=began,
        length_ms=length,
        cadence_ms=cadence,
        specs=tuple(f[0] for f in feeds.values()),
        series=series,
        feed=main,
        truth=truth,
        expected=expected,
        warm_up_ms=int(table.get("warm_up_s", 0)) * MS // cadence * cadence,
        honest=bool(table.get("honest", False)),
        recorded=any(s.stamped for own in series.values() for s in own),
        config=config,
    )


def _span(table: Mapping[str, Any]) -> tuple[int, int] | None:
    """Beginning (Unix ms) and length (ms) of a case; None unless both are times, in order."""
    start, end = table.get("start"), table.get("end")
    if not isinstance(start, datetime) or not isinstance(end, datetime) or not (start.tzinfo and end.tzinfo):
        return None
    began, ended = (int(t.timestamp() * MS) for t in (start, end))
    return (began, ended - began) if began < ended else None


def _truth(
    table: Mapping[str, Any], began: int, series: tuple[SourceSeries, ...], problems: list[Problem]
) -> SeriesPath | None:
    """What the token was worth: a path, or the name of the track that is the truth."""
    if "truth" not in table:
        return None
    if not isinstance(table["truth"], str):
        return path_of(table["truth"], began, "truth", problems, table.get("truth_between", "linear"))
    prices = {s.source: s.price for s in series}
    if table["truth"] not in prices:
        problems.append(Problem("truth", f"{table['truth']!r} is not a track; {nearest(table['truth'], prices)}"))
    return prices.get(table["truth"])
