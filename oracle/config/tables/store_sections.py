"""[stores.NAME]: what a PriceStore, and a registry over it, are made with; and what of it is unsafe with real money.

The bounds are the contracts' own (PriceStore, StoreFeeds, StoreSigners, OperatorRegistry), so that a wrong setting is
found before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from feeds.chains.abi import address

LOCAL_CHAINS = frozenset({1_337, 31_337})
"""Chain ids of local nodes (geth --dev; anvil, Hardhat): nothing there is worth anything."""
DAY_S = 86_400
_MAX_SIGNERS, _MAX_CLASSES = 255, 8
_MAX_WEIGHT = (1 << 96) - 1
_LEAST_DELAY_S = DAY_S
_LONGEST_UNBONDING_S = 365 * DAY_S
_WIDE_BPS = 2_000
_AHEAD_S = 30
"""Rounds may lie so far ahead of a block: a set is armed before its time by more than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSection:
    """[[stores.NAME.classes]]: how tokens of a class may move; ``feeds`` names who is in it, the rest is in the first.

    Attributes:
        name: for people; the store knows only the order.
        min_gap_s: for which prices stay within a step of where a gap opened, and a better status waits.
        step_bps: a price further away waits, unless step_threshold signed it.
        step_wait_s: until it has stood for so long.
        feeds: members.
    """

    name: str = "usual"
    min_gap_s: int = 10
    step_bps: int = 500
    step_wait_s: int = 600
    feeds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _raise(
            [
                *_within("min_gap_s", self.min_gap_s, 1, 3_600),
                *_within("step_bps", self.step_bps, 1, 9_999),
                *_within("step_wait_s", self.step_wait_s, max(1, self.min_gap_s), 7 * DAY_S),
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySection:
    """[stores.NAME.registry]: an OperatorRegistry over the store.

    Attributes:
        token: what is bonded; it must not rebase and take no fee.
        treasury: gets what is not given back.
        arbiter: may give a penalty back within dispute_s, and nothing else; None for the store's owner.
        curator: makes the snapshots; None for the store's owner.
        slasher: is told of final penalties (EigenSlasher); None for nobody.
        epoch_s: the longest life of a signer set; with the store's overlap and push age it is for how long a key can
            still sign what the store takes.
        dispute_s: from a proof until the penalty is final.
        unbonding_s: from a request to leave until the bond can be taken; 0: the least that covers all of it.
    """

    token: str
    treasury: str
    arbiter: str | None = None
    curator: str | None = None
    slasher: str | None = None
    epoch_s: int = 30 * DAY_S
    dispute_s: int = 3 * DAY_S
    unbonding_s: int = 0

    def __post_init__(self) -> None:
        problems = [
            *_within("epoch_s", self.epoch_s, 1, 365 * DAY_S),
            *_within("dispute_s", self.dispute_s, 1, 365 * DAY_S),
        ]
        for name in ("token", "treasury", "arbiter", "curator", "slasher"):
            problems += _no_address(name, getattr(self, name))
        _raise(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSection:
    """[stores.NAME]: a PriceStore as `lrt-oracle deploy` makes it. The key that deploys owns it until it is handed over.

    Attributes:
        signers: addresses of the operators' report keys.
        threshold: weight that a batch needs, more than half of all.
        weights: of the signers, in their order; none: 1 each.
        step_threshold: weight with which a price may move by any step; 0: half of what is missing to all, rounded up.
        chain: a [chains.*], for its endpoint; None: --rpc says it.
        owner: to whom the ownership is offered in the end, a timelock or a Safe; None: the deploying key keeps it.
        guardian: may pause and nothing else; None for the owner alone.
        set_owner: may replace signers after the delay and remove some at once, as the owner may; None for the owner alone.
        max_push_age_s: a batch older than this is refused.
        rotation_delay_s: from a change of signers to the moment from which it counts.
        overlap_s: for which the signers before are still taken then.
        classes: limits that tokens are bound to; the first is everybody's who is named in none.
        registry: an OperatorRegistry over the store; None for none.
    """

    signers: tuple[str, ...]
    threshold: int
    weights: tuple[int, ...] = ()
    step_threshold: int = 0
    chain: str | None = None
    owner: str | None = None
    guardian: str | None = None
    set_owner: str | None = None
    max_push_age_s: int = 60
    rotation_delay_s: int = 2 * DAY_S
    overlap_s: int = 600
    classes: tuple[LimitsSection, ...] = field(default_factory=lambda: (LimitsSection(),))
    registry: RegistrySection | None = None

    def __post_init__(self) -> None:
        _raise([*self._signer_problems(), *self._other_problems()])

    @property
    def all_weights(self) -> tuple[int, ...]:
        """One weight for each signer."""
        return self.weights or (1,) * len(self.signers)

    def class_of(self, feed: str) -> int:
        """The class that a feed is registered in."""
        return next((i for i, c in enumerate(self.classes) if feed in c.feeds), 0)

    def _signer_problems(self) -> Iterator[str]:
        for one in self.signers:
            yield from _no_address("signers", one)
        low = [s.lower() for s in self.signers]
        yield from (f"signers: {s} stands twice" for s in sorted({s for s in low if low.count(s) > 1}))
        yield from _within("signers: their number", len(self.signers), 1, _MAX_SIGNERS)
        if len(self.all_weights) != len(self.signers):
            yield f"weights: {len(self.weights)} for {len(self.signers)} signers; write one for each, or none"
        total = sum(self.all_weights)
        if any(not 0 < w <= _MAX_WEIGHT for w in self.weights):
            yield "weights: each is at least 1 and below 2^96"
        most = min(total, _MAX_WEIGHT)
        if not total // 2 < self.threshold <= most:
            yield f"threshold = {self.threshold}: write {total // 2 + 1} to {most}, more than half of the weight"
        elif self.step_threshold and not self.threshold <= self.step_threshold <= most:
            yield f"step_threshold = {self.step_threshold}: write {self.threshold} to {most}, or 0 for what lies between"

    def _other_problems(self) -> Iterator[str]:
        yield from _no_address("owner", self.owner)
        yield from _no_address("guardian", self.guardian)
        yield from _no_address("set_owner", self.set_owner)
        yield from _within("max_push_age_s", self.max_push_age_s, 1, 3_600)
        if 0 < self.rotation_delay_s <= _AHEAD_S:
            yield f"rotation_delay_s = {self.rotation_delay_s}: no set could be armed so soon; write 0, or more than {_AHEAD_S}"
        yield from _within("rotation_delay_s", self.rotation_delay_s, 0, 30 * DAY_S)
        yield from _within("overlap_s", self.overlap_s, 0, DAY_S)
        yield from _within("classes: their number", len(self.classes), 1, _MAX_CLASSES)
        for what, named in (("class is called", [c.name for c in self.classes]),
                            ("class holds", [f for c in self.classes for f in c.feeds])):  # fmt: skip
            yield from (
                f"classes: more than one {what} {n!r}" for n in sorted({n for n in named if named.count(n) > 1})
            )
        if self.registry is not None:
            least_s = self.longest_s + self.registry.dispute_s
            if least_s > _LONGEST_UNBONDING_S:
                yield (
                    f"registry: epoch_s, overlap_s, max_push_age_s and dispute_s add up to {least_s}: write less, as"
                    f" unbonding must cover them within {_LONGEST_UNBONDING_S} (a year)"
                )
            elif self.registry.unbonding_s:
                yield from _within("registry.unbonding_s", self.registry.unbonding_s, least_s, _LONGEST_UNBONDING_S)

    @property
    def longest_s(self) -> int:
        """For how long after a request to leave a key can still sign what the store takes."""
        epoch_s = self.registry.epoch_s if self.registry is not None else 0
        return epoch_s + self.overlap_s + self.max_push_age_s


def cautions(
    *,
    rotation_delay_s: int,
    overlap_s: int,
    max_push_age_s: int,
    weights: Sequence[int],
    threshold: int,
    step_bps: int,
    guardian: bool,
    owner_is_key: bool,
) -> list[str]:
    """What of a store is unsafe with real money, each with what to do. Of a store to be made, or of one on a chain."""
    found = []
    if not guardian:
        found.append(
            "no guardian: only the owner can stop a wrong price; name one (guardian), a key that can only pause"
        )
    if rotation_delay_s < _LEAST_DELAY_S:
        found.append(
            f"rotation_delay_s = {rotation_delay_s}: who has the owner's key has any price so soon, before anybody can leave;"
            f" write {2 * DAY_S}. It is fixed for good: a store that has less is replaced by another (--salt)"
        )
    if overlap_s < max_push_age_s:
        found.append(
            f"overlap_s = {overlap_s} is less than max_push_age_s = {max_push_age_s}: batches under way are refused when the"
            " signers change; write at least as much"
        )
    if owner_is_key:
        found.append(
            "the owner is a plain key: hand over to a timelock or a Safe (owner), which then calls acceptOwnership()"
        )
    if weights and max(weights) >= threshold:
        found.append("one signer alone reaches the threshold: one stolen key sets prices; spread the weight")
    if step_bps > _WIDE_BPS:
        found.append(f"a class with step_bps = {step_bps} stops next to nothing: write at most {_WIDE_BPS}")
    return found


def _raise(problems: Sequence[str]) -> None:
    if problems:
        raise ValueError("; ".join(problems))


def _within(name: str, value: int, least: int, most: int) -> Iterator[str]:
    if not least <= value <= most:
        yield f"{name} = {value}: write {least} to {most}"


def _no_address(name: str, text: str | None) -> Iterator[str]:
    try:
        if text is not None:
            address(text)
    except ValueError as e:
        yield f"{name}: {e}"
