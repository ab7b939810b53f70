"""The history of a redemption rate: when it last changed, its last fall, and the snapshots that its growth cap starts from."""

from __future__ import annotations

from feeds.units import BPS, MS, Wad, mul_div_down, wad_text
from oracle.model.spec import Bands, Rules
from oracle.model.state import RateState
from oracle.model.types import Aggregate

PPB_PER_BPS = 10**5
_PPB = 10**9
_YEAR_MS = 31_536_000 * MS
DAY_MS = 86_400 * MS
_PAIR = 2


def next_rate_state(
    bands: Bands, rules: Rules, state: RateState | None, redemption: Aggregate, now_ms: int
) -> RateState:
    """The history with this round's reading: the rate, its last change, its last fall beyond the tolerance, one snapshot a day.

    A fall is measured from the day's snapshot, so that many small ones make a large one. Where the rate comes from another
    reading than before, only a fall by more than two readings may differ counts: a slash must not hide behind a reading that
    fails.

    A reading that is not newer than the last one changes nothing: rows that arrive twice or out of order are not news.
    """
    rate = redemption.price_wad
    if state is None:
        at = redemption.as_of_ms
        first = (rules.snapshot_at_s * MS, Wad(rules.snapshot_rate)) if rules.snapshot_rate else (at, rate)
        return RateState(rate_wad=rate, changed_at_ms=at, read_at_ms=at, snapshots=(first,), source=_source(redemption))
    if redemption.as_of_ms <= state.read_at_ms:
        return state
    source = _source(redemption)
    fell_ppb = 0
    if rate < state.rate_wad:
        highest = max(state.rate_wad, state.snapshots[-1][1] if state.snapshots else 0)
        fell_ppb = (highest - rate) * _PPB // highest
    slashed = fell_ppb > _tolerated_fall_ppb(bands, rules, same=source == state.source)
    return RateState(
        rate_wad=rate,
        changed_at_ms=state.changed_at_ms if rate == state.rate_wad else redemption.as_of_ms,
        fell_at_ms=now_ms if slashed else state.fell_at_ms,
        fell_ppb=max(fell_ppb, slash_ppb(bands, state, now_ms)) if slashed else state.fell_ppb,
        read_at_ms=redemption.as_of_ms,
        snapshots=_snapshots(rules, state, redemption.as_of_ms),
        source=source,
    )


def _tolerated_fall_ppb(bands: Bands, rules: Rules, *, same: bool) -> int:
    """A fall beyond this is a slash. Between two readings that nothing compares no difference is one."""
    if same:
        return bands.slash_ppb
    return max(bands.slash_ppb, rules.derivation_bps * PPB_PER_BPS) if rules.derivation_bps else _PPB


def _source(redemption: Aggregate) -> str:
    """The reading that the rate is; empty where it is the median of three or more."""
    return redemption.used[0].source if 0 < len(redemption.used) <= _PAIR else ""


def _snapshots(rules: Rules, state: RateState, at_ms: int) -> tuple[tuple[int, Wad], ...]:
    """One a day of the rate as published, over the window; the first is the oldest that still counts."""
    if state.snapshots and at_ms - state.snapshots[-1][0] < DAY_MS:
        return state.snapshots
    oldest = at_ms - rules.snapshot_days * DAY_MS
    kept = [s for s in state.snapshots if s[0] >= oldest] or list(state.snapshots[-1:])
    return (*kept, (at_ms, min(state.rate_wad, capped_rate(rules, state, state.rate_wad, at_ms))))


def capped_rate(rules: Rules, state: RateState | None, rate: Wad, now_ms: int) -> Wad:
    """The rate, no higher than its oldest snapshot may have grown to.

    maxRatio = snapshot + snapshot * growth a year * elapsed, plus a slack for rates that move in steps; one-sided: a fall
    passes. Source: the formula of Aave's CAPO adapters, with a longer snapshot.
    """
    if not rules.growth_bps_year or state is None or not state.snapshots:
        return rate
    at, base = state.snapshots[0]
    grown = mul_div_down(base, rules.growth_bps_year * max(0, now_ms - at), BPS * _YEAR_MS)
    return Wad(min(rate, base + grown + mul_div_down(base, rules.growth_slack_bps, BPS)))


def cap_below_rate(rules: Rules, state: RateState, now_ms: int) -> str | None:
    """What is wrong with a growth cap that lies below the live rate when it is set; None: nothing."""
    cap = capped_rate(rules, state, state.rate_wad, now_ms)
    if cap >= state.rate_wad:
        return None
    live, limit = wad_text(state.rate_wad, 6), wad_text(cap, 6)
    return (
        f"the growth cap is {limit} and the live rate {live}: correct snapshot_rate and snapshot_at_s, which are a pair"
    )


def slash_ppb(bands: Bands, state: RateState | None, now_ms: int) -> int:
    """Size of the last fall of the rate in parts per billion while it is still held against the token, else 0."""
    if state is None or state.fell_at_ms is None or now_ms - state.fell_at_ms >= bands.slash_hold_s * MS:
        return 0
    return state.fell_ppb
