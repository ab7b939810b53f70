"""Metrics of the process itself, of its endpoints and of what alarms compare: there from the start, and by what they are about."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from feeds.chains.endpoint import EndpointState, Head
from feeds.chains.reader import RpcStats
from feeds.units import MS
from oracle.model.spec import RULES_VERSION
from oracle.model.state import FeedState
from oracle.model.types import FeedRound, FoldedFeed
from oracle.model.unready import Unready
from oracle.round.step import step
from oracle.runtime.supervise import Supervisor
from oracle.serve.metrics import Metrics
from oracle.serve.operator_gauges import newer
from oracle.serve.own_state import show_health, show_keys
from oracle.sign.eip712 import address_of
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.oracle_build import T0, outcomes, spec
from tests.oracle.serve.exposition import samples
from tests.oracle.serve.memory_service import TARGET, MemoryService
from tests.oracle.serve.operators_world import seen
from tests.oracle.sign.sign_world import KEYS

STATS = RpcStats(
    requests=0, failures=0, failovers=0, splits=0, earlier_blocks=0, reorgs=0, bugs=0, lies=0, endpoints=()
)


def fresh() -> Metrics:
    return Metrics(lambda: T0)


def test_what_runs_here_is_told_with_its_process() -> None:
    found = samples(fresh())
    (build,) = [name for name in found if name.startswith("lrt_oracle_build_info{")]
    assert f'rules_version="{RULES_VERSION}"' in build
    if sys.platform == "linux":
        assert found["process_resident_memory_bytes"] > 0
        assert found["process_start_time_seconds"] > 0


def test_every_reason_is_there_from_the_start_and_falls_again() -> None:
    metrics = fresh()
    assert {samples(metrics)[f'lrt_oracle_unready{{reason="{r.value}"}}'] for r in Unready} == {0}
    health = replace(
        MemoryService({}).health(), unready=frozenset({Unready.HELD}), targets=(replace(TARGET, pending=2),)
    )
    show_health(metrics, health, T0)
    found = samples(metrics)
    assert [r for r in Unready if found[f'lrt_oracle_unready{{reason="{r.value}"}}']] == [Unready.HELD]
    assert found[f'lrt_oracle_pushes_pending{{target="{TARGET.target}"}}'] == 2
    show_health(metrics, replace(health, unready=frozenset()), T0)
    assert samples(metrics)['lrt_oracle_unready{reason="held"}'] == 0


def test_what_a_key_can_do_is_one_of_four(tmp_path: Path) -> None:
    def made(name: str, key: int, *, mute_ms: int) -> Operator:
        journal = SignJournal(tmp_path / f"{name}.db", address_of(KEYS[key]), now_ms=T0, mute_ms=mute_ms)
        return Operator(name, KEYS[key], journal, bound_bps=100)

    operators = [made("a", 0, mute_ms=0), made("b", 1, mute_ms=90_000), made("c", 2, mute_ms=0)]
    operators[2].silenced = "its key spoke from another process"
    metrics = fresh()
    show_keys(metrics.process, operators, ["d"], T0)
    found = samples(metrics)
    uses = ("open", "mute", "elsewhere", "closed")
    shown = {n: [u for u in uses if found[f'lrt_oracle_operator_key{{operator="{n}",use="{u}"}}']] for n in "abcd"}
    assert shown == {"a": ["open"], "b": ["mute"], "c": ["elsewhere"], "d": ["closed"]}
    operators[2].silenced = ""
    show_keys(metrics.process, operators, ["d"], T0 + 91_000)
    assert samples(metrics)['lrt_oracle_operator_key{operator="c",use="open"}'] == 1
    for operator in operators:
        operator.journal.close()


def test_files_and_disk_are_those_of_the_database(tmp_path: Path) -> None:
    metrics = fresh()
    assert not any("disk" in name for name in samples(metrics)), "nothing on disk"
    metrics.process.database = tmp_path / "oracle.db"
    metrics.process.database.write_bytes(bytes(11))
    metrics.process.database.with_name("oracle.db-wal").write_bytes(bytes(3))
    found = samples(metrics)
    assert found['lrt_oracle_database_bytes{file="main"}'] == 11
    assert found['lrt_oracle_database_bytes{file="wal"}'] == 3
    assert 'lrt_oracle_database_bytes{file="shm"}' not in found
    disk = os.statvfs(tmp_path)
    assert found["lrt_oracle_disk_size_bytes"] == disk.f_blocks * disk.f_frsize
    metrics.process.written(0.3)
    assert samples(metrics)['lrt_oracle_database_write_seconds_bucket{le="0.25"}'] == 0


async def test_a_task_that_ends_is_counted_and_every_task_is_there_before() -> None:
    counted = asyncio.Event()

    async def ends() -> None:
        raise RuntimeError("a fault")

    async def stays() -> None:
        await asyncio.Event().wait()

    async def pause(_: float) -> None:
        counted.set()
        await stays()

    supervisor, metrics = Supervisor({"ends": ends, "stays": stays}, sleep=pause), fresh()
    metrics.process.restarts = supervisor.restarts
    names = [f'lrt_oracle_task_restarts_total{{task="{task}"}}' for task in ("ends", "stays")]
    assert [samples(metrics)[n] for n in names] == [0, 0]
    running = asyncio.create_task(supervisor.run())
    await counted.wait()
    assert [samples(metrics)[n] for n in names] == [1, 0]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_endpoints_are_told_by_host_and_never_by_address() -> None:
    head = Head(chain_id=1, number=7, block_hash="0x07", time_ms=T0)
    good = EndpointState(name="rpc.example", usable=True, head=head, error=None, lies=2)
    metrics = fresh()
    metrics.snapshot([], {"home": replace(STATS, endpoints=(good, replace(good, usable=False, head=None, lies=0)))})
    found = samples(metrics)
    labels = ['chain="home",endpoint="rpc.example"', 'chain="home",endpoint="rpc.example#2"']
    assert [found[f"lrt_oracle_rpc_endpoint_up{{{x}}}"] for x in labels] == [1, 0]
    assert [found[f"lrt_oracle_rpc_endpoint_lies_total{{{x}}}"] for x in labels] == [2, 0]
    assert found[f"lrt_oracle_rpc_endpoint_head_timestamp_seconds{{{labels[0]}}}"] == T0 / MS


def test_a_feed_has_limits_and_groups_before_and_after_its_first_round() -> None:
    feed = spec()
    metrics = fresh()
    metrics.feeds.expect({feed.feed: feed})
    label = f'{{feed="{feed.feed}"}}'
    found = samples(metrics)
    assert found[f"lrt_oracle_feed_abstains{label}"] == 1
    assert found[f"lrt_oracle_feed_groups_needed{label}"] == feed.min_groups
    result, after = step(feed, FeedState(), outcomes("1.04"), {}, T0)
    assert isinstance(result, FeedRound)
    metrics.feeds.folded([FoldedFeed(operator="a", spec=feed, before=FeedState(), after=after, result=result)])
    metrics.feeds.abstains(feed.feed, now=False)
    found = samples(metrics)
    assert result.market is not None
    assert found[f"lrt_oracle_feed_groups{label}"] == result.market.groups_behind > feed.min_groups
    assert found[f"lrt_oracle_feed_abstains{label}"] == 0


def test_pushes_cost_and_looks_are_no_failed_pushes() -> None:
    metrics = fresh()
    metrics.expect(["home"])
    assert samples(metrics)['lrt_oracle_pushes_failed_total{reason="FeeTooHigh",target="home"}'] == 0
    metrics.pushes.spent("home", 3 * 10**17)
    metrics.pushes.look_failed("home", "ChainError")
    found = samples(metrics)
    assert found['lrt_oracle_push_fees_ether_total{target="home"}'] == pytest.approx(0.3)
    assert found['lrt_oracle_target_looks_failed_total{reason="ChainError",target="home"}'] == 1
    assert {v for k, v in found.items() if k.startswith("lrt_oracle_pushes_failed_total{")} == {0}


def test_newer_software_of_others_is_counted_and_older_is_not() -> None:
    rows = seen().rows
    here, other = next(r for r in rows if r.is_here), next(r for r in rows if not r.is_here)
    own = replace(here, build="0.9.1")
    assert [newer((own, replace(other, build=b))) for b in ("0.10.0", "0.9.1", "0.9", "", "odd")] == [1, 0, 0, 0, 0]
    assert newer((replace(here, build=""), replace(other, build="9"))) == 0
