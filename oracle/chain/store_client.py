"""What the pusher needs of a chain: the store's signer set and slots, fees, transactions, receipts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import structlog
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from feeds.chains import multicall
from feeds.chains.jsonrpc import quantity
from feeds.errors import FeedError
from oracle.chain.fees import MOST_GAS, BatchTooBig, Costs, gas_limit
from oracle.chain.multicall_push import POKE, wrap
from oracle.chain.node_refusals import Sent
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.chain.rpc_answers import (
    BlockHead,
    Receipt,
    SimulatedRevert,
    Simulation,
    read_hash,
    read_head,
    read_receipt,
    read_sent,
    read_simulated,
)
from oracle.chain.store_abi import calldata, selector
from oracle.chain.store_rules import Beside, Gap, HeldPrice, StoreLimits, opened_by
from oracle.chain.transaction import FeeMood, Fees, SignedTx, Unsigned
from oracle.model.types import Report
from oracle.report.wire import decode_slot
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignedBatch, SignerSet

_GWEI = 10**9
_BY_TIME = frozenset({"TooFarAhead", "WrongEpoch"})
"""Refusals that the next block's time may turn: a round lies ahead, or a signer set takes over with that block."""
_PUSH = selector("push", ("bytes", "bytes"))
_HEADER, _ITEM = 10, 30  # bytes of a batch
_LOW_32 = 0xFFFFFFFF
_LOW_88 = (1 << 88) - 1
_MOST_FEEDS = 65_536
_MOST_POKE_GAS = 500_000
_GAPS = 65_536  # storage place of the first gap: behind the slots
_HELD = (131_072, 196_608)  # of the first held market price and the first held redemption rate
_HELD_BITS = (1 << 79, 1 << 78)
_log = structlog.get_logger("oracle.chain")


class StoreRefuses(ChainError):
    """The store would not take the push. ``name`` is the contract's own error, such as NothingNew."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"the push would fail: {name}{text}")
        self.name = name


class Unfit(ChainError):
    """Config and store contradict each other: nothing that is pushed would be right, so the process does not start."""


class FeeTooHigh(ChainError):
    """The base fee alone is above the ceiling."""


class NothingToPoke(ChainError):
    """Pokes were to go alone, and no view can be poked now."""


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
        multicall3: address of Multicall3 there, for pushes that poke views.
        most_gas: of one transaction.
        relays: where transactions are sent instead of to the endpoints, which are only read then.
        gas_env: the variable with the gas key's passphrase, to be named where there is no key.
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
        multicall3: str = multicall.ADDRESS,
        most_gas: int = MOST_GAS,
        relays: Sequence[str] = (),
        gas_env: str = "LRT_ORACLE_GAS_PASSPHRASE",
    ) -> None:
        self.domain = domain
        self.nodes = QuorumRpc(endpoints, chain_id=domain.chain_id, agree=agree, timeout_ms=timeout_ms)
        self._store = "0x" + domain.store.hex()
        self._signer = signer
        self._ceiling_wei = max_fee_gwei * _GWEI
        self.costs = Costs(self.nodes, tip_percentile)
        self._multicall3 = multicall3
        self._most_gas = most_gas
        self.keyless = f"no gas key: set {gas_env}, the passphrase of targets.*.gas_keyfile, or run dry"
        self._senders = self.nodes
        if relays:
            self._senders = QuorumRpc(relays, chain_id=domain.chain_id, timeout_ms=timeout_ms)

    async def close(self) -> None:
        """Close the connections."""
        await self.nodes.close()
        await self._senders.close()
        if self._signer is not None:
            await self._signer.close()

    # --- what the store says -------------------------------------------------------------------------------------

    async def connect(self, block: int | None = None) -> SignerSet:
        """Check chain and code, read the signer set that is in force, at a block if given.

        Raises:
            ChainError: no endpoint fits, or there is no store at the address.
        """
        if await self.nodes.agreed("eth_getCode", self._store, "latest") == "0x":
            raise ChainError(f"no contract at {self._store}: deploy the store first, or correct targets.*.store")
        at = "latest" if block is None else hex(block)
        epoch, threshold, signers, weights = await self.read("signerSet", block=at)
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
        """Feed id text to index, as registered on chain; ChainError for what no store can have."""
        (count,) = await self.read("count")
        if count > _MOST_FEEDS:
            raise self._strange(f"count of {count}")
        found = await asyncio.gather(*(self._feed(i) for i in range(count)))
        try:
            return {bytes(raw).rstrip(b"\0").decode("ascii"): index for raw, index in found}
        except UnicodeDecodeError as e:
            raise self._strange(f"feed id {e.object!r}") from None

    async def _feed(self, position: int) -> tuple[bytes, int]:
        raw, index = await self.read("feedAt", position)
        return raw, int(index)

    async def presence(self, index: int) -> tuple[bool, bool]:
        """Whether a feed has a market price and a redemption rate there; fixed when it was registered."""
        market, redemption = await self.read("presence", index)
        return bool(market), bool(redemption)

    async def limits(self, index: int) -> StoreLimits:
        """What the store takes of a feed; what changes from block to block is `paused` and `beside`."""
        (max_age_s,) = await self.read("maxPushAgeS")
        ((min_gap_s, step_bps, step_wait_s),) = await self.read("limitsOf", index)
        return StoreLimits(max_push_age_s=max_age_s, min_gap_s=min_gap_s, step_bps=step_bps, step_wait_s=step_wait_s)

    async def paused(self, index: int, block: int) -> bool:
        """Whether the guardian stopped a feed."""
        return bool((await self.read("paused", index, block=hex(block)))[0])

    async def beside(self, index: int, block: int) -> Beside:
        """What the store holds of a feed beside its slot, at a block; docs/contracts.md has the words."""
        places = (index, _GAPS + index, *(at + index for at in _HELD))
        slot, gap, *held = await asyncio.gather(*(self._word(place, block) for place in places))
        prices = [_held_price(h) if slot & bit else None for h, bit in zip(held, _HELD_BITS, strict=True)]
        return Beside(market=prices[0], redemption=prices[1], gap=_gap(slot, gap))

    async def _word(self, place: int, block: int) -> int:
        raw: Any = await self.nodes.agreed("eth_getStorageAt", self._store, hex(place), hex(block))
        try:
            return int(str(raw), 16)
        except ValueError:
            raise self._strange(f"word of storage {str(raw)[:40]!r}") from None

    async def step_threshold(self) -> int:
        """Weight with which a price may move by any step."""
        return int((await self.read("thresholds"))[1])

    async def stored(self, index: int, block: int | None = None) -> Report | None:
        """What the store holds for an index, at a block if given; None before the first push."""
        (word,) = await self.read("slotAt", index, block="latest" if block is None else hex(block))
        try:
            return decode_slot(int(word)) if int(word) & _LOW_32 else None
        except ValueError:
            raise self._strange(f"slot {int(word):#x}") from None

    def _strange(self, what: str) -> ChainError:
        return ChainError(f"{self._store} has a {what}: no PriceStore has; an endpoint lies, or it is another contract")

    # --- what the chain says -------------------------------------------------------------------------------------

    async def head(self) -> BlockHead:
        """The newest block that enough endpoints have reached."""
        ((number, time_s),) = await self.nodes.look(read_head)
        return BlockHead(number=number, time_s=time_s)

    async def view(self) -> tuple[BlockHead, int]:
        """The newest block, and the nonce of the gas key's next transaction by what is mined up to it."""
        asked = ("eth_getTransactionCount", (self.payer, "latest"), quantity)
        nonce, (number, time_s) = await self.nodes.look(read_head, asked)
        return BlockHead(number=number, time_s=time_s), int(nonce)

    async def block_hash(self, number: int) -> str | None:
        """Hash of the block at a height; None where the chain does not reach it, as of the last look at its head."""
        return await self.nodes.known("eth_getBlockByNumber", hex(number), False, of=read_hash)  # noqa: FBT003

    async def next_nonce(self) -> int:
        """Nonce of the gas key's next transaction by what is mined, not by what is pending."""
        return await self.nodes.vouched("eth_getTransactionCount", self.payer, "latest", of=quantity)

    async def balance_wei(self) -> int:
        """What the gas key has."""
        return await self.nodes.vouched("eth_getBalance", self.payer, "latest", of=quantity)

    async def receipt(self, tx_hash: str) -> Receipt | None:
        """The receipt as enough endpoints give it; None while it is in no chain, as of the last look at the head.

        A push is ok where the store says so by its event: a call to an address without code succeeds too, and does
        nothing.
        """
        found = await self.nodes.known("eth_getTransactionReceipt", tx_hash, of=read_receipt)
        if found is None:
            return None
        return replace(found, ok=found.succeeded and self.domain.store in found.pushed)

    # --- pushing -------------------------------------------------------------------------------------------------

    async def prepare(
        self,
        data: bytes,
        nonce: int,
        *,
        views: Sequence[bytes] = (),
        above: Fees | None = None,
        at_s: int | None = None,
        mood: FeeMood | None = None,
    ) -> SignedTx:
        """Simulate the push, then build and sign it.

        The push is simulated alone, also where views are poked with it: it does the same there, and Multicall3 would
        hide why the store refuses. The gas is that of all calls as transactions of their own: more than they need in one.

        Args:
            data: calldata of the push, see `push_data`; empty for the pokes alone.
            nonce: of the gas key.
            views: ModeViews to poke in the same transaction; those that cannot be poked now are left out.
            above: fees of a transaction with the same nonce that may still be waiting somewhere; nodes take its
                replacement only if both of its fees are at least a tenth higher.
            at_s: the time that a block made now would have, Unix s; without it, the newest block's time counts.
            mood: what is known of this push, for its fees.

        Raises:
            StoreRefuses: the store would not take it.
            FeeTooHigh: the base fee is above the ceiling.
            BatchTooBig: it needs more gas than a transaction may have.
            NothingToPoke: there is no push, and no view can be poked.
            ChainError: too few endpoints answer, or the signer does not.
        """
        gas = await self._simulate(data, at_s) if data else 0
        pokes = await self._pokes(views) if views else {}
        if not data and not pokes:
            raise NothingToPoke("no view can be poked now")
        fees, balance_wei = await asyncio.gather(self._fees(above, mood), self._balance_or_none())
        affordable = self._most_gas if balance_wei is None else balance_wei // fees.max_wei
        spare = 0 if mood is not None and mood.tight else _items(data)
        limit = gas_limit(gas + sum(pokes.values()), spare, self._most_gas, affordable)
        unsigned = Unsigned(
            chain_id=self.domain.chain_id,
            nonce=nonce,
            fees=fees,
            gas=limit,
            to=bytes.fromhex(self._multicall3[2:]) if pokes else self.domain.store,
            data=wrap(self.domain.store, data, tuple(pokes)) if pokes else data,
        )
        return unsigned.signed(await self._paying().sign(unsigned.preimage))

    async def _fees(self, above: Fees | None, mood: FeeMood | None) -> Fees:
        market = await self.costs.market()
        fees = market.fees(above, self._ceiling_wei, mood)
        if fees is None:
            asked = -(-market.base_wei // _GWEI)
            raise FeeTooHigh(f"the base fee is {asked} gwei, max_fee_gwei is {self._ceiling_wei // _GWEI}")
        return fees

    async def _balance_or_none(self) -> int | None:
        try:
            return await self.balance_wei()
        except ChainError:
            return None

    async def _simulate(self, data: bytes, at_s: int | None) -> int:
        """Gas of the push; the contract's own reason if enough endpoints say that it would revert.

        A chain that makes blocks on demand stands at an old time, from which a fresh round lies too far ahead; and the first
        push of a signer set that takes over now is asked of a block from before: there the call is simulated at the time
        that its block would have (see ``_in_next_block``).
        """
        call = {"from": self.payer, "to": self._store, "data": "0x" + data.hex()}
        where: tuple[Any, ...] = ("latest",)
        verdict = await self.nodes.agreed("eth_call", call, *where, of=read_simulated)
        if verdict.refused in _BY_TIME and at_s is not None:
            where, verdict = await self._in_next_block(call, at_s)
        if verdict.refused is not None:
            raise StoreRefuses(verdict.refused, verdict.text)
        gas = await self.costs.gas(call, *where)
        if gas is None:
            raise ChainError("no endpoint estimates the gas of the push")
        return gas

    async def _pokes(self, views: Sequence[bytes]) -> Mapping[bytes, int]:
        """The views that can be poked now, each with the gas of a poke; none where there is no Multicall3."""
        try:
            code: str = await self.nodes.agreed("eth_getCode", self._multicall3, "latest")
        except ChainError as e:
            _log.warning(
                "whether there is a Multicall3 is not known: the push goes without its pokes", why=str(e)[:300]
            )
            return {}
        if code == "0x":
            _log.warning(
                "no Multicall3 on this chain: the push goes without its pokes; set chains.*.multicall, or poke the views"
                " some other way", multicall=self._multicall3, chain_id=self.domain.chain_id,
            )  # fmt: skip
            return {}
        calls = [{"from": self.payer, "to": "0x" + v.hex(), "data": "0x" + POKE.hex()} for v in views]
        found = await asyncio.gather(*(self._poke_gas(call) for call in calls))
        pokes = {v: g for v, g in zip(views, found, strict=True) if g is not None and g <= _MOST_POKE_GAS}
        for view in (v for v in views if v not in pokes):
            _log.warning("a view cannot be poked now: is it a ModeView of mode 4?", view="0x" + view.hex())
        return pokes

    async def _poke_gas(self, call: Mapping[str, str]) -> int | None:
        try:
            return await self.costs.gas(call, "latest")
        except BatchTooBig:
            return None

    async def _in_next_block(self, call: Mapping[str, str], at_s: int) -> tuple[tuple[Any, ...], Simulation]:
        """What the call would do in a block of that time, and how that was asked.

        By the block's time as an override (fourth parameter of eth_call: geth 1.12, reth, anvil, later Erigon and
        Nethermind), else in the pending block.
        """
        override: tuple[Any, ...] = ("latest", {}, {"time": hex(at_s)})
        try:
            return override, await self.nodes.agreed("eth_call", call, *override, of=read_simulated)
        except ChainError:
            return ("pending",), await self.nodes.agreed("eth_call", call, "pending", of=read_simulated)

    async def broadcast(self, raw: bytes) -> SimulatedRevert:
        """Send a signed transaction to every endpoint, or relay where there are some; one that has it is enough."""
        answers = await self._senders.every("eth_sendRawTransaction", "0x" + raw.hex())
        tx_hash = "0x" + keccak(raw).hex()
        verdicts = [read_sent(a, tx_hash) for a in answers.values()]
        worst = next((s for s in Sent if s in verdicts), Sent.UNKNOWN)
        text = "; ".join(f"{n}: {a}" for n, a in answers.items() if isinstance(a, FeedError))
        return SimulatedRevert(sent=worst, text="" if worst is Sent.TAKEN else text)

    @property
    def pays(self) -> bool:
        """Whether there is a gas key."""
        return self._signer is not None

    @property
    def payer(self) -> str:
        """Address of the gas key."""
        return "0x" + self._paying().address.hex()

    def _paying(self) -> Signer:
        if self._signer is None:
            raise ChainError(self.keyless)
        return self._signer


def _held_price(word: int) -> HeldPrice:
    """From its word: price 88 | above 1 | 71 unused | priceAt 32 | since 32 | trueAt 32."""
    return HeldPrice(
        true_at_s=word & _LOW_32,
        since_s=word >> 32 & _LOW_32,
        price_at_s=word >> 64 & _LOW_32,
        above=bool(word >> 167 & 1),
        price_wad=word >> 168,
    )


def _gap(slot: int, word: int) -> Gap | None:
    """The gap that a token goes by, over or not.

    The one in its word (market 88 | redemption 88 | 16 unused | openedAt 32 | last 32) if that is of the last write, else the
    one that the last write opened, if it took a price.
    """
    if not slot & _LOW_32:
        return None
    if word & _LOW_32 == slot & _LOW_32:
        return Gap(opened_s=word >> 32 & _LOW_32, market_wad=word >> 168, redemption_wad=word >> 80 & _LOW_88)
    prices = (slot >> 168, slot >> 80 & _LOW_88)
    took = any(price and not slot & bit for price, bit in zip(prices, _HELD_BITS, strict=True))
    return opened_by(decode_slot(slot)) if took else None


def _items(data: bytes) -> int:
    """Items in the calldata of a push; none in any other call."""
    if data[:4] != _PUSH:
        return 0
    return (len(decode(["bytes", "bytes"], data[4:])[0]) - _HEADER) // _ITEM


def push_data(batch: SignedBatch) -> bytes:
    """Calldata of PriceStore.push for a batch."""
    return calldata("push", (batch.batch, batch.signatures))[0]
