"""A PriceStore as enough endpoints of its chain show it: signer set, feeds, slots, receipts. Nothing here sends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from oracle.chain import held_words
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.chain.rpc_answers import BlockHead, Receipt, read_hash, read_head, read_receipt
from oracle.chain.store_abi import calldata
from oracle.chain.store_rules import HeldWords, StoreLimits
from oracle.model.types import Report
from oracle.report.wire import decode_slot
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet

NEVER_EXPIRES = (1 << 256) - 1
"""What a store answers where only another set ends the epoch."""
_MOST_FEEDS = 65_536


class StoreReads:
    """One PriceStore on one chain, read only.

    Args:
        endpoints: HTTP endpoints, of which enough must agree.
        domain: chain id and address of the store.
        agree: how many endpoints must answer the same; 0 is a majority of three or more, else one.
        timeout_ms: of one request.
    """

    def __init__(self, endpoints: Sequence[str], domain: Domain, *, agree: int = 0, timeout_ms: int = 4_000) -> None:
        self.domain = domain
        self.nodes = QuorumRpc(endpoints, chain_id=domain.chain_id, agree=agree, timeout_ms=timeout_ms)
        self._store = "0x" + domain.store.hex()

    async def close(self) -> None:
        """Close the connections."""
        await self.nodes.close()

    async def connect(self, block: int | None = None) -> SignerSet:
        """Check chain and code, read the signer set that is in force, at a block if given.

        Raises:
            ChainError: no endpoint fits, or there is no store at the address.
        """
        if await self.nodes.agreed_value("eth_getCode", self._store, "latest") == "0x":
            raise ChainError(f"no contract at {self._store}: deploy the store first, or correct targets.*.store")
        at = "latest" if block is None else hex(block)
        epoch, threshold, signers, weights = await self.read("signerSet", block=at)
        (expires_s,) = await self.read("expiresAt", block=at)
        return SignerSet(
            domain=self.domain,
            epoch=epoch,
            threshold=threshold,
            signers=tuple(bytes.fromhex(s[2:]) for s in signers),
            weights=tuple(weights),
            expires_s=None if expires_s == NEVER_EXPIRES else int(expires_s),
        )

    async def read(self, function: str, *args: Any, block: str = "latest") -> tuple[Any, ...]:
        """Values of a view function of the store, as enough endpoints give them."""
        data, outputs = calldata(function, args)
        raw: Any = await self.nodes.agreed_value("eth_call", {"to": self._store, "data": "0x" + data.hex()}, block)
        try:
            return tuple(decode(outputs, bytes.fromhex(str(raw)[2:])))
        except (DecodingError, ValueError):
            raise ChainError(
                f"{function} of {self._store} answers {str(raw)[:40]!r}: this is not a PriceStore"
            ) from None

    async def feeds(self) -> dict[str, int]:
        """Feed id text to index, as registered on chain; ChainError for what no store can have."""
        (count,) = await self.read("count")
        if count > _MOST_FEEDS:
            raise self._impossible(f"count of {count}")
        listed = await asyncio.gather(*(self._feed(i) for i in range(count)))
        try:
            return {bytes(raw).rstrip(b"\0").decode("ascii"): index for raw, index in listed}
        except UnicodeDecodeError as e:
            raise self._impossible(f"feed id {e.object!r}") from None

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

    async def held_words(self, index: int, block: int) -> HeldWords:
        """What the store holds of a feed beside its slot, at a block; docs/contracts.md has the words."""
        words = await asyncio.gather(*(self._word(place, block) for place in held_words.places(index)))
        return held_words.read_words(*words)

    async def _word(self, place: int, block: int) -> int:
        raw: Any = await self.nodes.agreed_value("eth_getStorageAt", self._store, hex(place), hex(block))
        try:
            return int(str(raw), 16)
        except ValueError:
            raise self._impossible(f"word of storage {str(raw)[:40]!r}") from None

    async def step_threshold(self) -> int:
        """Weight with which a price may move by any step."""
        return int((await self.read("thresholds"))[1])

    async def stored(self, index: int, block: int | None = None) -> Report | None:
        """What the store holds for an index, at a block if given; None before the first push."""
        (word,) = await self.read("slotAt", index, block="latest" if block is None else hex(block))
        try:
            return None if held_words.is_empty(int(word)) else decode_slot(int(word))
        except ValueError:
            raise self._impossible(f"slot {int(word):#x}") from None

    def _impossible(self, what: str) -> ChainError:
        return ChainError(
            f"{self._store} has a {what}: a PriceStore never has; an endpoint lies, or it is another contract"
        )

    async def head(self) -> BlockHead:
        """The newest block that enough endpoints have reached."""
        ((number, time_s),) = await self.nodes.newest_view(read_head)
        return BlockHead(number=number, time_s=time_s)

    async def block_hash(self, number: int) -> str | None:
        """Hash of the block at a height; None where the chain does not reach it, as of the last view of its head."""
        return await self.nodes.agreed_or_absent("eth_getBlockByNumber", hex(number), False, read=read_hash)  # noqa: FBT003

    async def receipt(self, tx_hash: str) -> Receipt | None:
        """The receipt as enough endpoints give it; None while it is in no chain, as of the last view of the head.

        A push is ok where the store emitted its event: a call to an address without code succeeds too, and does
        nothing.
        """
        receipt = await self.nodes.agreed_or_absent("eth_getTransactionReceipt", tx_hash, read=read_receipt)
        if receipt is None:
            return None
        return replace(receipt, ok=receipt.succeeded and self.domain.store in receipt.pushed)
