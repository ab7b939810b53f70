"""A case: an incident (or an honest day) as data, with its source, its facts, what is made up between them, and its expected result."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path as File
from typing import Any

from feeds.types import Kind, Pair
from feeds.units import MS
from lab.data import Series, read_series
from lab.track import Path, Track, path_of, spans_of, time_of
from oracle.config import FeedSection
from oracle.schema import ConfigError, Problem, build
from oracle.specs import spec_of
from oracle.types import FeedSpec, SourceSpec, Status

CASES = File(__file__).parent / "cases"
ROUND_S = 10
"""Round interval that dwell times and ages of a feed are written for; a case with rarer facts stretches them."""
_TRACK_KEYS = frozenset({
    "name", "kind", "group", "price", "between", "depth", "share", "silent", "broken", "half_spread_bps", "shifted_bps", "average_s",
    "average_blocks", "convert", "pair", "max_age_s", "file", "time", "value", "share_column",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A status that must be reached by a time, or may not be passed in an interval. Times: ms since the case began."""

    status: Status
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must come out of our own pipeline.

    Attributes:
        by: the status is at least this at some moment of the interval.
        never: the status is never worse than this in the interval.
        most_changes: of the status, in the whole case.
        max_error_bps: how far a published price (status not halt) may be from the truth.
        below, above: no published market price reaches these (wad).
        codes: reasons that must have been given; rejected: codes with which sources must have been refused.
        refused: for a case about a config: what the refusal must say.
        abstains: no price at all may be published in these intervals.
    """

    by: tuple[Said, ...] = ()
    never: tuple[Said, ...] = ()
    most_changes: int | None = None
    max_error_bps: int | None = None
    below: int | None = None
    above: int | None = None
    codes: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    refused: str | None = None
    abstains: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """See :mod:`lab.case`. Times in ms; ``truth`` is what the token was worth, by the feed's name."""

    name: str
    title: str
    source: str
    facts: str
    synthesised: str
    began_ms: int
    length_ms: int
    cadence_ms: int
    specs: tuple[FeedSpec, ...]
    tracks: Mapping[str, tuple[Track, ...]]
    feed: str
    truth: Path | None
    expected: Expected
    honest: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stretch(self) -> int:
        """How many times longer ages and dwells are than in production."""
        return max(1, self.cadence_ms // (ROUND_S * MS))


def names() -> list[str]:
    """Every case that is shipped."""
    return sorted(p.stem for p in CASES.glob("*.toml"))


def load(file: File, data: File | None = None) -> Case:
    """Read a case.

    Args:
        file: its TOML.
        data: folder of recorded series; a track that names a file uses it where it is there, else the facts typed in.

    Raises:
        ConfigError: with everything that is wrong with it.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ConfigError([Problem(str(file), f"is no case: {e}")]) from None
    problems: list[Problem] = []
    case = _case(file.stem, table, data, problems)
    if problems or case is None:
        raise ConfigError(problems)
    return case


def _case(name: str, table: Mapping[str, Any], data: File | None, problems: list[Problem]) -> Case | None:
    for key in ("title", "source", "facts", "synthesised"):
        if not isinstance(table.get(key), str):
            problems.append(Problem(key, "is missing: write a sentence"))
    config = table.get("config", {})
    start, end = table.get("start"), table.get("end")
    if not config and not (isinstance(start, datetime) and isinstance(end, datetime) and start < end):
        problems.append(Problem("start", "write start and end as 2022-05-01T00:00:00Z, in this order"))
    if problems:
        return None
    began = int(start.timestamp() * MS) if isinstance(start, datetime) else 0
    length = int(end.timestamp() * MS) - began if isinstance(end, datetime) else 0
    cadence = int(table.get("cadence_s", ROUND_S)) * MS
    specs, tracks = [], {}
    for feed, section in table.get("feeds", {}).items():
        spec, own = _feed(feed, section, began, max(1, cadence // (ROUND_S * MS)), data, problems)
        if spec is not None:
            specs.append(spec)
            tracks[feed] = own
    main = table.get("feed") or (specs[-1].feed if specs else "")
    truth = (
        path_of(table["truth"], began, "truth", problems, table.get("truth_between", "linear"))
        if "truth" in table
        else None
    )
    expected = _expected(table.get("expect", {}), began, length, problems)
    if problems:
        return None
    return Case(
        name=name,
        title=table["title"],
        source=table["source"],
        facts=table["facts"],
        synthesised=table["synthesised"],
        began_ms=began,
        length_ms=length,
        cadence_ms=cadence,
        specs=tuple(specs),
        tracks=tracks,
        feed=main,
        truth=truth,
        expected=expected,
        honest=bool(table.get("honest", False)),
        config=config,
    )


def _feed(
    feed: str, section: Any, began: int, stretch: int, data: File | None, problems: list[Problem]
) -> tuple[FeedSpec | None, tuple[Track, ...]]:
    where = f'feeds."{feed}"'
    if not isinstance(section, Mapping):
        problems.append(Problem(where, "expected a table"))
        return None, ()
    own = {k: _plain(v) for k, v in section.items() if k != "tracks"}
    settings = build(FeedSection, own, where, problems)
    pair = Pair.parse(feed.split("#")[0].split("@")[0])
    if settings is None:
        return None, ()
    tracks, sources = [], []
    for i, entry in enumerate(section.get("tracks", [])):
        made = _track(entry, f"{where}.tracks[{i}]", pair, settings, began, data, problems)
        if made is not None:
            tracks.append(made[0])
            sources.append(made[1])
    spec = spec_of(feed, pair, settings, sources)
    return stretched(spec, stretch), tuple(tracks)


def _plain(value: Any) -> Any:
    """TOML numbers as the config's own reader would give them."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return value


def _track(
    entry: Any, where: str, pair: Pair, settings: FeedSection, began: int, data: File | None, problems: list[Problem]
) -> tuple[Track, SourceSpec] | None:
    before = len(problems)
    problems.extend(Problem(f"{where}.{k}", "unknown key") for k in entry if k not in _TRACK_KEYS)
    if not isinstance(entry.get("name"), str):
        problems.append(Problem(f"{where}.name", "is missing"))
        return None
    name, kind = entry["name"], Kind(entry.get("kind", "market"))
    own = Pair.parse(entry["pair"]) if "pair" in entry else pair
    between = entry.get("between", "linear")
    price = path_of(entry.get("price"), began, f"{where}.price", problems, between) if "price" in entry else None
    share = path_of(entry["share"], began, f"{where}.share", problems, between) if "share" in entry else None
    series = _series(entry, data, where, problems)
    if series is not None:
        price = Path(points=tuple((at - began, wad) for at, wad in series.values), between="step")
        if series.shares:
            share = Path(points=tuple((at - began, wad) for at, wad in series.shares), between="step")
    shift = int(entry.get("shifted_bps", 0))
    if price is not None and shift:
        price = Path(points=tuple((t, p * (10_000 + shift) // 10_000) for t, p in price.points), between=price.between)
    if price is None:
        problems.append(
            Problem(f"{where}.price", "is missing: write a number, a list of [time, number], or a file that is there")
        )
    if len(problems) > before or price is None:
        return None
    group = entry.get("group", name)
    broken = entry.get("broken", [])
    spans = spans_of(broken, began, f"{where}.broken", problems)
    track = Track(
        source=name,
        pair=own,
        group=group,
        kind=kind,
        price=price,
        depth=path_of(entry["depth"], began, f"{where}.depth", problems, between) if "depth" in entry else None,
        share=share,
        silent=spans_of(entry.get("silent", []), began, f"{where}.silent", problems),
        broken=tuple(
            (a, b, str(e[2]) if len(e) > 2 else "UNREACHABLE") for (a, b), e in zip(spans, broken, strict=True)
        ),  # noqa: PLR2004 - the third is the code
        half_spread_bps=int(entry.get("half_spread_bps", 5)),
    )
    spec = SourceSpec(
        name=name,
        pair=own,
        kind=kind,
        group=group,
        max_age_ms=int(entry.get("max_age_s", settings.max_age_s)) * MS,
        average_ms=int(entry.get("average_s", 0)) * MS,
        average_blocks=int(entry.get("average_blocks", 3)),
        convert=entry.get("convert"),
    )
    return track, spec


def _series(entry: Mapping[str, Any], data: File | None, where: str, problems: list[Problem]) -> Series | None:
    """The recorded series of a track, where its file is there."""
    if "file" not in entry or data is None or not (data / entry["file"]).is_file():
        return None
    columns = {"time": entry.get("time", "timestamp"), "value": entry.get("value", "price")}
    try:
        return read_series(data / entry["file"], columns["time"], columns["value"], entry.get("share_column"))
    except ValueError as e:
        problems.append(Problem(f"{where}.file", str(e)))
        return None


def stretched(spec: FeedSpec, factor: int) -> FeedSpec:
    """The same feed for rounds that come `factor` times more rarely: ages and dwells are as many rounds long as before."""
    if factor == 1:
        return spec
    bands, rules = spec.bands, spec.rules
    return replace(
        spec,
        max_age_ms=spec.max_age_ms * factor,
        window_ms=spec.window_ms * factor,
        halt_after_ms=spec.halt_after_ms * factor,
        sources=tuple(
            replace(s, max_age_ms=s.max_age_ms * factor, average_ms=s.average_ms * factor) for s in spec.sources
        ),
        bands=replace(
            bands,
            watch_dwell_ms=bands.watch_dwell_ms * factor,
            depeg_dwell_ms=bands.depeg_dwell_ms * factor,
            leave_dwell_ms=bands.leave_dwell_ms * factor,
        ),
        rules=replace(rules, moved_ms=rules.moved_ms * factor, stuck_ms=rules.stuck_ms * factor),
    )


def _expected(table: Mapping[str, Any], began: int, length: int, problems: list[Problem]) -> Expected:
    known = {
        "by", "never", "most_changes", "max_error_bps", "below", "above", "codes", "rejected", "refused", "abstains",
    }  # fmt: skip
    problems.extend(Problem(f"expect.{k}", "unknown key") for k in table if k not in known)

    def said(key: str) -> tuple[Said, ...]:
        out = []
        for i, entry in enumerate(table.get(key, [])):
            where = f"expect.{key}[{i}]"
            word, *times = entry
            at = [time_of(t, began, where, problems) for t in times]
            start = at[0] if len(at) > 1 else 0
            stop = at[-1] if at else length
            if word not in {s.word for s in Status}:
                problems.append(Problem(where, f"{word!r} is no status"))
            elif start is not None and stop is not None:
                out.append(Said(status=Status[word.upper()], from_ms=start, to_ms=stop))
        return tuple(out)

    def wad(key: str) -> int | None:
        return int(Decimal(table[key]) * 10**18) if key in table else None

    return Expected(
        by=said("by"),
        never=said("never"),
        most_changes=table.get("most_changes"),
        max_error_bps=table.get("max_error_bps"),
        below=wad("below"),
        above=wad("above"),
        codes=tuple(table.get("codes", [])),
        rejected=tuple(table.get("rejected", [])),
        refused=table.get("refused"),
        abstains=spans_of(table.get("abstains", []), began, "expect.abstains", problems),
    )
