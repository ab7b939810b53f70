"""Each source's price beside its feed's, in the feed's unit, and the sources that lie absurdly far from the others. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feeds.types import Kind
from feeds.units import WAD, Wad, deviation_bps_away, wad_div_down, wad_mul_down, wad_text
from oracle.config.resolve import ResolvedConfig
from oracle.config.source_plans import SourcePlan
from oracle.config.tables.schema import Problem
from oracle.model.spec import FeedSpec, Mode

_SHOWN = (Kind.MARKET, Kind.REDEMPTION)
_PLACES = 6
_DECISIVE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """One source, asked once.

    ``stated_wad`` is what it says, ``price_wad`` that in the feed's unit (None without its leg), ``feed_wad`` the feed's
    price of that kind by all sources, ``others_wad`` the one that it is held against, see others_price; each None where
    there is none. ``error``: why the source said nothing.
    """

    source: SourcePlan
    stated_wad: Wad | None = None
    price_wad: Wad | None = None
    feed_wad: Wad | None = None
    others_wad: Wad | None = None
    error: str | None = None

    @property
    def distance_bps(self) -> int | None:
        """How far it lies from the feed's price."""
        if self.price_wad is None or not self.feed_wad:
            return None
        return deviation_bps_away(self.price_wad, self.feed_wad)

    @property
    def group(self) -> str:
        """What it counts as where it is averaged, as a run would count it."""
        return self.source.spec.name if self.source.spec.average_s else self.source.spec.group

    def document(self) -> dict[str, Any]:
        """As JSON; prices are decimal texts."""
        source, spec = self.source, self.source.spec
        return {
            "feed": source.feed,
            "source": spec.name,
            "kind": spec.kind.value,
            "group": self.group,
            "at": source.venue or source.chain,
            "symbol": source.symbol,
            "pair": str(spec.pair),
            "stated": _text(self.stated_wad),
            "converted_by": spec.convert,
            "price": _text(self.price_wad),
            "feed_price": _text(self.feed_wad),
            "distance_bps": self.distance_bps,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """All rows, in the order of the config, and each feed's market price by what was asked."""

    rows: tuple[SourceRow, ...]
    market: Mapping[str, Wad]

    def answered(self, feed: str) -> list[str]:
        """The groups of a feed that gave a market price in its unit."""
        priced = (r for r in self.rows if r.source.feed == feed and r.source.spec.kind is Kind.MARKET)
        return sorted({r.group for r in priced if r.price_wad is not None})


def source_table(
    resolved: ResolvedConfig, said: Mapping[tuple[str, str], Wad], errors: Mapping[tuple[str, str], str]
) -> SourceTable:
    """Put every source beside its feed.

    Args:
        resolved: the checked config.
        said: what each source states, in its own unit, by feed and name.
        errors: why the others state nothing.
    """
    market: dict[str, Wad] = {}
    redemption: dict[str, Wad] = {}
    rows: list[SourceRow] = []
    for feed, spec in resolved.specs.items():
        mine = [_row(s, said, errors, market) for s in resolved.sources if s.feed == feed]
        for kind, prices in ((Kind.MARKET, market), (Kind.REDEMPTION, redemption)):
            if (middle := _middle(r for r in mine if r.source.spec.kind is kind)) is not None:
                prices[feed] = middle
        _put_derived(spec, market, redemption)
        rows += [_beside(r, mine, market if r.source.spec.kind is Kind.MARKET else redemption) for r in mine]
    return SourceTable(rows=tuple(rows), market=market)


def _row(
    source: SourcePlan,
    said: Mapping[tuple[str, str], Wad],
    errors: Mapping[tuple[str, str], str],
    market: Mapping[str, Wad],
) -> SourceRow:
    place = source.feed, source.spec.name
    stated, error = said.get(place), errors.get(place)
    if stated is None:
        return SourceRow(source=source, error=error or "nothing was read of it")
    price = _converted(source, stated, market)
    if price is None:
        error = f"there is no price of {source.spec.convert}, which converts it"
    return SourceRow(source=source, stated_wad=stated, price_wad=price, error=error)


def _converted(source: SourcePlan, stated: Wad, market: Mapping[str, Wad]) -> Wad | None:
    convert = source.spec.convert
    if convert is None:
        return stated
    leg = market.get(convert)
    if not leg:
        return None
    return wad_div_down(stated, leg) if source.spec.divide else wad_mul_down(stated, leg)


def _put_derived(spec: FeedSpec, market: dict[str, Wad], redemption: dict[str, Wad]) -> None:
    """The price of a feed that has no sources: a share's token, or a cross."""
    of = spec.share_of or ""
    if of in market and redemption.get(of):
        market[spec.feed], redemption[spec.feed] = wad_div_down(market[of], redemption[of]), Wad(WAD)
    if spec.is_cross:
        first = (redemption if spec.mode is Mode.REDEMPTION else market).get(spec.legs[0])
        second = market.get(spec.legs[1])
        if first is not None and second is not None:
            market[spec.feed] = wad_mul_down(first, second)


def _beside(row: SourceRow, mine: Sequence[SourceRow], prices: Mapping[str, Wad]) -> SourceRow:
    spec = row.source.spec
    if spec.kind not in _SHOWN:
        return row
    same = [r for r in mine if r.source.spec.kind is spec.kind]
    return SourceRow(
        source=row.source,
        stated_wad=row.stated_wad,
        price_wad=row.price_wad,
        feed_wad=prices.get(row.source.feed),
        others_wad=others_price(row, same),
        error=row.error,
    )


def others_price(row: SourceRow, same: Sequence[SourceRow]) -> Wad | None:
    """What a source is held against: the feed's price where three groups or more make one that no single group decides.

    Of two groups it is the other one's, of one group that of the other sources; None where there is no other.
    """
    groups = {r.group for r in same if r.price_wad is not None}
    if len(groups) >= _DECISIVE:
        return _middle(same)
    others = [r for r in same if (r.group != row.group if len(groups) > 1 else r is not row)]
    return _middle(others)


def _middle(rows: Iterable[SourceRow]) -> Wad | None:
    """The lower median of the groups' lower medians."""
    groups: dict[str, list[Wad]] = {}
    for row in rows:
        if row.price_wad is not None:
            groups.setdefault(row.group, []).append(row.price_wad)
    return _lower_median([_lower_median(prices) for prices in groups.values()]) if groups else None


def _lower_median(prices: Sequence[Wad]) -> Wad:
    return sorted(prices)[(len(prices) - 1) // 2]


def distance_problems(resolved: ResolvedConfig, table: SourceTable) -> Iterator[Problem]:
    """Market sources that lie further from the feed's others than the feed lets groups lie apart."""
    for row in table.rows:
        spec, feed = row.source.spec, resolved.specs[row.source.feed]
        if spec.kind is not Kind.MARKET or row.price_wad is None or not row.others_wad:
            continue
        apart = deviation_bps_away(row.price_wad, row.others_wad)
        if abs(apart) > feed.max_spread_bps:
            text = (
                f"{wad_text(row.price_wad, _PLACES)} lies {apart} bps from the feed's other sources "
                f"({wad_text(row.others_wad, _PLACES)}), more than max_spread_bps = {feed.max_spread_bps}: "
                "another asset or unit is meant, or one of them is wrong; look at each source of this feed"
            )
            yield Problem(f'feeds."{row.source.feed}".{spec.name}', text)


def _text(wad: Wad | None) -> str | None:
    return None if wad is None else wad_text(wad)


def source_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each source that states a price, for people: in the feed's unit, the feed's beside it, and how far they are apart.

    What states none is among the errors.
    """
    return [_line(row) for row in rows if row["kind"] in _SHOWN and row["stated"] is not None]


def _line(row: Mapping[str, Any]) -> str:
    head, by = f"{row['feed']:<18} {row['source']:<34}", row["converted_by"]
    if row["price"] is None:
        return f"{head} {row['stated'][:14]:>14} {row['error']}"
    stated = f" (states {row['stated'][:14]}, converted by {by})" if by else ""
    beside = f"feed {row['feed_price'][:14]:>14} {row['distance_bps']:>6} bps {row['kind']}"
    return f"{head} {row['price'][:14]:>14} {beside}{stated}"
