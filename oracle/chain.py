"""What the pusher needs of a chain, through web3: the store's signer set and slots, fees, transactions, receipts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import coincurve
import rlp
from eth_account import Account
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import TransactionNotFound, Web3Exception

import contracts
from oracle.eip712 import Domain, address_of
from oracle.report import decode_slot
from oracle.sign import SignedBatch, SignerSet
from oracle.types import Report

_GWEI = 10**9
_TIP_WEI = _GWEI
_FEE_FACTOR = 2
_GAS_NUM, _GAS_DEN = 6, 5
_RAISE_NUM, _RAISE_DEN = 9, 8


class ChainError(RuntimeError):
    """The chain can not be used for pushing: what is wrong and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """A receipt: where a transaction is on the chain, and whether it succeeded."""

    block: int
    block_hash: str
    ok: bool
    gas_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTx:
    """A transaction ready to be sent: its hash is known before anybody sees it."""

    nonce: int
    tx_hash: str
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """What a type-2 transaction pays at most for a unit of gas, in wei."""

    tip_wei: int
    max_wei: int

    @classmethod
    def of(cls, raw: bytes) -> Fees:
        """Fees of a signed type-2 transaction (EIP-1559: chain id, nonce, tip, maximum, ...)."""
        fields = cast("list[bytes]", rlp.decode(raw[1:]))
        return cls(tip_wei=int.from_bytes(fields[2], "big"), max_wei=int.from_bytes(fields[3], "big"))

    def at_least(self, above: Fees | None) -> Fees:
        """These fees, or an eighth more than those of what is to be replaced, whichever is higher."""
        if above is None:
            return self
        raised = [x * _RAISE_NUM // _RAISE_DEN + 1 for x in (above.tip_wei, above.max_wei)]
        return Fees(tip_wei=max(self.tip_wei, raised[0]), max_wei=max(self.max_wei, raised[1]))


class StoreClient:
    """One PriceStore on one chain.

    Args:
        endpoints: HTTP endpoints; the first one that serves the right chain is used.
        domain: chain id and address of the store.
        gas_key: pays for transactions and has no authority; None reads only.
        max_fee_gwei: never pay more for a unit of gas.
    """

    def __init__(
        self, endpoints: Sequence[str], domain: Domain, gas_key: coincurve.PrivateKey | None, *, max_fee_gwei: int
    ) -> None:
        self.domain = domain
        self._endpoints = tuple(endpoints)
        self._address = AsyncWeb3.to_checksum_address("0x" + domain.store.hex())
        self._use(self._endpoints[0])
        self._key = gas_key
        self._payer = None if gas_key is None else AsyncWeb3.to_checksum_address("0x" + address_of(gas_key).hex())
        self._max_fee_wei = max_fee_gwei * _GWEI

    async def connect(self) -> SignerSet:
        """Take the first endpoint that serves the chain, check the code, read the signer set.

        Raises:
            ChainError: no endpoint fits, or there is no store at the address.
        """
        await self.choose()
        code = await self.web3.eth.get_code(self._address)
        if not code:
            raise ChainError(f"no contract at {self._address}: deploy the store first, or correct targets.*.store")
        epoch, threshold, signers, weights = await self._contract.functions.signerSet().call()
        return SignerSet(
            domain=self.domain,
            epoch=epoch,
            threshold=threshold,
            signers=tuple(bytes.fromhex(s[2:]) for s in signers),
            weights=tuple(weights),
        )

    async def choose(self) -> None:
        """Go over to the first endpoint that answers for the right chain; ChainError names what is wrong with each."""
        trouble = []
        for url in self._endpoints:
            await self.close()
            self._use(url)
            try:
                chain_id = await self.web3.eth.chain_id
            except (Web3Exception, aiohttp.ClientError, OSError, ValueError, TimeoutError) as e:
                trouble.append(f"{url} does not answer ({type(e).__name__})")
                continue
            if chain_id == self.domain.chain_id:
                return
            trouble.append(f"{url} serves chain {chain_id}, the config says {self.domain.chain_id}")
        raise ChainError("; ".join(trouble))

    def _use(self, url: str) -> None:
        self.web3 = AsyncWeb3(AsyncHTTPProvider(url, request_kwargs={"timeout": 10}))
        self._contract = self.web3.eth.contract(address=self._address, abi=contracts.load("PriceStore").abi)

    async def feeds(self) -> dict[str, int]:
        """Feed id text to index, as registered on chain."""
        count = await self._contract.functions.count().call()
        ids = [await self._contract.functions.idAt(i).call() for i in range(count)]
        return {bytes(raw).rstrip(b"\0").decode(): i for i, raw in enumerate(ids)}

    async def stored(self, index: int) -> Report | None:
        """What the store holds for an index; None before the first push."""
        word = int(await self._contract.functions.slotAt(index).call())
        return decode_slot(word) if word & 0xFFFFFFFF else None

    async def next_nonce(self) -> int:
        """Nonce of the gas key's next transaction by what is mined, not by what is pending."""
        return int(await self.web3.eth.get_transaction_count(self._paying(), "latest"))

    async def prepare(self, batch: SignedBatch, nonce: int, *, above: Fees | None = None) -> SignedTx:
        """Build and sign the push.

        Args:
            batch: what to push.
            nonce: of the gas key.
            above: fees of a transaction with the same nonce that may still be waiting somewhere; nodes take its
                replacement only if both of its fees are at least a tenth higher.

        Raises:
            ChainError: the store would refuse it, or the fee is above the limit.
        """
        call = self._contract.functions.push(batch.batch, batch.signatures)
        payer = self._paying()
        try:
            gas = int(await call.estimate_gas({"from": payer}))
            base = int((await self.web3.eth.get_block("latest")).get("baseFeePerGas", 0))
        except (Web3Exception, OSError, ValueError, TimeoutError) as e:
            raise ChainError(f"the push would fail: {e}") from e
        fees = Fees(tip_wei=_TIP_WEI, max_wei=base * _FEE_FACTOR + _TIP_WEI).at_least(above)
        if fees.max_wei > self._max_fee_wei:
            limit = self._max_fee_wei // _GWEI
            raise ChainError(f"a fee of {fees.max_wei // _GWEI} gwei is above max_fee_gwei = {limit}")
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": self.domain.chain_id,
            "nonce": nonce,
            "to": self._address,
            "value": 0,
            "gas": gas * _GAS_NUM // _GAS_DEN,
            "maxFeePerGas": fees.max_wei,
            "maxPriorityFeePerGas": fees.tip_wei,
            "data": call._encode_transaction_data(),  # noqa: SLF001 - web3's only encoder without a request
        }
        signed = Account.sign_transaction(transaction, cast("coincurve.PrivateKey", self._key).secret)
        return SignedTx(nonce=nonce, tx_hash="0x" + bytes(signed.hash).hex(), raw=bytes(signed.raw_transaction))

    async def broadcast(self, raw: bytes) -> str | None:
        """Send a signed transaction; None if the node took or has it, else its message."""
        try:
            await self.web3.eth.send_raw_transaction(HexBytes(raw))
        except (Web3Exception, OSError, ValueError, TimeoutError) as e:
            message = str(e)
            return None if "already known" in message or "already imported" in message else message
        return None

    async def receipt(self, tx_hash: str) -> Landed | None:
        """The receipt of a transaction; None while it is not in the canonical chain."""
        try:
            got = await self.web3.eth.get_transaction_receipt(HexBytes(tx_hash))
        except TransactionNotFound:
            return None
        return Landed(
            block=int(got["blockNumber"]),
            block_hash="0x" + bytes(got["blockHash"]).hex(),
            ok=got["status"] == 1,
            gas_used=int(got["gasUsed"]),
        )

    async def block(self) -> tuple[int, int]:
        """Number and time (s) of the newest block."""
        head = await self.web3.eth.get_block("latest")
        return int(head["number"]), int(head["timestamp"])

    async def close(self) -> None:
        """Close the connections."""
        await self.web3.provider.disconnect()

    def _paying(self) -> Any:
        if self._payer is None:
            raise ChainError("no gas key: set targets.*.gas_keyfile, or run dry")
        return self._payer
