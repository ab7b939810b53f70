"""Silence: what is known and said of a feed in a round without a price, and when it is halted."""

from __future__ import annotations

from collections.abc import Sequence

from feeds.types import Outcome
from feeds.units import BPS, MS, Bps, Wad, deviation_bps_away
from oracle.combine.aggregate import combine_redemption
from oracle.judge.redemption_rate import capped_rate, next_rate_state
from oracle.judge.suspicion import entered
from oracle.model.spec import FeedSpec
from oracle.model.state import JudgeState, RateState
from oracle.model.status import NoRedemption, Status, Why
from oracle.model.types import Abstained, Aggregate, Leg, Published, Report
from oracle.report.compose import kept

_TWO = 2
_LEAST_PART = 2
"""What is left of a rate after a fall that is believed without a market."""


def halted(spec: FeedSpec, state: JudgeState, published: Published | None, now_ms: int) -> JudgeState:
    """The state before a round, halted if nothing was published of the feed for too long.

    It is the feed that is silent, not one operator: whoever has a price of its own this time is halted with the others.
    """
    since = published.silent_since_s if published else None
    if since is None or now_ms - since * MS < spec.halt_after_s * MS or state.status is Status.HALT:
        return state
    return entered(state, Status.HALT, now_ms)


def tracked(
    spec: FeedSpec,
    state: RateState | None,
    outcomes: Sequence[Outcome],
    now_ms: int,
    *,
    voices: Sequence[Wad] = (),
    published: Published | None = None,
) -> RateState | None:
    """The redemption rate after a round without a price: a fall is known all the same, it is no matter of the market.

    Not a fall that cannot be one: another reading stands beyond ``derivation_bps`` above it, two groups or more say that
    the market lies higher than anybody may make the token, or more than half is gone, which is an error of units. What turned
    out to be a glitch goes back, as far as the published rate; any other rise waits for the next price, which tells whether
    it can be one of this token.
    """
    if state is None or not spec.has_redemption or spec.share_of is not None:
        return state
    try:
        seen = combine_redemption(spec, outcomes, now_ms)
    except NoRedemption:
        return state
    before = published.report.redemption_wad if published is not None else state.rate_wad
    back = state.rate_wad < seen.price_wad <= before
    falls = seen.price_wad < state.rate_wad and _can_be(spec, seen, voices, before)
    return next_rate_state(spec.bands, spec.rules, state, seen, now_ms) if back or falls else state


def _can_be(spec: FeedSpec, seen: Aggregate, voices: Sequence[Wad], before_wad: Wad) -> bool:
    """Whether a rate that fell is one of this token, as far as a round without a price can tell."""
    rate, limit = seen.price_wad, spec.rules.derivation_bps
    highest = max([u.price_wad for u in seen.used], default=rate)
    if limit and deviation_bps_away(highest, rate) > limit:
        return False
    too_high = sum(voice * BPS > rate * (BPS + spec.rules.premium_bps) for voice in voices)
    return too_high < _TWO and _LEAST_PART * rate >= before_wad


def higher(one: RateState | None, other: RateState | None) -> RateState | None:
    """Of the rates of two rounds in a row the higher one: what a single round says is not told."""
    if one is None or other is None:
        return None
    return one if one.rate_wad >= other.rate_wad else other


def spoken(
    spec: FeedSpec, judged: JudgeState, published: Published | None, why: Why, rate: RateState | None, now_ms: int
) -> Report | None:
    """What is signed of a round without a price: a halt; a worse status that the evidence spoke for to the last.

    What was on its way out of its status says nothing new. No such report is better than the published one.
    """
    if published is None:
        return None
    speaks = judged.status > Status.OK and (judged.status is Status.HALT or judged.leaving_ms is None)
    if not speaks and published.status is not Status.HALT:
        return None
    status = max(judged.status, published.status)
    return kept(published, status, why, round_time_s=now_ms // MS, rate=own_rate(spec, rate, now_ms))


def own_rate(spec: FeedSpec, rate: RateState | None, now_ms: int) -> tuple[Wad, int] | None:
    """The redemption rate as this operator reads it, under its cap, and when it last changed."""
    return None if rate is None else (capped_rate(spec.rules, rate, rate.rate_wad, now_ms), rate.changed_at_ms)


def suspected_leg(done: Abstained) -> Leg | None:
    """What other feeds may know of a round without a price: nothing, unless its evidence says something all the same."""
    if done.suspected is Status.OK:
        return None
    nothing = Report(
        market_wad=Wad(0),
        redemption_wad=Wad(0),
        spread_bps=Bps(0),
        status=done.status,
        why=done.why.klass,
        round_time_s=done.round_time_s,
        market_age_s=0,
        redemption_age_h=0,
        status_only=True,
    )
    at_ms = done.round_time_s * MS
    return Leg(feed=done.feed, report=nothing, market_as_of_ms=at_ms, reasons=done.reasons, suspected=done.suspected)
