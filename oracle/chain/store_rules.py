"""What PriceStore takes and what it does with it: the mirror of its own checks, as pure functions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from feeds.units import BPS, Wad
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.report.wire import MAX_U16

MAX_AHEAD_S = 30
"""How far a round_time may lie ahead of the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPrice:
    """A price that the store keeps in its slot while another one is signed.

    Attributes:
        true_at_s: the time of the price in the slot.
        since_s: the round from which all that was signed lay beyond the step on one side; 0 while nothing waits.
        above: the side.
        price_wad: of those the nearest to the slot, which lands once the wait is over.
        price_at_s: its time.
    """

    true_at_s: int
    since_s: int = 0
    above: bool = False
    price_wad: int = 0
    price_at_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """When a gap opened, and the prices from which steps are measured in it."""

    opened_s: int
    market_wad: int
    redemption_wad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldWords:
    """What the store holds of a feed beside its slot; None for what does not count."""

    market: HeldPrice | None = None
    redemption: HeldPrice | None = None
    gap: Gap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """What the store takes of one feed.

    Attributes:
        max_push_age_s: a batch older than this reverts.
        min_gap_s: seconds for which prices stay within a step of where they were when a gap opened, and a better status
            waits.
        step_bps: a price further away is held; 0 where the store has no such limit.
        step_wait_s: until all that was signed has lain beyond that for so long, on one side.
        strong: the signers reach the weight with which a price may move by any step.
        paused: the guardian stopped the feed.
        beside: what is held beside the slot; None where it was not read, as it cannot bear on the item.
    """

    max_push_age_s: int
    min_gap_s: int = 0
    step_bps: int = 0
    step_wait_s: int = 0
    strong: bool = True
    paused: bool = False
    held_words: HeldWords | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What the slot becomes, and of each price what is then held of it. ``begins``: a wait begins with this write."""

    report: Report
    market: HeldPrice | None
    redemption: HeldPrice | None
    begins: bool


@dataclass(frozen=True, slots=True)
class _Price:
    """One price of an item. ``anchor_wad``: from where steps are measured now."""

    stands_wad: int
    true_at_s: int
    signed_wad: int
    signed_at_s: int
    anchor_wad: int
    held: HeldPrice | None


def write_of(stored: Report | None, fresh: Report, limits: StoreLimits) -> Write:
    """What the store makes of an item that it accepts (see ``why_refused``)."""
    if stored is None:
        return Write(report=replace(fresh, status_only=False), market=None, redemption=None, begins=False)
    if fresh.round_time_s == stored.round_time_s:
        return _in_same_round(stored, fresh, limits)
    held_words, gap = limits.held_words or HeldWords(), open_gap(stored, fresh, limits)
    market_at = max(0, stored.round_time_s - stored.market_age_s)
    fresh_at = max(0, fresh.round_time_s - fresh.market_age_s)
    market = _Price(
        stored.market_wad, market_at, fresh.market_wad, fresh_at, gap.market_wad if gap else stored.market_wad, held_words.market
    )  # fmt: skip
    rate = _Price(
        stored.redemption_wad, stored.round_time_s, fresh.redemption_wad, fresh.round_time_s,
        gap.redemption_wad if gap else stored.redemption_wad, held_words.redemption,
    )  # fmt: skip
    kept = fresh.repeats_prices
    market_wad, market_held = _price_after(market, fresh, limits, keep=kept)
    rate_wad, rate_held = _price_after(rate, fresh, limits, keep=kept and rate.signed_wad >= rate.stands_wad)
    waiting = [h for h in (market_held, rate_held) if h is not None and h.since_s]
    report = _with_slot_status(stored, fresh, inside=gap is not None, far=bool(waiting))
    if market_held is not None:
        age_s = min(MAX_U16, fresh.round_time_s - market_held.true_at_s)
        report = replace(report, market_age_s=age_s, spread_bps=max(stored.spread_bps, fresh.spread_bps))
    if rate_held is not None:
        report = replace(report, redemption_age_h=max(stored.redemption_age_h, fresh.redemption_age_h))
    return Write(
        report=replace(report, market_wad=Wad(market_wad), redemption_wad=Wad(rate_wad)),
        market=market_held,
        redemption=rate_held,
        begins=any(h.since_s == fresh.round_time_s for h in waiting),
    )


def _in_same_round(stored: Report, fresh: Report, limits: StoreLimits) -> Write:
    """The write of an item of the slot's own round: what waits lands, the rest stays."""
    held_words, (market, rate) = limits.held_words or HeldWords(), lands_waiting(stored, fresh, limits)
    market_held, rate_held = None if market else held_words.market, None if rate else held_words.redemption
    waiting = any(h is not None and h.since_s for h in (market_held, rate_held))
    report = _with_slot_status(stored, fresh, inside=open_gap(stored, fresh, limits) is not None, far=waiting)
    if not market and stored.market_wad:
        report = replace(
            report, market_wad=stored.market_wad, spread_bps=stored.spread_bps, market_age_s=stored.market_age_s
        )
    if not rate and stored.redemption_wad:
        report = replace(report, redemption_wad=stored.redemption_wad, redemption_age_h=stored.redemption_age_h)
    return Write(report=report, market=market_held, redemption=rate_held, begins=False)


def lands_waiting(stored: Report, fresh: Report, limits: StoreLimits) -> tuple[bool, bool]:
    """Whether an item of the slot's own round lands the market, and the redemption: what waits, with enough weight.

    Signatures are not part of what is signed, so anybody may have landed the batch before with fewer of them.
    """
    held_words = limits.held_words
    if not limits.strong or held_words is None:
        return False, False
    seen = not fresh.repeats_prices, not fresh.repeats_prices or fresh.redemption_wad < stored.redemption_wad
    market, rate = (h is not None and h.since_s != 0 for h in (held_words.market, held_words.redemption))
    return market and seen[0], rate and seen[1]


def _with_slot_status(stored: Report, fresh: Report, *, inside: bool, far: bool) -> Report:
    """The item with the status that the slot gets: a better one waits for the gap, a far or kept price is at least watched."""
    status, why = fresh.status, fresh.why
    if fresh.repeats_prices and status is Status.OK:
        status, why = Status.WATCH, Why.STALE
    if inside and status < stored.status:
        status, why = stored.status, stored.why
    if far and status is Status.OK:
        status, why = Status.WATCH, Why.OUT_OF_RANGE
    return replace(fresh, status=status, why=why, status_only=False)


def _price_after(p: _Price, fresh: Report, limits: StoreLimits, *, keep: bool) -> tuple[int, HeldPrice | None]:
    """The price that stands then, and what is held of it."""
    if not p.stands_wad:
        return p.signed_wad, None
    true_at_s = p.held.true_at_s if p.held is not None else p.true_at_s
    if keep:
        return p.stands_wad, replace(p.held or HeldPrice(true_at_s=true_at_s))
    if limits.strong or near(p.anchor_wad, p.signed_wad, limits.step_bps):
        return p.signed_wad, None
    return _hold(replace(p, true_at_s=true_at_s), fresh.round_time_s, limits)


def _hold(p: _Price, now_s: int, limits: StoreLimits) -> tuple[int, HeldPrice | None]:
    """Too far away: a wait begins or goes on, or it is over and its least far price lands."""
    held = p.held
    if held is None or not held.since_s or held.above is not (p.signed_wad > p.stands_wad):
        return p.stands_wad, _wait_begun(p, p.stands_wad, p.true_at_s, now_s)
    nearer = p.signed_wad <= held.price_wad if held.above else p.signed_wad >= held.price_wad
    if nearer:
        held = replace(held, price_wad=p.signed_wad, price_at_s=p.signed_at_s)
    if now_s < held.since_s + limits.step_wait_s:
        return p.stands_wad, held
    if near(held.price_wad, p.signed_wad, limits.step_bps):
        return p.signed_wad, None
    return held.price_wad, _wait_begun(p, held.price_wad, held.price_at_s, now_s)


def _wait_begun(p: _Price, stands_wad: int, true_at_s: int, now_s: int) -> HeldPrice:
    return HeldPrice(
        true_at_s=true_at_s,
        since_s=now_s,
        above=p.signed_wad > stands_wad,
        price_wad=p.signed_wad,
        price_at_s=p.signed_at_s,
    )


def near(from_wad: int, to_wad: int, step_bps: int) -> bool:
    """Whether two prices are within the step of each other; always where there is no step."""
    return not step_bps or abs(to_wad - from_wad) * BPS <= from_wad * step_bps


def open_gap(stored: Report, fresh: Report, limits: StoreLimits) -> Gap | None:
    """The gap that is open at the item's round, if one is. As StoreItems._openGap.

    A write that moved no price opened none, and one that this very round opened binds the rounds after it. Where the gap was
    not read, the last write opened one.
    """
    gap = limits.held_words.gap if limits.held_words is not None else opened_by(stored)
    return gap if gap is not None and gap.opened_s < fresh.round_time_s < gap.opened_s + limits.min_gap_s else None


def opened_by(stored: Report) -> Gap:
    """The gap that a write opened by taking a price."""
    return Gap(opened_s=stored.round_time_s, market_wad=stored.market_wad, redemption_wad=stored.redemption_wad)


def needs_held_words(stored: Report | None, fresh: Report, limits: StoreLimits) -> bool:
    """Whether what the store holds beside the slot can bear on this item, so that ``StoreLimits.beside`` must be read."""
    if stored is None:
        return False
    plain = all(
        near(old, new, limits.step_bps)
        for old, new in ((stored.market_wad, fresh.market_wad), (stored.redemption_wad, fresh.redemption_wad))
    )
    soon = fresh.round_time_s < stored.round_time_s + limits.min_gap_s
    return fresh.repeats_prices or soon or not (plain or limits.strong)


def why_waiting(stored: Report | None, fresh: Report, limits: StoreLimits) -> str:
    """What the store waits for before it shows more of an item that it would take; in words, for people."""
    write = write_of(stored, fresh, limits)
    for held in (write.market, write.redemption):
        if held is not None and held.since_s:
            at_s = held.since_s + limits.step_wait_s
            return f"more than {limits.step_bps} bps from the stored price: the store takes the least far at {at_s}"
    gap = open_gap(stored, fresh, limits) if stored is not None else None
    if gap is not None and stored is not None and fresh.status < stored.status:
        return f"a better status: the store takes it at {gap.opened_s + limits.min_gap_s}"
    return "the store keeps its own prices"


def gap_s(stored: Report | None, fresh: Report) -> int:
    """Seconds between the stored round and this one; 0 where nothing is stored."""
    return 0 if stored is None else fresh.round_time_s - stored.round_time_s


def why_refused(stored: Report | None, fresh: Report, *, block_time_s: int, limits: StoreLimits) -> str | None:
    """Why the store would not take this item in a block of that time; None if it takes it.

    Line for line the contract: too old and too far ahead revert the batch; paused, not newer (nor of the stored round with
    prices that wait and enough weight to land them), a first one without prices of its own, and one that would end a halt
    inside a gap skip the item.
    """
    if fresh.round_time_s + limits.max_push_age_s < block_time_s:
        return f"round_time is {block_time_s - fresh.round_time_s} s old, the store takes {limits.max_push_age_s}"
    if fresh.round_time_s > block_time_s + MAX_AHEAD_S:
        return f"round_time lies {fresh.round_time_s - block_time_s} s ahead, the store takes {MAX_AHEAD_S}"
    if limits.paused:
        return "the guardian paused the feed"
    if stored is None:
        return "the store has no prices yet that this could keep" if fresh.repeats_prices else None
    again = fresh.round_time_s == stored.round_time_s
    if fresh.round_time_s < stored.round_time_s or (again and not any(lands_waiting(stored, fresh, limits))):
        return "the store has this round_time or a later one"
    gap = open_gap(stored, fresh, limits)
    if gap is not None and stored.status is Status.HALT and fresh.status < stored.status:
        passed_s = fresh.round_time_s - gap.opened_s
        return f"a halt ends with the gap: {passed_s} s of {limits.min_gap_s} have passed"
    return None
