"""Calls to any contracts of a chain, sent as pushes are: what is called stands before the calldata, 20 bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from feeds.chains.jsonrpc import quantity
from oracle.chain.fees import MOST_GAS
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.rpc_answers import Receipt, Simulation, read_receipt, read_simulated
from oracle.chain.store_client import StoreClient, StoreRefuses
from oracle.chain.transaction import FeeConditions, Fees, SignedTx, Unsigned, data_of, to_of

ADDRESS = 20


class CallClient(StoreClient):
    """The chain of a store, to send calls of other contracts to.

    A call gets a fifth more gas than it was estimated to need, as far as a transaction may have so much: contracts that call
    foreign code want to be shown more gas than they use, and what is not used is not paid.
    """

    async def prepare(
        self,
        data: bytes,
        nonce: int,
        *,
        views: Sequence[bytes] = (),  # noqa: ARG002 - as of a push
        above: Fees | None = None,
        at_s: int | None = None,  # noqa: ARG002 - as of a push
        conditions: FeeConditions | None = None,
    ) -> SignedTx:
        """Simulate the call, then build and sign it.

        Args:
            data: address of the contract, then calldata.
            nonce: of the gas key.
            views: none.
            above: fees of a transaction with the same nonce that may still be waiting somewhere.
            at_s: not needed: what hangs on the time is asked at the newest block.
            conditions: what is known of this call, for its fees.

        Raises:
            StoreRefuses: the contract would not take it.
            FeeTooHigh: the base fee is above the ceiling.
            ChainError: too few endpoints answer, or the signer does not.
        """
        gas, fees = await self.call_gas(data), await self.costs.fees(above, conditions)
        unsigned = Unsigned(
            chain_id=self.domain.chain_id, nonce=nonce, fees=fees, gas=max(gas, min(gas * 6 // 5, MOST_GAS)),
            to=data[:ADDRESS], data=data[ADDRESS:],
        )  # fmt: skip
        return unsigned.signed(await self._paying().sign(unsigned.preimage))

    async def pending_nonce(self) -> int:
        """Nonce of the gas key's next transaction by what waits at the nodes too."""
        return await self.nodes.highest_reached("eth_getTransactionCount", self.payer, "pending", read=quantity)

    async def call_gas(self, data: bytes) -> int:
        """Gas that a call needs now; the contract's own reason if enough endpoints say that it would revert."""
        call = {"to": "0x" + data[:ADDRESS].hex(), "data": "0x" + data[ADDRESS:].hex()}
        if self.pays:
            call["from"] = self.payer
        seen: Simulation = await self.nodes.agreed_value("eth_call", call, "latest", read=read_simulated)
        if seen.refused is not None:
            raise StoreRefuses(seen.refused, seen.text)
        gas = await self.costs.gas(call, "latest")
        if gas is None:
            raise ChainError("no endpoint estimates the gas of the call")
        return gas

    async def can_pay(self, gas: int) -> bool:
        """Whether the gas key has the ether that nodes want to see for so much gas, and a fifth of it.

        Raises:
            FeeTooHigh: the base fee is above the ceiling.
            ChainError: too few endpoints answer.
        """
        fees, has_wei = await asyncio.gather(self.costs.fees(None, None), self.balance_wei())
        return has_wei >= gas * 6 // 5 * fees.max_wei

    def call_in(self, raw: bytes) -> tuple[bytes, tuple[bytes, ...]]:
        """What a transaction of ours calls, as `prepare` takes it."""
        return to_of(raw) + data_of(raw), ()

    async def receipt(self, tx_hash: str) -> Receipt | None:
        """The receipt as enough endpoints give it; a call is ok where it did not revert."""
        receipt = await self.nodes.agreed_or_absent("eth_getTransactionReceipt", tx_hash, read=read_receipt)
        return None if receipt is None else replace(receipt, is_call=True)
