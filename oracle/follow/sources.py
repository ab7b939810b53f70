"""Where a follower hears of sealed rounds: what every source has in common, and what is kept of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from feeds.errors import LrtOracleError

BROKE = "a source of rounds broke"
Hear = Callable[["SourceState", int, bytes], Awaitable[bool]]
"""Given a source, the id of an event and its data: whether it was good. It raises SetUnknown where that cannot be said now."""


class SourceFault(LrtOracleError, RuntimeError):
    """A source does not answer as it should: what is wrong."""


@dataclass(slots=True)
class SourceState:
    """How one source is.

    Attributes:
        name: host and port; shown.
        rank: its place in the config: whose words are shown of a round that several tell.
        is_operator: whether it is an operator or a node, which can be asked for more than rounds.
        connected: whether its stream is open.
        newest_s: the newest round that it told and that was verified, 0 if none.
        heard: events of it.
        verified: of these, rounds that were not known before.
        refused: those that count for nothing, by why.
        breaks: how often its stream broke.
        error: what went wrong last; "" while nothing does.
    """

    name: str
    rank: int
    is_operator: bool = True
    connected: bool = False
    newest_s: int = 0
    heard: int = 0
    verified: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    breaks: int = 0
    error: str = ""

    @property
    def good(self) -> int:
        """Events of it that verified."""
        return self.heard - self.refused.total()


class RoundSource(Protocol):
    """Something that tells of sealed rounds."""

    @property
    def state(self) -> SourceState:
        """How it is."""

    async def run(self, hear: Hear, after_s: int) -> None:
        """Hand on every round that was stored after one, then each new one, for ever; connections that break are made again."""
