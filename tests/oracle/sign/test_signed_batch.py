"""Signatures of a batch in the store's form: in its order, of its signers alone, and only with weight enough."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.report.wire import encode_items
from oracle.sign.eip712 import address_of, batch_digest, recover, sign_compact
from oracle.sign.messages import Refusal, RefusalCode, Signature
from oracle.sign.signed_batch import packed_signatures, seal_batch, valid_signatures
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import (
    DOMAIN,
    KEYS,
    ROUND_S,
    SIGNERS,
    ScriptedOperator,
    batched,
    certified,
    scripted_operators,
    sealed,
)

ITEMS = encode_items({0: report(), 3: report("1.01")})


@pytest.fixture
def operators(tmp_path: Path) -> list[ScriptedOperator]:
    return scripted_operators(tmp_path)


def yes(n: int, items: bytes = ITEMS) -> Signature:
    digest = batch_digest(DOMAIN, 1, ROUND_S, items)
    return Signature(operator=f"op{n}", address=address_of(KEYS[n]), compact=sign_compact(KEYS[n], digest))


async def test_bytes_that_are_not_a_signature_count_for_nothing_and_break_nothing(
    operators: list[ScriptedOperator],
) -> None:
    operators[2].junk = True
    answers = [await batched(o, ITEMS) for o in operators]
    assert set(valid_signatures(SIGNERS, ROUND_S, ITEMS, answers)) == set(SIGNERS.signers[:2])
    batch = sealed(ITEMS, answers)
    assert batch is not None
    assert batch.signers == ("op0", "op1")
    operators[1].junk = True
    assert sealed(ITEMS, [await batched(o, ITEMS) for o in operators]) is None


async def test_words_of_another_kind_or_about_other_items_are_no_signatures_of_a_batch(
    operators: list[ScriptedOperator],
) -> None:
    answers = [
        await certified(operators[0], ITEMS),
        yes(1, encode_items({0: report("1.04")})),
        replace(yes(2), address=address_of(KEYS[1])),
    ]
    assert valid_signatures(SIGNERS, ROUND_S, ITEMS, answers) == {}
    assert valid_signatures(SIGNERS, ROUND_S + 10, ITEMS, [yes(0)]) == {}
    assert valid_signatures(replace(SIGNERS, epoch=2), ROUND_S, ITEMS, [yes(0)]) == {}


def test_strangers_and_refusals_weigh_nothing() -> None:
    no = Refusal(operator="op1", code=RefusalCode.MUTE, text="", address=SIGNERS.signers[1])
    smaller = replace(SIGNERS, signers=SIGNERS.signers[:2], weights=(1, 1))
    assert set(valid_signatures(smaller, ROUND_S, ITEMS, [yes(0), no, yes(2)])) == {SIGNERS.signers[0]}
    assert sealed(ITEMS, [yes(0), no, yes(2)], smaller) is None


@given(st.permutations(range(3)), st.lists(st.integers(0, 4), min_size=3, max_size=3), st.integers(1, 9))
def test_law_a_batch_has_the_signers_in_the_store_s_order_and_the_threshold_s_weight(
    order: list[int], weights: list[int], threshold: int
) -> None:
    signers = replace(
        SIGNERS, signers=tuple(SIGNERS.signers[i] for i in order), weights=tuple(weights), threshold=threshold
    )
    batch = seal_batch(signers, ROUND_S, ITEMS, valid_signatures(signers, ROUND_S, ITEMS, [yes(n) for n in range(3)]))
    assert (batch is None) == (sum(weights) < threshold)
    if batch is None:
        return
    assert batch.addresses == signers.signers
    assert batch.signers == tuple(f"op{i}" for i in order)
    parts = [batch.signatures[i : i + 65] for i in range(0, len(batch.signatures), 65)]
    assert [p[0] for p in parts] == [0, 1, 2]
    digest = batch_digest(DOMAIN, 1, ROUND_S, ITEMS)
    assert [recover(digest, p[1:]) for p in parts] == list(signers.signers)
    assert packed_signatures(signers, {signers.signers[1]: parts[1][1:]}) == parts[1]
