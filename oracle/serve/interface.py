"""The interface between the endpoint and the process that it serves, and the values that pass through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from oracle.model.publication import Explanation, OnChain, Record, Silent, Transition
from oracle.model.risk import FeedRisk, LiveRisk
from oracle.model.roll_up import RollUp
from oracle.model.spec import FeedSpec
from oracle.model.target_status import TargetStatus
from oracle.model.unready import Unready
from oracle.serve.documents import Abstaining
from oracle.serve.error_codes import ErrorCode
from oracle.serve.operators import OperatorsView
from oracle.sign.messages import Agreement, SignedBatch
from oracle.stake.follow import StakeView
from oracle.storage.shown_rows import FeedPush

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceShown:
    """Whom a node follows, and how that is.

    Attributes:
        name: host and port.
        connected: its stream is open.
        round: the newest round of it that was verified; None before the first.
        behind_rounds: by so many rounds it is behind now; None before the first.
        refused: rounds of it that do not verify, since the start.
        error: what went wrong last; "" while nothing does.
    """

    name: str
    connected: bool
    round: int | None
    behind_rounds: int | None
    refused: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShown:
    """What a node says of itself: what it follows, and how far behind it is; None before its first round. ``relays``: it asks operators."""

    behind_rounds: int | None
    behind_s: int | None
    relays: bool
    sources: tuple[SourceShown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the process is.

    ``reasons``: everything that keeps it from being live or ready, one sentence each; ``unready``: the same as words, for
    metrics. ``warnings``: what needs attention
    but stops nothing; ``degraded``: there is a warning.
    ``round_lag_ms``: since the newest stored round's time; None before the first. ``interval_s``: between rounds; None: not known.
    ``node``: what a node says of itself; None: this is an operator's process.
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
    unready: frozenset[Unready] = frozenset()
    interval_s: int | None = None
    node: NodeShown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReport:
    """Why there is no signed report at the moment."""

    code: ErrorCode
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What is new: indications, a stored round (the service already shows it), changes of status.

    ``stored``: a round was stored of which nothing is shown: it is older than what is.
    """

    indications: tuple[Record, ...] = ()
    round_time_s: int | None = None
    transitions: tuple[Transition, ...] = ()
    stored: bool = False


class SealedRow(Protocol):
    """A sealed round in the order of storing."""

    @property
    def sequence(self) -> int:
        """Its number, which only grows."""

    @property
    def round_time_s(self) -> int:
        """Its round_time."""

    @property
    def silent(self) -> tuple[Silent, ...]:
        """Feeds that it has no price of."""


class StoredRounds(Protocol):
    """The stored rounds as a long read sees them; its methods block, so it runs away from the event loop."""

    def history(self, feed: str, since_ms: int, until_ms: int, limit: int) -> Sequence[Record]:
        """Final records with since <= round time <= until, ascending: the newest ``limit`` of them."""

    def roll_ups(self, feed: str, since_ms: int, until_ms: int, limit: int) -> Sequence[tuple[int, RollUp]]:
        """Steps in seconds and what is left of the records of each, with since <= its start <= until: as those above."""

    def full_rate_since_s(self, feed: str) -> int:
        """From when on there is every record, Unix seconds; before it there are roll-ups. 0: always."""

    def explain(self, feed: str, round_s: int | None) -> Explanation | None:
        """What is behind a round, by default the newest one; None where that round is not kept."""

    def agreement(self, round_s: int, target: str | None = None) -> Agreement | None:
        """What was sealed in a round at a target, by default any; None where it is not kept."""

    def newest_sealed_s(self, target: str | None = None) -> int | None:
        """The newest round that was sealed at a target, by default at any; None if none was."""

    def at_times(self, feed: str, times_s: Sequence[int], step_s: int) -> Sequence[Record | None]:
        """The newest record of each step that ends at one of these times; None where there is none."""

    def changes(self, feed: str, limit: int) -> Sequence[Transition]:
        """The newest changes of a feed's status, the newest first."""

    def pushes_of(self, feed: str, target: str, limit: int) -> Sequence[FeedPush]:
        """The newest pushes of a feed to a target, and when it was due and not pushed, the newest first."""

    def record(self, feed: str, round_s: int | None = None) -> Record | None:
        """The record of a round, by default the newest."""

    def sealed_after(self, target: str, sequence: int, limit: int) -> Sequence[SealedRow]:
        """Sealed rounds of a target that were stored after the one with this number, in that order."""

    def sequence_of(self, target: str, round_s: int) -> int:
        """The number after which one goes on who has all up to a round."""

    def newest_sequence(self, target: str) -> int:
        """The number of the newest sealed round, 0 if there is none."""


class PriceInterface(Protocol):
    """What the endpoint asks the process. Everything without ``async`` answers from memory."""

    def specs(self) -> Mapping[str, FeedSpec]:
        """All feeds in the order in which they are shown, crosses too."""

    def record(self, feed: str) -> Record | None:
        """The last final record; the same object until there is a newer one."""

    def abstaining(self, feed: str) -> Abstaining | None:
        """Why the newest round brought no price, or why there is no current round; None if there is a price. A cross abstains with its legs."""

    def indication(self, feed: str) -> Record | None:
        """The newest indication of the live lane, ``final`` False."""

    def onchain(self, feed: str) -> tuple[OnChain, ...]:
        """What the store of each target holds."""

    def missing_targets(self, feed: str) -> tuple[str, ...]:
        """Names of the targets whose store should hold a feed and is not known to."""

    def risk(self, feed: str) -> FeedRisk:
        """What a lender must know of a feed, as far as no round changes it."""

    def live_risk(self, feed: str) -> LiveRisk:
        """What the newest round showed of that."""

    def newest_round_s(self, feed: str) -> int | None:
        """Time of the newest round that brought the feed a record or an abstention; None if that is not known here."""

    async def read_stored(self, read: Callable[[StoredRounds], T]) -> T:
        """Result of a function of the stored rounds. It runs in another process: it may be long and blocks nothing here.

        Raises:
            HttpProblem: what the function raised; 503 where too many reads are running.
        """

    def targets(self) -> tuple[str, ...]:
        """Names of the stores that are signed for; the first is the default."""

    async def report(self, feed: str, target: str | None = None) -> SignedBatch | NoReport:
        """A signed batch of this feed alone, for the named target or the first one. Asking again is cheap."""

    def operators(self) -> OperatorsView | None:
        """The operators of the home store as they are now; None where there are none."""

    def stake(self) -> StakeView | None:
        """What the contracts around the home store said last; None where there is no store."""

    def health(self) -> Health:
        """How the process is."""

    def subscribe(self, listener: Callable[[Update], None]) -> None:
        """Call ``listener`` with every update from now on, once the service shows it. The listener must return at once."""
