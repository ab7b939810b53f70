"""The answer: a price or a series with weights, rejected, spread, status and reasons; and what it does not claim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from feeds.units import wad_text
from oracle.combine.methods.registry import METHODS
from oracle.config.resolve import reachable_groups
from oracle.model.types import Leg, Rejected, Used
from oracle.query.plan import QueryPlan
from oracle.query.stored import FoldProgress, FoldTimes, QueryPoint

Document = dict[str, Any]
_MANY = 3
"""Rounds that are missing one after the other are said from so many intervals on, as where an endpoint is behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """The operator whose inputs are read, "" for none; whether it is the only one here; its first round that is kept."""

    operator: str
    alone: bool
    first_s: int | None


def answer_document(
    plan: QueryPlan,
    whose: Whose,
    times: FoldTimes,
    points: Mapping[int, QueryPoint],
    done: FoldProgress,
    *,
    is_live: bool,
) -> Document:
    """The whole answer."""
    spec = plan.spec
    wanted = [times.to_s] if times.step_s is None else range(times.from_s, times.to_s + 1, times.step_s)
    answers = [_point(at_s, points.get(at_s)) for at_s in wanted]
    document: Document = {
        "feed": spec.feed,
        "base": spec.pair.base,
        "quote": spec.pair.quote,
        "mode": spec.mode.value,
        "method": spec.method,
        "filter": spec.outliers,
        "window_s": spec.window_s if METHODS[spec.method].over_time is not None else None,
        "sources": list(plan.sources),
        "groups": list(reachable_groups(spec)),
        "min_groups": spec.min_groups,
        "from": times.from_s,
        "to": times.to_s,
        "step_s": times.step_s,
        "live": is_live,
        "computed_at_ms": points[times.to_s].at_ms if is_live else None,
        "signed": False,
        "operator": whose.operator or None,
        "as_published": done.is_own and done.folded > 0 and not is_live,
        "judged_since": done.judged_since_s,
        "judged_until": done.newest_s,
        "rounds": done.folded,
        "limits": list(_limits(plan, whose, times, done, is_live=is_live)),
    }
    return document | ({"points": answers} if times.step_s is not None else {"answer": answers[0]})


def _limits(plan: QueryPlan, whose: Whose, times: FoldTimes, done: FoldProgress, *, is_live: bool) -> Iterator[str]:
    """What the answer does not claim, a sentence each."""
    yield "nobody signed this, and no store takes it: it is this process's own computation"
    if is_live:
        yield "it is of one moment and of no round: the next observation may change it, and the next round come to another price"
    elif plan.question.is_of_now:
        yield f"it is of round {times.to_s}, the newest that is stored, and not of this moment: ask a running process for that, with --url"
    elif plan.question.to_s is not None and plan.question.to_s > times.to_s:
        yield f"it is of round {times.to_s}, the newest that is stored: nothing is known yet of {plan.question.to_s}"
    if plan.without or not whose.alone:
        yield f"it is made of the inputs of operator {whose.operator} alone; what is published is what all operators agree on"
    yield from _of_memory(plan, whose, times, done, is_live=is_live)
    if whose.first_s is not None and times.from_s < whose.first_s:
        yield f"rounds before {whose.first_s} are not kept with their inputs"
    if done.other_specs and plan.is_own:
        yield f"{done.other_specs} of {done.folded} rounds were made while the feed was configured otherwise; here they are judged as it is now"
    if plan.question.wants_depth:
        yield f"sources were chosen by their depth at {times.from_s}, and stay chosen"
    if plan.spec.has_market and len(reachable_groups(plan.spec)) == 1:
        yield "one group alone states the market: the status is at best watch"


def _of_memory(plan: QueryPlan, whose: Whose, times: FoldTimes, done: FoldProgress, *, is_live: bool) -> Iterator[str]:
    """What the rounds before have left, and what they have not."""
    if is_live and not done.folded:
        yield "no round of the time before is stored: windows are empty, and what must last to count, as a depeg, cannot have lasted yet"
    elif not done.is_own:
        since = done.judged_since_s or times.from_s
        yield (
            f"status is judged since {since}: what rules remember for longer, as slashes, drift, a learned normal deviation"
            " or a growth of the rate, begins there too"
        )
        begins_s = times.from_s - plan.warm_up_s
        short_s = min(since, times.from_s) - begins_s
        if short_s > plan.interval_s or (whose.first_s is not None and whose.first_s > begins_s):
            yield f"{short_s} s of the {plan.warm_up_s} s before the first price are missing, in which windows and dwells fill"
    if done.gap_s >= _MANY * plan.interval_s:
        until_s = done.gap_from_s + done.gap_s
        yield f"no round is stored between {done.gap_from_s} and {until_s}: windows and dwells know nothing of that time"


def _point(at_s: int, point: QueryPoint | None) -> Document:
    if point is None:
        return {"at": at_s, "round": None, "price": None, "why": "no round is stored at that time"}
    report = point.report
    return {
        "at": at_s,
        "round": point.round_s,
        "price": _text(point.price_wad),
        "market": _text(point.market.price_wad if point.market else 0),
        "redemption": _text(point.redemption.price_wad if point.redemption else 0),
        "deviation_bps": point.deviation_bps,
        "spread_bps": report.spread_bps if report is not None and point.price_wad else None,
        "status": point.status.word,
        "reasons": [{"code": r.code.name, "text": r.text} for r in point.reasons],
        "why": None if point.why is None else f"{point.why.code.name}: {point.why.text}",
        "used": [_used(u) for a in (point.market, point.redemption) if a is not None for u in a.used],
        "rejected": [_rejected(r) for r in point.rejected],
        "inputs": [
            {"source": i.source, "kind": i.kind.value, "age_ms": i.age_ms, "fault": i.fault} for i in point.inputs
        ],
        "legs": [_leg(leg, point.at_ms) for leg in point.legs],
    }


def _used(used: Used) -> Document:
    return {
        "source": used.source,
        "group": used.group,
        "price": _text(used.price_wad),
        "weight_bps": used.weight_bps,
        "age_ms": used.age_ms,
    }


def _rejected(rejected: Rejected) -> Document:
    return {"source": rejected.source, "code": rejected.code, "text": rejected.text, "price": _text(rejected.price_wad)}


def _leg(leg: Leg, at_ms: int) -> Document:
    """A feed that sources were converted by; its price is what the market paid, as conversion takes it."""
    price = _text(leg.report.market_wad)
    return {
        "feed": leg.feed,
        "price": price,
        "status": leg.report.status.word,
        "age_ms": max(0, at_ms - leg.market_as_of_ms) if price else None,
    }


def _text(wad: int | None) -> str | None:
    return wad_text(wad) if wad else None


def answer_lines(document: Document) -> list[str]:
    """An answer for people."""
    by = f"{document['method']}, filter {document['filter'] or 'none'}, of {', '.join(document['sources']) or 'no market source'}"
    moment = "live, and not signed" if document["live"] else "of stored rounds, not signed"
    rows = [f"{document['feed']} by {by}: {moment}"]
    for point in document.get("points") or [document["answer"]]:
        rows += _point_lines(point, is_whole="points" not in document)
    return [*rows, *(f"  limit: {text}" for text in document["limits"])]


def _point_lines(point: Document, *, is_whole: bool) -> Iterator[str]:
    if "status" not in point:
        yield f"{point['at']}  -  {point['why']}"
        return
    spread = "" if point["spread_bps"] is None else f" +- {point['spread_bps']} bps"
    why = "; ".join([*([point["why"]] if point["why"] else ()), *(r["text"] for r in point["reasons"])])
    yield f"{point['at']}  {point['price'] or '-':<22}{spread}  {point['status']}  {why}".rstrip()
    if is_whole:
        for u in point["used"]:
            yield f"  {u['source']:<18} {u['price']:<22} weight {u['weight_bps'] / 100:.2f} %  {u['age_ms']} ms old  (group {u['group']})"
        for r in point["rejected"]:
            yield f"  {r['source']:<18} {r['price'] or '':<22} rejected: {r['code']}: {r['text']}"
        told = {x["source"] for x in (*point["used"], *point["rejected"])}
        for i in point["inputs"]:
            if i["source"] not in told:
                said = i["fault"] or f"{i['age_ms']} ms old"
                yield f"  {i['source']:<18} {said}  ({i['kind']})"
        for leg in point["legs"]:
            age = "no price" if leg["price"] is None else f"{leg['price']:<22} {leg['age_ms']} ms old"
            yield f"  {leg['feed']:<18} {age}  {leg['status']}  (converted by)"
