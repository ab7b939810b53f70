"""Checks that pools read at size share: their config, and what a quote must pass."""

from __future__ import annotations

from typing import NamedTuple

from feeds.chains.abi import amount_of, wad_of
from feeds.decode import values
from feeds.errors import Malformed, Slippage, Thin
from feeds.types import Reply
from feeds.units import BPS, WAD, Wad, mid_down, mul_div_down, mul_div_up


class Gates(NamedTuple):
    """What a source asks of its pool, and the decimals of the two tokens."""

    notional: str
    min_depth: str
    max_slippage_bps: int
    base_decimals: int
    quote_decimals: int

    def check(self) -> None:
        """Check the config; ValueError says what to write."""
        if self.amount <= 0:
            raise ValueError(f"notional = {self.notional!r}: write how many base tokens to sell and buy, above 0")
        amount_of("1", self.quote_decimals)
        wad_of(self.min_depth)
        if not 0 < self.max_slippage_bps <= BPS:
            raise ValueError(f"max_slippage_bps = {self.max_slippage_bps}: write 1 to {BPS}")

    @property
    def amount(self) -> int:
        """The notional in base's smallest units."""
        return amount_of(self.notional, self.base_decimals)

    def prices(self, received: int, paid: int, bought: int) -> tuple[Wad, Wad]:
        """Bid (rounded down) and ask (rounded up) of selling the notional and of buying `bought` for `paid`.

        Raises:
            Malformed: the pool pays more than it asks.
            Slippage: the two lie further apart than the source's gate.
        """
        one_base, one_quote = 10**self.base_decimals * WAD, 10**self.quote_decimals
        bid = values.bounded_price(mul_div_down(received, one_base, self.amount * one_quote))
        ask = values.bounded_price(mul_div_up(paid, one_base, bought * one_quote))
        if bid > ask:
            raise Malformed("the pool pays more than it asks", bid=str(bid), ask=str(ask))
        apart = mul_div_up(ask - bid, BPS, mid_down(bid, ask))
        if apart > self.max_slippage_bps:
            raise Slippage(apart_bps=apart, max_slippage_bps=self.max_slippage_bps, notional=self.notional)
        return bid, ask

    def depths(self, units: tuple[int, int, int]) -> tuple[int, int, int]:
        """Depths in wads of base, rounded down; Thin where 1 % takes less than the source's gate."""
        half, one, two = (mul_div_down(n, WAD, 10**self.base_decimals) for n in units)
        if one < wad_of(self.min_depth):
            raise Thin(depth_wad=str(one), min_depth=self.min_depth)
        return half, one, two


def agreed(ours: int, theirs: int, slack: int, what: str) -> None:
    """Refuse an answer that differs from our own arithmetic by more than the slack: one of the two reads another pool."""
    if abs(ours - theirs) > slack:
        raise Malformed(f"{what}: the pool's own answer and its balances contradict each other",
                        ours=str(ours)[:40], theirs=str(theirs)[:40])  # fmt: skip


def counted(replies: tuple[Reply, ...], count: int) -> tuple[Reply, ...]:
    """Replies of a phase, of which there must be that many."""
    if len(replies) != count:
        raise Malformed("the answer is to another number of calls", asked=count, answered=len(replies))
    return replies
