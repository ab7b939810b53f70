"""How often bytes that no node took go again as they are, and when they are made anew. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from feeds.units import MS
from oracle.chain.node_refusals import ACTION_OF, SendAction, SendOutcome

UNCHANGED = 2
"""Times that bytes are sent which a node refuses in words that say nothing of when it would take them."""


@dataclass(slots=True, kw_only=True)
class _Refused:
    """The last refusal of a transaction: its kind, how often the bytes were sent, when they may go again."""

    outcome: SendOutcome
    sends: int
    again_ms: int
    stuck: bool = False


class RebroadcastPolicy:
    """What was refused, by the row of the journal. Forgotten with the process: a restart sends once and learns anew.

    Args:
        longest_s: pause between two sends of the same bytes at most.
        now_ms: the clock.
    """

    def __init__(self, longest_s: int, now_ms: Callable[[], int]) -> None:
        self._longest_ms = longest_s * MS
        self._now_ms = now_ms
        self._refused: dict[int, _Refused] = {}

    def note_refused(self, row_id: int, outcome: SendOutcome) -> int:
        """No node took a transaction; returns how often it was sent by now."""
        before = self._refused.get(row_id)
        sends = before.sends + 1 if before is not None else 1
        pause_ms = min(self._longest_ms, MS << min(sends - 1, 16))
        stuck = before is not None and before.stuck
        self._refused[row_id] = _Refused(outcome=outcome, sends=sends, again_ms=self._now_ms() + pause_ms, stuck=stuck)
        return sends

    def last_refusal(self, row_id: int) -> SendOutcome | None:
        """The kind of the last refusal; None where nothing is refused."""
        refused = self._refused.get(row_id)
        return None if refused is None else refused.outcome

    def note_stuck(self, row_id: int) -> None:
        """Made anew it would be the same bytes, at the ceiling or at the market's fees: tried again after each pause."""
        if row_id in self._refused:
            self._refused[row_id].stuck = True

    def forget(self, row_id: int) -> None:
        """A node took it, or it has ended."""
        self._refused.pop(row_id, None)

    def action(self, row_id: int) -> SendAction | None:
        """What to do about a refusal now; None where there was none."""
        refused = self._refused.get(row_id)
        if refused is None:
            return None
        act = ACTION_OF[refused.outcome]
        if act is SendAction.RAISE:
            return SendAction.RAISE if not refused.stuck or self._now_ms() >= refused.again_ms else SendAction.NOTHING
        if act is SendAction.REBUILD:
            return SendAction.REBUILD if refused.sends >= UNCHANGED else SendAction.AGAIN
        return SendAction.AGAIN if self._now_ms() >= refused.again_ms else SendAction.NOTHING
