"""What happened, for a page: the course of all feeds, changes of a status, pushes; from a real database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from feeds.units import MS
from oracle.model.publication import PushRow, PushState, Transition
from oracle.model.status import Reason, Status, Why
from oracle.report.wire import encode_items
from oracle.serve.history import ReadOnlyDatabase
from oracle.serve.interface import StoredRounds
from oracle.serve.openapi.schemas import SCHEMAS
from oracle.serve.past_answers import Trends
from oracle.storage.database import Database
from oracle.storage.limits import DatabaseLimits
from oracle.storage.prune import PruneTimes
from tests.oracle.serve.endpoint_client import OWN, Client, faults
from tests.oracle.serve.memory_service import ROUND_S, MemoryService, record, sealed_by_two, specs

pytestmark = pytest.mark.loopback
T = TypeVar("T")
FEED = "wdivETH/ETH"


def change(at_s: int, before: Status, after: Status, feed: str = FEED) -> Transition:
    why = Reason(code=Why.DISCOUNT, text="0.96 % below redemption")
    return Transition(feed=feed, at_ms=at_s * MS, before=before, after=after, reasons=(why,))


def pushed(database: Database, round_s: int, state: PushState, why: str) -> None:
    reports = {0: record(FEED, round_s).report, 3: record("ETH/USD", round_s, redemption="0").report}
    database.add_push(
        PushRow(
            id=0, target="local", chain_id=1, round_s=round_s, items=encode_items(reports), nonce=1, tx_hash="0xab", raw=b"",
            state=state, made_ms=round_s * MS, landed_ms=round_s * MS + 900, block=7, gas_used=91_000, why=why,
        )
    )  # fmt: skip


def stored(path: Path) -> Database:
    """Three records, two changes, one push of two feeds, and one that nobody signed."""
    database = Database(path)
    records = [record(FEED, s) for s in (ROUND_S - 70, ROUND_S - 60, ROUND_S)]
    changes = [
        change(ROUND_S - 70, Status.OK, Status.WATCH), change(ROUND_S - 60, Status.WATCH, Status.OK),
        change(ROUND_S - 50, Status.OK, Status.WATCH, feed="ETH/USD"),
    ]  # fmt: skip
    database.save_round((), (sealed_by_two(records[-1]),), records, changes)
    pushed(database, ROUND_S - 60, PushState.LANDED, f"{FEED}: moved 0.6 %; ETH/USD: heartbeat")
    database.add_refusal(ROUND_S * MS, "local", ROUND_S, b"", f"{FEED}: heartbeat", "no quorum: gamma: not reached")
    database.add_refusal(ROUND_S * MS, "local", ROUND_S, b"", "ETH/USD: heartbeat", "no quorum: gamma: not reached")
    return database


def test_a_feeds_pushes_are_read_with_its_own_reason_and_why_one_was_not_made(tmp_path: Path) -> None:
    database = stored(tmp_path / "a.db")
    shown = ReadOnlyDatabase(str(tmp_path / "a.db"))
    not_sent, landed = shown.pushes_of(FEED, "local", 10)
    assert (landed.state, landed.why, landed.feeds, landed.gas_used) == (PushState.LANDED, "moved 0.6 %", 2, 91_000)
    assert landed.report == record(FEED, ROUND_S - 60).report
    assert (not_sent.state, not_sent.report, not_sent.why, not_sent.note) == (
        None, None, "heartbeat", "no quorum: gamma: not reached",
    )  # fmt: skip
    assert [p.state for p in shown.pushes_of(FEED, "local", 1)] == [None], "the newest"
    assert shown.pushes_of("no/feed", "local", 9) == shown.pushes_of(FEED, "other", 9) == []
    shown.connection.close()
    database.close()


def test_changes_of_one_feed_come_newest_first_and_a_course_has_the_newest_round_of_each_step(tmp_path: Path) -> None:
    database = stored(tmp_path / "a.db")
    assert [c.after for c in database.changes(FEED, 9)] == [Status.OK, Status.WATCH]
    assert [c.after for c in database.changes(FEED, 1)] == [Status.OK]
    points = database.at_times(FEED, (ROUND_S - 60, ROUND_S - 30, ROUND_S), 30)
    assert [p and p.report.round_time_s for p in points] == [ROUND_S - 60, None, ROUND_S]
    database.close()


def test_what_is_packed_is_shown_as_before(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    stored(path).close()
    database = Database(path, DatabaseLimits(packed_together=1, left_unpacked=0))

    def shown() -> tuple[object, ...]:
        points = database.at_times(FEED, (ROUND_S - 60, ROUND_S - 30, ROUND_S), 30)
        return points, database.changes(FEED, 9), database.pushes_of(FEED, "local", 9)

    before = shown()
    while (job := database.packer.next()) is not None:
        database.packer.keep(job, job.packed())
    assert database.connection.execute("SELECT count(*) FROM packs").fetchone()[0] >= 4
    assert shown() == before
    database.prune(PruneTimes(rounds_s=ROUND_S + 9, values_s=ROUND_S + 9))
    assert database.agreement(ROUND_S) is None
    database.close()


def test_the_pushes_of_a_feed_are_shown_where_only_values_behind_pushes_are_left(tmp_path: Path) -> None:
    database = stored(tmp_path / "a.db")
    pushed(database, ROUND_S, PushState.LANDED, f"{FEED}: heartbeat")
    before = database.pushes_of(FEED, "local", 9)
    assert len(before) == 3
    database.prune(PruneTimes(rounds_s=ROUND_S + 9, values_s=ROUND_S + 9))
    assert not database.connection.execute("SELECT count(*) FROM agreements").fetchone()[0]
    assert database.pushes_of(FEED, "local", 9) == before
    database.close()


async def test_the_paths_answer_as_they_are_described(client: Client) -> None:
    service = client.service
    service.transitions = [change(ROUND_S - 70, Status.OK, Status.WATCH), change(ROUND_S - 60, Status.WATCH, Status.OK)]
    for path, kind in (
        (f"{OWN}/changes", "FeedChanges"),
        (f"{OWN}/pushes", "FeedPushes"),
        ("/v1/trends?span_s=86400", "Trends"),
    ):
        status, body, answer = await client.get(path)
        assert status == 200
        assert not faults(body, SCHEMAS[kind])
        assert answer.headers["ETag"]
    _, body, _ = await client.get(f"{OWN}/changes?limit=1")
    assert (body["more"], [c["after"] for c in body["changes"]]) == (True, ["ok"])
    service.rounds[FEED].insert(0, record(FEED, ROUND_S - 100))
    _, body, _ = await client.get("/v1/trends")
    assert [f["feed"] for f in body["feeds"]] == list(service.feeds)
    assert all(len(f["points"]) == 48 for f in body["feeds"])
    assert [p["price"] for p in body["feeds"][0]["points"] if p] == ["1.040000000000000000"]
    for wrong in (f"{OWN}/changes?limit=201", f"{OWN}/pushes?limit=0", "/v1/trends?span_s=60"):
        assert (await client.error(wrong))[1] == "bad_parameter"


async def test_the_pushes_of_a_feed_are_shown_in_its_mode(client: Client, tmp_path: Path) -> None:
    database = stored(tmp_path / "a.db")
    client.service.pushed[FEED] = database.pushes_of(FEED, "local", 9)[::-1]
    database.close()
    _, body, _ = await client.get(f"{OWN}/pushes")
    assert not faults(body, SCHEMAS["FeedPushes"])
    assert [(p["state"], p["price"], p["block"]) for p in body["pushes"]] == [
        ("not_sent", None, None), ("landed", "1.040000000000000000", "7"),
    ]  # fmt: skip


class Counting(MemoryService):
    """Counts long reads; the first may fail."""

    reads, fails = 0, False

    async def read_stored(self, read: Callable[[StoredRounds], T]) -> T:
        self.reads += 1
        if self.fails:
            raise RuntimeError
        return await super().read_stored(read)


async def test_the_course_is_read_once_a_step_for_all_who_ask_and_again_after_a_failure() -> None:
    at_ms, service = [ROUND_S * MS], Counting(specs())
    trends = Trends(service, lambda: at_ms[0])
    service.fails = True
    try:
        await trends.body(3_600)
    except RuntimeError:
        service.fails = False
    first = await trends.body(3_600)
    assert await trends.body(3_600) is first
    assert service.reads == 2
    at_ms[0] += 75_000
    assert await trends.body(3_600) is not first
    assert service.reads == 3
