"""Metrics with a sample of everything."""

from __future__ import annotations

from types import SimpleNamespace

from oracle.chain.store_reads import StoreReads
from oracle.model.duty_kind import DutyKind
from oracle.serve.metrics import Metrics
from oracle.sign.messages import Refusal, RefusalCode
from oracle.watch.chain_words import ChainWords
from oracle.watch.duty import WatchDuty
from oracle.watch.endpoint_words import EndpointWords, SharedRounds
from oracle.watch.watcher import Watcher
from tests.oracle.serve.endpoint_client import NOW_MS
from tests.oracle.serve.operators_world import seen
from tests.oracle.serve.shown_keeper import ShownKeeper
from tests.oracle.serve.stake_world import stake_view
from tests.oracle.watch.watch_world import HERE, memory_rows


def full() -> Metrics:
    """Metrics of a process that has seen of everything a little."""
    metrics, view = Metrics(lambda: NOW_MS), seen()
    metrics.operators.view = metrics.stake.operators = lambda: view
    metrics.stake.view = stake_view
    metrics.expect(["home"])
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
