"""When views have to be told which way their ramp goes: ModeView 4 moves up in depeg, holds in halt, else moves down.

A view sees no change of a status by itself (docs/contracts.md, `poke`). So it is poked in the transaction that turns it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

import structlog

from oracle.onchain.chain import Landed
from oracle.onchain.transaction import data_of
from oracle.onchain.wrapped import unwrap
from oracle.records import PushRow
from oracle.report import decode_item
from oracle.sign import SignedBatch, split
from oracle.status import Status
from oracle.types import Report

_log = structlog.get_logger("oracle.turns")


class Way(Enum):
    """Which way a ramp goes."""

    DOWN = 0
    HOLD = 1
    UP = 2


_WAYS = {Status.OK: Way.DOWN, Status.WATCH: Way.DOWN, Status.DEPEG: Way.UP, Status.HALT: Way.HOLD}
Ways = Mapping[int, Way]
"""By feed index."""


class Turns:
    """The views of one target, and the ways that they were last told of: unknown at first.

    What somebody else pushed, or a pause, has turned a feed too: the next push, of whatever feed, tells the views. A poke
    that fails is not tried again before the next turn; anybody may make up for it.

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
        fresh = dict(decode_item(item, batch.round_time_s) for item in split(batch.items).values())
        now, then = _ways(stored), _ways({**stored, **fresh})
        if now == then == self._told:
            return ()
        self._asked = batch.round_time_s, batch.items, then
        return self._views

    def settled(self, row: PushRow, landed: Landed) -> None:
        """A push of ours is in the chain: what the views know now. After one that failed with pokes the next goes alone.

        What an earlier run sent is poked for once more.
        """
        _, views = unwrap(data_of(row.raw))
        if not landed.ok:
            self._asked, self._alone = None, bool(views)
            return
        asked = self._asked
        if asked is not None and asked[:2] == (row.round_s, row.items):
            self._told, self._asked, views = asked[2], None, self._views
        for view in (v for v in views if v not in landed.poked):
            self._on_failed("0x" + view.hex())
            _log.error(
                "a view was not poked with the push that turns its ramp: anybody may call poke() on it, until then its"
                " ramp is reckoned from the last round",
                target=self._target, view="0x" + view.hex(), tx=row.tx_hash,
            )  # fmt: skip

    def forget(self) -> None:
        """A reorganisation took a push out: nobody knows what the views know."""
        self._told = None


def _ways(reports: Mapping[int, Report]) -> Ways:
    return {index: _WAYS[report.status] for index, report in reports.items()}
