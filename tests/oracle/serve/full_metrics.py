"""Metrics with a sample of everything."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from aiohttp import web

from feeds.chains.endpoint import EndpointState, Head
from feeds.chains.reader import RpcStats
from feeds.streams.ws import StreamHealth
from feeds.types import Kind
from feeds.units import Bps, Wad
from oracle.chain.store_reads import StoreReads
from oracle.model.duty_kind import DutyKind
from oracle.model.risk import LiveRisk, LiveRiskCode, RiskFact
from oracle.model.state import FeedState
from oracle.model.types import Abstained
from oracle.round.reference_divergence import Divergence
from oracle.round.step import step
from oracle.serve.health_gauges import HealthShown
from oracle.serve.metrics import Metrics
from oracle.serve.process_gauges import KeyUse
from oracle.sign.messages import Refusal, RefusalCode
from oracle.watch.chain_words import ChainWords
from oracle.watch.duty import WatchDuty
from oracle.watch.endpoint_words import EndpointWords, SharedRounds
from oracle.watch.watcher import Watcher
from tests.oracle.oracle_build import failed, outcomes, spec
from tests.oracle.serve.endpoint_client import NOW_MS
from tests.oracle.serve.memory_service import ROUND_S, TARGET, record
from tests.oracle.serve.operators_world import seen
from tests.oracle.serve.shown_keeper import ShownKeeper
from tests.oracle.serve.stake_world import stake_view
from tests.oracle.watch.watch_world import HERE, memory_rows

STREAM = StreamHealth(
    venue="kraken", connected=True, connections=1, connects=3, frames=9, bad_frames={"MALFORMED": 2},
    last_frame_at_ms=NOW_MS, last_tick_at_ms={}, silent=("A",), last_error=None,
)  # fmt: skip


def _of_the_process(metrics: Metrics) -> None:
    metrics.process.database = Path(__file__)
    metrics.process.restarts = {"sources": 0}
    metrics.process.key("alice", KeyUse.OPEN)
    metrics.process.interval(10)
    metrics.health.shown = lambda: [HealthShown("disk", "critical"), HealthShown("clock", "warning")]
    metrics.outbox.publisher = SimpleNamespace(published=3, breaks=1, newest_s=7, error="", waiting=lambda: 2)
    metrics.config.start("0x01", ["applied"], 7.0)
    metrics.feeds.expect({"wdivETH/ETH": spec()})
    head = Head(chain_id=1, number=7, block_hash="0x07", time_ms=NOW_MS)
    metrics.endpoints.chains = {
        "local": (EndpointState(name="a.example", usable=True, head=head, error=None, lies=1, latency_ms=20.0),
                  EndpointState(name="a.example", usable=False, head=None, error=None, score=90)),
    }  # fmt: skip


async def _nothing(_: web.Request) -> web.Response:
    return web.Response()


def _of_the_endpoint(metrics: Metrics) -> None:
    app = web.Application()
    app.router.add_get("/readyz", _nothing)
    metrics.http.expect(app)


def _of_feeds_and_chains(metrics: Metrics) -> None:
    feed = "wdivETH/ETH"
    quiet, _ = step(spec(min_groups=4), FeedState(), outcomes("1.04"), {}, NOW_MS)
    assert isinstance(quiet, Abstained)
    metrics.round_done([record(feed)], {"ETH/USD": quiet}, durable_ms=30)
    metrics.observed(feed, [*outcomes("1.04"), failed("bad")])
    facts = tuple(RiskFact(code=code, of=feed, raised=False, text="") for code in LiveRiskCode)
    metrics.risks(feed, LiveRisk(round_time_s=1, facts=facts))
    metrics.references(
        Divergence(feed=feed, source="chainlink", provider="chainlink", against=kind, reference_wad=Wad(1),
                   own_wad=Wad(1), drift_bps=Bps(3))
        for kind in (Kind.MARKET, Kind.REDEMPTION)
    )  # fmt: skip
    metrics.live(1_500)
    metrics.clock(3, confirmed=True)
    metrics.balance("home", 10**18, 900)
    metrics.streams(1, 0)
    metrics.connections(1, {"refused": 1}, 0)
    metrics.chains.set([TARGET], NOW_MS, ready=True, round_s=ROUND_S)
    state = EndpointState(name="a.example", usable=True, head=None, error=None)
    stats = RpcStats(
        requests=1, failures=0, failovers=0, splits=0, earlier_blocks=0, reorgs=0, bugs=0, lies=0, endpoints=(state,)
    )
    metrics.snapshot([STREAM], {"local": stats})
    metrics.head("local", NOW_MS)


def full() -> Metrics:
    """Metrics of a process that has seen of everything a little."""
    metrics, view = Metrics(lambda: NOW_MS), seen()
    metrics.operators.view = metrics.stake.operators = lambda: view
    metrics.stake.view = stake_view
    metrics.expect(["home"])
    _of_feeds_and_chains(metrics)
    _of_the_process(metrics)
    _of_the_endpoint(metrics)
    metrics.landed("home", 3)
    metrics.staged("home", 1)
    metrics.announced("home", "heard")
    metrics.failed("home", "reverted")
    metrics.unpoked("home", "0x66")
    metrics.misbehaved("carol", "two_items")
    metrics.refused(Refusal(operator="alice", code=RefusalCode.MUTE, text="mute", feeds=(), address=b"\x01" * 20))
    metrics.misfire("round")
    metrics.held("late")
    watcher, store = Watcher(memory_rows(), lambda: NOW_MS), StoreReads(("http://127.0.0.1:1",), HERE)
    chain = ChainWords(store, watcher.rows, watcher.hear)
    metrics.rewards.roots = SimpleNamespace(posted=7, failed=2)
    endpoint = EndpointWords(
        "http://127.0.0.1:1", SharedRounds(), keys_of=lambda _: frozenset(), domains=(HERE,), hear=watcher.hear,
        now_ms=lambda: NOW_MS, keep_s=1,
    )  # fmt: skip
    metrics.watch.watch = WatchDuty(
        watcher, (), {"home": chain}, None, endpoints=(endpoint,), keep_s=1, now_ms=lambda: NOW_MS
    )
    metrics.keeper.keeper = ShownKeeper()
    metrics.keeper.keeper.due.count(DutyKind.ROTATE, "sent")
    return metrics
