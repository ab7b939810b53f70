"""One endpoint's health, and the records of reading a chain. Nothing here reads a clock: times are Unix ms, given."""

from __future__ import annotations

from dataclasses import dataclass

from feeds.chains.jsonrpc import JsonRpc
from feeds.errors import FeedError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderLimits:
    """What the endpoints are asked and trusted for.

    Attributes:
        timeout_ms: one request.
        max_body: bytes of an answer.
        grace_ms: how long the other endpoints are awaited after the first has answered with its head.
        max_head_age_s: a block older than this is not used while another endpoint has a newer one.
        stall_ms: a head that stays the same for this long has stopped.
        retry_ms: pause after an endpoint's first failure; doubles up to ``max_retry_ms``.
        max_retry_ms: longest pause.
        agree: how many endpoints must answer the same of the same block before it is believed; 1 believes the first.
        quarantine_ms: how long an endpoint that was outvoted is not asked; doubles each time, up to a day.
        forget_ms: in this time half of an endpoint's failures are forgotten.
        missing_ms: pause before a block that was not found is asked for again.
        max_calls: contract calls in one eth_call.
        max_calldata: bytes of calldata in one eth_call.
        gas: gas of one eth_call; 0 leaves it to the endpoint.
        require_canonical: a pinned block that was replaced is an error instead of an answer from a dead branch.
    """

    timeout_ms: int = 4_000
    max_body: int = 8 << 20
    grace_ms: int = 300
    max_head_age_s: int = 60
    stall_ms: int = 120_000
    retry_ms: int = 500
    max_retry_ms: int = 30_000
    agree: int = 1
    quarantine_ms: int = 600_000
    forget_ms: int = 30_000
    missing_ms: int = 100
    max_calls: int = 1_500
    max_calldata: int = 384 << 10
    gas: int = 0
    require_canonical: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A block of a chain. ``time_ms`` is the block's own time, Unix ms."""

    chain_id: int
    number: int
    block_hash: str
    time_ms: int
    parent_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """What is known of an endpoint; ``name`` is its host, for an address may hold a key.

    ``lies``: how often it was outvoted. ``down_since_ms``: Unix ms from which on no poll found it well; None: the newest did, or
    there was none. ``latency_ms``: how long its newest answers took; None: none yet. ``score``: 100 without failures; each costs 10 and is forgotten over time.
    """

    name: str
    usable: bool
    head: Head | None
    error: FeedError | None
    lies: int = 0
    score: int = 100
    latency_ms: float | None = None
    down_since_ms: int | None = None


@dataclass(slots=True)
class ReaderCounts:
    """Running counters of one chain reader."""

    requests: int = 0
    failures: int = 0
    failovers: int = 0
    splits: int = 0
    earlier_blocks: int = 0
    reorgs: int = 0
    bugs: int = 0
    lies: int = 0


class Endpoint:
    """One address with its health."""

    __slots__ = (
        "checked", "down_since_ms", "error", "failures", "head", "latency_ms", "lies", "moved_at_ms", "noted_at_ms", "penalty", "quarantined_until_ms",
        "retry_at_ms", "rpc", "stopped",
    )  # fmt: skip

    def __init__(self, rpc: JsonRpc) -> None:
        self.rpc = rpc
        self.head: Head | None = None
        self.error: FeedError | None = None
        self.stopped: FeedError | None = None
        self.checked = False
        self.failures = 0
        self.retry_at_ms = 0
        self.moved_at_ms = 0
        self.lies = 0
        self.latency_ms: float | None = None
        self.down_since_ms: int | None = None
        self.quarantined_until_ms = 0
        self.penalty = 0
        self.noted_at_ms = 0

    def answered(self, took_ms: float) -> None:
        """It has answered: those before count ever less."""
        before = took_ms if self.latency_ms is None else self.latency_ms
        self.latency_ms = before + (took_ms - before) / 8

    def demerit(self, now_ms: int, forget_ms: int) -> int:
        """Failures not yet forgotten, in tenths of a score point: each is 100, and halves every ``forget_ms``."""
        return self.penalty >> min(60, max(0, now_ms - self.noted_at_ms) // forget_ms)

    def blame(self, now_ms: int, forget_ms: int) -> None:
        """Add a failure."""
        self.penalty = min(1_000, self.demerit(now_ms, forget_ms) + 100)
        self.noted_at_ms = now_ms

    @property
    def usable(self) -> bool:
        """Whether its last answer was good and its head moves."""
        return self.head is not None and self.error is None and self.stopped is None

    def state(self) -> EndpointState:
        """Snapshot for reports."""
        return EndpointState(
            name=self.rpc.name,
            usable=self.usable,
            head=self.head,
            error=self.error or self.stopped,
            lies=self.lies,
            score=100 - self.penalty // 10,
            latency_ms=self.latency_ms,
            down_since_ms=self.down_since_ms,
        )

    def polled(self, now_ms: int) -> None:
        """Note from when on it is not well, after each poll."""
        if self.usable:
            self.down_since_ms = None
        elif self.down_since_ms is None:
            self.down_since_ms = now_ms

    def accept(self, head: Head, now_ms: int) -> bool:
        """Note a good head; return whether it replaced blocks already seen (a reorg, or a node that started over)."""
        old, self.head = self.head, head
        self.error, self.failures, self.retry_at_ms = None, 0, 0
        if old is None or old.block_hash != head.block_hash:
            self.moved_at_ms = now_ms
        return old is not None and not follows(old, head)


def follows(old: Head, head: Head) -> bool:
    """Whether a head may stand on an older one, as far as the two alone can tell."""
    if head.number <= old.number:
        return head.block_hash == old.block_hash
    return head.number > old.number + 1 or head.parent_hash in ("", old.block_hash)
