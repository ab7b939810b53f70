"""What a follower reads of a store from its chain, by its own endpoints: whose round it is, and which feed each index is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

from feeds.errors import LrtOracleError
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_reads import StoreReads
from oracle.follow.told_round import RefusedRound, RefusedWhy
from oracle.network.members_reader import MembersReader
from oracle.network.membership import EpochExpired, MembersUnknown
from oracle.sign.messages import SignerSet

_LOOK_MS, _FEEDS_MS = 1_000, 10_000
_BLIND_MS = 600_000
"""So long rounds are verified by what was last read where the chain's endpoints do not answer: a change of signers is on chain longer."""


class SetUnknown(LrtOracleError, RuntimeError):
    """A round cannot be verified now, since the store's chain cannot be read. It is not refused: it is asked for again."""


class StoreSets:
    """The signer sets and the feeds of one store.

    Args:
        store: read only; closed by whoever made it.
        now_ms: the clock.
    """

    def __init__(self, store: StoreReads, now_ms: Callable[[], int]) -> None:
        self.domain = store.domain
        self._store, self._now_ms = store, now_ms
        self._members = MembersReader(store)
        self._reading = asyncio.Lock()
        self._tried_ms = self._read_ms = self._feeds_ms = 0
        self._feeds: Mapping[str, int] = {}
        self.error = ""

    async def signers_at(self, round_time_s: int) -> SignerSet:
        """Whose round it is.

        Raises:
            SetUnknown: the chain cannot be read.
            RefusedRound: it is nobody's.
        """
        signers, certain = self._known(round_time_s)
        if signers is None or not certain:
            await self._look()
            signers, _ = self._known(round_time_s)
        if signers is None or self._now_ms() - self._read_ms > _BLIND_MS:
            raise SetUnknown(f"the store's signer set cannot be read: {self.error or 'no endpoint has answered yet'}")
        return signers

    async def feeds_with(self, indexes: Collection[int]) -> Mapping[str, int]:
        """Index of each feed; read again where one of these is not known.

        Raises:
            SetUnknown: the chain cannot be read.
        """
        async with self._reading:
            is_old = self._now_ms() - self._feeds_ms > _FEEDS_MS
            if not self._feeds or (is_old and not set(indexes) <= set(self._feeds.values())):
                try:
                    self._feeds, self._feeds_ms = await self._store.feeds(), self._now_ms()
                except ChainError as e:
                    raise SetUnknown(f"the store's feeds cannot be read: {str(e)[:200]}") from None
            return self._feeds

    def _known(self, round_time_s: int) -> tuple[SignerSet | None, bool]:
        """The set as far as it is known, and whether that is for certain."""
        try:
            found = self._members.at(round_time_s)
        except EpochExpired as e:
            raise RefusedRound(RefusedWhy.SIGNER_SET, str(e)) from None
        except MembersUnknown:
            try:
                return self._members.oldest_at(round_time_s), True
            except MembersUnknown:
                return None, False
        return found.signers, found.certain

    async def _look(self) -> None:
        """Look at the chain, seldom enough; what was known stays where it does not answer."""
        async with self._reading:
            if self._now_ms() - self._tried_ms < _LOOK_MS:
                return
            self._tried_ms = self._now_ms()
            try:
                await self._members.refresh()
            except ChainError as e:
                self.error = str(e)[:300]
            else:
                self._read_ms, self.error = self._now_ms(), ""
