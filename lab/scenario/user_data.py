"""One's own data as a case: a table with a column map, judged by the real pipeline at the rounds of production.

Each price column is a source and a group of its own. A single one is taken as two groups that agree, for one group alone is
never more than watched and its data could not be judged. Rows are facts at their times; what is assumed between them is
:class:`lab.scenario.rows.Between`, and a gap stays a gap.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path as File
from typing import Any

from feeds.errors import LrtOracleError
from feeds.types import Kind, Pair
from feeds.units import MS, WAD
from lab.scenario.case import MOST_ROUND_S, ROUND_S, Case, OwnData
from lab.scenario.case_parser import stretched
from lab.scenario.expect import Expected
from lab.scenario.rows import FAR_MS, GAP_SPACINGS, Between, RowPath, usual_spacing_ms
from lab.scenario.source_series import Path, SeriesPath, SourceSeries
from lab.tables.column_map import ColumnMap, column_map
from lab.tables.settings import with_settings
from lab.tables.table import Column, Table, header_of, read_table
from lab.tables.times import TableError
from oracle.combine.methods.registry import METHODS
from oracle.config.tables.schema import ConfigError
from oracle.judge.rules.fast_move import STANDS_WINDOWS
from oracle.model.spec import FeedSpec, SourceSpec

_KINDS = {"redemption": Kind.REDEMPTION, "supply": Kind.SUPPLY, "backing": Kind.BACKING}
_LASTING_S = 30 * 86_400
"""So long what a chain says stands without a new row."""
_SECOND = ", again"
_MOST_GAP_MS = 400 * 86_400 * MS
_WORD = {
    Between.HOLD: "between two rows the market is taken to have stood (hold)",
    Between.INTERPOLATE: "between two rows the market is taken to have moved in a straight line (interpolate)",
    Between.ROWS: "nothing is assumed between two rows (rows)",
}


class UserDataError(LrtOracleError, ValueError):
    """The file or the column map cannot be used: what is wrong and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """How a table is read and played.

    Attributes:
        columns: a column map as text (:func:`lab.tables.column_map.column_map`).
        feed: BASE/QUOTE, for what is printed.
        like: a feed whose method, bands and rules are used; None: the defaults.
        settings: keys of a feed by their dotted names, with values as in the config.
        between: what is assumed between two rows.
        round_s: seconds between two rounds; None: ten, as in production.
        gap_s: rows further apart have a gap between them; None: three times the usual spacing.
        stretch: play a round a row, with ages, windows and dwells as much longer as rows are rarer than rounds.
        only: (column, text) of the rows that count.
    """

    columns: str = ""
    feed: str = "TOKEN/UNIT"
    like: FeedSpec | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    between: Between = Between.HOLD
    round_s: int | None = None
    gap_s: int | None = None
    stretch: bool = False
    only: tuple[str, str] | None = None


def user_case(file: File, options: DataOptions | None = None) -> Case:
    """Make a case of a file.

    Raises:
        UserDataError: the file, its columns or its cells cannot be used.
    """
    options = options or DataOptions()
    try:
        pair = Pair.parse(options.feed)
        names = column_map(options.columns, header_of(file))
        return _Maker(file, pair, names, read_table(file, names.time, names.read, options.only), options).case()
    except ConfigError as e:
        raise UserDataError("; ".join(f"--set {p.key.removeprefix('feed.')}: {p.text}" for p in e.problems)) from None
    except OSError as e:
        raise UserDataError(f"{file}: {e.strerror or e}") from None
    except ValueError as e:
        raise UserDataError(str(e)) from None


class _Maker:
    """Makes the case of a table that was read."""

    def __init__(self, file: File, pair: Pair, names: ColumnMap, table: Table, options: DataOptions) -> None:
        self._file, self._pair, self._names, self._table, self._options = file, pair, names, table, options
        markets = [self._column(own["price"]) for own in names.sources.values()]
        self._times = sorted({t for column in markets for t in column.times_ms})
        if len(self._times) < 2:  # noqa: PLR2004 - one row has no time between
            raise TableError(f"{file.name} has fewer than two rows with a price")
        self._began = -(-self._times[0] // MS) * MS  # the first round has the first row
        self._spacing_ms = usual_spacing_ms(self._times)
        self._notes = list(table.notes)
        _check_gaps(file.name, self._times)

    def _column(self, name: str) -> Column:
        return self._table.columns[name]

    def case(self) -> Case:
        """The case."""
        options = self._options
        tracks = self._sources()
        spec = with_settings(options.feed, self._pair, _source_specs(tracks), options.like, options.settings)
        round_s = ROUND_S if options.round_s is None else options.round_s
        between, round_ms, stretch = options.between, round_s * MS, 1
        if not 1 <= round_s <= MOST_ROUND_S:
            raise TableError(f"rounds of {round_s} s: write --round from 1 to {MOST_ROUND_S}")
        if options.stretch and (options.round_s is not None or options.between is not Between.HOLD):
            raise TableError("--stretch makes a round of each row: leave --round and --between out")
        length_ms = self._times[-1] - self._began
        if between is Between.HOLD and not options.stretch:  # the last row stands as long as any other
            length_ms += min(self._spacing_ms, self._gap_ms(self._spacing_ms))
        row_rounds = sorted({-(-(t - self._began) // MS) * MS for t in self._times})
        unknown = ""
        if options.stretch:
            round_ms = max(1, self._spacing_ms // (ROUND_S * MS)) * ROUND_S * MS
            stretch, row_rounds = round_ms // (ROUND_S * MS), []
            spec = stretched(spec, stretch)
        elif between is Between.ROWS and self._spacing_ms > spec.max_age_s * MS:
            unknown = (
                f"rows are {self._spacing_ms // MS} s apart and a price counts for {spec.max_age_s} s: between them nothing is known;"
                " write --between hold or interpolate to assume something"
            )
            round_ms = max(length_ms, MS)
        elif self._spacing_ms > STANDS_WINDOWS * spec.rules.moved_s * MS and spec.rules.moved_bps:
            spec = replace(spec, rules=replace(spec.rules, moved_bps=0))
            self._notes.append(f"fast moves are not looked for: rows are {self._spacing_ms // MS} s apart")
        if not spec.has_redemption:
            self._notes.append(
                "no level was judged: no redemption is given, write --columns redemption=COLUMN or a number"
            )
        if any("volume" in own for own in self._names.sources.values()) and not METHODS[spec.method].of_trades:
            self._notes.append(f"volume is not used: the method {spec.method} is not of trades")
        return Case(
            name=self._file.stem,
            title=f"{self._file.name}: one's own data",
            source=self._file.name,
            facts=f"{self._table.rows} rows, usually {self._spacing_ms / MS:g} s apart, times in {self._table.unit}",
            synthesised=self._made_up(),
            began_ms=self._began,
            length_ms=-(-length_ms // MS) * MS,
            round_ms=round_ms,
            row_rounds_ms=row_rounds,
            stretch=stretch,
            specs=(spec,),
            series={options.feed: tracks},
            feed=options.feed,
            truth=self._path("truth"),
            expected=Expected(),
            recorded=True,
            own=OwnData(
                between=between,
                spacing_ms=self._spacing_ms,
                columns=self._names.text(),
                notes=tuple(self._notes),
                unknown=unknown,
            ),
        )

    def _made_up(self) -> str:
        said = [] if self._options.stretch else [_WORD[self._options.between]]
        if len(self._names.sources) == 1:
            said.append("one price column is taken as two groups that agree")
        return "; ".join(said) or "nothing"

    def _rows(self, column: Column, *, lasting: bool) -> RowPath:
        options = self._options
        times = array("q", (t - self._began for t in column.times_ms))
        if lasting:
            return RowPath(times, column.values, Between.HOLD, hold_ms=_LASTING_S * MS, gap_ms=_LASTING_S * MS)
        spacing = usual_spacing_ms(times) or self._spacing_ms
        gap_ms = self._gap_ms(spacing)
        between = Between.HOLD if options.stretch else options.between
        return RowPath(times, column.values, between, hold_ms=min(spacing, gap_ms), gap_ms=gap_ms)

    def _gap_ms(self, spacing_ms: int) -> int:
        gap_s = self._options.gap_s
        return GAP_SPACINGS * spacing_ms if gap_s is None else gap_s * MS

    def _path(self, role: str, source: str = "") -> Path | None:
        """What a column of the token or of a source says over time; None where there is none."""
        own = self._names.sources[source] if source else self._names.token
        if role not in own:
            return None
        if own[role] in self._names.numbers:
            return SeriesPath(points=((0, int(Decimal(own[role]) * WAD)),), between="step")
        column = self._column(own[role])
        if not column.values:
            raise TableError(f"{self._file.name}: column {own[role]!r} has no number")
        return self._rows(column, lasting=role not in ("price", "truth"))

    def _sources(self) -> tuple[SourceSeries, ...]:
        sources = []
        for name in self._names.sources:
            price, share, depth = (self._path(role, name) for role in ("price", "share", "depth"))
            if price is None:
                continue
            self._check_share(name, share, depth)
            low = price.lowest(0, FAR_MS)
            if low is not None and low <= 0:
                self._notes.append(f"{name}: prices of 0 or less, to 18 places, are no prices (NOT_POSITIVE)")
            bid, ask = self._path("bid", name), self._path("ask", name)
            sources.append(
                SourceSeries(
                    source=name,
                    pair=self._pair,
                    group=name,
                    kind=Kind.MARKET,
                    price=price,
                    depth=depth,
                    share=share,
                    half_spread_bps=0,
                    bid=bid,
                    ask=ask,
                    volume=self._path("volume", name),
                )
            )
        if len(sources) == 1:
            only = sources[0]
            sources.append(replace(only, source=only.source + _SECOND, group=only.group + _SECOND))
        for role, kind in _KINDS.items():
            path = self._path(role)
            if path is not None:
                sources.append(SourceSeries(source=role, pair=self._pair, group=role, kind=kind, price=path))
        return tuple(sources)

    def _check_share(self, name: str, share: Path | None, depth: Path | None) -> None:
        """A share is a part of one, and is judged by the depth of its pool."""
        if share is None:
            return
        highest = share.scaled(-1, 1).lowest(0, FAR_MS)
        if highest is not None and -highest > WAD:
            raise TableError(
                f"{self._file.name}: column {self._names.sources[name]['share']!r} has a share of {-highest / WAD:g}, more than the"
                " whole: write 0.95 for 95 %"
            )
        if depth is None:
            raise TableError(
                f"{self._file.name}: the share of {name} is weighted by its depth, and there is none: write depth.{name}=COLUMN, or a number"
            )


def _source_specs(tracks: Sequence[SourceSeries]) -> list[SourceSpec]:
    return [
        SourceSpec(
            name=t.source, pair=t.pair, kind=t.kind, group=t.group, max_age_s=0 if t.kind is Kind.MARKET else _LASTING_S
        )
        for t in tracks
    ]


def _check_gaps(file: str, times: Sequence[int]) -> None:
    """Refuse a gap of more than a year: it is one row with a wrong time."""
    before, after = max(pairwise(times), key=lambda pair: pair[1] - pair[0])
    if after - before > _MOST_GAP_MS:
        raise TableError(
            f"{file} has no row from {_utc(before)} to {_utc(after)}: correct the time that is wrong, or replay the parts alone"
        )


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // MS, UTC).strftime("%Y-%m-%d %H:%M:%S")
