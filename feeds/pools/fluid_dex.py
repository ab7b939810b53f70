"""A Fluid DEX pool (smart collateral, smart debt, or both), by Fluid's own reserves resolver.

Source: Instadapp/fluid-contracts-public, periphery/resolvers/dexReserves (SPEC, structs, main): getPoolReserves(pool)
answers pool, token0, token1, fee (1e6), in newer deployments the centre price, then collateral reserves (real 0 and 1,
imaginary 0 and 1), debt reserves (debt 0 and 1, real 0 and 1, imaginary 0 and 1) and four limits (available, expands to,
duration: withdrawable 0 and 1, borrowable 0 and 1), all in the tokens' smallest units; estimateSwapIn(pool, swap0to1,
amountIn, amountOutMin) starts the swap and reads its revert. None is a view: eth_call only. The native coin is
0xEeee...EEeE. The same pool address is another pair on another chain.

The resolver answers zeros where anything inside it fails, so zeros are a failure here. Both prices come from the
reserves; both are asked of the resolver, too, and must agree. Only an estimate that pays in the native coin may be 0:
no value travels with a read, and deployments differ in whether they mind; the limits it would check are checked here.

Reserves follow the pool's centre price, which may follow an outside rate: a price near it can stand while nobody
trades. Nothing here may be read inside a transaction: it is read by eth_call at the end of a block only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from feeds.chains.abi import address, calldata, selector, word
from feeds.decode import abi_words
from feeds.errors import Malformed, NoData, Refused, WrongSymbol
from feeds.pools import fluid_math
from feeds.pools.fluid_math import FEE_ONE, FluidCurve
from feeds.pools.gates import Gates, agreed, counted
from feeds.types import Call, Quote, Read, Reply
from feeds.units import BPS, Wad, mid_down, mul_div_down

NATIVE = "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"
_ESTIMATE = selector("estimateSwapIn(address,bool,uint256,uint256)")
_WORD = 32
_WORDS = 26
_WORDS_WITH_CENTRE = 27
_MOST_BITS = 112
_NEARLY = 10**6
_COARSE = 10**7
"""Units in which a result may differ for tokens of 18 decimals, ten of the pool's own twelve-decimal steps."""


class _Reserves(NamedTuple):
    """The reserves, read: the enabled curves, the fee, what is really held of base and of quote."""

    curves: tuple[FluidCurve, ...]
    fee: int
    base: int
    quote: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FluidDex:
    """One pool, read at size.

    Attributes:
        resolver: address of the DexReservesResolver; pool: of the pool.
        base: address of the token that is priced; quote: of the token it is priced in; native: 0xEeee...EEeE.
        notional: base tokens that are sold and bought, a decimal text.
        base_decimals: of the base token; quote_decimals: of the quote token.
        min_depth: base tokens that must be needed to move the price by 1 %.
        max_slippage_bps: how far selling and buying the notional may lie apart, both fees included.
    """

    resolver: str
    pool: str
    base: str
    quote: str
    notional: str
    base_decimals: int = 18
    quote_decimals: int = 18
    min_depth: str = "0"
    max_slippage_bps: int = 100

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.resolver)
        address(self.pool)
        if address(self.base) == address(self.quote):
            raise ValueError("base and quote are the same token: write the two addresses of the pool")
        self._gates.check()

    def read(self) -> Read:
        """Two phases: the reserves; then the resolver's own estimate of both trades.

        Prices: bid rounded down, ask up, mid down.

        Raises:
            NoData: neither collateral nor debt is enabled, or the resolver could not read them.
            Thin: the pool does not carry the notional, or the depth is below min_depth.
            Slippage: selling and buying lie further apart than max_slippage_bps.
            WrongSymbol: the pool holds other tokens.
            Refused: the pool is paused.
            Malformed: the reserves are out of range, or the resolver's estimates contradict them.
            FeedError: for replies that are not such a resolver's.
        """
        (reserves,) = yield _reserve_calls(self.resolver, self.pool)
        data = abi_words.returned(reserves, words=_WORDS)
        base_is_0 = self._orientation(data)
        book = _book(data, base_is_0=base_is_0)
        amount = self._gates.amount
        received = fluid_math.sell(book.curves, amount, book.fee)
        paid = fluid_math.buy(book.curves, amount, book.fee)
        replies = yield (self._estimate(amount, zero_in=base_is_0), self._estimate(paid, zero_in=not base_is_0))
        sale, purchase = counted(replies, 2)
        self._check(received, sale, self.base, self.quote_decimals, "selling the notional")
        bought = fluid_math.back(book.curves, paid, book.fee)
        self._check(bought, purchase, self.quote, self.base_decimals, "buying the notional")
        return self._quote(book, received, paid)

    @property
    def _gates(self) -> Gates:
        return Gates(self.notional, self.min_depth, self.max_slippage_bps, self.base_decimals, self.quote_decimals)

    def _orientation(self, data: bytes) -> bool:
        """Whether base is token0; WrongSymbol unless the pool holds exactly the two tokens."""
        pool, *tokens = (abi_words.address_at(data, i) for i in range(3))
        base, quote = address(self.base), address(self.quote)
        if pool != address(self.pool) or tokens not in ([base, quote], [quote, base]):
            raise WrongSymbol("the pool holds other tokens", token0=tokens[0].hex(), token1=tokens[1].hex())
        return tokens[0] == base

    def _estimate(self, amount: int, *, zero_in: bool) -> Call:
        words = (int.from_bytes(address(self.pool), "big"), int(zero_in), amount, 0)
        return Call(to=address(self.resolver), data=_ESTIMATE + b"".join(word(n) for n in words))

    def _check(self, ours: int, reply: Reply, given: str, decimals: int, what: str) -> None:
        """Compare with the resolver's estimate; 0 passes where the native coin is paid in (see the module)."""
        theirs = abi_words.uint_at(abi_words.returned(reply))
        if theirs == 0 and address(given) == address(NATIVE):
            return
        if theirs == 0:
            raise Refused(f"{what}: the resolver estimates nothing, so the pool is paused or a limit of it is reached")
        coarse = _COARSE * 10**decimals // 10**18 + 1
        agreed(ours, theirs, coarse + ours // _NEARLY, what)

    def _quote(self, book: _Reserves, received: int, paid: int) -> Quote:
        bid, ask = self._gates.prices(received, paid, self._gates.amount)
        half, one, two = self._gates.depths(fluid_math.depths(book.curves))
        worth = mul_div_down(book.base, book.curves[0].quote, book.curves[0].base)
        total = worth + book.quote
        return Quote(
            price_wad=Wad(mid_down(bid, ask)),
            bid_wad=bid,
            ask_wad=ask,
            depth_half_wad=half,
            depth_wad=one,
            depth_two_wad=two,
            base_share_bps=mul_div_down(worth, BPS, total) if total else None,
        )


def _book(data: bytes, *, base_is_0: bool) -> _Reserves:
    """Curves of the reserves; NoData where there is none."""
    if len(data) not in (_WORDS * _WORD, _WORDS_WITH_CENTRE * _WORD):
        raise Malformed("reserves of another layout", words=len(data) // _WORD)
    fee = abi_words.uint_at(data, 3)
    if fee >= FEE_ONE // 10:
        raise Malformed("fee above 10 %", fee=str(fee)[:20])
    start = 4 + (len(data) // _WORD - _WORDS)
    numbers = [abi_words.uint_at(data, start + i) for i in range(22)]
    if any(n >> _MOST_BITS for n in numbers[:10]):
        raise Malformed("reserves out of range")
    collateral, debt, limits = numbers[:4], numbers[6:10], numbers[10:22:3]
    curves, real = [], [0, 0]
    for (real0, real1, imaginary0, imaginary1), (limit0, limit1) in ((collateral, limits[:2]), (debt, limits[2:])):
        if not imaginary0 and not imaginary1:
            continue
        if not imaginary0 or not imaginary1 or real0 > imaginary0 or real1 > imaginary1:
            raise Malformed("real and imaginary reserves contradict each other")
        curve = FluidCurve(imaginary0, imaginary1, min(real0, limit0), min(real1, limit1))
        curves.append(curve if base_is_0 else FluidCurve(curve.quote, curve.base, curve.quote_out, curve.base_out))
        real = [real[0] + real0, real[1] + real1]
    if not curves:
        raise NoData("neither collateral nor debt can be read")
    base, quote = real if base_is_0 else reversed(real)
    return _Reserves(tuple(curves), fee, base, quote)


@lru_cache(maxsize=256)
def _reserve_calls(resolver: str, pool: str) -> tuple[Call, ...]:
    return (Call(to=address(resolver), data=calldata("getPoolReserves(address)", ("0x" + address(pool).hex(),))),)
