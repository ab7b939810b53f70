"""Push: journalled before it is broadcast, watched until it is deep in the chain, never sent twice.

One nonce is under way at a time. A crash at any point is reconciled at the next start, a reorganisation at the next
look: what was journalled is found on the chain, sent again as the same bytes while the store would still take it, or
given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import groupby

import structlog

from oracle.chain.multicall_push import push_data
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.rpc_answers import BlockHead
from oracle.chain.store_client import NothingToPoke, StoreClient
from oracle.model.publication import DONE, OPEN, PushRow
from oracle.model.types import Report
from oracle.push.ramp_pokes import RampPokes
from oracle.push.sending.learned_limits import LearnedLimits
from oracle.push.sending.nonce_watch import ChainState, NonceWatch
from oracle.push.sending.push_records import MOST_NOTE, PushJournal, PushRecords
from oracle.push.sending.sender import Sender
from oracle.push.settings import PushRules
from oracle.report.wire import decode_items
from oracle.sign.messages import SignedBatch

_log = structlog.get_logger("oracle.push.sending.pusher")


class Pusher:
    """Pushes of one target.

    Args:
        target: its name in the config.
        client: the store on its chain.
        journal: where pushes are written down.
        rules: its limits.
        now_ms: the clock.
        on_landed: called for every push that landed, with its row.
        on_failed: called for every push that did not, with one of a small set of words.
        on_spent: called with the wei of every transaction that is in the chain.
        ramp_pokes: views that are poked with a push; none without it.

    Attributes:
        stored: what the store holds, by feed index, as last read.
        learned: what the next batch has to do without.
        ramp_pokes: as given.
    """

    def __init__(
        self,
        target: str,
        client: StoreClient,
        journal: PushJournal,
        rules: PushRules,
        *,
        now_ms: Callable[[], int],
        on_landed: Callable[[PushRow], None],
        on_failed: Callable[[str], None] = lambda _: None,
        on_spent: Callable[[int], None] = lambda _: None,
        ramp_pokes: RampPokes | None = None,
    ) -> None:
        self.target = target
        self.stored: dict[int, Report] = {}
        self.learned = LearnedLimits()
        self.ramp_pokes = ramp_pokes or RampPokes(target)
        self._client, self._journal, self._now_ms, self._on_landed = client, journal, now_ms, on_landed
        self._records = PushRecords(
            target, journal, now_ms=now_ms, on_failed=on_failed, ramp_pokes=self.ramp_pokes, learned=self.learned,
            on_spent=on_spent,
        )  # fmt: skip
        self._sender = Sender(
            target, client, journal, self._records, rules, now_ms=now_ms, on_failed=on_failed, learned=self.learned
        )
        self._nonces = NonceWatch(
            client, self._records, self._sender, rules, now_ms=now_ms, on_failed=on_failed, ramp_pokes=self.ramp_pokes
        )
        self._indexes: tuple[int, ...] = ()
        self._next_nonce = 0
        self._fresh_start = True
        self._landed_block = 0
        self._unwatched = -1
        self._pending = 0

    @property
    def busy(self) -> bool:
        """Whether a push that can land is under way."""
        return any(r.state in OPEN and r.nonce <= self._next_nonce for r in self._watched())

    @property
    def pending(self) -> int:
        """How many pushes may still land: as many as were last read where the database cannot be read, for that is asked then too."""
        with contextlib.suppress(sqlite3.Error):
            self._pending = sum(r.state in OPEN for r in self._watched())
        return self._pending

    @property
    def under_way(self) -> frozenset[tuple[int, int]]:
        """(feed index, status) of all items that are under way."""
        rows = [r for r in self._watched() if r.state in OPEN]
        reports = [item for r in rows for item in decode_items(r.items, r.round_s).items()]
        return frozenset((index, int(report.status)) for index, report in reports)

    @property
    def foreign_nonces(self) -> int:
        """Pushes whose nonce was used by a transaction that is not ours."""
        return self._nonces.foreign_nonces

    async def start(self, indexes: Mapping[str, int]) -> None:
        """Read what the store holds and settle what the last run left open."""
        self._indexes = tuple(indexes.values())
        self._fresh_start = True
        await self.refresh()
        await self.poll()

    async def refresh(self) -> BlockHead:
        """Read the store anew at the newest block: anybody may have pushed, and a reorganisation may have taken away.

        Returns:
            That block, with the time that the next one would have now: a chain that makes blocks on demand stands at
            an old time until something is pushed.
        """
        head = self._not_behind(await self._client.head())
        reports = await asyncio.gather(*(self._client.stored(i, head.number) for i in self._indexes))
        self.stored = {i: report for i, report in zip(self._indexes, reports, strict=True) if report is not None}
        return replace(head, time_s=self._nonces.next_time_s(head))

    async def submit(self, batch: SignedBatch, why: str = "", *, urgent: bool = False) -> PushRow | None:
        """Push a batch: sign the transaction, journal it, broadcast it.

        Returns:
            The journalled row; None while another push is under way, unless this one is urgent: then it takes the same
            nonce for more, so that either lands and never both.

        Raises:
            ChainError: it would fail, the fee is above the limit, or no endpoint answers. The refusal is journalled.
        """
        try:
            _, nonce = await self._head_and_nonce()
            if self.busy and not urgent:
                return None
            views = self.ramp_pokes.due_with(self.stored, batch)
            signed = await self._sender.prepare(push_data(batch), nonce, views, urgent=urgent)
        except RuntimeError as e:
            error = str(e)[:MOST_NOTE]
            self._journal.add_refusal(self._now_ms(), self.target, batch.round_time_s, batch.items, why, error)
            raise
        if urgent:
            self._sender.note_urgent(nonce)
        signers = ",".join(a.hex() for a in batch.addresses)
        return await self._sender.send_new(signed, batch.round_time_s, batch.items, why, signers)

    async def poke(self, round_s: int) -> PushRow | None:
        """Poke the views after a change of direction that somebody else pushed, without a push. None where none is due.

        Raises:
            ChainError: the base fee is above the limit, or no endpoint answers.
        """
        views = () if self.busy else self.ramp_pokes.due_alone(self.stored, round_s)
        if not views:
            return None
        _, nonce = await self._head_and_nonce()
        try:
            signed = await self._sender.prepare(b"", nonce, views)
        except NothingToPoke:
            self.ramp_pokes.give_up()
            return None
        return await self._sender.send_new(
            signed, round_s, b"", "pokes: somebody else's push changed the direction of a ramp"
        )

    async def carry(self, call: bytes, why: str) -> PushRow | None:
        """Have a call carried in a transaction of its own: the next signer set is armed, or a keeper's duty done.

        None while a push is under way: that goes first. It is journalled and watched as a push; too old for one, it is given up and can be made anew.

        Args:
            call: calldata, as the client takes it.
            why: what is written down.

        Raises:
            StoreRefuses: the store would not take it.
            ChainError: the base fee is above the limit, or no endpoint answers.
        """
        if self.busy:
            return None
        head, nonce = await self._head_and_nonce()
        signed = await self._sender.prepare(call, nonce, ())
        return await self._sender.send_new(signed, self._nonces.next_time_s(head), b"", why)

    async def poll(self) -> None:
        """Look at everything whose outcome may still change, nonce by nonce."""
        rows = self._watched()
        if not self._client.pays:
            self._warn_unwatched(sum(r.state in OPEN for r in rows))
        elif rows:
            head, next_nonce = await self._head_and_nonce()
            chain = ChainState(head=head, next_nonce=next_nonce, stored=self.stored)
            changed = False
            for _, of_nonce in groupby(rows, key=lambda r: r.nonce):
                changed |= await self._nonces.check(list(of_nonce), chain, fresh_start=self._fresh_start)
            if changed:
                # what the store made of it: prices that moved too far are held back there
                with contextlib.suppress(ChainError):
                    await self.refresh()
        while (row := self._records.next_landed()) is not None:
            self._on_landed(row)
        self._fresh_start = False

    def _watched(self) -> list[PushRow]:
        return self._journal.watched_pushes(self.target)

    def _warn_unwatched(self, pushes: int) -> None:
        """Once for each number of them: what was sent may still land, and the nonce belongs to a key that is not here."""
        if pushes and pushes != self._unwatched:
            _log.warning(
                "pushes are open and cannot be watched without the gas key", target=self.target, pushes=pushes,
                why=self._client.keyless,
            )  # fmt: skip
        self._unwatched = pushes

    async def _head_and_nonce(self) -> tuple[BlockHead, int]:
        """The newest block and the next nonce by what is mined up to it."""
        head, self._next_nonce = await self._client.view()
        self._sender.replacement.note_block(self._not_behind(head))
        return head, self._next_nonce

    def _not_behind(self, head: BlockHead) -> BlockHead:
        """A view from before a push that is known to have landed would make it look lost.

        Raises:
            ChainError: the endpoints that answer are behind.
        """
        self._landed_block = max(self._landed_block, *(r.block or 0 for r in self._watched() if r.state in DONE), 0)
        if head.number < self._landed_block:
            raise ChainError(
                f"the endpoints stand at block {head.number}, a push landed in block {self._landed_block}: they are"
                " behind, or this is another chain with the same id (then use another database)"
            )
        return head
