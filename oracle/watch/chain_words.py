"""Words that landed: follows the log of pushes of a store, and reads who signed what out of the transactions.

A push that a reorganisation took back is a word all the same: its signatures stand. What is read anew after one is what took its
place. Transactions need no vote of endpoints: a batch is held against the digest in the log, and signatures prove themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from feeds.chains.jsonrpc import quantity
from feeds.errors import FeedError
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.signer_sets import SignerSets
from oracle.chain.store_abi import event_topic
from oracle.chain.store_reads import StoreReads
from oracle.sign.eip712 import Domain
from oracle.watch.kept import WatchRows
from oracle.watch.push_input import FoundPush, find_push
from oracle.watch.words import SignedWord, WordKind

_MOST_TRIES = 5
"""Looks at a transaction that no endpoint has, before the watch goes on without it."""
_MOST_UNREAD = 100
_KEYS_BLOCKS = 25
"""So often it is asked who signs, whether somebody pushes or not."""
_MOST_SPANS = 20
"""Ranges of blocks in one look: a long catch-up takes several."""
_log = structlog.get_logger("oracle.watch.chain_words")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedBlocks:
    """How far back and how much at once.

    Attributes:
        catch_up: blocks that are read at most where the watch was away for longer, or starts anew.
        depth: blocks that are read again after a reorganisation; deeper than any.
        span: blocks in one request for logs.
    """

    catch_up: int = 7_200
    depth: int = 64
    span: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedLog:
    """A push as the store has told of it."""

    block: int
    tx_hash: str
    digest: bytes
    round_time_s: int


class ChainWords:
    """What landed at one store.

    Args:
        store: reads it; whoever has it closes it.
        rows: keeps how far it was read.
        hear: gets each word, its signature checked.
        blocks: how far back and how much at once.

    Attributes:
        unread: transactions whose batch was not found, or that no endpoint has, the newest.
    """

    def __init__(
        self,
        store: StoreReads,
        rows: WatchRows,
        hear: Callable[[SignedWord], None],
        blocks: WatchedBlocks | None = None,
    ) -> None:
        self.unread: deque[str] = deque(maxlen=_MOST_UNREAD)
        self.read_block = 0
        self._store, self._rows, self._hear, self._blocks = store, rows, hear, blocks or WatchedBlocks()
        self._sets = SignerSets(store)
        self._epochs: dict[int, Sequence[bytes]] = {}
        self._tries: dict[str, int] = {}
        self._keys: set[bytes] = set()
        self._keys_block: int | None = None
        self._span = self._blocks.span

    @property
    def domain(self) -> Domain:
        """Of the store."""
        return self._store.domain

    @property
    def keys(self) -> frozenset[bytes]:
        """Of all sets that were in force since the watch began, and the one before."""
        return frozenset(self._keys)

    async def look(self) -> None:
        """Read the pushes since the last look.

        Raises:
            ChainError: too few endpoints answer; the next look goes on from where this one came to.
        """
        head = (await self._store.head()).number
        if self._keys_block is None or head >= self._keys_block + _KEYS_BLOCKS:
            await self._learn_sets(head)
            self._keys_block = head
        first = await self._first(head)
        for _ in range(_MOST_SPANS):
            if first > head:
                return
            last = min(head, first + self._span - 1)
            if not await self._read(first, last):
                return
            first = last + 1

    async def _first(self, head: int) -> int:
        """The first block that is to be read now."""
        kept, least = self._rows.watched_block(self._store.domain), max(0, head - self._blocks.catch_up)
        if kept is None:
            return least
        block, block_hash = kept
        if await self._store.block_hash(block) == block_hash:
            first = block + 1
        else:
            first = max(0, min(block, head) - self._blocks.depth)
            _log.info("the chain was reorganised: pushes are read anew", store=self._store_text, from_block=first)
        if first < least:
            _log.warning(
                "the watch was away too long: pushes of some blocks are not looked at", store=self._store_text,
                from_block=first, to_block=least - 1, do="raise watch.catch_up_blocks and start anew to look at them",
                news=True,
            )  # fmt: skip
        return max(first, least)

    async def _read(self, first: int, last: int) -> bool:
        """Pushes of these blocks; False where the chain changed meanwhile, or something is to be asked for again."""
        before = await self._store.block_hash(last)
        if before is None:
            return False
        logs = await self._logs(first, last)
        for log in logs:
            if not await self._take(log):
                return False
        if await self._store.block_hash(last) != before:
            return False
        self._rows.set_watched_block(self._store.domain, last, before)
        self.read_block = last
        return True

    async def _logs(self, first: int, last: int) -> tuple[PushedLog, ...]:
        wanted = {
            "address": self._store_text, "topics": ["0x" + event_topic("PriceStore", "Pushed").hex()],
            "fromBlock": hex(first), "toBlock": hex(last),
        }  # fmt: skip
        try:
            return await self._store.nodes.agreed_value("eth_getLogs", wanted, read=read_pushed)
        except ChainError:
            self._span = max(1, (last - first + 1) // 2)  # some endpoints give few blocks at once
            raise

    async def _take(self, log: PushedLog) -> bool:
        """The words of a push; False where its transaction is to be asked for again."""
        found, is_there = await self._ask(log)
        if is_there and (found is None or found.epoch not in self._epochs):
            await self._learn_sets(log.block)
            found, _ = await self._ask(log)
        if found is None:
            return self._without(log, is_there=is_there)
        self._tries.pop(log.tx_hash, None)
        for word in self._words(found):
            self._hear(word)
        return True

    async def _ask(self, log: PushedLog) -> tuple[FoundPush | None, bool]:
        """The push in its transaction, and whether any endpoint has that."""
        domain, inputs = self._store.domain, list[bytes]()

        def read(_endpoint: str, answer: Any) -> FoundPush | None:
            data = _input(answer, log.tx_hash)
            if data is None:
                return None
            inputs.append(data)
            return find_push(data, domain, log.digest, log.round_time_s, self._epochs)

        found = await self._store.nodes.first_proven("eth_getTransactionByHash", log.tx_hash, read=read)
        return found, bool(inputs)

    def _without(self, log: PushedLog, *, is_there: bool) -> bool:
        tries = self._tries[log.tx_hash] = self._tries.get(log.tx_hash, 0) + 1
        if not is_there and tries < _MOST_TRIES:
            return False
        del self._tries[log.tx_hash]
        if log.tx_hash not in self.unread:
            self.unread.append(log.tx_hash)
            why = "its input does not hold the batch: it was made by a contract" if is_there else "no endpoint has it"
            _log.warning("who signed a push is not known", store=self._store_text, tx=log.tx_hash, why=why)
        return True

    async def _learn_sets(self, block: int) -> None:
        """Keys by epoch, of the sets that the store held at a block; of endpoints without old states, of the one in force.

        Not of one that is to come: it may be replaced under its number.
        """
        try:
            state = await self._sets.state(await self._sets.words(block), block)
        except ChainError:
            signers = await self._store.connect()
            self._epochs[signers.epoch] = signers.signers
            self._keys.update(signers.signers)
            return
        for one in (state.before, state.present):
            if one is not None:
                self._epochs[one.signers.epoch] = one.signers.signers
                self._keys.update(one.signers.signers)

    def _words(self, found: FoundPush) -> Iterator[SignedWord]:
        for key, signature in found.signatures:
            yield SignedWord(
                key=key, domain=self._store.domain, kind=WordKind.BATCH, step=0, epoch=found.epoch,
                round_time_s=found.round_time_s, items=found.items, signature=signature,
            )  # fmt: skip

    @property
    def _store_text(self) -> str:
        return "0x" + self._store.domain.store.hex()


def read_pushed(answer: Any) -> tuple[PushedLog, ...]:
    """Logs of pushes, in the order of the chain; a push of one transaction once."""
    if isinstance(answer, FeedError):
        raise answer
    logs = (
        PushedLog(
            block=quantity(log["blockNumber"]),
            tx_hash=str(log["transactionHash"]).lower(),
            digest=bytes.fromhex(log["topics"][1][2:]),
            round_time_s=int(log["data"][2:66], 16),
        )
        for log in answer
    )
    return tuple(dict.fromkeys(logs))


def _input(answer: Any, tx_hash: str) -> bytes | None:
    """Input of a transaction; None where an endpoint does not have it."""
    try:
        if isinstance(answer, FeedError) or answer is None or str(answer["hash"]).lower() != tx_hash:
            return None
        return bytes.fromhex(str(answer.get("input", answer.get("data")))[2:])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
