from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from feeds.types import Outcome
from oracle.audit.recompute import verify, verify_fold
from oracle.model.publication import OPEN, PushRow, PushState
from oracle.model.spec import RULES_VERSION
from oracle.model.state import FeedState
from oracle.model.types import FeedRound, FoldedFeed
from oracle.report.compose import published_after_record
from oracle.round.step import step
from oracle.storage.database import Database, last_published
from oracle.storage.errors import OtherRules
from oracle.storage.prune import PruneTimes
from tests.oracle.oracle_build import T0, failed, outcomes
from tests.oracle.storage.stored_rounds import FEED, SHORT, record_of


def keep(database: Database, count: int, start: int = 0) -> None:
    state, published = database.state("a", FEED.feed), last_published(database, FEED.feed)
    for i in range(start, start + count):
        given: list[Outcome] = [*outcomes("1.05", at_ms=T0 + i * 1_000)] if i % 5 else [failed("coinbase")]
        result, after = step(FEED, state, given, {}, T0 + i * 1_000, published)
        records = [record_of(result)] if isinstance(result, FeedRound) else []
        database.save_round(
            [FoldedFeed(operator="a", spec=FEED, before=state, after=after, result=result)], [], records, []
        )
        state = after
        published = published_after_record(published, records[0] if records else None, result.round_time_s)


def test_any_stored_round_recomputes_bit_for_bit(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", SHORT)
    keep(database, 11)
    for i in range(11):
        checks = list(verify(database, FEED.feed, T0 // 1000 + i))
        assert all(c.ok for c in checks), checks
        assert "1 rounds" in checks[0].detail or i % 4


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db")
    keep(database, 6)
    body = database.connection.execute("SELECT body FROM rounds WHERE round_s = ?", (T0 // 1000 + 3,)).fetchone()[0]
    changed = bytes(body).replace(b"1050000000000000000", b"1050000000000000001", 1)
    assert changed != body
    database.connection.execute("UPDATE rounds SET body = ? WHERE round_s = ?", (changed, T0 // 1000 + 3))
    assert not verify_fold(database, "a", FEED.feed, T0 // 1000 + 5).ok


def test_the_state_goes_on_after_a_restart(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db")
    keep(database, 3)
    database.close()
    again = Database(tmp_path / "o.db")
    assert again.last_round_s() == T0 // 1000 + 2
    keep(again, 3, start=3)
    assert verify_fold(again, "a", FEED.feed, T0 // 1000 + 5).ok
    assert again.state("a", "none") == FeedState()


def test_a_database_of_later_rules_is_refused_in_one_line_and_stays_as_it_was(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db")
    keep(database, 2)
    now, then = f'"version":{RULES_VERSION}', f'"version":{RULES_VERSION + 1}'
    database.connection.execute("UPDATE states SET body = replace(CAST(body AS TEXT), ?, ?)", (now, then))
    before = database.connection.execute("SELECT * FROM states").fetchall()
    assert then in str(before)
    database.close()
    with pytest.raises(OtherRules, match=f"rules {RULES_VERSION + 1}, this version makes rules {RULES_VERSION}"):
        Database(tmp_path / "o.db")
    again = sqlite3.connect(tmp_path / "o.db")
    assert again.execute("SELECT * FROM states").fetchall() == before
    again.close()


def test_a_round_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db")
    state = FeedState()
    result, after = step(FEED, state, outcomes("1.05"), {}, T0)
    kept = FoldedFeed(operator="a", spec=FEED, before=state, after=after, result=result)
    with pytest.raises(Exception, match="UNIQUE"):
        database.save_round([kept, kept], [], [], [])
    assert database.last_round_s() == 0


def test_pruning_leaves_the_rest_recomputable(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", SHORT)
    keep(database, 11)
    assert database.prune(PruneTimes(rounds_s=T0 // 1000 + 9)) == 8
    assert database.result("a", FEED.feed, T0 // 1000 + 7) is None
    assert verify_fold(database, "a", FEED.feed, T0 // 1000 + 10).ok


def test_history_is_ascending_and_limited_to_the_newest(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db")
    keep(database, 10)
    got = database.history(FEED.feed, T0, T0 + 60_000, 3)
    assert [r.report.round_time_s - T0 // 1000 for r in got] == [7, 8, 9]
    newest = database.record(FEED.feed)
    assert newest is not None
    assert newest.report.round_time_s == T0 // 1000 + 9
    assert database.record(FEED.feed, T0 // 1000 + 5) is None


def test_the_push_journal_keeps_what_became_of_each(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db")
    row = PushRow(
        id=0,
        target="t",
        chain_id=1,
        round_s=5,
        items=b"x",
        nonce=7,
        tx_hash="0x1",
        raw=b"r",
        state=PushState.PREPARED,
        made_ms=1,
    )
    kept = database.add_push(row)
    database.update_push(kept.id, state=PushState.LANDED, block=9)
    assert database.pushes("t", OPEN) == []
    assert database.pushes("t") == [replace(kept, state=PushState.LANDED, block=9)]
