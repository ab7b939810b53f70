"""Blocks by their time: the first one at or after a moment, as enough endpoints have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from feeds.chains.jsonrpc import quantity
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.chain.rpc_answers import BlockHead

_HASH_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockHeader:
    """A block's header, as far as it matters here. ``hash``: 32 bytes."""

    number: int
    time_s: int
    hash: bytes


def read_block(answer: Any) -> BlockHeader:
    """A header from a node's answer; ValueError or FeedError where it is none."""
    raw = bytes.fromhex(str(answer["hash"]).removeprefix("0x"))
    if len(raw) != _HASH_BYTES:
        raise ValueError("a block's hash has 32 bytes")
    return BlockHeader(number=quantity(answer["number"]), time_s=quantity(answer["timestamp"]), hash=raw)


class BlockTimes:
    """Headers of one chain. Times of blocks never fall, so a block is found by halving."""

    def __init__(self, nodes: QuorumRpc) -> None:
        self._nodes = nodes

    async def block(self, number: int) -> BlockHeader:
        """The block of that height.

        Raises:
            ChainError: too few endpoints agree.
        """
        return await self._nodes.agreed_value("eth_getBlockByNumber", hex(number), False, read=read_block)  # noqa: FBT003

    async def last_before(self, time_s: int, head: BlockHead) -> BlockHeader:
        """The last block whose time is before a moment (Unix s), up to the head; the chain's first where there is none.

        Raises:
            ChainError: too few endpoints agree.
        """
        after = await self.first_at(time_s, head)
        return await self.block(head.number if after is None else max(0, after.number - 1))

    async def first_at(self, time_s: int, head: BlockHead) -> BlockHeader | None:
        """The first block whose time is not before a moment (Unix s); None where the chain has not come so far.

        Args:
            time_s: the moment.
            head: the newest block that counts.

        Raises:
            ChainError: too few endpoints agree.
        """
        if head.time_s < time_s:
            return None
        late = head.number
        early, step = late, 1
        while early > 0 and (await self.block(early)).time_s >= time_s:
            late, early, step = early, max(0, early - step), step * 2
        if early == 0 and (await self.block(0)).time_s >= time_s:
            return await self.block(0)
        while late - early > 1:
            middle = (early + late) // 2
            if (await self.block(middle)).time_s >= time_s:
                late = middle
            else:
                early = middle
        found = await self.block(late)
        if found.time_s < time_s:
            raise ChainError(f"block {late} is not from where it was a moment ago: the chain is being reorganised")
        return found
