"""One feed's round as a pure fold: ``step(spec, state, outcomes, legs, now, published) -> (FeedRound | Abstained, next state)``.

Nothing here reads a clock, a socket or a file, so the same call gives the same bytes in production, in a replay and in
an audit months later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from feeds.types import Kind, Outcome
from feeds.units import MS, WAD, Bps, Wad, wad_div_down
from oracle.combine.aggregate import Combined, combine_market, combine_redemption
from oracle.combine.inputs import EligibleInputs, eligible_inputs
from oracle.combine.method_window import window_without_price
from oracle.judge.plausibility import implausibility
from oracle.judge.redemption_rate import cap_below_rate, next_rate_state, slash_ppb
from oracle.judge.verdict import judge, judge_without_price
from oracle.model.canonical_json import digest
from oracle.model.spec import RULES_VERSION, FeedSpec
from oracle.model.state import FeedState, RateState, Window
from oracle.model.status import Abstain, Broken, CapBinds, Implausible, LegMissing, Reason, Rejection, Status
from oracle.model.types import Abstained, Aggregate, FeedRound, Leg, Published, Report, Result, Used, Verdict
from oracle.report.compose import compose, status_only_report
from oracle.round.no_price import (
    halted_if_silent,
    higher_rate,
    own_rate,
    rate_without_price,
    report_without_price,
)
from oracle.round.round_evidence import evidence_without_price, gather_evidence, group_prices


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A round before it is written down. ``report``: what is signed; in a halt not the round's own prices."""

    market: Aggregate | None
    redemption: Aggregate | None
    verdict: Verdict
    report: Report
    state: FeedState


@lru_cache(maxsize=1_024)
def _spec_hash(spec: FeedSpec) -> str:
    """Hash of what decides a feed: the same from round to round, so it is made once."""
    return digest(spec)


def step(
    spec: FeedSpec,
    state: FeedState,
    outcomes: Sequence[Outcome],
    legs: Mapping[str, Leg],
    now_ms: int,
    published: Published | None = None,
) -> tuple[Result, FeedState]:
    """Run one round of one feed.

    Args:
        spec: what decides the feed.
        state: what the feed's last round remembered.
        outcomes: what its sources said, observations and failures alike, in any order.
        legs: the feeds that this one is computed from or converts by, of the same round.
        now_ms: the round's time, a whole second, later than the last round's.
        published: what the operators last agreed on of this feed; None before its first record.

    Returns:
        The round, or an abstention with its reason; and the state for the next round.
    """
    in_order = tuple(sorted(outcomes, key=lambda o: o.source))
    own_legs = {name: legs[name] for name in _leg_names(spec) if name in legs}
    try:
        judged = evaluate(spec, state, in_order, own_legs, now_ms, published)
    except Abstain as e:
        return _abstained(spec, state, in_order, own_legs, now_ms, published, why=e)
    except Exception as e:  # noqa: BLE001 - the one boundary: a fault of ours costs its own feed, and says so in the record
        broken = Broken(f"a fault of this program: {type(e).__name__}: {e}")
        return _abstained(spec, state, in_order, own_legs, now_ms, published, why=broken)
    result = FeedRound(
        feed=spec.feed,
        round_time_s=now_ms // MS,
        rules_version=RULES_VERSION,
        spec_hash=_spec_hash(spec),
        state_before=digest(state),
        state_after=digest(judged.state),
        outcomes=in_order,
        legs=tuple(own_legs.values()),
        market=judged.market,
        redemption=judged.redemption,
        verdict=judged.verdict,
        report=judged.report,
        published=published,
    )
    return result, judged.state


def evaluate(
    spec: FeedSpec,
    state: FeedState,
    outcomes: Sequence[Outcome],
    legs: Mapping[str, Leg],
    now_ms: int,
    published: Published | None = None,
) -> Judged:
    """Combine, judge and compose. The live lane calls this too, and throws the state away.

    Raises:
        Abstain: the feed has no price, and why.
    """
    eligible = eligible_inputs(spec, state.pools, outcomes, legs, now_ms)
    combined, redemption, leg_slash = _prices(spec, state, eligible, outcomes, legs, now_ms)
    market = combined.aggregate if combined else None
    rate = next_rate_state(spec.bands, spec.rules, state.rate, redemption, now_ms) if redemption else None
    if state.rate is None and rate is not None and (unfit := cap_below_rate(spec.rules, rate, now_ms)) is not None:
        raise CapBinds(unfit)
    evidence = gather_evidence(spec, market, rate, eligible, outcomes, legs, now_ms=now_ms, leg_slash=leg_slash)
    impossible = implausibility(evidence.market_wad, evidence.redemption_wad, spec, evidence.groups)
    if impossible is not None:
        raise Implausible(impossible, market=str(evidence.market_wad), redemption=str(evidence.redemption_wad))
    before = halted_if_silent(spec, state.judge, published, now_ms)
    verdict, judged, memory = judge(spec, before, state.memory, evidence, now_ms)
    report = compose(verdict, market, rate, now_ms=now_ms, round_time_s=now_ms // MS)
    if spec.share_of in legs:
        report = replace(report, redemption_age_h=legs[str(spec.share_of)].report.redemption_age_h)
    if verdict.status is Status.HALT and published is not None:
        own = own_rate(spec, higher_rate(state.rate, rate), now_ms)
        report = status_only_report(published, verdict.status, report.why, round_time_s=report.round_time_s, rate=own)
    after = FeedState(
        pools=eligible.pools,
        window=combined.window if combined else Window(),
        judge=judged,
        rate=rate,
        memory=memory,
    )
    return Judged(market=market, redemption=redemption, verdict=verdict, report=report, state=after)


def as_leg(spec: FeedSpec, done: Judged | FeedRound, rate: RateState | None, now_ms: int) -> Leg:
    """What other feeds may know of this round: its own prices, also while it publishes status-only prices."""
    slash = slash_ppb(spec.bands, rate, now_ms)
    as_of = done.market.as_of_ms if done.market else now_ms
    report = done.report
    if report.status_only:
        report = compose(done.verdict, done.market, rate, now_ms=now_ms, round_time_s=now_ms // MS)
    return Leg(
        feed=spec.feed,
        report=report,
        market_as_of_ms=as_of,
        reasons=done.verdict.reasons,
        slash_ppb=slash,
        suspects=_outliers(spec, done.market),
        groups=done.market.groups_behind if done.market else 0,
    )


def _outliers(spec: FeedSpec, market: Aggregate | None) -> tuple[str, ...]:
    """Venues that were rejected for their price. A pool says nothing about the other pools of its chain."""
    rejected = {r.source for r in market.rejected if r.code == Rejection.OUTLIER} if market else set()
    venues = (s.group for s in spec.sources if s.name in rejected and not s.on_chain)
    return tuple(sorted(set(venues)))


def _leg_names(spec: FeedSpec) -> list[str]:
    names = {s.convert for s in spec.sources if s.convert} | ({spec.share_of} if spec.share_of else set())
    return sorted(names)


def _prices(
    spec: FeedSpec,
    state: FeedState,
    eligible: EligibleInputs,
    outcomes: Sequence[Outcome],
    legs: Mapping[str, Leg],
    now_ms: int,
) -> tuple[Combined | None, Aggregate | None, int]:
    if spec.share_of is not None:
        return _of_share(spec, legs, now_ms)
    market = combine_market(spec, eligible, state.window, now_ms) if spec.has_market else None
    redemption = combine_redemption(spec, outcomes, now_ms) if spec.has_redemption else None
    return market, redemption, 0


def _of_share(spec: FeedSpec, legs: Mapping[str, Leg], now_ms: int) -> tuple[Combined, Aggregate, int]:
    """A rebasing token from its share token: market over ether per share; redemption is one by construction."""
    leg = legs.get(spec.share_of or "")
    if leg is None or not leg.report.market_wad or not leg.report.redemption_wad:
        raise LegMissing(f"needs {spec.share_of}, which has no price this round", leg=str(spec.share_of))
    price = wad_div_down(leg.report.market_wad, leg.report.redemption_wad)
    age = max(0, now_ms - leg.market_as_of_ms)

    def aggregate(kind: Kind, wad: Wad, spread: int) -> Aggregate:
        used = Used(source=leg.feed, group=leg.feed, price_wad=wad, weight_bps=Bps(10_000), age_ms=age)
        return Aggregate(
            pair=spec.pair,
            kind=kind,
            price_wad=wad,
            point_wad=wad,
            spread_bps=Bps(spread),
            as_of_ms=leg.market_as_of_ms,
            used=(used,),
            rejected=(),
            disagree_bps=Bps(0),
        )

    market = Combined(aggregate=aggregate(Kind.MARKET, price, leg.report.spread_bps), window=Window())
    return market, aggregate(Kind.REDEMPTION, Wad(WAD), 0), leg.slash_ppb


def _abstained(
    spec: FeedSpec,
    state: FeedState,
    outcomes: tuple[Outcome, ...],
    legs: Mapping[str, Leg],
    now_ms: int,
    published: Published | None,
    *,
    why: Abstain,
) -> tuple[Abstained, FeedState]:
    eligible = eligible_inputs(spec, state.pools, outcomes, legs, now_ms)
    prices = group_prices(spec, eligible, now_ms)
    rate = rate_without_price(spec, state.rate, outcomes, now_ms, group_prices=prices, published=published)
    evidence = evidence_without_price(spec, eligible, rate, outcomes, legs, now_ms)
    before = halted_if_silent(spec, state.judge, published, now_ms)
    findings, judged, memory = judge_without_price(spec, before, state.memory, evidence, now_ms)
    window = state.window if isinstance(why, Broken) else window_without_price(spec, eligible, state.window, now_ms)
    after = replace(state, pools=eligible.pools, window=window, judge=judged, rate=rate, memory=memory)
    reasons = tuple(f.reason for f in findings)
    main = Reason(code=why.why, text=why.text) if judged.status is Status.HALT or not reasons else reasons[0]
    result = Abstained(
        feed=spec.feed,
        round_time_s=now_ms // MS,
        rules_version=RULES_VERSION,
        spec_hash=_spec_hash(spec),
        state_before=digest(state),
        state_after=digest(after),
        outcomes=outcomes,
        legs=tuple(legs.values()),
        why=why.why,
        text=why.text,
        rejected=eligible.rejected,
        status=judged.status,
        suspected=max([f.status for f in findings], default=Status.OK),
        reasons=reasons,
        kept=report_without_price(spec, judged, published, main.code, higher_rate(state.rate, rate), now_ms),
        published=published,
    )
    return result, after
