"""Rounds after which a price would have been pushed on chain because something changed: heartbeats are not among them."""

from __future__ import annotations

from collections.abc import Iterable

from feeds.units import BPS
from lab.play.run import Moment
from oracle.model.spec import FeedSpec


def pushed(spec: FeedSpec, moments: Iterable[Moment]) -> list[Moment]:
    """The moments that a push is due at: the first price, another status, or either price moved by ``push_bps`` since the last one.

    A halt is pushed as a status alone. What a pusher adds (heartbeats, fees, retries, other operators) is not in it.
    """
    out: list[Moment] = []
    for m in moments:
        if not m.price_wad:
            continue
        last = out[-1] if out else None
        if last is None or m.status is not last.status or (m.fresh and _has_moved(spec, last, m)):
            out.append(m)
    return out


def _has_moved(spec: FeedSpec, last: Moment, m: Moment) -> bool:
    pairs = ((last.market_wad, m.market_wad), (last.redemption_wad, m.redemption_wad))
    return any(abs(new - old) * BPS >= old * spec.push_bps for old, new in pairs if old)
