"""The numbers of a lender's risk list, through real rounds of real operators: backing, concentration of depth, the last slash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from feeds.types import Kind, Observation, Outcome
from feeds.units import MS, WAD
from oracle.model.risk import FeedRisk, LiveRisk, LiveRiskCode, RiskFact
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.types import FeedRound, FoldedFeed
from oracle.node.known_risks import known_risks
from oracle.round.step import step
from oracle.serve.live_risk import live_risks
from oracle.serve.openapi.risk import PRICE_RISK
from oracle.serve.risk_documents import price_risk_document
from tests.oracle.oracle_build import T0, failed, outcomes, seen, source, spec
from tests.oracle.serve.endpoint_client import faults
from tests.oracle.storage.stored_rounds import record_of

LOCK = source("lock", kind=Kind.BACKING, group="chain:main", rail="bridge")
FAR = source("far", kind=Kind.SUPPLY, group="chain:l2", rail="bridge")
HOME, HELD = source("supply", kind=Kind.SUPPLY), source("held", kind=Kind.BACKING)
FEED = spec(sources=(*spec().sources, HOME, HELD, LOCK, FAR))


def reads(**units: int | None) -> list[Outcome]:
    """What the sources say; ``None``: it did not answer. A source that is not named has 1,000."""
    told = {s.name: units.get(s.name, 1_000) for s in (HOME, HELD, LOCK, FAR)}
    kinds = {s.name: s.kind for s in (HOME, HELD, LOCK, FAR)}
    return [
        *outcomes("1.05"),
        *(failed(n) if u is None else replace(seen(n, "1", kind=kinds[n]), price_wad=u * WAD) for n, u in told.items()),  # type: ignore[arg-type]
    ]


def risk(*operators: Sequence[Outcome], feed: FeedSpec = FEED) -> LiveRisk:
    """What a round shows in which each operator read this."""
    folded = []
    for name, said in enumerate(operators):
        result, after = step(feed, FeedState(), said, {}, T0)
        folded.append(FoldedFeed(operator=str(name), spec=feed, before=FeedState(), after=after, result=result))
    return live_risks(T0 // MS, folded, {feed.feed: feed}, {}, {})[feed.feed]


def shown(live: LiveRisk) -> dict[str, Any]:
    document = price_risk_document(FeedRisk(), live)
    assert faults(document, {"type": "object", **PRICE_RISK}) == []
    out: dict[str, Any] = document["live"]
    return out


def rail_fact(live: LiveRisk) -> RiskFact:
    return next(f for f in live.facts if f.code is LiveRiskCode.RAIL_UNBACKED_NOW)


def test_the_token_as_a_whole_and_each_rail_are_shown_with_their_cover() -> None:
    live = risk(reads(lock=996, far=1_000, held=2_000))
    whole, rail = shown(live)["backing"]
    assert (whole["rail"], whole["coverage_bps"], whole["unread"]) == (None, 20_000, [])
    assert rail == {
        "of": FEED.feed, "rail": "bridge", "supply": "1000.000000000000000000", "locked": "996.000000000000000000",
        "coverage_bps": 9_960, "unread": [], "as_of": T0 // MS,
    }  # fmt: skip
    assert rail_fact(live).raised is False


@pytest.mark.parametrize("missing", ["lock", "far"])
def test_a_side_that_is_not_read_is_unknown_and_named(missing: str) -> None:
    live = risk(reads(**{missing: None}))
    rail = shown(live)["backing"][1]
    assert (rail["coverage_bps"], rail["unread"]) == (None, [missing])
    assert rail_fact(live).raised is None
    assert f"{missing} not read" in rail_fact(live).text


def test_of_two_operators_the_one_that_saw_the_least_cover_counts() -> None:
    for order in (1, -1):
        seen_by = [reads(lock=1_000), reads(lock=2)][::order]
        live = risk(*seen_by)
        assert shown(live)["backing"][1]["coverage_bps"] == 20
        assert rail_fact(live).raised is True
        for unread in ("lock", "far"):
            blind = risk(*[reads(lock=1_000), reads(**{unread: None})][::order])
            assert shown(blind)["backing"][1]["coverage_bps"] is None, "what one of them does not know is not known"
        assert shown(risk(*[reads(lock=2), reads(lock=None)][::order]))["backing"][1]["coverage_bps"] == 20


def test_how_much_of_the_depth_lies_in_one_place() -> None:
    deep = {"coinbase": 700, "kraken": 200}

    def told(*, modelled: bool = False) -> list[Outcome]:
        return [
            replace(o, depth_wad=deep[o.source] * WAD, depth_modelled=modelled)
            if isinstance(o, Observation) and o.source in deep
            else o
            for o in reads()
        ]

    (depth,) = shown(risk(told()))["depth"]
    assert depth == {
        "of": FEED.feed, "largest": "coinbase", "share_bps": 7_777, "depth": "900.000000000000000000", "unknown": ["binance"],
    }  # fmt: skip
    assert shown(risk(told(modelled=True)))["depth"] == [], "a guess from the day's volume is no depth"


def test_the_last_slash_is_remembered_with_its_size() -> None:
    assert shown(risk(reads()))["slashes"] == []
    state = FeedState()
    for second, rate in enumerate(("1.05", "1.04")):
        said = outcomes("1.05", rate, T0 + second * MS)
        result, state = step(spec(), state, said, {}, T0 + second * MS)
    folded = FoldedFeed(operator="a", spec=spec(), before=FeedState(), after=state, result=result)
    live = live_risks(T0 // MS + 1, [folded], {spec().feed: spec()}, {}, {})[spec().feed]
    assert shown(live)["slashes"] == [{"of": spec().feed, "round": T0 // MS + 1, "ppb": 9_523_809}]


def test_a_node_that_has_the_record_alone_is_told_by_its_reason() -> None:
    result, _ = step(FEED, FeedState(), reads(lock=2), {}, T0)
    assert isinstance(result, FeedRound)
    told = known_risks(T0 // MS, [record_of(result)], {FEED.feed: FEED}, {FEED.feed: FeedRisk()})[FEED.feed]
    assert rail_fact(told).raised is True
    assert "2.00 are locked for 1000.00" in rail_fact(told).text
    assert told.backing == (), "numbers are in no record"
    calm, _ = step(FEED, FeedState(), reads(), {}, T0)
    assert isinstance(calm, FeedRound)
    quiet = known_risks(T0 // MS, [record_of(calm)], {FEED.feed: FEED}, {FEED.feed: FeedRisk()})[FEED.feed]
    assert rail_fact(quiet).raised is None, "no reason is no proof"


def test_a_product_has_those_of_its_legs_once() -> None:
    leg = risk(reads(lock=2))
    cross = spec(feed="wdivETH/USD", legs=(FEED.feed, FEED.feed), sources=())
    result, after = step(FEED, FeedState(), reads(lock=2), {}, T0)
    folded = FoldedFeed(operator="a", spec=FEED, before=FeedState(), after=after, result=result)
    made = live_risks(T0 // MS, [folded], {FEED.feed: FEED, cross.feed: cross}, {}, {})
    assert made[cross.feed].backing == leg.backing
    assert rail_fact(made[cross.feed]).of == FEED.feed
