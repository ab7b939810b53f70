"""A process that starts takes part in the next round at once, whatever it had signed when it ended; without a store nothing is final."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from demo.world import anvil
from feeds.units import WAD
from oracle.sign.messages import RefusalCode
from tests.oracle.network.agreement_world import BRISK
from tests.oracle.push.fault_world import PATIENT_MS, FaultWorld
from tests.oracle.push.push_world import CALM, push_once, put_store, world_in

pytestmark = pytest.mark.chain
PATIENCE_S = 120
HOUR_MS = 3_600_000
ALL = ("alpha", "beta", "gamma")
MOVED = {**CALM, "ETH/USD": (2_001 * WAD, 0)}


def signed(here: FaultWorld) -> tuple[str, ...]:
    assert here.done is not None
    return here.done.outcomes["t"].signed


async def test_a_restarted_process_seals_its_first_round(tmp_path: Path) -> None:
    """Its journals are intact, so it is not mute; and what was published before is what a halt would repeat."""
    async with world_in(tmp_path) as here:
        await push_once(here)
        published = here.rounds.published("ETH/USD")
        assert published is not None
        async with FaultWorld(here.place, here.now_s, timeout_ms=PATIENT_MS) as again:
            await again.targets[0].start()
            assert again.rounds.published("ETH/USD") == published
            again.now_s += 2
            await again.round(CALM)
            assert again.done is not None
            assert (signed(again), again.done.unsealed) == (ALL, "")


@pytest.mark.parametrize("seen", [CALM, MOVED])
async def test_between_journal_and_database_a_crash_costs_what_was_seen_otherwise_and_one_round(
    tmp_path: Path, seen: dict[str, tuple[int, int]]
) -> None:
    """The journals hold the round, nobody stored it; the same round again is signed where it is the same, and never otherwise."""
    async with world_in(tmp_path) as here:
        here.now_s += 2
        lost = (await here.agree(CALM)).outcomes["t"]
        assert set(lost.reports) == set(CALM)
        async with FaultWorld(here.place, here.now_s, timeout_ms=PATIENT_MS) as again:
            await again.targets[0].tick()
            await again.round(seen)
            assert again.done is not None
            assert again.done.outcomes["t"].reports == {f: lost.reports[f] for f in CALM if seen[f] == CALM[f]}
            assert [r.feed for r in again.done.records] == [f for f in again.specs if seen[f] == CALM[f]]
            again.now_s += 2
            await again.round(seen)
            assert set(again.done.outcomes["t"].reports) == set(CALM)
            assert signed(again) == ALL


async def test_before_its_home_store_is_read_nothing_is_final_and_then_the_next_round_is(tmp_path: Path) -> None:
    with anvil.running() as node:
        place = await put_store(node.url, (node.url,), tmp_path)
        async with FaultWorld(place, 0, timeout_ms=PATIENT_MS) as here:
            here.now_s = int((await here.rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
            await here.round(CALM)
            assert here.done is not None
            assert (here.done.records, dict(here.done.outcomes)) == ((), {})
            assert here.done.unsealed == "target t is not connected: who signs there is not known"
            assert here.databases[0].record("ETH/USD") is None
            await here.targets[0].start()
            here.now_s += 2
            await here.round(CALM)
            assert signed(here) == ALL
            record = here.databases[0].record("ETH/USD")
            assert record is not None
            assert record.seal is not None


async def test_a_journal_that_can_not_be_read_costs_its_own_operator_and_nobody_else(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        here.journals["alpha"].close()
        here.now_s += 2
        await here.round(CALM)
        assert here.done is not None
        assert signed(here) == ("beta", "gamma")
        assert {(r.operator, r.code) for r in here.done.refusals} == {("alpha", RefusalCode.JOURNAL)}
        assert set(here.done.outcomes["t"].reports) == set(CALM)


async def test_who_is_missing_costs_no_time_where_nobody_else_can_come(tmp_path: Path) -> None:
    """One process: whoever leads, a round with one mute operator, or with too few, is over at once, and not at its deadline."""
    async with world_in(tmp_path) as here:
        here.agreements.timing = replace(
            BRISK, values_ms=HOUR_MS, grace_ms=HOUR_MS, first_ms=2 * HOUR_MS, next_ms=HOUR_MS, end_ms=10 * HOUR_MS
        )
        here.journals["alpha"].mute(1 << 60)  # it leads first
        here.now_s += 2
        async with asyncio.timeout(PATIENCE_S):
            outcome = (await here.agree(CALM)).outcomes["t"]
            assert (outcome.signed, outcome.attempts) == (("beta", "gamma"), 1), "who cannot speak leads nothing"
            here.journals["beta"].mute(1 << 60)
            here.now_s += 2
            assert "values of weight 1, 2 are needed" in (await here.agree(CALM)).unsealed
