"""Round trip and clock offset of a peer from its pongs: the best of the last few. Pure; microseconds in, milliseconds out.

As NTP's clock filter (RFC 5905, 10): of the last samples the one with the shortest round trip is the least disturbed by
queues, and its error is at most half of it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_KEPT = 8


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One ping and its pong. ``offset_us``: how far the peer's clock is ahead of ours; wrong by half the trip at most."""

    trip_us: int
    offset_us: int


def measured(sent_us: int, received_us: int, their_ms: int, our_ms: int) -> RoundTrip:
    """What a pong shows.

    Args:
        sent_us: when the ping left, by the clock that nobody sets.
        received_us: when the pong came, by the same.
        their_ms: the peer's time as it answered, Unix ms.
        our_ms: our time as the pong came, Unix ms.
    """
    trip_us = max(0, received_us - sent_us)
    return RoundTrip(trip_us, their_ms * 1_000 + trip_us // 2 - our_ms * 1_000)


class RoundTrips:
    """The last samples of a peer."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: deque[RoundTrip] = deque(maxlen=_KEPT)

    def add(self, sample: RoundTrip) -> None:
        """Keep a sample; the oldest gives way."""
        self._samples.append(sample)

    @property
    def best(self) -> RoundTrip | None:
        """The sample with the shortest trip, the newest of equals; None before the first pong."""
        return min(reversed(self._samples), key=lambda s: s.trip_us, default=None)
