"""What all who agree on an epoch's report have in common: its set, who leads, and when attempts begin. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from eth_hash.auto import keccak

from feeds.units import MS
from oracle.agree.leaders import draw, members_hash
from oracle.rewards.frozen import FrozenEpoch

MOST_ATTEMPTS = 320
"""Then members leave it to people: with the usual length after three weeks."""
_GROWS_AFTER = 32
"""Attempts of a length; those that follow are twice as long, so that delays need not be known."""
_ROUNDS_LATE = 3
"""So many rounds after an epoch is over everybody has written down who signed its last one."""
_TAG = b"lrt-oracle epoch order 1"
_GATHER, _GUARD = 4, 4
"""Parts of an attempt: its first, in which its leader gathers what others know; its last, in which nothing is said of it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootTiming:
    """When attempts begin and end. ``base_ms``: when the first one begins, Unix ms; ``attempt_ms``: how long it takes."""

    base_ms: int
    attempt_ms: int

    @property
    def words_ms(self) -> int:
        """From when on members say who was there: all have heard it when the first attempt begins, so nobody can be left out."""
        return self.base_ms - self.attempt_ms

    def attempt_at(self, now_ms: int) -> int:
        """The attempt of a moment, from 0; -1 before the first one, `MOST_ATTEMPTS` after the last one."""
        return min(self.span_at(now_ms), MOST_ATTEMPTS)

    def span_at(self, now_ms: int) -> int:
        """The same, and after the last attempt it goes on: words are still told and counted, one span after the other."""
        gone_ms, attempt, each_ms = now_ms - self.base_ms, 0, self.attempt_ms
        if gone_ms < 0:
            return -1
        while gone_ms >= _GROWS_AFTER * each_ms and attempt < MOST_ATTEMPTS:
            gone_ms, attempt, each_ms = gone_ms - _GROWS_AFTER * each_ms, attempt + _GROWS_AFTER, 2 * each_ms
        return attempt + gone_ms // each_ms

    def length_ms(self, attempt: int) -> int:
        """How long an attempt takes, or a span after the last one."""
        return self.attempt_ms << min(attempt, MOST_ATTEMPTS) // _GROWS_AFTER

    def start_ms(self, attempt: int) -> int:
        """When an attempt begins."""
        grown, more = divmod(attempt, _GROWS_AFTER)
        return self.base_ms + _GROWS_AFTER * self.attempt_ms * ((1 << grown) - 1) + more * self.length_ms(attempt)

    def proposes_ms(self, attempt: int) -> int:
        """From when on its leader proposes: by then it has heard what others are locked on."""
        return self.start_ms(attempt) + self.length_ms(attempt) // _GATHER

    def ends_ms(self, attempt: int) -> int:
        """From when on nothing is said of it any more: what was said reaches the next leader before it proposes."""
        return self.start_ms(attempt + 1) - self.length_ms(attempt) // _GUARD


@dataclass(frozen=True, kw_only=True)
class RootTerms:
    """The agreement of one epoch.

    Attributes:
        frozen: the epoch's set, whose weights no removal changes.
        timing: of the attempts.
        stakes: of each member in each source at the freeze, as they are read here.
        pots: that the epoch was funded with, by asset, as they are read here.
    """

    frozen: FrozenEpoch
    timing: RootTiming
    stakes: tuple[tuple[int, ...], ...]
    pots: dict[bytes, int]

    @cached_property
    def order(self) -> tuple[bytes, ...]:
        """Report keys in the order in which they lead: drawn by weight from epoch and store."""
        return draw(self._seed(b"lead"), self.frozen.signers.members)

    @cached_property
    def posting_order(self) -> tuple[bytes, ...]:
        """Report keys in the order in which they post: each has the same chance, for gas costs each the same."""
        return draw(self._seed(b"post"), dict.fromkeys(self.frozen.signers.members, 1))

    def leader(self, attempt: int) -> bytes:
        """Who leads an attempt."""
        return self.order[attempt % len(self.order)]

    def weighs_t(self, keys: set[bytes] | dict[bytes, bytes]) -> bool:
        """Whether these members weigh T."""
        return sum(self.frozen.weight_of(k) for k in keys) >= self.frozen.threshold

    def _seed(self, what: bytes) -> bytes:
        domain = self.frozen.domain
        place = domain.chain_id.to_bytes(32, "big") + domain.store + members_hash(self.frozen.signers)
        return keccak(_TAG + what + place)


def timing_of_epoch(over_s: int, *, interval_s: int, attempt_s: int) -> RootTiming:
    """When attempts of an epoch begin: who signed its last rounds is written down, and has been said.

    Args:
        over_s: when the epoch was over, by the chain, Unix s.
        interval_s: between rounds.
        attempt_s: of the config; all members must have the same.
    """
    return RootTiming(base_ms=(over_s + _ROUNDS_LATE * interval_s + attempt_s) * MS, attempt_ms=attempt_s * MS)
