"""What a key says of an epoch: once, whatever happens to its process. Invariants of docs/invariants.md, each under its name there."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak

from oracle.sign.eip712 import Domain, recover
from oracle.sign.epoch_lines import EpochKind, EpochLine, EpochRefused
from oracle.sign.epoch_words import EpochAttendance, RewardsWord
from oracle.sign.messages import Refusal, RefusalCode, Signature
from oracle.sign.operator import Operator
from tests.oracle.sign.epoch_journal import ENDED_S, MUTE_MS, Crash, FailingJournal, operator
from tests.oracle.sign.sign_world import DOMAIN, NOW_MS, ROUND_S

ROOT_A = RewardsWord(domain=DOMAIN, epoch=4, root=keccak(b"a"), absent=(), grounds=keccak(b"words"))
ROOT_B = replace(ROOT_A, root=keccak(b"b"))
SEEN = EpochAttendance(domain=DOMAIN, epoch=4, rounds=9, counts=(9, 8, 0))


def ask(who: Operator, said: RewardsWord, *, now_ms: int = NOW_MS, ended_s: int = ENDED_S) -> Signature | Refusal:
    return asyncio.run(who.request_rewards(said, ended_s, now_ms=now_ms, clock_ok=True))


def code(answer: Signature | Refusal) -> RefusalCode | None:
    return answer.code if isinstance(answer, Refusal) else None


@pytest.mark.parametrize("crash_at", range(12))
def test_a_key_signs_one_root_an_epoch(tmp_path: Path, crash_at: int) -> None:
    """Its process may end at any point of it: what comes afterwards signs the same root, or no other one has a signature."""
    path, signed = tmp_path / "j.db", set()
    with operator(path) as who:
        inner = who.journal._db
        failing: Any = FailingJournal(inner, crash_at)
        who.journal._db = who.journal._epochs._db = failing
        try:
            answer = ask(who, ROOT_A)
            assert isinstance(answer, Signature)
            signed.add(ROOT_A.root)
        except Crash:
            pass
        who.journal._db = inner
    for said in (ROOT_B, ROOT_A, ROOT_B, ROOT_A):
        with operator(path) as who:
            answer = ask(who, said)
        if isinstance(answer, Signature):
            assert recover(keccak(said.preimage()), answer.compact) == who.address
            signed.add(said.root)
        else:
            assert answer.code is RefusalCode.EQUIVOCATION
            assert "epoch 4, its rewards: another word of it is already signed" in answer.text
    assert len(signed) == 1


def test_every_crash_is_looked_at(tmp_path: Path) -> None:
    """The last crash of the test above comes after the last statement, and an earlier one leaves the other root to be signed."""
    firsts = []
    for crash_at in range(12):
        with operator(tmp_path / f"{crash_at}.db") as who:
            inner = who.journal._db
            failing: Any = FailingJournal(inner, crash_at)
            who.journal._db = who.journal._epochs._db = failing
            try:
                ask(who, ROOT_A)
                firsts.append("signed")
            except Crash:
                firsts.append("crash")
            who.journal._db = inner
        with operator(tmp_path / f"{crash_at}.db") as who:
            firsts[-1] += "" if isinstance(ask(who, ROOT_B), Refusal) else ", other"
    assert firsts[0] == "crash, other"
    assert firsts[-1] == "signed"
    assert "signed, other" not in firsts


def test_each_kind_store_and_epoch_has_its_own_word(tmp_path: Path) -> None:
    elsewhere = Domain(chain_id=2, store=DOMAIN.store)
    with operator(tmp_path / "j.db") as who:
        for said in (ROOT_A, replace(ROOT_B, epoch=5), replace(ROOT_B, domain=elsewhere), ROOT_A):
            assert code(ask(who, said)) is None
        for said in (ROOT_B, replace(ROOT_A, absent=(bytes(20),)), replace(ROOT_A, grounds=keccak(b"others"))):
            assert code(ask(who, said)) is RefusalCode.EQUIVOCATION
        first, other = (
            asyncio.run(who.request_attendance(s, ENDED_S, now_ms=NOW_MS, clock_ok=True))
            for s in (SEEN, replace(SEEN, rounds=10))
        )
        assert (code(first), code(other)) == (None, RefusalCode.EQUIVOCATION)
        assert isinstance(first, Signature)
        assert recover(keccak(SEEN.preimage()), first.compact) == who.address


def test_a_word_that_may_have_been_signed_before_a_loss_is_not_signed_again(tmp_path: Path) -> None:
    """Of an epoch that had ended by then; of one that ends later it is."""
    path, copy = tmp_path / "j.db", tmp_path / "copy.db"
    later_ms = NOW_MS + MUTE_MS + 1
    with operator(path, witness=tmp_path / "w") as who:
        who.journal.record(DOMAIN, ROUND_S - 50, {0: b"x"})
    shutil.copy(path, copy)
    with operator(path, witness=tmp_path / "w") as who:
        assert code(ask(who, ROOT_A)) is None
    shutil.copy(copy, path)
    with operator(path, witness=tmp_path / "w") as who:
        assert code(ask(who, ROOT_B)) is RefusalCode.MUTE
        for said in (ROOT_B, ROOT_A):
            answer = ask(who, said, now_ms=later_ms)
            assert code(answer) is RefusalCode.EQUIVOCATION
            assert isinstance(answer, Refusal)
            assert "knows nothing of what was signed up to" in answer.text
        assert code(ask(who, replace(ROOT_B, epoch=5), now_ms=later_ms, ended_s=ROUND_S + 1_000)) is None


def test_nothing_of_an_epoch_is_signed_by_a_clock_that_is_off_or_without_a_journal(tmp_path: Path) -> None:
    with operator(tmp_path / "j.db") as who:
        refused = asyncio.run(who.request_rewards(ROOT_A, ENDED_S, now_ms=NOW_MS, clock_ok=False))
        assert code(refused) is RefusalCode.CLOCK
        line = EpochLine(DOMAIN.chain_id, DOMAIN.store, EpochKind.REWARDS, 4, b"h", ENDED_S)
        who.journal.record_epoch(line)
        with pytest.raises(EpochRefused) as caught:
            who.journal.record_epoch(line._replace(content_hash=b"i"))
        assert caught.value.line.content_hash == b"i"
    assert code(ask(who, ROOT_A)) is RefusalCode.JOURNAL, "its file is closed"
