from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak

from feeds.units import Wad
from oracle.report.wire import decode_item, encode_item, encode_items, split_items
from oracle.sign.eip712 import (
    BadSignature,
    Domain,
    address_of,
    batch_bytes,
    batch_digest,
    observed_digest,
    recover,
    sign_compact,
)
from oracle.sign.messages import Proposal, Refusal, RefusalCode, Signature
from oracle.sign.operator import Operator
from oracle.sign.own_view import within_bound
from oracle.sign.sign_journal import EquivocationRefused, JournalError, SignJournal
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import DOMAIN, KEYS, NOW_MS, ROUND_S, SIGNERS, propose, sealed, signed_values, views


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


def answers(operators: list[Operator], proposal: Proposal) -> list[object]:
    return [o.cosign(SIGNERS, proposal, now_ms=NOW_MS, clock_ok=True) for o in operators]


def test_the_digest_is_what_eth_account_makes_of_the_typed_data() -> None:
    items = encode_item(3, report())
    typed = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Batch": [
                {"name": "epoch", "type": "uint48"},
                {"name": "roundTime", "type": "uint32"},
                {"name": "items", "type": "bytes"},
            ],
        },
        "primaryType": "Batch",
        "domain": {
            "name": "lrt-oracle",
            "version": "1",
            "chainId": 31337,
            "verifyingContract": "0x" + DOMAIN.store.hex(),
        },
        "message": {"epoch": 5, "roundTime": ROUND_S, "items": items},
    }
    signable = encode_typed_data(full_message=typed)
    ours = batch_digest(DOMAIN, 5, ROUND_S, items)
    assert keccak(b"\x19\x01" + signable.header + signable.body) == ours
    compact = sign_compact(KEYS[0], ours)
    assert recover(ours, compact) == address_of(KEYS[0])
    signed = Account.sign_message(signable, KEYS[0].secret)
    assert signed.r.to_bytes(32, "big") == compact[:32]


def test_both_kinds_of_digest_and_every_bound_field_differ() -> None:
    items = encode_item(3, report())
    digests = {
        batch_digest(DOMAIN, 1, ROUND_S, items),
        observed_digest(DOMAIN, 1, ROUND_S, items),
        batch_digest(DOMAIN, 2, ROUND_S, items),
        batch_digest(DOMAIN, 1, ROUND_S + 1, items),
        batch_digest(replace(DOMAIN, chain_id=1), 1, ROUND_S, items),
        batch_digest(replace(DOMAIN, store=bytes(20)), 1, ROUND_S, items),
        batch_digest(DOMAIN, 1, ROUND_S, items + items),
    }
    assert len(digests) == 7


@pytest.mark.parametrize("compact", [b"", b"\0" * 64, b"\xff" * 64, b"\1" * 63])
def test_junk_is_a_bad_signature(compact: bytes) -> None:
    with pytest.raises(BadSignature):
        recover(b"\1" * 32, compact)


def test_three_honest_operators_seal_a_batch_of_the_lower_median(operators: list[Operator]) -> None:
    values = signed_values(operators, views("1.050", "1.051", "1.052"))
    proposal = propose(values)
    batch = sealed(proposal, answers(operators, proposal))  # type: ignore[arg-type]
    assert batch is not None
    assert split_items(batch.items)[0] == encode_item(0, report("1.051", "1.06"))
    assert batch.signers == ("op0", "op1", "op2")
    assert len(batch.signatures) == 3 * 65


def test_a_leader_that_shifts_the_price_gets_no_quorum(operators: list[Operator]) -> None:
    values = signed_values(operators, views("1.050", "1.051", "1.052"))
    lie = propose(values, lambda r: replace(r, market_wad=Wad(r.market_wad * 103 // 100)))
    got = answers(operators[1:], lie)
    assert [a.code for a in got if isinstance(a, Refusal)] == [RefusalCode.NOT_RECOMPUTED] * 2
    assert sealed(lie, got) is None  # type: ignore[arg-type]


def test_values_far_from_the_own_view_are_refused(operators: list[Operator]) -> None:
    values = signed_values(operators, views("1.05", "1.20", "1.20"))
    got = answers(operators, propose(values))
    assert isinstance(got[0], Refusal)
    assert (got[0].code, got[0].feeds) == (RefusalCode.OUT_OF_BOUND, (0,))


def test_forged_missing_or_doubled_values_are_refused(operators: list[Operator]) -> None:
    values = signed_values(operators, views("1.05", "1.05", "1.05"))
    forged = replace(values[0], items=encode_items({0: report("9")}))
    for bad in ((forged, *values[1:]), values[:1], (values[0], values[0], values[1])):
        answer = operators[2].cosign(SIGNERS, replace(propose(values), values=bad), now_ms=NOW_MS, clock_ok=True)
        assert isinstance(answer, Refusal)
        assert answer.code is RefusalCode.BAD_VALUES


def test_a_bad_clock_or_a_missing_view_refuses(operators: list[Operator]) -> None:
    values = signed_values(operators, views("1.05", "1.05", "1.05"))
    proposal = propose(values)
    late = operators[0].cosign(SIGNERS, proposal, now_ms=NOW_MS, clock_ok=False)
    assert isinstance(late, Refusal)
    assert late.code is RefusalCode.CLOCK
    operators[1].sign_values(SIGNERS, ROUND_S + 1, {0: report()})
    assert isinstance(operators[1].cosign(SIGNERS, proposal, now_ms=NOW_MS, clock_ok=True), Signature), "still known"
    for later in range(2, 5):
        operators[1].sign_values(SIGNERS, ROUND_S + later, {0: report()})
    blind = operators[1].cosign(SIGNERS, proposal, now_ms=NOW_MS, clock_ok=True)
    assert isinstance(blind, Refusal)
    assert blind.code is RefusalCode.NO_OWN_VIEW


def test_a_key_never_signs_two_truths_even_after_a_restart(operators: list[Operator], tmp_path: Path) -> None:
    values = signed_values(operators, views("1.05", "1.05", "1.05"))
    assert sealed(propose(values), answers(operators, propose(values))) is not None  # type: ignore[arg-type]
    operators[0].journal.close()
    again = Operator(
        "op0",
        KEYS[0],
        SignJournal(tmp_path / "0.db", address_of(KEYS[0]), now_ms=NOW_MS, mute_ms=61_000),
        bound_bps=100,
    )
    other = tuple(o.sign_values(SIGNERS, ROUND_S, {0: report("1.0501")}) for o in (again, operators[1], operators[2]))
    answer = again.cosign(SIGNERS, propose(other), now_ms=NOW_MS, clock_ok=True)
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.EQUIVOCATION


def test_a_missing_journal_keeps_the_key_mute(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = SignJournal(path, address_of(KEYS[0]), now_ms=NOW_MS, mute_ms=61_000)
    assert journal.mute_until_ms == NOW_MS + 61_000
    operator = Operator("op0", KEYS[0], journal, bound_bps=100)
    values = (operator.sign_values(SIGNERS, ROUND_S, {0: report()}),)
    proposal = Proposal(leader="op0", round_time_s=ROUND_S, items=values[0].items, values=values)
    answer = operator.cosign(SIGNERS, proposal, now_ms=NOW_MS + 60_999, clock_ok=True)
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.MUTE
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
