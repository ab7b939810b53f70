"""How few signers have a weight, and how few can have signed both of two batches: against every coalition that there is."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from oracle.check.corruption_cost import WeighedSigner, fewest_double_signers, fewest_signers

MEMBERS = st.lists(st.integers(1, 12), min_size=1, max_size=7)


def made(weights: list[int]) -> list[WeighedSigner]:
    return [WeighedSigner(address=bytes([i]) * 20, weight=w) for i, w in enumerate(weights)]


def coalitions(members: list[WeighedSigner], weight: int) -> list[tuple[WeighedSigner, ...]]:
    every = (c for n in range(len(members) + 1) for c in combinations(members, n))
    return [c for c in every if sum(m.weight for m in c) >= weight]


@given(MEMBERS, st.integers(1, 60))
def test_the_smallest_of_all_coalitions_is_found(weights: list[int], weight: int) -> None:
    members = made(weights)
    if enough := coalitions(members, weight):
        assert fewest_signers(members, weight) == min(len(c) for c in enough)


@given(MEMBERS, st.integers(1, 60))
def test_who_signed_both_is_what_two_sets_have_in_common(weights: list[int], more: int) -> None:
    members = made(weights)
    threshold = min(sum(weights), sum(weights) // 2 + more)
    sets = coalitions(members, threshold)
    least = min(sum(m in two for m in one) for one in sets for two in sets)
    assert fewest_double_signers(members, threshold) == least
    assert fewest_double_signers(members, threshold, most_members=0) <= least, (
        "of many a bound that is not above the truth"
    )


def test_five_equal_ones_are_what_the_document_says() -> None:
    five = made([1] * 5)
    assert [fewest_signers(five, w) for w in (0, 3, 4)] == [0, 3, 4]
    assert [fewest_double_signers(five, t) for t in (3, 4)] == [1, 3]
    assert fewest_double_signers(made([1] * 255), 171) == 2 * 171 - 255, "the largest set that a store takes"
