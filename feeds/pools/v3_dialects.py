"""How Uniswap v3 and its forks answer: which function tells the price, how many words, where the fee stands.

Sources of the layouts: v3-core 1.0.1 (UniswapV3Pool); @pancakeswap/v3-core 1.0.2 (PancakeV3Pool: feeProtocol is a
uint32, the words are the same); velodrome-finance/slipstream (CLPool: slot0 has no feeProtocol, fee() asks the factory,
a tick has ten words); @cryptoalgebra/core 2.0.0 (AlgebraPool 1: the fee stands in globalState());
cryptoalgebra/Algebra, version 1.9 with a fee per direction (PoolState.GlobalState, as Camelot runs it);
@cryptoalgebra/integral-core 1.2.10 (AlgebraPool: a list of ticks instead of rows, fee() and plugins).

Fees that follow the market are those that the pool states at the block read. Slipstream's may be lower for the first
swap of a block or for some senders; Algebra recomputes its fee at the first swap of a later block. A pool that answers
another number of words is another dialect and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from feeds.decode import abi_words
from feeds.errors import Malformed, Refused
from feeds.pools.v3_math import FEE_ONE
from feeds.types import Reply

_WORD = 32
_BEFORE_SWAP = 1
"""Integral's plugin flag: the plugin is asked before each swap and may set another fee."""


class Dialect(NamedTuple):
    """One layout.

    Attributes:
        state: function that tells sqrt price and tick in its first two words.
        state_words: words that it answers.
        tick_words: words that ticks(int24) answers; gross and net liquidity first.
        fee_words: where in the state the fees of token0 in and token1 in stand; none: fee() tells one for both.
        means: function of the pool's own tick sums, its first array; empty: the pool keeps none.
        worded: whether a swap's steps end at the words of the bitmap, not at initialised ticks only.
        plugin_word: where in the state the plugin's flags stand; 0: no plugins.
    """

    state: str = "slot0()"
    state_words: int = 7
    tick_words: int = 8
    fee_words: tuple[int, ...] = ()
    means: str = "observe(uint32[])"
    worded: bool = True
    plugin_word: int = 0


_ALGEBRA = Dialect(state="globalState()", fee_words=(2, 2), means="getTimepoints(uint32[])")
DIALECTS: Mapping[str, Dialect] = MappingProxyType({
    "uniswap": Dialect(),
    "pancake": Dialect(),
    "slipstream": Dialect(state_words=6, tick_words=10),
    "algebra": _ALGEBRA,
    "camelot": _ALGEBRA._replace(state_words=8, fee_words=(2, 3)),
    "integral": Dialect(
        state="globalState()", state_words=6, tick_words=6, means="", worded=False, plugin_word=3
    ),
})  # fmt: skip


def exactly(reply: Reply, words: int) -> bytes:
    """Return data of that many words; Malformed for another layout."""
    data = abi_words.returned(reply, words=words)
    if len(data) != words * _WORD:
        raise Malformed("an answer of another layout: is it another dialect?", words=len(data) // _WORD, expected=words)
    return data


def fees_of(dialect: Dialect, state: bytes, fee: Reply | None, *, accept_hooks: bool) -> tuple[int, int]:
    """Millionths of the input that the pool charges for token0 in and token1 in.

    Raises:
        Refused: a plugin may set another fee and this was not accepted.
        Malformed: a fee of 100 % or more, or none is stated.
    """
    if dialect.plugin_word and abi_words.uint_at(state, dialect.plugin_word) & _BEFORE_SWAP and not accept_hooks:
        raise Refused("a plugin may set the fee of each swap: write accept_hooks = true to price without it")
    if dialect.fee_words:
        first, second = (abi_words.uint_at(state, place) for place in dialect.fee_words)
    else:
        first = second = abi_words.uint_at(abi_words.returned(b"" if fee is None else fee))
    if max(first, second) >= FEE_ONE:
        raise Malformed("fee out of range", fee=str(max(first, second))[:20])
    return first, second
