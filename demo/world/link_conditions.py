"""What a link does to frames, and the fate of each frame under a seed. Pure: the same seed, link and frame number meet the same fate."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, fields
from functools import lru_cache

from feeds.errors import LrtOracleError

_SHARES = ("drop", "stall", "duplicate", "reorder", "cut")
_DRAW_BYTES, _SPARE_BITS = 8, 11
_DRAW = float(1 << 8 * _DRAW_BYTES - _SPARE_BITS)
"""A draw is a multiple of 2 ** -53 below 1, so a share of 1 spares no frame."""


class HostileNetworkError(LrtOracleError, ValueError):
    """A plan for the hostile network that cannot be carried out: an impossible condition, an unknown link or operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Conditions of one direction of a link. As it stands: nothing is done to any frame.

    Shares are from 0 to 1, of the frames of this direction. Order is kept, as TCP keeps it, but for ``reorder``: a frame
    that is late makes all behind it late.

    Attributes:
        delay_ms: one-way delay of every frame.
        jitter_ms: what is added to it at most, drawn evenly for each frame.
        drop: share of frames that vanish, while the connection goes on.
        stall: share of frames that hold up themselves and all behind them for ``stall_ms``, as a TCP retransmission does.
        stall_ms: see ``stall``.
        duplicate: share of frames that arrive twice, one behind the other.
        reorder: share of frames that the next one overtakes; where none comes within ``overtaken_ms``, they go on alone.
        overtaken_ms: see ``reorder``.
        cut: share of frames at which the connection breaks; they are lost, and dials are refused for ``cut_ms``.
        cut_ms: see ``cut``.
        bytes_per_s: bandwidth, payload only; None for no limit.
        silent: nothing is read or handed on: what is sent waits in the sender's socket, as behind a dead router.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    drop: float = 0.0
    stall: float = 0.0
    stall_ms: float = 200.0
    duplicate: float = 0.0
    reorder: float = 0.0
    overtaken_ms: float = 500.0
    cut: float = 0.0
    cut_ms: float = 1_000.0
    bytes_per_s: int | None = None
    silent: bool = False

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if f.name not in {"bytes_per_s", "silent"}):
            value, most = getattr(self, name), 1.0 if name in _SHARES else math.inf
            if not 0 <= value <= most or math.isinf(value):
                wanted = "a share from 0 to 1" if name in _SHARES else "milliseconds, 0 or more"
                raise HostileNetworkError(f"{name} = {value}: {wanted} is asked for")
        if self.bytes_per_s is not None and self.bytes_per_s <= 0:
            raise HostileNetworkError(f"bytes_per_s = {self.bytes_per_s}: 1 or more, or None for no limit")


CALM = Conditions()
"""Nothing is done to any frame."""


@dataclass(frozen=True, slots=True)
class FrameFate:
    """What happens to one frame. ``late_ms`` is its delay with its jitter, ``stalled_ms`` is beside it."""

    late_ms: float = 0.0
    stalled_ms: float = 0.0
    dropped: bool = False
    duplicated: bool = False
    reordered: bool = False
    cuts: bool = False


_UNTOUCHED = FrameFate()


@lru_cache(maxsize=4_096)
def _direction_key(seed: int, dialler: str, listener: str, sender: str) -> bytes:
    """The key of a direction's draws; names are kept apart by their lengths."""
    names = (str(seed), dialler, listener, sender)
    return hashlib.blake2b("".join(f"{len(n)}:{n}" for n in names).encode(), digest_size=32).digest()


def fate_of(conditions: Conditions, *, seed: int, dialler: str, listener: str, sender: str, number: int) -> FrameFate:
    """Return the fate of a frame.

    Every kind of misfortune has a draw of its own, so the share of one moves no other's. What cuts the connection meets
    nothing else, nor does what is dropped.

    Args:
        conditions: of this direction at the moment when the frame arrives.
        seed: of the network.
        dialler: who dialled the link.
        listener: who listens.
        sender: which of the two sent the frame.
        number: the frame's place among those of this direction, over all connections; the first is 0.
    """
    if conditions is CALM:
        return _UNTOUCHED
    key = _direction_key(seed, dialler, listener, sender)
    drawn = hashlib.blake2b(number.to_bytes(8, "big"), key=key, digest_size=6 * _DRAW_BYTES).digest()
    drop, stall, duplicate, reorder, cut, jitter = (
        (int.from_bytes(drawn[i : i + _DRAW_BYTES], "big") >> _SPARE_BITS) / _DRAW
        for i in range(0, len(drawn), _DRAW_BYTES)
    )
    if cut < conditions.cut:
        return FrameFate(cuts=True)
    if drop < conditions.drop:
        return FrameFate(dropped=True)
    return FrameFate(
        late_ms=conditions.delay_ms + conditions.jitter_ms * jitter,
        stalled_ms=conditions.stall_ms if stall < conditions.stall else 0.0,
        duplicated=duplicate < conditions.duplicate,
        reordered=reorder < conditions.reorder,
    )
