"""What the protocol owes: a rate that fell, grew too fast, stands too long, or that two readings tell differently."""

from __future__ import annotations

from feeds.units import BPS, MS, Wad, deviation_bps_away, mul_div_down, percent_text, wad_text
from oracle.judge.rules.evidence import Finding, RuleInput
from oracle.model.spec import Bands, Rules
from oracle.model.state import RateState
from oracle.model.status import Reason, Status, Why
from oracle.model.types import Aggregate

_PPB = 10**9
_PPB_PER_BPS = 10**5
_YEAR_MS = 31_536_000 * MS
_DAY_MS = 86_400 * MS
_PAIR = 2


def track(bands: Bands, rules: Rules, state: RateState | None, redemption: Aggregate, now_ms: int) -> RateState:
    """Remember the rate, when it last changed, its last fall beyond the tolerance, and one snapshot a day.

    A fall is measured from the day's snapshot, so that many small ones are a large one. Where another reading tells the rate
    than before, only a fall by more than two readings may differ is one: a slash must not hide behind a reading that fails.

    A reading that is older than the one before it, or of the same time, changes nothing: rows that come twice or out of
    order are no news.
    """
    rate = redemption.price_wad
    if state is None:
        at = redemption.as_of_ms
        first = (rules.snapshot_at_s * MS, Wad(rules.snapshot_rate)) if rules.snapshot_rate else (at, rate)
        return RateState(rate_wad=rate, changed_at_ms=at, read_at_ms=at, snapshots=(first,), source=_source(redemption))
    if redemption.as_of_ms <= state.read_at_ms:
        return state
    source = _source(redemption)
    fell = 0
    if rate < state.rate_wad:
        highest = max(state.rate_wad, state.snapshots[-1][1] if state.snapshots else 0)
        fell = (highest - rate) * _PPB // highest
    slashed = fell > _least_fall_ppb(bands, rules, same=source == state.source)
    held = slash_ppb(bands, state, now_ms)
    return RateState(
        rate_wad=rate,
        changed_at_ms=state.changed_at_ms if rate == state.rate_wad else redemption.as_of_ms,
        fell_at_ms=now_ms if slashed else state.fell_at_ms,
        fell_ppb=max(fell, held) if slashed else state.fell_ppb,
        read_at_ms=redemption.as_of_ms,
        snapshots=_snapshots(rules, state, redemption.as_of_ms),
        source=source,
    )


def _least_fall_ppb(bands: Bands, rules: Rules, *, same: bool) -> int:
    """A fall beyond this is one. Of two readings that nothing compares, none says that the other fell."""
    if same:
        return bands.slash_ppb
    return max(bands.slash_ppb, rules.derivation_bps * _PPB_PER_BPS) if rules.derivation_bps else _PPB


def _source(redemption: Aggregate) -> str:
    """Which reading the rate is: another one may differ a little without anything having fallen."""
    return redemption.used[0].source if 0 < len(redemption.used) <= _PAIR else ""


def _snapshots(rules: Rules, state: RateState, at_ms: int) -> tuple[tuple[int, Wad], ...]:
    """One a day of the rate as published, over the window; the first is the oldest that still counts."""
    if state.snapshots and at_ms - state.snapshots[-1][0] < _DAY_MS:
        return state.snapshots
    oldest = at_ms - rules.snapshot_days * _DAY_MS
    kept = [s for s in state.snapshots if s[0] >= oldest] or list(state.snapshots[-1:])
    return (*kept, (at_ms, min(state.rate_wad, capped(rules, state, state.rate_wad, at_ms))))


def capped(rules: Rules, state: RateState | None, rate: Wad, now_ms: int) -> Wad:
    """The rate, no higher than its oldest snapshot may have grown to.

    maxRatio = snapshot + snapshot * growth a year * elapsed, plus a slack for rates that move in steps; one-sided: a fall
    passes. Source: the formula of Aave's CAPO adapters, with a longer snapshot.
    """
    if not rules.growth_bps_year or state is None or not state.snapshots:
        return rate
    at, base = state.snapshots[0]
    grown = mul_div_down(base, rules.growth_bps_year * max(0, now_ms - at), BPS * _YEAR_MS)
    return Wad(min(rate, base + grown + mul_div_down(base, rules.growth_slack_bps, BPS)))


def binds_at_once(rules: Rules, rate: RateState, now_ms: int) -> str | None:
    """Why a cap may not be set as it is configured: it would lie below the rate that it is set beside. None: it may."""
    cap = capped(rules, rate, rate.rate_wad, now_ms)
    if cap >= rate.rate_wad:
        return None
    said, held = wad_text(rate.rate_wad, 6), wad_text(cap, 6)
    return (
        f"the growth cap is {held} and the live rate {said}: correct snapshot_rate and snapshot_at_s, which are a pair"
    )


def slash_ppb(bands: Bands, rate: RateState | None, now_ms: int) -> int:
    """Size of the last fall of the rate in parts per billion while it is still held against the token, else 0."""
    if rate is None or rate.fell_at_ms is None or now_ms - rate.fell_at_ms >= bands.slash_hold_s * MS:
        return 0
    return rate.fell_ppb


def slash(case: RuleInput) -> Finding | None:
    """The ether behind one share fell: a slash, or a mistake in the protocol's own accounting.

    It is held for ``slash_hold_ms`` after one reading, so a dwell would tell nothing more: it would only be late, or where
    rounds are sparse never be over before the hold is.
    """
    ppb = max(slash_ppb(case.spec.bands, case.seen.rate, case.now_ms), case.seen.leg_slash_ppb)
    if not ppb:
        return None
    text = f"ether per share fell by {percent_text(ppb // _PPB_PER_BPS)} ({ppb} parts per billion)"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.SLASH, text=text), at_once=Status.WATCH)


def growth(case: RuleInput) -> Finding | None:
    """The rate rose beyond what the token may earn: a donation, a wrong fee, a wrong decimal. The cap is published."""
    rate, owed = case.seen.rate, case.seen.redemption_wad
    if rate is None or not owed or rate.rate_wad <= owed:
        return None
    over = deviation_bps_away(rate.rate_wad, owed)
    said, cap = wad_text(rate.rate_wad, 6), wad_text(owed, 6)
    text = f"the rate says {said}, {percent_text(over)} above its growth cap of {cap}; the cap is what counts"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.GROWTH, text=text), doubt=True, at_once=Status.WATCH)


def stale(case: RuleInput) -> Finding | None:
    """The rate has stood for longer than its own cadence allows."""
    rules, rate = case.spec.rules, case.seen.rate
    if not rules.cadence_s * MS or rate is None or case.now_ms - rate.changed_at_ms <= rules.cadence_s * MS:
        return None
    stood, limit = (case.now_ms - rate.changed_at_ms) // 3_600_000, rules.cadence_s * MS // 3_600_000
    text = f"the rate has not changed for {stood} h; its protocol moves it at least every {limit} h"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.RATE_STALE, text=text))


def closed(case: RuleInput) -> Finding | None:
    """A contract of the protocol says that holders cannot redeem: what is owed is to be had on the market alone."""
    if not case.seen.closed_by:
        return None
    text = f"holders cannot redeem now: {', '.join(case.seen.closed_by)}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.CLOSED, text=text))


def derivation(case: RuleInput) -> Finding | None:
    """A second, independent reading of the rate differs from the first."""
    limit, readings = case.spec.rules.derivation_bps, case.seen.readings
    if not limit or len(readings) < 2:  # noqa: PLR2004 - two readings
        return None
    (first, rate), *others = readings
    far = [(name, abs(deviation_bps_away(other, rate))) for name, other in others]
    name, apart = max(far, key=lambda f: f[1])
    if apart <= limit:
        return None
    text = f"{name} differs by {percent_text(apart)} from {first}, the limit is {percent_text(limit)}"
    return Finding(status=Status.WATCH, reason=Reason(code=Why.DERIVATION, text=text), doubt=True, apart_bps=apart)
