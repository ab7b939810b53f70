"""What the contracts around a store say at one block of what answers for its prices. What did not answer is None, never 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oracle.stake.discover import SourceKind, StakeSystem


@dataclass(frozen=True, slots=True, kw_only=True)
class StakePart:
    """What one operator has in one place that a penalty can take, for what is signed in the epoch in force.

    Attributes:
        source: address of the source.
        kind: of the source.
        wei: by the collateral's own contract, before any discount; None: the place, or the value, does not answer.
        collateral: token; None for ether of validators, and where it is not known.
        native: ether of validators.
        vault: where the tokens lie, if others have theirs there too.
        shared: others than these contracts can slash it.
        curators: who can move stake of the vault between operators and networks; None: not known, or nobody's matter.
    """

    source: str
    kind: SourceKind
    wei: int | None
    collateral: str | None = None
    native: bool = False
    vault: str | None = None
    shared: bool = False
    curators: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuringOperator:
    """A member of the set in force.

    Attributes:
        key: that signs in this epoch.
        book_key: that the key book has for the next freeze; None for none.
        weight: now, in the store: 0 once it was removed.
        frozen_weight: as it was frozen, by which fractions are reckoned.
        capture_s: when its stake was seen that answers for what it signs now.
        stake_wei: what its sources say for a freeze now, by source, with their discounts; None: no answer.
        slashable_wei: what each source says a penalty can take; None: no answer.
        parts: the same by place.
        open_cases: penalties that are not settled.
    """

    operator: str
    key: str
    book_key: str | None
    weight: int
    frozen_weight: int
    capture_s: int
    stake_wei: Mapping[str, int | None]
    slashable_wei: Mapping[str, int | None]
    parts: tuple[StakePart, ...]
    jailed_until_s: int | None
    open_cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """A source of stake.

    Attributes:
        reach_s: for how long after a capture its stake can be slashed; None: no answer.
        shared_bps: what of stake counts that others can slash too, where it has such stake.
        vaults: wei that each of its vaults has for a capture, of everybody; None: no answer.
        held_by: contracts of others that it depends on.
    """

    at: str
    kind: SourceKind
    values: str | None
    reach_s: int | None
    shared_bps: int | None = None
    vaults: Mapping[str, int | None] | None = None
    held_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralFacts:
    """How a token is valued.

    Attributes:
        rate_contract: says wei per 1e18 of it; None: one to one.
        rate: that counts now; None: it cannot be read.
        limit: the most that it counts now.
        recorded_rate: from which the limit grows.
        fallen: the highest rate that was seen since it was seen to have fallen, and when that was first; None: it has not.
        counts_bps: part of the value that counts.
        growth_bps: most growth in a year.
    """

    values: str
    token: str
    rate_contract: str | None
    rate: int | None
    limit: int | None
    recorded_rate: int
    recorded_at_s: int
    counts_bps: int
    growth_bps: int
    fallen: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class SetTerms:
    """What was fixed when the set was deployed, in seconds, wei and basis points."""

    epoch_s: int
    join_delay_s: int
    evidence_s: int
    answer_s: int
    keeps_s: int
    cap_bps: int
    min_stake: int
    min_members: int
    max_members: int
    threshold_bps: int
    step_bps: int
    migrate_delay_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Governance:
    """Who may do what above the operators.

    Attributes:
        timelock_is_key: no code there: a plain key, with no delay of its own.
        guardian: of the store, may pause.
        migrates_to: who is announced as the store's owner, and when it can be offered to it.
        has_migrated: the store was offered to another owner.
        pending_owner: who could become the store's owner by accepting.
        set_owner: who else may replace the store's signers; None for nobody.
    """

    timelock: str
    timelock_is_key: bool
    guardian: str | None
    migrates_to: str | None
    migrates_at_s: int | None
    has_migrated: bool
    pending_owner: str | None
    set_owner: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PenaltyFacts:
    """What a proven lie costs. Fractions of 1e18."""

    min_fraction: int
    dispute_s: int
    execution_s: int
    jail_s: int
    finder_bps: int
    arbiter: str | None
    needs_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardFacts:
    """What the module pays, and takes from who is absent.

    Attributes:
        pots: what the epoch in force was funded with, by asset; the zero address is ether.
    """

    absence_jail_s: int
    pots: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuredFacts:
    """All of it, at one block.

    Attributes:
        epoch: in force.
        threshold: T of the store.
        step_threshold: with which any price lands at once.
        frozen: T and W as they were frozen; None: the signers in force were named, not frozen by stake.
        capture_s: the earliest at which a member's stake was seen for the freeze.
        provable_until_s: until when words of the epoch can be proven.
        expires_s: when the set signs nothing any more; None for never.
        overlap_ends_s: until when rounds of the set before are taken.
        silent: the last freeze made no set, as too much stake has left.
        next_epoch: number and time of the set to come, and whether it is armed; None for none.
        unnamed: keys with weight that no frozen member has.
        candidates: how many operators are waiting or in.
        jailed: candidates and members in jail, and until when.
        strange: sentences: contracts with other code than ours, or that do not work together.
    """

    system: StakeSystem
    block: int
    time_s: int
    epoch: int
    threshold: int
    step_threshold: int
    frozen: tuple[int, int] | None
    capture_s: int | None
    provable_until_s: int | None
    expires_s: int | None
    overlap_ends_s: int
    rotate_due_s: int
    silent: bool
    next_epoch: tuple[int, int, bool] | None
    members: tuple[SecuringOperator, ...]
    unnamed: Mapping[str, int]
    candidates: int
    jailed: Mapping[str, int]
    terms: SetTerms
    governance: Governance
    penalties: PenaltyFacts
    rewards: RewardFacts
    sources: tuple[SourceFacts, ...]
    collateral: tuple[CollateralFacts, ...]
    strange: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """All weight in force."""
        return sum(m.weight for m in self.members) + sum(self.unnamed.values())
