"""What an operator wishes to be pushed, beside its values: feeds that are due by its policy, and feeds that somebody asked it for.

Both are lists of feed indexes under one signature with the values, so the cuts of a round follow from signed words, and the
leader chooses none of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_INDEX = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """``due``: feeds due at the store, as the operator sees it; ``asked``: feeds that a user of it asks a batch of. Ascending."""

    due: tuple[int, ...] = ()
    asked: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """Count of ``due`` 2 | its indexes, 2 each | indexes of ``asked``, 2 each. Nothing for no wishes."""
        if not self.due and not self.asked:
            return b""
        return len(self.due).to_bytes(_INDEX, "big") + _packed(self.due) + _packed(self.asked)


def decode_wishes(raw: bytes) -> Wishes:
    """Read wishes back; ValueError if the bytes are none, or not the only ones for what they say."""
    if not raw:
        return Wishes()
    if len(raw) % _INDEX or len(raw) == _INDEX:
        raise ValueError(f"{len(raw)} bytes are no wishes")
    indexes = [int.from_bytes(raw[i : i + _INDEX], "big") for i in range(0, len(raw), _INDEX)]
    count, listed = indexes[0], indexes[1:]
    if count > len(listed):
        raise ValueError("wishes are cut short")
    wishes = Wishes(due=tuple(listed[:count]), asked=tuple(listed[count:]))
    for part in (wishes.due, wishes.asked):
        if list(part) != sorted(set(part)):
            raise ValueError("wishes are not in ascending order")
    return wishes


def _packed(indexes: Iterable[int]) -> bytes:
    return b"".join(i.to_bytes(_INDEX, "big") for i in indexes)
