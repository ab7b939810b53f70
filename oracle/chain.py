"""What the pusher needs of a chain: the store's signer set and slots, fees, transactions, receipts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from feeds.jsonrpc import quantity
from feeds.types import FeedError
from oracle.due import StoreLimits, Waiting
from oracle.eip712 import Domain
from oracle.nodes import ChainError, NodeRefused, Nodes
from oracle.report import decode_slot
from oracle.sign import SignedBatch, SignerSet
from oracle.store_abi import calldata, has, reason
from oracle.transaction import Fees, Market, SignedTx, Unsigned, market_of
from oracle.types import Report

__all__ = ["ChainError", "Head", "Landed", "Refusal", "Sent", "StoreClient", "StoreRefuses"]
_GWEI = 10**9
_GAS_NUM, _GAS_DEN = 6, 5
_FEE_BLOCKS = 20
_LEAST_TIP_WEI = 10**6
_LOW_32 = 0xFFFFFFFF
_LOW_88 = (1 << 88) - 1
_HELD = 65_536


class StoreRefuses(ChainError):
    """The store would not take the push. ``name`` is the contract's own error, such as NothingNew."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"the push would fail: {name}{text}")
        self.name = name


class FeeTooHigh(ChainError):
    """The chain asks for more than the ceiling."""


class Sent(StrEnum):
    """What became of a broadcast."""

    TAKEN = "taken"
    NONCE_USED = "nonce used"
    UNDERPRICED = "underpriced"
    NO_FUNDS = "no funds"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A broadcast's outcome over all endpoints, with what they said."""

    sent: Sent
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest block that enough endpoints have reached."""

    number: int
    time_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """A receipt: where a transaction is on the chain, and whether it succeeded."""

    block: int
    block_hash: str
    ok: bool
    gas_used: int


class Signer(Protocol):
    """Who signs transactions: a key in this process or a remote one."""

    @property
    def address(self) -> bytes:
        """20 bytes."""

    async def sign(self, preimage: bytes) -> bytes:
        """65 bytes r | s | y (0 or 1) over keccak(preimage)."""

    async def close(self) -> None:
        """Close its connection."""


class StoreClient:
    """One PriceStore on one chain.

    Args:
        endpoints: HTTP endpoints; all are sent to, and enough of them must agree.
        domain: chain id and address of the store.
        signer: pays for transactions and has no authority; None reads only.
        max_fee_gwei: never pay more for a unit of gas.
        agree: how many endpoints must say the same; 0 is a majority of three or more.
        tip_percentile: of the tips paid in recent blocks.
        timeout_ms: of one request.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        domain: Domain,
        signer: Signer | None,
        *,
        max_fee_gwei: int,
        agree: int = 0,
        tip_percentile: int = 60,
        timeout_ms: int = 4_000,
    ) -> None:
        self.domain = domain
        self.nodes = Nodes(endpoints, chain_id=domain.chain_id, agree=agree, timeout_ms=timeout_ms)
        self._store = "0x" + domain.store.hex()
        self._signer = signer
        self._ceiling_wei = max_fee_gwei * _GWEI
        self._percentile = tip_percentile

    async def close(self) -> None:
        """Close the connections."""
        await self.nodes.close()
        if self._signer is not None:
            await self._signer.close()

    # --- what the store says -------------------------------------------------------------------------------------

    async def connect(self) -> SignerSet:
        """Check chain and code, read the signer set.

        Raises:
            ChainError: no endpoint fits, or there is no store at the address.
        """
        if await self.nodes.agreed("eth_getCode", self._store, "latest") == "0x":
            raise ChainError(f"no contract at {self._store}: deploy the store first, or correct targets.*.store")
        epoch, threshold, signers, weights = await self.read("signerSet")
        return SignerSet(
            domain=self.domain,
            epoch=epoch,
            threshold=threshold,
            signers=tuple(bytes.fromhex(s[2:]) for s in signers),
            weights=tuple(weights),
        )

    async def read(self, function: str, *args: Any, block: str = "latest") -> tuple[Any, ...]:
        """Values of a view function of the store, as enough endpoints give them."""
        data, outputs = calldata(function, args)
        raw: Any = await self.nodes.agreed("eth_call", {"to": self._store, "data": "0x" + data.hex()}, block)
        try:
            return tuple(decode(outputs, bytes.fromhex(str(raw)[2:])))
        except (DecodingError, ValueError):
            raise ChainError(f"{function} of {self._store} answers {str(raw)[:40]!r}: this is no PriceStore") from None

    async def feeds(self) -> dict[str, int]:
        """Feed id text to index, as registered on chain."""
        (count,) = await self.read("count")
        found = await asyncio.gather(*(self._feed(i) for i in range(count)))
        return {bytes(raw).rstrip(b"\0").decode(): index for raw, index in found}

    async def _feed(self, position: int) -> tuple[bytes, int]:
        if has("feedAt"):
            raw, index = await self.read("feedAt", position)
            return raw, int(index)
        return (await self.read("idAt", position))[0], position

    async def limits(self, index: int, block: int) -> StoreLimits:
        """What the store takes of a feed: its class's limits, whether it is paused, what it holds back."""
        (max_age_s,) = await self.read("maxPushAgeS")
        if not has("limitsOf"):
            return StoreLimits(max_push_age_s=max_age_s)
        ((min_gap_s, step_bps, step_wait_s),) = await self.read("limitsOf", index)
        (paused,) = await self.read("paused", index, block=hex(block))
        return StoreLimits(
            max_push_age_s=max_age_s,
            min_gap_s=min_gap_s,
            step_bps=step_bps,
            step_wait_s=step_wait_s,
            paused=paused,
            waiting=await self._waiting(index, block),
        )

    async def _waiting(self, index: int, block: int) -> Waiting | None:
        """The word that the store keeps of a price that is too far away: market 88 | redemption 88 | 16 | 32 | 32."""
        place = hex(_HELD + index)
        word = int(str(await self.nodes.agreed("eth_getStorageAt", self._store, place, hex(block))), 16)
        if not word:
            return None
        return Waiting(
            market_wad=word >> 168, redemption_wad=word >> 80 & _LOW_88, since_s=word >> 32 & _LOW_32,
            last_s=word & _LOW_32,
        )  # fmt: skip

    async def step_threshold(self) -> int:
        """Weight with which a price may move by any step; 0 where the store has no such limit."""
        return int((await self.read("thresholds"))[1]) if has("thresholds") else 0

    async def stored(self, index: int, block: int | None = None) -> Report | None:
        """What the store holds for an index, at a block if given; None before the first push."""
        (word,) = await self.read("slotAt", index, block="latest" if block is None else hex(block))
        return decode_slot(int(word)) if int(word) & _LOW_32 else None

    # --- what the chain says -------------------------------------------------------------------------------------

    async def head(self) -> Head:
        """The newest block that enough endpoints have reached."""
        number, time_s = await self.nodes.vouched("eth_getBlockByNumber", "latest", False, of=_head)  # noqa: FBT003
        return Head(number=number, time_s=time_s)

    async def next_nonce(self) -> int:
        """Nonce of the gas key's next transaction by what is mined, not by what is pending."""
        return await self.nodes.vouched("eth_getTransactionCount", self.payer, "latest", of=quantity)

    async def balance_wei(self) -> int:
        """What the gas key has."""
        return await self.nodes.vouched("eth_getBalance", self.payer, "latest", of=quantity)

    async def receipt(self, tx_hash: str) -> Landed | None:
        """The receipt as enough endpoints give it; None while the transaction is not in their chains."""
        return await self.nodes.agreed("eth_getTransactionReceipt", tx_hash, of=_landed)

    async def market(self) -> Market:
        """Base fee and usual tip: of several endpoints' words the lower middle one, so that one can not make us pay."""
        asked = (hex(_FEE_BLOCKS), "latest", [self._percentile])
        answers = await self.nodes.every("eth_feeHistory", *asked, least=self.nodes.agree)
        found = [m for a in answers.values() if (m := _market(a)) is not None]
        if not found:
            raise ChainError("no endpoint gives a fee history (eth_feeHistory)")
        middle = (len(found) - 1) // 2
        return Market(
            base_wei=sorted(m.base_wei for m in found)[middle], tip_wei=sorted(m.tip_wei for m in found)[middle]
        )

    # --- pushing -------------------------------------------------------------------------------------------------

    async def prepare(self, data: bytes, nonce: int, *, above: Fees | None = None) -> SignedTx:
        """Simulate the push, then build and sign it.

        Args:
            data: calldata of the push, see `push_data`.
            nonce: of the gas key.
            above: fees of a transaction with the same nonce that may still be waiting somewhere; nodes take its
                replacement only if both of its fees are at least a tenth higher.

        Raises:
            StoreRefuses: the store would not take it.
            FeeTooHigh: base fee and tip are above the ceiling.
            ChainError: too few endpoints answer, or the signer does not.
        """
        call = {"from": self.payer, "to": self._store, "data": "0x" + data.hex()}
        gas = await self._simulate(call)
        market = await self.market()
        fees = market.fees(above, self._ceiling_wei)
        if fees is None:
            asked = -(-(market.base_wei + market.tip_wei) // _GWEI)
            raise FeeTooHigh(f"the chain asks {asked} gwei, max_fee_gwei is {self._ceiling_wei // _GWEI}")
        unsigned = Unsigned(
            chain_id=self.domain.chain_id,
            nonce=nonce,
            fees=fees,
            gas=gas * _GAS_NUM // _GAS_DEN,
            to=self.domain.store,
            data=data,
        )
        return unsigned.signed(await self._paying().sign(unsigned.preimage))

    async def _simulate(self, call: Mapping[str, str]) -> int:
        """Gas of the call; the contract's own reason if enough endpoints say that it would revert."""
        verdict = await self.nodes.agreed("eth_call", call, "latest", of=_simulated)
        if verdict.refused is not None:
            raise StoreRefuses(verdict.refused, verdict.text)
        answers = await self.nodes.every("eth_estimateGas", call, "latest", least=self.nodes.agree)
        found = sorted(g for a in answers.values() if (g := _gas(a)) is not None)
        if not found:
            raise ChainError("no endpoint estimates the gas of the push")
        return found[(len(found) - 1) // 2]

    async def broadcast(self, raw: bytes) -> Refusal:
        """Send a signed transaction to every endpoint; one that has it is enough."""
        answers = await self.nodes.every("eth_sendRawTransaction", "0x" + raw.hex())
        verdicts = [_sent(a) for a in answers.values()]
        worst = next((s for s in Sent if s in verdicts), Sent.UNKNOWN)
        text = "; ".join(f"{n}: {a}" for n, a in answers.items() if isinstance(a, FeedError))
        return Refusal(sent=worst, text="" if worst is Sent.TAKEN else text)

    @property
    def payer(self) -> str:
        """Address of the gas key."""
        return "0x" + self._paying().address.hex()

    def _paying(self) -> Signer:
        if self._signer is None:
            raise ChainError("no gas key: set targets.*.gas_keyfile, or run dry")
        return self._signer


def push_data(batch: SignedBatch) -> bytes:
    """Calldata of PriceStore.push for a batch."""
    return calldata("push", (batch.batch, batch.signatures))[0]


def _head(answer: Any) -> tuple[int, int]:
    return quantity(answer["number"]), quantity(answer["timestamp"])


def _landed(answer: Any) -> Landed | None:
    if isinstance(answer, FeedError):
        raise answer
    if answer is None:
        return None
    return Landed(
        block=quantity(answer["blockNumber"]),
        block_hash=str(answer["blockHash"]),
        ok=quantity(answer["status"]) == 1,
        gas_used=quantity(answer["gasUsed"]),
    )


def _market(answer: Any) -> Market | None:
    if isinstance(answer, FeedError):
        return None
    try:
        rewards = [quantity(r[0]) for r in answer.get("reward") or ()]
        return market_of([quantity(b) for b in answer["baseFeePerGas"]], rewards, least_tip_wei=_LEAST_TIP_WEI)
    except (FeedError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None


def _gas(answer: Any) -> int | None:
    try:
        return quantity(answer)
    except FeedError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """What a simulation says: the contract's error by name, None if it works. The numbers may differ between nodes."""

    refused: str | None
    text: str = field(default="", compare=False)


def _simulated(answer: Any) -> _Verdict:
    if isinstance(answer, NodeRefused) and (answer.data or "revert" in answer.detail.lower()):
        name, text = reason(answer.data)
        return _Verdict(refused=name, text=text or f": {answer.detail}")
    if isinstance(answer, FeedError):
        raise answer
    return _Verdict(refused=None)


_TAKEN = ("already known", "already imported", "known transaction", "alreadyknown")


def _sent(answer: Any) -> Sent:
    """Read a node's answer to a raw transaction; the words are those of geth, Nethermind, Erigon, Besu, reth, anvil."""
    if not isinstance(answer, FeedError):
        return Sent.TAKEN if isinstance(answer, str) else Sent.UNKNOWN
    low = str(answer).lower()
    if any(word in low for word in _TAKEN):
        return Sent.TAKEN
    if "nonce too low" in low or "oldnonce" in low:
        return Sent.NONCE_USED
    if "underpriced" in low or "feetoolow" in low:
        return Sent.UNDERPRICED
    return Sent.NO_FUNDS if "insufficient funds" in low or "insufficientfunds" in low else Sent.UNKNOWN
