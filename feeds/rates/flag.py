"""Whether holders can redeem now, as a contract of the protocol says: paused, in bunker mode, no longer paying out. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from feeds.chains.abi import address, calldata
from feeds.decode import abi_words
from feeds.errors import Closed
from feeds.types import Call, Quote, Read
from feeds.units import WAD, Wad

_MOST_WORDS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagCall:
    """A yes or no as one word of one call's answer: 0 is no, anything else yes.

    Attributes:
        contract: address of the contract.
        function: its name and argument types, such as ``paused()``.
        args: the arguments as texts.
        returns: which 32-byte word of the answer it is, from 0.
        means: what yes means, ``open`` or ``closed``; no means the other.
    """

    contract: str
    function: str
    means: str
    args: tuple[str, ...] = ()
    returns: int = 0

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.contract)
        calldata(self.function, self.args)
        if self.means not in ("open", "closed"):
            raise ValueError(f'means = {self.means!r}: write what a yes means, "open" or "closed"')
        if not 0 <= self.returns < _MOST_WORDS:
            raise ValueError(f"returns = {self.returns}: write the number of the answer's word, 0 to {_MOST_WORDS - 1}")

    def read(self) -> Read:
        """One call; the quote is 1 and says only that holders can redeem.

        Raises:
            Closed: they cannot.
        """
        (reply,) = yield (Call(to=address(self.contract), data=calldata(self.function, self.args)),)
        flag = abi_words.uint_at(abi_words.returned(reply, words=self.returns + 1), self.returns)
        if (flag != 0) is (self.means == "closed"):
            raise Closed(f"{self.function} answers {'yes' if flag else 'no'}", contract=self.contract)
        return Quote(price_wad=Wad(WAD))
