"""What lies cost at least, against every coalition there is; and what is said where something is not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.stake.secured.coalitions import MOST_OPERATORS, WeighedStake, cheapest
from oracle.stake.secured.facts import SecuringOperator
from oracle.stake.secured.price import NATIVE, LieCost, counted_once, fraction_due, judge
from oracle.stake.secured.text import security_document, security_lines
from tests.oracle.stake.secured import EIGEN, ETHER, POOLS, TOKEN, VAULTS, facts, operator, part, who

WHOLE = 10**18
rows = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=10
)  # weight, wei in a pool, wei in EigenLayer


def subsets(members: Sequence[SecuringOperator]) -> Iterator[tuple[SecuringOperator, ...]]:
    for n in range(len(members) + 1):
        yield from combinations(members, n)


def has(member: SecuringOperator) -> int:
    return sum(p.wei or 0 for p in member.parts)


@settings(max_examples=60)
@given(rows)
def test_the_cheapest_coalition_is_exact(drawn: list[tuple[int, int, int]]) -> None:
    """Beside a brute force over all subsets of up to ten members, for each weight that is asked for."""
    members = [operator(i, w, part(a), part(b, EIGEN)) for i, (w, a, b) in enumerate(drawn, start=1)]
    found = judge(facts(members))
    for cost in (found.two_contents, found.false_price, found.any_price, found.silence):
        enough = [s for s in subsets(members) if sum(m.weight for m in s) >= cost.needed]
        least = min((sum(has(m) for m in s) for s in enough), default=None)
        if least is None:
            assert cost.coalition is None
            continue
        assert cost.coalition is not None
        assert cost.coalition.wei == least == sum(cost.by_source.values())
        named = [m for m in members if m.operator in cost.coalition.operators]
        assert sum(m.weight for m in named) == cost.coalition.weight >= cost.needed
        assert sum(has(m) for m in named) == least
        assert cost.fewest == min(len(s) for s in enough)


@given(rows)
def test_who_has_two_contents_sealed_loses_all_of_it(drawn: list[tuple[int, int, int]]) -> None:
    """Also after a removal, by which less weight is in force than was frozen."""
    members = [operator(i, w, part(a)) for i, (w, a, _) in enumerate(drawn, start=1)]
    whole = facts(members)
    gone = [replace(members[0], weight=0), *members[1:]]
    for now in (whole, replace(whole, members=tuple(gone))):
        cost = judge(now).two_contents
        assert cost.coalition is None or cost.lost_wei == cost.coalition.wei
        assert judge(now).false_price.lost_wei == 0, "one content contradicts nothing"


def test_a_set_of_the_most_members_is_exact_and_more_are_refused() -> None:
    many = [WeighedStake(operator=who(i), weight=3**i, wei=3 ** (MOST_OPERATORS - i)) for i in range(MOST_OPERATORS)]
    found = cheapest(many, 3**30)
    assert found is not None
    assert (found.operators, found.wei) == ((who(30),), 3)
    with pytest.raises(ValueError, match="has 31 at most"):
        cheapest([*many, many[0]], 1)


def test_costs_never_use_capped_weights() -> None:
    """Weights that are all alike say nothing of what is lost; the costs are of what can be slashed."""
    members = [operator(i, 10, part(wei * ETHER)) for i, wei in enumerate((90, 20, 30), start=1)]
    found = judge(facts(members))
    assert found.slashable_wei == 140 * ETHER
    assert found.two_contents.coalition is not None
    assert (found.two_contents.coalition.wei, found.two_contents.coalition.operators) == (50 * ETHER, (who(2), who(3)))


def test_nobody_s_stake_is_summed_twice() -> None:
    """A vault that has less than its operators answer for: together they have what it has, and a coalition no more than is taken of it."""
    vault = who(50)
    members = [
        operator(i, 10, part(wei, VAULTS, vault=vault, shared=True)) for i, wei in enumerate((60, 30, 10), start=1)
    ]
    plain = facts(members)
    short = replace(
        plain, sources=tuple(replace(s, vaults={vault: 50}) if s.at == VAULTS else s for s in plain.sources)
    )
    found = judge(short)
    assert found.slashable == {who(1): 30, who(2): 15, who(3): 5}
    assert found.slashable_wei == 50
    assert not found.is_complete
    for cost in (found.two_contents, found.false_price):
        assert cost.coalition is not None
        taken = min(50, sum(has(m) for m in members if m.operator in cost.coalition.operators))
        assert cost.coalition.wei <= taken, "it is the least that is taken"
    assert any("has less than its operators answer for" in d for d in found.doubts)
    assert counted_once(plain)[1] == (), "a vault of which nothing is known is taken at its operators' word"


def test_what_is_not_known_is_said_and_never_guessed() -> None:
    members = [operator(1, 10, part(40)), operator(2, 10, part(None)), operator(3, 10, part(30), part(None, EIGEN))]
    found = judge(facts(members))
    assert not found.is_complete
    assert found.slashable == {who(1): 40, who(2): 0, who(3): 30}
    told = [d for d in found.doubts if "does not say all that can be slashed" in d]
    assert [(POOLS in d, who(2) in d) for d in told[:1]] == [(True, True)]
    assert [(EIGEN in d, who(3) in d) for d in told[1:]] == [(True, True)]
    lines = security_lines(found)
    assert "can be slashed: at least " in lines[2]
    assert "NOT ALL IS KNOWN" in lines[9]
    document = security_document(found)
    assert (document["complete"], document["operators"][who(2)]["sources"][POOLS]) == (False, None)


def test_how_far_stake_is_shared() -> None:
    curator, vault = who(60), who(50)
    members = [
        operator(1, 10, part(10), part(20, VAULTS, vault=vault, shared=True, curators=(curator,))),
        operator(2, 10, part(30, VAULTS, vault=vault, shared=True, curators=(curator,))),
        operator(3, 10, part(40, EIGEN, native=True, collateral=None), part(5, VAULTS, vault=who(51))),
    ]
    shared = judge(facts(members)).shared
    assert shared.others_can_slash == 50
    assert shared.by_collateral == {TOKEN: 65, NATIVE: 40}
    assert (shared.by_curator, shared.curator_unknown) == ({curator: 50}, 5)
    assert shared.by_vault == {vault: 50}, "of a vault with one operator nothing is shared here"
    assert shared.twice == {who(1): 30, who(3): 45}


@pytest.mark.parametrize(
    ("weight", "others", "due"),
    [(10, 0, WHOLE // 20), (34, 0, WHOLE), (10, 24, WHOLE), (10, 12, WHOLE // 20 + (WHOLE - WHOLE // 20) * 12 // 24)],
)
def test_the_fraction_is_the_contract_s(weight: int, others: int, due: int) -> None:
    """Small alone, all where own and others' weight reach 2T - W, linear in between."""
    assert fraction_due(WHOLE // 20, (67, 100), weight, others) == due


def test_signers_that_no_stake_named_are_secured_by_nothing() -> None:
    nobody = facts([], threshold=3, step_threshold=3, unnamed={who(1): 3}, frozen=None, capture_s=None)
    found = judge(nobody)
    assert not found.by_stake
    assert found.two_contents == LieCost(needed=3, coalition=None, fewest=0, lost_wei=0, by_source={})
    assert security_document(found)["two_contents"] is None
    assert any("nothing answers for what they sign" in d for d in found.doubts)


def test_silence_costs_rewards_and_no_stake() -> None:
    members = [operator(i, 10, part(wei)) for i, wei in enumerate((5, 6, 7), start=1)]
    found = judge(facts(members))
    assert (found.silence.needed, found.silence.lost_wei) == (30 - 21 + 1, 0)
    assert found.forgone == {who(0): 9 * ETHER * 10 // 30}


def test_the_answer_has_ten_lines_and_the_block() -> None:
    lines = security_lines(judge(facts([operator(1, 10, part(4 * ETHER))])))
    assert len(lines) == 10
    assert "block 7, 1970-01-12" in lines[0]
    assert all("\n" not in line for line in lines)
