"""What a round showed: through real rounds of real operators, and held against what each of them folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import Closed, NoData
from feeds.types import Failure, Kind, Outcome
from feeds.units import MS
from oracle.model.risk import FeedRisk, LiveRisk, LiveRiskCode
from oracle.model.spec import FeedSpec, Rules
from oracle.model.state import FeedState
from oracle.model.types import FeedRound
from oracle.round.rounds import Member, Round, Rounds
from oracle.serve.live_risk import live_risks
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.price_cache import PriceCache
from oracle.serve.risk_documents import price_risk_document
from tests.oracle.oracle_build import PAIR, T0, outcomes, seen, source, spec
from tests.oracle.round.round_world import CROSS, ETH_USD, SPECS, observed, own_round
from tests.oracle.serve.endpoint_client import faults
from tests.oracle.serve.service_world import ServiceWorld

FEED, S = "wdivETH/ETH", T0 // MS
CHAINS = {FEED: FeedRisk(chains={"coinbase": None, "kraken": "main", "binance": "main", "rate": "main"})}
OPEN = source("open", kind=Kind.OPEN, group="chain:local")


def run(
    specs: Mapping[str, FeedSpec],
    seen_now: Mapping[str, Sequence[Outcome]],
    *,
    without: Mapping[str, tuple[str, ...]] | None = None,
) -> Round:
    """One round of two operators; ``without``: sources that an operator does not use."""
    members = []
    for name in ("one", "two"):
        left_out = (without or {}).get(name, ())
        own = {f: replace(s, sources=tuple(x for x in s.sources if x.name not in left_out)) for f, s in specs.items()}
        members.append(Member(name=name, specs=own, states={f: FeedState() for f in specs}))
    return own_round(Rounds(specs, members, None), S, seen_now, now_ms=T0)


def live(done: Round, specs: Mapping[str, FeedSpec], feed: str = FEED) -> LiveRisk:
    repeated = {r.feed: r.report.repeats_prices for r in done.records}
    return live_risks(done.round_time_s, done.feeds, specs, CHAINS, repeated)[feed]


def answers(risk: LiveRisk) -> dict[LiveRiskCode, bool | None]:
    return {LiveRiskCode(f.code): f.raised for f in risk.facts}


def test_a_calm_round_says_no_and_names_its_groups() -> None:
    risk = live(run(SPECS, observed()), SPECS)
    assert risk.round_time_s == S
    assert risk.groups == ("binance", "coinbase", "kraken")
    assert answers(risk) == {
        LiveRiskCode.ONE_GROUP_NOW: False,
        LiveRiskCode.ONE_CHAIN_NOW: False,
        LiveRiskCode.ONE_RATE_READING_NOW: True,
        LiveRiskCode.REDEMPTION_CLOSED_NOW: None,
        LiveRiskCode.RATE_CAPPED_NOW: False,
        LiveRiskCode.RATE_OLD_NOW: None,
        LiveRiskCode.PRICES_REPEATED_NOW: False,
    }
    texts = {f.code: f.text for f in risk.facts}
    assert (
        texts[LiveRiskCode.ONE_GROUP_NOW]
        == "3 independent groups are behind the market price: binance, coinbase, kraken"
    )
    assert texts[LiveRiskCode.REDEMPTION_CLOSED_NOW].startswith("not known of wdivETH/ETH: ")


def test_before_a_round_nothing_is_known(tmp_path: Path) -> None:
    world = ServiceWorld(tmp_path)
    empty = price_risk_document(FeedRisk(), LiveRisk())
    assert empty["live"] == {"round": None, "groups": None, "facts": [], "backing": [], "depth": [], "slashes": []}
    assert empty["withdrawals"] == []
    assert world.service.risk(FEED) == FeedRisk()


async def test_the_service_shows_the_newest_round_in_every_price(tmp_path: Path) -> None:
    world = ServiceWorld(tmp_path)
    cache = PriceCache(world.service, lambda: world.at_ms)
    body = cache.price(world.service.specs()[FEED], live=False, whole=True)
    assert body is not None
    price = orjson.loads(body.payload)
    assert faults(price, SCHEMAS["Price"]) == []
    assert price["risk"]["live"]["round"] == price["round"]
    assert len(price["risk"]["live"]["groups"]) >= 2


@given(st.lists(st.sampled_from(["coinbase", "kraken", "binance"]), unique=True, max_size=2), st.booleans())
def test_the_operator_with_the_fewest_groups_counts(missing: list[str], both: bool) -> None:
    """Held against what each operator's own fold says it used."""
    single = {**SPECS, FEED: replace(SPECS[FEED], min_groups=1, accept_single_group=True)}
    names = ("one", "two") if both else ("two",)
    done = run(single, observed(), without=dict.fromkeys(names, tuple(missing)))
    used = [
        {u.group for u in f.result.market.used}
        for f in done.feeds
        if f.spec.feed == FEED and isinstance(f.result, FeedRound) and f.result.market is not None
    ]
    risk = live(done, single)
    assert risk.groups is not None
    assert set(risk.groups) == min(used, key=len)
    assert answers(risk)[LiveRiskCode.ONE_GROUP_NOW] is (3 - len(missing) == 1)
    assert answers(risk)[LiveRiskCode.ONE_CHAIN_NOW] is ("coinbase" in missing), "the other two are read on main"


def test_a_feed_that_abstains_answers_unknown_and_says_why() -> None:
    nothing = {**observed(), FEED: [Failure(pair=PAIR, source="kraken", error=NoData("none"), failed_at_ms=T0)]}
    risk = live(run(SPECS, nothing), SPECS)
    assert risk.groups is None
    found = answers(risk)
    assert found[LiveRiskCode.ONE_GROUP_NOW] is None
    assert found[LiveRiskCode.ONE_RATE_READING_NOW] is None
    assert found[LiveRiskCode.PRICES_REPEATED_NOW] is True
    texts = {f.code: f.text for f in risk.facts}
    assert "0 of 2" in texts[LiveRiskCode.ONE_GROUP_NOW]
    assert texts[LiveRiskCode.PRICES_REPEATED_NOW] == f"round {S} brought no price: an older one is shown"


def _open(answer: str) -> Outcome:
    if answer == "open":
        return seen("open", "1", kind=Kind.OPEN)
    error = Closed("paused") if answer == "closed" else NoData("no answer")
    return Failure(pair=PAIR, source="open", error=error, failed_at_ms=T0)


@pytest.mark.parametrize(("answer", "raised"), [("open", False), ("closed", True), ("silent", None)])
def test_redemption_now_is_what_the_contract_says(answer: str, *, raised: bool | None) -> None:
    asked = {**SPECS, FEED: replace(SPECS[FEED], sources=(*SPECS[FEED].sources, OPEN))}
    now = {**observed(), FEED: [*outcomes("1.04"), _open(answer)]}
    assert answers(live(run(asked, now), asked))[LiveRiskCode.REDEMPTION_CLOSED_NOW] is raised


def test_redemption_that_the_rules_call_closed_is_closed() -> None:
    closed = {**SPECS, FEED: replace(SPECS[FEED], rules=Rules(redemption_open=False))}
    assert answers(live(run(closed, observed()), closed))[LiveRiskCode.REDEMPTION_CLOSED_NOW] is True


def test_a_rate_above_its_cap_and_one_that_stands_still() -> None:
    rules = Rules(growth_bps_year=100, growth_slack_bps=1, cadence_s=60)
    capped = {**SPECS, FEED: replace(SPECS[FEED], rules=rules)}
    rounds = Rounds(capped, [Member(name="one", specs=capped, states={f: FeedState() for f in capped})], None)

    def answered(after_s: int, rate: str) -> tuple[bool | None, bool | None]:
        now_ms = T0 + after_s * MS
        now = {**observed(now_ms), FEED: outcomes("1.04", rate, now_ms)}
        done = own_round(rounds, S + after_s, now, now_ms=now_ms)
        rounds.commit(done)
        found = answers(live(done, capped))
        return found[LiveRiskCode.RATE_CAPPED_NOW], found[LiveRiskCode.RATE_OLD_NOW]

    assert answered(0, "1.05") == (False, False)
    assert answered(10, "1.06") == (True, False)
    assert answered(20, "1.05") == (False, False)
    assert answered(100, "1.05") == (False, True)


def test_a_product_has_the_answers_of_its_legs_and_the_fewest_groups() -> None:
    risk = live(run(SPECS, observed()), SPECS, CROSS.feed)
    assert risk.groups == ("coinbase", "kraken"), "ETH/USD has two, the token three"
    about = {(f.code, f.of) for f in risk.facts}
    assert {(LiveRiskCode.ONE_GROUP_NOW, FEED), (LiveRiskCode.ONE_GROUP_NOW, ETH_USD.feed)} <= about
    assert (LiveRiskCode.ONE_RATE_READING_NOW, FEED) in about
    assert [of for code, of in about if code is LiveRiskCode.PRICES_REPEATED_NOW] == [CROSS.feed], "its own, once"


def test_a_rebasing_token_has_the_answers_of_its_share_token() -> None:
    rebasing = spec(feed="divETH/ETH", sources=(), share_of=FEED)
    specs = {FEED: SPECS[FEED], "divETH/ETH": rebasing}
    risk = live(run(specs, {FEED: observed()[FEED], "divETH/ETH": []}), specs, "divETH/ETH")
    assert risk.groups == ("binance", "coinbase", "kraken"), "not one group that is called after the feed"
    assert {f.of for f in risk.facts} == {FEED, "divETH/ETH"}


def test_a_status_only_round_repeats_prices() -> None:
    done = run(SPECS, observed())
    kept = tuple(replace(r, report=replace(r.report, status_only=True)) if r.feed == FEED else r for r in done.records)
    found = answers(live(replace(done, records=kept), SPECS))
    assert found[LiveRiskCode.PRICES_REPEATED_NOW] is True
