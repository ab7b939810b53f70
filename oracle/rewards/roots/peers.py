"""Who the agreement on a report talks to, and whose turn it is to post: as the process has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol


class RootPeers(Protocol):
    """The operators of other processes at the store."""

    def tell(self, epoch: int, body: bytes) -> None:
        """To all of them."""

    def answer(self, to: bytes, epoch: int, body: bytes) -> None:
        """To one of them."""

    def note_members(self, keys: Iterable[bytes]) -> None:
        """Report keys of epochs whose reports are agreed on: they stay peers until that is done."""


class NoRootPeers:
    """A process whose operators are all there are."""

    def tell(self, epoch: int, body: bytes) -> None:
        """Nobody else hears it."""

    def answer(self, to: bytes, epoch: int, body: bytes) -> None:
        """There is nobody."""

    def note_members(self, keys: Iterable[bytes]) -> None:
        """They are all here."""


class TurnOf(Protocol):
    """Whose turn it is to spend gas, as pushes have it."""

    def __call__(self, order: Sequence[bytes], me: bytes, began_ms: int, now_ms: int) -> bool:
        """Whether it is this member's."""
