"""An epoch as its members saw it: rounds that each heard of in its own way, and the words that they sign."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import coincurve
from eth_hash.auto import keccak

from oracle.rewards.attended import AttendedRound, epoch_attendance
from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.report import ETHER
from oracle.sign.eip712 import Domain, address_of, sign_compact
from oracle.sign.epoch_words import EpochAttendance, SignedAttendance

DOMAIN = Domain(chain_id=31337, store=b"\x77" * 20)
ALL_KEYS = sorted((coincurve.PrivateKey((i + 1_000).to_bytes(32, "big")) for i in range(13)), key=address_of)
POTS = {ETHER: 10**18 + 7, b"\x01" * 20: 999, b"\x02" * 20: 3}
EPOCH, FIRST_S = 6, 1_700_000_000


def frozen_of(weights: Sequence[int]) -> FrozenEpoch:
    keys = tuple(address_of(k) for k in ALL_KEYS[: len(weights)])
    return FrozenEpoch(
        domain=DOMAIN,
        epoch=EPOCH,
        keys=keys,
        operators=tuple(keccak(k)[:20] for k in keys),
        weights=tuple(weights),
        threshold=2 * sum(weights) // 3 + 1,
        capture_s=FIRST_S,
    )


def signed_attendance(said: EpochAttendance, member: int) -> SignedAttendance:
    key = ALL_KEYS[member]
    return SignedAttendance(said=said, address=address_of(key), signature=sign_compact(key, keccak(said.preimage())))


@dataclass
class SeenEpoch:
    """What each member of a set stored of an epoch, drawn from a seed.

    ``liars``: members of W - T at most; what they say is anything. ``slow``: their signatures come too late for most.
    """

    seed: int
    frozen: FrozenEpoch = field(init=False)
    seen: list[list[AttendedRound]] = field(init=False)

    def __post_init__(self) -> None:
        self.rng = rng = random.Random(self.seed)
        self.frozen = frozen = frozen_of([rng.randrange(1, 40) for _ in range(rng.randrange(4, 14))])
        members = range(len(frozen.keys))
        self.liars = self._few(frozen.total - frozen.threshold)
        self.honest = [m for m in members if m not in self.liars]
        slow = self._few(frozen.total - frozen.threshold)
        down = {m: rng.randrange(40) for m in members if rng.random() < 0.4}
        self.seen = [[] for _ in members]
        for n in range(40):
            quick = frozenset(frozen.keys[m] for m in members if m not in slow and m not in self.liars)
            late = frozenset(frozen.keys[m] for m in (*slow, *self.liars))
            for m in members:
                if down.get(m, -9) <= n < down.get(m, -9) + 3:  # it was started anew, and learned the certificate alone
                    heard = frozenset(self._certificate())
                else:
                    heard = quick | frozenset(k for k in late if rng.random() < 0.5)
                self.seen[m].append(AttendedRound(epoch=EPOCH, round_time_s=FIRST_S + 10 * n, signed=heard))

    def _few(self, most: int) -> list[int]:
        """Members that weigh so much at most."""
        few, weight = [], 0
        for m in self.rng.sample(range(len(self.frozen.keys)), len(self.frozen.keys)):
            if weight + self.frozen.weights[m] <= most:
                few.append(m)
                weight += self.frozen.weights[m]
        return few

    def _certificate(self) -> list[bytes]:
        """Some members of weight T."""
        order = self.rng.sample(range(len(self.frozen.keys)), len(self.frozen.keys))
        some: list[int] = []
        while sum(self.frozen.weights[m] for m in some) < self.frozen.threshold:
            some.append(order.pop())
        return [self.frozen.keys[m] for m in some]

    def word(self, member: int) -> SignedAttendance:
        """What it signs: a liar, anything."""
        if member not in self.liars:
            return signed_attendance(epoch_attendance(self.frozen, self.seen[member]), member)
        rounds = self.rng.choice([0, 40, 10**6])
        counts = tuple(self.rng.choice([0, rounds, self.rng.randrange(rounds + 1)]) for _ in self.frozen.keys)
        return signed_attendance(EpochAttendance(domain=DOMAIN, epoch=EPOCH, rounds=rounds, counts=counts), member)

    def words(self) -> Mapping[bytes, SignedAttendance]:
        return {self.frozen.keys[m]: self.word(m) for m in range(len(self.frozen.keys))}

    def stakes(self) -> list[list[int]]:
        rng = random.Random(self.seed + 1)
        return [[rng.choice([0, 1, rng.randrange(10**24)]) for _ in range(3)] for _ in self.frozen.keys]
