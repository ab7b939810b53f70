"""The documents behind a price: what every operator saw and signed, and the signed report itself. Pure, as documents."""

from __future__ import annotations

from collections.abc import Sequence

from eth_abi.abi import encode
from eth_hash.auto import keccak

from feeds.types import Failure, Outcome
from feeds.units import wad_text
from oracle.combine.manipulation_cost import MOVES_BPS, gate_cost, price_cost
from oracle.combine.methods.registry import METHODS
from oracle.model.publication import Explanation, Seal
from oracle.model.spec import FeedSpec
from oracle.model.types import Abstained, Aggregate, FeedRound, Report, Result, TradesUsed
from oracle.serve.documents import Document, hex_text, history_document, price_text, reasons_document, seal_document
from oracle.sign.messages import SignedBatch

_PUSH = keccak(b"push(bytes,bytes)")[:4]


def explain_document(feed: str, explanation: Explanation) -> Document:
    """Everything behind one record: each operator's round or abstention, and the values that it signed."""
    record = explanation.record
    return {
        "feed": feed,
        "record": history_document(record) if record else None,
        "operators": [
            {"operator": name, **_result_document(result, explanation.specs.get(name))}
            for name, result in explanation.rounds
        ],
        "values": [{"operator": name, **report_document(report)} for name, report in explanation.values],
        "legs": list(explanation.legs),
    }


def report_document(report: Report) -> Document:
    """What is signed, field for field."""
    return {
        "round": report.round_time_s,
        "market": price_text(report.market_wad),
        "redemption": price_text(report.redemption_wad),
        "spread_bps": report.spread_bps,
        "status": report.status.word,
        "why": report.why.name,
        "market_age_s": report.market_age_s,
        "redemption_age_h": report.redemption_age_h,
        "status_only": report.status_only,
    }


def batch_document(feed: str, batch: SignedBatch, seal: Seal | None = None) -> Document:
    """The signed report of one feed: ready to be sent to its store, and readable.

    Args:
        feed: its name.
        batch: as it was signed.
        seal: of the record of its round.
    """
    ((index, report),) = batch.reports.items()
    return {
        "feed": feed,
        "chain_id": str(batch.domain.chain_id),
        "store": hex_text(batch.domain.store),
        "epoch": str(batch.epoch),
        "index": index,
        "item": report_document(report),
        "batch": hex_text(batch.batch),
        "signatures": hex_text(batch.signatures),
        "signers": [
            {"operator": name, "address": hex_text(address)}
            for name, address in zip(batch.signers, batch.addresses, strict=True)
        ],
        "calldata": hex_text(push_call(batch.batch, batch.signatures)),
        "seal": seal_document(seal) if seal is not None else None,
    }


def push_call(batch: bytes, signatures: bytes) -> bytes:
    """The whole call of PriceStore.push."""
    return _PUSH + encode(["bytes", "bytes"], [batch, signatures])


def _result_document(result: Result, spec: FeedSpec | None) -> Document:
    head: Document = {
        "round": result.round_time_s,
        "result": "abstained" if isinstance(result, Abstained) else "round",
        "rules_version": result.rules_version,
        "spec_hash": result.spec_hash,
        "state_before": result.state_before,
        "state_after": result.state_after,
        "outcomes": [_outcome_document(o) for o in result.outcomes],
        "legs": [{"feed": leg.feed, **report_document(leg.report)} for leg in result.legs],
    }
    if isinstance(result, Abstained):
        return head | {
            "code": result.why.name,
            "text": result.text,
            "status": result.status.word,
            "reasons": reasons_document(result.reasons),
            "rejected": _rejected(result),
            "kept": report_document(result.kept) if result.kept else None,
        }
    return head | {
        "market": _aggregate_document(result.market),
        "redemption": _aggregate_document(result.redemption),
        "deviation_bps": result.verdict.deviation_bps,
        "status": result.verdict.status.word,
        "reasons": reasons_document(result.verdict.reasons),
        "report": report_document(result.report),
        "cost": _costs(result, spec),
        "cost_of": spec.share_of if spec else None,
    }


def _costs(result: FeedRound, spec: FeedSpec | None) -> list[Document]:
    """What it would cost to move this round's market price, and to push the feed from where it is into depeg."""
    if result.market is None or spec is None or not spec.sources:
        return []
    moves = [(bps, False) for bps in MOVES_BPS]
    deviation = result.verdict.deviation_bps
    left_bps = spec.bands.depeg_bps - abs((deviation or 0) - spec.bands.normal_bps)
    if deviation is not None and left_bps > 0:
        moves.append((left_bps, True))
    breakdown = METHODS[spec.method].breakdown_bps
    return [_cost(result.market, result.outcomes, breakdown, bps) | {"depeg": depeg} for bps, depeg in moves]


def _cost(market: Aggregate, outcomes: Sequence[Outcome], breakdown_bps: int, bps: int) -> Document:
    """One move: with what is modelled, and with what books and pools state alone."""
    shown = price_cost(market, outcomes, breakdown_bps, bps)
    return {
        "bps": shown.bps,
        "base": wad_text(shown.base_wad),
        "base_stated": wad_text(gate_cost(market, outcomes, breakdown_bps, bps).base_wad),
        "groups": list(shown.groups),
        "depths": [{"group": g, "from": known.value} for g, known in zip(shown.groups, shown.depths, strict=True)],
        "unknown": list(shown.unknown),
        "modelled": list(shown.modelled),
    }


def _aggregate_document(aggregate: Aggregate | None) -> Document | None:
    if aggregate is None:
        return None
    return {
        "price": price_text(aggregate.price_wad),
        "point_price": price_text(aggregate.point_wad),
        "spread_bps": aggregate.spread_bps,
        "disagree_bps": aggregate.disagree_bps,
        "as_of_ms": aggregate.as_of_ms,
        "used": [
            {
                "source": u.source,
                "group": u.group,
                "price": price_text(u.price_wad),
                "weight_bps": u.weight_bps,
                "age_ms": u.age_ms,
            }
            for u in aggregate.used
        ],
        "rejected": _rejected(aggregate),
        "trades": _trades_document(aggregate.trades),
    }


def _trades_document(trades: TradesUsed | None) -> Document | None:
    """The trades behind a price of a method of trades."""
    if trades is None:
        return None
    return {
        "since_ms": trades.since_ms,
        "until_ms": trades.until_ms,
        "complete_ms": trades.complete_ms,
        "cap_percent": trades.cap_percent or None,
        "groups": [
            {
                "group": g.group,
                "count": g.count,
                "volume": wad_text(g.volume_wad),
                "first_ms": g.first_ms,
                "last_ms": g.last_ms,
                "span_ms": g.span_ms,
            }
            for g in trades.groups
        ],
    }


def _rejected(result: Aggregate | Abstained) -> list[Document]:
    return [
        {"source": r.source, "code": r.code, "text": r.text, "price": price_text(r.price_wad)} for r in result.rejected
    ]


def _outcome_document(outcome: Outcome) -> Document:
    base = {"source": outcome.source, "pair": str(outcome.pair)}
    if isinstance(outcome, Failure):
        return base | {"failed_at_ms": outcome.failed_at_ms, "code": outcome.error.code, "text": str(outcome.error)}
    return base | {
        "kind": outcome.kind.value,
        "group": outcome.group,
        "price": price_text(outcome.price_wad),
        "observed_at_ms": outcome.observed_at_ms,
        "bid": price_text(outcome.bid_wad),
        "ask": price_text(outcome.ask_wad),
        "depth": None if outcome.depth_wad is None else wad_text(outcome.depth_wad),
        "depth_modelled": outcome.depth_modelled,
        "trades": sum(p.count for p in outcome.prints),
        "base_share_bps": outcome.base_share_bps,
        "chain_id": str(outcome.chain_id) if outcome.chain_id is not None else None,
        "block": str(outcome.block) if outcome.block is not None else None,
    }
