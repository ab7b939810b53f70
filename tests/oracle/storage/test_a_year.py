"""A year by a clock that jumps: the file settles at what was said it would, and does not grow after that but for what is kept for good.

LRT_ORACLE_YEAR_ROUNDS is how many rounds there are a day: few in the suite, 1,440 by `make year`.
"""

from __future__ import annotations

import os
from pathlib import Path

from oracle.audit.recompute import verify
from oracle.model.publication import PushState
from oracle.model.retention import Retention
from oracle.model.roll_up import HOUR_S
from oracle.report.wire import encode_item
from oracle.storage.database import Database
from oracle.storage.housekeeping import Housekeeping
from oracle.storage.limits import DatabaseLimits
from oracle.storage.sizes import database_size
from tests.oracle.storage.stored_clock import clock_at
from tests.oracle.storage.stored_rounds import FEED, RECORD, S0, agreement, keep, pushed

ROUNDS = int(os.environ.get("LRT_ORACLE_YEAR_ROUNDS", "6"))
DAY_S, DAYS = 86_400, 365
KEEP = Retention(
    rounds_days=7, records_days=7, minutes_days=20, hours_days=60, values_days=7, pushed_values_days=40, pushes_days=40
)  # fmt: skip
ITEM = encode_item(0, RECORD.report)
LIMITS = DatabaseLimits(checkpoint_every=20, packed_together=20, left_unpacked=10)


async def test_a_year_stays_within_what_it_settles_at(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    database = Database(path, LIMITS)
    first = S0 - S0 % DAY_S + DAY_S - S0
    used: list[int] = []
    for day in range(DAYS):
        database.connection.execute("PRAGMA synchronous=OFF")  # nothing is read back after a crash here
        seconds = range(first + day * DAY_S, first + (day + 1) * DAY_S, DAY_S // ROUNDS)
        for i in seconds:
            keep(database, [i])
            database.save_round([], [agreement(i)], [], [])
            database.save_attended("t", 1, S0 + i, [0])
        pushed(database, seconds[0], PushState.LANDED, ITEM)
        database.connection.execute("UPDATE pushes SET final = 1, made_ms = round_s * 1000")
        now_ms = (S0 + first + (day + 1) * DAY_S) * 1_000
        await Housekeeping(database, clock_at(lambda: now_ms), KEEP).run()  # noqa: B023 - it is run at once
        if day % 30 == 29:
            database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            used.append(path.stat().st_size)
    found = database_size(database.connection, KEEP, LIMITS)
    sizes = {k.name: k for k in found.kinds}
    rows = {name: kind.rows for name, kind in sizes.items()}
    assert rows["rounds with inputs"] <= 7 * ROUNDS + 20
    assert rows["records"] <= 8 * ROUNDS + 20
    assert rows["operators' values"] <= 7 * ROUNDS + 20
    assert rows["who signed"] <= 8 * ROUNDS
    assert rows["values behind pushes"] <= 40
    assert rows["pushes"] <= 41
    assert rows["records by minutes"] <= 24 * 15
    assert rows["records by hours"] <= 42
    assert rows["kept records"] >= DAYS - 10, "what was pushed, for good"
    good = sum(k.bytes for k in found.kinds if k.settles_at is None)
    settled = sum(k.bytes for k in found.kinds if k.settles_at is not None)
    assert settled <= sum(k.settles_at or 0 for k in found.kinds) * 1.3 + (256 << 10)
    assert used[-1] - used[3] <= good + (256 << 10), used
    assert all(c.ok for c in verify(database, FEED.feed, S0 + seconds[-1]) if c.what != "signed values")
    oldest = database.roll_ups(FEED.feed, 0, 1 << 50, 100_000)[0]
    assert oldest[0] == HOUR_S
    assert (S0 + seconds[-1] - oldest[1].first_s) // DAY_S in range(58, 62)
    database.close()
