"""A Pyth price that somebody has posted on this chain. For comparison.

Source: pyth-network/pyth-crosschain, IPyth.getPriceUnsafe and PythStructs.Price: (int64 price, uint64 conf, int32 expo,
uint256 publishTime), the price being ``price * 10**expo``. Not seen on a chain yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from feeds.chains import multicall
from feeds.chains.abi import address, calldata
from feeds.decode import abi_words
from feeds.errors import OutOfRange
from feeds.rates.answered import answered, block_time, check_age
from feeds.types import Call, Read
from feeds.units import BPS

_WORDS = 4
_LEAST_EXPO, _MOST_EXPO = -30, 12
_INT64 = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Pyth:
    """The price last posted, whatever its age unless that is limited.

    Attributes:
        contract: address of Pyth on this chain.
        feed_id: the price feed's id, 32 bytes in hex.
        oldest_s: seconds since it was published that are accepted; 0 for any.
        max_conf_bps: widest confidence interval, of the price, to one side.
        multicall: where Multicall3 is on this chain: its clock is the block's.
    """

    contract: str
    feed_id: str | bytes
    oldest_s: int = 0
    max_conf_bps: int = 200
    multicall: str = multicall.ADDRESS

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.contract)
        address(self.multicall)
        calldata("f(bytes32)", (self.feed_id,))
        check_age(self.oldest_s)
        if not 1 <= self.max_conf_bps <= BPS:
            raise ValueError(f"max_conf_bps = {self.max_conf_bps}: write 1 to {BPS}")

    def read(self) -> Read:
        """One phase: the price, the block's time.

        Raises:
            NotPositive: the price is zero or negative.
            OutOfRange: price, exponent or confidence are out of range.
            Stale, FromFuture: by the block's time.
        """
        stated, clock = yield _calls(self.contract, self.feed_id, self.multicall)
        data = abi_words.returned(stated, words=_WORDS)
        price, conf, expo, published_s = abi_words.int_at(data), abi_words.uint_at(data, 1), abi_words.int_at(data, 2), abi_words.uint_at(data, 3)  # fmt: skip
        if not _LEAST_EXPO <= expo <= _MOST_EXPO:
            raise OutOfRange("exponent", expo=str(expo)[:20])
        if abs(price) >= _INT64:
            raise OutOfRange("price does not fit its type", price=str(price)[:40])
        if conf * BPS > max(price, 0) * self.max_conf_bps:
            raise OutOfRange("the publishers disagree", conf=str(conf)[:40], price=str(price)[:40])
        raw, decimals = (price * 10**expo, 0) if expo > 0 else (price, -expo)
        return answered(raw, decimals, published_s, clock, self.oldest_s)


@lru_cache(maxsize=1024)
def _calls(contract: str, feed_id: str | bytes, multicall_address: str) -> tuple[Call, ...]:
    ask = Call(to=address(contract), data=calldata("getPriceUnsafe(bytes32)", (feed_id,)))
    return (ask, block_time(multicall_address))
