"""What a keeper may still spend: gas of the last day by its journal, and duties that came to nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oracle.chain.transaction import gas_of
from oracle.model.publication import OPEN, PushRow, PushState

_DAY_MS = 86_400_000
MOST_FAILED, MOST_DONE = 2, 4
"""Calls of one duty in a day: those that failed on chain, though they were tried out before, and those that went through. A duty has
another name when something has changed by it, so that one which is due again under its name is one that endpoints lie about."""
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 60_000, 3_600_000


@dataclass(frozen=True, slots=True)
class GasOfDay:
    """What the transactions of a keeper in the last 24 hours have used, and what those under way may use.

    Attributes:
        used: gas of all of them.
        tried: by duty, calls that failed on chain, and calls that went through.
    """

    used: int
    tried: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, rows: Sequence[PushRow], now_ms: int) -> GasOfDay:
        """By the rows of the journal; ``why`` of a row names the duty."""
        late = [r for r in rows if r.made_ms > now_ms - _DAY_MS]
        tried = dict[str, tuple[int, int]]()
        for row in late:
            failed, done = tried.get(row.why, (0, 0))
            tried[row.why] = failed + (row.state == PushState.REVERTED), done + (row.state == PushState.CALLED)
        return cls(sum(_gas(r) for r in late), tried)

    def is_spent(self, name: str) -> bool:
        """Whether a duty of this name has been paid for too often."""
        failed, done = self.tried.get(name, (0, 0))
        return failed >= MOST_FAILED or done >= MOST_DONE


def _gas(row: PushRow) -> int:
    return row.gas_used or (gas_of(row.raw) if row.state in OPEN else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GasShares:
    """How the gas that is left of a day is shared.

    Attributes:
        others: what duties other than a freeze may take now.
        lacks: what will lack for a freeze when the next is due.
    """

    others: int
    lacks: int

    @classmethod
    def of(cls, rows: Sequence[PushRow], now_ms: int, gas_a_day: int, *, freeze: int, due_ms: int) -> GasShares:
        """So that a freeze has its own when it is due.

        Args:
            rows: of the journal.
            now_ms: the clock.
            gas_a_day: in 24 hours, at most.
            freeze: gas of one.
            due_ms: when the next is due.
        """
        left = gas_a_day - GasOfDay.of(rows, now_ms).used
        # what was spent more than a day before it is due is not of its day any more
        beside = gas_a_day - GasOfDay.of(rows, max(now_ms, due_ms)).used - freeze
        others = min(left, beside) if due_ms < now_ms + _DAY_MS else left
        return cls(others=max(0, others), lacks=max(0, -beside))


class Pauses:
    """Duties whose call would fail now: tried again after a pause that doubles, up to an hour. Trying costs nothing.

    Args:
        now_ms: the clock.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._until: dict[str, tuple[int, int]] = {}

    def is_open(self, name: str) -> bool:
        """Whether the duty of this name is left alone for now."""
        until_ms, _ = self._until.get(name, (0, 0))
        return self._now_ms() < until_ms

    def note_refused(self, name: str) -> bool:
        """Its call would fail; whether that is the first time."""
        _, pause_ms = self._until.get(name, (0, 0))
        pause_ms = min(_LONGEST_PAUSE_MS, 2 * pause_ms or _FIRST_PAUSE_MS)
        is_first = name not in self._until
        self._until[name] = self._now_ms() + pause_ms, pause_ms
        return is_first

    def keep(self, names: Sequence[str]) -> None:
        """Forget all others: they are not due any more."""
        self._until = {n: u for n, u in self._until.items() if n in names}
