"""Older records thin out to minutes, hours, nothing; what counts is kept whole, and nothing is counted twice or lost."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.units import WAD, Wad
from oracle.model.publication import PushState, Record
from oracle.model.roll_up import HOUR_S, MINUTE_S, RollUp, as_numbers, from_numbers, merged, of_record
from oracle.model.status import Status
from oracle.report.wire import encode_item
from oracle.storage.database import Database
from oracle.storage.limits import DatabaseLimits
from oracle.storage.prune import PruneTimes
from tests.oracle.storage.stored_rounds import FEED, RECORD, S0, agreement, pushed

DAY0 = S0 - S0 % 86_400 + 86_400
LIMITS = DatabaseLimits(packed_together=20, left_unpacked=5)


def record(at_s: int, price: int, status: Status = Status.OK) -> Record:
    report = replace(RECORD.report, round_time_s=at_s, status=status, market_wad=Wad(price * WAD))
    return replace(RECORD, report=report, price_wad=Wad(price * WAD))


def thinned(database: Database, records_s: int, minutes_s: int = 0, hours_s: int = 0, at_once: int = 7) -> int:
    database.thinner.aim(records_s, minutes_s, hours_s)
    done = 0
    while database.thinner.busy:
        done += database.thinner.step(at_once)
    return done


def pack(database: Database) -> None:
    while (job := database.packer.next()) is not None:
        database.packer.keep(job, job.packed())


def saved(database: Database, records: Iterable[Record]) -> None:
    for one in records:
        database.save_round([], [], [one], [])


def rolled_up(database: Database) -> list[tuple[int, RollUp]]:
    return database.roll_ups(FEED.feed, 0, 1 << 50, 10_000)


def walk(count: int, step_s: int = 10, seed: int = 3) -> list[Record]:
    rng = random.Random(seed)
    levels = (Status.OK,) * 30 + (Status.WATCH, Status.DEPEG)
    return [record(DAY0 + i * step_s, rng.randrange(90, 110), rng.choice(levels)) for i in range(count)]


@pytest.mark.parametrize("packs", [False, True], ids=["plain", "packed"])
def test_records_become_minutes_and_then_hours(tmp_path: Path, *, packs: bool) -> None:
    database, records = Database(tmp_path / "o.db", LIMITS), walk(1_000)
    saved(database, records)
    if packs:
        pack(database)
    cut_s = DAY0 + 2 * HOUR_S
    old, new = records[:720], records[720:]
    assert thinned(database, cut_s + 599) == 720, "whole hours"
    assert [s for s, _ in rolled_up(database)] == [MINUTE_S] * 120
    first = rolled_up(database)[0][1]
    prices = [r.price_wad for r in old[:6]]
    assert (first.open_wad, first.close_wad) == (prices[0], prices[-1])
    assert (first.high_wad, first.low_wad) == (max(prices), min(prices))
    assert first.worst is max(r.report.status for r in old[:6])
    assert sum(r.rounds for _, r in rolled_up(database)) == 720
    assert database.full_rate_since_s(FEED.feed) == cut_s
    changes = [
        r
        for before, r in zip([None, *old], old, strict=False)
        if before is None or before.report.status is not r.report.status
    ]
    assert len(changes) > 20
    assert database.history(FEED.feed, 0, 1 << 45, 10_000) == [*changes, *new]
    assert database.record(FEED.feed, changes[3].report.round_time_s) == changes[3]
    assert database.record(FEED.feed) == new[-1]
    minutes = [r for _, r in rolled_up(database)]
    assert thinned(database, 0, DAY0 + HOUR_S + 5) == 1
    assert [s for s, _ in rolled_up(database)] == [HOUR_S] + [MINUTE_S] * 60
    assert rolled_up(database)[0][1] == merged(map(of_record, old[:360]), HOUR_S)[0] == merged(minutes[:60], HOUR_S)[0]
    assert thinned(database, 0, 0, DAY0 + 86_400) == 1
    assert [s for s, _ in rolled_up(database)] == [MINUTE_S] * 60
    if packs:
        pack(database)
        assert database.history(FEED.feed, 0, 1 << 45, 10_000) == [*changes, *new]
    database.close()


def test_thinning_again_changes_nothing_and_a_late_record_is_taken_in(tmp_path: Path) -> None:
    records = walk(720)
    whole, late = Database(tmp_path / "whole.db", LIMITS), Database(tmp_path / "late.db", LIMITS)
    saved(whole, records)
    assert thinned(whole, DAY0 + 2 * HOUR_S) == 720
    assert thinned(whole, DAY0 + 2 * HOUR_S) == 0
    missed = {3, 4, 77, 400, 719}
    saved(late, (r for i, r in enumerate(records) if i not in missed))
    thinned(late, DAY0 + 2 * HOUR_S, at_once=50)
    assert rolled_up(late) != rolled_up(whole)
    saved(late, (records[i] for i in (719, 3, 400, 77, 4)))
    assert thinned(late, DAY0 + 2 * HOUR_S, at_once=2) == 5
    assert rolled_up(late) == rolled_up(whole)
    for database in (whole, late):
        database.close()


def test_a_step_that_fails_counts_nothing(tmp_path: Path) -> None:
    records = walk(360)
    database = Database(tmp_path / "o.db", LIMITS)
    saved(database, records)
    database.connection.execute(
        "CREATE TRIGGER full BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    database.thinner.aim(DAY0 + HOUR_S, 0, 0)
    with pytest.raises(sqlite3.IntegrityError):
        database.thinner.step(100)
    assert (rolled_up(database), database.history(FEED.feed, 0, 1 << 45, 999)) == ([], records)
    database.connection.execute("DROP TRIGGER full")
    thinned(database, DAY0 + HOUR_S)
    assert [r for _, r in rolled_up(database)] == merged(map(of_record, records), MINUTE_S)
    database.close()


def test_what_was_pushed_is_kept_whole(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", LIMITS)
    records = [record(DAY0 + 10 * i, 100) for i in range(360)]
    saved(database, records)
    signed = replace(agreement(DAY0 + 50 - S0), feeds=("ETH/USD", FEED.feed), indexes=(4, 9))
    database.save_round([], [signed, replace(signed, round_time_s=DAY0 + 60)], [], [])
    mine, other = encode_item(9, RECORD.report), encode_item(4, RECORD.report)
    pushed(database, DAY0 + 50 - S0, PushState.LANDED, mine + other)
    pushed(database, DAY0 + 60 - S0, PushState.LANDED, other)
    pushed(database, DAY0 + 70 - S0, PushState.LANDED, other)  # nobody knows whose index that is
    pushed(database, DAY0 + 80 - S0, PushState.REVERTED, mine)
    thinned(database, DAY0 + HOUR_S)
    rows = database.connection.execute("SELECT round_s, why FROM kept_records ORDER BY round_s").fetchall()
    assert [(s - DAY0, why) for s, why in rows] == [(0, "status"), (50, "pushed"), (70, "pushed")]
    assert database.record(FEED.feed, DAY0 + 50) == records[5]
    database.close()


def test_what_may_still_land_is_kept_whole_with_what_was_signed(tmp_path: Path) -> None:
    """A process that was away for longer than records stay learns only afterwards what became of its last push."""
    database = Database(tmp_path / "o.db", LIMITS)
    saved(database, [record(DAY0 + 10 * i, 100) for i in range(360)])
    database.save_round([], [agreement(DAY0 + s - S0) for s in (50, 60)], [], [])
    mine = encode_item(0, RECORD.report)
    pushed(database, DAY0 + 50 - S0, PushState.SENT, mine)
    pushed(database, DAY0 + 60 - S0, PushState.EXPIRED, mine)
    thinned(database, DAY0 + HOUR_S)
    rows = database.connection.execute("SELECT round_s FROM kept_records WHERE why = 'pushed'").fetchall()
    assert rows == [(DAY0 + 50,)]
    database.prune(PruneTimes(rounds_s=DAY0 + HOUR_S, values_s=DAY0 + HOUR_S))
    assert database.agreement(DAY0 + 50) is not None
    assert database.agreement(DAY0 + 60) is None
    database.close()


def test_a_roll_up_with_a_disowned_round_is_withdrawn(tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db", LIMITS)
    saved(database, walk(720))
    thinned(database, DAY0 + HOUR_S)
    before = rolled_up(database)
    after_s = DAY0 + 1_205
    database.withdraw(after_s, 1, "a clock was ahead", {})
    assert rolled_up(database) == before[:20]
    assert all(r.report.round_time_s <= after_s for r in database.history(FEED.feed, 0, 1 << 45, 999))
    rows = database.connection.execute("SELECT count(*) FROM withdrawn WHERE what = 'roll-up'").fetchone()
    assert rows == (1,)
    again = [record(DAY0 + 1_210 + 10 * i, 50) for i in range(239)]
    saved(database, again)
    thinned(database, DAY0 + HOUR_S)
    assert rolled_up(database)[20:] == [(MINUTE_S, r) for r in merged(map(of_record, again), MINUTE_S)]
    database.close()


PRICES = st.one_of(st.just(0), st.integers(1, 1 << 90))
RECORDS = st.lists(
    st.tuples(st.integers(0, 4 * HOUR_S), PRICES, st.sampled_from(Status)), unique_by=lambda r: r[0], max_size=30
)


@settings(max_examples=200, deadline=None)
@given(RECORDS, st.integers(0, 30), st.randoms(use_true_random=False))
def test_the_order_makes_no_difference_and_numbers_read_as_they_were(
    rows: list[tuple[int, int, Status]], cut: int, rng: random.Random
) -> None:
    parts = [
        replace(of_record(record(DAY0 + at_s, 1, status)), open_wad=Wad(p), high_wad=Wad(p), low_wad=Wad(p),
                close_wad=Wad(p), market_wad=Wad(p), redemption_wad=Wad(p // 2))
        for at_s, p, status in rows
    ]  # fmt: skip
    whole = merged(parts, HOUR_S)
    rng.shuffle(parts)
    assert merged([*merged(parts[:cut], MINUTE_S), *merged(parts[cut:], MINUTE_S)], HOUR_S) == whole or any(
        not p.close_wad for p in parts
    )
    minutes = merged(parts, MINUTE_S)
    assert from_numbers(as_numbers(minutes, DAY0), DAY0) == minutes
    assert merged(minutes, HOUR_S) == whole
