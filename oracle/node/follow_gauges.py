"""What Prometheus scrapes of a node: how far behind it is, and how each of its sources is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from math import nan

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from feeds.units import MS
from oracle.follow.follower import RoundFollower
from oracle.follow.told_round import RefusedWhy
from oracle.model.spec import RULES_VERSION
from oracle.node.relay import RELAY_ENDS, OperatorRelay
from oracle.serve.http_gauges import HttpGauges
from oracle.serve.metric_catalog import counter_family, gauge_family, made_gauge


class FollowGauges(Collector):
    """The metrics of a follower, computed when they are scraped.

    Args:
        follower: whose.
        now_ms: the clock.
        streams: how many event streams are open.
        relay: what asks operators; None: they are not asked.

    Attributes:
        http: counts what the endpoint is asked.
    """

    def __init__(
        self,
        follower: RoundFollower,
        now_ms: Callable[[], int],
        streams: Callable[[], int],
        relay: OperatorRelay | None = None,
    ) -> None:
        self._follower, self._now_ms, self._streams, self._relay = follower, now_ms, streams, relay
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)
        self.http = HttpGauges(self._registry)
        build = made_gauge(self._registry, "build_info")
        build.labels(version("lrt-oracle"), str(RULES_VERSION), sys.version.split()[0]).set(1)

    def render(self) -> bytes:
        """The exposition, as text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        newest_s, now_s = self._follower.newest_s, self._now_ms() / MS
        states = self._follower.states
        yield gauge_family("follow_round_timestamp_seconds", {(): newest_s})
        yield gauge_family("follow_lag_seconds", {(): now_s - newest_s if newest_s else nan})
        yield gauge_family("follow_chain_unreadable", {(): bool(self._follower.sets.error)})
        yield gauge_family("follow_stream_readers", {(): self._streams()})
        yield gauge_family("follow_source_connected", {(s.name,): s.connected for s in states})
        yield gauge_family("follow_source_round_timestamp_seconds", {(s.name,): s.newest_s for s in states})
        yield counter_family("follow_source_verified", {(s.name,): s.verified for s in states})
        yield counter_family("follow_source_breaks", {(s.name,): s.breaks for s in states})
        refused: dict[tuple[str, ...], float] = {(s.name, w.value): s.refused[w] for s in states for w in RefusedWhy}
        yield counter_family("follow_source_refused", refused)
        relay = self._relay
        yield counter_family("follow_relayed", {(e,): 0 if relay is None else relay.counts[e] for e in RELAY_ENDS})
