"""Risks to the JSON documents of the endpoint. Pure. Unknown is null with words, never false."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from feeds.units import MS, wad_text
from oracle.model.risk import BackingNow, FeedRisk, LiveRisk, RiskFact


def feed_risk_document(risk: FeedRisk) -> dict[str, Any]:
    """What does not change with a round: every answer with its source, and the tokens behind it."""
    return {
        "facts": [_fact_document(f) for f in risk.facts],
        "tokens": [{**asdict(t), "source": list(t.source)} for t in risk.tokens],
    }


def price_risk_document(risk: FeedRisk, live: LiveRisk) -> dict[str, Any]:
    """What is there and what is unknown of a feed, without what is known not to be there; and what the newest round showed."""
    return {
        "flags": [_fact_document(f) for f in risk.facts if f.raised],
        "unknown": [_fact_document(f) for f in risk.facts if f.raised is None],
        "live": {
            "round": live.round_time_s,
            "groups": None if live.groups is None else list(live.groups),
            "facts": [_fact_document(f) for f in live.facts],
            "backing": [_backing_document(b) for b in live.backing],
            "depth": [
                {
                    "of": d.of,
                    "largest": d.largest,
                    "share_bps": d.share_bps,
                    "depth": wad_text(d.depth_wad),
                    "unknown": list(d.unknown),
                }
                for d in live.depth
            ],
            "slashes": [{"of": s.of, "round": s.round_time_s, "ppb": s.ppb} for s in live.slashes],
        },
        "withdrawals": [
            {
                "token": t.token,
                "way_out": t.way_out,
                "least_days": t.least_days,
                "most_days": t.most_days,
                "delay_settable": t.delay_settable,
            }
            for t in risk.tokens
        ],
    }


def _backing_document(backing: BackingNow) -> dict[str, Any]:
    return {
        "of": backing.of,
        "rail": backing.rail,
        "supply": None if backing.supply_wad is None else wad_text(backing.supply_wad),
        "locked": None if backing.locked_wad is None else wad_text(backing.locked_wad),
        "coverage_bps": backing.coverage_bps,
        "unread": list(backing.unread),
        "as_of": None if backing.as_of_ms is None else backing.as_of_ms // MS,
    }


def risk_codes_document(risk: FeedRisk, live: LiveRisk) -> dict[str, list[str]]:
    """The same in codes alone, each once: short enough for every price of a list and of a stream."""
    facts = (*risk.facts, *live.facts)
    return {
        "raised": _distinct(f.code.value for f in facts if f.raised),
        "unknown": _distinct(f.code.value for f in facts if f.raised is None),
    }


def _distinct(codes: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(codes))


def _fact_document(fact: RiskFact) -> dict[str, Any]:
    return {
        "code": fact.code.value,
        "of": fact.of,
        "raised": fact.raised,
        "text": fact.text,
        "source": list(fact.source),
    }
