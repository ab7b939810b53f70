"""A shadow report for people: a section for each feed, in at most 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]
WIDTH = 100
_MOST = 20
_DAY_S, _HOUR_S, _MINUTE_S = 86_400, 3_600, 60


def report_lines(document: Document) -> list[str]:
    """The whole report."""
    head = [f"shadow report of {document['database']}", "times are UTC; distances are theirs from ours"]
    rows = [line for text in head for line in _wrapped(text, "")]
    for feed in document["feeds"]:
        rows += ["", *feed_lines(feed)]
    return rows


def feed_lines(feed: Document) -> list[str]:
    """One feed's section."""
    rows = [f"== {feed['feed']} ".ljust(WIDTH, "=")]
    if feed["from"] is None:
        return [*rows, "no round of it is stored in that time"]
    rows += _wrapped(
        f"{at(feed['from'])} to {at(feed['to'])}, {lasting(feed['covered_s'])} covered, rounds of {feed['interval_s']} s, mode {feed['mode']}", ""
    )  # fmt: skip
    rows += ["", "look at before listing"]
    rows += [line for each in feed["look_at"] for line in _wrapped(f"{each['code']}: {each['text']}", "  - ")]
    rows += [] if feed["look_at"] else ["  nothing stands out in these data; that is no recommendation"]
    rows += ["", "our price"]
    rows += [line for text in _own(feed) for line in _wrapped(text, "  ")]
    for reference in feed["references"]:
        rows += ["", *_reference(reference, feed)]
    return [*rows, "", *_changes(feed["status_changes"])]


def _own(feed: Document) -> Iterator[str]:
    silent = percent(feed["no_price_share"])
    yield f"{feed['priced']} of {feed['rounds']} rounds have a price; {silent} have none"
    for each in feed["no_price"]:
        yield f"no price, {each['code']} in {counted(each['rounds'], 'round')}, as: {each['text'] or 'this mode has none'}"
    for s in feed["silences"][:_MOST] if feed["silences"] else ():
        yield f"silent {at(s['from'])} to {at(s['to'])}: {s['code']}, {counted(s['rounds'], 'round')}"
    total_s = sum(feed["status_s"].values())
    if total_s:
        shares = {"before the first price" if w == "none" else w: s / total_s for w, s in feed["status_s"].items()}
        yield "status: " + ", ".join(f"{word} {percent(share)}" for word, share in shares.items())
    if feed["groups"]:
        counts = ", ".join(f"{n} in {counted(rounds, 'round')}" for n, rounds in feed["groups"].items())
        yield f"groups behind the market: {counts}; the quorum is {feed['min_groups']}"
    spread, hour = feed["spread_bps"], feed["hour_range_bps"]
    yield f"spread that we state, bps: median {spread['median']}, p99 {spread['p99']}"
    yield f"range within an hour, bps: median {hour['median']}, most {hour['max']}"


def _reference(reference: Document, feed: Document) -> list[str]:
    rows = [f"beside {reference['reference']} (compared with our {reference['against']})"]
    rows += [line for text in _figures(reference) for line in _wrapped(text, "  ")]
    if reference["rounds_both"]:
        rows += [line for text in _moves(reference["moves"], feed) for line in _wrapped(text, "  ")]
        rows += [line for text in _lending(reference["lending"], feed["market"]) for line in _wrapped(text, "  ")]
    return rows


def _figures(reference: Document) -> Iterator[str]:
    own = reference["threshold"]
    if own["bps"] is None and own["heartbeat_s"] is None:
        yield "when its provider writes is not known to the catalogue"
    else:
        beat = f", or {lasting(own['heartbeat_s'])} after the last time" if own["heartbeat_s"] else ""
        moved = f"after a move of {own['bps']} bps" if own["bps"] else "by time"
        yield f"its provider writes {moved}{beat}: within that it is not late"
    faults = ", ".join(f"{code} {n}" for code, n in reference["faults"].items())
    yield (
        f"both stood in {reference['rounds_both']} of {reference['rounds']} rounds; it was too old in"
        f" {percent(reference['too_old_share'])}, absent in {percent(reference['absent_share'])}"
        + (f" ({faults})" if faults else "")
    )
    for name, what in (("age_s", "age of what was read"), ("unchanged_s", "its answer had been seen to stand for")):
        if (ages := reference[name]) is not None:
            yield f"{what}, s: p50 {ages['p50']:g}, p99 {ages['p99']:g}, most {ages['max']:g}"
    if (off := reference["distance_bps"]) is None:
        return
    yield (
        f"distance, bps: median {off['median']}, p95 {off['p95']}, p99 {off['p99']}, most {off['max']:+} at {at(off['max_at'])};"
        f" mean with sign {off['mean_signed']:+g}"
    )
    yield (
        f"further than our spread in {percent(reference['beyond_spread_share'])}, than {reference['band_bps']} bps in"
        f" {percent(reference['beyond_band_share'])} of these rounds"
    )


def _moves(moves: Document, feed: Document) -> Iterator[str]:
    yield f"steps of {moves['move_bps']} bps made by both: {_first(moves)}"
    pushed = f"{feed['push_bps']} bps or {lasting(feed['heartbeat_s'])}"
    yield f"the same with our price as pushed on chain, after {pushed}: {_first(moves['as_pushed'])}"
    yield (
        f"made by us alone: {moves['steps_ours_alone']}; by it alone: {moves['steps_theirs_alone']}; not known whether by the"
        f" other too (a gap, or its {lasting(moves['wait_s'])} not over): {moves['steps_unknown']}"
    )
    listed = moves["moves"]
    for m in listed[:_MOST]:
        size = f"{m['direction']:<4} {m['steps']} x {moves['move_bps']} bps"
        if m["made_by"] == "both":
            who = f"{m['first']} first by {abs(m['lead_s'])} s" if m["lead_s"] is not None else "in the same round"
            yield f"  {at(m['at'])}  {size}  {who} (+- {m['within_s']} s)"
        else:
            who = "not known whether by both" if m["made_by"] == "unknown" else m["made_by"]
            yield f"  {at(m['at'])}  {size}  {who}" + (", taken back" if m["taken_back"] else "")
    if len(listed) > _MOST:
        yield f"  and {len(listed) - _MOST} more: --json has all"


def _first(steps: Document) -> str:
    lead = steps["lead_s"]
    text = f"{steps['steps_both']}; we first in {steps['ours_first']}, it in {steps['theirs_first']}, not known (same round) in {steps['same_round']}"
    if lead["median"] is None:
        return text
    return f"{text}; our lead, s: median {lead['median']:+}, {lead['least']:+} to {lead['most']:+}"


def _lending(lending: Document, market: Document) -> Iterator[str]:
    yield (
        f"a market of {market['positions']} loans, {market['least_ltv_percent']:g} to {market['most_ltv_percent']:g} % of their"
        f" collateral, liquidated beyond {market['liquidation_ltv_percent']:g} %, {lending['rounds']} rounds:"
    )
    for name, who in (
        ("ours_against_theirs", "on our feed, judged by it"),
        ("pushed_against_theirs", "on our feed as pushed, judged by it"),
        ("theirs_against_ours", "on it, judged by us"),
    ):
        h = lending[name]
        yield (
            f"  {who}: {h['liquidated']} liquidated, {h['wrongly_liquidated']} of them wrongly; {h['under_water']} under water"
            f" unseen; bad debt {h['bad_debt']:g}" + ("; could have been drained" if h["drained"] else "")
        )


def _changes(changes: Sequence[Document]) -> list[str]:
    rows = [f"status changes: {len(changes)}" if changes else "status changes: none"]
    for c in changes[:_MOST]:
        stood = lasting(c["stood_s"]) if c["is_over"] else f"{lasting(c['stood_s'])} so far"
        gap = ", with a gap in it" if c["had_gap"] else ""
        rows += _wrapped(f"{at(c['at'])}  {c['before'] or 'none'} -> {c['after']}, stood {stood}{gap}", "  ")
        rows += [line for r in c["reasons"] for line in _wrapped(f"{r['code']}: {r['text']}", "    ")]
        rows += [line for r in c["references"] for line in _wrapped(_said(r), "    ")]
    return [*rows, *([f"  and {len(changes) - _MOST} more: --json has all"] if len(changes) > _MOST else [])]


def _said(said: Document) -> str:
    if said["price"] is None:
        return f"{said['reference']} said nothing: {said['fault']}"
    off = "" if said["off_bps"] is None else f", {said['off_bps']:+} bps from our last price"
    return f"{said['reference']} said {said['price'][:14]}{off}"


def _wrapped(text: str, before: str) -> list[str]:
    indent = " " * (len(before) + len(text) - len(text.lstrip(" ")) + 2)
    return textwrap.wrap(
        before + text, WIDTH, subsequent_indent=indent, drop_whitespace=True, break_on_hyphens=False
    )  # fmt: skip


def at(time_s: int) -> str:
    """A time for people."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def lasting(seconds: int) -> str:
    """A length of time for people."""
    for unit_s, name in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:.1f}".removesuffix(".0") + f" {name}"
    return f"{seconds} s"


def counted(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}{'s' * (number != 1)}"


def percent(share: float | None) -> str:
    """A share for people."""
    return "-" if share is None else f"{share * 100:.2f} %"
