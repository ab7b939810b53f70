"""What an operator signed is verified, decoded and agreed on once in a process, however many ask; what differs is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oracle.agree.verify import Unsound, hear_values_of
from oracle.report.wire import decode_items
from oracle.sign.agreed_reports import agreed_items
from oracle.sign.verified_values import UnsoundValues, VerifiedValues, verify_values
from tests.oracle.agree.agree_world import terms_of
from tests.oracle.network.agreement_world import agreements_here, ask_of
from tests.oracle.sign.sign_world import (
    NOW_MS,
    ROUND_S,
    SIGNERS,
    scripted_operators,
    signed_values,
    verified,
    views,
)


async def test_from_the_values_to_the_batch_each_operator_s_are_verified_and_decoded_once(tmp_path: Path) -> None:
    """Three members, each of whom hears all values and recomputes the proposal, and whoever reads the batch: three verifications."""
    operators = scripted_operators(tmp_path)
    held = dict(zip(("op0", "op1", "op2"), views("1.050", "1.051", "1.052"), strict=True))
    verify_values.cache_clear()
    decode_items.cache_clear()
    agreements = agreements_here(operators, now_ms=lambda: NOW_MS)
    outcome = await agreements.agree(ask_of(SIGNERS, ROUND_S, held))
    collected = await agreements.cut(outcome, (0,))
    assert collected.batch is not None
    assert len(collected.batch.signers) == 3
    assert verify_values.cache_info().misses == 3
    agreed_one = decode_items.cache_info().misses
    assert agreed_one <= 3 + 1, "values, and what was sealed"
    assert collected.batch.items == agreed_items(outcome.values, SIGNERS)[0]


def test_the_agreed_reports_of_a_set_of_values_are_made_once_in_whatever_order_they_come(tmp_path: Path) -> None:
    values = verified(signed_values(scripted_operators(tmp_path), views("1.050", "1.051", "1.052")))
    assert agreed_items(values, SIGNERS) is agreed_items(values[::-1], SIGNERS)
    assert agreed_items(values[:2], SIGNERS) is not agreed_items(values, SIGNERS)
    weighted, even = (
        decode_items(agreed_items(values, s)[0], ROUND_S)[0].market_wad
        for s in (replace(SIGNERS, weights=(3, 1, 1)), SIGNERS)
    )
    assert weighted < even


def test_values_are_known_by_their_content_and_not_by_who_hands_them_over(tmp_path: Path) -> None:
    """A copy of what was verified is known; one byte, another set or another round makes it other values."""
    signed, *_ = signed_values(scripted_operators(tmp_path), views("1.05", "1.05", "1.05"))
    known = verify_values(signed, SIGNERS, ROUND_S)
    assert isinstance(known, VerifiedValues)
    assert verify_values(replace(signed, items=bytes(signed.items)), SIGNERS, ROUND_S) is known
    flipped = bytes([*signed.items[:-1], signed.items[-1] ^ 1])
    for other in (replace(signed, items=flipped), replace(signed, signature=b"\1" * 64), replace(signed, address=b"x")):
        assert isinstance(verify_values(other, SIGNERS, ROUND_S), UnsoundValues)
    assert isinstance(verify_values(signed, replace(SIGNERS, epoch=2), ROUND_S), UnsoundValues)
    assert isinstance(verify_values(signed, SIGNERS, ROUND_S + 1), UnsoundValues)


def test_what_is_well_signed_by_a_key_outside_the_set_does_not_count(tmp_path: Path) -> None:
    operators = scripted_operators(tmp_path)
    signed = signed_values(operators, views("1.05", "1.05", "1.05"))
    smaller = replace(SIGNERS, signers=SIGNERS.signers[:2], weights=(1, 1))
    stranger = verify_values(operators[2].sign_values(smaller, ROUND_S, views("1.05")[0]), smaller, ROUND_S)
    assert stranger == UnsoundValues("they are not signed by a signer of the set")
    terms = replace(terms_of((1, 1), 2), signers=smaller, round_time_s=ROUND_S)
    on_terms = operators[2].sign_values(smaller, ROUND_S, views("1.05")[0], terms.binding)
    with pytest.raises(Unsound, match="not signed by a signer"):  # before its signature costs anything
        hear_values_of(terms, on_terms)
    with pytest.raises(Unsound, match="on other terms"):
        hear_values_of(terms, signed[0])
    of_none = replace(terms, signers=replace(SIGNERS, weights=(1, 1, 0)))
    weightless = operators[2].sign_values(of_none.signers, ROUND_S, views("1.05")[0], of_none.binding)
    with pytest.raises(Unsound, match="without weight"):
        hear_values_of(of_none, weightless)
