"""Operators as the JSON of /v1/operators and as lines for people; a sealed round with what proves it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from feeds.chains.abi import checksummed
from oracle.network.tally import MemberHour, Percentiles, ToldReason
from oracle.report.wire import decode_items
from oracle.serve.documents import Document, hex_text
from oracle.serve.evidence import report_document
from oracle.serve.operators import OperatorRow, OperatorsView
from oracle.serve.stake_lines import stake_lines
from oracle.sign.eip712 import sealed_digest
from oracle.sign.messages import Agreement

_BPS = 10_000
_STAKE_UNKNOWN: Document = {"stake": None, "stake_why": "only a running process reads the contracts of stake"}
NOBODY: Document = {
    "target": None, "running": True, "epoch": None, "epoch_expires_s": None, "round": None, "weight": None, "threshold": None, "clock_offset_ms": None,
    "warnings": [], "rounds": None, "operators": [],
}  # fmt: skip
"""Of a process that has no operators."""


def operators_document(view: OperatorsView | None, stake: Document = _STAKE_UNKNOWN) -> Document:
    """All operators of the home store, and what the contracts of stake say (`stake_parts`)."""
    if view is None:
        return {**NOBODY, **stake}
    hour, newest = view.hour, view.hour.newest
    signers = newest.signers if newest is not None else None
    return {
        "target": view.target,
        "running": view.running,
        "epoch": str(signers.epoch) if signers is not None else None,
        "epoch_expires_s": signers.expires_s if signers is not None else None,
        "round": newest.round_time_s if newest is not None else None,
        "weight": str(sum(signers.weights)) if signers is not None else None,
        "threshold": str(signers.threshold) if signers is not None else None,
        "clock_offset_ms": view.clock_offset_ms,
        "warnings": list(view.warnings),
        "rounds": {
            "sealed": hour.sealed,
            "lost": hour.lost,
            "attempts": hour.attempts,
            "lost_why": _reasons(hour.lost_why),
            "sealed_after_ms": _percentiles(hour.sealed_late),
        },
        "operators": [_row_document(r) for r in view.rows],
        **stake,
    }


def _row_document(row: OperatorRow) -> Document:
    link, hour = row.link, row.hour
    return {
        "address": checksummed(row.address),
        "name": row.name,
        "here": row.is_here,
        "weight": str(row.weight) if row.weight is not None else None,
        "path": row.path,
        "via": list(link.via) if link is not None else [],
        "remote": link.remote if link is not None else "",
        "urls": list(row.urls),
        "round_trip_ms": round(link.round_trip_ms) if link is not None and link.round_trip_ms is not None else None,
        "clock_offset_ms": link.clock_offset_ms if link is not None else None,
        "build": row.build,
        "versions": list(row.versions),
        "path_since_ms": link.since_ms if link is not None else None,
        "last_error": link.last_error if link is not None else "",
        "last_error_ms": (link.last_error_ms or None) if link is not None else None,
        "why": row.why,
        "hour": _hour_document(hour),
        "refused": {"count": row.refused[0], "last": row.refused[1]},
    }


def _hour_document(hour: MemberHour) -> Document:
    return {
        "rounds": hour.rounds,
        "watched": hour.watched,
        "values_bps": _share(hour.values, hour.watched),
        "ready_bps": _share(hour.ready, hour.watched),
        "signed_bps": _share(hour.signed, hour.rounds),
        "values_after_ms": _percentiles(hour.values_late),
        "signed_after_ms": _percentiles(hour.signed_late),
        "led": hour.led,
        "led_sealed": hour.led_sealed,
        "missing": _reasons(hour.reasons),
        "missing_now": hour.run,
        "apart": _reasons(hour.apart),
        "apart_now": hour.apart_run,
        "evidence": {"count": sum(hour.evidence.values()), "newest": _reasons(hour.evidence_texts)},
    }


def _share(count: int, of: int) -> int | None:
    return count * _BPS // of if of else None


def _percentiles(times: Percentiles) -> Document:
    return {"p50": times.p50_ms, "p99": times.p99_ms}


def _reasons(reasons: Sequence[ToldReason]) -> list[Document]:
    return [{"text": r.text, "rounds": r.count, "newest": r.round_time_s} for r in reasons]


# --- for people -----------------------------------------------------------------------------------------------------------


def operators_lines(document: Mapping[str, Any]) -> list[str]:
    """The document as lines: what is wrong here first, then everybody, our own row first, then what their stake is."""
    if document["target"] is None:
        return ["this process has no operators: nothing is agreed on", *stake_lines(document)]
    rounds, rows = document["rounds"], document["operators"]
    head = f"store {document['target']}: {rounds['sealed']} rounds sealed in the last hour, {rounds['lost']} lost"
    if document["threshold"] is not None:
        head += f"; {document['threshold']} of weight {document['weight']} needed"
    if document["epoch_expires_s"] is not None:
        head += f"; epoch {document['epoch']} expires at {document['epoch_expires_s']} (Unix s)"
    said = [] if document["running"] else ["no running process answers: this is what its database knows"]
    said += [f"! {w}" for w in document["warnings"]]
    said += [f"  lost: {r['text']} ({r['rounds']} rounds, last {r['newest']})" for r in rounds["lost_why"]]
    titles = f"  {'operator':<18} {'weight':>6} {'path':<16} {'trip':>7} {'clock':>8} {'values':>7} {'ready':>7} {'signed':>7} {'late':>8}"
    return [head, *said, titles, *(line for row in rows for line in _row_lines(row)), *stake_lines(document)]


def _row_lines(row: Mapping[str, Any]) -> list[str]:
    hour = row["hour"]
    path = f"via {','.join(row['via'])}" if row["via"] else row["path"]
    trip = "" if row["round_trip_ms"] is None else f"{row['round_trip_ms']} ms"
    clock = "" if row["clock_offset_ms"] is None else f"{row['clock_offset_ms']:+d} ms"
    late = "" if hour["signed_after_ms"]["p99"] is None else f"{hour['signed_after_ms']['p99']} ms"
    shares = " ".join(f"{_percent(hour[k]):>7}" for k in ("values_bps", "ready_bps", "signed_bps"))
    mark = "*" if row["here"] else " "
    weight = "?" if row["weight"] is None else row["weight"]
    line = f"{mark} {row['name']:<18} {weight:>6} {path:<16} {trip:>7} {clock:>8} {shares} {late:>8}  {row['build']}"
    why = [f"      now: {row['why']}"] if row["why"] else []
    why += [
        f"      missing in {r['rounds']} rounds, last {r['newest']}: {r['text'] or 'why is not known'}"
        for r in hour["missing"]
    ]
    why += [
        f"      does not vouch in {r['rounds']} rounds, last {r['newest']}: {r['text']}" for r in hour.get("apart", ())
    ]
    why += [
        f"      evidence, {r['rounds']} rounds, last {r['newest']}: {r['text']}" for r in hour["evidence"]["newest"]
    ]
    return [line.rstrip(), *why]


def _percent(bps: int | None) -> str:
    return "" if bps is None else f"{bps / 100:.1f} %"


# --- a sealed round -------------------------------------------------------------------------------------------------------


def sealed_document(agreement: Agreement) -> Document:
    """A sealed round with all that is needed to verify it: bytes, signatures, and the set that they are held against."""
    signers, domain = agreement.signers, agreement.signers.domain
    at = (domain, signers.epoch, agreement.round_time_s, agreement.step)
    seals = dict(agreement.seals)
    feeds = dict(zip(agreement.indexes, agreement.feeds, strict=True))
    reports = decode_items(agreement.items, agreement.round_time_s)
    return {
        "target": agreement.target,
        "chain_id": str(domain.chain_id),
        "store": checksummed(domain.store),
        "epoch": str(signers.epoch),
        "round": agreement.round_time_s,
        "step": agreement.step,
        "items": hex_text(agreement.items),
        "digest": hex_text(sealed_digest(*at, agreement.items)),
        "dropped": [feeds.get(i, str(i)) for i in agreement.dropped],
        "threshold": str(signers.threshold),
        "signers": [
            {
                "address": checksummed(address),
                "weight": str(weight),
                "signature": hex_text(seals[address]) if address in seals else None,
            }
            for address, weight in zip(signers.signers, signers.weights, strict=True)
        ],
        "feeds": [{"index": i, "feed": feeds.get(i, str(i)), "report": report_document(r)} for i, r in reports.items()],
    }
