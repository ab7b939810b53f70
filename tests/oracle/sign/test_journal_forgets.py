"""The sign journal over months: old lines go, a few at a time, and what may have gone is never signed again."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from oracle.sign import sign_journal
from oracle.sign.eip712 import Domain
from oracle.sign.round_lines import JournalPlace
from oracle.sign.sign_journal import EquivocationRefused, ForgottenRefused, SignJournal

ADDRESS, STORE = b"\7" * 20, b"\5" * 20
LOCAL, ELSEWHERE = Domain(chain_id=1, store=STORE), Domain(chain_id=2, store=STORE)
S0, DAY_S = 1_700_000_000, 86_400
KEPT_S = 2 * DAY_S


def opened(path: Path, mute_ms: int = 61_000) -> SignJournal:
    return SignJournal(path, ADDRESS, now_ms=0, mute_ms=mute_ms, newborn=True)


def lines(journal: SignJournal, feed: int = 0, chain: int = 1) -> list[int]:
    """Round times of a feed in the file, as any process reads it."""
    sql = "SELECT round_s FROM signed WHERE chain = ? AND feed = ? ORDER BY round_s"
    with closing(sqlite3.connect(journal.path)) as db:
        return [r[0] - S0 for r in db.execute(sql, (chain, feed))]


def test_it_keeps_two_days_and_no_more(tmp_path: Path) -> None:
    journal = opened(tmp_path / "j.db")
    step_s = DAY_S // 8
    for i in range(80):
        journal.record(LOCAL, S0 + i * step_s, {0: b"a"})
    assert lines(journal) == [i * step_s for i in range(79 - 16, 80)]


def test_what_a_store_still_takes_is_kept_however_long_that_is(tmp_path: Path) -> None:
    journal = opened(tmp_path / "j.db", mute_ms=10 * DAY_S * 1_000)
    for day in range(40):
        journal.record(LOCAL, S0 + day * DAY_S, {0: b"a"})
    assert len(lines(journal)) == 21, "twice the time for which the key would have to be mute"


def test_the_newest_line_of_each_place_stays_whatever_its_age(tmp_path: Path) -> None:
    journal = opened(tmp_path / "j.db")
    journal.record(LOCAL, S0, {0: b"a", 1: b"a"})
    journal.record(ELSEWHERE, S0, {0: b"a"})
    journal.record(LOCAL, S0 + 300 * DAY_S, {0: b"b"})
    assert lines(journal) == [300 * DAY_S]
    assert (lines(journal, feed=1), lines(journal, chain=2)) == ([0], [0])
    with pytest.raises(EquivocationRefused):
        journal.record(LOCAL, S0, {1: b"other"})


def test_a_place_whose_line_may_be_gone_is_refused_whatever_is_said(tmp_path: Path) -> None:
    journal = opened(tmp_path / "j.db")
    journal.record(LOCAL, S0, {0: b"a"})
    journal.record(LOCAL, S0 + KEPT_S + 1, {0: b"b"})
    assert lines(journal) == [KEPT_S + 1]
    for said in (b"a", b"other"):
        with pytest.raises(ForgottenRefused, match="lines this old are dropped; nothing is signed there") as refused:
            journal.record(LOCAL, S0, {3: b"x", 0: said})
        assert refused.value.place == JournalPlace(1, STORE, 0, S0)
    assert lines(journal, feed=3) == [], "all or none"
    journal.record(LOCAL, S0 + 1, {0: b"late"})
    assert lines(journal) == [1, KEPT_S + 1], "the oldest that no line was dropped of"


def test_a_backlog_goes_a_few_lines_at_a_time(tmp_path: Path) -> None:
    journal = opened(tmp_path / "j.db")
    rows = [(1, STORE, 0, S0 + i, b"a") for i in range(100)]
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as db:
        db.executemany("INSERT INTO signed VALUES (?, ?, ?, ?, ?)", rows)
    for i in range(5):
        journal.record(LOCAL, S0 + 9 * DAY_S + i, {0: b"b"})
        assert len(lines(journal)) == 100 - 8 * (i + 1) + i + 1


def test_no_seeded_run_of_rounds_restarts_and_retries_signs_two_things(tmp_path: Path) -> None:
    rng, said = random.Random(7), dict[tuple[Domain, int, int], bytes]()
    journal, newest_s, refused = opened(tmp_path / "j.db"), S0, 0
    for turn in range(1_500):
        newest_s += rng.choice((0, 10, 3_600, DAY_S // 2))
        place = (
            rng.choice((LOCAL, ELSEWHERE)),
            rng.randrange(3),
            newest_s - rng.choice((0, 0, 10, DAY_S, KEPT_S, 3 * DAY_S)),
        )
        word = rng.choice((b"a", b"b"))
        try:
            journal.record(place[0], place[2], {place[1]: word})
            assert said.setdefault(place, word) == word, turn
        except EquivocationRefused:
            refused += 1
        if turn % 100 == 99:
            journal.close()
            journal = opened(tmp_path / "j.db")
    assert refused > 100
    assert len(said) > 500


def test_a_line_and_what_it_pushes_out_are_one_transaction(tmp_path: Path) -> None:
    journal = opened(tmp_path / "j.db")
    journal.record(LOCAL, S0, {0: b"a"})
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as db:
        db.execute(
            "CREATE TRIGGER cut BEFORE DELETE ON signed BEGIN SELECT RAISE(ABORT, 'the old line cannot go'); END"
        )
        with pytest.raises(sqlite3.Error, match="the old line cannot go"):
            journal.record(LOCAL, S0 + 9 * DAY_S, {0: b"b"})
        db.execute("DROP TRIGGER cut")
    assert lines(journal) == [0], "nothing was said, nothing was dropped"
    assert journal._db.execute("PRAGMA synchronous").fetchone()[0] == 2, "FULL: on disk before a signature leaves"


def test_the_file_is_as_before(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
    old.execute(
        "CREATE TABLE signed (chain INTEGER NOT NULL, store BLOB NOT NULL, feed INTEGER NOT NULL, round_s INTEGER NOT NULL,"
        " item_hash BLOB NOT NULL, PRIMARY KEY (chain, store, feed, round_s)) WITHOUT ROWID"
    )
    old.execute("CREATE TABLE owner (address BLOB NOT NULL, mute_until_ms INTEGER NOT NULL)")
    old.execute("INSERT INTO owner VALUES (?, 5)", (ADDRESS,))
    old.execute("INSERT INTO signed VALUES (1, ?, 0, ?, ?)", (STORE, S0, b"a"))
    before = old.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    old.close()
    journal = opened(tmp_path / "j.db")
    assert (journal.mute_until_ms, journal.last_round_s()) == (5, S0)
    with pytest.raises(EquivocationRefused):
        journal.record(LOCAL, S0, {0: b"b"})
    journal.record(LOCAL, S0 + 10, {0: b"b"})
    journal.close()
    again = sqlite3.connect(tmp_path / "j.db")
    assert set(before) <= set(again.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall())
    assert sign_journal.KEPT_S == KEPT_S
    again.close()
