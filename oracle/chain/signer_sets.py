"""The signer sets of a store as its storage holds them: the present one, the one before, the one to come, and when it ends.

A set is the code of a contract of its own, which never changes in a chain: removing a signer makes another one. So three words of
storage say whether anything has changed. Where blocks are replaced another set may come to lie at the same address, which follows from
how many the store has made: no set is kept by it. Source: contracts/store/StoreSigners.sol and SignerSetCode.sol.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_reads import StoreReads
from oracle.sign.stored_sets import SetState, StoredSet, decode_members

SET, PREVIOUS_SET, NEXT_SET = (4 * 65_536 + 13 + i for i in range(3))
"""Storage places in StoreSigners: behind the arrays of StoreSlots, four words of StoreRoles and nine of StoreFeeds."""
NEVER_S = (1 << 39) - 1
"""The end of a set of which none is known."""
_TIME_AT, _COUNT_AT, _EPOCH_AT = 217, 208, 160
_POINTER, _EPOCH, _COUNT = (1 << 160) - 1, (1 << 48) - 1, 0xFF


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWords:
    """The three words of storage; 0 where there is no such set."""

    present: int
    before: int
    coming: int


class SignerSets:
    """Reads them, at any block whose state the endpoints still have."""

    def __init__(self, store: StoreReads) -> None:
        self._store = store
        self.address = "0x" + store.domain.store.hex()

    async def words(self, block: int) -> SetWords:
        """The three words at a block.

        Raises:
            ChainError: too few endpoints agree.
        """
        present, before, coming = await asyncio.gather(*(self._word(p, block) for p in (SET, PREVIOUS_SET, NEXT_SET)))
        return SetWords(present=present, before=before, coming=coming)

    async def state(self, words: SetWords, block: int) -> SetState:
        """What the words say, at a block where they do.

        Raises:
            ChainError: too few endpoints agree, or there is no set where the words point to.
        """
        present = await self._set(words.present, block)
        if present is None:
            raise ChainError(f"{self.address} has no signer set where a PriceStore keeps it: it is another contract")
        ends_s = words.present >> _TIME_AT
        return SetState(
            present=present,
            before=await self._set(words.before, block),
            coming=await self._set(words.coming, block),
            ends_s=None if ends_s == NEVER_S else ends_s,
        )

    async def _word(self, place: int, block: int) -> int:
        raw: Any = await self._store.nodes.agreed_value("eth_getStorageAt", self.address, hex(place), hex(block))
        return int(str(raw), 16)

    async def _set(self, word: int, block: int) -> StoredSet | None:
        epoch, pointer = word >> _EPOCH_AT & _EPOCH, word & _POINTER
        if not epoch or not pointer:
            return None
        where = "0x" + pointer.to_bytes(20, "big").hex()
        code = bytes.fromhex(str(await self._store.nodes.agreed_value("eth_getCode", where, hex(block)))[2:])
        read = decode_members(self._store.domain, epoch, code)
        if read is None or len(read.signers.signers) != word >> _COUNT_AT & _COUNT:
            raise ChainError(f"{where} holds no signer set, and {self.address} says that it does: an endpoint lies")
        return read
