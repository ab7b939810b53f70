"""[stores.NAME.stake]: the contracts that decide by stake who signs for a store, and what of their settings can not be.

The rules are the contracts' own (StakedSet, Penalties, Rewards, the sources), so that a wrong setting is found before anything is
sent. The defaults fit each other, a rotation delay of two days, a longest epoch of four, and the 14 days for which EigenLayer's
stake stays within reach on Ethereum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from feeds.chains.abi import address
from oracle.config.tables.forms import raw_address
from oracle.config.tables.stake_sources import (
    DAY_S,
    CollateralSection,
    DelegatedSection,
    EigenLayerSection,
    Source,
    SymbioticSection,
    ether,
)
from oracle.model.keys import key

_BPS = 10_000
_YEAR_S = 365 * DAY_S
_MOST_MEMBERS = 31
_MOST_GAS = 7_000_000
_OBSERVED_S, _KEPT_EPOCHS = 3_600, 2
"""For so long the set takes what was observed for what sources say; and so many epochs for a source that fails."""
_MOST_COLLATERAL, _MOST_TOKENS = 32, 3
_LEAST_MIGRATION_S = DAY_S
_CAPTURE_S = 1
"""Symbiotic's stake counts by the second before a capture."""


class StoreTimes(Protocol):
    """Of the store: from a freeze on they say until when a word can be used."""

    @property
    def rotation_delay_s(self) -> int:
        """From a change of signers to the moment from which it counts."""

    @property
    def longest_epoch_s(self) -> int:
        """After it a set signs nothing."""

    @property
    def overlap_s(self) -> int:
        """For which the signers before are still taken."""

    @property
    def max_push_age_s(self) -> int:
        """After which a batch is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeSection:
    """[stores.NAME.stake]: StakedSet, KeyBook, Penalties, Rewards and their sources; the store is handed to StakedSet.

    Its timelock is the store's ``owner``.
    """

    epoch_s: int = key(
        DAY_S,
        "least time between two freezes of stakes. A day: weights follow stake soon, and a source that fails keeps its weight"
        " for two epochs",
        least=1,
        most=_YEAR_S,
    )
    join_delay_s: int = key(
        DAY_S,
        "from joining to the first freeze that counts an operator: time to look at who comes. An hour at least: a freeze may be"
        " of a moment so long before it, and who comes back from a jail must be in none of before that",
        least=_OBSERVED_S,
        most=_YEAR_S,
    )
    evidence_s: int = key(
        DAY_S,
        "for this long after its last use a word can be proven: time to find it and to send it",
        least=1,
        most=_YEAR_S,
    )
    cap_bps: int = key(
        3_000,
        "largest share of one member. Below what may be missing (10000 - `threshold_bps`), so that no member alone stops the"
        " store",
        least=1,
        most=_BPS,
    )
    min_stake_eth: str = key("32", "least stake of a member, in ether: a validator's", form=ether)
    min_members: int = key(
        4, "with fewer no set is made; with `cap_bps` they reach the whole", least=1, most=_MOST_MEMBERS
    )
    max_members: int = key(
        13,
        "most members; eight more can be candidates. More weight would have to be bought, and each makes a freeze dearer",
        least=1,
        most=_MOST_MEMBERS,
    )
    threshold_bps: int = key(
        6_700, "a batch needs more than this part of the weight: more than two thirds", least=6_667, most=_BPS - 1
    )
    step_bps: int = key(
        8_000, "with more than this part a price may move by any step; at least `threshold_bps`", least=6_667, most=_BPS
    )
    migrate_delay_s: int = key(
        0,
        "from the announcement of another owner until the store is offered to it; 0: a day more than words can be proven,"
        " so that all stake can leave before",
        least=0,
        most=2 * _YEAR_S,
    )
    arbiter: str | None = key(
        None, "address that may give a penalty back within `dispute_s`, and nothing else. None: nobody", form=address
    )
    dispute_s: int = key(3 * DAY_S, "from a proof until the penalty can be carried out", least=1, most=_YEAR_S)
    execution_s: int = key(
        DAY_S,
        "for this long after it anybody can carry the penalty out, with stake still within reach",
        least=1,
        most=_YEAR_S,
    )
    min_fraction_bps: int = key(
        500, "what a lie costs if nobody else lied: a cloned machine does that, so a little", least=1, most=_BPS
    )
    jail_s: int = key(
        30 * DAY_S,
        "for this long nobody who was proven to lie can sign: time to find out why",
        least=1,
        most=36_500 * DAY_S,
    )
    finder_bps: int = key(
        500,
        "part of what is taken that goes to who proved it; at most 500, so that nobody proves himself",
        least=0,
        most=500,
    )
    absence_jail_s: int = key(
        DAY_S, "for this long nobody who was absent can sign, by the word of weight T", least=1, most=7 * DAY_S
    )
    reward_tokens: tuple[str, ...] = key(
        (), f"addresses of tokens that signers can be paid in beside ether, at most {_MOST_TOKENS}", form=address
    )
    collateral: tuple[CollateralSection, ...] = field(default_factory=tuple)
    delegated: DelegatedSection | None = None
    symbiotic: SymbioticSection | None = None
    eigenlayer: EigenLayerSection | None = None

    @property
    def sources(self) -> Mapping[str, Source]:
        """Those that are there, by key, in the order in which the contracts have them."""
        named = {"delegated": self.delegated, "symbiotic": self.symbiotic, "eigenlayer": self.eigenlayer}
        return {name: source for name, source in named.items() if source is not None}

    @property
    def tokens(self) -> tuple[CollateralSection, ...]:
        """What counts as stake: what is listed, or what is delegated at its own rate."""
        if self.collateral or self.delegated is None:
            return self.collateral
        return (CollateralSection(token=self.delegated.token),)

    # ------------------------------------------------------------------------------------------------------- times

    @property
    def keeps_s(self) -> int:
        """For so long a weight may stand for a source that fails."""
        return _OBSERVED_S + _KEPT_EPOCHS * self.epoch_s

    def answer_s(self, store: StoreTimes) -> int:
        """From when stake was seen to the last second at which a word of the set that it was frozen for can be proven."""
        used_s = _OBSERVED_S + store.rotation_delay_s + store.longest_epoch_s + store.overlap_s + store.max_push_age_s
        return used_s + self.evidence_s

    def needs_s(self, store: StoreTimes) -> int:
        """For so long after it was seen stake must be within reach of a penalty."""
        return self.keeps_s + self.answer_s(store) + self.dispute_s + self.execution_s

    def migration_s(self, store: StoreTimes) -> int:
        """From the announcement of another owner until the store is offered to it."""
        return self.migrate_delay_s or self.answer_s(store) + _LEAST_MIGRATION_S

    def vault_epoch_s(self, store: StoreTimes) -> int:
        """Least epoch of a vault in Symbiotic that counts."""
        least_s = self.needs_s(store) + _CAPTURE_S
        return (self.symbiotic.min_reach_s if self.symbiotic is not None else 0) or least_s

    # ------------------------------------------------------------------------------------------------------- rules

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if not self.sources:
            yield (
                "",
                "has no source of stake: write [stores.NAME.stake.delegated] (--stake TOKEN), .symbiotic or .eigenlayer",
            )
            return
        yield from self._member_problems()
        yield from self._gas_problems()
        yield from self._token_problems()

    def _member_problems(self) -> Iterator[tuple[str, str]]:
        if self.min_members > self.max_members:
            yield "min_members", f"{self.min_members} is more than max_members = {self.max_members}: write at most that"
        least = -(-_BPS // self.min_members)
        if self.cap_bps < least:
            text = f"{self.cap_bps} x min_members = {self.min_members} is less than the whole, {_BPS}: write at least {least}"
            yield "cap_bps", f"{text}, or more min_members"
        if self.step_bps < self.threshold_bps:
            yield "step_bps", f"{self.step_bps} is less than threshold_bps = {self.threshold_bps}: write at least that"

    def _gas_problems(self) -> Iterator[tuple[str, str]]:
        """The most that all sources may take for one operator, see StakeWindows."""
        each = {name: source.gas_each for name, source in self.sources.items()}
        total = sum(each.values())
        if total > _MOST_GAS:
            text = (
                f"with {total} for all sources of one operator it is more than {_MOST_GAS}: write less for one of them"
            )
            yield f"{max(each, key=lambda n: each[n])}.gas", text

    def _token_problems(self) -> Iterator[tuple[str, str]]:
        listed = [raw_address(c.token) for c in self.tokens]
        if not 1 <= len(listed) <= _MOST_COLLATERAL:
            text = f"there are {len(listed)}: write 1 to {_MOST_COLLATERAL} [[stores.NAME.stake.collateral]]"
            yield "collateral", f"{text}, each token whose stake counts"
        for twice in sorted({t for t in listed if listed.count(t) > 1}):
            yield "collateral", f"0x{twice.hex()} is listed twice"
        if self.delegated is not None and raw_address(self.delegated.token) not in listed:
            text = f"{self.delegated.token} is not in collateral: add [[stores.NAME.stake.collateral]] with it"
            yield "delegated.token", text
        for i, one in enumerate(self.eigenlayer.strategies if self.eigenlayer is not None else ()):
            if one.token and raw_address(one.token) not in listed:
                text = f"{one.token} is not in collateral: add [[stores.NAME.stake.collateral]] with it"
                yield f"eigenlayer.strategies[{i}].token", text
        paid = [t.lower() for t in self.reward_tokens]
        if len(paid) > _MOST_TOKENS:
            yield "reward_tokens", f"there are {len(paid)}: write at most {_MOST_TOKENS}; ether is always one"
        if len(set(paid)) < len(paid):
            yield "reward_tokens", "has a token twice: write each once"

    def problems_over(self, store: StoreTimes) -> Iterator[tuple[str, str]]:
        """What does not fit the store's times: the key as the store has it, and what to write."""
        turn_s = self.epoch_s + store.rotation_delay_s
        if store.longest_epoch_s == 0:
            text = "sets that stake decides on must expire, or stake could leave while they sign"
            yield "longest_epoch_s", f"is 0, and {text}: write more than stake.epoch_s + rotation_delay_s = {turn_s}"
            return
        if turn_s >= store.longest_epoch_s:
            most = store.longest_epoch_s - store.rotation_delay_s - 1
            text = (
                f"write at most {most}, or a longer longest_epoch_s" if most > 0 else "write a longer longest_epoch_s"
            )
            late = (
                f"{self.epoch_s} and rotation_delay_s = {store.rotation_delay_s} are not less than longest_epoch_s ="
                f" {store.longest_epoch_s}, so a set would expire before the next can follow: {text}"
            )
            yield "stake.epoch_s", late
        answer_s = self.answer_s(store)
        if 0 < self.migrate_delay_s <= answer_s:
            text = f"{self.migrate_delay_s} is not more than the {answer_s} s for which a word can be proven after a freeze"
            yield "stake.migrate_delay_s", f"{text}, so stake could not leave before: write more, or 0 for the least"
        least_s = self.needs_s(store) + _CAPTURE_S
        if self.symbiotic is not None and 0 < self.symbiotic.min_reach_s < least_s:
            text = (
                f"{self.symbiotic.min_reach_s} is less than {least_s}: 2 epoch_s + 7200 + rotation_delay_s + longest_epoch_s +"
                " overlap_s + max_push_age_s + evidence_s + dispute_s + execution_s + 1. Write at least that, 0 for it, or"
                " shorter times"
            )
            yield "stake.symbiotic.min_reach_s", text

    def cautions(self, *, timelock: bool) -> list[str]:
        """What is unsafe with real money, each with what to do. ``timelock``: whether one was named."""
        said = []
        if not timelock:
            said.append(
                "the set's timelock is the key that deploys, and for good: name a timelock or a Safe (owner), which can migrate"
            )
        missing = _BPS - self.threshold_bps
        if self.cap_bps > missing:
            said.append(
                f"stake.cap_bps = {self.cap_bps}: one member alone can stop the store, and is not cut where it lies; write at"
                f" most {missing}, with at least {-(-_BPS // missing)} min_members"
            )
        if self.arbiter is None:
            said.append(
                "no stake.arbiter: a penalty for a stolen key cannot be given back; name a Safe that may, and nothing else"
            )
        return said
