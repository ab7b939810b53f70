"""A journal that is older than what its key has said is noticed by a witness outside of every snapshot, and by the store."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.agree.outcome import RoundOutcome
from oracle.model.types import Report
from oracle.push.attestation import Attesters
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.journal_form import JournalError
from oracle.sign.journal_witness import JournalWitness, WitnessError, WitnessNote, witness_folder
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from oracle.sign.signed_batch import CollectedSignatures
from tests.oracle.sign.sign_world import KEYS, SIGNERS, views

ADDRESS, OTHER = b"\7" * 20, b"\5" * 20
LOCAL = Domain(chain_id=1, store=b"\5" * 20)
S0, NOW_MS, MUTE_MS = 1_700_000_000, 1_700_000_000_000, 61_000


def opened(folder: Path, *, newborn: bool = True, witness: bool = True) -> SignJournal:
    held = JournalWitness(folder / "witness", ADDRESS) if witness else None
    return SignJournal(folder / "j.db", ADDRESS, now_ms=NOW_MS, mute_ms=MUTE_MS, newborn=newborn, witness=held)


def say(journal: SignJournal, *seconds: int) -> None:
    for i in seconds:
        journal.record(LOCAL, S0 + i, {0: b"a"})


def mute(journal: SignJournal) -> bool:
    return journal.mute_until_ms > NOW_MS


@given(st.lists(st.sampled_from(["say", "again", "save", "restore", "reopen", "lose"]), max_size=30))
def test_law_a_journal_is_mute_if_and_only_if_it_knows_less_than_was_said(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[str]
) -> None:
    """A model beside it: how often the key has said something, and what the file at hand knows of."""
    folder = tmp_path_factory.mktemp("w")
    journal = opened(folder)
    said = known = saved = 0
    for i, step in enumerate(steps):
        if step == "say":
            say(journal, i)
            said = known = said + 1
            continue
        if step == "again":
            journal.mute(0)
            continue
        journal.close()
        if step == "save":
            shutil.copy(folder / "j.db", folder / "saved.db")
            saved = known
        elif step == "restore" and (folder / "saved.db").exists():
            shutil.copy(folder / "saved.db", folder / "j.db")
            known = saved
        elif step == "lose":
            (folder / "j.db").unlink()
            known = 0
        before = sqlite3.connect(folder / "j.db") if step != "lose" else None
        was = before.execute("SELECT mute_until_ms FROM owner").fetchone()[0] if before is not None else 0
        if before is not None:
            before.close()
        journal = opened(folder)
        assert mute(journal) == (known < said or was > NOW_MS), (i, step)
        assert (journal.witnessed_s is not None) == (known < said)
        known = said  # it was told; once it may speak again it counts on from there
    journal.close()


def test_a_restart_and_a_crash_between_journal_and_witness_are_no_restore(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    say(journal, 1, 2)
    journal.close()
    for _ in range(3):
        again = opened(tmp_path)
        assert not mute(again)
        again.close()
    ahead = opened(tmp_path, witness=False)
    say(ahead, 3)  # on disk, and then the process died before it told the witness
    ahead.close()
    again = opened(tmp_path)
    assert not mute(again)
    assert JournalWitness(tmp_path / "witness", ADDRESS).read() == WitnessNote(writes=3, round_s=S0 + 3)


def test_the_witness_knows_before_a_signature_leaves_and_without_it_none_does(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    seen = JournalWitness(tmp_path / "witness", ADDRESS)
    say(journal, 1)
    assert seen.read() == WitnessNote(writes=1, round_s=S0 + 1)
    seen.path.write_text("damaged by something")
    with pytest.raises(JournalError, match=r"nothing is signed that the witness does not know of: .* is damaged"):
        say(journal, 2)
    with pytest.raises(WitnessError, match="remove it once you know that no journal was restored"):
        opened(tmp_path)


def test_it_never_goes_back_and_is_of_one_key(tmp_path: Path) -> None:
    one, other = JournalWitness(tmp_path, ADDRESS), JournalWitness(tmp_path, OTHER)
    one.write(WitnessNote(writes=5, round_s=9))
    one.write(WitnessNote(writes=4, round_s=99))
    assert (one.read(), other.read()) == (WitnessNote(writes=5, round_s=9), None)
    (tmp_path / "file").touch()
    with pytest.raises(WitnessError, match=r"name another folder in oracle\.witness"):
        JournalWitness(tmp_path / "file", ADDRESS)


def test_where_it_is() -> None:
    assert witness_folder("var/w", {"HOME": "/h"}) == Path("var/w")
    assert witness_folder("", {"HOME": "/h", "XDG_STATE_HOME": "/s"}) == Path("/s/lrt-oracle")
    assert witness_folder("", {"HOME": "/h"}) == Path("/h/.local/state/lrt-oracle")
    assert witness_folder("", {}) is None


# --- what the store tells ------------------------------------------------------------------------------------------------


async def nothing(_outcome: RoundOutcome, _feeds: Sequence[int]) -> CollectedSignatures:
    return CollectedSignatures(batch=None, refusals=())


def voters(folder: Path, newest: Sequence[int | None]) -> Attesters:
    """Three operators; the newest line of each one's journal, None for an empty one."""
    operators = []
    for key, name, second in zip(KEYS, "abc", newest, strict=True):
        journal = SignJournal(folder / f"{name}.db", address_of(key), now_ms=NOW_MS, mute_ms=MUTE_MS, newborn=True)
        if second is not None:
            journal.record(SIGNERS.domain, S0 + second, {0: b"a"})
        operators.append(Operator(name, key, journal, bound_bps=100))
    return Attesters("t", operators, now_ms=lambda: NOW_MS, collect=nothing)


def held(*seconds: int) -> dict[int, Report]:
    one = views("1.05", "1.05", "1.05")[0][0]
    return {i: replace(one, round_time_s=S0 + second) for i, second in enumerate(seconds)}


@pytest.mark.parametrize(
    ("newest", "stored", "expected"),
    [
        ((10, 10, 10), (20,), "abc"),  # all three journals are from before
        ((10, 20, 20), (20,), ""),  # two have signed it: the third was left out
        ((10, 10, 20), (20,), "ab"),  # one alone does not reach the threshold
        ((20, 20, 20), (20, 15), ""),
        ((20, 20, 20), (15, 21), "abc"),
        ((None, None, None), (20,), ""),  # new keys after a rotation: whoever lost a journal is mute for that
        ((30, 30, 30), (20,), ""),
        ((10, 10, 10), (), ""),
    ],
)
def test_a_store_that_is_ahead_of_the_journals_it_needs_tells_that_they_were_restored(
    tmp_path: Path, newest: Sequence[int | None], stored: Sequence[int], expected: str
) -> None:
    assert SIGNERS.threshold == 2
    assert "".join(o.name for o in voters(tmp_path, newest).with_old_journals(SIGNERS, held(*stored))) == expected


def test_how_long_it_is_silent_follows_our_time(tmp_path: Path) -> None:
    """Opened while the clock was two hours ahead, or an hour behind: the silence lasts its time, no more and no less."""
    journal = opened(tmp_path, newborn=False)
    journal.set_time(NOW_MS - 7_200_000, -7_200_000)
    assert journal.mute_until_ms == NOW_MS - 7_200_000 + MUTE_MS
    journal.set_time(NOW_MS, 7_200_000)
    assert journal.mute_until_ms == NOW_MS + MUTE_MS
    journal.close()
    later = SignJournal(tmp_path / "j.db", ADDRESS, now_ms=NOW_MS - 9_000_000, mute_ms=MUTE_MS)
    later.set_time(NOW_MS - 9_000_000)
    assert later.mute_until_ms == NOW_MS - 9_000_000 + MUTE_MS, "the clock was ahead when it was opened first"
    later.set_time(NOW_MS)
    assert later.mute_until_ms <= NOW_MS, "it is over"
