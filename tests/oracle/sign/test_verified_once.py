"""What an operator signed is verified, decoded and agreed on once in a process, however many ask; what differs is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from oracle.report.wire import decode_items
from oracle.sign.agreed_reports import agreed_items, agreed_reports
from oracle.sign.local_cosigners import LocalCosigners
from oracle.sign.messages import Refusal, RefusalCode
from oracle.sign.signed_batch import collect_signatures
from oracle.sign.verified_values import UnsoundValues, VerifiedValues, verify_values
from tests.oracle.sign.sign_world import (
    NOW_MS,
    ROUND_S,
    SIGNERS,
    propose,
    scripted_operators,
    signed_values,
    verified,
    views,
)


async def test_from_the_values_to_the_batch_each_operator_s_are_verified_and_decoded_once(tmp_path: Path) -> None:
    """Three operators, three cosigners, a leader and whoever reads the batch: three verifications in all."""
    operators = scripted_operators(tmp_path)
    signed = signed_values(operators, views("1.050", "1.051", "1.052"))
    verify_values.cache_clear()
    decode_items.cache_clear()
    cosigners = LocalCosigners(operators, SIGNERS, now_ms=lambda: NOW_MS, clock_ok=lambda: True)
    collected = await collect_signatures(cosigners, SIGNERS, verified(signed), [0])
    assert collected.batch is not None
    assert len(collected.batch.signers) == 3
    assert verify_values.cache_info().misses == 3
    assert decode_items.cache_info().misses == 3
    assert collected.batch.reports == agreed_reports(verified(signed), SIGNERS)


def test_the_agreed_reports_of_a_set_of_values_are_made_once_in_whatever_order_they_come(tmp_path: Path) -> None:
    values = verified(signed_values(scripted_operators(tmp_path), views("1.050", "1.051", "1.052")))
    assert agreed_reports(values, SIGNERS) is agreed_reports(values[::-1], SIGNERS)
    assert agreed_items(values, SIGNERS) is agreed_items(values[::-1], SIGNERS)
    assert agreed_reports(values[:2], SIGNERS) is not agreed_reports(values, SIGNERS)
    heavier = replace(SIGNERS, weights=(3, 1, 1))
    assert agreed_reports(values, heavier)[0].market_wad < agreed_reports(values, SIGNERS)[0].market_wad


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


def test_a_cosigner_compares_bytes_and_not_what_they_decode_to(tmp_path: Path) -> None:
    """The two high bits of the spread are the store's: they decode to nothing, and no leader may set them."""
    operators = scripted_operators(tmp_path)
    honest = propose(signed_values(operators, views("1.05", "1.05", "1.05")))
    marked = honest.items[:24] + bytes([honest.items[24] | 0xC0]) + honest.items[25:]
    assert decode_items(marked, ROUND_S) == decode_items(honest.items, ROUND_S)
    answer = operators[1].cosign(SIGNERS, replace(honest, items=marked), now_ms=NOW_MS, clock_ok=True)
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.feeds) == (RefusalCode.NOT_RECOMPUTED, (0,))


def test_what_is_well_signed_by_a_key_outside_the_set_does_not_count(tmp_path: Path) -> None:
    operators = scripted_operators(tmp_path)
    signed = signed_values(operators, views("1.05", "1.05", "1.05"))
    smaller = replace(SIGNERS, signers=SIGNERS.signers[:2], weights=(1, 1))
    stranger = verify_values(operators[2].sign_values(smaller, ROUND_S, views("1.05")[0]), smaller, ROUND_S)
    assert stranger == UnsoundValues("they are not signed by a signer of the set")
    answer = operators[0].cosign(smaller, propose(signed), now_ms=NOW_MS, clock_ok=True)
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.BAD_VALUES
