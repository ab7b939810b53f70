"""Who was there in an epoch, by what its members say together. Pure; exact integers.

A member is credited with as many rounds as members of weight T have seen it sign in time: at least 2 T - W of them are honest, so
nobody is credited with what no honest operator saw; and liars of weight W - T take nothing from whom all others saw. Rounds count that
members of more than W - T know to be sealed, so an honest one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oracle.rewards.frozen import FrozenEpoch
from oracle.sign.epoch_words import SignedAttendance

_PRESENT = 2
"""One in so many rounds is the least of whom is not absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochCredits:
    """Rounds that count in an epoch, and those of each member, in the set's order; none is above ``rounds``."""

    rounds: int
    credited: tuple[int, ...]


def epoch_credits(frozen: FrozenEpoch, words: Sequence[SignedAttendance]) -> EpochCredits:
    """What the words of an epoch's members say together; they are of distinct members and sound, in any order."""
    weighed = [(frozen.weight_of(w.address), w.said) for w in words]
    rounds = _backed(((weight, said.rounds) for weight, said in weighed), frozen.total - frozen.threshold + 1)
    credited = tuple(
        _backed(((weight, said.counts[i]) for weight, said in weighed), frozen.threshold)
        for i in range(len(frozen.keys))
    )
    return EpochCredits(rounds=rounds, credited=credited)


def _backed(numbers: Iterable[tuple[int, int]], least: int) -> int:
    """The highest number that so much weight says, or more; 0 where there is none."""
    weight = 0
    for own, number in sorted(numbers, key=lambda pair: -pair[1]):
        weight += own
        if weight >= least:
            return number
    return 0


def absent_operators(frozen: FrozenEpoch, seen: EpochCredits) -> tuple[bytes, ...]:
    """Operators with less than half of the rounds, the least present first as far as W - T goes; ascending by address."""
    spare, absent = frozen.total - frozen.threshold, []
    for credited, operator, weight in sorted(zip(seen.credited, frozen.operators, frozen.weights, strict=True)):
        if credited * _PRESENT < seen.rounds and weight <= spare:
            absent.append(operator)
            spare -= weight
    return tuple(sorted(absent))
