"""What waits for a peer: bounded in bytes and in time, first in, first out, everything left out counted. Pure.

What others have us carry to it goes after all that is our own, and gives way first.

A peer that reads too slowly loses its oldest messages, for newer ones say more; one that is away for longer than ``keep_us``
loses all of them, and is told again what counts when it is back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_OVERHEAD = 64
"""What a message costs beside its bytes: a flood of empty ones is bounded too."""


@dataclass(frozen=True, slots=True)
class QueuedFrame:
    """A frame that waits: its kind, its body, and when it came (microseconds)."""

    kind: int
    body: bytes
    at_us: int

    @property
    def cost(self) -> int:
        """What it takes of the room."""
        return len(self.body) + _OVERHEAD


class Outbox:
    """A bounded queue.

    Args:
        most_bytes: of all that wait, 64 for each message among them.
        keep_us: how long a message may wait.

    Attributes:
        dropped: messages that gave way to newer ones.
        expired: messages that waited too long.
        held: bytes that wait.
    """

    __slots__ = ("_carried", "_keep_us", "_most_bytes", "_own", "dropped", "expired", "held")

    def __init__(self, most_bytes: int, keep_us: int) -> None:
        self._most_bytes, self._keep_us = most_bytes, keep_us
        self._own: deque[QueuedFrame] = deque()
        self._carried: deque[QueuedFrame] = deque()
        self.dropped = self.expired = self.held = 0

    def __len__(self) -> int:
        return len(self._own) + len(self._carried)

    def push(self, kind: int, body: bytes, now_us: int, *, is_own: bool = True) -> None:
        """Put a message at the end; what is older gives way, that of others first."""
        self.expire(now_us)
        one = QueuedFrame(kind, body, now_us)
        (self._own if is_own else self._carried).append(one)
        self.held += one.cost
        while self.held > self._most_bytes:
            self._take(self._carried or self._own)
            self.dropped += 1

    def pop(self, now_us: int) -> QueuedFrame | None:
        """The oldest that still counts; None where nothing waits."""
        self.expire(now_us)
        waiting = self._own or self._carried
        return self._take(waiting) if waiting else None

    def drain(self, now_us: int) -> list[QueuedFrame]:
        """All that still count, our own first, each oldest first."""
        self.expire(now_us)
        waiting = [*self._own, *self._carried]
        self._own.clear()
        self._carried.clear()
        self.held = 0
        return waiting

    def expire(self, now_us: int) -> None:
        """Leave out what has waited too long."""
        for queue in (self._own, self._carried):
            while queue and now_us - queue[0].at_us > self._keep_us:
                self._take(queue)
                self.expired += 1

    def _take(self, queue: deque[QueuedFrame]) -> QueuedFrame:
        one = queue.popleft()
        self.held -= one.cost
        return one
