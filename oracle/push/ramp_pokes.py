"""When views have to be told which way their ramp goes: ModeView 4 moves up in depeg, holds in halt, else moves down.

A view sees no change of a status by itself (docs/contracts.md, `poke`). So it is poked in the transaction that turns it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


_WAYS = {
    Status.OK: RampDirection.DOWN,
    Status.WATCH: RampDirection.DOWN,
    Status.DEPEG: RampDirection.UP,
    Status.HALT: RampDirection.HOLD,
}
Ways = Mapping[int, RampDirection]
"""By feed index."""


class RampPokes:
    """The views of one target, and the ways that they were last told of: unknown at first.

    What somebody else pushed, or a pause, has turned a feed too: the next push, of whatever feed, tells the views; where
    there is nothing to push, the pokes go alone. A poke that fails is not tried again before the next turn; anybody may
    make up for it.

    Args:
        target: its name in the config.
        views: addresses of ModeViews over its store.
        on_failed: told of each view that was not poked when it should have been, as 0x-hex.
    """

    def __init__(
        self, target: str, views: Sequence[bytes] = (), *, on_failed: Callable[[str], None] = lambda _: None
    ) -> None:
        self._target, self._views, self._on_failed = target, tuple(views), on_failed
        self._told: Ways | None = None
        self._asked: tuple[int, bytes, Ways] | None = None
        self._alone = False

    def due(self, stored: Mapping[int, Report], batch: SignedBatch) -> tuple[bytes, ...]:
        """The views to poke together with a batch: all where it, or what is stored, is another way than they know."""
        if not self._views or self._alone:
            self._alone = False
            return ()
        now, then = _ways(stored), _ways({**stored, **batch.reports})
        if now == then == self._told:
            return ()
        self._asked = batch.round_time_s, batch.items, then
        return self._views

    def owed(self, stored: Mapping[int, Report], round_s: int) -> tuple[bytes, ...]:
        """The views to poke though nothing is pushed: what is stored, whoever brought it, is another way than they know.

        Args:
            stored: what the store holds, by feed index.
            round_s: by which the transaction is known in the journal.
        """
        now = _ways(stored)
        if not self._views or not now or now == self._told:
            return ()
        self._asked = round_s, b"", now
        return self._views

    def give_up(self) -> None:
        """None of the views that were owed a poke can be poked: not tried again before the next turn."""
        if self._asked is not None:
            self._told, self._asked = self._asked[2], None
            self._missed(self._views, "")

    def settled(self, row: PushRow, landed: Receipt, now: Mapping[int, Report] | None = None) -> None:
        """A transaction of ours is in the chain: what the views know now.

        After a push that failed together with its pokes the next goes alone. What an earlier run sent is poked for once
        more.

        Args:
            row: of the journal.
            landed: its receipt.
            now: what the store holds after it, where its push failed; None where nobody knows.
        """
        push, views = unwrap(data_of(row.raw))
        asked = self._asked if self._asked is not None and self._asked[:2] == (row.round_s, row.items) else None
        if not landed.succeeded or (push and views and not landed.ok and not landed.poked):
            self._asked, self._alone = None, bool(push and views)
            if asked is not None and not push:
                self._told = asked[2]
                self._missed(views, row.tx_hash)
            return
        if asked is not None:
            self._asked, views = None, self._views
            self._told = asked[2] if landed.ok or not push else _known(now)
        self._missed([v for v in views if v not in landed.poked], row.tx_hash)

    def _missed(self, views: Sequence[bytes], tx_hash: str) -> None:
        for view in views:
            self._on_failed("0x" + view.hex())
            _log.error(
                "a view was not poked with the push that turns its ramp: anybody may call poke() on it, until then its"
                " ramp is reckoned from the last round",
                target=self._target, view="0x" + view.hex(), tx=tx_hash,
            )  # fmt: skip

    def forget(self) -> None:
        """A reorganisation took a push out: nobody knows what the views know."""
        self._told = None


def _ways(reports: Mapping[int, Report]) -> Ways:
    return {index: _WAYS[report.status] for index, report in reports.items()}


def _known(reports: Mapping[int, Report] | None) -> Ways | None:
    return None if reports is None else _ways(reports)
