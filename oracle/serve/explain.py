"""Why a price is what it is: each source of a stored round, and any method over quotes in a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from feeds.decode import values
from feeds.errors import FeedError, LrtOracleError
from feeds.units import BPS, Wad, mul_div_down, percent_text, wad_text
from oracle.combine.groups import cap_weights, merge_groups, spread_bps
from oracle.combine.methods.registry import METHODS, OUTLIERS
from oracle.model.canonical_json import parse
from oracle.model.publication import Explanation, Record
from oracle.model.suggest import nearest
from oracle.model.types import FeedRound, Input
from oracle.serve.documents import Document, history_document
from oracle.serve.evidence import explain_document
from oracle.storage.database import Database


class CombineError(LrtOracleError, ValueError):
    """The file or the method cannot be used: what is wrong and what to write."""


def explanation(store: Database, feed: str, round_s: int) -> Explanation | None:
    """Every operator's stored result of a round, what it signed, and the record; None where nothing of it is kept."""
    record = store.record(feed, round_s)
    rounds = [(n, r) for n in store.operators(feed) if (r := store.result(n, feed, round_s)) is not None]
    if record is None and not rounds:
        return None
    said = [(n, r.report if isinstance(r, FeedRound) else r.kept) for n, r in rounds]
    values = [(n, report) for n, report in said if report is not None]
    legs = record.legs if record else ()
    specs = {n: store.spec(r.spec_hash) for n, r in rounds}
    return Explanation(record=record, rounds=tuple(rounds), values=tuple(values), legs=legs, specs=specs)


def explain(store: Database, feed: str, round_s: int | None) -> Document | None:
    """Everything behind one stored round, as the endpoint shows it; without round_s the newest. None: not stored."""
    if round_s is None:
        newest = store.record(feed)
        round_s = newest.report.round_time_s if newest else store.last_round_s()
    seen = explanation(store, feed, round_s)
    return None if seen is None else explain_document(feed, seen)


def record_document(record: Record) -> Document:
    """A record with its feed, as the endpoint's history shows it."""
    return {"feed": record.feed, "mode": record.mode.value, **history_document(record)}


def withdrawn_documents(store: Database, feed: str, since_ms: int) -> list[Document]:
    """Published records since a time, of whatever time, that were disowned: with when and why."""
    found = store.withdrawn.records(feed, since_ms // 1_000, 1 << 40)
    return [
        {**record_document(parse(Record, body)), "withdrawn": {"at_ms": one.at_ms, "why": one.why}}
        for one, body in found
    ]


def record_line(record: Record) -> str:
    """One line of a record for people."""
    why = "; ".join(r.text for r in record.reasons)
    return f"{record.report.round_time_s}  {wad_text(record.price_wad, 8):<16} {record.report.status.word:<6} {why}"


def lines(found: Document) -> list[str]:
    """The explanation as lines for people."""
    record = found["record"]
    rows = [found["feed"]]
    if record is not None:
        deviation = record["deviation_bps"]
        gap = "" if deviation is None else f"  {'-' if deviation < 0 else '+'}{percent_text(abs(deviation))}"
        rows[0] += f" at round {record['round']}"
        prices = f"price {record['price']}  market {record['market']}  redemption {record['redemption']}"
        rows.append(f"  {prices}{gap}  {record['status']} {' '.join(record['reasons'])}")
    if found["legs"]:
        rows.append(f"  product of {' and '.join(found['legs'])}: explain those")
    for view in found["operators"]:
        rows += [f"  {view['operator']}", *(f"    {row}" for row in _view_lines(view))]
    return rows


def _view_lines(view: Document) -> list[str]:
    if view["result"] == "abstained":
        said = [f"{view['status']}: {reason['text']}" for reason in view["reasons"]]
        return [f"abstained: {view['code']}: {view['text']}", *said, *map(_rejected_line, view["rejected"])]
    rows = [f"{view['status']}: {reason['text']}" for reason in view["reasons"]]
    for name in ("market", "redemption"):
        part = view[name]
        if part is None:
            continue
        rows.append(f"{name} {part['price']} +- {part['spread_bps']} bps")
        rows += [
            f"  {u['source']:<18} {u['price']:<22} weight {percent_text(u['weight_bps']):>8}  {u['age_ms']} ms old"
            f"  (group {u['group']})"
            for u in part["used"]
        ]
        rows += map(_rejected_line, part["rejected"])
    return rows + [_cost_line(c) for c in view["cost"]]


def _cost_line(cost: Document) -> str:
    what = "to enter depeg" if cost["depeg"] else f"to move the price by {percent_text(cost['bps'])}"
    free = f"; depth unknown, counted as free: {', '.join(cost['unknown'])}" if cost["unknown"] else ""
    return f"cost {what}: at least {cost['base']} base units through {', '.join(cost['groups']) or 'nothing'}{free}"


def _rejected_line(one: Document) -> str:
    return f"  {one['source']:<18} {one['price'] or '':<22} rejected: {one['code']}: {one['text']}"


def combine_file(path: Path, method: str, outliers: str | None, floor_bps: int) -> dict[str, Any]:
    """Run a point method over quotes in a JSON file, as a round would: groups, outliers, capped weights.

    Raises:
        CombineError: what is wrong with the file or the names.
    """
    if method not in METHODS:
        raise CombineError(f"{method!r} is no method; {nearest(method, METHODS)}")
    if outliers is not None and outliers not in OUTLIERS:
        raise CombineError(f"{outliers!r} is no filter; {nearest(outliers, OUTLIERS)}")
    groups = merge_groups(_inputs(path))
    out = OUTLIERS[outliers](groups, floor_bps) if outliers else ()
    kept = cap_weights([g for i, g in enumerate(groups) if i not in out], weighted=METHODS[method].weighted)
    price = METHODS[method].point(kept)
    total = sum(g.weight for g in kept)
    return {
        "price": wad_text(price),
        "method": method,
        "spread_bps": spread_bps(price, kept),
        "used": [
            {"group": g.group, "price": wad_text(g.price_wad), "weight_bps": mul_div_down(g.weight, BPS, total)}
            for g in kept
        ],
        "rejected": [groups[i].group for i in out],
    }


def _inputs(path: Path) -> list[Input]:
    try:
        rows = values.load(path.read_bytes())
        if not isinstance(rows, list) or not rows:
            raise CombineError(f"{path}: write a list of at least one quote")
        return [_input(place, row) for place, row in enumerate(rows)]
    except (OSError, FeedError, json.JSONDecodeError) as e:
        raise CombineError(f"{path}: {e}") from None


def _input(place: int, row: Any) -> Input:
    if not isinstance(row, dict) or "price" not in row:
        raise CombineError(f"quote {place}: write at least a price")
    source = str(row.get("source", place))
    bare = Input(source=source, group=str(row.get("group", source)), price_wad=Wad(0), weight=1, at_ms=0)
    weight = values.amount_wad(row["weight"]) if "weight" in row else 1
    return replace(bare, price_wad=values.price_wad(row["price"]), weight=max(1, weight))
