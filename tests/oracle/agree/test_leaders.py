"""The order of leaders: a draw by weight that everybody makes alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import permutations
from typing import TypeVar

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from oracle.agree.leaders import NO_RANDOMNESS, _minus_log2, leader_order
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet

Drawn = TypeVar("Drawn")
DOMAIN = Domain(chain_id=1, store=b"\x11" * 20)
RANDOMNESS = keccak(b"an epoch")
ROUND_S = 1_900_000_000
ROUNDS = 6_000
EXPECTED = ["116702e1", "8dba587b", "90b0994d", "be14ddcd"]
CHI_SQUARE = {2: 13.82, 5: 20.52}
"""By degrees of freedom: what a fair draw exceeds once in a thousand times. The rounds are always the same ones."""
WEIGHTS = st.lists(st.one_of(st.just(0), st.integers(1, 5), st.integers(1, 2**96 - 1)), min_size=1, max_size=31)


def member(i: int) -> bytes:
    return keccak(b"member %d" % i)[-20:]


def set_of(*weights: int, epoch: int = 1) -> SignerSet:
    members = tuple(member(i) for i in range(len(weights)))
    threshold = sum(weights) * 2 // 3 + 1
    return SignerSet(domain=DOMAIN, epoch=epoch, signers=members, weights=weights, threshold=threshold)


@given(weights=WEIGHTS, randomness=st.binary(min_size=32, max_size=32), round_s=st.integers(0, 2**32 - 1))
def test_everybody_with_weight_leads_once_and_nobody_without(
    weights: list[int], randomness: bytes, round_s: int
) -> None:
    order = leader_order(set_of(*weights), randomness, round_s)
    assert sorted(order) == sorted(member(i) for i, weight in enumerate(weights) if weight)


@given(weights=WEIGHTS, data=st.data(), round_s=st.integers(0, 2**32 - 1))
def test_the_order_of_listing_changes_nothing(weights: list[int], data: st.DataObject, round_s: int) -> None:
    signers = set_of(*weights)
    listed = data.draw(st.permutations(list(zip(signers.signers, signers.weights, strict=True))))
    other = replace(signers, signers=tuple(a for a, _ in listed), weights=tuple(w for _, w in listed))
    assert leader_order(other, RANDOMNESS, round_s) == leader_order(signers, RANDOMNESS, round_s)


@given(weights=WEIGHTS, data=st.data(), round_s=st.integers(0, 2**32 - 1))
def test_a_changed_weight_moves_nobody_else(weights: list[int], data: st.DataObject, round_s: int) -> None:
    """A signer that is removed in the middle of an epoch, for one: those who know agree with those who do not yet."""
    at = data.draw(st.integers(0, len(weights) - 1))
    changed = [*weights]
    changed[at] = data.draw(st.sampled_from([0, 1, 2**96 - 1]))
    orders = [leader_order(set_of(*one), RANDOMNESS, round_s) for one in (weights, changed)]
    one, other = ([a for a in order if a != member(at)] for order in orders)
    assert one == other


def test_members_lead_as_often_as_they_weigh() -> None:
    """The first place by weight; and the whole order as a draw without replacement has it."""
    weights = (5, 3, 2)
    signers, total = set_of(*weights), sum(weights)
    orders = Counter(leader_order(signers, RANDOMNESS, ROUND_S + 10 * i) for i in range(ROUNDS))
    first: Counter[bytes] = Counter()
    for order, count in orders.items():
        first[order[0]] += count
    expected = {member(i): Fraction(w, total) * ROUNDS for i, w in enumerate(weights)}
    assert chi_square(first, expected) < CHI_SQUARE[len(weights) - 1]
    whole = {}
    for places in permutations(range(3)):
        a, b, _ = (weights[i] for i in places)
        whole[tuple(member(i) for i in places)] = Fraction(a, total) * Fraction(b, total - a) * ROUNDS
    assert chi_square(orders, whole) < CHI_SQUARE[len(whole) - 1]


def chi_square(seen: Counter[Drawn], expected: Mapping[Drawn, Fraction]) -> float:
    assert seen.keys() <= expected.keys()
    return float(sum((seen[k] - e) ** 2 / e for k, e in expected.items()))


def test_weights_as_large_as_stakes_count_by_their_ratio() -> None:
    """96 bits, as the store has them: the order is that of the same ratios in small numbers."""
    small, large = set_of(5, 3, 2), set_of(*(w * 10**27 for w in (5, 3, 2)))
    rounds = range(ROUND_S, ROUND_S + 500, 10)
    assert [leader_order(small, RANDOMNESS, r) for r in rounds] == [leader_order(large, RANDOMNESS, r) for r in rounds]


def test_store_chain_epoch_members_randomness_and_round_each_give_another_draw() -> None:
    base = set_of(*[1] * 13)
    other = [
        (replace(base, domain=replace(DOMAIN, chain_id=2)), RANDOMNESS, ROUND_S),
        (replace(base, domain=replace(DOMAIN, store=b"\x12" * 20)), RANDOMNESS, ROUND_S),
        (replace(base, epoch=2), RANDOMNESS, ROUND_S),
        (base, NO_RANDOMNESS, ROUND_S),
        (base, RANDOMNESS, ROUND_S + 10),
        (set_of(*[1] * 13, 0), RANDOMNESS, ROUND_S),
    ]
    orders = {leader_order(*case) for case in [(base, RANDOMNESS, ROUND_S), *other]}
    assert len(orders) == 1 + len(other)


def test_the_draw_is_this_one_for_good() -> None:
    """Members of two versions must agree: another order is another protocol."""
    order = leader_order(set_of(5, 3, 2, 0, 2**96 - 1), RANDOMNESS, ROUND_S)
    assert [a.hex()[:8] for a in order] == EXPECTED


@given(st.one_of(st.binary(min_size=32, max_size=32), st.sampled_from([bytes(32), b"\xff" * 32])))
def test_the_logarithm_is_right_to_twenty_digits(digest: bytes) -> None:
    number = int.from_bytes(digest, "big") + 1
    with localcontext() as context:
        context.prec = 60
        true = 256 - Decimal(number).ln() / Decimal(2).ln()
        assert abs(Decimal(_minus_log2(digest)) / Decimal(2**96) - true) < Decimal("1e-20")
    assert math.isclose(_minus_log2(digest) / 2**96, 256 - math.log2(number), abs_tol=1e-12)


def test_randomness_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 20"):
        leader_order(set_of(1), b"\1" * 20, ROUND_S)
