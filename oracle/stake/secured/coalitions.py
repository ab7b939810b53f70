"""The cheapest set of operators that reaches a weight, exactly. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MOST_OPERATORS = 31
"""As many as a set by stake can have: two halves of them have 2^16 subsets at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighedStake:
    """An operator: the weight that it signs with, and what it loses, in wei. The two differ: weights are capped."""

    operator: str
    weight: int
    wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coalition:
    """Operators, their weight, and what they lose together."""

    operators: tuple[str, ...]
    weight: int
    wei: int


_Subset = tuple[int, int, int]
"""Weight, wei, and a bit for each member."""


def cheapest(members: Sequence[WeighedStake], weight: int) -> Coalition | None:
    """Of all subsets that have this weight one that loses least; None where all together do not have it.

    By halves: of each half the subsets that no other beats in both weight and wei, and for each subset of one half the
    cheapest of the other that brings what is missing. So it is exact, whatever the weights are.

    Raises:
        ValueError: more members than a set can have.
    """
    if len(members) > MOST_OPERATORS:
        raise ValueError(f"{len(members)} operators: a set by stake has {MOST_OPERATORS} at most")
    if sum(m.weight for m in members) < weight:
        return None
    middle = len(members) // 2
    first, second = _undominated(members[:middle]), _undominated(members[middle:])
    weights = [w for w, _, _ in second]
    found: tuple[int, int, int] | None = None
    for held, wei, bits in first:
        at = bisect_left(weights, weight - held)
        if at == len(second):
            continue
        pair = (wei + second[at][1], bits, second[at][2])
        if found is None or pair < found:
            found = pair
    if found is None:
        return None
    wei, low, high = found
    chosen = [m for i, m in enumerate(members) if (low | high << middle) >> i & 1]
    return Coalition(operators=tuple(m.operator for m in chosen), weight=sum(m.weight for m in chosen), wei=wei)


def _undominated(members: Sequence[WeighedStake]) -> list[_Subset]:
    """Subsets that none reaches or passes for as little, ascending by weight, and so by wei."""
    sums: list[_Subset] = [(0, 0, 0)]
    for i, one in enumerate(members):
        sums += [(w + one.weight, wei + one.wei, bits | 1 << i) for w, wei, bits in sums]
    return list(_lower_edge(sums))[::-1]


def _lower_edge(sums: list[_Subset]) -> Iterator[_Subset]:
    least: int | None = None
    for one in sorted(sums, key=lambda s: (-s[0], s[1], s[2])):
        if least is None or one[1] < least:
            least = one[1]
            yield one
