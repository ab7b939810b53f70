"""Database and journals come back from one snapshot: the witness tells, and where there is none, the store does."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.settings import MAX_PUSH_AGE_S, OPERATORS
from demo.testbed import Testbed
from oracle.app import App
from oracle.sign.sign_journal import SignJournal
from tests.e2e.e2e_tools import service, stand_with_market, until

pytestmark = [pytest.mark.e2e, pytest.mark.chain]


def journals(app: App) -> list[SignJournal]:
    return [o.journal for o in app.operators]


def mute(app: App) -> list[str]:
    now_ms = app.clock.now_ms()
    held = {o.name: o.journal for o in app.operators}
    return [name for name, journal in held.items() if journal.mute_until_ms > now_ms + (MAX_PUSH_AGE_S - 5) * 1_000]


def landed(app: App, count: int) -> Callable[[], bool]:
    return lambda: "local" in app.targets and app.targets["local"].counts["landed"] >= count


def files(stand: Testbed) -> list[Path]:
    return [stand.folder / "oracle.db", *(stand.folder / f"{n}.journal.db" for n in OPERATORS)]


def saved(stand: Testbed) -> None:
    for path in files(stand):
        shutil.copy(path, path.with_suffix(".saved"))


def restored(stand: Testbed) -> None:
    for path in files(stand):
        shutil.copy(path.with_suffix(".saved"), path)


async def test_a_snapshot_of_everything_is_noticed_twice_over(tmp_path: Path) -> None:
    async with stand_with_market(tmp_path) as (stand, _):
        async with service(stand) as app:
            spoke = lambda: bool(journals(app)) and all(j.last_round_s() for j in journals(app))  # noqa: E731
            await until(lambda: landed(app, 1)() and spoke(), "a first push, and a word of every key")
        saved(stand)
        async with service(stand) as app:
            assert mute(app) == [], "the control: a plain restart is no restore"
            await until(landed(app, 2), "pushes that the snapshot does not know of")
            newest_s = max(j.last_round_s() for j in journals(app))
        restored(stand)
        async with service(stand) as app:
            assert mute(app) == list(OPERATORS), "by the witnesses"
            assert {j.witnessed_s for j in journals(app)} == {newest_s}
            began_s = app.last_round_s
            await until(lambda: app.last_round_s > began_s + 4, "rounds, unsigned")
            assert max(j.last_round_s() for j in journals(app)) < newest_s, "nothing was signed"
        shutil.rmtree(tmp_path / "witness")
        restored(stand)
        async with service(stand) as app:
            await until(lambda: "local" in app.targets and app.targets["local"].connected, "the store")
            connected_ms = time.time_ns() // 1_000_000
            assert mute(app) == list(OPERATORS), "by what the store holds"
            until_ms = max(j.mute_until_ms for j in journals(app))
            assert until_ms - time.time_ns() // 1_000_000 <= (MAX_PUSH_AGE_S + 1) * 1_000
            # what was under way in the snapshot may land meanwhile: what counts is what is made from now on
            fresh = lambda: [r for r in app.database.pushes("local") if r.made_ms > connected_ms]  # noqa: E731
            await until(lambda: any(r.state == "landed" for r in fresh()), "a push once the silence is over")
            assert min(r.made_ms for r in fresh()) >= until_ms - 1_000
