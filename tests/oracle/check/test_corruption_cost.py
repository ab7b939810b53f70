"""The least that a coalition costs: against every coalition that there is, and never more where there are too many."""

from __future__ import annotations

import random
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from oracle.check.corruption_cost import (
    BondedSigner,
    bond_by_parts,
    double_signing_cost,
    fewest_signers,
    least_bond,
)

MEMBERS = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 50)), min_size=1, max_size=7)


def made(pairs: list[tuple[int, int]]) -> list[BondedSigner]:
    return [BondedSigner(address=bytes([i]) * 20, weight=w, bond=b) for i, (w, b) in enumerate(pairs)]


def coalitions(members: list[BondedSigner], weight: int) -> list[tuple[BondedSigner, ...]]:
    every = (c for n in range(len(members) + 1) for c in combinations(members, n))
    return [c for c in every if sum(m.weight for m in c) >= weight]


@given(MEMBERS, st.integers(1, 60))
def test_the_cheapest_of_all_coalitions_is_found(pairs: list[tuple[int, int]], weight: int) -> None:
    members = made(pairs)
    enough = coalitions(members, weight)
    if not enough:
        assert least_bond(members, weight) is None
        return
    least = min(sum(m.bond or 0 for m in c) for c in enough)
    assert least_bond(members, weight) == (least, True)
    assert fewest_signers(members, weight) == min(len(c) for c in enough)
    assert bond_by_parts([(m.weight, m.bond or 0) for m in members], weight) <= least


@given(MEMBERS, st.integers(1, 60))
def test_who_signed_both_is_what_two_sets_have_in_common(pairs: list[tuple[int, int]], more: int) -> None:
    members = made(pairs)
    total = sum(m.weight for m in members)
    threshold = min(total, total // 2 + more)
    sets = coalitions(members, threshold)
    shared = [[m for m in one if m in two] for one in sets for two in sets]
    least = (min(map(len, shared)), min(sum(m.bond or 0 for m in both) for both in shared))
    assert double_signing_cost(members, threshold) == (*least, True)


@given(MEMBERS, st.integers(1, 60))
def test_of_many_what_is_shared_is_never_said_to_cost_more(pairs: list[tuple[int, int]], more: int) -> None:
    members = made(pairs)
    threshold = min(total := sum(m.weight for m in members), total // 2 + more)
    operators, bond, exact = double_signing_cost(members, threshold)
    fewer, less, sure = double_signing_cost(members, threshold, most_members=0)
    assert exact
    assert (fewer, less or 0) == (operators, bond) if sure else fewer <= operators and (less or 0) <= (bond or 0)


def test_five_equal_ones_cost_what_the_document_says() -> None:
    bond = 32 * 10**18
    five = made([(1, bond)] * 5)
    assert [least_bond(five, w) for w in (1, 3, 4)] == [(bond, True), (3 * bond, True), (4 * bond, True)]
    assert least_bond(five, 0) == (0, True), "what needs nobody costs nothing"
    assert [fewest_signers(five, w) for w in (0, 3, 4)] == [0, 3, 4]


def test_one_unknown_bond_makes_the_cost_unknown() -> None:
    assert least_bond([*made([(1, 5)] * 4), BondedSigner(address=b"x" * 20, weight=1)], 2) is None


def test_too_many_sums_give_a_bound_that_is_not_above_the_truth() -> None:
    rng = random.Random(3)
    members = made([(rng.randrange(1, 10**18), rng.randrange(10**18)) for _ in range(12)])
    weight = sum(m.weight for m in members) * 2 // 3
    exact = least_bond(members, weight)
    assert exact is not None
    assert exact[1]
    bound = least_bond(members, weight, most_sums=10)
    assert bound is not None
    assert not bound[1]
    assert exact[0] * 4 // 5 < bound[0] <= exact[0]


def test_the_largest_set_that_a_store_takes_is_answered() -> None:
    rng = random.Random(4)
    members = made([(w, w) for w in (rng.randrange(10**17, 10**18) for _ in range(255))])
    weight = sum(m.weight for m in members) * 2 // 3
    found = least_bond(members, weight)
    assert found is not None
    assert 0 <= weight - found[0] <= 1, "weights are bonds: the bound is the weight"
