"""Push: journalled before it is broadcast, watched until it is deep in the chain, never sent twice.

One nonce is under way at a time. A crash at any point is reconciled at the next start: what was journalled is either
found on the chain, sent again as the same bytes while the store would still take it, or given up for good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import structlog

from feeds.units import MS
from oracle.chain import ChainError, Fees, Landed, StoreClient
from oracle.records import PushRow
from oracle.report import decode_item
from oracle.sign import SignedBatch, split
from oracle.types import Report

OPEN = ("prepared", "sent")
_DAY_S = 86_400
_log = structlog.get_logger("oracle.push")


class PushJournal(Protocol):
    """Where pushes are written down; each call returns once it is on disk."""

    def add_push(self, row: PushRow) -> PushRow:
        """Write a new push; returns it with its id."""

    def update_push(self, push_id: int, **changes: Any) -> None:
        """Write what became of it."""

    def pushes(self, target: str, states: Sequence[str] = (), since_s: int = 0) -> list[PushRow]:
        """Pushes of a target in any of these states, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRules:
    """How long the store takes a batch, when to raise the fee, how deep a block counts as final."""

    max_push_age_s: int
    bump_after_s: int
    confirmations: int


class Pusher:
    """Pushes of one target.

    Args:
        target: its name in the config.
        client: the store on its chain.
        journal: where pushes are written down.
        rules: its limits.
        now_ms: the clock.
        on_landed: told of every push that landed, with its row.
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
    ) -> None:
        self.target = target
        self.stored: dict[int, Report] = {}
        self._client = client
        self._journal = journal
        self._rules = rules
        self._now_ms = now_ms
        self._on_landed = on_landed
        self._current: SignedBatch | None = None
        self._bumps = 0

    @property
    def busy(self) -> bool:
        """Whether a push is under way."""
        return bool(self._journal.pushes(self.target, OPEN))

    async def start(self, indexes: Mapping[str, int]) -> None:
        """Read what the store holds and settle what the last run left open."""
        for index in indexes.values():
            held = await self._client.stored(index)
            if held is not None:
                self.stored[index] = held
        for row in self._journal.pushes(self.target, OPEN):
            await self._settle(row, resend=True)

    async def submit(self, batch: SignedBatch) -> PushRow | None:
        """Push a batch: sign the transaction, journal it, broadcast it. None while another one is under way.

        Raises:
            ChainError: the store would refuse it, the fee is above the limit, or the endpoint does not answer.
        """
        if self.busy:
            return None
        nonce = await self._client.next_nonce()
        signed = await self._client.prepare(batch, nonce, above=self._waiting_fees(nonce))
        row = self._write(batch, signed.nonce, signed.tx_hash, signed.raw)
        self._current, self._bumps = batch, 0
        return await self._send(row)

    async def poll(self) -> None:
        """Look at what is under way, and again at what landed but is not deep yet."""
        for row in self._journal.pushes(self.target, OPEN):
            await self._settle(row, resend=False)
        await self._recheck()

    def _waiting_fees(self, nonce: int) -> Fees | None:
        """The highest fees of what was made for this nonce before: given up here, it may still wait at a node."""
        made = self._journal.pushes(self.target, ("prepared", "sent", "expired"), since_s=self._now_ms() // MS - _DAY_S)
        fees = [Fees.of(row.raw) for row in made if row.nonce == nonce]
        return max(fees, key=lambda f: f.max_wei, default=None)

    def _write(self, batch: SignedBatch, nonce: int, tx_hash: str, raw: bytes) -> PushRow:
        return self._journal.add_push(
            PushRow(
                id=0,
                target=self.target,
                chain_id=batch.domain.chain_id,
                round_s=batch.round_time_s,
                items=batch.items,
                nonce=nonce,
                tx_hash=tx_hash,
                raw=raw,
                state="prepared",
                made_ms=self._now_ms(),
                signers=",".join(a.hex() for a in batch.addresses),
            )
        )

    async def _send(self, row: PushRow) -> PushRow:
        trouble = await self._client.broadcast(row.raw)
        if trouble is None:
            self._journal.update_push(row.id, state="sent")
            return replace(row, state="sent")
        _log.warning("push not taken by the node; it is tried again", target=self.target, nonce=row.nonce, node=trouble)
        self._journal.update_push(row.id, note=trouble[:200])
        return row

    async def _settle(self, row: PushRow, *, resend: bool) -> None:
        landed = await self._client.receipt(row.tx_hash)
        if landed is not None:
            self._finish(row, landed)
            return
        if await self._client.next_nonce() > row.nonce:
            self._close(row, "replaced", "another transaction took its nonce")
            return
        _, block_time_s = await self._client.block()
        if row.round_s + self._rules.max_push_age_s < block_time_s:
            self._close(row, "expired", "the store no longer takes this round_time")
        elif resend or row.state == "prepared":
            await self._send(row)
        elif self._now_ms() - row.made_ms > self._rules.bump_after_s * 1_000 * (1 + self._bumps):
            await self._bump(row)

    async def _bump(self, row: PushRow) -> None:
        """Same batch, same nonce, higher fees: only one of the two can land."""
        batch = self._current
        if batch is None or batch.round_time_s != row.round_s:
            await self._send(row)
            return
        self._bumps += 1
        try:
            signed = await self._client.prepare(batch, row.nonce, above=self._waiting_fees(row.nonce))
        except ChainError as e:
            _log.warning("fee not raised", target=self.target, nonce=row.nonce, why=str(e))
            return
        _log.info("fee raised", target=self.target, nonce=row.nonce, times=self._bumps)
        await self._send(self._write(batch, signed.nonce, signed.tx_hash, signed.raw))

    def _finish(self, row: PushRow, landed: Landed) -> None:
        state = "landed" if landed.ok else "reverted"
        self._journal.update_push(
            row.id,
            state=state,
            landed_ms=self._now_ms(),
            block=landed.block,
            block_hash=landed.block_hash,
            gas_used=landed.gas_used,
        )
        for other in self._journal.pushes(self.target, OPEN):
            if other.nonce == row.nonce:
                self._close(other, "replaced", f"{row.tx_hash} with the same nonce landed")
        if not landed.ok:
            _log.error(
                "push reverted: the store refused it", target=self.target, tx=row.tx_hash, round_time=row.round_s
            )
            return
        for index, item in split(row.items).items():
            fresh = decode_item(item, row.round_s)[1]
            if index not in self.stored or self.stored[index].round_time_s < row.round_s:
                self.stored[index] = fresh
        self._on_landed(replace(row, state=state, block=landed.block, landed_ms=self._now_ms()))

    def _close(self, row: PushRow, state: str, note: str) -> None:
        _log.warning("push given up", target=self.target, tx=row.tx_hash, round_time=row.round_s, state=state, why=note)
        self._journal.update_push(row.id, state=state, note=note)

    async def _recheck(self) -> None:
        """A push that a reorganisation took out of the chain is under way again, and the store is read anew."""
        head, _ = await self._client.block()
        gone = False
        for row in self._journal.pushes(self.target, ("landed",), since_s=self._now_ms() // 1_000 - 3_600):
            if row.block is not None and row.block <= head - self._rules.confirmations:
                continue
            landed = await self._client.receipt(row.tx_hash)
            if landed is None:
                gone = True
                _log.warning("a reorganisation took a push out", target=self.target, tx=row.tx_hash, block=row.block)
                self._journal.update_push(row.id, state="sent", note="taken out by a reorganisation", block=None)
                await self._settle(replace(row, state="sent"), resend=True)
            elif landed.block_hash != row.block_hash:
                self._journal.update_push(row.id, block=landed.block, block_hash=landed.block_hash)
        if gone:
            for index in list(self.stored):
                held = await self._client.stored(index)
                if held is None:
                    del self.stored[index]
                else:
                    self.stored[index] = held
