"""The database over months: no look at a round reads them all, a failed write leaves no trace, what is old goes bit by bit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.audit.recompute import verify, verify_fold
from oracle.model.publication import PushState
from oracle.model.state import FeedState
from oracle.model.types import FoldedFeed
from oracle.round.step import step
from oracle.storage.database import Database
from oracle.storage.limits import DatabaseLimits
from oracle.storage.packs import Packs
from oracle.storage.prune import Pruner, PruneTimes
from oracle.storage.round_rows import blocks_used
from tests.oracle.oracle_build import T0, outcomes
from tests.oracle.storage.query_plans import WIDE, plans
from tests.oracle.storage.stored_rounds import FEED, S0, SHORT, agreement, pushed, until

CHAIN, BLOCK0 = 5, 1_000


def kept(database: Database, i: int, operator: str = "a", *, block: int | None = None) -> FoldedFeed:
    """Round i of an operator, folded on what is stored; with a read at a block of CHAIN if one is given."""
    state, at_ms = database.state(operator, FEED.feed), T0 + i * 1_000
    given = outcomes("1.05", at_ms=at_ms)
    if block is not None:
        given = [replace(given[0], chain_id=CHAIN, block=block), *given[1:]]
    result, after = step(FEED, state, given, {}, at_ms)
    return FoldedFeed(operator=operator, spec=FEED, before=state, after=after, result=result)


def save(database: Database, i: int, *operators: str, block: int | None = None) -> None:
    rounds = [kept(database, i, name, block=block) for name in operators or ("a",)]
    database.save_round(rounds, [agreement(i)], [], [])


def left(database: Database, table: str) -> list[int]:
    sql = f"SELECT round_s FROM {table} ORDER BY round_s"  # noqa: S608 - our own names
    return [r[0] - S0 for r in database.connection.execute(sql)]


@pytest.mark.parametrize(
    "look",
    [
        lambda s: s.mark_orphaned(CHAIN, BLOCK0, BLOCK0 + 9, "x"),
        lambda s: s.last_round_s(),
        lambda s: s.agreement(S0 + 2),
        lambda s: s.operators(FEED.feed),
        lambda s: s.prune(until(2)),
        lambda s: s.pushes("t", (PushState.LANDED,), newest=2),
        lambda s: s.pushes("t", (PushState.LANDED,), S0, newest=2),
        lambda s: s.gas_spent("t", 5),
        lambda s: s.add_refusal(40 * 86_400_000, "t", S0, b"", "", ""),
        lambda s: s.changes(FEED.feed, 3),
        lambda s: s.transitions(1),
        lambda s: s.at_times(FEED.feed, (S0,), 30),
    ],
    ids=[
        "mark_orphaned",
        "last_round_s",
        "agreement",
        "operators",
        "prune",
        "pushes",
        "pushes_day",
        "gas",
        "refusal",
        "changes",
        "transitions",
        "at_times",
    ],
)
def test_no_look_scans_the_rounds(tmp_path: Path, look: Callable[[Database], object]) -> None:
    database = Database(tmp_path / "o.db")
    for i in range(4):
        save(database, i, block=BLOCK0 + i)
    with plans(database) as found:
        look(database)
    assert [p for p in found if p.startswith("SEARCH")], found
    assert not [p for p in found if WIDE.match(p)], found


def test_of_many_pushes_the_newest_are_read_and_no_row_more(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db")
    for i in range(30):
        pushed(database, i, PushState.LANDED if i % 3 else PushState.REVERTED)
    assert [r.nonce for r in database.pushes("t", (PushState.LANDED,), newest=3)] == [26, 28, 29]
    assert [r.nonce for r in database.pushes("t", newest=3)] == [27, 28, 29]
    assert [r.nonce for r in database.pushes("t", (PushState.LANDED,), S0 + 28, newest=9)] == [28, 29]
    assert [r.nonce for r in database.pushes("t")] == list(range(30))
    with plans(database) as found:
        database.pushes("t", (PushState.LANDED,), newest=3)
    assert found == ["SEARCH pushes USING INDEX pushes_open (target=? AND state=?)"], "in the order of the index"
    with plans(database) as found:
        database.gas_spent("t", 5)
    assert found == ["SEARCH pushes USING INDEX pushes_made (target=? AND made_ms>?)"]
    save(database, 30)
    with plans(database) as found:
        database.pushes_of(FEED.feed, "t", 3)
    assert found[-2:] == [
        "SEARCH pushes USING INDEX pushes_made (target=?)",
        "SCAN not_pushed USING INDEX not_pushed_at",
    ]
    database.close()


def test_a_reorganisation_reads_back_to_the_last_round_before_it(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db")
    for i in range(40):
        save(database, i, "a", "b", block=BLOCK0 + i // 2)
    bodies: list[int] = []

    def counted(body: bytes, chain_id: int) -> list[int]:
        bodies.append(chain_id)
        return blocks_used(body, chain_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oracle.storage.round_rows.blocks_used", counted)
        assert database.mark_orphaned(CHAIN, BLOCK0 + 17, BLOCK0 + 19, "reorganised") == 2 * 6
        assert len(bodies) == 2 * 7
        marked = database.connection.execute(
            "SELECT DISTINCT round_s FROM rounds WHERE orphaned = 'reorganised'"
        ).fetchall()
        assert sorted(r[0] - S0 for r in marked) == list(range(34, 40))
        assert database.mark_orphaned(CHAIN, BLOCK0 + 17, BLOCK0 + 19, "again") == 0, "once"
        assert database.mark_orphaned(CHAIN + 1, 0, 1 << 60, "another chain") == 0
    database.close()


def test_a_feed_that_reads_no_chain_is_not_read_to_its_beginning(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", DatabaseLimits(quiet_rounds=5))
    save(database, 0, block=BLOCK0)
    for i in range(1, 5):
        save(database, i)
    assert database.mark_orphaned(CHAIN, BLOCK0, BLOCK0, "x") == 1, "behind four rounds without a read"
    database.connection.execute("UPDATE rounds SET orphaned = NULL")
    save(database, 5)
    assert database.mark_orphaned(CHAIN, BLOCK0, BLOCK0, "x") == 0


def fail_at_commit(conn: sqlite3.Connection) -> None:
    conn.execute("PRAGMA foreign_keys=ON")
    conn.execute("CREATE TABLE known (id INTEGER PRIMARY KEY)")
    conn.execute("CREATE TABLE must (id INTEGER REFERENCES known DEFERRABLE INITIALLY DEFERRED)")
    conn.execute("CREATE TRIGGER late AFTER INSERT ON rounds BEGIN INSERT INTO must VALUES (7); END")


@pytest.mark.parametrize("at_commit", [True, False], ids=["commit", "statement"])
def test_a_round_that_is_not_written_leaves_memory_as_it_was(tmp_path: Path, *, at_commit: bool) -> None:
    database = Database(tmp_path / "o.db")
    one = kept(database, 0)
    twice = [] if at_commit else [agreement(0), agreement(0)]
    if at_commit:
        fail_at_commit(database.connection)
    with pytest.raises(sqlite3.IntegrityError):
        database.save_round([one], twice, [], [])
    database.connection.execute("DROP TRIGGER IF EXISTS late")
    assert (database._specs, database._counts) == (set(), {})
    for i in range(3):
        save(database, i)
    assert database.spec(one.result.spec_hash) == FEED
    assert all(c.ok for c in verify(database, FEED.feed, S0 + 2)), "the first round has its checkpoint and its spec"
    again = Database(tmp_path / "o.db")
    assert (again._specs, again._counts) == (database._specs, database._counts)


def test_signed_values_go_with_their_rounds_but_for_what_landed(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", SHORT)
    for i in range(11):
        save(database, i)
    pushed(database, 1, PushState.LANDED)
    pushed(database, 2, PushState.REPLACED)
    assert database.prune(until(9)) == 8
    assert left(database, "rounds") == [*left(database, "checkpoints"), 9, 10] == [8, 9, 10]
    assert (left(database, "agreements"), left(database, "kept_agreements")) == ([8, 9, 10], [1])
    assert database.agreement(S0 + 1) == agreement(1)
    assert all(c.ok for c in verify(database, FEED.feed, S0 + 10) if c.what != "signed values")
    database.prune(until(10, pushed=1))
    assert database.agreement(S0 + 1) == agreement(1)
    database.prune(until(10, pushed=2))
    assert database.agreement(S0 + 1) is None


def test_a_feed_that_ended_keeps_the_signed_values_of_its_last_rounds_alone(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", SHORT)
    for i in range(12):
        save(database, i, *("a", "gone")[: 2 if i < 2 else 1])
    database.prune(until(9))
    assert left(database, "agreements") == [0, 1, 8, 9, 10, 11]


def test_after_a_long_rest_what_still_recomputes_has_its_signed_values(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", SHORT)
    for i in range(11):
        save(database, i)
    assert database.prune(until(10_000)) == 8
    assert left(database, "rounds") == left(database, "agreements") == [8, 9, 10]


def test_who_signed_in_an_epoch_that_does_not_end_goes_bit_by_bit(tmp_path: Path) -> None:
    """A store without stake may have one set for ever."""
    database = Database(tmp_path / "o.db", DatabaseLimits(pruned_at_once=3))
    for i in range(20):
        database.save_attended("t", 1, S0 + i, [0])
        database.save_attended("u", 4 + i // 10, S0 + i, [1])
    database.pruner.aim(PruneTimes(attended_s=S0 + 15))
    database.pruner.step(3)
    assert [r - S0 for r, _ in database.attended("t", 1)] == list(range(3, 20))
    with plans(database) as found:
        database.prune(PruneTimes(attended_s=S0 + 15))
    assert not [p for p in found if p.startswith("SCAN attended")], found
    assert [r - S0 for r, _ in database.attended("t", 1)] == list(range(15, 20))
    assert database.attended("u", 4) == []
    assert [r - S0 for r, _ in database.attended("u", 5)] == list(range(15, 20))
    database.close()


def test_a_backlog_goes_a_little_at_a_time_and_what_is_left_recomputes(tmp_path: Path) -> None:
    limits = DatabaseLimits(checkpoint_every=10)
    database = Database(tmp_path / "o.db", limits)
    for i in range(31):
        save(database, i)
    database.pruner.aim(until(25))
    assert database.pruner.step(3) == 3
    assert left(database, "rounds")[0] == 3
    assert database.checkpoint("a", FEED.feed, S0 + 19) is None, "no fold starts where its rounds are going"
    for i in range(31, 38):
        before = left(database, "rounds")[0]
        save(database, i)
        assert left(database, "rounds")[0] == before, "what is made is not held up by what goes"
        database.pruner.step(2)
        assert left(database, "rounds")[0] - before == 2
        assert verify_fold(database, "a", FEED.feed, S0 + i).ok
    database.close()
    again = Database(tmp_path / "o.db", limits)  # a crash loses the aim, the next housekeeping has it again
    assert left(again, "rounds")[0] == 17
    again.pruner.aim(until(25))
    for i in range(38, 50):
        save(again, i)
        again.pruner.step(3)
    assert left(again, "rounds") == list(range(20, 50))
    assert left(again, "agreements") == list(range(20, 50))
    assert not again.pruner.busy
    assert verify_fold(again, "a", FEED.feed, S0 + 20).ok


def test_a_step_that_fails_drops_nothing_and_the_round_stays(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", SHORT)
    for i in range(11):
        save(database, i)
    database.connection.execute(
        "CREATE TRIGGER full BEFORE DELETE ON agreements BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    there = left(database, "rounds"), left(database, "agreements")
    save(database, 11)
    assert (left(database, "rounds"), left(database, "agreements")) == tuple([*x, 11] for x in there)
    with pytest.raises(sqlite3.IntegrityError):
        database.prune(until(9))
    assert (left(database, "rounds"), left(database, "agreements")) == tuple([*x, 11] for x in there)
    database.connection.execute("DROP TRIGGER full")
    database.prune(until(9))
    assert left(database, "rounds") == [8, 9, 10, 11]


def test_an_idle_pruner_touches_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db")
    save(database, 0)
    assert Pruner(database.connection, Packs(database.connection)).step(10) == 0
    assert database.state("a", FEED.feed) != FeedState()
