"""Any rate that one view function answers: the contract, the function and the scale are config."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from feeds.chains.abi import address, calldata
from feeds.decode import abi_words, values
from feeds.errors import NotPositive, OutOfRange
from feeds.types import Call, Quote, Read
from feeds.units import WAD, Wad

_MOST_SCALE = 36
_MOST_WORDS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCall:
    """A rate as one number of one call's answer.

    Attributes:
        contract: address of the contract.
        function: its name and argument types, such as ``convertToAssets(uint256)``.
        args: the arguments as texts (``1e18``, addresses, true).
        returns: which 32-byte word of the answer is the rate, from 0.
        scale: the answer is the rate times 10**scale; the price is rounded down to 1e-18.
        invert: the answer is base per quote; the price is its reciprocal, rounded down.
        signed: the answer is a signed integer, as Chainlink's are.
    """

    contract: str
    function: str
    args: tuple[str, ...] = ()
    returns: int = 0
    scale: int = 18
    invert: bool = False
    signed: bool = False

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.contract)
        calldata(self.function, self.args)
        if not 0 <= self.returns < _MOST_WORDS:
            raise ValueError(f"returns = {self.returns}: write the number of the answer's word, 0 to {_MOST_WORDS - 1}")
        if not 0 <= self.scale <= _MOST_SCALE:
            raise ValueError(f"scale = {self.scale}: write the power of ten of the answer, 0 to {_MOST_SCALE}")

    def read(self) -> Read:
        """One call.

        Raises:
            NotPositive: the rate is zero or negative.
            OutOfRange: the rate, or its reciprocal, is outside 1e-15 to 1e15.
        """
        (reply,) = yield _calls(self.contract, self.function, self.args)
        data = abi_words.returned(reply, words=self.returns + 1)
        raw = abi_words.int_at(data, self.returns) if self.signed else abi_words.uint_at(data, self.returns)
        return Quote(price_wad=self._price(raw))

    def _price(self, raw: int) -> Wad:
        if raw <= 0:
            raise NotPositive("rate", raw=str(raw)[:40])
        wad = WAD * 10**self.scale // raw if self.invert else raw * WAD // 10**self.scale
        if wad == 0:
            raise OutOfRange("rate rounds to zero: check scale", raw=str(raw)[:40], scale=self.scale)
        return values.bounded_price(wad)


@lru_cache(maxsize=1024)
def _calls(contract: str, function: str, args: tuple[str, ...]) -> tuple[Call, ...]:
    return (Call(to=address(contract), data=calldata(function, args)),)
