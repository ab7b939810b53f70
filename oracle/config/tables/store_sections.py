"""[stores.NAME]: what a PriceStore is made with, and what of it is unsafe with real money.

The bounds are the contracts' own (PriceStore, StoreFeeds, StoreSigners), so that a wrong setting is found before anything is
sent. What decides by stake who signs for it is in `stake_sections`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from feeds.chains.abi import address
from oracle.config.tables.stake_sections import StakeSection
from oracle.model.agreement_bounds import bounds_text, least_threshold
from oracle.model.keys import key, required

LOCAL_CHAINS = frozenset({1_337, 31_337})
"""Chain ids of local nodes (geth --dev; anvil, Hardhat): nothing there is worth anything."""
DAY_S = 86_400
_MAX_SIGNERS, _MAX_CLASSES = 255, 8
_MAX_WEIGHT = (1 << 96) - 1
_LEAST_DELAY_S = DAY_S
_LONGEST_EPOCH_S = 365 * DAY_S
_LEAST_TURN_S = 3_600
"""Beyond the delay, a longest epoch leaves at least this much time to name the next set."""
_WIDE_BPS = 2_000
_AHEAD_S = 30
"""Rounds may lie so far ahead of a block: a set is armed before its time by more than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSection:
    """[[stores.NAME.classes]]: how prices of a class may move. A feed is in the class that names it, else in the first."""

    name: str = key("usual", "for people, unique; the store knows only the order")
    min_gap_s: int = key(
        10,
        "for this long prices stay within a step of where a gap opened, and a better status waits",
        least=1,
        most=3_600,
    )
    step_bps: int = key(
        500, "a price further away than this waits, unless `step_threshold` signed it", least=1, most=9_999
    )
    step_wait_s: int = key(
        600,
        "until all that was signed has lain beyond a step for this long, on one side: the least far of it lands; at least"
        " `min_gap_s`",
        least=1,
        most=7 * DAY_S,
    )
    feeds: tuple[str, ...] = key((), "the feeds of this class; a feed's class is for good")

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if self.step_wait_s < self.min_gap_s:
            yield "step_wait_s", f"{self.step_wait_s} is less than min_gap_s = {self.min_gap_s}: write at least that"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSection:
    """[stores.NAME]: a PriceStore as `lrt-oracle deploy` makes it. The key that deploys owns it until it is handed over."""

    chain: str | None = key(None, "a `[chains.*]`, for its endpoint; none: `--rpc` says it")
    signers: tuple[str, ...] = field(
        metadata=required(f"addresses of the operators' report keys, at most {_MAX_SIGNERS}", form=address)
    )
    weights: tuple[int, ...] = key(
        (), "stake weights of the signers, in their order", least=1, most=_MAX_WEIGHT, shown="1 each"
    )
    threshold: int = field(metadata=required("weight that a batch needs, more than half of all"))
    step_threshold: int = key(
        0,
        "weight with which a price may move by any step; 0: `threshold` and half of what is missing to all, rounded up",
    )
    owner: str | None = key(
        None,
        "address of a timelock or a Safe that the store is offered to once all is made; it takes it by `acceptOwnership()`."
        " With `stake` the store is StakedSet's, and this is its timelock, which can register, pause and resume feeds and"
        " migrate. None: the deploying key",
        form=address,
    )
    guardian: str | None = key(
        None, "address of a key at hand that may pause and nothing else. None: only the owner can", form=address
    )
    set_owner: str | None = key(
        None,
        "address that may replace signers after the delay and remove some at once, as the owner may; not with `stake`. None:"
        " the owner alone",
        form=address,
        see="[trust.md](trust.md)",
    )
    one_party: bool = key(
        default=False,
        says="all signers are keys of one party, so a `threshold` of more than half will do; independent operators need more"
        " than two thirds",
        see="[trust.md](trust.md#how-many-may-be-faulty)",
    )
    directory: bool = key(
        default=False,
        says="make an OperatorDirectory too, where independent operators announce themselves; one serves all stores of a"
        " chain, at the same address on each",
    )
    max_push_age_s: int = key(60, "a batch older than this is refused", least=1, most=3_600)
    rotation_delay_s: int = key(
        2 * DAY_S,
        "from a change of signers to the moment from which it counts, if the new set is armed by then: the time that"
        f" consumers have to leave; 0, or more than {_AHEAD_S}",
        least=0,
        most=30 * DAY_S,
        see="[contracts.md](contracts.md#whose-word-counts)",
    )
    overlap_s: int = key(
        600,
        "for this long rounds of the signers before, from before that moment, are still taken; at least `max_push_age_s`,"
        " or batches under way are lost; more means no more than that",
        least=0,
        most=DAY_S,
    )
    longest_epoch_s: int = key(
        0,
        "for this long from its start a signer set signs rounds; without another one that has taken over the store then takes"
        f" nothing. 0: for ever; else at least `rotation_delay_s` + {_LEAST_TURN_S}",
        least=0,
        most=_LONGEST_EPOCH_S,
        see="[contracts.md](contracts.md#sets-that-expire)",
    )
    classes: tuple[LimitsSection, ...] = field(default_factory=lambda: (LimitsSection(),))
    stake: StakeSection | None = None

    @property
    def all_weights(self) -> tuple[int, ...]:
        """One weight for each signer."""
        return self.weights or (1,) * len(self.signers)

    def class_of(self, feed: str) -> int:
        """The class that a feed is registered in."""
        return next((i for i, c in enumerate(self.classes) if feed in c.feeds), 0)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        yield from self._signer_problems()
        if 0 < self.rotation_delay_s <= _AHEAD_S:
            text = f"no set could be armed so soon; write 0, or more than {_AHEAD_S}"
            yield "rotation_delay_s", f"rotation_delay_s = {self.rotation_delay_s}: {text}"
        least_s = self.rotation_delay_s + _LEAST_TURN_S
        if 0 < self.longest_epoch_s < least_s:
            text = f"{self.longest_epoch_s} is out of range: write {least_s} to {_LONGEST_EPOCH_S}, or 0 for no end"
            yield "longest_epoch_s", f"{text}; who follows must be named rotation_delay_s before"
        yield from self._class_problems()
        yield from self._stake_problems()

    def _signer_problems(self) -> Iterator[tuple[str, str]]:
        lower = [s.lower() for s in self.signers]
        yield from (("signers", f"{s} is listed twice") for s in sorted({s for s in lower if lower.count(s) > 1}))
        if not 1 <= len(self.signers) <= _MAX_SIGNERS:
            yield "signers", f"there are {len(self.signers)}: write 1 to {_MAX_SIGNERS}"
        if len(self.all_weights) != len(self.signers):
            yield "weights", f"{len(self.weights)} for {len(self.signers)} signers; write one for each, or none"
        total = sum(self.all_weights)
        most = min(total, _MAX_WEIGHT)
        if not total // 2 < self.threshold <= most:
            text = f"{self.threshold} is out of range: write {total // 2 + 1} to {most}, more than half of the weight"
            yield "threshold", text
        elif self.step_threshold and not self.threshold <= self.step_threshold <= most:
            text = f"{self.step_threshold} is out of range: write {self.threshold} to {most}, or 0 for half of what is missing"
            yield "step_threshold", text
        elif len(self.signers) > 1 and not self.one_party and self.threshold < least_threshold(total):
            text = (
                f"{self.threshold} is too low for independent operators: {bounds_text(total, self.threshold)}; write at least"
                f" {least_threshold(total)}, or one_party = true (--one-party) if all of these keys are one party's"
            )
            yield "threshold", text

    def _class_problems(self) -> Iterator[tuple[str, str]]:
        if not 1 <= len(self.classes) <= _MAX_CLASSES:
            yield "classes", f"there are {len(self.classes)}: write 1 to {_MAX_CLASSES}"
        for has, names in (
            ("is called", [c.name for c in self.classes]),
            ("holds", [f for c in self.classes for f in c.feeds]),
        ):
            for twice in sorted({n for n in names if names.count(n) > 1}):
                yield "classes", f"more than one class {has} {twice!r}"

    def _stake_problems(self) -> Iterator[tuple[str, str]]:
        if self.stake is None:
            return
        if self.set_owner is not None:
            text = "nobody may name signers where stake decides who signs: leave it out (--set-owner), or [stores.NAME.stake]"
            yield "set_owner", text
        yield from self.stake.problems_over(self)


def cautions(
    *,
    rotation_delay_s: int,
    overlap_s: int,
    longest_epoch_s: int,
    max_push_age_s: int,
    weights: Sequence[int],
    threshold: int,
    step_bps: int,
    guardian: bool,
    owner_is_key: bool,
) -> list[str]:
    """What of a store is unsafe with real money, each with what to do. Of a store to be made, or of one on a chain."""
    warnings = []
    if not guardian:
        warnings.append(
            "no guardian: only the owner can stop a wrong price; name one (guardian), a key that can only pause"
        )
    if rotation_delay_s < _LEAST_DELAY_S:
        warnings.append(
            f"rotation_delay_s = {rotation_delay_s}: anybody with the owner's key sets any price so soon, before others can"
            f" leave; write {2 * DAY_S}. It is fixed for good: a store that has less is replaced by another (--salt)"
        )
    if overlap_s < max_push_age_s:
        warnings.append(
            f"overlap_s = {overlap_s} is less than max_push_age_s = {max_push_age_s}: batches under way are refused when the"
            " signers change; write at least as much"
        )
    turn_s = longest_epoch_s - rotation_delay_s
    if longest_epoch_s and turn_s < DAY_S:
        warnings.append(
            f"longest_epoch_s = {longest_epoch_s}: the next signers must be set within {turn_s} s of each epoch's start, or the"
            f" store takes nothing for a while; write at least {rotation_delay_s + DAY_S}"
        )
    if owner_is_key:
        warnings.append(
            "the owner is a plain key: hand over to a timelock or a Safe (owner), which then calls acceptOwnership()"
        )
    if weights and max(weights) >= threshold:
        warnings.append("one signer alone reaches the threshold: one stolen key sets prices; spread the weight")
    if step_bps > _WIDE_BPS:
        warnings.append(f"a class with step_bps = {step_bps} stops next to nothing: write at most {_WIDE_BPS}")
    return warnings
