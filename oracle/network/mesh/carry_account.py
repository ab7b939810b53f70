"""What is carried for a peer: bounded in messages and bytes, in each direction, with a part of each pair's own. Pure.

What one member has carried to another goes over the link on which we speak to that one. So it must never be more than a part
of what we may send there, and nobody may use up what others can have carried.
"""

from __future__ import annotations

from oracle.network.mesh.limits import MeshLimits
from oracle.network.mesh.token_bucket import TokenBucket

_PERCENT = 100


class FrameBucket:
    """Messages and bytes together: a frame is taken from both or from none.

    Args:
        per_s, burst: messages.
        bytes_per_s, burst_bytes: the same for bytes.
        now_us: microseconds of a clock that nobody sets.
        percent: of all that.
    """

    __slots__ = ("_bytes", "_messages")

    def __init__(
        self, per_s: int, burst: int, bytes_per_s: int, burst_bytes: int, now_us: int, *, percent: int = _PERCENT
    ) -> None:
        self._messages = TokenBucket(_part(per_s, percent), _part(burst, percent), now_us)
        self._bytes = TokenBucket(_part(bytes_per_s, percent), _part(burst_bytes, percent), now_us)

    def take(self, size: int, now_us: int) -> bool:
        """Take one frame of so many bytes, or nothing and say no."""
        if not self._messages.take(1, now_us):
            return False
        if self._bytes.take(size, now_us):
            return True
        self._messages.put(1)
        return False

    def wait_us(self, size: int, now_us: int) -> int:
        """Microseconds until it may be taken."""
        return max(self._messages.wait_us(1, now_us), self._bytes.wait_us(size, now_us))

    def put(self, size: int) -> None:
        """Give back what was taken for nothing."""
        self._messages.put(1)
        self._bytes.put(size)


class CarryAccount:
    """The account of one peer.

    Args:
        limits: of it.
        now_us: microseconds of a clock that nobody sets.
    """

    __slots__ = ("_asked", "_from", "_limits", "_pairs", "_to")

    def __init__(self, limits: MeshLimits, now_us: int) -> None:
        self._limits = limits
        whole = (limits.carried_per_s, limits.burst_carried, limits.carried_bytes_per_s, limits.burst_carried_bytes)
        self._from, self._to = FrameBucket(*whole, now_us), FrameBucket(*whole, now_us)
        self._asked = FrameBucket(*whole, now_us, percent=limits.send_share_percent)
        self._pairs: dict[bytes, FrameBucket] = {}

    def may_carry_from(self, size: int, now_us: int) -> bool:
        """Whether one more payload of so many bytes may be carried for it; charged if so."""
        return self._from.take(size, now_us)

    def may_carry_to(self, sender: bytes, size: int, now_us: int) -> bool:
        """Whether one more payload of another peer may be carried to it; charged if so, first to what that pair alone has."""
        own = self._pairs.get(sender)
        if own is None:
            limits = self._limits
            own = self._pairs[sender] = FrameBucket(
                limits.pair_per_s, limits.burst_pair, limits.pair_bytes_per_s, limits.burst_pair_bytes, now_us
            )
        return own.take(size, now_us) or self._to.take(size, now_us)

    def may_ask(self, size: int, now_us: int) -> bool:
        """Whether it may be asked to carry one more payload of ours, for our own sake of its limits; charged if so."""
        return self._asked.take(size, now_us)


def _part(whole: int, percent: int) -> int:
    return max(1, whole * percent // _PERCENT)
