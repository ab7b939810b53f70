"""What a transaction costs on a chain: base fee and tip, gas, and what a rollup takes for its bytes.

Of several endpoints' answers the lower middle one counts, so that a single one cannot make us pay more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from eth_abi.abi import encode

from feeds.chains.jsonrpc import quantity
from feeds.errors import FeedError
from oracle.chain.node_refusals import SendOutcome, meaning_of
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.chain.rpc_answers import LEAST_TIP_WEI, read_fee_market, read_gas
from oracle.chain.store_abi import selector
from oracle.chain.transaction import FeeConditions, FeeMarket, Fees

_GWEI = 10**9
MOST_GAS = 16_777_216
"""Gas of one transaction: EIP-7825, 2**24."""
SPARE_ITEM_GAS = 80_000
"""Gas that an item of a push may need beyond its estimate, if another push lands in front of it.

Then it may come into a gap (its word of storage is written for the first time), and both of its prices may be held back (two
words more, three events). Measured on the store: tests/oracle/push/test_gas.py.
"""
_SPARE_NUM, _SPARE_DEN = 6, 5
_FEE_BLOCKS = 20
_DATA_ORACLES = ("0x420000000000000000000000000000000000000f", "0x5300000000000000000000000000000000000002")
"""Contracts that state what a rollup takes for data, by the same function: GasPriceOracle of the OP stack (ethereum-optimism/optimism,
contracts-bedrock/src/L2/GasPriceOracle.sol), L1GasPriceOracle of Scroll (scroll-tech/scroll-contracts)."""
_DATA_FEE = selector("getL1Fee", ("bytes",))
_OPERATOR_FEE = selector("getOperatorFee", ("uint256",))


class BatchTooBig(ChainError):
    """One transaction cannot carry so much: fewer items, then the others. ``gas`` 0: no endpoint stated how much it needs."""

    def __init__(self, gas: int, most: int) -> None:
        needs = f"needs {gas} gas" if gas else "needs more gas than the endpoints give"
        super().__init__(f"the push {needs}, a transaction has {most}")
        self.gas, self.most = gas, most


class FeeTooHigh(ChainError):
    """The base fee alone is above the ceiling."""


def gas_limit(estimate: int, items: int, most: int, affordable: int) -> int:
    """Gas limit of a push: a fifth above the estimate, and what its items may need if the store changes before it lands.

    Gas that is not used costs nothing, but the payer has to have it. So it is left out as far as the payer has not, or a
    transaction may not have so much.

    Args:
        estimate: of all calls together.
        items: of the batch.
        most: gas of one transaction.
        affordable: gas that the payer could pay for at its maximum.

    Raises:
        BatchTooBig: it needs more than ``most`` as it was estimated.
    """
    needed = estimate * _SPARE_NUM // _SPARE_DEN
    if needed > most:
        raise BatchTooBig(needed, most)
    return max(needed, min(needed + items * SPARE_ITEM_GAS, most, affordable))


def pushes_left(balance_wei: int, gas: int, market: FeeMarket, data_wei: int) -> int:
    """How many pushes a payer has the ether for, rounded down. Of the last, nodes want the limit and the maximum in advance.

    Args:
        balance_wei: what the payer has.
        gas: that one uses.
        market: what a unit of it costs.
        data_wei: what a rollup takes for its bytes.
    """
    paid_wei = gas * (market.base_wei + market.tip_wei) + data_wei
    shown_wei = gas * _SPARE_NUM // _SPARE_DEN * market.usual_max_wei + data_wei
    return max(0, balance_wei - (shown_wei - paid_wei)) // max(1, paid_wei)


class Costs:
    """Costs on a chain, as its endpoints state them.

    Args:
        nodes: its endpoints.
        tip_percentile: of the tips paid in recent blocks.
        max_fee_gwei: never more for a unit of gas.
    """

    def __init__(self, nodes: QuorumRpc, tip_percentile: int, max_fee_gwei: int) -> None:
        self._nodes = nodes
        self._ceiling_wei = max_fee_gwei * _GWEI
        self._percentile = tip_percentile
        self._oracle: str | None = None

    async def market(self) -> FeeMarket:
        """Base fee and tips.

        A chain without base fees, and a node that states neither, show zeros or nothing in a fee history: there the gas
        price counts, which every node states.

        Raises:
            ChainError: no endpoint states any fees.
        """
        params = (hex(_FEE_BLOCKS), "latest", [self._percentile])
        markets = await self._values(read_fee_market, "eth_feeHistory", *params)
        if not markets:
            price_wei = await self._middle(quantity, "eth_gasPrice")
            if price_wei is None:
                raise ChainError("no endpoint gives a fee history (eth_feeHistory) or a gas price (eth_gasPrice)")
            return FeeMarket(base_wei=0, tip_wei=max(price_wei, LEAST_TIP_WEI), raised_tip_wei=price_wei)
        market = FeeMarket(
            base_wei=_lower_middle([m.base_wei for m in markets]),
            tip_wei=_lower_middle([m.tip_wei for m in markets]),
            raised_tip_wei=_lower_middle([m.raised_tip_wei for m in markets]),
        )
        return market if market.base_wei and market.raised_tip_wei > LEAST_TIP_WEI else await self._with_price(market)

    async def fees(self, above: Fees | None, conditions: FeeConditions | None) -> Fees:
        """What the next push pays, see :meth:`oracle.chain.transaction.FeeMarket.fees`.

        Raises:
            FeeTooHigh: the base fee alone is above the ceiling.
            ChainError: no endpoint states any fees.
        """
        market = await self.market()
        fees = market.fees(above, self._ceiling_wei, conditions)
        if fees is None:
            base_gwei = -(-market.base_wei // _GWEI)
            raise FeeTooHigh(f"the base fee is {base_gwei} gwei, max_fee_gwei is {self._ceiling_wei // _GWEI}")
        return fees

    async def _with_price(self, market: FeeMarket) -> FeeMarket:
        """A history that lacks the base fees or the tips, with what the gas price says of them."""
        price_wei = await self._middle(quantity, "eth_gasPrice")
        if price_wei is None:
            return market
        if not market.base_wei:  # all that is paid is the tip
            return replace(
                market, tip_wei=max(market.tip_wei, price_wei), raised_tip_wei=max(market.raised_tip_wei, price_wei)
            )
        return replace(market, raised_tip_wei=max(market.raised_tip_wei, price_wei - market.base_wei))

    async def gas(self, call: Mapping[str, str], *where: Any) -> int | None:
        """Gas of a call; None where no endpoint gives one.

        Raises:
            BatchTooBig: it needs more than they let a call have.
        """
        answers = await self._nodes.all_answers("eth_estimateGas", call, *where, least=self._nodes.agree)
        estimates = [g for a in answers.values() if (g := read_gas(a)) is not None]
        errors = [a for a in answers.values() if isinstance(a, FeedError)]
        if not estimates and any(meaning_of(e.detail) is SendOutcome.TOO_MUCH_GAS for e in errors):
            raise BatchTooBig(0, MOST_GAS)
        return _lower_middle(estimates) if estimates else None

    async def data_fee_wei(self, unsigned: bytes, gas: int) -> int:
        """What a rollup takes for a transaction beside gas times price.

        For its bytes on the chain below, and as its operator's fee; 0 where there is no such thing.

        Args:
            unsigned: the transaction without its signature; the oracle adds that.
            gas: what it uses.

        Raises:
            ChainError: there is such a fee, and no endpoint states it.
        """
        oracle = await self._data_oracle()
        if not oracle:
            return 0
        fee_wei = await self._call(oracle, _DATA_FEE + encode(["bytes"], [unsigned]))
        if fee_wei is None:
            raise ChainError(f"no endpoint states the fee for data (getL1Fee of {oracle})")
        return fee_wei + (await self._call(oracle, _OPERATOR_FEE + encode(["uint256"], [gas])) or 0)

    async def _data_oracle(self) -> str:
        """Address of the contract that knows the fee for data; empty where the chain has none. Asked once."""
        if self._oracle is None:
            there = [a for a in _DATA_ORACLES if await self._nodes.agreed_value("eth_getCode", a, "latest") != "0x"]
            self._oracle = there[0] if there else ""
        return self._oracle

    async def _call(self, to: str, data: bytes) -> int | None:
        return await self._middle(_word, "eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")

    async def _middle(self, read: Callable[[Any], int], method: str, *params: Any) -> int | None:
        values = await self._values(lambda answer: _or_none(read, answer), method, *params)
        return _lower_middle(values) if values else None

    async def _values(self, read: Callable[[Any], Any], method: str, *params: Any) -> list[Any]:
        answers = await self._nodes.all_answers(method, *params, least=self._nodes.agree)
        return [m for a in answers.values() if (m := read(a)) is not None]


def _word(answer: Any) -> int:
    """The number that a call returns; ValueError where it returns none, as from a contract without the function."""
    return int(str(answer), 16)


def _or_none(read: Callable[[Any], int], answer: Any) -> int | None:
    try:
        return None if isinstance(answer, FeedError) else read(answer)
    except (FeedError, ValueError):
        return None


def _lower_middle(values: list[int]) -> int:
    return sorted(values)[(len(values) - 1) // 2]
