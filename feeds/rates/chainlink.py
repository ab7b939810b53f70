"""A feed with Chainlink's interface: Chainlink's own, RedStone's push feeds, Aave's capped adapters. For comparison.

Source: smartcontractkit/chainlink, AggregatorV2V3Interface (latestRoundData, latestAnswer, decimals).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from feeds.chains import multicall
from feeds.chains.abi import address, calldata
from feeds.decode import abi_words, values
from feeds.errors import Malformed, NotPositive, OutOfRange
from feeds.rates.answered import answered, block_time, check_age
from feeds.types import Call, Quote, Read
from feeds.units import WAD

_ROUND_WORDS = 5
_MOST_DECIMALS = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Chainlink:
    """The latest answer, scaled by the decimals that the contract states.

    Attributes:
        feed: address of the proxy.
        decimals: what the contract must state; None accepts what it states.
        oldest_s: seconds since the answer was written that are accepted; 0 for any.
        answer_only: ask ``latestAnswer``, which has no time (Aave's capped adapters); needs oldest_s = 0.
        multicall: where Multicall3 is on this chain: its clock is the block's.
    """

    feed: str
    decimals: int | None = None
    oldest_s: int = 0
    answer_only: bool = False
    multicall: str = multicall.ADDRESS

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.feed)
        address(self.multicall)
        check_age(self.oldest_s)
        if self.answer_only and self.oldest_s:
            raise ValueError("latestAnswer has no time: leave oldest_s out, or answer_only")
        if self.decimals is not None and not 0 <= self.decimals <= _MOST_DECIMALS:
            raise ValueError(f"decimals = {self.decimals}: write what the feed states, 0 to {_MOST_DECIMALS}")

    def read(self) -> Read:
        """One phase: answer, decimals, the block's time.

        Raises:
            NotPositive: the answer is zero or negative.
            Malformed: the round was never written, or the decimals are others than configured.
            Stale, FromFuture: by the block's time.
            OutOfRange: the price is outside 1e-15 to 1e15.
        """
        answer, scale, *clock = yield _calls(self.feed, self.multicall, self.answer_only)
        decimals = abi_words.uint_at(abi_words.returned(scale))
        if decimals > _MOST_DECIMALS:
            raise OutOfRange("decimals", decimals=str(decimals)[:20])
        if self.decimals is not None and decimals != self.decimals:
            raise Malformed("the feed states other decimals", decimals=decimals, expected=self.decimals)
        if self.answer_only:
            raw = abi_words.int_at(abi_words.returned(answer))
            if raw <= 0:
                raise NotPositive("answer", raw=str(raw)[:40])
            return Quote(price_wad=values.bounded_price(raw * WAD // 10**decimals))
        data = abi_words.returned(answer, words=_ROUND_WORDS)
        raw, updated_s = abi_words.int_at(data, 1), abi_words.uint_at(data, 3)
        if updated_s == 0:
            raise Malformed("the round was never written")
        return answered(raw, decimals, updated_s, clock[0], self.oldest_s)


@lru_cache(maxsize=1024)
def _calls(feed: str, multicall_address: str, answer_only: bool) -> tuple[Call, ...]:
    to = address(feed)
    decimals = Call(to=to, data=calldata("decimals()"))
    if answer_only:
        return (Call(to=to, data=calldata("latestAnswer()")), decimals)
    return (Call(to=to, data=calldata("latestRoundData()")), decimals, block_time(multicall_address))
