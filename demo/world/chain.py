"""A connection to the local chain: encode, sign, send, read. No knowledge of any protocol."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3 import AsyncHTTPProvider, AsyncWeb3

from demo.world.anvil import MNEMONIC
from demo.world.npm import NpmArtifact
from feeds.errors import LrtOracleError

ZERO_ADDRESS = "0x" + "00" * 20
NO_DEADLINE = 2**40
"""Unix seconds: a swap's deadline that never comes."""
MAX_UINT = 2**256 - 1

ERC20_ABI: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": name,
        "stateMutability": mutability,
        "inputs": [{"name": "", "type": kind} for kind in inputs],
        "outputs": [{"name": "", "type": output}],
    }
    for name, mutability, inputs, output in (
        ("balanceOf", "view", ("address",), "uint256"),
        ("approve", "nonpayable", ("address", "uint256"), "bool"),
        ("getRate", "view", (), "uint256"),
    )
]
"""What the demo calls of any token, and the rate of share tokens (ether per token, 1e18)."""

_SWAP_GAS = 600_000
_CREATE_GAS = 15_000_000
_MAX_FEE_WEI = 100 * 10**9
_RECEIPT_TIMEOUT_S = 120.0
_POLL_S = 0.02


class LocalChainError(LrtOracleError, RuntimeError):
    """The local chain refused a request, or a transaction on it failed."""


class TransactionReverted(LocalChainError):
    """A transaction was mined and failed."""

    def __init__(self, function: str, transaction: str) -> None:
        self.function = function
        self.transaction = transaction
        super().__init__(f"{function} reverted in transaction {transaction}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Accounts of the node's mnemonic by role."""

    owner: LocalAccount
    trader: LocalAccount
    pusher: LocalAccount
    operators: tuple[LocalAccount, ...]
    user: LocalAccount


def account(index: int) -> LocalAccount:
    """Account ``index`` of the node's mnemonic."""
    Account.enable_unaudited_hdwallet_features()
    derived: LocalAccount = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
    return derived


def accounts() -> Accounts:
    """Owner 0, trader 1, the pusher's gas key 2, operators 3 to 5, user 6."""
    owner, trader, pusher, *operators, user = (account(index) for index in range(7))
    return Accounts(owner=owner, trader=trader, pusher=pusher, operators=tuple(operators), user=user)


class LocalChain:
    """An asynchronous context manager over one HTTP endpoint; ``url`` must be a node that accepts signed transactions.

    Reads see pending transactions, so that several actions may go into one block.
    """

    def __init__(self, url: str) -> None:
        self._w3: Any = AsyncWeb3(AsyncHTTPProvider(url))
        self._lock = asyncio.Lock()
        self._sent: list[tuple[str, str]] = []
        self._chain_id: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._w3.provider.disconnect()

    async def rpc(self, method: str, *params: Any) -> Any:
        """Result of a JSON-RPC method; LocalChainError with the node's message if it refuses."""
        reply = await self._w3.provider.make_request(method, list(params))
        if "error" in reply:
            raise LocalChainError(f"{method}: {reply['error'].get('message')}")
        return reply["result"]

    def contract(self, abi: list[dict[str, Any]], address: str) -> Any:
        """Return a web3 contract object for the typed helpers of this class."""
        return self._w3.eth.contract(address=address, abi=abi)

    def token(self, address: str) -> Any:
        """Return a token as a contract object with ``ERC20_ABI``."""
        return self.contract(ERC20_ABI, address)

    async def chain_id(self) -> int:
        """EIP-155 chain id, asked once."""
        if self._chain_id is None:
            self._chain_id = int(await self.rpc("eth_chainId"), 16)
        return self._chain_id

    async def automine(self, *, on: bool) -> None:
        """Mine a block for each transaction, or none until asked to."""
        await self.rpc("evm_setAutomine", on)

    async def block_time_s(self, tag: str = "latest") -> int:
        """Timestamp of a block (``latest``, ``pending``), Unix seconds."""
        block = await self.rpc("eth_getBlockByNumber", tag, False)  # noqa: FBT003 - JSON-RPC knows no names
        return int(block["timestamp"], 16)

    async def call(self, contract: Any, function: str, *args: Any, sender: str = ZERO_ADDRESS) -> Any:
        """Decoded result of a call on top of the pending block; nothing is sent."""
        # over this connection: that of a contract that another one made may be closed
        bound = getattr(self.contract(contract.abi, contract.address).functions, function)(*args)
        return await bound.call({"from": sender}, block_identifier="pending")

    async def send(
        self, signer: LocalAccount, contract: Any, function: str, *args: Any, value_wei: int = 0, gas: int = _SWAP_GAS
    ) -> str:
        """Send a transaction and return its hash without waiting; ``settle`` tells whether it succeeded."""
        data = contract.encode_abi(function, args=list(args))
        return await self._submit(
            signer, {"to": contract.address, "data": data, "value": value_wei, "gas": gas}, function
        )

    async def pay(self, signer: LocalAccount, to: str, value_wei: int) -> str:
        """Send ether, without waiting."""
        return await self._submit(signer, {"to": to, "data": "0x", "value": value_wei, "gas": _SWAP_GAS}, "transfer")

    async def create(self, signer: LocalAccount, artifact: NpmArtifact, *args: Any) -> Any:
        """Deploy a contract and return it once it is mined; TransactionReverted if its constructor fails."""
        factory = self._w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        data = factory.constructor(*args).data_in_transaction
        sent = await self._submit(signer, {"data": data, "value": 0, "gas": _CREATE_GAS}, "create")
        await self.settle()
        receipt = await self.receipt(sent)
        return self.contract(artifact.abi, to_checksum_address(receipt["contractAddress"]))

    async def receipt(self, transaction: str) -> Any:
        """Receipt of a transaction as the node states it (JSON), None while it is not mined."""
        return await self.rpc("eth_getTransactionReceipt", transaction)

    async def settle(self) -> None:
        """Wait until all that was sent is mined; TransactionReverted for the first that failed, LocalChainError if none is mined."""
        sent, self._sent = self._sent, []
        receipts = [(await self._mined(transaction, function), transaction, function) for transaction, function in sent]
        for receipt, transaction, function in receipts:
            if int(receipt["status"], 16) != 1:
                raise TransactionReverted(function, transaction)

    async def _submit(self, signer: LocalAccount, fields: dict[str, Any], function: str) -> str:
        async with self._lock:
            nonce = int(await self.rpc("eth_getTransactionCount", signer.address, "pending"), 16)
            fees = {"maxFeePerGas": _MAX_FEE_WEI, "maxPriorityFeePerGas": 0}
            body: dict[str, Any] = {**fields, **fees, "nonce": nonce, "chainId": await self.chain_id(), "type": 2}
            raw = "0x" + signer.sign_transaction(body).raw_transaction.hex()
            sent: str = await self.rpc("eth_sendRawTransaction", raw)
        self._sent.append((sent, function))
        return sent

    async def _mined(self, transaction: str, function: str) -> Any:
        try:
            async with asyncio.timeout(_RECEIPT_TIMEOUT_S):
                while (receipt := await self.receipt(transaction)) is None:  # noqa: ASYNC110 - HTTP has no events
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise LocalChainError(f"{function}: {transaction} was not mined within {_RECEIPT_TIMEOUT_S:g} s") from None
        return receipt
