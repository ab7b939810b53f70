"""What the adapters of Curve's stable pools share: from answers to a quote, checked against the pool's own arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from feeds.chains.abi import address, selector, word
from feeds.decode import abi_words, values
from feeds.errors import Malformed, NotPositive, Thin
from feeds.pools.curve_math import AMP_PRECISION, FEE_ONE, CurvePool
from feeds.pools.curve_state import Mean
from feeds.pools.gates import Gates, agreed
from feeds.types import Call, Quote, Reply
from feeds.units import BPS, WAD, Wad, mid_down, mul_div_down

_GET_DY = selector("get_dy(int128,int128,uint256)")
_MOST_AMP = 10**6 * AMP_PRECISION
_MOST_OFFPEG = 1_000 * FEE_ONE
_LEAST_RATE = 10**9
_MOST_RATE = 10**48
_SLACK_UNITS = 10
_SLACK_PARTS = 10**9
_NEARLY = 10**6
UNITS = tuple(10 ** (36 - digits) for digits in range(37))
"""Rates without a rate oracle, by the coin's decimals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where base and quote stand in a pool, the decimals of all coins, and the source's gates."""

    base: int
    quote: int
    decimals: tuple[int, ...]
    gates: Gates

    @property
    def count(self) -> int:
        """Number of coins."""
        return len(self.decimals)


class CurveReplies(NamedTuple):
    """A pool's answers, read: its arithmetic, its virtual price, what it says the sale pays, its own mean."""

    pool: CurvePool
    virtual: int
    received: int
    mean: Mean | None


@lru_cache(maxsize=1024)
def places(
    coins: tuple[str, ...], base: str, quote: str, decimals: tuple[int, ...], gates: tuple[str, str, int]
) -> Places:
    """Find base and quote among the coins; gates: notional, min_depth, max_slippage_bps."""
    listed = [address(c) for c in coins]
    at, to = listed.index(address(base)), listed.index(address(quote))
    digits = decimals or (18,) * len(listed)
    return Places(base=at, quote=to, decimals=digits, gates=Gates(*gates, digits[at], digits[to]))


def get_dy(pool: str, sold: int, bought: int, amount: int) -> Call:
    """What a stable pool says that an amount of one coin pays in another."""
    return Call(to=address(pool), data=b"".join((_GET_DY, word(sold), word(bought), word(amount))))


def pool_of(amp: int, held: tuple[int, ...], rates: Sequence[int], fee: int, offpeg: int = 0) -> CurvePool:
    """Check the numbers of a pool's state.

    Raises:
        NotPositive: the amplification is zero.
        Thin: a balance is zero.
        Malformed: a number is out of range.
    """
    if amp == 0:
        raise NotPositive("amplification")
    if not AMP_PRECISION <= amp <= _MOST_AMP:
        raise Malformed("amplification out of range", amp=str(amp)[:20])
    if fee >= FEE_ONE // 10 or offpeg > _MOST_OFFPEG or offpeg * fee >= FEE_ONE * FEE_ONE // 2:
        raise Malformed("fee out of range", fee=str(fee)[:20], offpeg=str(offpeg)[:20])
    if any(not _LEAST_RATE <= r <= _MOST_RATE for r in rates):
        raise Malformed("a rate is out of range", rates=str(list(rates))[:60])
    if min(held) == 0:
        raise Thin("the pool is empty on one side")
    return CurvePool(amp=amp, balances=held, rates=tuple(rates), fee=fee, offpeg=offpeg)


def amplification(precise: int | None, whole: Reply) -> int:
    """A times 100 at the block read, ramping included: A_precise(), else A() of pools that have no finer one."""
    return abi_words.uint_at(abi_words.returned(whole)) * AMP_PRECISION if precise is None else precise


def to_buy(held: CurveReplies, at: Places) -> int:
    """Check what the sale pays against our own arithmetic; units of quote that buy the notional.

    Raises:
        Thin: the pool does not carry the notional.
        Malformed: the pool's answer is not what its state gives.
    """
    amount = at.gates.amount
    ours = held.pool.sell(amount, at.base, at.quote)
    agreed(ours, held.received, _SLACK_UNITS + ours // _SLACK_PARTS, "selling the notional")
    return held.pool.buy(amount, at.base, at.quote)


def quote_of(held: CurveReplies, at: Places, paid: int, reply: Reply) -> Quote:
    """Quote of a pool, given what it says that `paid` units of quote buy.

    The ask is what was paid for what the pool itself says it gives, which is the notional to a millionth.
    """
    bought = abi_words.uint_at(abi_words.returned(reply))
    ours = held.pool.sell(paid, at.quote, at.base)
    agreed(ours, bought, _SLACK_UNITS + ours // _SLACK_PARTS, "buying the notional")
    agreed(at.gates.amount, bought, _SLACK_UNITS + at.gates.amount // _NEARLY, "buying the notional")
    if bought == 0:
        raise Thin("the pool gives nothing for the notional")
    bid, ask = at.gates.prices(held.received, paid, bought)
    half, one, two = at.gates.depths(held.pool.depths(at.base, at.quote))
    mean = None if held.mean is None else _mean_price(held.mean, held.pool.rates, at)
    return Quote(
        price_wad=Wad(mid_down(bid, ask)),
        bid_wad=bid,
        ask_wad=ask,
        depth_half_wad=half,
        depth_wad=one,
        depth_two_wad=two,
        mean_wad=mean,
        mean_span_ms=None if held.mean is None else held.mean.span_ms,
        base_share_bps=min(held.pool.share_bps(at.base), BPS),
        virtual_wad=held.virtual,
    )


def _mean_price(mean: Mean, rates: Sequence[int], at: Places) -> Wad:
    """Return the pool's mean, whose coins count by their rates, as a price of whole tokens; rounded down."""
    up = mean.prices[at.base] * rates[at.base] * 10 ** at.decimals[at.base] * WAD
    return values.bounded_price(
        mul_div_down(up, 1, mean.prices[at.quote] * rates[at.quote] * 10 ** at.decimals[at.quote])
    )
