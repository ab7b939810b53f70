"""Ready is true: of this run's rounds and of every chain that is pushed to; and an old price never looks like a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.units import MS
from oracle.config.tables.operator_sections import TargetSection
from oracle.config.tables.process_sections import OracleSection
from oracle.model.publication import OnChain
from oracle.model.target_status import LOOK_MS, FeedOnTarget, SignerQuorum, TargetStatus
from oracle.model.types import Report
from oracle.push.onchain_view import Grace, OnchainView
from oracle.serve.metrics import Metrics
from oracle.serve.server import serve
from tests.oracle.serve.exposition import samples
from tests.oracle.serve.memory_service import record
from tests.oracle.serve.memory_service import specs as service_specs
from tests.oracle.serve.service_world import INDEXES, ROUND_S, ServiceWorld

FEED = "wdivETH/ETH"
GRACE_S = 75
FINE = TargetStatus(
    target="main", sends=True, connected=True, looked_at_ms=ROUND_S * MS, pushes_left=900, few_pushes=100,
    quorum=SignerQuorum(weight=3, threshold=2, missing=()),
    feeds=(FeedOnTarget(feed=FEED, heartbeat_s=60, round_time_s=ROUND_S, late_at_s=ROUND_S + 60 + GRACE_S),),
)  # fmt: skip


@st.composite
def targets(draw: st.DrawFn) -> tuple[TargetStatus, int]:
    now_ms = ROUND_S * MS + draw(st.integers(0, 400_000))
    ages = draw(st.lists(st.one_of(st.none(), st.integers(0, 300)), max_size=3))
    rounds = [None if age is None else now_ms // MS - age for age in ages]
    feeds = [
        FeedOnTarget(
            feed=f"F{i}/ETH", heartbeat_s=60, round_time_s=r, late_at_s=None if r is None else r + 60 + GRACE_S
        )
        for i, r in enumerate(rounds)
    ]
    weight, threshold = draw(st.integers(0, 4)), draw(st.integers(1, 4))
    sends = draw(st.booleans())
    return TargetStatus(
        target="t", sends=sends, closed="" if sends else draw(st.sampled_from(["", "GAS"])), connected=draw(st.booleans()),
        looked_at_ms=draw(st.one_of(st.none(), st.integers(now_ms - 90_000, now_ms))),
        quorum=draw(st.sampled_from([None, SignerQuorum(weight=weight, threshold=threshold, missing=("x is mute",))])),
        pushes_left=draw(st.sampled_from([None, 0, 1, 99, 100])), few_pushes=100, feeds=tuple(feeds),
    ), now_ms  # fmt: skip


@given(targets())
def test_a_target_is_without_fault_exactly_if_every_condition_holds(case: tuple[TargetStatus, int]) -> None:
    """The law, written from docs/api.md."""
    seen, now_ms = case
    good = not seen.closed and seen.connected and seen.looked_at_ms is not None and now_ms - seen.looked_at_ms <= 30_000
    if seen.sends:
        good &= seen.quorum is None or seen.quorum.weight >= seen.quorum.threshold
        good &= seen.pushes_left != 0
        good &= all(f.round_time_s is not None and now_ms <= (f.round_time_s + 60 + GRACE_S) * MS for f in seen.feeds)
    assert (not list(seen.faults(now_ms))) == good
    if not seen.sends:
        assert not list(seen.warnings(now_ms)), "nothing is asked of who sends nothing"


@pytest.mark.parametrize(
    ("changes", "after_s", "said"),
    [
        ({}, 136, "target main: wdivETH/ETH is 136 s old on chain, its heartbeat is 60 s"),
        (
            {
                "quorum": SignerQuorum(
                    weight=1, threshold=2, missing=("beta is mute", "0xab (weight 1) does not sign here")
                )
            },
            0,
            "main: no quorum: those that sign have weight 1, a push needs 2; beta is mute; 0xab (weight 1) does not",
        ),
        ({"looked_at_ms": ROUND_S * MS - LOOK_MS - 1}, 0, "was not seen for 31 s: look at its endpoints"),
        ({"looked_at_ms": None}, 0, "target main: its chain was not seen yet"),
        ({"connected": False}, 0, "target main is not connected"),
        ({"pushes_left": 0}, 0, "its gas key cannot pay for a push"),
        ({"sends": False, "closed": "GAS_PASS"}, 0, "target main: nothing is pushed: set GAS_PASS"),
        (
            {
                "feeds": (
                    FeedOnTarget(feed=FEED, heartbeat_s=60, round_time_s=None, late_at_s=None, held="it is paused"),
                )
            },
            0,
            "wdivETH/ETH is not on chain yet, its heartbeat is 60 s: it is paused",
        ),
    ],
)
def test_a_fault_is_a_sentence_with_its_numbers_and_not_ready(
    tmp_path: Path, changes: dict[str, Any], after_s: int, said: str
) -> None:
    world = ServiceWorld(tmp_path)
    for target in world.targets.values():
        target.current_status = FINE
    assert (world.service.health().ready, world.service.health().reasons) == (True, ()), "the control: all is well"
    seen = replace(FINE, **changes)
    world.targets["main"].current_status, world.targets["main"].connected = seen, seen.connected
    if after_s:
        world.round(ROUND_S + after_s)
        world.targets["main"].current_status = replace(seen, looked_at_ms=world.at_ms)
        world.targets["side"].current_status = replace(FINE, looked_at_ms=world.at_ms, feeds=())
    health = world.service.health()
    assert (health.live, health.ready) == (True, False)
    assert [r for r in health.reasons if said in r], health.reasons


def test_a_missing_signer_is_a_warning_while_the_others_suffice(tmp_path: Path) -> None:
    world = ServiceWorld(tmp_path)
    for target in world.targets.values():
        target.current_status = FINE
    world.targets["main"].current_status = replace(
        FINE, quorum=SignerQuorum(weight=2, threshold=2, missing=("gamma is mute",)), pushes_left=7
    )
    health = world.service.health()
    assert (health.ready, health.degraded) == (True, True)
    assert health.warnings == (
        "target main: gamma is mute",
        "target main: its gas key pays for 7 more pushes: send it ether",
    )


def test_a_process_that_sends_nothing_is_ready_by_its_rounds(tmp_path: Path) -> None:
    world = ServiceWorld(tmp_path)
    for target in world.targets.values():
        target.current_status = replace(
            FINE, sends=False, quorum=SignerQuorum(weight=0, threshold=2, missing=("a",)), pushes_left=None
        )
    world.round(ROUND_S + 500)
    for target in world.targets.values():
        target.current_status = replace(target.current_status, looked_at_ms=world.at_ms)
    assert world.service.health().ready
    world.targets.clear()
    assert world.service.health().ready


# --- rounds of now ---------------------------------------------------------------------------------------------------


async def served(world: ServiceWorld) -> tuple[int, Mapping[str, Any]]:
    """Status of /readyz, and the answer of /v1/prices."""
    server = await serve(world.service, host="127.0.0.1", port=0, now_ms=lambda: world.at_ms, metrics=bytes)
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{server.url}/readyz") as ready:
                status = ready.status
            async with session.get(f"{server.url}/v1/prices") as prices:
                return status, await prices.json()
    finally:
        await server.close()


@pytest.mark.loopback
async def test_after_a_restart_nothing_is_ready_or_fresh_before_a_round(tmp_path: Path) -> None:
    first = ServiceWorld(tmp_path)
    again = ServiceWorld(tmp_path, first.database, started=False)
    for target in again.targets.values():
        target.current_status = FINE
    again.at_ms += 3_000
    status, body = await served(again)
    assert (status, body["ready"]) == (503, False)
    assert "no round since the start of this process" in body["reasons"]
    assert body["prices"], "what an earlier run published is there"
    assert {p["abstaining"]["code"] for p in body["prices"]} == {"STALE"}
    again.round(ROUND_S + 10)
    status, body = await served(again)
    assert (status, body["ready"], body["reasons"]) == (200, True, [])
    assert {p["abstaining"] for p in body["prices"]} == {None}


@pytest.mark.loopback
async def test_without_rounds_no_price_is_current(tmp_path: Path) -> None:
    world = ServiceWorld(tmp_path)
    for target in world.targets.values():
        target.current_status = replace(FINE, feeds=())
    assert (await served(world))[0] == 200
    world.at_ms += 32_000
    for target in world.targets.values():
        target.current_status = replace(target.current_status, looked_at_ms=world.at_ms)
    assert {p["abstaining"] for p in (await served(world))[1]["prices"]} == {None}, "two rounds late is no outage yet"
    world.at_ms += 1_000
    status, body = await served(world)
    assert (status, body["ready"]) == (503, False)
    assert {(p["abstaining"]["code"], p["abstaining"]["age_s"]) for p in body["prices"]} == {("STALE", 33)}


# --- what is on chain ------------------------------------------------------------------------------------------------


def stored(*rounds: int) -> dict[int, Report]:
    return {i: record(FEED, r).report for i, r in enumerate(rounds)}


@given(st.integers(0, 500), st.integers(0, 500), st.sampled_from([60, 3_600]), st.integers(0, 900))
def test_a_round_on_chain_is_late_after_its_heartbeat_and_the_time_of_a_push(
    own_s: int, usd_s: int, heartbeat_s: int, after_s: int
) -> None:
    """Of a cross as soon as one of its legs is: the other may have a longer heartbeat."""
    feeds = service_specs()
    feeds["ETH/USD"] = replace(feeds["ETH/USD"], heartbeat_s=heartbeat_s)
    landed = OnchainView("t", feeds, grace=Grace(max_push_age_s=60, bump_after_s=15, round_s=10))
    landed.set_indexes(INDEXES)
    ages = {FEED: own_s, "ETH/USD": usd_s}
    seen = landed.by_feed(stored(*(ROUND_S - ages[f] for f in INDEXES)))
    now_s = ROUND_S + after_s
    grace_s = {60: 60, 3_600: 75}
    late = {f: now_s - (ROUND_S - ages[f]) > feeds[f].heartbeat_s + grace_s[feeds[f].heartbeat_s] for f in INDEXES}
    assert {f: now_s > seen[f].late_at_s for f in INDEXES} == late
    assert (now_s > seen["wdivETH/USD"].late_at_s) == any(late.values())


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(1, 3_600), st.integers(1, 3_600))
def test_a_store_that_accepts_old_batches_makes_nothing_late_later_than_two_heartbeats_or_a_round_and_two_bumps(
    heartbeat_s: int, age_s: int, bump_s: int, round_s: int
) -> None:
    grace = Grace(max_push_age_s=age_s, bump_after_s=bump_s, round_s=round_s)
    assert grace.of(heartbeat_s) <= max(heartbeat_s, 2 * bump_s + round_s)
    assert grace.of(heartbeat_s) <= age_s + bump_s
    assert grace.of(heartbeat_s) >= min(bump_s, heartbeat_s), "the control: a push has its time"


@pytest.mark.parametrize("age_s", [60, 600, 3_600])
def test_145_s_at_a_heartbeat_of_a_minute_are_late_by_default_whatever_the_store_accepts(age_s: int) -> None:
    section = TargetSection(chain="c", store="0x" + "55" * 20, max_push_age_s=age_s)
    grace = Grace(
        max_push_age_s=age_s, bump_after_s=section.bump_after_s, round_s=OracleSection().round_interval_s
    )  # fmt: skip
    assert 60 + grace.of(60) == 120
    assert 3_600 + grace.of(3_600) == 3_600 + min(3_600, age_s + 15), "a longer heartbeat waits for the push alone"


@pytest.mark.loopback
async def test_a_price_says_that_the_chain_is_behind_though_it_is_ok_itself(tmp_path: Path) -> None:
    world = ServiceWorld(tmp_path)
    newest = world.service.record(FEED)
    assert newest is not None
    held = OnChain(
        target="main", round_time_s=ROUND_S - 145, price_wad=newest.price_wad, landed_at_ms=None,
        tx_hash=None, late_at_s=ROUND_S - 145 + 135,
    )  # fmt: skip
    world.targets["main"].onchain = {FEED: held}
    for name, target in world.targets.items():
        target.current_status = replace(FINE, target=name)
    _, body = await served(world)
    found = {p["feed"]: p for p in body["prices"]}
    (there,) = found[FEED]["onchain"]
    assert (there["age_s"], there["late"], found[FEED]["heartbeat_s"]) == (145, True, 60)
    assert (found[FEED]["abstaining"], found[FEED]["onchain_missing"]) == (None, ["side"])
    world.targets["main"].onchain = {FEED: replace(held, late_at_s=ROUND_S + 5)}
    for target in world.targets.values():
        target.current_status = replace(FINE, feeds=())
    server = await serve(world.service, host="127.0.0.1", port=0, now_ms=lambda: world.at_ms, metrics=bytes)
    try:
        async with aiohttp.ClientSession() as session:
            tags, late = [], []
            for _ in range(3):
                async with session.get(f"{server.url}/v1/prices/{FEED}") as answer:
                    tags.append(answer.headers["ETag"])
                    late.append((await answer.json())["onchain"][0]["late"])
                world.at_ms += 3_000
    finally:
        await server.close()
    assert late == [False, False, True], "without a new round"
    assert tags[0] == tags[1] != tags[2]


def test_metrics_show_it_by_target_and_feed() -> None:
    metrics = Metrics(lambda: 0)
    metrics.chains.set(
        [replace(FINE, quorum=SignerQuorum(weight=1, threshold=2, missing=("b",)))],
        (ROUND_S + 145) * MS,
        ready=False,
        round_s=None,
    )
    seen = samples(metrics)
    assert seen["lrt_oracle_ready"] == 0
    feed = '{feed="wdivETH/ETH",target="main"}'
    names = ("onchain_age_seconds", "onchain_heartbeat_seconds", "onchain_late")
    assert [seen[f"lrt_oracle_{n}{feed}"] for n in names] == [145, 60, 1]
    names = ("target_connected", "target_look_age_seconds", "quorum_weight", "quorum_threshold", "quorum_missing")
    assert [seen[f'lrt_oracle_{n}{{target="main"}}'] for n in names] == [1, 145, 1, 2, 1]


@pytest.mark.parametrize(
    ("missed_at_s", "after_s", "missed"), [(None, 1_000, False), (ROUND_S + 75, 75, False), (ROUND_S + 75, 76, True)]
)
def test_a_missed_time_of_cron_warns_and_does_not_make_it_unready(
    missed_at_s: int | None, after_s: int, *, missed: bool
) -> None:
    now_ms = (ROUND_S + after_s) * MS
    feed = FeedOnTarget(
        feed=FEED, heartbeat_s=3_600, round_time_s=ROUND_S, late_at_s=ROUND_S + 3_700, held="paused",
        scheduled_s=ROUND_S, scheduled="2026-11-30 08:00 UTC", missed_at_s=missed_at_s,
    )  # fmt: skip
    seen = replace(FINE, feeds=(feed,), looked_at_ms=now_ms)
    assert list(seen.faults(now_ms)) == []
    text = f"target main: {FEED} has no price on chain of 2026-11-30 08:00 UTC (cron) or later: paused"
    assert list(seen.warnings(now_ms)) == ([text] if missed else [])
    assert list(replace(seen, sends=False).warnings(now_ms)) == []
    metrics = Metrics(lambda: 0)
    metrics.chains.set([seen], now_ms, ready=True, round_s=None)
    assert samples(metrics)[f'lrt_oracle_onchain_missed{{feed="{FEED}",target="main"}}'] == int(missed)
