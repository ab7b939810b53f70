"""What a store is made with, as the contract takes it: read from a section of the config, and kept as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from feeds.chains.abi import address, checksummed
from oracle.config.tables.stake_sections import StakeSection
from oracle.config.tables.store_sections import LimitsSection, StoreSection


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassLimits:
    """How far and how often the prices of a class may move.

    Attributes:
        min_gap_s: for which prices stay within a step of where a gap opened, and a better status waits.
        step_bps: a price further away waits, unless step_threshold signed it.
        step_wait_s: until it has stood for so long.
    """

    min_gap_s: int = 1
    step_bps: int = 1_000
    step_wait_s: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Who may sign, how many must, how old a batch may be, and how far and how often a price may move.

    Attributes:
        step_threshold: weight with which a price may move by any step; 0: half of what is missing to all, rounded up.
        guardian: may pause; None for the owner alone.
        rotation_delay_s: from a change of signers to the moment from which it counts.
        overlap_s: for which the signers before are still taken then.
        longest_epoch_s: for which a set signs from its start on, unless another takes over; 0: for ever.
        classes: what a feed can be bound to.
        class_of: class of a feed by its number; feeds that are not named are in the first.
        owner: to whom the ownership is offered; None: the deploying key keeps it. With stake: the timelock of the set.
        set_owner: may replace signers in time and remove some at once; None for the owner alone.
        stake: the contracts that decide by stake who signs, to which the store is handed.
        directory: whether an OperatorDirectory is made too.
    """

    signers: tuple[bytes, ...]
    weights: tuple[int, ...]
    threshold: int
    max_push_age_s: int
    step_threshold: int = 0
    guardian: bytes | None = None
    rotation_delay_s: int = 0
    overlap_s: int = 0
    longest_epoch_s: int = 0
    classes: tuple[ClassLimits, ...] = (ClassLimits(),)
    class_of: Mapping[str, int] = field(default_factory=dict)
    owner: bytes | None = None
    set_owner: bytes | None = None
    stake: StakeSection | None = None
    directory: bool = False

    @property
    def step_weight(self) -> int:
        """The weight with which a price may move by any step."""
        return self.step_threshold or self.threshold + (sum(self.weights) - self.threshold + 1) // 2


def settings_of(section: StoreSection) -> StoreSettings:
    """The settings of a section of the config."""
    return StoreSettings(
        signers=tuple(address(s) for s in section.signers),
        weights=section.all_weights,
        threshold=section.threshold,
        max_push_age_s=section.max_push_age_s,
        step_threshold=section.step_threshold,
        guardian=_bytes(section.guardian),
        rotation_delay_s=section.rotation_delay_s,
        overlap_s=section.overlap_s,
        longest_epoch_s=section.longest_epoch_s,
        classes=tuple(_limits(c) for c in section.classes),
        class_of={feed: i for i, c in enumerate(section.classes) for feed in c.feeds},
        owner=_bytes(section.owner),
        set_owner=_bytes(section.set_owner),
        stake=section.stake,
        directory=section.directory,
    )


def _limits(section: LimitsSection) -> ClassLimits:
    return ClassLimits(min_gap_s=section.min_gap_s, step_bps=section.step_bps, step_wait_s=section.step_wait_s)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else address(text)


FIXED_KEYS = ("max_push_age_s", "rotation_delay_s", "overlap_s", "longest_epoch_s", "classes")
"""Nobody can change these once the store is made."""
CHANGED_BY = {
    "signers": "setSigners",
    "weights": "setSigners",
    "threshold": "setSigners",
    "step_threshold": "setSigners",
    "guardian": "setGuardian",
}
"""The owner can change these, by this call; the store's address stays as it was made."""


def table_of(settings: StoreSettings) -> dict[str, Any]:
    """What the contracts are made with, by the keys of [stores.NAME]: whole numbers, texts, lists, tables."""
    stake: dict[str, Any] = {}
    if settings.stake is not None:
        timelock = {} if settings.owner is None else {"timelock": checksummed(settings.owner)}
        stake = {"stake": {**timelock, **stake_table(settings.stake)}}
    return {
        "signers": [checksummed(s) for s in settings.signers],
        "weights": list(settings.weights),
        "threshold": settings.threshold,
        "step_threshold": settings.step_weight,
        "guardian": "" if settings.guardian is None else checksummed(settings.guardian),
        "max_push_age_s": settings.max_push_age_s,
        "rotation_delay_s": settings.rotation_delay_s,
        "overlap_s": settings.overlap_s,
        "longest_epoch_s": settings.longest_epoch_s,
        "classes": [
            {"min_gap_s": c.min_gap_s, "step_bps": c.step_bps, "step_wait_s": c.step_wait_s} for c in settings.classes
        ],
        **stake,
    }


def constructor_args(settings: StoreSettings, owner: str) -> list[Any]:
    """The store's constructor arguments. ``owner``: checksummed address of the deploying key."""
    guardian = settings.guardian or bytes(20)
    delays = (settings.rotation_delay_s, settings.overlap_s, settings.longest_epoch_s)
    return [
        (owner, guardian, settings.max_push_age_s, *delays),
        [(c.min_gap_s, c.step_bps, c.step_wait_s) for c in settings.classes],
        list(settings.signers),
        list(settings.weights),
        settings.threshold,
        settings.step_weight,
    ]


def differences(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The keys in which two such tables differ, each with both values: ``overlap_s: 600 -> 60``."""
    return [
        f"{key}: {_shown(held.get(key))} -> {_shown(wanted[key])}" for key in wanted if held.get(key) != wanted[key]
    ]


def stake_differences(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The same of the keys of stake in two such tables, each by its place: ``stake.epoch_s: 86400 -> 3600``."""
    before, now = dict(_flat(held, "stake")), dict(_flat(wanted, "stake"))
    return differences(before, {k: now.get(k) for k in sorted({*before, *now})})


def _flat(table: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{where}.{key}")
        else:
            yield f"{where}.{key}", value


def stake_table(stake: StakeSection) -> dict[str, Any]:
    """The settings by the keys of [stores.NAME.stake], without what is not there."""
    plain: dict[str, Any] = _plain(asdict(stake))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None and v != ()}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_shown(v) for v in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k} {_shown(v)}" for k, v in value.items()) + "}"
    return "none" if value in (None, "") else str(value)
