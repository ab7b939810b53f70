"""Fluid's resolver and Maverick's quoters as their documents state them, over curves in real numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from feeds.errors import Reverted
from feeds.types import Call, Reply
from tests.feeds.pools.curve_reference import number, root, selectors, word, words

D = Decimal
FEE, SERVED = D("0.0005"), D("0.9")
BASE, QUOTE = "0x" + "ba" * 20, "0x" + "c0" * 20
NATIVE = "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"
FLUID_POOL, RESOLVER = "0x" + "f1" * 20, "0x" + "5e" * 20
MAVERICK_POOL, QUOTER = "0x" + "ae" * 20, "0x" + "40" * 20
FLUID = selectors("getPoolReserves(address)", "estimateSwapIn(address,bool,uint256,uint256)")
MAVERICK = selectors(
    "balanceOf(address)", "tokenA()", "tokenB()", "calculateSwap(address,uint128,bool,bool,uint256)",
)  # fmt: skip
V2 = selectors("calculateSwap(address,uint128,bool,bool,int32)")


@dataclass(frozen=True, kw_only=True)
class Fluid:
    """Collateral and debt: (real 0, real 1, imaginary 0, imaginary 1) each; limits: available, in the resolver's order."""

    collateral: tuple[int, ...] = (400 * 10**18, 500 * 10**18, 40_000 * 10**18, 48_000 * 10**18)
    debt: tuple[int, ...] = (300 * 10**18, 200 * 10**18, 20_000 * 10**18, 24_000 * 10**18)
    fee: int = 100
    limits: tuple[int, ...] = (10**24,) * 4
    centre: bool = False
    native_in: bool = False
    tokens: tuple[str, str] = (BASE, QUOTE)

    def curves(self, *, zero_in: bool) -> list[tuple[Decimal, Decimal]]:
        """Imaginary reserves (in, out) of each enabled curve."""
        both = [(D(c[2]), D(c[3])) for c in (self.collateral, self.debt) if c[2]]
        return both if zero_in else [(b, a) for a, b in both]

    def out(self, amount: Decimal, *, zero_in: bool) -> Decimal:
        """Best output over all ways to share the input: marginal prices made equal by bisection."""
        net = amount * (1 - D(self.fee) / 10**6)
        sides = self.curves(zero_in=zero_in)

        def paid(part: Decimal, side: tuple[Decimal, Decimal]) -> Decimal:
            return side[1] * part / (side[0] + part)

        if len(sides) == 1:
            return paid(net, sides[0])

        def marginal(part: Decimal, side: tuple[Decimal, Decimal]) -> Decimal:
            return side[0] * side[1] / (side[0] + part) ** 2

        one, two = sides
        first = root(D(0), net, lambda p: marginal(p, one) < marginal(net - p, two))
        return paid(first, one) + paid(net - first, two)

    def answer(self, call: Call) -> Reply:
        name = FLUID.get(call.data[:4], "")
        if name == "getPoolReserves/1":
            centre = (10**27,) if self.centre else ()
            limits = [n for available in self.limits for n in (available, available, 0)]
            tokens = (int(t, 16) for t in self.tokens)
            return words(int(FLUID_POOL, 16), *tokens, self.fee, *centre, *self.collateral, 7, 9, *self.debt, *limits)
        if name == "estimateSwapIn/4":
            zero_in, amount = bool(number(call.data, 1)), number(call.data, 2)
            if self.native_in and self.tokens[0 if zero_in else 1] == NATIVE:
                return word(0)
            return word(int(self.out(D(amount // 10**6 * 10**6), zero_in=zero_in)) // 10**6 * 10**6)
        return Reverted("test")


@dataclass(frozen=True, kw_only=True)
class Maverick:
    """One constant-product curve with a fee on the input; `served` ends it, as where the bins end."""

    a: int = 10**21
    b: int = 12 * 10**20
    fee: Decimal = FEE
    served: Decimal = SERVED
    v2: bool = False
    tokens: tuple[str, str] = (BASE, QUOTE)
    overrides: dict[str, Reply] = field(default_factory=dict)

    def swap(self, amount: int, *, a_in: bool, exact_output: bool) -> tuple[int, int]:
        """Amounts in and out; a part of the order where liquidity ends."""
        inside, outside = (D(self.a), D(self.b)) if a_in else (D(self.b), D(self.a))
        most = outside * self.served
        if exact_output:
            out = min(D(amount), most)
            return int(inside * out / (outside - out) / (1 - self.fee)) + 1, int(out)
        net = D(amount) * (1 - self.fee)
        out = outside * net / (inside + net)
        if out <= most:
            return amount, int(out)
        return int(inside * most / (outside - most) / (1 - self.fee)) + 1, int(most)

    def answer(self, call: Call) -> Reply:
        name = (MAVERICK | (V2 if self.v2 else {})).get(call.data[:4], "")
        if name in self.overrides:
            return self.overrides[name]
        if name == "balanceOf/1":
            return word(self.a if call.to.hex() == self.tokens[0][2:] else self.b)
        if name in ("tokenA/0", "tokenB/0"):
            return word(int(self.tokens[name == "tokenB/0"], 16))
        if name != "calculateSwap/5":
            return Reverted("test")
        amount, a_in, exact_output = number(call.data, 1), bool(number(call.data, 2)), bool(number(call.data, 3))
        paid, got = self.swap(amount, a_in=a_in, exact_output=exact_output)
        if self.v2:
            assert number(call.data, 4) == (2**31 - 1) * (1 if a_in else -1)
            return words(paid, got, 180_000)
        return word(paid if exact_output else got)
