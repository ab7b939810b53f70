"""What became of a push: written to the journal, logged, counted, and learnt from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import structlog

from oracle.chain.multicall_push import ran_out
from oracle.chain.next_signers import ARM
from oracle.chain.rpc_answers import Receipt
from oracle.chain.transaction import data_of
from oracle.model.publication import PushRow, PushState
from oracle.model.types import Report
from oracle.push.ramp_pokes import RampPokes
from oracle.push.sending.learned_limits import LearnedLimits
from oracle.report.wire import split_items

MOST_NOTE = 200
"""Characters of a node's or the store's words that are kept."""
_WITHOUT_EFFECT = (PushState.REVERTED, PushState.OVERTAKEN)
_log = structlog.get_logger("oracle.push.sending.push_records")


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


class PushRecords:
    """The outcomes of one target's pushes.

    Args:
        target: its name in the config.
        journal: where pushes are written down.
        now_ms: the clock.
        on_failed: called for every push that did not land, with one of a small set of words.
        on_spent: called with the wei of every transaction that is in the chain, whatever it did.
        ramp_pokes: learn which views were poked.
        learned: learns from what landed.
    """

    def __init__(
        self,
        target: str,
        journal: PushJournal,
        *,
        now_ms: Callable[[], int],
        on_failed: Callable[[str], None],
        ramp_pokes: RampPokes,
        learned: LearnedLimits,
        on_spent: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._on_spent = on_spent
        self._target, self._journal, self._now_ms, self._on_failed = target, journal, now_ms, on_failed
        self._ramp_pokes, self._learned = ramp_pokes, learned
        self._landed: deque[PushRow] = deque()

    def next_landed(self) -> PushRow | None:
        """The first push that landed and was not asked for yet; None where there is none."""
        return self._landed.popleft() if self._landed else None

    def mined(self, row: PushRow, receipt: Receipt, state: PushState, stored: Mapping[int, Report] | None) -> None:
        """A transaction is in the chain, and none of its nonce was before.

        Args:
            row: of the journal.
            receipt: of the transaction.
            state: what became of it.
            stored: what the store holds after it, by feed index; None where nobody knows.
        """
        out_of_gas = ran_out(row.raw, receipt.gas_used) if state in _WITHOUT_EFFECT else None
        written = self.write(row, receipt, state, out_of_gas)
        self._on_spent(receipt.fee_wei)
        if is_arming(row):
            self._log_arming(row, state)
            return
        self._ramp_pokes.note_outcome(row, receipt, stored)
        if state == PushState.REVERTED:
            _log.error(
                "push reverted: " + (out_of_gas or ("the contract" if receipt.is_call else "the store") + " refused it"), target=self._target, tx=row.tx_hash,
                round_time=row.round_s, news=True,
            )  # fmt: skip
        elif state == PushState.OVERTAKEN:
            _log.info(
                "somebody else brought this round to the store first", target=self._target, tx=row.tx_hash,
                round_time=row.round_s, gas=receipt.gas_used,
            )  # fmt: skip
        if state in _WITHOUT_EFFECT:
            self._on_failed("out_of_gas" if out_of_gas else state.value)
        if state == PushState.LANDED:
            self._learned.note_landed()
            self._landed.append(written)

    def write(self, row: PushRow, receipt: Receipt, state: PushState, note: str | None = None) -> PushRow:
        """Write where in the chain a transaction is; returns the row as it is then."""
        changes: dict[str, Any] = {
            "state": state,
            "landed_ms": row.landed_ms or self._now_ms(),
            "block": receipt.block,
            "block_hash": receipt.block_hash,
            "gas_used": receipt.gas_used,
            "note": note,
        }
        self._journal.update_push(row.id, **changes)
        return replace(row, **changes)

    def taken_out(self, row: PushRow) -> None:
        """A reorganisation took a transaction out of the chain: it may come back."""
        _log.warning(
            "a reorganisation took a push out", target=self._target, tx=row.tx_hash, block=row.block, news=True
        )
        self._journal.update_push(
            row.id, state=PushState.SENT, note="taken out by a reorganisation", block=None, block_hash=None,
            landed_ms=None, gas_used=None,
        )  # fmt: skip

    def give_up(self, row: PushRow, state: PushState, note: str) -> None:
        """A transaction is not sent again."""
        _log.warning(
            "push given up",
            target=self._target,
            tx=row.tx_hash,
            round_time=row.round_s,
            state=state.value,
            why=note,
            news=True,
        )
        self._journal.update_push(row.id, state=state, note=note[:MOST_NOTE])

    def make_final(self, rows: Sequence[PushRow]) -> None:
        """Nothing can change the outcome of these any more."""
        for row in rows:
            self._journal.update_push(row.id, final=1)

    def _log_arming(self, row: PushRow, state: PushState) -> None:
        if state == PushState.ARMED:
            _log.warning("the next signer set is armed", target=self._target, tx=row.tx_hash, news=True)
            return
        self._on_failed(state.value)
        _log.error(
            "the next signer set was not armed by this transaction: somebody else was first, the owner has set another"
            " one, or its time was too near; looked at again",
            target=self._target, tx=row.tx_hash, news=True,
        )  # fmt: skip


def is_arming(row: PushRow) -> bool:
    """Whether a row is not a push but the call that arms the next signer set."""
    return data_of(row.raw)[:4] == ARM


def outcome_of(row: PushRow, receipt: Receipt, held: Mapping[int, Report] | None) -> PushState:
    """One of the states `DONE`.

    Args:
        row: of the journal.
        receipt: of its transaction.
        held: what the store held of its items after that block, by feed index; None where nobody knows.
    """
    if receipt.is_call:
        return PushState.CALLED if receipt.succeeded else PushState.REVERTED
    if is_arming(row):
        return PushState.ARMED if receipt.succeeded and receipt.armed else PushState.REVERTED
    if not row.items:
        return PushState.POKED if receipt.succeeded and receipt.poked else PushState.REVERTED
    if receipt.ok:
        return PushState.LANDED
    had_all = held is not None and all(
        i in held and held[i].round_time_s >= row.round_s for i in split_items(row.items)
    )
    return PushState.OVERTAKEN if had_all else PushState.REVERTED
