"""What to look at before a feed is listed, said plainly: what the data do not cover, and what in them stands out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
_DAY_S = 86_400
_FEW_DAYS = 7
_MUCH_SILENCE, _MUCH_ABSENCE, _OFTEN_BEYOND, _OFTEN_NARROW, _HALF = 0.001, 0.05, 0.01, 0.1, 0.5
_BIAS_BPS = 10


def verdict(report: Document) -> list[Document]:
    """A code and a sentence for each. None of them is a recommendation, and neither is an empty list."""
    found = [*_coverage(report), *_own(report)]
    if not report["references"]:
        made_of = report["made_of"]
        why = (
            f"it is made of {made_of}, whose references are compared there"
            if made_of
            else "none is configured for this feed"
        )
        found.append(("NO_REFERENCE", f"nothing is compared: {why}"))
    if len(report["references"]) == 1:
        found.append(
            ("ONE_REFERENCE", "one reference alone: where the two differ, nothing here says which of them is right")
        )
    for reference in report["references"]:
        found += _of_reference(reference)
    return [{"code": code, "text": text} for code, text in found]


def _coverage(report: Document) -> Iterator[tuple[str, str]]:
    days = report["covered_s"] / _DAY_S
    if days < _FEW_DAYS:
        yield "FEW_DAYS", f"{days:.2f} days are covered: {_FEW_DAYS} show each weekday once"
    if report["gaps"]:
        lost_s = sum(g["to"] - g["from"] for g in report["gaps"])
        yield "GAPS", f"{lost_s} s lie in gaps ({len(report['gaps'])}): nothing is known of them"
    most, watch = report["hour_range_bps"]["max"], report["watch_bps"]
    worse = any(c["after"] not in ("ok", None) and c["before"] is not None for c in report["status_changes"])
    if most is not None and most < watch and not worse:
        yield (
            "NO_STRESS",
            (
                f"no stress was seen: within no hour did the price move by the watch band of {watch} bps (at most {most}), and the"
                " status never got worse; replays of incidents show that side (lrt-oracle replay all)"
            ),
        )
    total_s, ok_s = sum(s for w, s in report["status_s"].items() if w != "none"), report["status_s"].get("ok", 0)
    if total_s and ok_s < total_s * _HALF:
        yield (
            "NO_CALM",
            f"the status was ok for {_percent(ok_s / total_s)} of the time: there is hardly a calm time to judge by",
        )
    if report["configs"] > 1:
        yield "OTHER_CONFIG", f"the feed was configured in {report['configs']} ways meanwhile: these figures mix them"
    if report["other_operators"]:
        yield (
            "ONE_OPERATOR",
            f"rounds of operator {report['operator']} alone; what is published is what all of them agree on",
        )


def _own(report: Document) -> Iterator[tuple[str, str]]:
    silent = report["no_price_share"] or 0
    if silent > _MUCH_SILENCE:
        reasons = ", ".join(f"{n['code']} {n['rounds']}" for n in report["no_price"][:3])
        yield "NO_PRICE", f"{_percent(silent)} of the rounds have no price ({reasons})"
    quorum, groups = report["min_groups"], report["groups"]
    priced = sum(groups.values())
    if quorum is not None and priced:
        narrow = sum(n for count, n in groups.items() if int(count) <= quorum) / priced
        if narrow > _OFTEN_NARROW:
            yield (
                "NARROW_QUORUM",
                (
                    f"in {_percent(narrow)} of the priced rounds no more groups answered than the quorum of {quorum} needs: one less,"
                    " and there is no price"
                ),
            )
        if quorum == 1 and groups.get("1", 0) / priced > _OFTEN_NARROW:
            yield "ONE_GROUP", "one group alone states the market: its word is the price"
    changes = report["status_changes"]
    if changes and changes[-1]["after"] != "ok":
        yield "NOT_OK_AT_END", f"the status was {changes[-1]['after']} when the data end"


def _of_reference(reference: Document) -> Iterator[tuple[str, str]]:
    name = reference["reference"]
    if not reference["rounds_both"]:
        yield "NEVER_BOTH", f"{name}: there is no round in which it and our price stood ({_faults(reference)})"
        return
    absent = (reference["too_old_share"] or 0) + (reference["absent_share"] or 0)
    if absent > _MUCH_ABSENCE:
        yield (
            "REFERENCE_ABSENT",
            f"{name}: absent or too old in {_percent(absent)} of the rounds ({_faults(reference)})",
        )
    beyond, own = reference["beyond_spread_share"] or 0, reference["threshold"]["bps"]
    if beyond > _OFTEN_BEYOND:
        within = f"; it waits for moves of {own} bps itself" if own else ""
        yield (
            "BEYOND_SPREAD",
            f"{name}: further from our price than the spread that we state in {_percent(beyond)} of the rounds{within}",
        )
    bias = reference["distance_bps"]["mean_signed"]
    if abs(bias) >= _BIAS_BPS:
        yield (
            "BIAS",
            f"{name}: lies {abs(bias):g} bps {'above' if bias > 0 else 'below'} ours on average: another market, another rate, or lateness",
        )
    yield from _of_moves(name, reference["moves"], own)
    yield from _of_market(name, reference["lending"])


def _of_moves(name: str, moves: Document, own_bps: int | None) -> Iterator[tuple[str, str]]:
    unit = f"steps of {moves['move_bps']} bps"
    if not moves["steps_both"]:
        yield "NO_MOVE", f"{name}: both made no {unit}: who is first was not seen"
    for code, steps, what in (("THEIRS_FIRST", moves, ""), ("THEIRS_FIRST_ON_CHAIN", moves["as_pushed"], ", pushed,")):
        if steps["theirs_first"] > steps["ours_first"]:
            first = f"was first in {steps['theirs_first']} of {steps['steps_both']} {unit}"
            yield code, f"{name}: {first}, our price{what} in {steps['ours_first']}"
    if moves["steps_ours_alone"]:
        within = ""
        if own_bps is not None and own_bps > moves["move_bps"]:
            within = f"; it waits for {own_bps} bps itself, so that need not be ours to explain"
        yield (
            "OURS_ALONE",
            f"{name}: we alone made {moves['steps_ours_alone']} {unit}: possible false moves of ours{within}",
        )
    if moves["steps_theirs_alone"]:
        yield (
            "THEIRS_ALONE",
            f"{name}: it alone made {moves['steps_theirs_alone']} {unit}: its false moves, or what we missed",
        )


def _of_market(name: str, lending: Document) -> Iterator[tuple[str, str]]:
    for key, what in (("ours_against_theirs", "our feed"), ("pushed_against_theirs", "our feed as pushed")):
        ours = lending[key]
        if not (ours["wrongly_liquidated"] or ours["under_water"] or ours["bad_debt"] or ours["drained"]):
            continue
        parts = [
            f"{ours['wrongly_liquidated']} of {ours['liquidated']} liquidations wrong",
            f"{ours['under_water']} loans under water unseen",
            f"bad debt {ours['bad_debt']:g}",
            *(["could have been drained"] if ours["drained"] else []),
        ]
        yield "MARKET", f"{name}: judged by it, a market on {what} had {', '.join(parts)}"


def _faults(reference: Document) -> str:
    return ", ".join(f"{code} {n}" for code, n in reference["faults"].items()) or "our price was absent"


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"
