"""An API3 data feed through a reader proxy. For comparison.

Source: api3dao/contracts, IApi3ReaderProxy.read: (int224 value of 18 decimals, uint32 timestamp). A proxy is deployed for
each customer, so its address is the operator's to write. Not seen on a chain yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from feeds.chains import multicall
from feeds.chains.abi import address, calldata
from feeds.decode import abi_words
from feeds.rates.answered import answered, block_time, check_age
from feeds.types import Call, Read

_DECIMALS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Api3:
    """The value and its time.

    Attributes:
        proxy: address of the reader proxy.
        oldest_s: seconds since the value was written that are accepted; 0 for any.
        multicall: where Multicall3 is on this chain: its clock is the block's.
    """

    proxy: str
    oldest_s: int = 0
    multicall: str = multicall.ADDRESS

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.proxy)
        address(self.multicall)
        check_age(self.oldest_s)

    def read(self) -> Read:
        """One phase: the value, the block's time.

        Raises:
            NotPositive: the value is zero or negative.
            OutOfRange: the price is outside 1e-15 to 1e15.
            Stale, FromFuture: by the block's time.
        """
        stated, clock = yield _calls(self.proxy, self.multicall)
        data = abi_words.returned(stated, words=2)
        return answered(abi_words.int_at(data), _DECIMALS, abi_words.uint_at(data, 1), clock, self.oldest_s)


@lru_cache(maxsize=1024)
def _calls(proxy: str, multicall_address: str) -> tuple[Call, ...]:
    return (Call(to=address(proxy), data=calldata("read()")), block_time(multicall_address))
