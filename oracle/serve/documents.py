"""Records to the JSON documents of the endpoint. Pure: no clock, no I/O. Prices are exact decimal text, times Unix ms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

from feeds.units import MS, Wad, div_up, wad_text
from oracle.combine.error_budget import ErrorBudget
from oracle.combine.groups import WEIGHT_CAP_BPS
from oracle.combine.methods.registry import METHODS
from oracle.combine.methods.twap import mean_since, spans, twap_geometric
from oracle.model.publication import OnChain, Record, Seal, Transition
from oracle.model.risk import FeedRisk
from oracle.model.roll_up import RollUp
from oracle.model.spec import FeedSpec
from oracle.model.state import Sample
from oracle.model.status import Reason, Why
from oracle.serve.risk_documents import feed_risk_document

PRICE_DECIMALS = 18
_PHASE_ONE = 1 << 64
_ID_BYTES = 32
Document: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstaining:
    """A feed has no price at the moment: why, and the time of this run's first round without one."""

    why: Why
    text: str
    since_ms: int


def price_text(wad: int | None) -> str | None:
    """Exact decimal text with 18 digits after the point; None where there is no price (0 on chain)."""
    return wad_text(wad) if wad else None


def price_document(
    spec: FeedSpec,
    record: Record,
    *,
    onchain: Sequence[OnChain],
    missing_targets: Sequence[str] = (),
    abstaining: Abstaining | None,
    risk_codes: Any,
    risk: Any,
    now_ms: int,
) -> Document:
    """A feed's price. While the feed abstains: its last record as it was, and beside it why and how old it is.

    Args:
        spec: the feed.
        record: its last record, or its indication.
        onchain: what the stores hold.
        missing_targets: targets whose store should hold it and is not known to.
        abstaining: why there is no newer record.
        risk_codes: which risks are raised and which unknown (``risk_codes_document``), or its bytes (``orjson.Fragment``).
        risk: the same in sentences with sources (``price_risk_document``), or its bytes; None in an answer about many feeds.
        now_ms: the clock, Unix ms.
    """
    return {
        "feed": spec.feed,
        "base": spec.pair.base,
        "quote": spec.pair.quote,
        **_published(record),
        "mode": record.mode.value,
        "price_decimals": PRICE_DECIMALS,
        "reasons": reasons_document(record.reasons),
        "heartbeat_s": spec.heartbeat_s,
        "final": record.final,
        "operators": list(record.operators),
        "legs": list(record.legs),
        "onchain": [_onchain_document(o, now_ms) for o in onchain],
        "onchain_missing": list(missing_targets),
        "abstaining": _abstaining_document(abstaining, record.observed_at_ms, now_ms) if abstaining else None,
        "security": feed_path(spec.feed) + "/security",
        "risk_codes": risk_codes,
        "risk": risk,
    }


def history_document(record: Record) -> Document:
    """One round of a feed's history: the record without what is the same in every round."""
    return {**_published(record), "reasons": [r.code.name for r in record.reasons]}


def roll_up_document(step_s: int, part: RollUp) -> Document:
    """What is left of the rounds of a minute or an hour."""
    return {
        "start": part.start_s(step_s),
        "step_s": step_s,
        "rounds": part.rounds,
        "open": price_text(part.open_wad),
        "high": price_text(part.high_wad),
        "low": price_text(part.low_wad),
        "close": price_text(part.close_wad),
        "market": price_text(part.market_wad),
        "redemption": price_text(part.redemption_wad),
        "worst": part.worst.word,
        "status": part.status.word,
    }


def feed_document(spec: FeedSpec, risk: FeedRisk, budget: ErrorBudget | None = None) -> Document:
    """What a feed is made of: its sources, method, limits, bands, rules and risks; of a cross the error budget as well."""
    bands = spec.bands
    return {
        "feed": spec.feed,
        "feed_id": hex_text(spec.feed.encode("ascii").ljust(_ID_BYTES, b"\0")),
        "base": spec.pair.base,
        "quote": spec.pair.quote,
        "path": feed_path(spec.feed),
        "mode": spec.mode.value,
        "method": spec.method,
        "outliers": spec.outliers,
        "window_s": spec.window_s,
        **_caps(spec),
        "min_groups": spec.min_groups,
        "accept_single_group": spec.accept_single_group,
        "max_age_s": spec.max_age_s,
        "max_spread_bps": spec.max_spread_bps,
        "heartbeat_s": spec.heartbeat_s,
        "push_bps": spec.push_bps,
        "halt_after_s": spec.halt_after_s,
        "has_market": spec.has_market,
        "has_redemption": spec.has_redemption,
        "share_of": spec.share_of,
        "legs": list(spec.legs),
        "bands": {name: getattr(bands, name) for name in type(bands).__slots__},
        "rules": {
            name: price_text(Wad(value)) if name == "snapshot_rate" else value
            for name in type(spec.rules).__slots__
            for value in (getattr(spec.rules, name),)
        },
        "budget": None
        if budget is None
        else {
            "push_bps": budget.push_bps,
            "spread_bps": budget.spread_bps,
            "total_bps": budget.total_bps,
            "age_ms": budget.age_ms,
            "stale_s": budget.stale_s,
        },
        "sources": [
            {
                "name": s.name,
                "pair": str(s.pair),
                "kind": s.kind.value,
                "group": s.group,
                "max_age_s": s.max_age_s,
                "average_s": s.average_s,
                "convert": s.convert,
            }
            for s in spec.sources
        ],
        "risk": feed_risk_document(risk),
    }


def _caps(spec: FeedSpec) -> Document:
    """The share that one group may have: of the volume of a method of trades, of the weight of any other."""
    method = METHODS[spec.method]
    return {
        "weight_cap_bps": WEIGHT_CAP_BPS if method.weighted and method.capped else None,
        "volume_cap_percent": spec.tuning.volume_cap_percent or None if method.of_trades else None,
    }


def twap_document(
    spec: FeedSpec, records: Sequence[Record], *, of: str, since_ms: int, until_ms: int
) -> Document | None:
    """Both time-weighted means of a window; None where there was no such price at any moment of it.

    A price is current until the next round, but never longer than the feed's max_age_s; the one that was current when the
    window began counts from there. Rounds that repeat an old price count for nothing.

    Args:
        spec: the feed.
        records: ascending: those of the window, before them the newest one from before it.
        of: price, market or redemption.
        since_ms: where the window begins.
        until_ms: where it ends.
    """
    fresh = [r for r in records if not r.report.repeats_prices]
    samples = [Sample(at_ms=r.report.round_time_s * MS, price_wad=p) for r in fresh if (p := _price_of(r, of))]
    gap_ms = spec.max_age_s * MS
    spans_ms = [ms for _, ms in spans(samples, since_ms, until_ms, gap_ms)]
    if not spans_ms:
        return None
    return {
        "feed": spec.feed,
        "of": of,
        "since_ms": since_ms,
        "until_ms": until_ms,
        "rounds": len(spans_ms),
        "covered_ms": sum(spans_ms),
        "max_gap_ms": gap_ms,
        "arithmetic": price_text(mean_since(samples, since_ms, until_ms, gap_ms)[0]),
        "geometric": price_text(twap_geometric(samples, until_ms, gap_ms, since_ms)),
    }


def transition_document(change: Transition) -> Document:
    """A change of a feed's status."""
    return {
        "feed": change.feed,
        "at_ms": change.at_ms,
        "before": change.before.word,
        "after": change.after.word,
        "reasons": reasons_document(change.reasons),
    }


def reasons_document(reasons: Sequence[Reason]) -> list[Document]:
    """Reasons: a code for machines and a sentence for people."""
    return [{"code": r.code.name, "text": r.text} for r in reasons]


def feed_path(feed: str) -> str:
    """A feed's path on the endpoint; # and other special characters are percent-encoded."""
    return "/v1/prices/" + "/".join(quote(part, safe="") for part in feed.split("/"))


def hex_text(raw: bytes) -> str:
    """Bytes as 0x and lower-case digits."""
    return "0x" + raw.hex()


def _price_of(record: Record, of: str) -> Wad:
    prices = {"price": record.price_wad, "market": record.report.market_wad, "redemption": record.report.redemption_wad}
    return prices[of]


def _published(record: Record) -> Document:
    report = record.report
    return {
        "round": report.round_time_s,
        "price": price_text(record.price_wad),
        "market": price_text(report.market_wad),
        "redemption": price_text(report.redemption_wad),
        "deviation_bps": record.deviation_bps,
        "spread_bps": report.spread_bps,
        "status": report.status.word,
        "status_only": report.status_only,
        "market_age_s": report.market_age_s,
        "redemption_age_h": report.redemption_age_h,
        "observed_at_ms": record.observed_at_ms,
        "computed_at_ms": record.computed_at_ms,
        "signed_at_ms": record.signed_at_ms,
        "seal": seal_document(record.seal) if record.seal is not None else None,
    }


def seal_document(seal: Seal) -> Document:
    """Who stands behind a record, who does not, and why."""
    return {
        "target": seal.target,
        "epoch": str(seal.epoch),
        "weight": str(seal.weight),
        "threshold": str(seal.threshold),
        "total": str(seal.total),
        "attempt": seal.attempt,
        "sealed_ms": seal.sealed_ms,
        "missing": [{"operator": a.operator, "why": a.why} for a in seal.missing],
        "refused": [{"operator": a.operator, "why": a.why} for a in seal.refused],
    }


def is_late(onchain: OnChain, now_ms: int) -> bool:
    """Whether the store should hold a newer round by now."""
    return now_ms > onchain.late_at_s * MS


def age_s(at_ms: int, now_ms: int) -> int:
    """Whole seconds since a time, rounded up."""
    return div_up(max(0, now_ms - at_ms), MS)


def _onchain_document(onchain: OnChain, now_ms: int) -> Document:
    return {
        "target": onchain.target,
        "round": onchain.round_time_s,
        "round_id": str(_PHASE_ONE | onchain.round_time_s),
        "price": price_text(onchain.price_wad),
        "age_s": age_s(onchain.round_time_s * MS, now_ms),
        "late_at_ms": onchain.late_at_s * MS,
        "late": is_late(onchain, now_ms),
        "landed_at_ms": onchain.landed_at_ms,
        "tx_hash": onchain.tx_hash,
        "why": onchain.why,
        "announced_by": onchain.announced_by,
        "announced_tx": onchain.announced_tx,
    }


def _abstaining_document(abstaining: Abstaining, observed_at_ms: int, now_ms: int) -> Document:
    return {
        "code": abstaining.why.name,
        "text": abstaining.text,
        "since_ms": abstaining.since_ms,
        "age_s": age_s(observed_at_ms, now_ms),
    }
