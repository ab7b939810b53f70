"""What a store and its owner say of themselves at one block, as far as trust in them depends on it."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.chain.quorum_rpc import ChainError
from oracle.check.corruption_cost import WeighedSigner
from oracle.stake.discover import NotStaked
from oracle.stake.secured.price import PriceSecurity


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerGroup:
    """A signer set: who counts from when until when (None: until others do) with which thresholds."""

    epoch: int
    threshold: int
    strong: int
    members: tuple[WeighedSigner, ...]
    from_s: int = 0
    expires_s: int | None = None

    @property
    def total(self) -> int:
        """All weight."""
        return sum(m.weight for m in self.members)

    @property
    def voters(self) -> tuple[WeighedSigner, ...]:
        """Members with weight: one that was removed keeps its place, and nothing else."""
        return tuple(m for m in self.members if m.weight)

    @property
    def never_strong(self) -> bool:
        """Whether all together do not reach the step threshold, as after a removal: it stays where it was."""
        return self.total < self.strong


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveLimits:
    """Limits of a class, and the feeds in it."""

    number: int
    min_gap_s: int
    step_bps: int
    step_wait_s: int
    feeds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """What a store says of itself at one block.

    Attributes:
        owner_is_key: no code at the owner's address: neither a timelock nor a Safe.
        next_epoch: number and time (Unix s) of the signer set that is to come, None for none.
        next_group: who is in it, where that could be read.
        armed: that set takes over for certain: enough of its signers have shown that they are there, or the owner declared an
            emergency.
        set_owner: may replace signers after the delay and remove some at once; None for the owner alone.
        overlap_ends_s: until when the set before the present one is taken.
        stake: what secures its prices, where stake decides who signs; else why not, or why that could not be read.
    """

    target: str
    chain: str
    chain_id: int
    store: bytes
    block: int
    time_s: int
    owner: bytes
    owner_is_key: bool
    pending_owner: bytes | None
    guardian: bytes | None
    max_push_age_s: int
    rotation_delay_s: int
    overlap_s: int
    longest_epoch_s: int
    overlap_ends_s: int
    group: SignerGroup
    next_epoch: tuple[int, int] | None
    next_group: SignerGroup | None
    armed: bool
    set_owner: bytes | None
    classes: tuple[MoveLimits, ...]
    paused: tuple[str, ...]
    stake: PriceSecurity | NotStaked | ChainError

    @property
    def security(self) -> PriceSecurity | None:
        """What secures its prices; None where no stake decides, or it could not be read."""
        return self.stake if isinstance(self.stake, PriceSecurity) else None
