"""Parse a case's feeds and tracks from its TOML into specs and source series; every problem is collected."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path as File
from typing import Any

from feeds.errors import ERRORS
from feeds.types import Kind, Pair
from feeds.units import MS
from lab.scenario.rows import FAR_MS, GAP_SPACINGS, Between, RowPath, usual_spacing_ms
from lab.scenario.source_series import Path, SeriesPath, SourceSeries, path_of, spans_of
from lab.tables.data import Series, read_series
from oracle.config.spec_builder import spec_of
from oracle.config.tables.feed_sections import FeedSection
from oracle.config.tables.schema import Problem, build
from oracle.model.spec import FeedSpec, SourceSpec
from oracle.model.suggest import nearest

_TRACK_KEYS = frozenset({
    "name", "kind", "group", "price", "between", "depth", "share", "silent", "late", "broken", "half_spread_bps", "shifted_bps",
    "average_s", "average_blocks", "convert", "pair", "max_age_s", "file", "time", "value", "share_column", "only", "rail",
})  # fmt: skip
_PAIR, _WITH_MORE = 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseParser:
    """Parses the feeds of a case, given when it begins, how far apart rows with nothing between are, and where recorded series are."""

    began_ms: int
    gap_ms: int | None
    data: File | None
    problems: list[Problem]

    def parse_feed(self, name: str, section: Any) -> tuple[FeedSpec, tuple[SourceSeries, ...]] | None:
        """One ``[feeds."BASE/QUOTE"]`` of a case: as in the config, with tracks instead of sources."""
        where = f'feeds."{name}"'
        if not isinstance(section, Mapping):
            self._add_problem(where, "expected a table")
            return None
        own = {k: _plain(v) for k, v in section.items() if k != "tracks"}
        settings = build(FeedSection, own, where, self.problems)
        pair = self._parse_pair(name.partition("#")[0].partition("@")[0], where)
        if settings is None or pair is None:
            return None
        entries = section.get("tracks", [])
        parsed = [self._parse_track(e, f"{where}.tracks[{i}]", pair, settings) for i, e in enumerate(entries)]
        tracks = [p for p in parsed if p is not None]
        spec = spec_of(name, pair, settings, [s for _, s in tracks])
        return spec, tuple(t for t, _ in tracks)

    def _parse_track(
        self, entry: Any, where: str, pair: Pair, settings: FeedSection
    ) -> tuple[SourceSeries, SourceSpec] | None:
        before = len(self.problems)
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            self._add_problem(where, "is a table with at least a name and a price")
            return None
        for key in entry:
            if key not in _TRACK_KEYS:
                self._add_problem(f"{where}.{key}", f"unknown key; {nearest(key, _TRACK_KEYS)}")
        kind, own = self._parse_kind(entry, where), self._parse_pair(entry.get("pair", str(pair)), where)
        price, share = self._parse_price_and_share(entry, where)
        if len(self.problems) > before or price is None or own is None:
            return None
        name, group = entry["name"], entry.get("group", entry["name"])
        late, broken = self._parse_intervals(entry, "late", where), self._parse_intervals(entry, "broken", where)
        track = SourceSeries(
            source=name,
            pair=own,
            group=group,
            kind=kind,
            price=price,
            depth=self._parse_path(entry, "depth", where),
            share=share,
            silent=spans_of(entry.get("silent", []), self.began_ms, f"{where}.silent", self.problems),
            late=tuple((a, b, int(more) * MS) for a, b, more in late),
            broken=tuple((a, b, str(more)) for a, b, more in broken),
            half_spread_bps=int(entry.get("half_spread_bps", 5)),
        )
        for _, _, code in track.broken:
            if code not in ERRORS:
                self._add_problem(f"{where}.broken", f"{code!r} is not an error code; {nearest(code, ERRORS)}")
        spec = SourceSpec(
            name=name,
            pair=own,
            kind=kind,
            group=group,
            max_age_s=int(entry.get("max_age_s", settings.max_age_s)),
            average_s=int(entry.get("average_s", 0)),
            average_blocks=int(entry.get("average_blocks", 3)),
            convert=entry.get("convert"),
            rail=entry.get("rail"),
        )
        return track, spec

    def _parse_price_and_share(self, entry: Mapping[str, Any], where: str) -> tuple[Path | None, Path | None]:
        """Price and share of a track, from its file if that exists, else as typed in."""
        price: Path | None = self._parse_path(entry, "price", where)
        share: Path | None = self._parse_path(entry, "share", where)
        series = self._recorded_series(entry, where)
        if series is not None:
            lasting = self._parse_kind(entry, where) is not Kind.MARKET
            price = self._rows(series.values, lasting=lasting)
            share = self._rows(series.shares, lasting=lasting) if series.shares else share
        if price is None:
            text = "is missing: write a number, a list of [time, number], or a file that exists"
            self._add_problem(f"{where}.price", text)
            return None, None
        shift = 10_000 + int(entry.get("shifted_bps", 0))
        return price.scaled(shift, 10_000), share

    def _rows(self, rows: Sequence[tuple[int, int]], *, lasting: bool) -> RowPath:
        """A recorded series: a market's row stands until the next one, what a chain says until it says something else."""
        times = array("q", (at - self.began_ms for at, _ in rows))
        spacing = usual_spacing_ms(times)
        gap_ms = FAR_MS if lasting else self.gap_ms or GAP_SPACINGS * spacing
        hold_ms = FAR_MS if lasting else spacing
        return RowPath(times, [v for _, v in rows], Between.HOLD, hold_ms=hold_ms, gap_ms=gap_ms)

    def _parse_path(self, entry: Mapping[str, Any], key: str, where: str) -> SeriesPath | None:
        if key not in entry:
            return None
        return path_of(entry[key], self.began_ms, f"{where}.{key}", self.problems, entry.get("between", "linear"))

    def _recorded_series(self, entry: Mapping[str, Any], where: str) -> Series | None:
        """The recorded series of a track, if its file exists."""
        only = entry.get("only")
        if only is not None and not (isinstance(only, list) and len(only) == _PAIR):
            self._add_problem(f"{where}.only", 'write the column and its text: only = ["file", "weETH"]')
            return None
        if "file" not in entry or self.data is None or not (self.data / entry["file"]).is_file():
            return None
        time, value = entry.get("time", "timestamp"), entry.get("value", "price")
        try:
            picked = None if only is None else (str(only[0]), str(only[1]))
            return read_series(self.data / entry["file"], time, value, entry.get("share_column"), picked)
        except ValueError as e:
            self._add_problem(f"{where}.file", str(e))
            return None

    def _parse_intervals(self, entry: Mapping[str, Any], key: str, where: str) -> list[tuple[int, int, Any]]:
        """Intervals, each with a value: [from, to, seconds or code]."""
        rows = entry.get(key, [])
        if any(not isinstance(r, list) or len(r) != _WITH_MORE for r in rows):
            self._add_problem(f"{where}.{key}", "write [[from, to, seconds or code]]")
            return []
        spans = spans_of(rows, self.began_ms, f"{where}.{key}", self.problems)
        return [(a, b, row[2]) for (a, b), row in zip(spans, rows, strict=False)]

    def _parse_kind(self, entry: Mapping[str, Any], where: str) -> Kind:
        kind = entry.get("kind", "market")
        if kind not in set(Kind):
            self._add_problem(f"{where}.kind", f"{kind!r} is not a kind; {nearest(str(kind), list(Kind))}")
            return Kind.MARKET
        return Kind(kind)

    def _parse_pair(self, text: str, where: str) -> Pair | None:
        try:
            return Pair.parse(text)
        except ValueError as e:
            self._add_problem(where, str(e))
            return None

    def _add_problem(self, key: str, text: str) -> None:
        self.problems.append(Problem(key, text))


def _plain(value: Any) -> Any:
    """TOML numbers as the config's own reader would give them."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return value


def stretched(spec: FeedSpec, factor: int) -> FeedSpec:
    """The same feed for rounds that come `factor` times more rarely: ages, windows, dwells and holds are as many rounds long.

    They scale together or not at all. What is measured against a protocol's or a market's own time (drift, usual depth,
    growth, supply, cadence, ramp) stays as it is: those rules count a gap by themselves.
    """
    if factor == 1:
        return spec
    bands, rules, tuning = spec.bands, spec.rules, spec.tuning
    return replace(
        spec,
        max_age_s=spec.max_age_s * factor,
        window_s=spec.window_s * factor,
        halt_after_s=spec.halt_after_s * factor,
        sources=tuple(replace(s, max_age_s=s.max_age_s * factor, average_s=s.average_s * factor) for s in spec.sources),
        bands=replace(
            bands,
            watch_dwell_s=bands.watch_dwell_s * factor,
            depeg_dwell_s=bands.depeg_dwell_s * factor,
            leave_dwell_s=bands.leave_dwell_s * factor,
            slash_hold_s=bands.slash_hold_s * factor,
        ),
        rules=replace(rules, moved_s=rules.moved_s * factor, stuck_s=rules.stuck_s * factor),
        tuning=replace(
            tuning,
            half_life_s=tuning.half_life_s * factor,
            recent_s=tuning.recent_s * factor,
            shift_s=tuning.shift_s * factor,
            horizon_s=tuning.horizon_s * factor,
        ),
    )
