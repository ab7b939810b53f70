"""Push: journalled before it is broadcast, watched until it is deep in the chain, never sent twice.

One nonce is under way at a time. All transactions made for a nonce compete: whichever of them lands, its row says so
and the others are replaced; all are watched until the winner is deep. A crash at any point is reconciled at the next
start, a reorganisation at the next look: what was journalled is found on the chain, sent again as the same bytes while
the store would still take it, or given up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Protocol

import structlog

from feeds.units import MS
from oracle.chain.multicall_push import ran_out, unwrap
from oracle.chain.next_signers import ARM
from oracle.chain.node_refusals import ACTS, Act, Sent
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.rpc_answers import BlockHead, Receipt
from oracle.chain.store_client import FeeTooHigh, NothingToPoke, StoreClient, StoreRefuses, push_data
from oracle.chain.transaction import SignedTx, data_of
from oracle.model.publication import PushRow
from oracle.model.types import Report
from oracle.push.learned_limits import LearnedLimits
from oracle.push.ramp_pokes import RampPokes
from oracle.push.rebroadcast import UNCHANGED, RebroadcastPolicy
from oracle.push.replacement import ReplacementPolicy
from oracle.report.wire import decode_items, split_items
from oracle.sign.messages import SignedBatch

OPEN = ("prepared", "sent")
DONE = ("landed", "reverted", "overtaken", "poked", "armed")
"""In the chain. Landed: the store took it. Overtaken: the store had all of it by then, from somebody else. Poked: pokes
alone. Armed: no prices, the next signer set takes over. Reverted: anything else."""
_STATE_KEPT = 64
"""Blocks that every endpoint keeps the state of: half of what geth does by default."""
_NOTE = 200
_log = structlog.get_logger("oracle.push.pusher")


class PushJournal(Protocol):
    """Where pushes are written down; each call returns once it is on disk."""

    def add_push(self, row: PushRow) -> PushRow:
        """Write a new push; returns it with its id."""

    def update_push(self, push_id: int, **changes: Any) -> None:
        """Write what became of it."""

    def watched_pushes(self, target: str) -> list[PushRow]:
        """Pushes of a target whose outcome may still change, ascending by nonce, then by id."""

    def add_refusal(self, at_ms: int, target: str, round_s: int, items: bytes, why: str, error: str) -> None:
        """Write that a batch was not sent, and why."""


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
        on_failed: told of every push that did not, with one of a small set of words.
        turns: views that are poked with a push; none without it.
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
        turns: RampPokes | None = None,
    ) -> None:
        self.target = target
        self.stored: dict[int, Report] = {}
        self.strangers = 0
        self.lessons = LearnedLimits()
        self._client = client
        self._journal = journal
        self._rules = rules
        self._now_ms = now_ms
        self._on_landed, self._on_failed = on_landed, on_failed
        self._turns = turns or RampPokes(target)
        self._indexes: tuple[int, ...] = ()
        self._next = 0
        self._fresh_start = True
        self._seen_block = 0
        self._waiting = ReplacementPolicy(rules.bump_after_s, now_ms)
        self._patience = RebroadcastPolicy(rules.bump_after_s, now_ms)
        self._urgent: set[int] = set()
        self._settled = False
        self._unwatched = -1
        self._gone_at: dict[int, int] = {}
        self._landed: list[PushRow] = []

    @property
    def busy(self) -> bool:
        """Whether a push that can land is under way."""
        return any(r.state in OPEN and r.nonce <= self._next for r in self._journal.watched_pushes(self.target))

    @property
    def under_way(self) -> frozenset[tuple[int, int]]:
        """(feed index, status) of all items that are under way."""
        rows = [r for r in self._journal.watched_pushes(self.target) if r.state in OPEN]
        reports = [item for r in rows for item in decode_items(r.items, r.round_s).items()]
        return frozenset((index, int(report.status)) for index, report in reports)

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
        held = await asyncio.gather(*(self._client.stored(i, head.number) for i in self._indexes))
        self.stored = {i: report for i, report in zip(self._indexes, held, strict=True) if report is not None}
        return replace(head, time_s=self._next_time_s(head))

    async def submit(self, batch: SignedBatch, why: str = "", *, urgent: bool = False) -> PushRow | None:
        """Push a batch: sign the transaction, journal it, broadcast it.

        Returns:
            The journalled row; None while another push is under way, unless this one is urgent: then it takes the same
            nonce for more, so that either lands and never both.

        Raises:
            ChainError: it would fail, the fee is above the limit, or no endpoint answers. The refusal is journalled.
        """
        try:
            _, nonce = await self._view()
            if self.busy and not urgent:
                return None
            views = self._turns.due(self.stored, batch)
            signed = await self._prepare(push_data(batch), nonce, views, urgent=urgent)
        except RuntimeError as e:
            self._journal.add_refusal(self._now_ms(), self.target, batch.round_time_s, batch.items, why, str(e)[:_NOTE])
            raise
        if urgent:
            self._urgent.add(nonce)
        row = self._row(signed, batch.round_time_s, batch.items, why)
        return await self._send(
            self._journal.add_push(replace(row, signers=",".join(a.hex() for a in batch.addresses)))
        )

    async def poke(self, round_s: int) -> PushRow | None:
        """Tell the views of a turn that somebody else brought, in a transaction without a push. None where none is owed.

        Raises:
            ChainError: the base fee is above the limit, or no endpoint answers.
        """
        views = () if self.busy else self._turns.owed(self.stored, round_s)
        if not views:
            return None
        _, nonce = await self._view()
        try:
            signed = await self._prepare(b"", nonce, views)
        except NothingToPoke:
            self._turns.give_up()
            return None
        row = self._row(signed, round_s, b"", "pokes: another one's push has turned a feed")
        return await self._send(self._journal.add_push(row))

    async def arm(self, call: bytes, why: str) -> PushRow | None:
        """Have the next signer set armed, in a transaction of its own. None while a push is under way: that goes first.

        It is journalled and watched as a push; too old for one, it is given up and can be made anew.

        Args:
            call: calldata of PriceStore.arm.
            why: what is written down.

        Raises:
            StoreRefuses: the store would not take it.
            ChainError: the base fee is above the limit, or no endpoint answers.
        """
        if self.busy:
            return None
        head, nonce = await self._view()
        signed = await self._prepare(call, nonce, ())
        return await self._send(self._journal.add_push(self._row(signed, self._next_time_s(head), b"", why)))

    def _row(self, signed: SignedTx, round_s: int, items: bytes, why: str) -> PushRow:
        return PushRow(
            id=0, target=self.target, chain_id=self._client.domain.chain_id, round_s=round_s, items=items,
            nonce=signed.nonce, tx_hash=signed.tx_hash, raw=signed.raw, state="prepared", made_ms=self._now_ms(), why=why,
        )  # fmt: skip

    async def poll(self) -> None:
        """Look at everything whose outcome may still change, nonce by nonce."""
        rows = self._journal.watched_pushes(self.target)
        if not self._client.pays:
            self._tell_unwatched(sum(r.state in OPEN for r in rows))
        elif rows:
            head, _ = await self._view()
            reorged, self._settled = False, False
            for nonce, group in groupby(rows, key=lambda r: r.nonce):
                reorged |= await self._look(nonce, list(group), head)
            if reorged or self._settled:
                # what the store made of it: prices that moved too far are held back there
                with contextlib.suppress(ChainError):
                    await self.refresh()
        while self._landed:
            self._on_landed(self._landed.pop(0))
        self._fresh_start = False

    def _tell_unwatched(self, open_: int) -> None:
        """Once for each number of them: what was sent may still land, and the nonce belongs to a key that is not here."""
        if open_ and open_ != self._unwatched:
            _log.warning(
                "pushes are open, and nobody watches them without the gas key", target=self.target, pushes=open_,
                why=self._client.keyless,
            )  # fmt: skip
        self._unwatched = open_

    async def _view(self) -> tuple[BlockHead, int]:
        """The newest block and the next nonce by what is mined up to it."""
        head, self._next = await self._client.view()
        self._waiting.see(self._not_behind(head))
        return head, self._next

    def _not_behind(self, head: BlockHead) -> BlockHead:
        """A view from before a push that is known to have landed would make it look lost.

        Raises:
            ChainError: the endpoints that answer are behind.
        """
        rows = self._journal.watched_pushes(self.target)
        self._seen_block = max(self._seen_block, *(r.block or 0 for r in rows if r.state in DONE), 0)
        if head.number < self._seen_block:
            raise ChainError(
                f"the endpoints stand at block {head.number}, a push landed in block {self._seen_block}: they are behind,"
                " or this is another chain with the same id (then use another database)"
            )
        return head

    def _next_time_s(self, head: BlockHead) -> int:
        """What a block made now would have for its time."""
        return max(head.time_s, self._now_ms() // MS)

    async def _prepare(
        self,
        data: bytes,
        nonce: int,
        views: Sequence[bytes],
        *,
        urgent: bool = False,
        dear: bool = False,
        starved: PushRow | None = None,
    ) -> SignedTx:
        rows = [r for r in self._journal.watched_pushes(self.target) if r.nonce == nonce]
        above, at_s = self._waiting.above(rows, starved), self._now_ms() // MS
        how = self.lessons.mood(urgent=urgent or nonce in self._urgent, dear=dear)
        made = await self._client.prepare(data, nonce, views=views, above=above, at_s=at_s, mood=how)
        if above is not None:
            self._waiting.risen(nonce)
        return made

    # --- one nonce -----------------------------------------------------------------------------------------------

    async def _look(self, nonce: int, group: list[PushRow], head: BlockHead) -> bool:
        """Bring the rows of a nonce up to date; whether a reorganisation took one of them out."""
        receipts = await asyncio.gather(*(self._client.receipt(r.tx_hash) for r in group))
        found = next(((r, got) for r, got in zip(group, receipts, strict=True) if got is not None), None)
        if found is not None:
            self._gone_at.pop(nonce, None)
            return await self._settle(*found, group, head)
        if await self._still_there(group):
            return False  # an endpoint that is behind knows no receipt yet
        lost = self._take_back(group)
        if self._next > nonce:
            self._taken(nonce, group, head)
        else:
            await self._press(group, head, again=lost or self._fresh_start)
        return lost

    async def _settle(self, row: PushRow, landed: Receipt, group: Sequence[PushRow], head: BlockHead) -> bool:
        """One of them landed: the others never will, unless the chain changes its mind before it is deep."""
        before = next((r for r in group if r.state in DONE), None)
        if before is None or before.id != row.id or before.block_hash != landed.block_hash:
            then = await self._held_then(row, landed, head)
            state = _state(row, landed, then)
            if before is None or before.id != row.id:
                if before is not None:
                    self._turns.forget()
                self._finish(row, landed, state, then)
            else:
                self._write(row, landed, state)
        for other in group:
            if other.id != row.id and other.state in (*OPEN, *DONE):
                self._close(other, "replaced", f"{row.tx_hash} with the same nonce landed")
        if head.number >= landed.block + self._rules.confirmations:
            self._end(group)
        return before is not None and before.block_hash != landed.block_hash

    async def _held_then(self, row: PushRow, landed: Receipt, head: BlockHead) -> Mapping[int, Report] | None:
        """What the store held of a push's items after the block that the push is in, where that tells what became of it.

        None where it cannot be read any more: the process was away, and the endpoints keep no state so old.
        """
        if landed.ok or not row.items:
            return {}
        try:
            held = {i: await self._client.stored(i, landed.block) for i in split_items(row.items)}
        except ChainError:
            if head.number < landed.block + _STATE_KEPT:
                raise
            return None
        return {i: report for i, report in held.items() if report is not None}

    async def _still_there(self, group: Iterable[PushRow]) -> bool:
        """Whether the block that a push landed in is in the chain as before."""
        done = next((r for r in group if r.state in DONE and r.block is not None), None)
        return done is not None and await self._client.block_hash(done.block or 0) == done.block_hash

    def _take_back(self, group: Iterable[PushRow]) -> bool:
        gone = [r for r in group if r.state in DONE]
        for row in gone:
            self._turns.forget()
            _log.warning("a reorganisation took a push out", target=self.target, tx=row.tx_hash, block=row.block)
            self._journal.update_push(
                row.id, state="sent", note="taken out by a reorganisation", block=None, block_hash=None,
                landed_ms=None, gas_used=None,
            )  # fmt: skip
        return bool(gone)

    def _taken(self, nonce: int, group: Sequence[PushRow], head: BlockHead) -> None:
        """The nonce is used, by no transaction of ours. Believed at the second look: receipts may come later."""
        first = self._gone_at.get(nonce)
        if first is None:
            self._gone_at[nonce] = head.number
            return
        for row in (r for r in group if r.state in (*OPEN, *DONE)):
            self.strangers += 1
            self._close(row, "replaced", "another transaction took its nonce: does another process use this gas key?")
            self._on_failed("nonce_taken")
        if head.number >= first + self._rules.confirmations:
            self._end(group)

    async def _press(self, group: Sequence[PushRow], head: BlockHead, *, again: bool) -> None:
        """Nothing landed yet: give up what is too old, send again, or raise the fee of the newest.

        What a node has ages with the chain: while no block is made, nothing better could land either, and a successor
        would have to pay more. What no node may have ages with the clock.
        """
        live = []
        for row in (r for r in group if r.state in (*OPEN, *DONE)):
            held = row.state == "sent" and not again
            if row.round_s + self._rules.max_push_age_s < (head.time_s if held else self._next_time_s(head)):
                self._close(row, "expired", "too old: the store no longer takes a push of this time")
                self._on_failed("expired")
            else:
                live.append(row)
        if not live:
            return
        newest = live[-1]
        wait, act = self._waiting.of(newest, head), self._patience.act(newest.id)
        passed_by = newest.state == "sent" and self._waiting.is_passed_by(wait, head)
        if act in (Act.RAISE, Act.REBUILD) or passed_by:
            if self._may_make_anew(newest, group, head):
                wait.since_ms = wait.told_ms = self._now_ms()
                await self._make_anew(newest)
        elif act is not Act.NOTHING and (again or newest.state == "prepared" or self._waiting.is_over(wait.told_ms)):
            wait.told_ms = self._now_ms()
            await self._send(newest)  # no block has passed it by, so it is not the fee: a node may have lost it

    def _may_make_anew(self, row: PushRow, group: Sequence[PushRow], head: BlockHead) -> bool:
        """Whether a successor could still land with the next block, and may offer more, if more it has to be."""
        lands_s = self._next_time_s(head) + self._waiting.block_s
        if row.round_s + self._rules.max_push_age_s < lands_s:
            return False
        return self._waiting.above(group, self._starved(row)) is None or self._waiting.may_rise(row.nonce)

    def _starved(self, row: PushRow) -> PushRow | None:
        return row if self._patience.said(row.id) is Sent.BELOW_BASE_FEE else None

    async def _make_anew(self, row: PushRow) -> None:
        """Same call, same nonce, simulated anew, with the fees of now, above what waits: only one of them can land."""
        try:
            push, views = unwrap(data_of(row.raw))
            dear = self._patience.said(row.id) in (None, Sent.UNDERPRICED, Sent.REPLACEMENT)
            signed = await self._prepare(push, row.nonce, views, dear=dear, starved=self._starved(row))
        except (StoreRefuses, NothingToPoke) as e:
            self._close(row, "expired", str(e))
            self._on_failed(e.name if isinstance(e, StoreRefuses) else "nothing_to_poke")
            return
        except FeeTooHigh as e:
            _log.warning("fee not raised", target=self.target, nonce=row.nonce, why=str(e))
            self._on_failed("fee_too_high")
            await self._keep(row)
            return
        except ChainError as e:
            _log.warning("fee not raised", target=self.target, nonce=row.nonce, why=str(e)[:_NOTE])
            return
        if signed.tx_hash == row.tx_hash:  # at the ceiling, or at the market already
            await self._keep(row)
            return
        self._patience.forget(row.id)
        _log.info("push made anew", target=self.target, nonce=row.nonce)
        fresh = replace(row, id=0, tx_hash=signed.tx_hash, raw=signed.raw, state="prepared", made_ms=self._now_ms())
        await self._send(self._journal.add_push(replace(fresh, note=None, taken=0)))

    async def _keep(self, row: PushRow) -> None:
        """It cannot be made anew: what nobody understands is given up, the rest goes again, slower and slower."""
        act = self._patience.act(row.id)
        self._patience.stuck(row.id)
        if act is Act.REBUILD:
            self._refuse(
                row,
                "no node takes it, for reasons not understood, and neither market nor ceiling leave anything to change",
            )
        elif act is not Act.NOTHING:
            await self._send(row)

    async def _send(self, row: PushRow) -> PushRow:
        got = await self._client.broadcast(row.raw)
        if got.sent is Sent.TAKEN:
            self._patience.forget(row.id)
            self._journal.update_push(row.id, state="sent", note=None, taken=1)
            return replace(row, state="sent", note=None, taken=1)
        if got.sent is Sent.REPLACEMENT:
            self._waiting.is_held(row.nonce)
        sends = self._patience.refused(row.id, got.sent)
        note, act = f"{got.sent}: {got.text}"[:_NOTE], ACTS[got.sent]
        self._on_failed(got.sent.value.replace(" ", "_"))
        self._journal.update_push(row.id, note=note)
        told = _log.error if sends >= UNCHANGED and got.sent is Sent.UNKNOWN else _log.warning
        told(
            "no node takes a push", target=self.target, nonce=row.nonce, sends=sends, what_now=act.value,
            nodes=got.text[:_NOTE],
        )  # fmt: skip
        if act is Act.GIVE_UP and row.state == "prepared":
            self.lessons.refused(len(split_items(row.items)), got.sent)
            self._refuse(row, note)
            return replace(row, state="refused", note=note)
        return row

    def _refuse(self, row: PushRow, note: str) -> None:
        self._patience.forget(row.id)
        self._close(row, "refused", note)

    # --- what is written down ------------------------------------------------------------------------------------

    def _write(self, row: PushRow, landed: Receipt, state: str, note: str | None = None) -> PushRow:
        changes: dict[str, Any] = {
            "state": state,
            "landed_ms": row.landed_ms or self._now_ms(),
            "block": landed.block,
            "block_hash": landed.block_hash,
            "gas_used": landed.gas_used,
            "note": note,
        }
        self._journal.update_push(row.id, **changes)
        return replace(row, **changes)

    def _finish(self, row: PushRow, landed: Receipt, state: str, then: Mapping[int, Report] | None) -> None:
        self._settled = True
        short = ran_out(row.raw, landed.gas_used) if state in ("reverted", "overtaken") else None
        done = self._write(row, landed, state, short)
        if _arms(row):
            self._say_armed(row, state)
            return
        self._turns.settled(row, landed, None if then is None else {**self.stored, **then})
        if state == "reverted":
            _log.error(
                "push reverted: " + (short or "the store refused it"), target=self.target, tx=row.tx_hash,
                round_time=row.round_s,
            )  # fmt: skip
        elif state == "overtaken":
            _log.info(
                "somebody else brought this round to the store first", target=self.target, tx=row.tx_hash,
                round_time=row.round_s, gas=landed.gas_used,
            )  # fmt: skip
        if state in ("reverted", "overtaken"):
            self._on_failed("out_of_gas" if short else state)
        if state == "landed":
            self.lessons.landed()
            self._landed.append(done)

    def _say_armed(self, row: PushRow, state: str) -> None:
        if state == "armed":
            _log.warning("the next signer set is armed", target=self.target, tx=row.tx_hash)
            return
        self._on_failed(state)
        _log.error(
            "the next signer set was not armed by this transaction: somebody else was first, the owner has set another"
            " one, or its time was too near; looked at again",
            target=self.target, tx=row.tx_hash,
        )  # fmt: skip

    def _close(self, row: PushRow, state: str, note: str) -> None:
        _log.warning("push given up", target=self.target, tx=row.tx_hash, round_time=row.round_s, state=state, why=note)
        self._journal.update_push(row.id, state=state, note=note[:_NOTE])

    def _end(self, group: Sequence[PushRow]) -> None:
        """The nonce is settled for good."""
        for row in group:
            self._journal.update_push(row.id, final=1)
        nonce = group[0].nonce
        self._waiting.end(nonce)
        self._gone_at.pop(nonce, None)
        self._urgent.discard(nonce)


def _arms(row: PushRow) -> bool:
    """Whether a row is no push but the call that arms the next signer set."""
    return data_of(row.raw)[:4] == ARM


def _state(row: PushRow, landed: Receipt, then: Mapping[int, Report] | None) -> str:
    """What became of a transaction that is in the chain, see ``DONE``. ``then``: what the store held of its items."""
    if _arms(row):
        return "armed" if landed.succeeded and landed.armed else "reverted"
    if not row.items:
        return "poked" if landed.succeeded and landed.poked else "reverted"
    if landed.ok:
        return "landed"
    had = then is not None and all(i in then and then[i].round_time_s >= row.round_s for i in split_items(row.items))
    return "overtaken" if had else "reverted"
