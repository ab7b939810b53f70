"""What the chain would have shown of our price if it had been pushed: by change and heartbeat, in the round in which it was due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from feeds.types import Kind
from feeds.units import BPS
from lab.shadow.rounds import ShadowRound
from oracle.model.spec import FeedSpec
from oracle.model.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownOnChain:
    """After a round: the prices last pushed, 0 before the first and in a halt. A silence leaves them as they are."""

    at_s: int
    market_wad: int = 0
    redemption_wad: int = 0

    def own(self, side: Kind) -> int:
        """The one that a reference is compared with."""
        return self.redemption_wad if side is Kind.REDEMPTION else self.market_wad


def shown_on_chain(spec: FeedSpec, rounds: Iterable[ShadowRound]) -> Iterator[ShownOnChain]:
    """What a reader of the chain sees after each round.

    A push is due with the first price, at another status, when either price has moved by ``push_bps`` since the last push, and
    ``heartbeat_s`` after it. The time that a transaction takes, fees and failures are not in it.
    """
    market = redemption = pushed_s = 0
    status: Status | None = None
    for r in rounds:
        is_fresh = bool(r.market_wad or r.redemption_wad)
        moved = any(abs(new - old) * BPS >= old * spec.push_bps for old, new in ((market, r.market_wad), (redemption, r.redemption_wad)) if old)  # fmt: skip
        if is_fresh and (not pushed_s or r.status is not status or moved or r.at_s - pushed_s >= spec.heartbeat_s):
            market, redemption, pushed_s = r.market_wad, r.redemption_wad, r.at_s
        status = r.status
        is_halt = status is Status.HALT
        yield ShownOnChain(
            at_s=r.at_s, market_wad=0 if is_halt else market, redemption_wad=0 if is_halt else redemption
        )
