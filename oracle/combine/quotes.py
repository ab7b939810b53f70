"""Any method over quotes from a file: what a round would make of them, without sources, clock or state.

A quote is a JSON object: ``price`` (decimal text or number) and, as far as known, ``source``, ``group``, ``bid``, ``ask``,
``depth``, ``volume`` (base units), ``weight`` (whole number, for the weighted median), ``at_ms`` (Unix ms), ``recent`` (the
source's own recent mean). A method over time takes the quotes as one round. A method of trades takes each quote as one trade of
its ``volume``, which it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from feeds.decode import values
from feeds.errors import FeedError, LrtOracleError, Malformed
from feeds.units import BPS, Bps, Wad, mul_div_up, wad_text
from oracle.combine.confidence import confidence_bps
from oracle.combine.groups import fill_unknown_depth, merge_groups, spread_bps, weigh_groups
from oracle.combine.methods.registry import METHODS, OUTLIERS, Method
from oracle.combine.methods.trade_window import TradeBlock
from oracle.combine.methods.volume_cap import capped_volumes
from oracle.model.spec import PLAIN, Tuning
from oracle.model.state import Trade
from oracle.model.status import Rejection
from oracle.model.suggest import nearest
from oracle.model.types import Input, Rejected

KEYS = frozenset({"source", "group", "price", "bid", "ask", "depth", "volume", "weight", "at_ms", "recent"})
_MAX_MS = 1 << 53


class QuotesError(LrtOracleError, ValueError):
    """The quotes, the method or the filter cannot be used: what is wrong and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedQuotes:
    """A price, its confidence, how far the groups lie apart, the groups with their share of the weight, and the rejected."""

    method: str
    price_wad: Wad
    spread_bps: Bps
    disagree_bps: Bps
    used: tuple[tuple[Input, Bps], ...]
    rejected: tuple[Rejected, ...]

    def document(self) -> dict[str, Any]:
        """As JSON: prices as decimal text."""
        return {
            "price": wad_text(self.price_wad),
            "method": self.method,
            "spread_bps": self.spread_bps,
            "disagree_bps": self.disagree_bps,
            "used": [{"group": g.group, "price": wad_text(g.price_wad), "weight_bps": share} for g, share in self.used],
            "rejected": [
                {"source": r.source, "code": r.code, "text": r.text, "price": wad_text(r.price_wad)}
                if r.price_wad is not None
                else {"source": r.source, "code": r.code, "text": r.text, "price": None}
                for r in self.rejected
            ],
        }


def combine_quotes(
    quotes: Sequence[Any], method: str, outliers: str | None = None, floor_bps: int = 0, tuning: Tuning = PLAIN
) -> CombinedQuotes:
    """Combine quotes as one round would. A quote that cannot be read is rejected alone, with its code.

    Args:
        quotes: JSON objects, as above.
        method: name of a method; over time: its point method.
        outliers: name of a filter, None for none.
        floor_bps: nothing nearer than this is an outlier.
        tuning: parameters; the quotes' own ``weight`` is added to ``shares``.

    Raises:
        QuotesError: an unknown name, not a list, or no quote that can be read.
    """
    if method not in METHODS:
        raise QuotesError(f"{method!r} is not a method; {nearest(method, METHODS)}")
    if outliers is not None and outliers not in OUTLIERS:
        raise QuotesError(f"{outliers!r} is not a filter; {nearest(outliers, OUTLIERS)}")
    if not isinstance(quotes, list | tuple):
        raise QuotesError("not a list: write a list of quotes")
    inputs, volumes, rejected, shares = _read(quotes, method if METHODS[method].of_trades else None)
    if not inputs:
        why = "; ".join(f"{r.source} {r.text}" for r in rejected) or "the list is empty"
        raise QuotesError(f"no quote can be used: {why}")
    tuning = replace(tuning, shares=(*tuning.shares, *shares))
    groups = merge_groups(fill_unknown_depth(sorted(inputs, key=lambda i: i.source)))
    out = OUTLIERS[outliers](groups, floor_bps, tuning) if outliers else ()
    left = [g for place, g in enumerate(groups) if place not in out]
    used, price = _priced(METHODS[method], left, _trades(inputs, volumes), tuning)
    newest_ms = max(g.at_ms for g in used)
    total = sum(g.weight for g in used)
    filtered = [
        Rejected(
            source=i.source, code=Rejection.OUTLIER, text=f"{outliers}: too far from the others", price_wad=i.price_wad
        )
        for i in inputs
        if i.group in {groups[place].group for place in out}
    ]
    return CombinedQuotes(
        method=method,
        price_wad=price,
        spread_bps=confidence_bps(price, used, newest_ms - min(g.at_ms for g in used if g.weight), tuning),
        disagree_bps=Bps(spread_bps(price, used)),
        used=tuple((g, Bps(g.weight * BPS // total)) for g in used),
        rejected=tuple(sorted((*rejected, *filtered), key=lambda r: r.source)),
    )


def _priced(
    method: Method, groups: Sequence[Input], trades: Sequence[Trade], tuning: Tuning
) -> tuple[tuple[Input, ...], Wad]:
    """The groups with their weights, and the price: of a method of trades from the groups' trades."""
    used = weigh_groups(method, groups, tuning)
    if not isinstance(method.over_time, TradeBlock):
        return used, method.point(used)
    believed = {g.group for g in used}
    capped = capped_volumes([t for t in trades if t.group in believed], tuning.volume_cap_percent)
    shares = method.over_time.shares(capped)
    return tuple(g.with_weight(shares[g.group]) for g in used), method.over_time.formula(capped, tuning)


def _trades(inputs: Sequence[Input], volumes: Mapping[str, int]) -> list[Trade]:
    ordered = sorted(inputs, key=lambda i: (i.at_ms, i.source))
    return [
        Trade(market=i.source, group=i.group, at_ms=i.at_ms, price_wad=i.price_wad, volume_wad=volumes[i.source])
        for i in ordered
    ]


def _read(
    quotes: Sequence[Any], needs_volume: str | None
) -> tuple[list[Input], dict[str, int], list[Rejected], list[tuple[str, int]]]:
    """Inputs, their volumes by source, the rejected and the weights; ``needs_volume``: the method that weighs by volume."""
    inputs: list[Input] = []
    volumes: dict[str, int] = {}
    rejected: list[Rejected] = []
    shares: list[tuple[str, int]] = []
    names: set[str] = set()
    for place, row in enumerate(quotes):
        source = str(row.get("source", place)) if isinstance(row, Mapping) else str(place)
        try:
            if source in names:
                raise Malformed("this source is listed twice")
            entry = _input(place, source, row)
            volumes[source] = values.amount_wad(row["volume"]) if "volume" in row else 0
            if needs_volume and not volumes[source]:
                raise Malformed(f"{needs_volume} weighs each trade with its own volume: write a volume above 0")
        except FeedError as e:
            rejected.append(Rejected(source=source, code=e.code, text=str(e)))
            continue
        names.add(source)
        inputs.append(entry)
        if "weight" in row:
            shares.append((entry.group, _whole(row["weight"], "weight", least=1)))
    return inputs, volumes, rejected, shares


def _input(place: int, source: str, row: Any) -> Input:
    if not isinstance(row, Mapping):
        raise Malformed("a quote is a JSON object")
    unknown = sorted(set(map(str, row)) - KEYS)
    if unknown:
        raise Malformed(f"unknown key {unknown[0]!r}; {nearest(unknown[0], KEYS)}")
    if "price" not in row:
        raise Malformed("write at least a price")
    if "weight" in row:
        _whole(row["weight"], "weight", least=1)
    price = values.price_wad(row["price"])
    own = None
    if "bid" in row and "ask" in row:
        bid, ask = values.price_wad(row["bid"]), values.price_wad(row["ask"])
        own = mul_div_up(max(0, ask - bid), BPS, 2 * price)
    return Input(
        source=source,
        group=str(row.get("group", source)),
        price_wad=price,
        weight=values.amount_wad(row["depth"]) if "depth" in row else 0,
        at_ms=_whole(row["at_ms"], "at_ms", least=0) if "at_ms" in row else 0,
        rank=place,
        own_bps=own,
        recent_wad=values.price_wad(row["recent"]) if "recent" in row else 0,
    )


def _whole(value: Any, name: str, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MAX_MS:
        raise Malformed(f"{name} is a whole number from {least}")
    return value
