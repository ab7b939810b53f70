"""Why a price is what it is: each source of a stored round, and any method over quotes in a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from feeds import decode
from feeds.types import FeedError
from feeds.units import BPS, Wad, mul_div_down, percent_text, wad_text
from oracle.groups import cap, merge, spread_bps
from oracle.methods.registry import METHODS, OUTLIERS
from oracle.records import Record
from oracle.schema import nearest
from oracle.store import Store
from oracle.types import Aggregate, Input, Rejected, Result, Round


class CombineError(ValueError):
    """The file or the method can not be used: what is wrong and what to write."""


def explain(store: Store, feed: str, round_s: int | None) -> dict[str, Any] | None:
    """Everything behind one stored round; None if it is not stored. Without round_s the newest."""
    record = store.record(feed, round_s)
    if round_s is None:
        round_s = record.report.round_time_s if record else store.last_round_s()
    operators = {}
    for name in store.operators(feed):
        result = store.result(name, feed, round_s)
        if result is not None:
            operators[name] = result_document(result)
    if record is None and not operators:
        return None
    return {
        "feed": feed,
        "round": round_s,
        "record": record_document(record) if record else None,
        "operators": operators,
        "legs": list(record.legs) if record else [],
    }


def record_document(record: Record) -> dict[str, Any]:
    """A record as JSON types; prices are decimal strings."""
    report = record.report
    return {
        "feed": record.feed,
        "round": report.round_time_s,
        "price": wad_text(record.price_wad),
        "mode": record.mode.value,
        "market": wad_text(report.market_wad) if report.market_wad else None,
        "redemption": wad_text(report.redemption_wad) if report.redemption_wad else None,
        "deviation_bps": record.deviation_bps,
        "spread_bps": report.spread_bps,
        "status": report.status.word,
        "reasons": [{"code": r.code.name, "text": r.text} for r in record.reasons],
        "observed_at_ms": record.observed_at_ms,
    }


def record_line(record: Record) -> str:
    """One line of a record for people."""
    why = "; ".join(r.text for r in record.reasons)
    return f"{record.report.round_time_s}  {wad_text(record.price_wad, 8):<16} {record.report.status.word:<6} {why}"


def result_document(result: Result) -> dict[str, Any]:
    """One operator's round or abstention as JSON types."""
    if not isinstance(result, Round):
        return {
            "abstained": {"code": result.why.name, "text": result.text},
            "rejected": [_rejected(r) for r in result.rejected],
        }
    verdict = result.verdict
    return {
        "market": _aggregate(result.market),
        "redemption": _aggregate(result.redemption),
        "status": verdict.status.word,
        "deviation_bps": verdict.deviation_bps,
        "reasons": [{"code": r.code.name, "text": r.text} for r in verdict.reasons],
        "spec": result.spec_hash,
        "state_before": result.state_before,
        "state_after": result.state_after,
    }


def _aggregate(found: Aggregate | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "price": wad_text(found.price_wad),
        "spread_bps": found.spread_bps,
        "as_of_ms": found.as_of_ms,
        "used": [
            {
                "source": u.source,
                "group": u.group,
                "price": wad_text(u.price_wad),
                "weight_bps": u.weight_bps,
                "age_ms": u.age_ms,
            }
            for u in found.used
        ],
        "rejected": [_rejected(r) for r in found.rejected],
    }


def _rejected(one: Rejected) -> dict[str, Any]:
    price = wad_text(one.price_wad) if one.price_wad is not None else None
    return {"source": one.source, "code": one.code, "text": one.text, "price": price}


def lines(found: dict[str, Any]) -> list[str]:
    """The explanation as lines for people."""
    record = found["record"]
    rows = [f"{found['feed']} at round {found['round']}"]
    if record is not None:
        deviation = record["deviation_bps"]
        gap = "" if deviation is None else f", {'-' if deviation < 0 else '+'}{percent_text(abs(deviation))}"
        rows.append(
            f"  {record['mode']} {record['price']}  market {record['market']}  redemption {record['redemption']}"
            f"{gap}  {record['status']}"
        )
        rows += [f"  because {r['text']}" for r in record["reasons"]]
    if found["legs"]:
        rows.append(f"  product of {' and '.join(found['legs'])}: explain those")
    for name, view in found["operators"].items():
        rows += [f"  {name}", *(f"    {row}" for row in _view_lines(view))]
    return rows


def _view_lines(view: dict[str, Any]) -> list[str]:
    if "abstained" in view:
        rows = [f"abstained: {view['abstained']['code']}: {view['abstained']['text']}"]
        return rows + [f"rejected {r['source']}: {r['code']}: {r['text']}" for r in view["rejected"]]
    rows = []
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
        rows += [
            f"  {r['source']:<18} {r['price'] or '':<22} rejected: {r['code']}: {r['text']}" for r in part["rejected"]
        ]
    return rows


def combine_file(path: Path, method: str, outliers: str | None, floor_bps: int) -> dict[str, Any]:
    """Run a point method over quotes in a JSON file, as a round would: groups, outliers, capped weights.

    Raises:
        CombineError: what is wrong with the file or the names.
    """
    if method not in METHODS:
        raise CombineError(f"{method!r} is no method; {nearest(method, METHODS)}")
    if outliers is not None and outliers not in OUTLIERS:
        raise CombineError(f"{outliers!r} is no filter; {nearest(outliers, OUTLIERS)}")
    groups = merge(_inputs(path))
    out = OUTLIERS[outliers](groups, floor_bps) if outliers else ()
    kept = cap([g for i, g in enumerate(groups) if i not in out], weighted=METHODS[method].weighted)
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
        rows = decode.load(path.read_bytes())
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
    weight = decode.amount_wad(row["weight"]) if "weight" in row else 1
    return replace(bare, price_wad=decode.price_wad(row["price"]), weight=max(1, weight))
