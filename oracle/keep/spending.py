"""What a keeper may still spend: gas of the last day by its journal, and duties that came to nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oracle.chain.transaction import gas_of
from oracle.model.publication import OPEN, PushRow, PushState

_DAY_MS = 86_400_000
MOST_FAILED = 2
"""Calls of one duty that may fail on chain in a day: each has cost gas, though it was tried out before."""
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 60_000, 3_600_000


@dataclass(frozen=True, slots=True)
class GasOfDay:
    """What the transactions of a keeper in the last 24 hours have used, and what those under way may use."""

    used: int
    failed: dict[str, int]

    @classmethod
    def of(cls, rows: Sequence[PushRow], now_ms: int) -> GasOfDay:
        """By the rows of the journal; ``why`` of a row names the duty."""
        late = [r for r in rows if r.made_ms > now_ms - _DAY_MS]
        used, failed = 0, dict[str, int]()
        for row in late:
            used += row.gas_used or (gas_of(row.raw) if row.state in OPEN else 0)
            if row.state == PushState.REVERTED:
                failed[row.why] = failed.get(row.why, 0) + 1
        return cls(used, failed)


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
