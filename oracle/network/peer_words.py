"""What the words of other operators are worth: which network keys speak for a member, and what all clocks together say. Pure."""

from __future__ import annotations

from collections.abc import Mapping


class SpeakingKeys:
    """The network keys of each member: the newest, and for a while the one before it, for words that it signed are on their way.

    No longer than that: a key that was stolen is replaced by an announcement, and must not speak for its member after it.

    Args:
        keep_ms: how long the one before speaks on.
    """

    def __init__(self, keep_ms: int) -> None:
        self._keep_ms = keep_ms
        self._newest: dict[bytes, bytes] = {}
        self._before: dict[bytes, tuple[bytes, int]] = {}

    def note(self, member: bytes, key: bytes, now_ms: int) -> None:
        """A member's newest announcement names this key."""
        known = self._newest.get(member)
        if known is not None and known != key:
            self._before[member] = known, now_ms
        self._newest[member] = key

    def at(self, now_ms: int) -> Mapping[bytes, tuple[bytes, ...]]:
        """Addresses of the keys that speak for each member now, the newest first."""
        self._before = {m: (k, at) for m, (k, at) in self._before.items() if 0 <= now_ms - at < self._keep_ms}
        return {m: (k, self._before[m][0]) if m in self._before else (k,) for m, k in self._newest.items()}


def clock_offset_ms(offsets_ms: Mapping[bytes, int], weights: Mapping[bytes, int]) -> int | None:
    """How far the others' clocks are ahead of ours: the lower median by weight, ours among them.

    Of more than two thirds of all weight at least: those that lie have less than a third, so they are less than half of it.

    Args:
        offsets_ms: of each member that is linked, ours (0) among them.
        weights: of all members.

    Returns:
        None where too few are linked to say.
    """
    ranked = sorted((offset, weights.get(a, 0)) for a, offset in offsets_ms.items())
    total = sum(weight for _, weight in ranked)
    if len(ranked) <= 1 or 3 * total <= 2 * sum(weights.values()):
        return None
    below = 0
    for offset, weight in ranked:
        below += weight
        if 2 * below >= total:
            return offset
    return None
