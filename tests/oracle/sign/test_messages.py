from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak

from oracle.agree.messages import FeedRefusal
from oracle.report.wire import decode_item, encode_item, encode_items, split_items
from oracle.sign.eip712 import (
    BadSignature,
    Domain,
    address_of,
    batch_bytes,
    batch_digest,
    observed_digest,
    recover,
    sealed_digest,
    sign_compact,
)
from oracle.sign.journal_form import JournalError
from oracle.sign.messages import Refusal, RefusalCode, Signature
from oracle.sign.operator import Operator
from oracle.sign.own_view import within_bound
from oracle.sign.sign_journal import EquivocationRefused, SignJournal
from tests.oracle.network.agreement_world import agreements_here, ask_of
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import (
    DOMAIN,
    KEYS,
    NOW_MS,
    ROUND_S,
    SIGNERS,
    agreed,
    batched,
    certified,
    sealed,
    signed_values,
    views,
)


@pytest.fixture
def operators(tmp_path: Path) -> list[Operator]:
    return [
        Operator(
            f"op{i}",
            key,
            SignJournal(tmp_path / f"{i}.db", address_of(key), now_ms=NOW_MS, mute_ms=61_000, newborn=True),
            bound_bps=100,
        )
        for i, key in enumerate(KEYS)
    ]


ITEMS = encode_item(3, report())
TERMS = b"\7" * 32
KINDS: dict[str, tuple[list[tuple[str, str]], dict[str, Any], bytes]] = {
    "Batch": (
        [("epoch", "uint48"), ("roundTime", "uint32"), ("items", "bytes")],
        {"epoch": 5, "roundTime": ROUND_S, "items": ITEMS},
        batch_digest(DOMAIN, 5, ROUND_S, ITEMS),
    ),
    "Sealed": (
        [("epoch", "uint48"), ("roundTime", "uint32"), ("step", "uint16"), ("items", "bytes")],
        {"epoch": 5, "roundTime": ROUND_S, "step": 3, "items": ITEMS},
        sealed_digest(DOMAIN, 5, ROUND_S, 3, ITEMS),
    ),
    "Observed": (
        [("epoch", "uint48"), ("roundTime", "uint32"), ("terms", "bytes32"), ("items", "bytes")],
        {"epoch": 5, "roundTime": ROUND_S, "terms": TERMS, "items": ITEMS},
        observed_digest(DOMAIN, 5, ROUND_S, ITEMS, terms=TERMS),
    ),
}
"""What is signed of a round: fields of the type, a message, and our digest of it."""


@pytest.mark.parametrize("kind", KINDS)
def test_the_digest_is_what_eth_account_makes_of_the_typed_data(kind: str) -> None:
    fields, message, ours = KINDS[kind]
    typed = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            kind: [{"name": name, "type": form} for name, form in fields],
        },
        "primaryType": kind,
        "domain": {
            "name": "lrt-oracle",
            "version": "1",
            "chainId": 31337,
            "verifyingContract": "0x" + DOMAIN.store.hex(),
        },
        "message": message,
    }
    signable = encode_typed_data(full_message=typed)
    assert keccak(b"\x19\x01" + signable.header + signable.body) == ours
    compact = sign_compact(KEYS[0], ours)
    assert recover(ours, compact) == address_of(KEYS[0])
    signed = Account.sign_message(signable, KEYS[0].secret)
    assert signed.r.to_bytes(32, "big") == compact[:32]


def test_every_kind_of_digest_and_every_bound_field_differ() -> None:
    items = encode_item(3, report())
    digests = {
        batch_digest(DOMAIN, 1, ROUND_S, items),
        observed_digest(DOMAIN, 1, ROUND_S, items),
        observed_digest(DOMAIN, 1, ROUND_S, items, terms=TERMS),
        sealed_digest(DOMAIN, 1, ROUND_S, 0, items),
        sealed_digest(DOMAIN, 1, ROUND_S, 1, items),
        sealed_digest(DOMAIN, 2, ROUND_S, 0, items),
        sealed_digest(replace(DOMAIN, chain_id=1), 1, ROUND_S, 0, items),
        batch_digest(DOMAIN, 2, ROUND_S, items),
        batch_digest(DOMAIN, 1, ROUND_S + 1, items),
        batch_digest(replace(DOMAIN, chain_id=1), 1, ROUND_S, items),
        batch_digest(replace(DOMAIN, store=bytes(20)), 1, ROUND_S, items),
        batch_digest(DOMAIN, 1, ROUND_S, items + items),
    }
    assert len(digests) == 12


@pytest.mark.parametrize("compact", [b"", b"\0" * 64, b"\xff" * 64, b"\1" * 63])
def test_junk_is_a_bad_signature(compact: bytes) -> None:
    with pytest.raises(BadSignature):
        recover(b"\1" * 32, compact)


async def test_three_honest_operators_seal_a_batch_of_the_lower_median(operators: list[Operator]) -> None:
    items = agreed(signed_values(operators, views("1.050", "1.051", "1.052")))
    assert split_items(items)[0] == encode_item(0, report("1.051", "1.06"))
    seals = [await certified(o, items) for o in operators]
    digest = sealed_digest(DOMAIN, 1, ROUND_S, 0, items)
    assert [recover(digest, s.compact) for s in seals if isinstance(s, Signature)] == list(SIGNERS.signers)
    batch = sealed(items, [await batched(o, items) for o in operators])
    assert batch is not None
    assert batch.signers == ("op0", "op1", "op2")
    assert len(batch.signatures) == 3 * 65
    assert sealed(items, seals) is None, "no store takes a round's certificate"  # type: ignore[arg-type]


async def test_values_far_from_the_own_view_or_without_one_are_not_vouched_for(operators: list[Operator]) -> None:
    """Two of three carry the feed; the third says why it does not."""
    for view, code in (({0: report("1.05", "1.06")}, FeedRefusal.OUT_OF_BOUND), ({}, FeedRefusal.NO_OWN_VIEW)):
        round_s = ROUND_S + 10 * int(code)
        far = {0: replace(report("1.20", "1.06"), round_time_s=round_s)}
        own = {i: replace(r, round_time_s=round_s) for i, r in view.items()}
        agreements = agreements_here(operators, now_ms=lambda: NOW_MS)
        outcome = await agreements.agree(ask_of(SIGNERS, round_s, {"op0": own, "op1": far, "op2": far}))
        assert outcome.sealed is not None
        assert outcome.sealed.content.items == encode_items(far)
        assert [m.refused for m in outcome.members] == [((0, code),), (), ()]


async def test_a_bad_clock_signs_nothing(operators: list[Operator]) -> None:
    items = agreed(signed_values(operators, views("1.05", "1.05", "1.05")))
    for answer in (
        await certified(operators[0], items, clock_ok=False),
        await batched(operators[0], items, clock_ok=False),
    ):
        assert isinstance(answer, Refusal)
        assert answer.code is RefusalCode.CLOCK
    assert not operators[0].has_signed(SIGNERS, 0, ROUND_S), "nothing is written down that is not signed"


async def test_a_key_never_signs_two_truths_even_after_a_restart(operators: list[Operator], tmp_path: Path) -> None:
    """Certificates and batches are words of one kind: whichever came first, the other must be of the same items."""
    items = agreed(signed_values(operators, views("1.05", "1.05", "1.05")))
    other = agreed(signed_values(operators, views("1.0501", "1.0501", "1.0501")))
    assert isinstance(await certified(operators[0], items), Signature)
    assert isinstance(await batched(operators[1], items), Signature)
    for n in (0, 1):
        operators[n].journal.close()
        journal = SignJournal(tmp_path / f"{n}.db", address_of(KEYS[n]), now_ms=NOW_MS, mute_ms=61_000)
        again = Operator(f"op{n}", KEYS[n], journal, bound_bps=100)
        for answer in (await certified(again, other), await certified(again, other, 1), await batched(again, other)):
            assert isinstance(answer, Refusal)
            assert (answer.code, answer.feeds) == (RefusalCode.EQUIVOCATION, (0,))
        assert isinstance(await certified(again, items, 1), Signature), "the same, in a later step"
        assert isinstance(await batched(again, items), Signature)


async def test_a_step_has_one_certificate_and_a_later_one_may_hold_fewer_feeds(operators: list[Operator]) -> None:
    both, one = encode_items({0: report(), 1: report()}), encode_items({0: report()})
    assert isinstance(await certified(operators[0], both), Signature)
    answer = await certified(operators[0], one)
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.EQUIVOCATION
    assert isinstance(await certified(operators[0], one, 1), Signature)


async def test_a_missing_journal_keeps_the_key_mute(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = SignJournal(path, address_of(KEYS[0]), now_ms=NOW_MS, mute_ms=61_000)
    assert journal.mute_until_ms == NOW_MS + 61_000
    operator = Operator("op0", KEYS[0], journal, bound_bps=100)
    at = {"now_ms": NOW_MS + 60_999, "clock_ok": True}
    items = encode_items({0: report()})
    for answer in (
        await operator.request_seal(SIGNERS, ROUND_S, 0, items, **at),
        await operator.request_signature(SIGNERS, ROUND_S, items, **at),
    ):
        assert isinstance(answer, Refusal)
        assert answer.code is RefusalCode.MUTE
    agreements = agreements_here([operator], now_ms=lambda: NOW_MS)
    alone = replace(SIGNERS, signers=SIGNERS.signers[:1], weights=(1,), threshold=1)
    outcome = await agreements.agree(ask_of(alone, ROUND_S, {"op0": {0: report()}}))
    assert (outcome.sealed, [r.code for r in outcome.refusals]) == (None, [RefusalCode.MUTE])
    journal.close()
    assert SignJournal(path, address_of(KEYS[0]), now_ms=0, mute_ms=1).mute_until_ms == NOW_MS + 61_000


def test_a_journal_belongs_to_one_key(tmp_path: Path) -> None:
    SignJournal(tmp_path / "j.db", address_of(KEYS[0]), now_ms=0, mute_ms=0).close()
    with pytest.raises(JournalError, match="belongs to key"):
        SignJournal(tmp_path / "j.db", address_of(KEYS[1]), now_ms=0, mute_ms=0)


def test_a_refused_record_writes_nothing_of_its_batch(tmp_path: Path) -> None:
    local = Domain(chain_id=1, store=b"s")
    journal = SignJournal(tmp_path / "j.db", address_of(KEYS[0]), now_ms=0, mute_ms=0, newborn=True)
    journal.record(local, 5, {0: b"a"})
    with pytest.raises(EquivocationRefused):
        journal.record(local, 5, {7: b"x", 0: b"b"})
    journal.record(local, 5, {7: b"y", 0: b"a"})
    assert journal.last_round_s() == 5


def test_within_asks_that_presence_agrees() -> None:
    assert within_bound(report("1.05"), report("1.055"), 100)
    assert not within_bound(report("1.05"), report("1.07"), 100)
    assert not within_bound(report("0"), report("1.05"), 100)


def test_items_with_a_feed_twice_are_refused() -> None:
    item = encode_item(0, report())
    with pytest.raises(ValueError, match="twice"):
        split_items(item + item)
    with pytest.raises(ValueError, match="whole number"):
        split_items(item[:-1])


def test_vectors_shared_with_solidity() -> None:
    path = Path(__file__).parent.parent.parent / "contracts" / "vectors.json"
    vectors = json.loads(path.read_text())["vectors"]
    assert vectors
    for vector in vectors:
        check_vector(vector)


def check_vector(vector: dict[str, object]) -> None:
    domain = Domain(chain_id=int(str(vector["chain_id"])), store=bytes.fromhex(str(vector["store"])[2:]))
    items = bytes.fromhex(str(vector["items_hex"]).removeprefix("0x"))
    epoch, round_s = int(str(vector["epoch"])), int(str(vector["round_time"]))
    digest = batch_digest(domain, epoch, round_s, items)
    assert digest.hex() == str(vector["digest"]).removeprefix("0x")
    assert batch_bytes(epoch, round_s, items).hex() == str(vector["batch_hex"]).removeprefix("0x")
    for index, item in split_items(items).items():
        assert encode_item(*decode_item(item, round_s)) == item
        assert int.from_bytes(item[:2], "big") == index
