"""What became of a transaction that is in the chain. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from oracle.chain.next_signers import ARM
from oracle.chain.rpc_answers import Receipt
from oracle.chain.transaction import data_of
from oracle.model.publication import PushRow, PushState
from oracle.model.types import Report
from oracle.report.wire import split_items


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
