"""A Maverick pool, version 1 or 2, by the answers of Maverick's own quoting contract.

Source: maverickprotocol/maverick-v1-interfaces, IPoolInformation.calculateSwap(pool, amount, tokenAIn, exactOutput,
sqrtPriceLimit) -> amount, and version 2's IMaverickV2Quoter.calculateSwap(pool, amount, tokenAIn, exactOutput,
tickLimit) -> (amountIn, amountOut, gas), as public integrations state it. Neither is a view: they start a swap and
revert in its callback, which eth_call allows. Amounts are in the tokens' smallest units (for tokens of other than 18
decimals: as documented, not confirmed on a chain).

Bins move with the price and their arithmetic is not published for version 1, so the depth comes from the quoter at a
fixed ladder of sizes in one phase. A quoter may stop where liquidity ends and answer for a part of the order: each price
at the notional is therefore asked again in the other sense (exact output for exact input), and must agree.

The pools' own time average is a logarithm in units of the bin width and is not read. Nothing here may be read inside a
transaction: it is read by eth_call at the end of a block only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

from feeds.chains.abi import address, calldata, selector, word
from feeds.decode import abi_words
from feeds.errors import Malformed, Reverted, Thin, WrongSymbol
from feeds.pools import ladder
from feeds.pools.gates import Gates, agreed, counted
from feeds.pools.ladder import Rung
from feeds.types import Call, Quote, Read, Reply
from feeds.units import Wad, mid_down, mul_div_down

_V1 = selector("calculateSwap(address,uint128,bool,bool,uint256)")
_V2 = selector("calculateSwap(address,uint128,bool,bool,int32)")
_NO_LIMIT = 0
_FARTHEST_TICK = 2**31 - 1
_SLACK_UNITS = 10
_NEARLY = 10**6
_MOST_BITS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maverick(ABC):
    """One pool, read at size.

    Attributes:
        quoter: address of the quoting contract: PoolInformation of version 1, the Quoter of version 2.
        pool: address of the pool.
        base: address of the token that is priced; quote: of the token it is priced in.
        notional: base tokens that are sold and bought, a decimal text.
        base_is_a: whether base is the pool's token A; the pool is asked and must agree.
        base_decimals: of the base token; quote_decimals: of the quote token.
        min_depth: base tokens that must be needed to move the price by 1 %.
        max_slippage_bps: how far selling and buying the notional may lie apart, both fees included.
    """

    quoter: str
    pool: str
    base: str
    quote: str
    notional: str
    base_is_a: bool = True
    base_decimals: int = 18
    quote_decimals: int = 18
    min_depth: str = "0"
    max_slippage_bps: int = 100

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.quoter)
        address(self.pool)
        if address(self.base) == address(self.quote):
            raise ValueError("base and quote are the same token: write the two addresses of the pool")
        self._gates.check()
        if self._gates.amount >> _MOST_BITS:
            raise ValueError(f"notional = {self.notional!r}: write an amount that fits 128 bits")

    def read(self) -> Read:
        """Two phases: tokens, holdings and both trades of the notional; then each again in reverse, and the ladder.

        Prices: bid rounded down, ask up, mid down. Where the ladder ends before 2 %, the depth is a lower bound.

        Raises:
            Thin: the pool does not carry the notional, or the depth is below min_depth.
            Slippage: selling and buying lie further apart than max_slippage_bps.
            WrongSymbol: the pool holds other tokens.
            Malformed: the quoter's answers contradict each other, as where it served a part of the notional.
            FeedError: for replies that are not such a quoter's.
        """
        amount = self._gates.amount
        held_base, held_quote, token_a, token_b, sale, purchase = yield (
            *_state_calls(self.pool, self.base, self.quote),
            self._ask(amount, a_in=self.base_is_a, exact_output=False),
            self._ask(amount, a_in=not self.base_is_a, exact_output=True),
        )
        self._check_tokens(token_a, token_b)
        received, paid = self._got(sale, amount, exact_output=False), self._got(purchase, amount, exact_output=True)
        worth = mul_div_down(abi_words.uint_at(abi_words.returned(held_quote)), amount, received)
        sizes = ladder.sizes(min(abi_words.uint_at(abi_words.returned(held_base)), worth, 1 << 127))
        costs = tuple(mul_div_down(size, received, amount) for size in sizes)
        if min(costs) == 0 or max(costs) >> _MOST_BITS:
            raise Thin("the pool gives next to nothing for the notional")
        replies = yield (
            self._ask(received, a_in=self.base_is_a, exact_output=True),
            self._ask(paid, a_in=not self.base_is_a, exact_output=False),
            *(self._ask(size, a_in=self.base_is_a, exact_output=False) for size in sizes),
            *(self._ask(cost, a_in=not self.base_is_a, exact_output=False) for cost in costs),
        )
        replies = counted(replies, 2 + 2 * len(sizes))
        for reply, given, exact_output in ((replies[0], received, True), (replies[1], paid, False)):
            again = self._got(reply, given, exact_output=exact_output)
            agreed(amount, again, _SLACK_UNITS + amount // _NEARLY, "the notional in reverse")
        sold = self._served(sizes, replies[2 : 2 + len(sizes)])
        bought = self._served(costs, replies[2 + len(sizes) :])
        depths = ladder.depths([Rung(*r) for r in sold], [Rung(b, q) for q, b in bought])
        return self._quote(received, paid, depths)

    @abstractmethod
    def _ask(self, amount: int, *, a_in: bool, exact_output: bool) -> Call:
        """Return the quoter's call for an exact amount, of input or of output."""

    @abstractmethod
    def _answer(self, reply: Reply, given: int, *, exact_output: bool) -> int:
        """Amount of the other side; Thin where only a part of the order was served."""

    @property
    def _gates(self) -> Gates:
        return Gates(self.notional, self.min_depth, self.max_slippage_bps, self.base_decimals, self.quote_decimals)

    def _got(self, reply: Reply, given: int, *, exact_output: bool) -> int:
        """Return the answer to an order that must be served."""
        amount = self._answer(reply, given, exact_output=exact_output)
        if amount == 0:
            raise Thin("the pool gives nothing for the notional")
        if amount >> _MOST_BITS:
            raise Malformed("an amount is out of range", amount=str(amount)[:40])
        return amount

    def _served(self, given: tuple[int, ...], replies: tuple[Reply, ...]) -> list[tuple[int, int]]:
        """Return the rungs served in full, as (given, got), up to the first that is not."""
        rungs = []
        for amount, reply in zip(given, replies, strict=True):
            try:
                rungs.append((amount, self._got(reply, amount, exact_output=False)))
            except (Reverted, Thin):
                break
        return rungs

    def _check_tokens(self, token_a: Reply, token_b: Reply) -> None:
        expected = (self.base, self.quote) if self.base_is_a else (self.quote, self.base)
        for reply, token in zip((token_a, token_b), expected, strict=True):
            if (listed := abi_words.address_at(abi_words.returned(reply))) != address(token):
                raise WrongSymbol("the pool holds another token in this place", token="0x" + listed.hex())

    def _quote(self, received: int, paid: int, depths: tuple[int, int, int]) -> Quote:
        bid, ask = self._gates.prices(received, paid, self._gates.amount)
        half, one, two = self._gates.depths(depths)
        return Quote(
            price_wad=Wad(mid_down(bid, ask)),
            bid_wad=bid,
            ask_wad=ask,
            depth_half_wad=half,
            depth_wad=one,
            depth_two_wad=two,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MaverickV1(_Maverick):
    """A pool of version 1, read at size through PoolInformation; the fields are those of both versions."""

    def _ask(self, amount: int, *, a_in: bool, exact_output: bool) -> Call:
        return _order(_V1, self.quoter, self.pool, amount, a_in, exact_output, _NO_LIMIT)

    def _answer(self, reply: Reply, given: int, *, exact_output: bool) -> int:  # noqa: ARG002 - it states one side only
        return abi_words.uint_at(abi_words.returned(reply))


@dataclass(frozen=True, slots=True, kw_only=True)
class MaverickV2(_Maverick):
    """A pool of version 2, read at size through its Quoter; the fields are those of both versions."""

    def _ask(self, amount: int, *, a_in: bool, exact_output: bool) -> Call:
        limit = _FARTHEST_TICK if a_in else -_FARTHEST_TICK
        return _order(_V2, self.quoter, self.pool, amount, a_in, exact_output, limit)

    def _answer(self, reply: Reply, given: int, *, exact_output: bool) -> int:
        data = abi_words.returned(reply, words=2)
        paid, got = abi_words.uint_at(data), abi_words.uint_at(data, 1)
        served, other = (got, paid) if exact_output else (paid, got)
        if abs(served - given) > _SLACK_UNITS + given // _NEARLY:
            raise Thin("the pool serves a part of the order", asked=str(given), served=str(served)[:40])
        return other


def _order(  # noqa: PLR0917 - the arguments of the quoter, in its order
    function: bytes, quoter: str, pool: str, amount: int, a_in: bool, exact_output: bool, limit: int
) -> Call:
    words = (int.from_bytes(address(pool), "big"), amount, int(a_in), int(exact_output), limit)
    return Call(to=address(quoter), data=function + b"".join(word(n) for n in words))


@lru_cache(maxsize=256)
def _state_calls(pool: str, base: str, quote: str) -> tuple[Call, ...]:
    """What the pool holds of base and of quote, its token A, its token B."""
    holder = "0x" + address(pool).hex()
    return (
        *(Call(to=address(t), data=calldata("balanceOf(address)", (holder,))) for t in (base, quote)),
        *(Call(to=address(pool), data=calldata(name)) for name in ("tokenA()", "tokenB()")),
    )
