"""A signer set that has expired: no key signs for it any more, and what is stored of sets stays readable."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from oracle.model.canonical_json import Undecodable, dump, parse
from oracle.report.wire import encode_items
from oracle.sign.eip712 import address_of
from oracle.sign.messages import Refusal, RefusalCode, Signature, SignedValues, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.remote.remote_key import RemoteKey
from oracle.sign.remote_operator import RemoteOperator
from oracle.sign.sign_journal import SignJournal
from oracle.sign.stored_sets import decode_members
from tests.oracle.sign.sign_world import DOMAIN, KEYS, NOW_MS, ROUND_S, SIGNERS, views

ENDING = replace(SIGNERS, expires_s=ROUND_S)
(VIEW,) = views("1.05")


class CountedKey(RemoteKey):
    """In place of a signer elsewhere: signs whatever it is asked, and counts."""

    def __init__(self) -> None:
        super().__init__(address_of(KEYS[1]), "the stand-in", timeout_ms=1_000)
        self.asked = 0

    async def _request(self, preimage: bytes) -> bytes:
        self.asked += 1
        return KEYS[1].sign_recoverable(keccak(preimage), hasher=None)

    async def close(self) -> None:
        """Nothing is open."""


def operators(folder: Path) -> tuple[Operator, RemoteOperator, CountedKey]:
    journals = [
        SignJournal(folder / f"{i}.db", address_of(KEYS[i]), now_ms=0, mute_ms=0, newborn=True) for i in range(2)
    ]
    key = CountedKey()
    near = Operator("near", KEYS[0], journals[0], bound_bps=100)
    return near, RemoteOperator("far", key, journals[1], bound_bps=100), key


async def said(one: Operator, signers: SignerSet, round_s: int) -> Sequence[Signature | SignedValues | Refusal]:
    """All that it is asked of a round: values, certificate, batch."""
    items = encode_items(VIEW)
    return [
        await one.request_values(signers, round_s, VIEW),
        await one.request_seal(signers, round_s, 0, items, now_ms=NOW_MS, clock_ok=True),
        await one.request_signature(signers, round_s, items, now_ms=NOW_MS, clock_ok=True),
    ]


async def test_nobody_signs_a_round_after_the_end_of_the_set(tmp_path: Path) -> None:
    """Neither values nor certificate nor batch, here or elsewhere; nothing is in the journal, no signer is asked."""
    near, far, key = operators(tmp_path)
    for one in (near, far):
        for round_s in (ROUND_S, ROUND_S + 1, ROUND_S + 10**9):
            for answer in await said(one, ENDING, round_s):
                assert isinstance(answer, Refusal)
                assert answer.code is RefusalCode.WRONG_EPOCH
                assert answer.text.startswith(f"the signer set of epoch 1 expired at {ROUND_S} (Unix s): ")
            assert not one.has_signed(ENDING, 0, round_s)
            assert one.journal.hashes(DOMAIN, round_s) == {}
    assert key.asked == 0


async def test_the_last_round_before_the_end_is_signed(tmp_path: Path) -> None:
    near, far, key = operators(tmp_path)
    for one in (near, far):
        for signers in (ENDING, SIGNERS):
            answers = await said(one, signers, ROUND_S - 1 if signers is ENDING else ROUND_S)
            assert not any(isinstance(a, Refusal) for a in answers)
    assert key.asked == 6


async def test_a_member_of_a_set_to_come_arms_it_whatever_its_end(tmp_path: Path) -> None:
    near, far, _ = operators(tmp_path)
    for one in (near, far):
        assert isinstance(await one.request_arming(replace(ENDING, epoch=2), b"\7" * 32), Signature)


@pytest.mark.parametrize(("last", "expires_s"), [(0xFFFFFFFF, None), (0xFFFFFFFE, 0xFFFFFFFF), (99, 100), (0, 1)])
def test_the_end_is_read_from_the_code_of_the_set(last: int, expires_s: int | None) -> None:
    head = last.to_bytes(4, "big") + (77).to_bytes(4, "big") + (9).to_bytes(12, "big") + (8).to_bytes(12, "big")
    read = decode_members(DOMAIN, 3, b"\0" + head + b"\1" * 20 + (10).to_bytes(12, "big"))
    assert read is not None
    assert (read.signers.expires_s, read.from_s, read.strong, read.signers.threshold) == (expires_s, 77, 9, 8)


def test_a_set_that_was_stored_before_sets_expired_is_read() -> None:
    plain = json.loads(dump(SIGNERS))
    assert parse(SignerSet, dump(ENDING)) == ENDING
    del plain["expires_s"]
    assert parse(SignerSet, json.dumps(plain)) == SIGNERS
    for broken in ({**plain, "more": 1}, {k: v for k, v in plain.items() if k != "weights"}):
        with pytest.raises(Undecodable):
            parse(SignerSet, json.dumps(broken))
