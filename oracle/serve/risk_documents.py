"""Risks to the JSON documents of the endpoint. Pure. Unknown is null with words, never false."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from oracle.model.risk import FeedRisk, LiveRisk, RiskFact


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
        },
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
