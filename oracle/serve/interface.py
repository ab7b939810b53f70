"""What the endpoint shows: the interface between it and the process, and the values that pass through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from oracle.model.publication import Explanation, OnChain, Record, Transition
from oracle.model.spec import FeedSpec
from oracle.model.target_status import TargetStatus
from oracle.serve.documents import Abstaining
from oracle.sign.messages import SignedBatch

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the process is.

    ``reasons``: everything that keeps it from being live or ready, one sentence each. ``warnings``: what is not as it
    should be and keeps nothing from working; ``degraded``: there is some.
    ``round_lag_ms``: since the newest stored round's time; None before the first.
    """

    live: bool
    ready: bool
    degraded: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    started_at_ms: int
    round: int | None
    round_lag_ms: int | None
    clock_offset_ms: int
    feeds: int
    feeds_abstaining: int
    targets: tuple[TargetStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReport:
    """Why there is no signed report at the moment."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What happened: new indications, a stored round (with everything that the desk says of it now), status changes."""

    indications: tuple[Record, ...] = ()
    round_time_s: int | None = None
    transitions: tuple[Transition, ...] = ()


class Past(Protocol):
    """The stored rounds, as a long read sees them: it waits for them, away from everything else."""

    def history(self, feed: str, since_ms: int, until_ms: int, limit: int) -> Sequence[Record]:
        """Final records with since <= round time <= until, ascending: the newest ``limit`` of them."""

    def explain(self, feed: str, round_s: int | None) -> Explanation | None:
        """What is behind a round, the newest without one; None where that round is not kept."""


class PriceInterface(Protocol):
    """What the endpoint shows. Everything without ``async`` answers from memory."""

    def specs(self) -> Mapping[str, FeedSpec]:
        """All feeds in the order they are shown, crosses too."""

    def record(self, feed: str) -> Record | None:
        """The last final record; the same object until there is a newer one."""

    def abstaining(self, feed: str) -> Abstaining | None:
        """Why the newest round brought no price, or that there is no round of now; None where it did. A cross abstains with its legs."""

    def indication(self, feed: str) -> Record | None:
        """The newest word of the live lane, ``final`` False."""

    def onchain(self, feed: str) -> tuple[OnChain, ...]:
        """What the store of each target holds."""

    def absent(self, feed: str) -> tuple[str, ...]:
        """Names of the targets whose store is to hold a feed and is not known to."""

    def newest_round(self, feed: str) -> int | None:
        """Round time of the newest round that brought the feed a record or an abstention; None if that is not known here."""

    async def past(self, work: Callable[[Past], T]) -> T:
        """What a function makes of the stored rounds. It runs elsewhere: it may be long and holds nothing up.

        Raises:
            Problem: what the function raised; 503 where too many are being run.
        """

    def targets(self) -> tuple[str, ...]:
        """Names of the stores that are signed for, the one that is meant without a name first."""

    async def report(self, feed: str, target: str | None = None) -> SignedBatch | NoReport:
        """A signed batch of this feed alone, for the first target or the named one. It is cheap to ask again."""

    def health(self) -> Health:
        """How the process is."""

    def subscribe(self, listen: Callable[[News], None]) -> None:
        """Call ``listen`` with all news from now on, after the desk has taken it in. It returns at once."""
