"""The least that a coalition of signers costs: how few of them, and how little bond, reach a weight. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

MOST_MEMBERS = 12
"""Of whom every set is tried."""
MOST_SUMS = 5_000
"""Partial sums that are kept; a set with more is answered by a lower bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BondedSigner:
    """A signer: its weight, and its bond in the token's own units; None where nobody can tell."""

    address: bytes
    weight: int
    bond: int | None = None


def least_bond(members: Sequence[BondedSigner], weight: int, *, most_sums: int = MOST_SUMS) -> tuple[int, bool] | None:
    """The least bond of any set of members with this weight, and whether that is exact; None where a bond is unknown.

    Exact by all sums that no other beats in both weight and bond; where these are too many, the bound that the whole
    reached by parts of members gives: never more than the true cost.
    """
    if weight <= 0:
        return 0, True
    bonds = [(m.weight, m.bond) for m in members if m.bond is not None]
    if len(bonds) < len(members) or sum(m.weight for m in members) < weight:
        return None
    best: dict[int, int] = {0: 0}
    for own, bond in bonds:
        for held, cost in list(best.items()):
            reached = min(weight, held + own)
            if cost + bond < best.get(reached, cost + bond + 1):
                best[reached] = cost + bond
        best = _undominated(best)
        if len(best) > most_sums:
            return bond_by_parts(bonds, weight), False
    return best[weight], True


def reachable(members: Sequence[BondedSigner], weight: int) -> int:
    """The least weight of at least this that any set of members has; the weight itself where there are too many sums."""
    sums = {0}
    for one in members:
        sums |= {held + one.weight for held in sums if held < weight}
        if len(sums) > MOST_SUMS:
            return weight
    return min((s for s in sums if s >= weight), default=weight)


def double_signing_cost(
    members: Sequence[BondedSigner], threshold: int, *, most_members: int = MOST_MEMBERS
) -> tuple[int, int | None, bool]:
    """Who signed both of two batches that each reach a threshold: how few, for how little bond, and whether that is exact.

    Others sign only one of the two, so a set will do if those who are not in it can be parted so that both sides reach the
    threshold with it. Exact for sets of up to twelve and for equal weights; else the bound that the sums of weights
    give, never more than the true cost. The bond is None where one is unknown.
    """
    known = all(m.bond is not None for m in members)
    if len(members) > most_members:
        weight = 2 * reachable(members, threshold) - sum(m.weight for m in members)
        least = least_bond(members, weight)
        equal = len({m.weight for m in members}) == 1
        return (
            fewest_signers(members, weight),
            None if least is None else least[0],
            equal and (least is None or least[1]),
        )
    sets = [s for n in range(len(members) + 1) for s in combinations(range(len(members)), n)]
    enough = [s for s in sets if _parts(members, s, threshold)]
    if not enough:
        return len(members), None, False
    bond = min(sum(members[i].bond or 0 for i in s) for s in enough)
    return len(enough[0]), bond if known else None, known


def _parts(members: Sequence[BondedSigner], both: Sequence[int], threshold: int) -> bool:
    """Whether the others can be parted so that each side reaches the threshold with those who sign both."""
    missing = threshold - sum(members[i].weight for i in both)
    others = [m.weight for i, m in enumerate(members) if i not in both]
    if 2 * max(0, missing) > sum(others):
        return False
    sums = {0}
    for weight in others:
        sums |= {held + weight for held in sums}
    return any(missing <= one <= sum(others) - missing for one in sums)


def operators_text(operators: int) -> str:
    """A number of operators, for people."""
    return f"{operators} operator{'' if operators == 1 else 's'}"


def _undominated(sums: Mapping[int, int]) -> dict[int, int]:
    """The sums that no other reaches or passes for as little."""
    kept: dict[int, int] = {}
    least: int | None = None
    for weight in sorted(sums, reverse=True):
        if least is None or sums[weight] < least:
            kept[weight] = least = sums[weight]
    return kept


def bond_by_parts(bonds: Sequence[tuple[int, int]], weight: int) -> int:
    """Cost if a part of a member could be bought: the cheapest per weight first, rounded down."""
    left, cost = weight, 0
    for own, bond in sorted(bonds, key=lambda b: Fraction(b[1], b[0])):
        if own >= left:
            return cost + bond * left // own
        left, cost = left - own, cost + bond
    return cost


def fewest_signers(members: Sequence[BondedSigner], weight: int) -> int:
    """How few members can have this weight."""
    left, count = weight, 0
    for one in sorted((m.weight for m in members), reverse=True):
        if left <= 0:
            break
        left, count = left - one, count + 1
    return count
