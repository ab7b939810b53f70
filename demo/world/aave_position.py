"""A borrower in a market of Aave v3 and its liquidator: what they do, and how Aave answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_account.signers.local import LocalAccount
from web3.exceptions import ContractLogicError

from demo.world.aave import VARIABLE_RATE, AaveMarket
from demo.world.chain import MAX_UINT, LocalChain

_GAS = 2_000_000
_MARGIN_WAD = 10 * 10**18
"""What every account keeps for gas when it converts ether into tokens."""
_SELECTOR_HEX = 2 + 8


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountData:
    """An account's state in Aave: values in USD with 8 decimals, and the health factor in 1e18."""

    collateral_usd: int
    debt_usd: int
    available_usd: int
    health_wad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidation:
    """What was repaid (in units of the debt's token), what was seized (of the collateral), and in which block."""

    repaid: int
    seized: int
    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A borrower's account. Both tokens have 18 decimals and are minted for ether that is sent to them.

    Attributes:
        collateral, debt: addresses of the tokens.
        lender: supplies what is borrowed.
        liquidator: holds the debt's token, and has approved the pool.
    """

    chain: LocalChain
    market: AaveMarket
    collateral: str
    debt: str
    borrower: LocalAccount
    lender: LocalAccount
    liquidator: LocalAccount

    async def fund(self, *, collateral_ether_wad: int, lent_wad: int) -> int:
        """Supply the collateral and what can be borrowed, and fund the liquidator; no price is read.

        Args:
            collateral_ether_wad: ether that the borrower turns into collateral, at that token's own rate.
            lent_wad: supplied by the lender, and as much is held by the liquidator.

        Returns:
            The collateral that was supplied, 1e18.
        """
        for account, token, ether_wad in (
            (self.borrower, self.collateral, collateral_ether_wad),
            (self.lender, self.debt, lent_wad),
            (self.liquidator, self.debt, lent_wad),
        ):
            await self.chain.rpc("anvil_setBalance", account.address, hex(ether_wad + _MARGIN_WAD))
            await self.chain.pay(account, token, ether_wad)
            await self.chain.send(account, self.chain.token(token), "approve", self.market.pool.address, MAX_UINT)
        await self.chain.settle()
        collateral: int = await self.chain.call(self.chain.token(self.collateral), "balanceOf", self.borrower.address)
        for account, token, amount in (
            (self.borrower, self.collateral, collateral),
            (self.lender, self.debt, lent_wad),
        ):
            await self.chain.send(account, self.market.pool, "supply", token, amount, account.address, 0, gas=_GAS)
        await self.chain.settle()
        return collateral

    async def borrow(self, amount_wad: int) -> None:
        """Borrow at the variable rate; TransactionReverted if Aave refuses."""
        order = (self.debt, amount_wad, VARIABLE_RATE, 0, self.borrower.address)
        await self.chain.send(self.borrower, self.market.pool, "borrow", *order, gas=_GAS)
        await self.chain.settle()

    async def repay(self, amount_wad: int) -> None:
        """Repay a part of the debt out of what was borrowed; TransactionReverted if Aave refuses."""
        token = self.chain.token(self.debt)
        await self.chain.send(self.borrower, token, "approve", self.market.pool.address, amount_wad)
        order = (self.debt, amount_wad, VARIABLE_RATE, self.borrower.address)
        await self.chain.send(self.borrower, self.market.pool, "repay", *order, gas=_GAS)
        await self.chain.settle()

    async def liquidate(self) -> Liquidation:
        """Repay as much as Aave allows and take the collateral for it; TransactionReverted if it refuses."""
        sent = await self.chain.send(
            self.liquidator, self.market.pool, "liquidationCall", *self._liquidation(), gas=_GAS
        )
        await self.chain.settle()
        block = int((await self.chain.receipt(sent))["blockNumber"], 16)
        (event,) = await self.market.pool.events.LiquidationCall().get_logs(from_block=block, to_block=block)
        args = event["args"]
        return Liquidation(repaid=args["debtToCover"], seized=args["liquidatedCollateralAmount"], block=block)

    async def standing(self, block: int | str = "latest") -> AccountData:
        """The account after a block."""
        call = self.market.pool.functions.getUserAccountData(self.borrower.address)
        collateral, debt, available, _, _, health = await call.call(block_identifier=block)
        return AccountData(collateral_usd=collateral, debt_usd=debt, available_usd=available, health_wad=health)

    async def liquidation_refused(self, block: int | str = "latest") -> str | None:
        """Aave's own error for a liquidation on top of a block, empty if it has none; None if it would go through."""
        return await self._refused(block, self.liquidator, "liquidationCall", *self._liquidation())

    async def borrow_refused(self, amount_wad: int, block: int | str = "latest") -> str | None:
        """The same for one more loan."""
        order = (self.debt, amount_wad, VARIABLE_RATE, 0, self.borrower.address)
        return await self._refused(block, self.borrower, "borrow", *order)

    async def prices_usd(self, block: int | str = "latest") -> tuple[int, int]:
        """Prices of the collateral and of the debt's token as the market's oracle gives them, 8 decimals."""
        call = self.market.oracle.functions.getAssetsPrices([self.collateral, self.debt])
        collateral, debt = await call.call(block_identifier=block)
        return collateral, debt

    def _liquidation(self) -> tuple[Any, ...]:
        return self.collateral, self.debt, self.borrower.address, MAX_UINT, False

    async def _refused(self, block: int | str, sender: LocalAccount, function: str, *args: Any) -> str | None:
        call = getattr(self.market.pool.functions, function)(*args)
        try:
            await call.call({"from": sender.address}, block_identifier=block)
        except ContractLogicError as e:
            data = bytes.fromhex(str(e.data or "")[_SELECTOR_HEX:])
            return str(decode(["string"], data)[0]) if data else ""
        return None
