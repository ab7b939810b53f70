"""A running pusher with a schedule, over a real store: at the second, once after an outage, across a restart, and what is missed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feeds.units import MS
from oracle.model.publication import PushState
from oracle.model.status import Status
from oracle.push.due import PushPolicy
from oracle.runtime.cron import moment_text
from oracle.serve.documents import price_document
from tests.oracle.push.fault_world import RULES, SPECS, FaultWorld
from tests.oracle.push.push_world import CALM, FEED, offer, push_once, world_in

pytestmark = pytest.mark.chain
MINUTE_S = 60
GRACE_S = RULES.max_push_age_s + RULES.bump_after_s
POLICY = PushPolicy(cron=("* * * * *",), cron_by_feed=(("ETH/USD", ()),))
STEADY = {f: replace(s, heartbeat_s=3_600) for f, s in SPECS.items()}
OPTIONS: dict[str, Any] = {"specs": STEADY, "policy": POLICY}


def next_minute_s(here: FaultWorld) -> int:
    return here.now_s - here.now_s % MINUTE_S + MINUTE_S


async def at(here: FaultWorld, moment_s: int, priced: dict[str, tuple[int, int]] | None = None) -> None:
    """A round at this very second, and what lands of it."""
    here.now_s = moment_s - 2
    await push_once(here, priced)


def landed(here: FaultWorld) -> list[tuple[int, str]]:
    """(round, why) of every push that landed."""
    return [(row.round_s, row.why) for row in here.databases[0].pushes("t", (PushState.LANDED,))]


def missed(here: FaultWorld) -> list[str]:
    return [w for w in here.targets[0].status().warnings(here.now_s * MS) if "cron" in w]


async def test_a_price_of_that_second_lands_once_and_says_so_everywhere(tmp_path: Path) -> None:
    async with world_in(tmp_path, **OPTIONS) as here:
        target, moment_s = here.targets[0], next_minute_s(here) + MINUTE_S
        await at(here, moment_s - 10)
        before = landed(here)
        await at(here, moment_s - 1)
        assert landed(here) == before, "a second too early: nothing is due"
        await at(here, moment_s)
        why = f"cron {moment_text(moment_s)}"
        assert landed(here) == [*before, (moment_s, f"{FEED}: {why}")], "ETH/USD has no schedule and does not go along"
        assert target.stored[target.indexes[FEED]].round_time_s == moment_s
        await at(here, moment_s + 10)
        assert len(landed(here)) == len(before) + 1
        assert missed(here) == []
        shown = target.onchain[FEED]
        record = next(r for r in here.done.records if r.feed == FEED) if here.done else None
        assert record is not None
        document = price_document(
            STEADY[FEED],
            record,
            onchain=[shown],
            abstaining=None,
            risk_codes={},
            risk=None,
            now_ms=here.now_s * MS,
        )
        assert document["onchain"][0]["why"] == why


async def test_an_outage_over_many_times_and_a_restart_end_in_one_push(tmp_path: Path) -> None:
    async with world_in(tmp_path, **OPTIONS) as here:
        await at(here, next_minute_s(here))
        place, before, outage_s = here.place, landed(here), here.now_s
        await here.mine()
        async with FaultWorld(place, outage_s + 7 * MINUTE_S + 13, timeout_ms=5_000, **OPTIONS) as again:
            await again.mine()
            await again.targets[0].tick()
            await push_once(again)
            newest_s = again.now_s - again.now_s % MINUTE_S
            text = f"{FEED}: cron {moment_text(newest_s)}, {again.now_s - newest_s} s after it"
            assert landed(again) == [*before, (again.now_s, text)]
            await push_once(again)
            await push_once(again)
            assert len(landed(again)) == len(before) + 1, "seven times passed, one push"


async def test_a_restart_between_the_push_and_its_landing_sends_nothing_twice(tmp_path: Path) -> None:
    async with world_in(tmp_path, **OPTIONS) as here:
        await at(here, next_minute_s(here))
        moment_s = next_minute_s(here)
        here.now_s = moment_s - 2
        await offer(here, CALM)
        assert landed(here)[-1][0] < moment_s, "under way"
        place, sent = here.place, len(here.databases[0].pushes("t"))
        async with FaultWorld(place, moment_s + 1, timeout_ms=5_000, **OPTIONS) as again:
            await again.targets[0].tick()
            await push_once(again)
            await again.targets[0].tick()
            assert landed(again)[-1][0] == moment_s
            assert len(again.databases[0].pushes("t")) == sent


async def test_a_feed_that_abstains_is_not_pushed_and_shows_as_missed_until_it_has_a_price(tmp_path: Path) -> None:
    async with world_in(tmp_path, **OPTIONS) as here:
        await at(here, next_minute_s(here))
        without = {"ETH/USD": CALM["ETH/USD"]}
        while next_minute_s(here) - here.now_s > 30:
            await push_once(here)
        for _ in range(8):
            await push_once(here, without)  # it abstains, and is halted
        target, moment_s = here.targets[0], next_minute_s(here)
        assert target.stored[target.indexes[FEED]].status is Status.HALT
        before = landed(here)
        await at(here, moment_s, without)
        await at(here, moment_s + GRACE_S, without)
        assert missed(here) == [], "a push may still be under way"
        await at(here, moment_s + GRACE_S + 2, without)
        assert landed(here) == before
        text = f"target t: {FEED} has no price on chain of {moment_text(moment_s)} (cron) or later"
        assert [m.split(": no round")[0] for m in missed(here)] == [text]
        for _ in range(4):
            await push_once(here)  # it has prices again, and the halt has its dwell
        assert missed(here) == []
        assert landed(here)[-1][1] == f"{FEED}: status halt to ok", (
            "the more urgent reason is told; the time is met by it"
        )
