"""How many tokens a contract states: a supply, what stands behind it, what a lock box holds. None is a number too. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from feeds.chains.abi import address, calldata
from feeds.decode import abi_words
from feeds.decode.values import MAX_PRICE_WAD
from feeds.errors import OutOfRange
from feeds.types import Call, Quote, Read
from feeds.units import WAD, Wad

_MOST_SCALE = 36
_MOST_WORDS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountCall:
    """An amount as one number of one call's answer. Unlike a rate it may be 0: an emptied lock box is what must be seen.

    Attributes:
        contract: address of the contract.
        function: its name and argument types, such as ``totalSupply()`` or ``balanceOf(address)``.
        args: the arguments as texts.
        returns: which 32-byte word of the answer is the amount, from 0.
        scale: the answer is whole tokens times 10**scale.
    """

    contract: str
    function: str
    args: tuple[str, ...] = ()
    returns: int = 0
    scale: int = 18

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
            OutOfRange: more than 1e15 tokens.
        """
        (reply,) = yield (Call(to=address(self.contract), data=calldata(self.function, self.args)),)
        raw = abi_words.uint_at(abi_words.returned(reply, words=self.returns + 1), self.returns)
        wad = raw * WAD // 10**self.scale
        if wad > MAX_PRICE_WAD:
            raise OutOfRange("amount", raw=str(raw)[:40], scale=self.scale)
        return Quote(price_wad=Wad(wad))
