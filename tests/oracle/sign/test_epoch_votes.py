"""Votes on an epoch's report: one of a kind in an attempt and none of an attempt that was left, whatever happens to the process."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from oracle.sign.eip712 import recover
from oracle.sign.epoch_words import EpochVote, VoteKind
from oracle.sign.messages import Refusal, RefusalCode, Signature
from oracle.sign.operator import Operator
from tests.oracle.sign.epoch_journal import ENDED_S, MUTE_MS, Crash, FailingJournal, operator
from tests.oracle.sign.sign_world import DOMAIN, NOW_MS


def vote(content: bytes = b"a", *, attempt: int = 3, kind: VoteKind = VoteKind.READY, epoch: int = 4) -> EpochVote:
    return EpochVote(domain=DOMAIN, epoch=epoch, kind=kind, attempt=attempt, content=keccak(content))


def cast(who: Operator, said: EpochVote, now_ms: int = NOW_MS) -> Signature | Refusal:
    return asyncio.run(who.request_vote(said, ENDED_S, now_ms=now_ms, clock_ok=True))


@pytest.mark.parametrize("crash_at", range(12))
def test_a_key_votes_once_of_a_kind_in_an_attempt(tmp_path: Path, crash_at: int) -> None:
    path, signed = tmp_path / "j.db", set()
    with operator(path) as who:
        inner = who.journal._db
        who.journal._db = who.journal._epochs._db = FailingJournal(inner, crash_at)  # type: ignore[assignment]
        try:
            assert isinstance(cast(who, vote(b"a")), Signature)
            signed.add(b"a")
        except Crash:
            pass
        who.journal._db = inner
    for content in (b"b", b"a", b"b", b"a"):
        with operator(path) as who:
            answer = cast(who, vote(content))
        if isinstance(answer, Signature):
            assert recover(keccak(vote(content).preimage()), answer.compact) == who.address
            signed.add(content)
        else:
            assert answer.code is RefusalCode.EQUIVOCATION
            assert "another word of attempt 3 is already signed" in answer.text
    assert len(signed) == 1


def test_nothing_is_said_of_an_attempt_that_was_left(tmp_path: Path) -> None:
    with operator(tmp_path / "j.db") as who:
        assert isinstance(cast(who, vote(attempt=3)), Signature)
        assert isinstance(cast(who, vote(b"b", attempt=3, kind=VoteKind.COMMIT)), Signature)
        assert isinstance(cast(who, vote(b"b", attempt=5)), Signature)
        for late in (vote(b"c", attempt=4), vote(b"b", attempt=3, kind=VoteKind.PROPOSE)):
            answer = cast(who, late)
            assert isinstance(answer, Refusal)
            assert "attempt 5 is under way" in answer.text
        assert isinstance(cast(who, vote(attempt=3)), Signature), "the same again is no other word"
        assert isinstance(cast(who, vote(b"z", attempt=0, epoch=5)), Signature), "another epoch"
        said = who.journal.epoch_votes(DOMAIN, 4)
        assert [(a, k) for a, k, _ in said] == [(3, VoteKind.READY), (3, VoteKind.COMMIT), (5, VoteKind.READY)]


def test_a_journal_that_was_lost_votes_on_nothing_that_it_may_have_voted_on(tmp_path: Path) -> None:
    """A clone from before, or none at all: the key is mute, and says nothing of epochs that ended before that was over."""
    path = tmp_path / "j.db"
    with operator(path, witness=tmp_path / "w") as who:
        cast(who, vote(attempt=1))
    shutil.copy(path, tmp_path / "old.db")
    with operator(path, witness=tmp_path / "w") as who:
        cast(who, vote(attempt=2))
    for left in path.parent.glob("j.db*"):
        left.unlink()
    shutil.copy(tmp_path / "old.db", path)
    with operator(path, witness=tmp_path / "w") as who:
        mute = cast(who, vote(b"b", attempt=2))
        assert isinstance(mute, Refusal)
        assert mute.code is RefusalCode.MUTE
        for said in (
            vote(b"z", attempt=0, epoch=5),
            vote(b"b", attempt=2),
            vote(b"b", attempt=9, kind=VoteKind.COMMIT),
        ):
            later = cast(who, said, NOW_MS + 2 * MUTE_MS)
            assert isinstance(later, Refusal), "its lock may be missing, also beside older votes"
            assert "the journal was missing or restored" in later.text
        assert isinstance(cast(who, vote(attempt=1), NOW_MS + 2 * MUTE_MS), Signature), "what is known is no other word"


def test_an_older_journal_gets_what_was_added(tmp_path: Path) -> None:
    with operator(tmp_path / "j.db") as who:
        cast(who, vote())
    with sqlite3.connect(tmp_path / "j.db") as db:
        db.execute("DROP TABLE epoch_votes")
        db.execute("PRAGMA user_version = 0")
    with operator(tmp_path / "j.db") as who:
        assert isinstance(cast(who, vote()), Signature)
