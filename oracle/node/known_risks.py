"""What a node knows of the risks that the newest round showed: what follows from the record and its reasons. All else is unknown, which is never a no. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from oracle.model.publication import Record
from oracle.model.risk import FeedRisk, LiveRisk, LiveRiskCode, RiskFact
from oracle.model.spec import FeedSpec
from oracle.model.status import Why
from oracle.serve.live_risk import live_risks

_SAID_BY = MappingProxyType({
    Why.CLOSED: LiveRiskCode.REDEMPTION_CLOSED_NOW,
    Why.GROWTH: LiveRiskCode.RATE_CAPPED_NOW,
    Why.RATE_STALE: LiveRiskCode.RATE_OLD_NOW,
    Why.UNBACKED_RAIL: LiveRiskCode.RAIL_UNBACKED_NOW,
})  # fmt: skip
"""Reasons of a status that answer a question."""


def known_risks(
    round_time_s: int, records: Iterable[Record], specs: Mapping[str, FeedSpec], risks: Mapping[str, FeedRisk]
) -> dict[str, LiveRisk]:
    """The live risk of every feed, without its inputs.

    Args:
        round_time_s: of the newest round.
        records: that it brought.
        specs: all feeds, legs before what needs them.
        risks: what does not change.
    """
    brought = {r.feed: r for r in records}
    repeated = {f: r.report.repeats_prices for f, r in brought.items()}
    said = {
        (f, code): reason.text
        for f, r in brought.items()
        for reason in r.reasons
        if (code := _SAID_BY.get(reason.code))
    }
    made = live_risks(round_time_s, (), specs, risks, repeated)
    return {f: replace(live, facts=tuple(_answered(fact, said) for fact in live.facts)) for f, live in made.items()}


def _answered(fact: RiskFact, said: Mapping[tuple[str, LiveRiskCode], str]) -> RiskFact:
    text = said.get((fact.of, fact.code)) if isinstance(fact.code, LiveRiskCode) else None
    return fact if text is None else replace(fact, raised=True, text=text)
