"""Judge: how far the market may be relied on, held against what the protocol owes.

Each rule is a small pure function from one round to a target status with its reason; the worst target wins, and the
status moves towards it one level at a time, after its dwell. Leaving has lower bands and a longer dwell than entering.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from feeds.units import WAD, Bps, Wad, deviation_bps_away, percent_text
from oracle.types import (
    Aggregate,
    Bands,
    FeedSpec,
    JudgeState,
    RateState,
    Reason,
    Status,
    Verdict,
    Why,
)

_PPB = 10**9
_PPB_PER_BPS = 10**5


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the rules may look at: one round's prices, the rate's history, what the legs say."""

    market_wad: Wad
    redemption_wad: Wad
    groups: int
    rate: RateState | None
    leg_slash_ppb: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's word: at least this status, for this reason."""

    status: Status
    reason: Reason


def judge(spec: FeedSpec, state: JudgeState, seen: Evidence, now_ms: int) -> tuple[Verdict, JudgeState]:
    """Return the verdict of one round and the state to remember."""
    findings = tuple(_findings(spec, state.status, seen, now_ms))
    target = max((f.status for f in findings), default=Status.OK)
    after = advance(spec.bands, state, target, now_ms)
    reasons = tuple(f.reason for f in sorted(findings, key=lambda f: -f.status))
    if after.status is Status.HALT:
        text = f"halted; leaves after {spec.bands.leave_dwell_ms // 1_000} s with full quorum"
        reasons = (Reason(code=Why.LEAVING, text=text), *reasons)
    elif after.status > target and not reasons:
        text = f"inside the bands again; leaves {after.status.word} after {spec.bands.leave_dwell_ms // 1_000} s"
        reasons = (Reason(code=Why.LEAVING, text=text),)
    verdict = Verdict(
        market_wad=seen.market_wad,
        redemption_wad=seen.redemption_wad,
        deviation_bps=deviation(seen),
        status=after.status,
        reasons=reasons,
    )
    return verdict, after


def deviation(seen: Evidence) -> Bps | None:
    """Deviation of market from redemption in bps, rounded away from zero; None where one is absent."""
    if not seen.market_wad or not seen.redemption_wad:
        return None
    return deviation_bps_away(seen.market_wad, seen.redemption_wad)


def track_rate(bands: Bands, state: RateState | None, redemption: Aggregate, now_ms: int) -> RateState:
    """Remember the rate, when it last changed, and its last fall beyond the tolerance."""
    rate = redemption.price_wad
    if state is None:
        return RateState(rate_wad=rate, changed_at_ms=redemption.as_of_ms)
    if rate == state.rate_wad:
        return state
    fell = (state.rate_wad - rate) * _PPB // state.rate_wad
    changed = replace(state, rate_wad=rate, changed_at_ms=redemption.as_of_ms)
    return replace(changed, fell_at_ms=now_ms, fell_ppb=fell) if fell > bands.slash_ppb else changed


def slash_ppb(bands: Bands, rate: RateState | None, now_ms: int) -> int:
    """Size of the last fall of the rate in parts per billion while it is still held against the token, else 0."""
    if rate is None or rate.fell_at_ms is None or now_ms - rate.fell_at_ms >= bands.slash_hold_ms:
        return 0
    return rate.fell_ppb


def advance(bands: Bands, state: JudgeState, target: Status, now_ms: int) -> JudgeState:
    """Move the status one level towards the target once the target has lasted its dwell.

    Leaving halt goes straight to the target, after the leave dwell.
    """
    if target == state.status:
        return replace(state, pending=None, pending_since_ms=0)
    worse = target > state.status
    step = Status(state.status + 1) if worse else (target if state.status is Status.HALT else Status(state.status - 1))
    same_side = state.pending is not None and (state.pending > state.status) == worse
    since = state.pending_since_ms if same_side else now_ms
    if now_ms - since < _dwell_ms(bands, step, worse=worse):
        return replace(state, pending=step, pending_since_ms=since)
    return JudgeState(status=step, since_ms=now_ms)


def _dwell_ms(bands: Bands, step: Status, *, worse: bool) -> int:
    if not worse:
        return bands.leave_dwell_ms
    return bands.watch_dwell_ms if step is Status.WATCH else bands.depeg_dwell_ms


def _findings(spec: FeedSpec, status: Status, seen: Evidence, now_ms: int) -> Iterator[Finding]:
    bands = spec.bands
    for found in (
        _level(bands, status, seen),
        _slash(bands, seen, now_ms),
        _no_market(spec, seen),
        _single_group(spec, seen),
    ):
        if found is not None:
            yield found


def _level(bands: Bands, status: Status, seen: Evidence) -> Finding | None:
    """Distance from the normal discount, with lower bands for leaving a state than for entering it."""
    signed = deviation(seen)
    if signed is None:
        return None
    size = abs(signed - bands.normal_bps)
    depeg = bands.depeg_leave_bps if status >= Status.DEPEG else bands.depeg_enter_bps
    watch = bands.watch_leave_bps if status >= Status.WATCH else bands.watch_enter_bps
    if size < watch:
        return None
    below = signed < bands.normal_bps
    word = "below" if signed < 0 else "above"
    text = f"market is {percent_text(abs(signed))} {word} redemption"
    return Finding(
        Status.DEPEG if size >= depeg else Status.WATCH,
        Reason(code=Why.DISCOUNT if below else Why.PREMIUM, text=text),
    )


def _slash(bands: Bands, seen: Evidence, now_ms: int) -> Finding | None:
    """The ether behind one share fell: a slash, or a mistake in the protocol's own accounting."""
    ppb = max(slash_ppb(bands, seen.rate, now_ms), seen.leg_slash_ppb)
    if not ppb:
        return None
    text = f"ether per share fell by {percent_text(ppb // _PPB_PER_BPS)} ({ppb} parts per billion)"
    return Finding(Status.WATCH, Reason(code=Why.SLASH, text=text))


def _no_market(spec: FeedSpec, seen: Evidence) -> Finding | None:
    if seen.market_wad or spec.has_market:
        return None
    return Finding(Status.WATCH, Reason(code=Why.NO_MARKET, text="no market price: redemption only"))


def _single_group(spec: FeedSpec, seen: Evidence) -> Finding | None:
    if not seen.market_wad or not spec.accept_single_group or seen.groups > 1:
        return None
    return Finding(Status.WATCH, Reason(code=Why.SINGLE_GROUP, text="one group of sources only"))


def per_share_down(market_wad: Wad, rate_wad: Wad) -> Wad:
    """Market price of one rebasing unit: the share's market price over ether per share, rounded down."""
    return Wad(market_wad * WAD // rate_wad)
