"""A round of a feed without a price: what is known all the same, what is signed, and when the feed is halted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from feeds.types import Outcome
from feeds.units import BPS, MS, Bps, Wad, deviation_bps_away
from oracle.combine.aggregate import combine_redemption
from oracle.judge.redemption_rate import capped_rate, next_rate_state
from oracle.judge.suspicion import entered
from oracle.model.spec import FeedSpec
from oracle.model.state import JudgeState, RateState
from oracle.model.status import NoRedemption, Status, Why
from oracle.model.types import Abstained, Aggregate, Leg, Published, Report
from oracle.report.compose import status_only_report

_TWO = 2
_LEAST_PART = 2
"""What is left of a rate after a fall that is believed without a market."""


def halted_if_silent(spec: FeedSpec, state: JudgeState, published: Published | None, now_ms: int) -> JudgeState:
    """The state before a round, halted if nothing was published of the feed for too long.

    It is the feed that is silent, not one operator: an operator that has a price of its own this time is halted with the others,
    and nobody leaves the halt before something is published, or operators would leave it at times of their own and never
    agree again. One that was halted alone, cut off from the others, goes on from what they have published since.
    """
    since = published.silent_since_s if published else None
    if since is not None and now_ms - since * MS >= spec.halt_after_s * MS:
        halted = state.status is Status.HALT
        return replace(state, leaving_ms=None) if halted else entered(state, Status.HALT, now_ms)
    if published is not None and _is_over_elsewhere(state, published):
        return entered(state, published.status, now_ms)
    return state


def _is_over_elsewhere(state: JudgeState, published: Published) -> bool:
    """Whether fresh prices were published after this operator went into its halt: the feed is not silent."""
    fresh_ms = published.report.round_time_s * MS
    return state.status is Status.HALT and published.status is not Status.HALT and fresh_ms > state.since_ms


def rate_without_price(
    spec: FeedSpec,
    state: RateState | None,
    outcomes: Sequence[Outcome],
    now_ms: int,
    *,
    group_prices: Sequence[Wad] = (),
    published: Published | None = None,
) -> RateState | None:
    """The redemption rate after a round without a price: a fall is known all the same, it does not depend on the market.

    A fall is not believed where another reading lies beyond ``derivation_bps`` above it, where two groups or more say that
    the market lies higher than the price at which anybody may make the token, or where more than half is gone, which is an
    error of units. What turned out to be a glitch goes back, as far as the published rate; any other rise waits for the next
    price, which tells whether it can be one of this token.
    """
    if state is None or not spec.has_redemption or spec.share_of is not None:
        return state
    try:
        reading = combine_redemption(spec, outcomes, now_ms)
    except NoRedemption:
        return state
    before = published.report.redemption_wad if published is not None else state.rate_wad
    back = state.rate_wad < reading.price_wad <= before
    falls = reading.price_wad < state.rate_wad and _is_possible(spec, reading, group_prices, before)
    return next_rate_state(spec.bands, spec.rules, state, reading, now_ms) if back or falls else state


def _is_possible(spec: FeedSpec, reading: Aggregate, group_prices: Sequence[Wad], before_wad: Wad) -> bool:
    """Whether a rate that fell is one of this token, as far as a round without a price can tell."""
    rate, limit = reading.price_wad, spec.rules.derivation_bps
    highest = max([u.price_wad for u in reading.used], default=rate)
    if limit and deviation_bps_away(highest, rate) > limit:
        return False
    too_high = sum(price * BPS > rate * (BPS + spec.rules.premium_bps) for price in group_prices)
    return too_high < _TWO and _LEAST_PART * rate >= before_wad


def higher_rate(first: RateState | None, second: RateState | None) -> RateState | None:
    """Of the rates of two rounds in a row the higher one: what a single round reads is not published."""
    if first is None or second is None:
        return None
    return first if first.rate_wad >= second.rate_wad else second


def report_without_price(
    spec: FeedSpec, judged: JudgeState, published: Published | None, why: Why, rate: RateState | None, now_ms: int
) -> Report | None:
    """What is signed of a round without a price: a halt, or a worse status that the evidence supports to the last.

    A feed that was on its way out of its status says nothing new. No such report is better than the published one.
    """
    if published is None:
        return None
    says_worse = judged.status > Status.OK and (judged.status is Status.HALT or judged.leaving_ms is None)
    if not says_worse and published.status is not Status.HALT:
        return None
    status = max(judged.status, published.status)
    return status_only_report(published, status, why, round_time_s=now_ms // MS, rate=own_rate(spec, rate, now_ms))


def own_rate(spec: FeedSpec, rate: RateState | None, now_ms: int) -> tuple[Wad, int] | None:
    """The redemption rate as this operator reads it, under its cap, and when it last changed."""
    return None if rate is None else (capped_rate(spec.rules, rate, rate.rate_wad, now_ms), rate.changed_at_ms)


def suspected_leg(abstained: Abstained) -> Leg | None:
    """What other feeds may know of a round without a price: nothing, unless its evidence asks for a status all the same."""
    if abstained.suspected is Status.OK:
        return None
    nothing = Report(
        market_wad=Wad(0),
        redemption_wad=Wad(0),
        spread_bps=Bps(0),
        status=abstained.status,
        why=abstained.why.klass,
        round_time_s=abstained.round_time_s,
        market_age_s=0,
        redemption_age_h=0,
        status_only=True,
    )
    at_ms = abstained.round_time_s * MS
    return Leg(
        feed=abstained.feed,
        report=nothing,
        market_as_of_ms=at_ms,
        reasons=abstained.reasons,
        suspected=abstained.suspected,
    )
