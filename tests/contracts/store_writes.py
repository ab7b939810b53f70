"""What a write does to a token, as pure functions written from docs/contracts.md and ADR 4 and not from the Solidity."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from tests.contracts.store_words import (
    HALT,
    MARKET,
    REDEMPTION,
    WATCH,
    Item,
    Limits,
    ModelGap,
    ModelHold,
    ModelToken,
    Wait,
)

OUT_OF_RANGE, STALE = 11, 2


def near(old: int, new: int, step_bps: int) -> bool:
    return abs(new - old) * 10_000 <= old * step_bps


def after(old: ModelToken, item: Item, round_time: int, limits: Limits, *, strong: bool) -> ModelToken | None:
    """The token after an item that is newer; None if the item waits as a whole."""
    gap = old.gap if old.gap is not None and round_time < old.gap.opened_s + limits.min_gap_s else None
    asked = status_of(old, item, inside=gap is not None)
    if asked is None:
        return None
    reason, state = asked
    anchors = gap.anchors if gap is not None else old.prices
    parts = [one_price(old, item, round_time, limits, w, anchors[w], strong=strong) for w in (MARKET, REDEMPTION)]
    prices, kept = (parts[0].price, parts[1].price), (parts[0].kept, parts[1].kept)
    if any(k is not None and k.wait is not None for k in kept) and state < WATCH:
        reason, state = OUT_OF_RANGE, WATCH
    if gap is not None:
        new_gap: ModelGap | None = replace(gap, anchors=(parts[0].anchor, parts[1].anchor))
    else:
        took = any(p and k is None for p, k in zip(prices, kept, strict=True))
        new_gap = ModelGap(round_time, prices) if took else None
    held_market, held_rate = kept[0] is not None, kept[1] is not None
    return ModelToken(
        prices,
        max(old.spread, item.spread) if held_market else item.spread,
        reason,
        state,
        min(65_535, round_time - kept[0].true_at) if kept[0] is not None else item.market_age_s,
        max(old.rate_age_h, item.rate_age_h) if held_rate else item.rate_age_h,
        round_time,
        kept,
        new_gap,
    )


def status_of(old: ModelToken, item: Item, *, inside: bool) -> tuple[int, int] | None:
    """Reason and state that an item asks for: ok of what nobody looked at is stale; a better one waits in a gap."""
    reason, state = (STALE, WATCH) if item.only and item.state < WATCH else (item.reason, item.state)
    if not inside or state >= old.state:
        return reason, state
    return None if old.state == HALT else (old.reason, old.state)


def once_more(old: ModelToken, item: Item, limits: Limits) -> ModelToken | None:
    """The token after an item of its own round by the step threshold's weight: it lands what waits and is looked at."""
    lands = [
        kept is not None
        and kept.wait is not None
        and not (item.only and (w == MARKET or item.prices[w] >= old.prices[w]))
        for w, kept in enumerate(old.kept)
    ]
    gap = (
        old.gap
        if old.gap is not None and old.gap.opened_s < old.round_time < old.gap.opened_s + limits.min_gap_s
        else None
    )
    asked = status_of(old, item, inside=gap is not None)
    if asked is None or not any(lands):
        return None
    reason, state = asked
    prices = [item.prices[w] if lands[w] else old.prices[w] for w in (MARKET, REDEMPTION)]
    kept = [None if lands[w] else old.kept[w] for w in (MARKET, REDEMPTION)]
    if any(k is not None and k.wait is not None for k in kept) and state < WATCH:
        reason, state = OUT_OF_RANGE, WATCH
    anchors = [item.prices[w] if lands[w] else gap.anchors[w] for w in (MARKET, REDEMPTION)] if gap else prices
    takes_market = lands[MARKET] or not old.prices[MARKET]
    takes_rate = lands[REDEMPTION] or not old.prices[REDEMPTION]
    return ModelToken(
        (prices[0], prices[1]),
        item.spread if takes_market else old.spread,
        reason,
        state,
        item.market_age_s if takes_market else old.market_age_s,
        item.rate_age_h if takes_rate else old.rate_age_h,
        old.round_time,
        (kept[0], kept[1]),
        ModelGap(gap.opened_s if gap else old.round_time, (anchors[0], anchors[1])),
    )


class Part(NamedTuple):
    """What becomes of one price: the one that stands, whether it is kept, from where steps count in the open gap."""

    price: int
    kept: ModelHold | None
    anchor: int


def one_price(
    old: ModelToken, item: Item, round_time: int, limits: Limits, which: int, anchor: int, *, strong: bool
) -> Part:
    stands, signed, kept = old.prices[which], item.prices[which], old.kept[which]
    if not stands:
        return Part(0, None, 0)
    true_at, wait = old.true_at(which), kept.wait if kept else None
    if item.only and (which == MARKET or signed >= stands):
        return Part(stands, ModelHold(true_at, wait), anchor)
    if near(anchor, signed, limits.step_bps):
        return Part(signed, None, anchor)
    if strong:
        return Part(signed, None, signed)
    signed_at = max(0, round_time - item.market_age_s) if which == MARKET else round_time
    fresh = Wait(signed, signed_at, round_time, signed > stands)
    if wait is None or wait.above != fresh.above:
        return Part(stands, ModelHold(true_at, fresh), anchor)
    if abs(signed - stands) <= abs(wait.price - stands):
        wait = replace(wait, price=signed, true_at=signed_at)
    if round_time < wait.since_s + limits.step_wait_s:
        return Part(stands, ModelHold(true_at, wait), anchor)
    if near(wait.price, signed, limits.step_bps):
        return Part(signed, None, wait.price)
    return Part(wait.price, ModelHold(wait.true_at, replace(fresh, above=signed > wait.price)), wait.price)
