"""What Curve's pools of every kind are asked, and how their answers are read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from feeds.chains.abi import address, calldata
from feeds.decode import abi_words
from feeds.errors import Malformed, NotPositive, Reverted, WrongSymbol
from feeds.types import Call, Reply
from feeds.units import MS, WAD

MOST_BALANCE_BITS = 112
_LEAST_COINS = 2
MOST_COINS = 8
_MOST_MEAN_S = 7 * 86_400
_PER_MILLION = 1_000_000
_MEAN_AGE_OF_HALF_LIFE = 1_442_695
"""1 / ln 2 in millionths: the mean age of what an exponential average holds, in half-lives."""


def check_coins(coins: Sequence[str], base: str, quote: str, decimals: Sequence[int]) -> None:
    """Check the coins of a pool's config; ValueError says what to write."""
    listed = [address(c) for c in coins]
    if not _LEAST_COINS <= len(listed) <= MOST_COINS or len(set(listed)) != len(listed):
        raise ValueError(f"coins: write the pool's {_LEAST_COINS} to {MOST_COINS} different coins, in the pool's order")
    for name, coin in (("base", base), ("quote", quote)):
        if address(coin) not in listed:
            raise ValueError(f"{name} {coin!r} is none of the coins: write the address as the pool names it")
    if address(base) == address(quote):
        raise ValueError("base and quote are the same token: write two coins of the pool")
    if decimals and len(decimals) != len(listed):
        raise ValueError(f"decimals: write one number for each of the {len(listed)} coins, or none where all have 18")
    if any(not 0 <= d <= 18 for d in decimals):  # noqa: PLR2004 - no Curve pool takes more
        raise ValueError("decimals: write 0 to 18 for each coin")


@lru_cache(maxsize=512)
def pool_calls(pool: str, count: int, names: tuple[str, ...]) -> tuple[Call, ...]:
    """coins(i) of each coin, balances(i) of each coin, then the named functions without arguments."""
    to = address(pool)
    return (
        *(Call(to=to, data=calldata("coins(uint256)", (i,))) for i in range(count)),
        *(Call(to=to, data=calldata("balances(uint256)", (i,))) for i in range(count)),
        *(Call(to=to, data=calldata(name)) for name in names),
    )


@lru_cache(maxsize=512)
def mean_calls(pool: str, count: int) -> tuple[Call, ...]:
    """price_oracle() if there are two coins, then price_oracle(k) for each coin but the first: which exists is probed."""
    to = address(pool)
    scalar = (Call(to=to, data=calldata("price_oracle()")),) if count == _LEAST_COINS else ()
    return (*scalar, *(Call(to=to, data=calldata("price_oracle(uint256)", (k,))) for k in range(count - 1)))


def check_held(replies: Sequence[Reply], coins: Sequence[str]) -> None:
    """Refuse a pool that names other coins, or the same in another order."""
    for i, (reply, coin) in enumerate(zip(replies, coins, strict=True)):
        if (said := abi_words.address_at(abi_words.returned(reply))) != address(coin):
            raise WrongSymbol("the pool has another coin in this place", place=i, coin="0x" + said.hex())


def balances(replies: Sequence[Reply]) -> tuple[int, ...]:
    """Balances in the coins' smallest units."""
    held = tuple(abi_words.uint_at(abi_words.returned(r)) for r in replies)
    if any(b >> MOST_BALANCE_BITS for b in held):
        raise Malformed("a balance is out of range")
    return held


def virtual_price(reply: Reply) -> int:
    """get_virtual_price(): the value of one pool token, 1e18."""
    value = abi_words.uint_at(abi_words.returned(reply))
    if value == 0:
        raise NotPositive("virtual price")
    if value >> MOST_BALANCE_BITS:
        raise Malformed("virtual price out of range")
    return value


def optional(reply: Reply) -> int | None:
    """Return the number of a view that only some pools have; None where it reverts or a fallback answers nothing."""
    if isinstance(reply, Reverted) or reply == b"":
        return None
    return abi_words.uint_at(abi_words.returned(reply))


class Mean(NamedTuple):
    """A pool's own exponential average: prices of all coins in the first, 1e18, and the mean age of what it holds."""

    prices: tuple[int, ...]
    span_ms: int


def mean(replies: Sequence[Reply], count: int, *, span_s: Reply, half_life: bool) -> Mean | None:
    """Read the answers of :func:`mean_calls`; None where the pool has no oracle.

    Args:
        replies: in the order of the calls.
        count: number of coins.
        span_s: answer of ma_exp_time() (the time constant: its mean age) or of the half-life in seconds.
        half_life: which of the two it is.
    """
    scalar = optional(replies[0]) if count == _LEAST_COINS else None
    listed = [optional(r) for r in replies[-(count - 1) :]]
    found = [p for p in listed if p is not None]
    if len(found) != count - 1:
        if scalar is None:
            return None
        found = [scalar]
    seconds = optional(span_s)
    if seconds is None or not 0 < seconds <= _MOST_MEAN_S:
        raise Malformed("the time of the pool's average is out of range", seconds=str(seconds)[:20])
    if min(found) == 0:
        raise NotPositive("price_oracle")
    if any(p >> MOST_BALANCE_BITS for p in found):
        raise Malformed("price_oracle out of range")
    age_ms = seconds * MS * _MEAN_AGE_OF_HALF_LIFE // _PER_MILLION if half_life else seconds * MS
    return Mean((WAD, *found), age_ms)
