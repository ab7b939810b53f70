"""Transactions of a deployment: signed, sent one after the other, each awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from eth_account import Account
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import ContractLogicError, TimeExhausted, Web3RPCError

from feeds.chains.abi import checksummed
from feeds.secret_values import filled
from oracle.deploy.create2 import DeployError
from oracle.sign import curve

_PATIENCE_S = 120.0
_POLL_S = 0.2


class DeployWallet:
    """A key on a chain, and what it has sent.

    Args:
        url: HTTP endpoint.
        key: pays; an address where nothing is sent.
        patience_s: for a transaction to land.
        told: is given a line when a transaction is sent, and one when it has landed.

    Attributes:
        sent: transactions so far.
        sender: whose they are, checksummed.
    """

    def __init__(
        self,
        url: str,
        key: curve.PrivateKey | bytes,
        *,
        patience_s: float = _PATIENCE_S,
        told: Callable[[str], None] | None = None,
    ) -> None:
        self.web3 = AsyncWeb3(AsyncHTTPProvider(filled(url).text))
        self._account = None if isinstance(key, bytes) else Account.from_key(key.secret)
        self.sender = checksummed(key) if isinstance(key, bytes) else str(Account.from_key(key.secret).address)
        self.sent = 0
        self._patience_s, self._told = patience_s, told

    async def transact(self, function: Any) -> Any:
        """Send one transaction and await its receipt; DeployError if it reverts, is not taken, or does not land."""
        try:
            receipt = await self._send(function)
        except TimeExhausted:
            raise DeployError(
                f"a transaction of {self.sender} has waited {self._patience_s} s: run this again when it is in"
                " the chain, or raise its fee from a wallet"
            ) from None
        except Web3RPCError as e:
            held = await self.web3.eth.get_balance(cast("Any", self.sender))
            raise DeployError(
                f"the endpoint refuses a transaction of {self.sender}, which holds {held} wei: {_node_message(e)}"
            ) from None
        except ContractLogicError as e:
            raise DeployError(
                f"the chain refuses a transaction of {self.sender} before it is sent ({str(e.message)[:200]}):"
                " a contract does not take these settings"
            ) from None
        if receipt["status"] != 1:
            raise DeployError(f"deployment transaction 0x{bytes(receipt['transactionHash']).hex()} reverted")
        return receipt

    async def _send(self, function: Any) -> Any:
        if self._account is None:
            raise DeployError(f"there is no key of {self.sender} here: give --keyfile")
        sender = self.sender
        fields: dict[str, Any] = {
            "from": sender,
            "nonce": await self.web3.eth.get_transaction_count(cast("Any", sender)),
        }
        signed = self._account.sign_transaction(await function.build_transaction(fields))
        sent = await self.web3.eth.send_raw_transaction(HexBytes(signed.raw_transaction))
        self.sent += 1
        name = function.label if isinstance(function, RawCall) else "a transaction"
        self._tell(f"sent: {name}, 0x{bytes(sent).hex()}")
        receipt = await self.web3.eth.wait_for_transaction_receipt(sent, timeout=self._patience_s, poll_latency=0.02)
        if receipt["status"] == 1:
            self._tell(f"landed: {name}, {receipt['gasUsed']:,} gas, block {receipt['blockNumber']}")
        return receipt

    def _tell(self, line: str) -> None:
        if self._told is not None:
            self._told(line)

    async def await_pending(self) -> None:
        """Wait for the transactions of an earlier run: what they make is then found, and not sent once more.

        Raises:
            DeployError: one of them does not land.
        """
        sender, waited_s = cast("Any", self.sender), 0.0
        while True:
            mined = int(await self.web3.eth.get_transaction_count(sender))
            known = int(await self.web3.eth.get_transaction_count(sender, "pending"))
            if known <= mined:
                return
            if waited_s >= self._patience_s:
                raise DeployError(
                    f"{known - mined} transactions of {sender} wait from nonce {mined} on, of an earlier run or of"
                    " another program: run this again when they are in the chain, or raise the fee from a wallet"
                )
            await asyncio.sleep(_POLL_S)
            waited_s += _POLL_S

    async def close(self) -> None:
        """Close the connections."""
        await self.web3.provider.disconnect()


@dataclass(frozen=True, slots=True)
class RawCall:
    """A call with calldata of its own, in the form of web3's contract functions. ``label``: what it is for."""

    web3: Any
    to: bytes
    data: bytes
    label: str

    async def build_transaction(self, fields: Mapping[str, Any]) -> Any:
        """Fill in gas, fees and chain."""
        body = {**fields, "to": checksummed(self.to), "data": "0x" + self.data.hex(), "value": 0}
        history = await self.web3.eth.fee_history(1, "latest", [50])
        paid = [
            tip for block in history.get("reward") or [] for tip in block
        ]  # a node that just moved on may know none
        tip = max(paid, default=0) or 1
        body |= {"maxPriorityFeePerGas": tip, "maxFeePerGas": 2 * history["baseFeePerGas"][-1] + tip, "type": 2}
        gas = await self.web3.eth.estimate_gas(body)
        return {**body, "gas": gas, "chainId": await self.web3.eth.chain_id}


def _node_message(error: Web3RPCError) -> str:
    """The node's own words."""
    body: Any = (error.rpc_response or {}).get("error") or {}
    return str(body.get("message", error))[:200]
