"""A Uniswap v2 pair or a fork's: what selling and buying a notional pays, exactly as the router computes it, and depth.

Source: Uniswap v2 Core whitepaper (Adams, Zinsmeister, Robinson, 2020), 3.2.1 for the invariant with its fee; v2-periphery
1.1.0-beta.0, UniswapV2Library (getAmountOut, getAmountIn), for the roundings. PancakeSwap v2 and the like differ in the fee only.
Dialect solidly (Velodrome and Aerodrome v2, velodrome-finance/contracts, Pool): the fee is taken off the input first
and kept outside of the reserves; its own getAmountOut is asked of both trades, so a fee that changed is noticed. Only
pairs whose stable() is false: the curve of the others is another.

A reserve that the pair no longer holds (a rebasing token that shrank) is refused: what the router would quote, the pair
could not keep. The pair's own oracle, price0CumulativeLast, is a sum that needs two reads over time and is moved only by
the first trade of a block; means are therefore made from the prices of earlier heads, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import isqrt

from feeds.chains.abi import address, calldata, selector, word
from feeds.decode import abi_words
from feeds.errors import Malformed, Refused, Thin, WrongSymbol
from feeds.pools.gates import Gates, agreed, counted
from feeds.types import Call, Quote, Read, Reply
from feeds.units import BPS, Wad, div_up, mid_down, mul_div_down

FEE_ONE = 1_000_000
_DIALECTS = ("uniswap", "solidly")
_MOVES_BPS = (50, 100, 200)
_MOST_BITS = 112
_QUOTE = selector("getAmountOut(uint256,address)")


@dataclass(frozen=True, slots=True, kw_only=True)
class UniswapV2:
    """One pair, read at size.

    Attributes:
        pool: address of the pair.
        base: address of the token that is priced; quote: of the token it is priced in.
        notional: base tokens that are sold and bought, a decimal text.
        fee: millionths of the input: 3000 for Uniswap, 2500 for PancakeSwap; a pair does not state its own.
        dialect: uniswap or solidly.
        base_decimals: of the base token; quote_decimals: of the quote token.
        min_depth: base tokens that must be needed to move the price by 1 %.
        max_slippage_bps: how far selling and buying the notional may lie apart, both fees included.
    """

    pool: str
    base: str
    quote: str
    notional: str
    fee: int = 3_000
    dialect: str = "uniswap"
    base_decimals: int = 18
    quote_decimals: int = 18
    min_depth: str = "0"
    max_slippage_bps: int = 100

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.pool)
        if address(self.base) == address(self.quote):
            raise ValueError("base and quote are the same token: write the two addresses of the pair")
        if self.dialect not in _DIALECTS:
            raise ValueError(f"dialect = {self.dialect!r}: write one of {', '.join(_DIALECTS)}")
        if not 0 <= self.fee <= FEE_ONE // 10:
            raise ValueError(f"fee = {self.fee}: write millionths, 3000 for 0.3 %, at most {FEE_ONE // 10}")
        if self.dialect == "solidly" and self.fee * BPS % FEE_ONE:
            raise ValueError(
                f"fee = {self.fee}: a solidly pair charges whole bps: write a multiple of {FEE_ONE // BPS}"
            )
        self._gates.check()

    def read(self) -> Read:
        """One phase: reserves, tokens and what the pair holds; a solidly pair in a second is asked both trades.

        Prices: bid rounded down, ask up, mid down.

        Raises:
            Thin: the pair does not carry the notional, or the depth is below min_depth.
            Slippage: selling and buying lie further apart than max_slippage_bps.
            WrongSymbol: the pair holds other tokens.
            Refused: it is a stable pair.
            Malformed: the pair holds less than its reserves, or its own answer contradicts them.
            FeedError: for replies that are not a pair's.
        """
        replies = counted((yield _calls(self.pool, self.base, self.quote, self.dialect)), 5 + self._solidly)
        if self._solidly and abi_words.uint_at(abi_words.returned(replies[5])):
            raise Refused("a stable pair, whose curve is another: no adapter reads it")
        base, quote = self._reserves(replies)
        amount = self._gates.amount
        received, paid = self._sell(amount, base, quote), self._buy(amount, base, quote)
        if self._solidly:
            sale, purchase = counted((yield (self._ask(amount, self.base), self._ask(paid, self.quote))), 2)
            agreed(received, abi_words.uint_at(abi_words.returned(sale)), 0, "selling the notional")
            agreed(
                self._sell(paid, quote, base), abi_words.uint_at(abi_words.returned(purchase)), 0, "buying the notional"
            )
        bid, ask = self._gates.prices(received, paid, amount)
        half, one, two = self._gates.depths(_depths(base))
        return Quote(
            price_wad=Wad(mid_down(bid, ask)),
            bid_wad=bid,
            ask_wad=ask,
            depth_half_wad=half,
            depth_wad=one,
            depth_two_wad=two,
        )

    @property
    def _solidly(self) -> bool:
        return self.dialect == "solidly"

    @property
    def _gates(self) -> Gates:
        return Gates(self.notional, self.min_depth, self.max_slippage_bps, self.base_decimals, self.quote_decimals)

    def _reserves(self, replies: tuple[Reply, ...]) -> tuple[int, int]:
        """Reserves of base and quote in their smallest units, both really held."""
        tokens = tuple(abi_words.address_at(abi_words.returned(r)) for r in replies[1:3])
        wanted = address(self.base), address(self.quote)
        if tokens not in {wanted, wanted[::-1]}:
            raise WrongSymbol("the pair holds other tokens", token0=tokens[0].hex(), token1=tokens[1].hex())
        data = abi_words.returned(replies[0], words=3)
        reserves = abi_words.uint_at(data), abi_words.uint_at(data, 1)
        if min(reserves) == 0:
            raise Thin("the pair is empty")
        if max(reserves) >> _MOST_BITS:
            raise Malformed("a reserve is out of range", reserve=str(max(reserves))[:40])
        base, quote = reserves if tokens == wanted else reserves[::-1]
        for reserve, reply in zip((base, quote), replies[3:5], strict=True):
            if (held := abi_words.uint_at(abi_words.returned(reply))) < reserve:
                raise Malformed("the pair holds less than its reserve", held=str(held), reserve=str(reserve))
        return base, quote

    def _sell(self, amount: int, given: int, taken: int) -> int:
        """Output of an exact input, given both reserves; Thin if it is nothing."""
        if self._solidly:
            amount -= amount * (self.fee * BPS // FEE_ONE) // BPS
            received = mul_div_down(amount, taken, given + amount)
        else:
            net = amount * (FEE_ONE - self.fee)
            received = mul_div_down(net, taken, given * FEE_ONE + net)
        if received == 0:
            raise Thin("the pair gives nothing for the notional")
        return received

    def _buy(self, amount: int, given: int, taken: int) -> int:
        """Input of `taken` that buys an exact output of `given`; a solidly pair names none: the least that does."""
        if amount >= given:
            raise Thin("the pair does not hold the notional", holds=str(given), notional=str(amount))
        if not self._solidly:
            return mul_div_down(taken, amount * FEE_ONE, (given - amount) * (FEE_ONE - self.fee)) + 1
        bps, net = self.fee * BPS // FEE_ONE, div_up(amount * taken, given - amount)
        paid = net * BPS // (BPS - bps)
        return paid if paid - paid * bps // BPS >= net else paid + 1

    def _ask(self, amount: int, given: str) -> Call:
        return Call(to=address(self.pool), data=_QUOTE + word(amount) + word(int.from_bytes(address(given), "big")))


def _depths(base: int) -> tuple[int, int, int]:
    """Base units that move the price by 0.5, 1 and 2 % without fee, in the thinner direction, rounded down.

    The price goes with the inverse square of the base reserve, as the product stands.
    """
    found = []
    for move in _MOVES_BPS:
        sold = isqrt(base * base * BPS // (BPS - move)) - base
        bought = base - isqrt(base * base * BPS // (BPS + move)) - 1
        found.append(max(min(sold, bought), 0))
    return found[0], found[1], found[2]


@lru_cache(maxsize=256)
def _calls(pool: str, base: str, quote: str, dialect: str) -> tuple[Call, ...]:
    to, holder = address(pool), "0x" + address(pool).hex()
    names = ("getReserves()", "token0()", "token1()")
    held = tuple(Call(to=address(t), data=calldata("balanceOf(address)", (holder,))) for t in (base, quote))
    stable = (Call(to=to, data=calldata("stable()")),) if dialect == "solidly" else ()
    return (*(Call(to=to, data=calldata(name)) for name in names), *held, *stable)
