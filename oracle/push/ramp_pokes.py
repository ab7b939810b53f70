"""When views have to be poked since their ramp changes direction: ModeView 4 moves up in depeg, holds in halt, else down.

A view sees no change of a status by itself (docs/contracts.md, `poke`). So it is poked in the transaction that changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import structlog

from oracle.chain.multicall_push import unwrap
from oracle.chain.rpc_answers import Receipt
from oracle.chain.transaction import data_of
from oracle.model.publication import PushRow
from oracle.model.status import Status
from oracle.model.types import Report
from oracle.sign.messages import SignedBatch

_log = structlog.get_logger("oracle.push.ramp_pokes")


class RampDirection(Enum):
    """Which way a ramp goes."""

    DOWN = 0
    HOLD = 1
    UP = 2


_DIRECTION_IN = {
    Status.OK: RampDirection.DOWN,
    Status.WATCH: RampDirection.DOWN,
    Status.DEPEG: RampDirection.UP,
    Status.HALT: RampDirection.HOLD,
}
RampDirections = Mapping[int, RampDirection]
"""By feed index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _SentPoke:
    """Pokes that are under way: of which transaction, and what the views know once it has landed."""

    round_s: int
    items: bytes
    directions: RampDirections

    def is_of(self, row: PushRow) -> bool:
        return (self.round_s, self.items) == (row.round_s, row.items)


class RampPokes:
    """The views of one target, and the directions that they know: unknown at first.

    What somebody else pushed, or a pause, changes a direction too: the next push, of whatever feed, tells the views; where
    there is nothing to push, the pokes go alone. A poke that fails is not tried again before the next change; anybody may
    make up for it.

    Args:
        target: its name in the config.
        views: addresses of ModeViews over its store.
        on_failed: called for each view that was not poked when it should have been, as 0x-hex.
    """

    def __init__(
        self, target: str, views: Sequence[bytes] = (), *, on_failed: Callable[[str], None] = lambda _: None
    ) -> None:
        self._target, self._views, self._on_failed = target, tuple(views), on_failed
        self._known: RampDirections | None = None
        self._sent: _SentPoke | None = None
        self._next_goes_alone = False

    def due_with(self, stored: Mapping[int, Report], batch: SignedBatch) -> tuple[bytes, ...]:
        """The views to poke together with a batch: all where it, or what is stored, has another direction than they know."""
        if not self._views or self._next_goes_alone:
            self._next_goes_alone = False
            return ()
        now, then = _directions(stored), _directions({**stored, **batch.reports})
        if now == then == self._known:
            return ()
        self._sent = _SentPoke(round_s=batch.round_time_s, items=batch.items, directions=then)
        return self._views

    def due_alone(self, stored: Mapping[int, Report], round_s: int) -> tuple[bytes, ...]:
        """The views to poke though nothing is pushed: what is stored has another direction than they know.

        Args:
            stored: what the store holds, by feed index, whoever pushed it.
            round_s: by which the transaction is known in the journal.
        """
        now = _directions(stored)
        if not self._views or not now or now == self._known:
            return ()
        self._sent = _SentPoke(round_s=round_s, items=b"", directions=now)
        return self._views

    def give_up(self) -> None:
        """None of the views can be poked alone: not tried again before the next change."""
        if self._sent is not None:
            self._known, self._sent = self._sent.directions, None
            self._report_missed(self._views, "")

    def note_outcome(self, row: PushRow, receipt: Receipt, stored: Mapping[int, Report] | None = None) -> None:
        """A transaction of ours is in the chain: what the views know now.

        After a push that failed together with its pokes the next goes alone. What an earlier run sent is poked for once
        more.

        Args:
            row: of the journal.
            receipt: of its transaction.
            stored: what the store holds after it, where its push failed; None where nobody knows.
        """
        push, views = unwrap(data_of(row.raw))
        sent = self._sent if self._sent is not None and self._sent.is_of(row) else None
        if not receipt.succeeded or (push and views and not receipt.ok and not receipt.poked):
            self._sent, self._next_goes_alone = None, bool(push and views)
            if sent is not None and not push:
                self._known = sent.directions
                self._report_missed(views, row.tx_hash)
            return
        if sent is not None:
            self._sent, views = None, self._views
            if receipt.ok or not push:
                self._known = sent.directions
            else:
                self._known = None if stored is None else _directions(stored)
        self._report_missed([v for v in views if v not in receipt.poked], row.tx_hash)

    def forget(self) -> None:
        """A reorganisation took a push out: nobody knows what the views know."""
        self._known = None

    def _report_missed(self, views: Sequence[bytes], tx_hash: str) -> None:
        for view in views:
            self._on_failed("0x" + view.hex())
            _log.error(
                "a view was not poked with the push that changes the direction of its ramp: anybody may call poke() on"
                " it, until then its ramp is counted from the last round",
                target=self._target, view="0x" + view.hex(), tx=tx_hash,
            )  # fmt: skip


def _directions(reports: Mapping[int, Report]) -> RampDirections:
    return {index: _DIRECTION_IN[report.status] for index, report in reports.items()}
