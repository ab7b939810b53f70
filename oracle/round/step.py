"""One feed's round as a pure fold: ``step(spec, state, outcomes, legs, now, published) -> (Round | Abstained, next state)``.

Nothing here reads a clock, a socket or a file, so the same call gives the same bytes in production, in a replay and in
an audit months later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from feeds.types import Closed, Failure, Kind, Observation, Outcome
from feeds.units import MS, WAD, Bps, Wad, wad_div_down
from oracle.combine.aggregate import Combined, combine_market, combine_redemption
from oracle.combine.groups import fill_unknown_depth, merge_groups
from oracle.combine.inputs import EligibleInputs, eligible_inputs, statements
from oracle.judge.evidence import Evidence, Finding, PoolEvidence
from oracle.judge.plausibility import implausibility
from oracle.judge.redemption_rate import cap_below_rate, capped_rate, next_rate_state, slash_ppb
from oracle.judge.verdict import judge, judge_without_price
from oracle.model.canonical_json import digest
from oracle.model.spec import RULES_VERSION, FeedSpec
from oracle.model.state import FeedState, RateState, Window
from oracle.model.status import Abstain, Broken, CapBinds, Implausible, LegMissing, Reason, Status, Why
from oracle.model.types import Abstained, Aggregate, FeedRound, Leg, Published, Report, Result, Used, Verdict
from oracle.report.compose import compose, kept
from oracle.round.silence import halted, higher, own_rate, spoken, tracked


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
    given = tuple(sorted(outcomes, key=lambda o: o.source))
    own_legs = {name: legs[name] for name in _leg_names(spec) if name in legs}
    try:
        done = evaluate(spec, state, given, own_legs, now_ms, published)
    except Abstain as e:
        return _abstained(spec, state, given, own_legs, now_ms, published, why=e)
    except Exception as e:  # noqa: BLE001 - the one boundary: a fault of ours costs its own feed, and says so in the record
        broken = Broken(f"a fault of this program: {type(e).__name__}: {e}")
        return _abstained(spec, state, given, own_legs, now_ms, published, why=broken)
    result = FeedRound(
        feed=spec.feed,
        round_time_s=now_ms // MS,
        rules_version=RULES_VERSION,
        spec_hash=_spec_hash(spec),
        state_before=digest(state),
        state_after=digest(done.state),
        outcomes=given,
        legs=tuple(own_legs.values()),
        market=done.market,
        redemption=done.redemption,
        verdict=done.verdict,
        report=done.report,
        published=published,
    )
    return result, done.state


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
    sifted = eligible_inputs(spec, state.pools, outcomes, legs, now_ms)
    combined, redemption, leg_slash = _prices(spec, state, sifted, outcomes, legs, now_ms)
    market = combined.aggregate if combined else None
    rate = next_rate_state(spec.bands, spec.rules, state.rate, redemption, now_ms) if redemption else None
    if state.rate is None and rate is not None and (unfit := cap_below_rate(spec.rules, rate, now_ms)) is not None:
        raise CapBinds(unfit)
    seen = _evidence(spec, market, rate, sifted, outcomes, legs, now_ms=now_ms, leg_slash=leg_slash)
    impossible = implausibility(seen.market_wad, seen.redemption_wad, spec, seen.groups)
    if impossible is not None:
        raise Implausible(impossible, market=str(seen.market_wad), redemption=str(seen.redemption_wad))
    verdict, judged, memory = judge(spec, halted(spec, state.judge, published, now_ms), state.memory, seen, now_ms)
    report = compose(verdict, market, rate, now_ms=now_ms, round_time_s=now_ms // MS)
    if spec.share_of in legs:
        report = replace(report, redemption_age_h=legs[str(spec.share_of)].report.redemption_age_h)
    if verdict.status is Status.HALT and published is not None:
        own = own_rate(spec, higher(state.rate, rate), now_ms)
        report = kept(published, verdict.status, report.why, round_time_s=report.round_time_s, rate=own)
    after = FeedState(
        pools=sifted.pools,
        window=combined.window if combined else Window(),
        judge=judged,
        rate=rate,
        memory=memory,
    )
    return Judged(market=market, redemption=redemption, verdict=verdict, report=report, state=after)


def as_leg(spec: FeedSpec, done: Judged | FeedRound, rate: RateState | None, now_ms: int) -> Leg:
    """What other feeds may know of this round: its own prices, also while it publishes only those that it keeps."""
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
        groups=len({u.group for u in done.market.used if u.weight_bps}) if done.market else 0,
    )


def _outliers(spec: FeedSpec, market: Aggregate | None) -> tuple[str, ...]:
    """Venues that were thrown out for their price. A pool tells nothing of the other pools of its chain."""
    thrown = {r.source for r in market.rejected if r.code == "OUTLIER"} if market else set()
    venues = (s.group for s in spec.sources if s.name in thrown and not s.on_chain)
    return tuple(sorted(set(venues)))


def _evidence(
    spec: FeedSpec,
    market: Aggregate | None,
    rate: RateState | None,
    sifted: EligibleInputs,
    outcomes: Sequence[Outcome],
    legs: Mapping[str, Leg],
    *,
    now_ms: int,
    leg_slash: int,
) -> Evidence:
    """What the rules may look at. The redemption rate is held to its growth cap here: the cap is what is published."""
    words = statements(sifted, legs, now_ms)
    seen = {o.source: o for o in outcomes if isinstance(o, Observation)}
    used = market.used if market else ()
    others = sifted.index.by_kind
    suspects = {group for leg in legs.values() for group in leg.suspects}
    if suspects:
        suspects &= {s.group for s in spec.sources}
    share = legs.get(spec.share_of) if spec.share_of else None
    voices = {u.group: u.price_wad for u in used if u.weight_bps}
    return Evidence(
        market_wad=market.price_wad if market else Wad(0),
        redemption_wad=capped_rate(spec.rules, rate, rate.rate_wad, now_ms) if rate else Wad(0),
        groups=share.groups if share else len(voices),
        group_prices=() if share else tuple(voices.values()),
        rate=rate,
        leg_slash_ppb=leg_slash,
        disagree_bps=market.disagree_bps if market else 0,
        statements=tuple([one for _, one in words]),
        pools=tuple(
            [
                PoolEvidence(source=p.source, share_bps=p.base_share_bps, depth_wad=p.depth_wad)
                for p, _ in words
                if p.depth_wad is not None
            ]
        ),
        readings=tuple((n, seen[n].price_wad) for n in others[Kind.REDEMPTION] if n in seen),
        supply_wad=_sum(others[Kind.SUPPLY], seen),
        backing_wad=_sum(others[Kind.BACKING], seen),
        suspects=tuple(sorted(suspects)),
        sequencer_down=len(seen) < len(outcomes)
        and any(isinstance(o, Failure) and o.error.code == "SEQUENCER_DOWN" for o in outcomes),
        closed_by=_closed_by(others[Kind.OPEN], outcomes, share),
    )


def _closed_by(names: Sequence[str], outcomes: Sequence[Outcome], share: Leg | None) -> tuple[str, ...]:
    """What says that holders cannot redeem now: sources that ask a contract, or the share token of a rebasing one."""
    if share is not None and any(r.code is Why.CLOSED for r in share.reasons):
        return (share.feed,)
    shut = {o.source for o in outcomes if isinstance(o, Failure) and o.error.code == Closed.code} if names else ()
    return tuple(n for n in names if n in shut)


def _sum(names: Sequence[str], seen: Mapping[str, Observation]) -> int | None:
    """Sum of all these sources; None if there is none or one is missing: half of a supply is no supply."""
    return sum(seen[n].price_wad for n in names) if names and all(n in seen for n in names) else None


def _leg_names(spec: FeedSpec) -> list[str]:
    names = {s.convert for s in spec.sources if s.convert} | ({spec.share_of} if spec.share_of else set())
    return sorted(names)


def _prices(
    spec: FeedSpec,
    state: FeedState,
    sifted: EligibleInputs,
    outcomes: Sequence[Outcome],
    legs: Mapping[str, Leg],
    now_ms: int,
) -> tuple[Combined | None, Aggregate | None, int]:
    if spec.share_of is not None:
        return _of_share(spec, legs, now_ms)
    market = combine_market(spec, sifted, state.window, now_ms) if spec.has_market else None
    redemption = combine_redemption(spec, outcomes, now_ms) if spec.has_redemption else None
    return market, redemption, 0


def _of_share(spec: FeedSpec, legs: Mapping[str, Leg], now_ms: int) -> tuple[Combined, Aggregate, int]:
    """A rebasing token from its share token: market over ether per share; redemption is one by construction."""
    leg = legs.get(spec.share_of or "")
    if leg is None or not leg.report.market_wad or not leg.report.redemption_wad:
        raise LegMissing(f"needs {spec.share_of}, which has no price this round", leg=str(spec.share_of))
    price = wad_div_down(leg.report.market_wad, leg.report.redemption_wad)
    age = max(0, now_ms - leg.market_as_of_ms)

    def one(kind: Kind, wad: Wad, spread: int) -> Aggregate:
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

    market = Combined(aggregate=one(Kind.MARKET, price, leg.report.spread_bps), window=Window())
    return market, one(Kind.REDEMPTION, Wad(WAD), 0), leg.slash_ppb


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
    sifted = eligible_inputs(spec, state.pools, outcomes, legs, now_ms)
    voices = _voices(spec, sifted, now_ms)
    rate = tracked(spec, state.rate, outcomes, now_ms, voices=voices, published=published)
    seen = _blind_evidence(spec, sifted, rate, outcomes, legs, now_ms)
    before = halted(spec, state.judge, published, now_ms)
    found, judged = judge_without_price(spec, before, state.memory, seen, now_ms)
    after = replace(state, pools=sifted.pools, judge=judged, rate=rate)
    reasons = tuple(f.reason for f in found)
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
        rejected=sifted.rejected,
        status=judged.status,
        suspected=max([f.status for f in found], default=Status.OK),
        reasons=reasons,
        kept=spoken(spec, judged, published, main.code, higher(state.rate, rate), now_ms),
        published=published,
    )
    return result, after


def _fact(leg: Leg) -> Status:
    """What waits for no dwell: a fact of the share token is one of the rebasing token too."""
    return Status.WATCH if leg.reasons[0].code in {Why.SLASH, Why.UNBACKED} else Status.OK


def _voices(spec: FeedSpec, sifted: EligibleInputs, now_ms: int) -> tuple[Wad, ...]:
    """What every group says that may count, before any is thrown out."""
    fresh = [i for i in sifted.inputs if now_ms - i.at_ms <= spec.max_age_s * MS]
    return tuple(g.price_wad for g in merge_groups(fill_unknown_depth(fresh))) if fresh else ()


def _blind_evidence(
    spec: FeedSpec,
    sifted: EligibleInputs,
    rate: RateState | None,
    outcomes: Sequence[Outcome],
    legs: Mapping[str, Leg],
    now_ms: int,
) -> Evidence:
    """What a round without a price shows all the same."""
    voices = _voices(spec, sifted, now_ms)
    bare = _evidence(spec, None, rate, sifted, outcomes, legs, now_ms=now_ms, leg_slash=0)
    leg = legs.get(spec.share_of) if spec.share_of else None
    word = (
        Finding(status=leg.suspected, reason=leg.reasons[0], at_once=_fact(leg))
        if leg and leg.suspected > Status.OK
        else None
    )
    return replace(bare, group_prices=voices, of_leg=word)
