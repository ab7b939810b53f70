"""What the feeds of other oracles have in common: an answer, and when its provider wrote it. Pure."""

from __future__ import annotations

from functools import lru_cache

from feeds.chains import multicall
from feeds.chains.abi import address, calldata
from feeds.decode import abi_words, values
from feeds.errors import FromFuture, NotPositive, OutOfRange, Stale
from feeds.types import Call, Quote, Reply
from feeds.units import MS, WAD

MOST_AGE_S = 30 * 86_400
_MOST_DECIMALS = 36


def check_age(oldest_s: int) -> None:
    """ValueError unless the limit is sane."""
    if not 0 <= oldest_s <= MOST_AGE_S:
        raise ValueError(f"oldest_s = {oldest_s}: write how old an answer may be, 0 for any, at most {MOST_AGE_S}")


@lru_cache(maxsize=64)
def block_time(multicall_address: str = multicall.ADDRESS) -> Call:
    """Ask for the time of the block that is read; source: mds1/multicall, Multicall3.getCurrentBlockTimestamp."""
    return Call(to=address(multicall_address), data=calldata("getCurrentBlockTimestamp()"))


def answered(raw: int, decimals: int, updated_s: int, clock: Reply | None, oldest_s: int) -> Quote:
    """Quote of an answer of so many decimals, written at a Unix second, rounded down.

    Raises:
        NotPositive: the answer is zero or negative.
        OutOfRange: decimals or price are out of range.
        Stale, FromFuture: its time against the block's, where the block's is given.
    """
    if raw <= 0:
        raise NotPositive("answer", raw=str(raw)[:40])
    if not 0 <= decimals <= _MOST_DECIMALS:
        raise OutOfRange("decimals", decimals=str(decimals)[:20])
    stated_ms = values.time_ms(updated_s, per_s=1)
    if clock is not None:
        age_s = abi_words.uint_at(abi_words.returned(clock)) - updated_s
        if age_s < 0:
            raise FromFuture("the answer is later than its block", ahead_s=str(-age_s)[:20])
        if oldest_s and age_s > oldest_s:
            raise Stale("the provider has not written", age_ms=age_s * MS, max_age_ms=oldest_s * MS)
    wad = raw * WAD // 10**decimals
    if wad == 0:
        raise OutOfRange("answer rounds to zero", raw=str(raw)[:40], decimals=decimals)
    return Quote(price_wad=values.bounded_price(wad), stated_at_ms=stated_ms)
