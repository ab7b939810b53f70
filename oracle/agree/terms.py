"""What all who agree on a round must have in common, and the times of its attempts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from eth_hash.auto import keccak

from oracle.sign.messages import SignerSet

PROTOCOL_VERSION = 1
_S = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times of a round, ms from its start. They are the same for all, so they are part of the terms.

    Attributes:
        values_ms: at the latest then the first leader proposes, if weight T has sent values.
        grace_ms: so long it waits for more once weight T is in.
        first_ms: end of the first attempt.
        next_ms: length of each later one.
        guard_ms: no signature in this last part of an attempt: what is signed before reaches all before they go on.
        end_ms: after that nothing of the round is signed any more.
    """

    values_ms: int = 1_500
    grace_ms: int = 300
    first_ms: int = 2_000
    next_ms: int = 1_000
    guard_ms: int = 500
    end_ms: int = 10_000

    def deadline_ms(self, attempt: int) -> int:
        """End of an attempt, counted from 0."""
        return min(self.first_ms + attempt * self.next_ms, self.end_ms)

    def half_ms(self, attempt: int) -> int:
        """The middle of an attempt, or earlier, so that a second step has its time before the last signature."""
        begin_ms = self.deadline_ms(attempt - 1) if attempt else 0
        last_ms = self.deadline_ms(attempt) - self.guard_ms
        return min((self.deadline_ms(attempt) + begin_ms) // 2, last_ms - (self.next_ms - self.guard_ms) // 2)

    @property
    def interval_s(self) -> int:
        """Between rounds: what is signed of one ends a little before the next begins."""
        return max(1, round(self.end_ms / _S))

    @property
    def attempts(self) -> int:
        """How many attempts begin before the end."""
        return 1 + max(0, -(-(self.end_ms - self.first_ms) // self.next_ms))


def timing_of(interval_s: int) -> Timing:
    """The times of a network whose rounds are so far apart; below five seconds all are shorter in proportion."""
    part = min(interval_s, 5) * _S
    return Timing(
        values_ms=part * 3 // 10,
        grace_ms=part * 6 // 100,
        first_ms=part * 2 // 5,
        next_ms=part // 5,
        guard_ms=part // 10,
        end_ms=interval_s * _S - part // 10,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonRules:
    """What decides prices and must be equal: its hash goes under every word. Own sources are not part of it.

    Attributes:
        version: of the protocol.
        digest: hash of rules, feeds, modes and times, 32 bytes.
    """

    version: int = PROTOCOL_VERSION
    digest: bytes = bytes(32)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """One instance: one round of one store.

    Attributes:
        target: name of the store in the config; not part of what is bound.
        signers: the set whose round it is.
        round_time_s: of the round.
        indexes: of every feed in the store, by its id.
        rules: what must be equal.
        order: addresses in the order in which they lead, see `oracle.agree.leaders`.
        timing: of the attempts.
    """

    target: str
    signers: SignerSet
    round_time_s: int
    indexes: Mapping[str, int]
    rules: CommonRules
    order: tuple[bytes, ...]
    timing: Timing

    @cached_property
    def binding(self) -> bytes:
        """Hash of version, rules, chain, store, epoch, signer set and index table: of all but the round. 32 bytes."""
        return binding(self.rules, self.signers, self.indexes)

    @cached_property
    def total(self) -> int:
        """W, all weight."""
        return sum(self.signers.weights)

    @property
    def threshold(self) -> int:
        """T."""
        return self.signers.threshold

    @cached_property
    def members(self) -> Mapping[bytes, int]:
        """Weight of each member that has some."""
        return self.signers.members

    def weight(self, addresses: Iterable[bytes]) -> int:
        """Of distinct members; strangers weigh nothing."""
        return sum(self.members.get(a, 0) for a in set(addresses))

    def leader(self, step: int) -> bytes:
        """Who leads a step; two steps are one attempt."""
        return self.order[(step // 2) % len(self.order)]


def binding(rules: CommonRules, signers: SignerSet, indexes: Mapping[str, int]) -> bytes:
    """Hash of what is the same in every round of an epoch, 32 bytes."""
    domain = signers.domain
    words = [rules.version.to_bytes(2, "big"), rules.digest, domain.chain_id.to_bytes(32, "big"), domain.store]
    words += [signers.epoch.to_bytes(6, "big"), signers.threshold.to_bytes(12, "big")]
    words += [a + w.to_bytes(12, "big") for a, w in zip(signers.signers, signers.weights, strict=True)]
    table = b"".join(i.to_bytes(2, "big") + keccak(f.encode()) for f, i in sorted(indexes.items()))
    return keccak(b"lrt-oracle terms" + keccak(b"".join(words)) + keccak(table))
