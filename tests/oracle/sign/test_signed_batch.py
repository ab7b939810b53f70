"""From values to a signed batch when some refuse: a feed goes only where the threshold cannot be reached with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.model.types import Report
from oracle.report.wire import encode_items, split_items
from oracle.sign.eip712 import address_of, batch_digest, sign_compact
from oracle.sign.local_cosigners import LocalCosigners
from oracle.sign.messages import Proposal, Refusal, RefusalCode, Signature
from oracle.sign.operator import Operator
from oracle.sign.signed_batch import (
    CollectedSignatures,
    collect_signatures,
    leader_index,
    reduced_proposal,
    valid_signatures,
)
from oracle.sign.verified_values import VerifiedValues
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import (
    DOMAIN,
    KEYS,
    NOW_MS,
    ROUND_S,
    SIGNERS,
    ScriptedOperator,
    scripted_operators,
    verified,
)

FEEDS = tuple(range(5))


@pytest.fixture
def operators(tmp_path: Path) -> list[ScriptedOperator]:
    return scripted_operators(tmp_path)


def observed(
    operators: Sequence[Operator], views: Mapping[int, Sequence[int]], round_s: int = ROUND_S
) -> tuple[VerifiedValues, ...]:
    """Values of all; ``views``: the feeds that an operator has prices for, where that is not all."""
    one = replace(report(), round_time_s=round_s)
    return verified(
        o.sign_values(SIGNERS, round_s, dict.fromkeys(views.get(i, FEEDS), one)) for i, o in enumerate(operators)
    )


async def vote(operators: Sequence[Operator], values: Sequence[VerifiedValues]) -> CollectedSignatures:
    cosigners = LocalCosigners(operators, SIGNERS, now_ms=lambda: NOW_MS, clock_ok=lambda: True)
    return await collect_signatures(cosigners, SIGNERS, values, FEEDS)


def feeds(collected: CollectedSignatures) -> tuple[int, ...]:
    return tuple(split_items(collected.batch.items)) if collected.batch else ()


async def test_one_that_refuses_everything_takes_no_feed_along(operators: list[ScriptedOperator]) -> None:
    operators[2].refuses = frozenset(FEEDS)
    collected = await vote(operators, observed(operators, {}))
    assert feeds(collected) == FEEDS


async def test_beside_one_that_refuses_everything_a_blind_one_costs_its_feed_alone(
    operators: list[ScriptedOperator],
) -> None:
    operators[2].refuses = frozenset(FEEDS)
    collected = await vote(operators, observed(operators, {0: FEEDS[1:]}))
    assert feeds(collected) == FEEDS[1:]
    assert collected.batch is not None
    assert collected.batch.signers == ("op0", "op1")


async def test_bytes_that_are_not_a_signature_count_for_nothing_and_break_nothing(
    operators: list[ScriptedOperator],
) -> None:
    operators[2].junk = True
    assert feeds(await vote(operators, observed(operators, {}))) == FEEDS
    assert feeds(await vote(operators, observed(operators, {0: FEEDS[1:]}))) == FEEDS[1:]


async def test_where_two_are_blind_for_a_feed_each_one_of_the_two_is_left_out_in_turn(
    operators: list[ScriptedOperator],
) -> None:
    left_out: set[tuple[int, ...]] = set()
    for round_s in range(ROUND_S, ROUND_S + 8):
        values = observed(operators, {0: FEEDS[1:], 1: (0, *FEEDS[2:])}, round_s)
        operators[2].refuses = frozenset({4})
        left_out.add(tuple(sorted(set(FEEDS) - set(feeds(await vote(operators, values))))))
    assert left_out == {(0, 1), (0, 4), (1, 4)}


async def test_a_journal_that_cannot_be_written_is_a_typed_refusal(tmp_path: Path) -> None:
    operators = scripted_operators(tmp_path, busy_ms=0)
    values = observed(operators, {})
    with sqlite3.connect(operators[0].journal.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for one in operators[1:]:
            one.refuses = frozenset(FEEDS)
        collected = await vote(operators, values)
        assert collected.batch is None
        assert {(r.operator, r.code) for r in collected.refusals if r.operator == "op0"} == {
            ("op0", RefusalCode.JOURNAL)
        }
        other.execute("ROLLBACK")
    other.close()
    for one in operators[1:]:
        one.refuses = frozenset()
    assert feeds(await vote(operators, values)) == FEEDS


class Asked(LocalCosigners):
    """Counts proposals."""

    times = 0

    async def cosign(self, proposal: Proposal) -> tuple[Signature | Refusal, ...]:
        self.times += 1
        return await super().cosign(proposal)


@pytest.mark.parametrize("code", [RefusalCode.SIGNER, RefusalCode.JOURNAL, RefusalCode.MUTE, RefusalCode.CLOCK])
async def test_where_too_few_can_sign_anything_nobody_is_asked_again(
    operators: list[ScriptedOperator], code: RefusalCode
) -> None:
    """Each time costs a second of every signer that does not answer: the next leader would hear the same."""
    values = observed(operators, {})
    for one in operators[1:]:
        one.silent = code
    asked = Asked(operators, SIGNERS, now_ms=lambda: NOW_MS, clock_ok=lambda: True)
    collected = await collect_signatures(asked, SIGNERS, values, FEEDS)
    assert (collected.batch, asked.times) == (None, 1)
    operators[1].silent = None
    assert feeds(await collect_signatures(asked, SIGNERS, values, FEEDS)) == FEEDS, "one of three has no say in it"


FIVE = replace(
    SIGNERS, signers=tuple(bytes([n]) * 20 for n in range(5)), weights=(3, 2, 2, 1, 1), threshold=5
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    honest_no=st.frozensets(st.sampled_from(FEEDS), min_size=1),
    others_no=st.lists(st.frozensets(st.sampled_from(FEEDS)), min_size=2, max_size=2),
    leader=st.integers(min_value=0, max_value=99),
)
def test_honest_operators_of_the_threshold_s_weight_lose_no_feed_to_the_others(
    honest_no: frozenset[int], others_no: list[frozenset[int]], leader: int
) -> None:
    """What the honest ones can sign is proposed again, and nothing else, whatever a minority refuses."""
    one = report()
    proposal = Proposal(leader="a", round_time_s=ROUND_S, items=encode_items(dict.fromkeys(FEEDS, one)), values=())
    refused = [honest_no] * 3 + others_no  # weight 7 of 9 is honest
    answers = [
        Refusal(operator=str(i), code=RefusalCode.OUT_OF_BOUND, text="", feeds=tuple(no), address=FIVE.signers[i])
        for i, no in enumerate(refused)
        if no
    ]
    left = reduced_proposal(FIVE, proposal, answers, {}, leader)
    kept = () if left is None else tuple(split_items(left.items))
    assert kept == tuple(i for i in FEEDS if i not in honest_no)


def test_a_refusal_of_an_unknown_operator_weighs_nothing() -> None:
    """A refusal without an address, of a stranger, or for the whole round decides about no feed."""
    one: dict[int, Report] = dict.fromkeys(FEEDS, report())
    proposal = Proposal(leader="a", round_time_s=ROUND_S, items=encode_items(one), values=())
    digest = batch_digest(DOMAIN, 1, ROUND_S, proposal.items)
    yes = Signature(operator="op0", address=address_of(KEYS[0]), compact=sign_compact(KEYS[0], digest))
    no = Refusal(operator="op1", code=RefusalCode.OUT_OF_BOUND, text="", feeds=(0,))
    known = address_of(KEYS[1])
    for bad in (no, replace(no, address=b"\1" * 20), replace(no, address=known, feeds=()), replace(no, address=known, code=RefusalCode.MUTE)):  # fmt: skip
        assert (
            reduced_proposal(SIGNERS, proposal, [yes, bad], valid_signatures(SIGNERS, proposal, [yes, bad]), 0) is None
        )
    answers = [yes, replace(no, address=known)]
    left = reduced_proposal(SIGNERS, proposal, answers, valid_signatures(SIGNERS, proposal, answers), 0)
    assert left is not None
    assert tuple(split_items(left.items)) == FEEDS[1:]
    assert leader_index(ROUND_S) != leader_index(ROUND_S + 1)
