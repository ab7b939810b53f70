"""Metrics: prices as gauges, ages that grow by themselves, counters that survive a restart of what they follow."""

from __future__ import annotations

import math
from dataclasses import replace

from feeds.chains.reader import RpcStats
from feeds.streams.ws import StreamHealth
from feeds.units import MS
from oracle.model.risk import LiveRisk, LiveRiskCode, RiskFact
from oracle.model.state import FeedState
from oracle.model.status import Status
from oracle.model.types import Abstained
from oracle.round.step import step
from oracle.serve.metrics import Metrics
from oracle.sign.messages import Refusal, RefusalCode
from tests.oracle.oracle_build import T0, failed, outcomes, spec
from tests.oracle.serve.exposition import samples
from tests.oracle.serve.memory_service import ROUND_S, record

STATS = RpcStats(
    requests=7, failures=1, failovers=2, splits=0, earlier_blocks=3, reorgs=1, bugs=0, lies=1, endpoints=()
)
STREAM = StreamHealth(
    venue="kraken",
    connected=True,
    connections=1,
    connects=3,
    frames=9,
    bad_frames={"MALFORMED": 2},
    last_frame_at_ms=T0,
    last_tick_at_ms={},
    silent=("A",),
    last_error=None,
)


class Clock:
    now_ms = T0

    def __call__(self) -> int:
        return self.now_ms


def test_a_round_sets_prices_and_counts_abstentions() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    quiet, _ = step(spec(min_groups=4), FeedState(), outcomes("1.04"), {}, T0)
    assert isinstance(quiet, Abstained)
    metrics.round_done([record("a/b", status=Status.DEPEG)], {"c/d": quiet}, durable_ms=30)
    by_name = samples(metrics)
    assert by_name['lrt_oracle_feed_price{feed="a/b",kind="redemption"}'] == 1.05
    assert by_name['lrt_oracle_feed_deviation_bps{feed="a/b"}'] == -96
    assert by_name['lrt_oracle_feed_status{feed="a/b",lrt_oracle_feed_status="depeg"}'] == 1
    assert by_name['lrt_oracle_feed_status{feed="a/b",lrt_oracle_feed_status="ok"}'] == 0
    assert by_name['lrt_oracle_abstentions_total{feed="c/d",reason="NO_QUORUM"}'] == 1
    assert by_name['lrt_oracle_round_durable_seconds_bucket{le="0.05"}'] == 1
    assert by_name['lrt_oracle_round_durable_seconds_bucket{le="0.025"}'] == 0
    clock.now_ms = (ROUND_S + 100) * MS
    assert samples(metrics)['lrt_oracle_feed_age_seconds{feed="a/b"}'] == 102


def test_sources_fail_by_code_and_age_by_themselves() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    metrics.observed("a/b", [*outcomes("1.04"), failed("bad")])
    clock.now_ms += 5_000
    by_name = samples(metrics)
    assert by_name['lrt_oracle_source_failures_total{code="NO_DATA",feed="a/b",source="bad"}'] == 1
    assert by_name['lrt_oracle_source_age_seconds{feed="a/b",source="kraken"}'] == 5


def test_counters_of_others_are_followed_and_never_fall() -> None:
    metrics = Metrics(Clock())
    metrics.snapshot([STREAM], {"local": STATS})
    metrics.snapshot([STREAM], {"local": replace(STATS, requests=9)})
    metrics.snapshot([], {"local": replace(STATS, requests=2)})
    by_name = samples(metrics)
    assert by_name['lrt_oracle_rpc_requests_total{chain="local"}'] == 11
    assert by_name['lrt_oracle_rpc_head_not_found_total{chain="local"}'] == 3
    assert by_name['lrt_oracle_ws_reconnects_total{venue="kraken"}'] == 2
    assert by_name['lrt_oracle_ws_bad_frames_total{code="MALFORMED",venue="kraken"}'] == 2
    assert by_name['lrt_oracle_ws_silent_symbols{venue="kraken"}'] == 1


def test_all_other_metrics_of_the_process() -> None:
    metrics = Metrics(Clock())
    metrics.live(1_500)
    metrics.head("local", T0)
    metrics.landed("main", 12_000)
    metrics.failed("main", "reverted")
    metrics.unpoked("main", "0x66")
    metrics.refused(Refusal(operator="alpha", code=RefusalCode.EQUIVOCATION, text=""))
    metrics.misfire("round")
    metrics.clock(-250, confirmed=True)
    metrics.streams(4, 1)
    metrics.streams(3, 2)
    by_name = samples(metrics)
    assert by_name['lrt_oracle_live_latency_seconds_bucket{le="0.0025"}'] == 1
    assert by_name['lrt_oracle_chain_head_timestamp_seconds{chain="local"}'] == T0 / MS
    assert by_name['lrt_oracle_receipt_seconds_bucket{le="12.0",target="main"}'] == 1
    assert by_name['lrt_oracle_pushes_landed_total{target="main"}'] == 1
    assert by_name['lrt_oracle_pushes_failed_total{reason="reverted",target="main"}'] == 1
    assert by_name['lrt_oracle_pokes_failed_total{target="main",view="0x66"}'] == 1
    assert by_name['lrt_oracle_signatures_refused_total{code="equivocation",operator="alpha"}'] == 1
    assert by_name['lrt_oracle_scheduler_misfires_total{job="round"}'] == 1
    assert by_name["lrt_oracle_clock_offset_seconds"] == -0.25
    assert by_name["lrt_oracle_stream_readers"] == 3
    assert by_name["lrt_oracle_stream_dropped_total"] == 2


def test_two_metrics_objects_are_independent() -> None:
    one, other = Metrics(Clock()), Metrics(Clock())
    one.misfire("round")
    assert not any(name.startswith("lrt_oracle_scheduler_misfires_total{") for name in samples(other))


def test_live_risks_are_gauges_and_the_worst_leg_of_a_code_counts() -> None:
    def fact(code: LiveRiskCode, of: str, *, raised: bool | None) -> RiskFact:
        return RiskFact(code=code, of=of, raised=raised, text="")

    group, chain, old = LiveRiskCode.ONE_GROUP_NOW, LiveRiskCode.ONE_CHAIN_NOW, LiveRiskCode.RATE_OLD_NOW
    facts = (
        fact(group, "a", raised=False), fact(group, "b", raised=True), fact(chain, "a", raised=None),
        fact(chain, "b", raised=False), fact(old, "a", raised=False),
    )  # fmt: skip
    metrics = Metrics(lambda: 0)
    metrics.risks("x/y", LiveRisk(round_time_s=1, facts=facts))
    assert (_risk(metrics, group), _risk(metrics, old)) == (1, 0)
    assert math.isnan(_risk(metrics, chain)), "an unknown is never a no"
    metrics.risks("x/y", LiveRisk(round_time_s=2, facts=tuple(replace(f, raised=False) for f in facts)))
    assert [_risk(metrics, c) for c in (group, chain, old)] == [0, 0, 0]


def _risk(metrics: Metrics, code: LiveRiskCode) -> float:
    return samples(metrics)[f'lrt_oracle_feed_risk_now{{code="{code}",feed="x/y"}}']
