"""The evidence of a round: what the rules may look at, gathered from the sources, the aggregate and the legs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from feeds.errors import Closed
from feeds.types import Failure, Kind, Observation, Outcome
from feeds.units import MS, Wad
from oracle.combine.groups import fill_unknown_depth, merge_groups
from oracle.combine.inputs import EligibleInputs, statements
from oracle.judge.evidence import Evidence, Finding, PoolEvidence
from oracle.judge.redemption_rate import capped_rate
from oracle.model.spec import FeedSpec
from oracle.model.state import RateState
from oracle.model.status import Status, Why
from oracle.model.types import Aggregate, Leg
from oracle.round.round_rails import of_token, rails_read


def gather_evidence(
    spec: FeedSpec,
    market: Aggregate | None,
    rate: RateState | None,
    eligible: EligibleInputs,
    outcomes: Sequence[Outcome],
    legs: Mapping[str, Leg],
    *,
    now_ms: int,
    leg_slash: int,
) -> Evidence:
    """What the rules may look at. The redemption rate is held to its growth cap here: the capped rate is what is published."""
    pairs = statements(eligible, legs, now_ms)
    observed = {o.source: o for o in outcomes if isinstance(o, Observation)}
    by_kind = eligible.index.by_kind
    suspects = {group for leg in legs.values() for group in leg.suspects}
    if suspects:
        suspects &= {s.group for s in spec.sources}
    share = legs.get(spec.share_of) if spec.share_of else None
    return Evidence(
        market_wad=market.price_wad if market else Wad(0),
        redemption_wad=capped_rate(spec.rules, rate, rate.rate_wad, now_ms) if rate else Wad(0),
        groups=share.groups if share else market.groups_behind if market else 0,
        group_prices=tuple(market.group_prices.values()) if market and not share else (),
        rate=rate,
        leg_slash_ppb=leg_slash,
        disagree_bps=market.disagree_bps if market else 0,
        statements=tuple([statement for _, statement in pairs]),
        pools=tuple(
            [
                PoolEvidence(source=p.source, share_bps=p.base_share_bps, depth_wad=p.depth_wad)
                for p, _ in pairs
                if p.depth_wad is not None and _is_pool(p, eligible)
            ]
        ),
        readings=tuple((n, observed[n].price_wad) for n in by_kind[Kind.REDEMPTION] if n in observed),
        supply_wad=_sum(of_token(by_kind[Kind.SUPPLY], eligible.index.sources), observed),
        backing_wad=_sum(of_token(by_kind[Kind.BACKING], eligible.index.sources), observed),
        rails=rails_read(spec, observed),
        suspects=tuple(sorted(suspects)),
        sequencer_down=len(observed) < len(outcomes)
        and any(isinstance(o, Failure) and o.error.code == "SEQUENCER_DOWN" for o in outcomes),
        closed_by=_closed_by(by_kind[Kind.OPEN], outcomes, share),
    )


def _is_pool(observation: Observation, eligible: EligibleInputs) -> bool:
    """Whether a source is a pool: it was read on a chain, or says how much of its value is held in the token."""
    read = observation.chain_id is not None or observation.base_share_bps is not None
    return read or eligible.index.sources[observation.source].on_chain


def _closed_by(names: Sequence[str], outcomes: Sequence[Outcome], share: Leg | None) -> tuple[str, ...]:
    """What says that holders cannot redeem now: sources that ask a contract, or the share token of a rebasing token."""
    if share is not None and any(r.code is Why.CLOSED for r in share.reasons):
        return (share.feed,)
    shut = {o.source for o in outcomes if isinstance(o, Failure) and o.error.code == Closed.code} if names else ()
    return tuple(n for n in names if n in shut)


def _sum(names: Sequence[str], observed: Mapping[str, Observation]) -> int | None:
    """Sum of all these sources; None if there is none or one is missing: half of a supply is no supply."""
    return sum(observed[n].price_wad for n in names) if names and all(n in observed for n in names) else None


def _needs_no_dwell(leg: Leg) -> Status:
    """The status that waits for no dwell: a fact about the share token is one about the rebasing token too."""
    return Status.WATCH if leg.reasons[0].code in {Why.SLASH, Why.UNBACKED} else Status.OK


def group_prices(spec: FeedSpec, eligible: EligibleInputs, now_ms: int) -> tuple[Wad, ...]:
    """The price of every group that may count, before any is thrown out."""
    fresh = [i for i in eligible.inputs if now_ms - i.at_ms <= spec.max_age_s * MS]
    return tuple(g.price_wad for g in merge_groups(fill_unknown_depth(fresh))) if fresh else ()


def evidence_without_price(
    spec: FeedSpec,
    eligible: EligibleInputs,
    rate: RateState | None,
    outcomes: Sequence[Outcome],
    legs: Mapping[str, Leg],
    now_ms: int,
) -> Evidence:
    """What a round without a price shows all the same."""
    bare = gather_evidence(spec, None, rate, eligible, outcomes, legs, now_ms=now_ms, leg_slash=0)
    leg = legs.get(spec.share_of) if spec.share_of else None
    finding = (
        Finding(status=leg.suspected, reason=leg.reasons[0], at_once=_needs_no_dwell(leg))
        if leg and leg.suspected > Status.OK
        else None
    )
    return replace(bare, group_prices=group_prices(spec, eligible, now_ms), of_leg=finding)
