"""A second process with the primary's keys and journals: it never parts from the primary, never mutes it, and takes over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from demo.world.chain import account
from feeds.units import WAD
from oracle.push.due import PushPolicy
from oracle.report.wire import split_items
from tests.oracle.push.fault_world import PATIENT_MS, FaultWorld
from tests.oracle.push.push_world import CALM, FEED, land, world_in

pytestmark = pytest.mark.chain
FIRST_WORD_MS = 300
SEEN_OTHERWISE = {**CALM, "ETH/USD": (2_001 * WAD, 0)}


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[tuple[FaultWorld, FaultWorld]]:
    """The primary and its backup: own databases and gas keys, the same keys and journal files."""
    async with world_in(folder) as primary:
        place = replace(primary.place, gas_key=bytes(account(3).key).hex())
        backup = FaultWorld(
            place, primary.now_s, ("backup.db",), policy=PushPolicy(offset_s=8), yields_ms=FIRST_WORD_MS,
            timeout_ms=PATIENT_MS,
        )  # fmt: skip
        async with backup:
            await backup.targets[0].tick()
            yield primary, backup


async def round_of_both(primary: FaultWorld, backup: FaultWorld) -> None:
    """One round in both at once; the backup has seen another price of one feed, and is a little quicker."""
    primary.now_s = backup.now_s = max(primary.now_s, backup.now_s) + 2
    second = asyncio.create_task(backup.round(SEEN_OTHERWISE))
    await asyncio.sleep(0)
    await primary.round(CALM)
    await second


async def test_the_primary_has_the_first_word_and_both_sign_what_is_equal(tmp_path: Path) -> None:
    async with pair(tmp_path) as (primary, backup):
        for _ in range(4):
            await round_of_both(primary, backup)
            assert primary.done is not None
            assert backup.done is not None
            assert (primary.done.unsealed, set(primary.done.outcomes["t"].reports)) == ("", set(CALM))
            ours, theirs = primary.done.outcomes["t"], backup.done.outcomes["t"]
            assert theirs.reports == {FEED: ours.reports[FEED]}, "of the other feed the keys have signed another item"
            assert theirs.sealed is not None
            assert theirs.sealed.content.dropped == (theirs.terms.indexes["ETH/USD"],)
            assert [r.feed for r in backup.done.records] == [FEED]


async def test_a_backup_whose_primary_is_gone_seals_and_pushes_by_itself(tmp_path: Path) -> None:
    async with pair(tmp_path) as (primary, backup):
        await round_of_both(primary, backup)
        await primary.targets[0].tick()
        await land(primary)
        for _ in range(16):
            backup.now_s += 2
            await backup.round(SEEN_OTHERWISE)
            assert backup.done is not None
            assert (backup.done.unsealed, len(backup.done.records)) == ("", 2), "with its next round"
            await backup.targets[0].tick()
            await backup.mine()
        await backup.settle(1)
        assert backup.targets[0].counts["landed"] >= 1
        assert backup.events[0].failed == []


async def test_whoever_comes_second_signs_nothing_else_for_a_place(tmp_path: Path) -> None:
    """Also where both take each other for the primary: the journals, not the order, are what keeps the stake."""
    async with pair(tmp_path) as (primary, backup):
        primary.now_s = backup.now_s = primary.now_s + 2
        first, second = await backup.agree(SEEN_OTHERWISE), await primary.agree(CALM)
        sealed = [o.sealed for d in (first, second) if (o := d.outcomes["t"]).sealed is not None]
        items = [split_items(s.content.items) for s in sealed]
        assert [len(i) for i in items] == [2, 1]
        assert items[1].items() <= items[0].items()
