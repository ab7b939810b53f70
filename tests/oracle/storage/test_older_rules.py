"""Rounds go on in a database that other rules have written: nothing that warns of a depeg is lost, and the rest is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from feeds.types import Outcome
from oracle.audit.checks import is_good
from oracle.audit.disown import disown, disowning
from oracle.audit.recompute import verify
from oracle.model.spec import RULES_VERSION, FeedSpec
from oracle.model.state import FeedState, JudgeState, Suspicion
from oracle.model.status import Status
from oracle.model.types import FeedRound, FoldedFeed
from oracle.round.step import step
from oracle.storage.carried import carried_state
from oracle.storage.database import Database, last_published
from oracle.storage.errors import OtherRules
from oracle.storage.limits import DatabaseLimits
from tests.oracle.oracle_build import BANDS, T0, outcomes, spec
from tests.oracle.storage.query_plans import WIDE, plans
from tests.oracle.storage.released_files import write_released
from tests.oracle.storage.stored_rounds import FEED, keep, record_of, until

S0 = T0 // 1_000
FEEDS = ("calm/ETH", "slow/ETH", "fell/ETH", "near/ETH")
BIG = DatabaseLimits(checkpoint_every=1_000)
LAST_S = S0 + 11
"""The newest round of the file of 0.1.0."""


@pytest.fixture
def released(tmp_path: Path) -> Iterator[Database]:
    database = Database(write_released("0.1.0", tmp_path / "o.db"))
    yield database
    database.close()


def go_on(database: Database, feed: FeedSpec, count: int, price: str = "1.05") -> list[FeedRound]:
    state, made = database.state("a", feed.feed), []
    published = last_published(database, feed.feed)
    for i in range(1, count + 1):
        at_ms = (LAST_S + i) * 1_000
        given: list[Outcome] = [*outcomes(price, at_ms=at_ms)]
        result, after = step(feed, state, given, {}, at_ms, published)
        assert isinstance(result, FeedRound)
        folded = FoldedFeed(operator="a", spec=feed, before=state, after=after, result=result)
        database.save_round([folded], [], [record_of(result)], [])
        state, published = after, last_published(database, feed.feed)
        made.append(result)
    return made


def test_what_0_1_0_published_is_read_as_it_was(released: Database) -> None:
    for feed in FEEDS:
        records = released.history(feed, 0, 1 << 50, 100)
        assert len(records) == 11
        assert records[-1].report.round_time_s == LAST_S
        assert records[-1].seal is None
    assert [t.after for t in released.transitions()] == [Status.WATCH, Status.DEPEG]
    landed, waiting = released.pushes("main")
    assert (landed.state, landed.final, waiting.state, waiting.final) == ("landed", 1, "prepared", 0)
    assert [p.id for p in released.watched_pushes("main")] == [waiting.id]
    assert released.last_round_s() == LAST_S, "rounds never go back behind it"


def test_rounds_go_on_from_what_0_1_0_published_and_each_can_be_recomputed(released: Database) -> None:
    feed = spec(feed="fell/ETH")
    made = go_on(released, feed, 5, "0.99")
    assert {r.rules_version for r in made} == {RULES_VERSION}
    assert made[0].published is not None
    assert made[0].published.report.round_time_s == LAST_S
    for i in range(1, 6):
        checks = list(verify(released, feed.feed, LAST_S + i))
        assert is_good(checks), checks
        assert checks[0].detail.startswith(f"{i} rounds from the checkpoint"), (
            "one was made at the first of these rules"
        )


def test_a_depeg_goes_on_and_the_dwell_of_a_watch_too(released: Database) -> None:
    assert released.state("a", "fell/ETH").judge.status is Status.DEPEG
    assert go_on(released, spec(feed="fell/ETH"), 1, "0.99")[0].verdict.status is Status.DEPEG
    near = released.state("a", "near/ETH")
    assert near.judge.status is Status.OK
    assert near.judge.watch.seen_ms == 8_000, "it waited since the fourth round, and there are twelve"
    assert near.judge.watch.rounds == 1
    assert near.memory.normal_mbps == -5
    assert near.rate is not None
    assert near.rate.snapshots


def test_what_begins_anew_is_said(released: Database) -> None:
    said = {feed: released.carried_state("a", feed) for feed in FEEDS}
    assert {c.made_by for c in said.values()} == {5}
    assert all(c.is_of_other_rules for c in said.values())
    assert "the average over time" in said["slow/ETH"].anew
    assert "the average over time" not in said["calm/ETH"].anew


def test_verify_says_which_release_recomputes_a_round(released: Database) -> None:
    (check,) = verify(released, "calm/ETH", S0 + 3)
    assert check.rules == 5
    assert "release 0.1.0 recomputes it" in check.detail
    assert not is_good([check])


def test_no_look_at_older_rounds_reads_them_all(released: Database) -> None:
    """After an upgrade there are gigabytes of them, and every minute it is asked which are too old."""
    with plans(released) as found:
        released.older.prune(S0 - 5, 10)
        released.older.span()
        released.older.of("calm/ETH", S0 + 3)
        released.last_round_s()
    assert [p for p in found if p.startswith("SEARCH older_")], found
    assert not [p for p in found if WIDE.match(p)], found


def test_older_rounds_are_dropped_in_time_and_their_signed_values_later(released: Database) -> None:
    assert released.older.prune(S0 + 4, 10) == 10
    assert released.older.prune(S0 + 4, 100) == 6
    assert released.older.span() == (S0 + 4, LAST_S)
    (count,) = released.connection.execute("SELECT count(*) FROM older_agreements").fetchone()
    assert count == 12, "evidence stays for longer"
    released.older.prune(LAST_S + 400 * 86_400 + 1, 1_000)
    assert released.older.span() is None
    names = {r[0] for r in released.connection.execute("SELECT name FROM sqlite_master")}
    assert "older_rounds" not in names


def stored(**changes: object) -> bytes:
    """A state of rules that nothing is known of."""
    return json.dumps({"version": RULES_VERSION - 1, **changes}).encode()


@pytest.mark.parametrize(
    ("status", "expected"),
    [(Status.OK, Status.WATCH), (Status.WATCH, Status.WATCH), (Status.DEPEG, Status.DEPEG), (Status.HALT, Status.HALT)],
)
def test_a_state_that_cannot_be_carried_begins_anew_in_watch_at_least(status: Status, expected: Status) -> None:
    carried = carried_state(stored(judge={"status": int(status)}, memory={"at_ms": T0}))
    assert carried.state == FeedState(judge=JudgeState(status=expected, since_ms=T0, at_ms=T0))
    assert carried.anew == ("everything but the status",)
    assert carried_state(stored(judge=None, memory=None)).state.judge.status is Status.WATCH


def test_a_damaged_state_of_0_1_0_is_not_believed_in_part() -> None:
    carried = carried_state(json.dumps({"version": 5, "judge": {"status": 1}, "memory": {"at_ms": T0}}).encode())
    assert carried.state.judge.status is Status.WATCH
    assert carried.state.memory.at_ms == 0


def test_a_watch_that_begins_anew_is_left_as_any_is() -> None:
    state = carried_state(stored(judge={"status": 1}, memory={"at_ms": T0})).state
    seen = []
    for i in range(1, 12):
        result, state = step(spec(), state, outcomes("1.05", at_ms=T0 + i * 1_000), {}, T0 + i * 1_000)
        assert isinstance(result, FeedRound)
        seen.append(result.verdict.status)
    leaves = BANDS.leave_dwell_s
    assert seen[: leaves - 1] == [Status.WATCH] * (leaves - 1)
    assert seen[-1] is Status.OK


def test_waiting_to_become_better_begins_anew_and_to_become_worse_does_not() -> None:
    base = {
        "version": 5,
        "pools": [],
        "rate": None,
        "window": {"made_by": ""},
        "memory": {
            "is": "Memory", "at_ms": T0, "deviations": [], "drift_low": 1, "drift_high": 2, "normal_mbps": None,
            "learn_rest_ms": 0, "depths": [], "unchanged": [], "supply_wad": None, "ramp_ppm": 3,
        },
    }  # fmt: skip

    def judge(status: int, pending: int | None) -> JudgeState:
        body = {**base, "judge": {"status": status, "pending": pending, "pending_since_ms": T0 - 700, "since_ms": 9}}
        return carried_state(json.dumps(body).encode()).state.judge

    held = Suspicion(seen_ms=700, rounds=1)
    assert judge(1, 2) == JudgeState(status=Status.OK, since_ms=9, at_ms=T0, watch=held)
    assert judge(1, 3) == JudgeState(status=Status.OK, since_ms=9, at_ms=T0, watch=held, depeg=held)
    assert judge(2, 3) == JudgeState(status=Status.WATCH, since_ms=9, at_ms=T0, depeg=held)
    assert judge(3, 1) == JudgeState(status=Status.DEPEG, since_ms=9, at_ms=T0)


def test_later_rules_are_not_gone_back_from() -> None:
    with pytest.raises(OtherRules, match="it does not go back"):
        carried_state(json.dumps({"version": RULES_VERSION + 1}).encode())


@pytest.fixture
def two_versions(tmp_path: Path) -> Iterator[Database]:
    """Five rounds that say they are of earlier rules, and five of the present ones behind them."""
    path = tmp_path / "o.db"
    with closing(Database(path, BIG)) as before:
        keep(before, range(5))
        for table, key in (("rounds", "rules_version"), ("states", "version"), ("checkpoints", "version")):
            sql = f"UPDATE {table} SET body = CAST(replace(CAST(body AS TEXT), ?, ?) AS BLOB)"  # noqa: S608 - a test's own
            before.connection.execute(sql, (f'"{key}":{RULES_VERSION}', f'"{key}":{RULES_VERSION - 1}'))
    with closing(Database(path, BIG)) as database:
        keep(database, range(5, 8))
    with closing(Database(path, BIG)) as database:
        keep(database, range(8, 10))
        yield database


def test_between_two_rules_of_one_form_each_round_says_whose_it_is(two_versions: Database) -> None:
    for i in range(5):
        before = list(verify(two_versions, FEED.feed, S0 + i))
        assert before[0].rules == RULES_VERSION - 1
        assert f"made by rules {RULES_VERSION - 1}" in before[0].detail
        assert f"a version that makes rules {RULES_VERSION - 1} recomputes it" in before[0].detail
    rows = two_versions.connection.execute("SELECT round_s FROM checkpoints ORDER BY round_s").fetchall()
    assert rows == [(S0,), (S0 + 5,)], "at the first round of each, and at none because of a new start"
    for i in range(5, 10):
        after = list(verify(two_versions, FEED.feed, S0 + i))
        assert is_good(after), after
        assert after[0].detail.startswith(f"{i - 4} rounds from the checkpoint, bit for bit")


def test_between_two_rules_what_is_old_is_dropped_up_to_the_first_round_of_the_new_ones(two_versions: Database) -> None:
    two_versions.prune(until(7))
    rows = two_versions.connection.execute("SELECT min(round_s), count(*) FROM rounds").fetchone()
    assert rows == (S0 + 5, 5)
    assert is_good(list(verify(two_versions, FEED.feed, S0 + 9)))


def test_disowned_back_to_other_rules_a_state_goes_on_from_the_checkpoint_or_begins_in_watch(
    two_versions: Database,
) -> None:
    kept = two_versions.checkpoint("a", FEED.feed, S0 + 5)
    assert kept is not None
    (loss,) = disowning(two_versions, S0 + 4).losses
    assert (loss.anew, loss.left, loss.state) == (None, 5, kept[1]), "it is the state before the first of these rules"
    plan = disowning(two_versions, S0 + 2)
    assert f"made by rules {RULES_VERSION - 1}" in str(plan.losses[0].anew)
    assert plan.losses[0].state.judge.status is Status.WATCH, "a depeg is not forgotten by beginning anew"
    disown(two_versions, plan, 1)
    keep(two_versions, range(10, 12))
    assert is_good(list(verify(two_versions, FEED.feed, S0 + 11)))
