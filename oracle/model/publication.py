"""What is published and what became of it: records, status changes, explanations, pushes. Frozen once made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from feeds.units import Bps, Wad
from oracle.model.canonical_json import ADDED_LATER
from oracle.model.spec import FeedSpec, Mode
from oracle.model.status import Reason, Status, Why
from oracle.model.types import Report, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """An operator that is missing from a sealed record, and why, a sentence."""

    operator: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What stands behind a record of a round that operators agreed on.

    Attributes:
        target: whose signer set it was.
        epoch: of that set.
        weight: of those who signed; ``threshold``: needed; ``total``: of all.
        attempt: of the agreement, from 1.
        sealed_ms: when the threshold was reached, ms from the round's start; None where it was learned later from others.
        missing: members that did not sign.
        refused: members that do not vouch for this feed.
    """

    target: str
    epoch: int
    weight: int
    threshold: int
    total: int
    attempt: int
    sealed_ms: int | None
    missing: tuple[Absent, ...] = ()
    refused: tuple[Absent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is published of one feed and round: the agreed report, the price in the feed's mode, and the times.

    ``final``: False for a live indication, which is neither stored nor signed. ``price_wad`` 0: no price in this mode.
    ``observed_at_ms``: the oldest input used; where prices were kept, the oldest behind those. ``signed_at_ms``: None where no
    operator has a key. ``operators``: who signed and had values of it; unsigned, whose own view it is. ``seal``: what weight
    signed; None where nobody did. ``ramp_ppm``: how much of the market is in ``redemption_unless_depeg``, in millionths.
    """

    feed: str
    mode: Mode
    report: Report
    price_wad: Wad
    deviation_bps: Bps | None
    reasons: tuple[Reason, ...]
    observed_at_ms: int
    computed_at_ms: int
    signed_at_ms: int | None
    operators: tuple[str, ...] = ()
    legs: tuple[str, ...] = ()
    final: bool = True
    ramp_ppm: int = field(default=0, metadata=ADDED_LATER)
    seal: Seal | None = field(default=None, metadata=ADDED_LATER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """A feed without a price of a round, and why, a sentence."""

    feed: str
    why: Why
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChain:
    """What a target's store holds of one feed, with the price in its mode (a cross: product) and why it was sent.

    ``landed_at_ms``, ``tx_hash``: None where it was pushed by somebody else. ``announced_by``, ``announced_tx``: the operator of
    another process (0x-hex of its report address) that said it would push this round, and the transaction that it named; None
    where nobody did. ``late_at_s``: from then on the store should hold a
    newer round; of a cross, as soon as one leg is late.
    """

    target: str
    round_time_s: int
    price_wad: Wad
    landed_at_ms: int | None
    tx_hash: str | None
    why: str = ""
    announced_by: str | None = None
    announced_tx: str | None = None
    late_at_s: int = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything behind one record: each operator's round (or abstention) and the values that it signed.

    ``specs``: what decided the feed at that time, by operator, where it is known.
    """

    record: Record | None
    rounds: tuple[tuple[str, Result], ...]
    values: tuple[tuple[str, Report], ...]
    legs: tuple[str, ...] = ()
    specs: Mapping[str, FeedSpec] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A change of a feed's published status."""

    feed: str
    at_ms: int
    before: Status
    after: Status
    reasons: tuple[Reason, ...]


class PushState(StrEnum):
    """What became of a transaction of a target. The values are stored."""

    PREPARED = "prepared"
    """Signed and journalled; no node has it yet, as far as is known."""
    SENT = "sent"
    """A node took it."""
    LANDED = "landed"
    """In the chain: the store took it."""
    POKED = "poked"
    """In the chain: pokes of views alone."""
    ARMED = "armed"
    """In the chain: no prices, the next signer set takes over."""
    CALLED = "called"
    """In the chain: a call of another contract than the store, which took it."""
    OVERTAKEN = "overtaken"
    """In the chain: the store had all of it by then, from somebody else."""
    REVERTED = "reverted"
    """In the chain, and none of the above: the store refused it, or its gas ran out."""
    REPLACED = "replaced"
    """Another transaction with its nonce is in the chain."""
    EXPIRED = "expired"
    """Given up: the store no longer takes its round."""
    REFUSED = "refused"
    """Given up: no node takes it."""


OPEN = (PushState.PREPARED, PushState.SENT)
"""Not in the chain and not given up."""
DONE = (PushState.LANDED, PushState.REVERTED, PushState.OVERTAKEN, PushState.POKED, PushState.ARMED, PushState.CALLED)
"""In the chain, with or without effect."""
GIVEN_UP = (PushState.REPLACED, PushState.EXPIRED, PushState.REFUSED)
"""Not in the chain, and not sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRow:
    """A push in the journal. Signers: hex addresses.

    ``why``: the reason of each item, as text. ``final``: 1 once nothing can change its outcome any more. ``taken``: 1 once a
    node took it: it may wait there, whatever became of it here.
    """

    id: int
    target: str
    chain_id: int
    round_s: int
    items: bytes
    nonce: int
    tx_hash: str
    raw: bytes
    state: PushState
    made_ms: int
    landed_ms: int | None = None
    block: int | None = None
    block_hash: str | None = None
    gas_used: int | None = None
    note: str | None = None
    signers: str = ""
    why: str = ""
    final: int = 0
    taken: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPushed:
    """A batch that was due and not sent. ``error``: the reason, from the chain, the fee ceiling or the signers."""

    at_ms: int
    target: str
    round_s: int
    items: bytes
    why: str
    error: str
