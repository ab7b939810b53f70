"""A journal that was lost or restored is silent for a time that somebody confirmed, whatever clocks and restarts do meanwhile."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.sign.eip712 import Domain
from oracle.sign.journal_form import JournalError
from oracle.sign.journal_witness import JournalWitness, WitnessNote
from oracle.sign.sign_journal import EquivocationRefused, LostRefused, SignJournal

ADDRESS = b"\7" * 20
LOCAL = Domain(chain_id=1, store=b"\5" * 20)
T0_MS, MUTE_MS, HOUR_MS = 1_700_000_000_000, 61_000, 3_600_000
FILES = ("j.db", "j.db-wal", "j.db-shm")


@dataclass
class Key:
    """A key with its journal on disk, in a process whose clock is wrong by ``ahead_ms`` until others say so."""

    folder: Path
    witnessed: bool = True
    true_ms: int = T0_MS
    ahead_ms: int = 0
    said: dict[int, bytes] = field(default_factory=dict)
    refused: int = 0

    def __post_init__(self) -> None:
        self.open(newborn=True)

    @property
    def now_ms(self) -> int:
        return self.true_ms + self.ahead_ms

    def open(self, *, newborn: bool = False) -> None:
        witness = JournalWitness(self.folder / "w", ADDRESS) if self.witnessed else None
        self.journal = SignJournal(
            self.folder / "j.db",
            ADDRESS,
            now_ms=self.now_ms,
            mute_ms=MUTE_MS,
            newborn=newborn,
            witness=witness,
            time_confirmed=False,
        )

    def confirm(self) -> None:
        """Others say what time it is."""
        by_ms, self.ahead_ms = -self.ahead_ms, 0
        self.journal.set_time(self.now_ms, by_ms)

    def restart(self, ahead_ms: int = 0) -> None:
        self.journal.close()
        self.ahead_ms = ahead_ms
        self.open()

    def save(self) -> None:
        self.journal.close()
        shutil.copy(self.folder / "j.db", self.folder / "saved")
        self.open()

    def restore(self, ahead_ms: int = 0) -> None:
        """The snapshot comes back; without one the journal is lost."""
        self.journal.close()
        for name in FILES:
            (self.folder / name).unlink(missing_ok=True)
        if (self.folder / "saved").exists():
            shutil.copy(self.folder / "saved", self.folder / "j.db")
        self.ahead_ms = ahead_ms
        self.open()

    def mute(self) -> bool:
        return self.journal.mute_for_ms(self.now_ms) > 0

    def say(self, word: bytes, back_s: int = 0) -> bool:
        """Sign for the present round or one shortly before, as the process would; whether it did."""
        if self.mute():
            return False
        round_s = self.now_ms // 10_000 * 10 - back_s
        try:
            self.journal.record(LOCAL, round_s, {0: word})
        except (EquivocationRefused, JournalError):
            self.refused += 1
            return False
        assert self.said.setdefault(round_s, word) == word, f"two values for {round_s - T0_MS // 1_000}"
        return True


def test_noticed_while_the_clock_is_behind_it_stays_mute_over_restarts_with_a_right_clock(tmp_path: Path) -> None:
    key = Key(tmp_path)
    key.confirm()
    key.say(b"a")
    key.save()
    key.confirm()
    key.true_ms += 30_000
    assert key.say(b"b")
    key.restore(ahead_ms=-HOUR_MS)
    assert key.journal.witnessed_s == key.true_ms // 1_000
    key.true_ms += 5_000
    key.restart()
    assert key.mute()
    key.confirm()
    key.true_ms += MUTE_MS - 1
    assert key.mute()
    key.true_ms += 1
    assert not key.mute(), "the control: it ends"
    for back_s in (0, 60, 90, 100):
        assert key.say(b"c", back_s) == (back_s == 0), back_s
    with pytest.raises(LostRefused, match="knows nothing of what was signed up to"):
        key.journal.record(LOCAL, T0_MS // 1_000 + 30, {0: b"c"})
    key.restart()
    key.confirm()
    assert not key.mute(), "it was served"


@pytest.mark.parametrize("witnessed", [True, False])
def test_a_journal_that_was_lost_while_the_clock_is_behind_is_no_other(tmp_path: Path, witnessed: bool) -> None:
    key = Key(tmp_path, witnessed)
    key.confirm()
    key.say(b"a")
    key.restore(ahead_ms=-HOUR_MS)
    key.true_ms += 2 * HOUR_MS
    assert key.mute(), "nobody has confirmed any time"
    key.restart()
    assert key.mute()
    key.true_ms += MUTE_MS - 1
    key.confirm()
    assert key.mute()
    key.true_ms += 1
    assert not key.mute(), "what has passed in this process counts"
    assert key.say(b"b")
    assert not key.say(b"b", back_s=MUTE_MS // 10_000 * 10 + 10), "a place from before the silence"


def test_one_that_was_opened_days_ahead_is_silent_for_its_time_and_not_for_days(tmp_path: Path) -> None:
    key = Key(tmp_path)
    key.confirm()
    key.say(b"a")
    key.restore(ahead_ms=100 * HOUR_MS)
    key.restart(ahead_ms=-HOUR_MS)
    key.confirm()
    assert key.journal.mute_for_ms(key.now_ms) == MUTE_MS
    key.restart(ahead_ms=2 * HOUR_MS)
    assert key.journal.mute_for_ms(key.now_ms) == 0
    key.confirm()
    assert key.journal.mute_for_ms(key.now_ms) == MUTE_MS, "our time was ahead of it, the silence is not over"
    key.restart(ahead_ms=8_000)
    key.confirm()
    assert key.journal.mute_for_ms(key.now_ms) == MUTE_MS, "nor shorter by as much"


def test_a_journal_that_is_restored_under_a_running_process_signs_nothing(tmp_path: Path) -> None:
    """It knows less than its witness: that is told before anything is written, and the silence begins."""
    key = Key(tmp_path)
    key.confirm()
    for _ in range(3):
        assert key.say(b"a")
        key.true_ms += 10_000
    with closing(sqlite3.connect(key.journal.path, isolation_level=None)) as other:
        other.execute("DELETE FROM signed WHERE round_s > ?", (T0_MS // 1_000,))
        other.execute("UPDATE written SET writes = 2")
    with pytest.raises(JournalError, match="its witness knows of more"):
        key.journal.record(LOCAL, T0_MS // 1_000 + 20, {0: b"b"})
    assert key.journal.mute_for_ms(key.now_ms) == MUTE_MS
    key.true_ms += MUTE_MS
    assert key.say(b"b")
    assert not key.say(b"b", back_s=MUTE_MS // 10_000 * 10)


def test_two_processes_with_one_journal_are_no_restore(tmp_path: Path) -> None:
    """The control: each tells the witness of what both have written."""
    key = Key(tmp_path)
    key.confirm()
    other = SignJournal(
        tmp_path / "j.db", ADDRESS, now_ms=T0_MS, mute_ms=MUTE_MS, witness=JournalWitness(tmp_path / "w", ADDRESS)
    )
    for second in range(20):
        (key.journal, other)[second % 2].record(LOCAL, T0_MS // 1_000 + second, {0: b"a"})
    assert JournalWitness(tmp_path / "w", ADDRESS).read() == WitnessNote(writes=20, round_s=T0_MS // 1_000 + 19)
    assert (key.mute(), other.mute_for_ms(T0_MS)) == (False, 0)


AHEAD = st.sampled_from([0, 0, -HOUR_MS, -100_000, -8_000, 8_000, 2 * HOUR_MS])
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([1_000, 10_000, 30_000, MUTE_MS, HOUR_MS])),
    st.tuples(st.just("say"), st.sampled_from([0, 0, 10, 20])),
    st.tuples(st.sampled_from(["restart", "restore"]), AHEAD),
    st.tuples(st.sampled_from(["confirm", "save"]), st.just(0)),
)


def lives(key: Key, steps: list[tuple[str, int]], seed: int) -> None:
    rng = random.Random(seed)
    for step, value in steps:
        if step == "wait":
            key.true_ms += value
        elif step == "say":
            key.say(rng.choice((b"a", b"b")), value)
        elif step in {"restart", "restore"}:
            getattr(key, step)(value)
        else:
            getattr(key, step)()
    key.confirm()
    key.true_ms += 3 * HOUR_MS + MUTE_MS
    assert key.say(b"z"), "nobody is silent for ever"
    key.journal.close()


@given(st.lists(STEPS, min_size=5, max_size=40), st.integers(0, 99))
def test_law_whatever_clocks_and_restarts_do_a_key_with_a_witness_says_one_thing_for_a_place(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], seed: int
) -> None:
    """Nothing bounds the clock here, and nobody refuses to sign by a wrong one."""
    lives(Key(tmp_path_factory.mktemp("k")), steps, seed)


@given(st.lists(STEPS, min_size=5, max_size=40), st.integers(0, 99))
def test_law_a_key_that_lost_its_journal_says_one_thing_while_no_clock_was_ahead(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], seed: int
) -> None:
    """Without a witness, and the journal is lost, never restored: that would be noticed by nothing."""
    late = [
        (step, min(value, 0) if step in {"restart", "restore"} else value) for step, value in steps if step != "save"
    ]
    lives(Key(tmp_path_factory.mktemp("k"), witnessed=False), late, seed)
