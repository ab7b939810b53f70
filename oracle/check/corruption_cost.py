"""How few signers have a weight, and how few can have signed both of two batches. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

MOST_MEMBERS = 12
"""Of whom every set is tried."""
MOST_SUMS = 5_000
"""Sums of weights that are looked at; with more of them the weight itself is the bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighedSigner:
    """A signer and its weight; of a set by stake its operator, and wei that can be slashed of it (None: not known)."""

    address: bytes
    weight: int
    operator: str | None = None
    slashable: int | None = None


def reachable(members: Sequence[WeighedSigner], weight: int) -> int:
    """The least weight of at least this that any set of members has; the weight itself where there are too many sums."""
    sums = {0}
    for one in members:
        sums |= {held + one.weight for held in sums if held < weight}
        if len(sums) > MOST_SUMS:
            return weight
    return min((s for s in sums if s >= weight), default=weight)


def fewest_double_signers(members: Sequence[WeighedSigner], threshold: int, *, most_members: int = MOST_MEMBERS) -> int:
    """How few can have signed both of two batches that each reach a threshold.

    Others sign only one of the two, so a set will do if those who are not in it can be parted so that both sides reach the
    threshold with it. Exact for sets of up to twelve and for equal weights; else the bound that the sums of weights give, never
    more than the truth.
    """
    if len(members) > most_members:
        weight = 2 * reachable(members, threshold) - sum(m.weight for m in members)
        return fewest_signers(members, weight)
    sets = (s for n in range(len(members) + 1) for s in combinations(range(len(members)), n))
    return next((len(s) for s in sets if _parts(members, s, threshold)), len(members))


def _parts(members: Sequence[WeighedSigner], both: Sequence[int], threshold: int) -> bool:
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


def fewest_signers(members: Sequence[WeighedSigner], weight: int) -> int:
    """How few members can have this weight."""
    left, count = weight, 0
    for one in sorted((m.weight for m in members), reverse=True):
        if left <= 0:
            break
        left, count = left - one, count + 1
    return count
