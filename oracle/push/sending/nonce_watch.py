"""The life of one nonce: all transactions made for it compete, and are watched until one is deep in the chain.

Whichever lands, its row says so and the others are replaced. While none has, what is too old is given up, the bytes go
again, or the fee of the newest is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from feeds.units import MS
from oracle.chain.node_refusals import SendAction
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.rpc_answers import BlockHead, Receipt
from oracle.chain.store_client import StoreClient
from oracle.model.publication import DONE, OPEN, PushRow, PushState
from oracle.model.types import Report
from oracle.push.ramp_pokes import RampPokes
from oracle.push.sending.push_records import PushRecords, outcome_of
from oracle.push.sending.sender import Sender
from oracle.push.settings import PushRules
from oracle.report.wire import split_items

_STATE_KEPT = 64
"""Blocks that every endpoint keeps the state of: half of what geth does by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """What the nonces are held against.

    Attributes:
        head: the newest block.
        next_nonce: of the gas key, by what is mined up to it.
        stored: what the store holds, by feed index.
    """

    head: BlockHead
    next_nonce: int
    stored: Mapping[int, Report]


class NonceWatch:
    """Brings the rows of a nonce up to date.

    Args:
        client: the store on its chain.
        records: what became of a push.
        sender: sends it again.
        rules: the limits of the target.
        now_ms: the clock.
        on_failed: called for every push that did not land, with one of a small set of words.
        ramp_pokes: forget what the views know when a push is taken out.

    Attributes:
        foreign_nonces: pushes whose nonce was used by a transaction that is not ours.
    """

    def __init__(
        self,
        client: StoreClient,
        records: PushRecords,
        sender: Sender,
        rules: PushRules,
        *,
        now_ms: Callable[[], int],
        on_failed: Callable[[str], None],
        ramp_pokes: RampPokes,
    ) -> None:
        self.foreign_nonces = 0
        self._client, self._records, self._sender, self._rules = client, records, sender, rules
        self._now_ms, self._on_failed, self._ramp_pokes = now_ms, on_failed, ramp_pokes
        self._used_at: dict[int, int] = {}

    def next_time_s(self, head: BlockHead) -> int:
        """The time that a block made now would have: a chain that makes blocks on demand stands at an old one."""
        return max(head.time_s, self._now_ms() // MS)

    async def check(self, rows: Sequence[PushRow], chain: ChainState, *, fresh_start: bool) -> bool:
        """Look at a nonce.

        Args:
            rows: all that was made for it.
            chain: as it is now.
            fresh_start: the first look of a process: what an earlier one sent goes out again.

        Returns:
            Whether the store may hold something else now: one of them was mined, or a reorganisation took one out.
        """
        receipts = await asyncio.gather(*(self._client.receipt(r.tx_hash) for r in rows))
        mined = next(((row, got) for row, got in zip(rows, receipts, strict=True) if got is not None), None)
        if mined is not None:
            self._used_at.pop(rows[0].nonce, None)
            return await self._settle(*mined, rows, chain)
        if await self._is_still_there(rows):
            return False  # an endpoint that is behind knows no receipt yet
        taken_out = self._take_out(rows)
        if chain.next_nonce > rows[0].nonce:
            self._used_by_another(rows, chain.head)
        else:
            await self._resend_or_raise(rows, chain.head, again=taken_out or fresh_start)
        return taken_out

    # --- in the chain --------------------------------------------------------------------------------------------

    async def _settle(self, row: PushRow, receipt: Receipt, rows: Sequence[PushRow], chain: ChainState) -> bool:
        """One of them is in the chain: the others never will be, unless the chain changes its mind before it is deep."""
        before = next((r for r in rows if r.state in DONE), None)
        is_new = before is None or before.id != row.id
        reorged = before is not None and before.block_hash != receipt.block_hash
        if is_new or reorged:
            held = await self._held_after(row, receipt, chain.head)
            state = outcome_of(row, receipt, held)
            if is_new:
                if before is not None:
                    self._ramp_pokes.forget()
                self._records.mined(row, receipt, state, None if held is None else {**chain.stored, **held})
            else:
                self._records.write(row, receipt, state)
        for other in rows:
            if other.id != row.id and other.state in (*OPEN, *DONE):
                self._records.give_up(other, PushState.REPLACED, f"{row.tx_hash} with the same nonce landed")
        if chain.head.number >= receipt.block + self._rules.confirmations:
            self._end(rows)
        return is_new or reorged

    async def _held_after(self, row: PushRow, receipt: Receipt, head: BlockHead) -> Mapping[int, Report] | None:
        """What the store held of a push's items after the block that the push is in, where that tells what became of it.

        None where it cannot be read any more: the process was away, and the endpoints keep no state so old.
        """
        if receipt.ok or not row.items:
            return {}
        try:
            held = {i: await self._client.stored(i, receipt.block) for i in split_items(row.items)}
        except ChainError:
            if head.number < receipt.block + _STATE_KEPT:
                raise
            return None
        return {i: report for i, report in held.items() if report is not None}

    async def _is_still_there(self, rows: Iterable[PushRow]) -> bool:
        """Whether the block that a push landed in is in the chain as before."""
        done = next((r for r in rows if r.state in DONE and r.block is not None), None)
        return done is not None and await self._client.block_hash(done.block or 0) == done.block_hash

    def _take_out(self, rows: Iterable[PushRow]) -> bool:
        """Write down what is not in the chain any more; whether there was such a one."""
        gone = [r for r in rows if r.state in DONE]
        for row in gone:
            self._ramp_pokes.forget()
            self._records.taken_out(row)
        return bool(gone)

    def _used_by_another(self, rows: Sequence[PushRow], head: BlockHead) -> None:
        """The nonce is used, by no transaction of ours. Believed at the second look: receipts may come later."""
        nonce = rows[0].nonce
        first_seen = self._used_at.get(nonce)
        if first_seen is None:
            self._used_at[nonce] = head.number
            return
        for row in (r for r in rows if r.state in (*OPEN, *DONE)):
            self.foreign_nonces += 1
            self._records.give_up(
                row, PushState.REPLACED, "another transaction took its nonce: does another process use this gas key?"
            )
            self._on_failed("nonce_taken")
        if head.number >= first_seen + self._rules.confirmations:
            self._end(rows)

    # --- not in the chain yet ------------------------------------------------------------------------------------

    async def _resend_or_raise(self, rows: Sequence[PushRow], head: BlockHead, *, again: bool) -> None:
        """None of them is in the chain: give up what is too old, send again, or raise the fee of the newest."""
        live = self._give_up_old(rows, head, again=again)
        if not live:
            return
        newest, replacement = live[-1], self._sender.replacement
        wait, act = replacement.wait_of(newest, head), self._sender.rebroadcast.action(newest.id)
        left_out = newest.state == PushState.SENT and replacement.is_left_out(wait, head)
        if act in (SendAction.RAISE, SendAction.REBUILD) or left_out:
            if self._sender.may_remake(newest, rows, self.next_time_s(head) + replacement.block_s):
                wait.since_ms = wait.sent_ms = self._now_ms()
                await self._sender.remake(newest)
        elif act is not SendAction.NOTHING and (
            again or newest.state == PushState.PREPARED or replacement.is_over(wait.sent_ms)
        ):
            wait.sent_ms = self._now_ms()
            await self._sender.send(newest)  # no block has left it out, so it is not the fee: a node may have lost it

    def _give_up_old(self, rows: Sequence[PushRow], head: BlockHead, *, again: bool) -> list[PushRow]:
        """Give up what is too old; returns the rest.

        What a node has ages with the chain: while no block is made, nothing better could land either, and a successor
        would have to pay more. What no node may have ages with the clock.
        """
        live = []
        for row in (r for r in rows if r.state in (*OPEN, *DONE)):
            at_a_node = row.state == PushState.SENT and not again
            block_time_s = head.time_s if at_a_node else self.next_time_s(head)
            if row.round_s + self._rules.max_push_age_s < block_time_s:
                self._records.give_up(row, PushState.EXPIRED, "too old: the store no longer takes a push of this time")
                self._on_failed("expired")
            else:
                live.append(row)
        return live

    def _end(self, rows: Sequence[PushRow]) -> None:
        """The nonce is settled for good."""
        self._records.make_final(rows)
        self._sender.end(rows[0].nonce)
        self._used_at.pop(rows[0].nonce, None)
