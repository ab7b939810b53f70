"""What may wait at the nodes for a nonce: since when, what its successor has to pay, and how often that may rise.

Only bytes that a node has taken have to be outbid. What was refused waits nowhere: it is made anew for what the market
asks now, however often it was refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from feeds.units import MS
from oracle.chain.rpc_answers import BlockHead
from oracle.chain.transaction import Fees
from oracle.model.publication import PushRow, PushState
from oracle.runtime.clock import is_over

_LEFT_OUT_BLOCKS = 2
"""Blocks that must have left a transaction out before its fee is raised: the first may have been made before it came."""
_LONGEST_BLOCK_S = 12
"""A chain that makes blocks on demand has no pace of its own: it is taken for no slower than the slowest of the others."""


@dataclass(slots=True, kw_only=True)
class NonceWait:
    """How long the newest transaction of a nonce has waited: since when by the clock, and since which block.

    ``sent_ms`` is when the nodes last got it.
    """

    row_id: int
    since_ms: int
    block: int
    sent_ms: int


class ReplacementPolicy:
    """The nonces of one gas key. Times and pace are forgotten with the process; what a node took is in the journal.

    Args:
        bump_after_s: a transaction waits so long before it is raised, and a nonce is raised no more often than that.
        now_ms: the clock.
    """

    def __init__(self, bump_after_s: int, now_ms: Callable[[], int]) -> None:
        self._limit_ms = bump_after_s * MS
        self._now_ms = now_ms
        self._waits: dict[int, NonceWait] = {}
        self._held_nonces: set[int] = set()
        self._raised_ms: dict[int, int] = {}
        self._first_head: BlockHead | None = None
        self.block_s = 1

    def note_block(self, head: BlockHead) -> None:
        """Learn how far blocks lie apart, s rounded up."""
        first = self._first_head = self._first_head or head
        if head.number > first.number:
            apart_s = -(-(head.time_s - first.time_s) // (head.number - first.number))
            self.block_s = max(1, min(apart_s, _LONGEST_BLOCK_S))

    def wait_of(self, row: PushRow, head: BlockHead) -> NonceWait:
        """The wait of the newest transaction of a nonce; it begins with the first look."""
        wait = self._waits.get(row.nonce)
        if wait is None or wait.row_id != row.id:
            at_ms = row.made_ms
            wait = self._waits[row.nonce] = NonceWait(row_id=row.id, since_ms=at_ms, block=head.number, sent_ms=at_ms)
        return wait

    def is_left_out(self, wait: NonceWait, head: BlockHead) -> bool:
        """Whether blocks and time have left it out."""
        return head.number - wait.block >= _LEFT_OUT_BLOCKS and self.is_over(wait.since_ms)

    def is_over(self, since_ms: int) -> bool:
        """Whether ``bump_after_s`` have passed."""
        return is_over(since_ms, self._limit_ms, self._now_ms())

    def to_outbid(self, rows: Sequence[PushRow], starved: PushRow | None = None) -> Fees | None:
        """The highest fees that have to be outbid; None where nothing waits.

        Given up here, it may still wait at a node. Where a node says that it holds another transaction of the nonce, any
        of ours may be that one, unless no node will ever take it.

        Args:
            rows: all that was made for one nonce.
            starved: of these, the one whose maximum was below the base fee: only its maximum is to be higher.
        """
        held = [Fees.of(r.raw) for r in rows if self._is_held(r)]
        least = [Fees(tip_wei=0, max_wei=Fees.of(starved.raw).max_wei)] if starved is not None else []
        if not held and not least:
            return None
        return Fees(
            tip_wei=max(f.tip_wei for f in (*held, *least)),
            max_wei=max(f.max_wei for f in (*held, *least)),
        )

    def _is_held(self, row: PushRow) -> bool:
        return (
            bool(row.taken)
            or row.state == PushState.SENT
            or (row.nonce in self._held_nonces and row.state != PushState.REFUSED)
        )

    def note_held(self, nonce: int) -> None:
        """A node says that it has another transaction of this nonce."""
        self._held_nonces.add(nonce)

    def may_raise(self, nonce: int) -> bool:
        """Whether more may be offered than was: the first time at once, then each ``bump_after_s``."""
        return nonce not in self._raised_ms or self.is_over(self._raised_ms[nonce])

    def note_raised(self, nonce: int) -> None:
        """More was offered."""
        self._raised_ms[nonce] = self._now_ms()

    def end(self, nonce: int) -> None:
        """The nonce is settled for good."""
        self._waits.pop(nonce, None)
        self._raised_ms.pop(nonce, None)
        self._held_nonces.discard(nonce)
