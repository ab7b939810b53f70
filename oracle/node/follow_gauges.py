"""What Prometheus scrapes of a node: how far behind it is, and how each of its sources is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from feeds.units import MS
from oracle.follow.follower import RoundFollower
from oracle.follow.told_round import RefusedWhy
from oracle.node.relay import RELAY_ENDS, OperatorRelay

_PREFIX = "lrt_oracle_follow_"


class FollowGauges(Collector):
    """The metrics of a follower, computed when they are scraped.

    Args:
        follower: whose.
        now_ms: the clock.
        streams: how many event streams are open.
        relay: what asks operators; None: they are not asked.
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

    def render(self) -> bytes:
        """The exposition, as text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        newest_s, now_s = self._follower.newest_s, self._now_ms() / MS
        yield self._gauge("round_timestamp_seconds", "round_time of the newest verified round", newest_s)
        yield self._gauge("lag_seconds", "since that round_time", now_s - newest_s if newest_s else float("nan"))
        blind = 1 if self._follower.sets.error else 0
        yield self._gauge("chain_unreadable", "1 while the store's chain cannot be read", blind)
        yield self._gauge("stream_readers", "open event streams", self._streams())
        label = ["source"]
        up = GaugeMetricFamily(_PREFIX + "source_connected", "1 while the stream of a source is open", labels=label)
        round_s = GaugeMetricFamily(
            _PREFIX + "source_round_timestamp_seconds", "newest round of a source that verified", labels=label
        )
        verified = CounterMetricFamily(_PREFIX + "source_verified", "rounds that a source told first", labels=label)
        breaks = CounterMetricFamily(_PREFIX + "source_breaks", "how often its stream broke", labels=label)
        refused = CounterMetricFamily(
            _PREFIX + "source_refused", "rounds of a source that do not verify", labels=["source", "why"]
        )
        for state in self._follower.states:
            up.add_metric([state.name], int(state.connected))
            round_s.add_metric([state.name], state.newest_s)
            verified.add_metric([state.name], state.verified)
            breaks.add_metric([state.name], state.breaks)
            for why in RefusedWhy:
                refused.add_metric([state.name, why], state.refused[why])
        yield from (up, round_s, verified, breaks, refused)
        asked = CounterMetricFamily(
            _PREFIX + "relayed", "questions to operators, by what became of them", labels=["end"]
        )
        for end in RELAY_ENDS:
            asked.add_metric([end], 0 if self._relay is None else self._relay.counts[end])
        yield asked

    @staticmethod
    def _gauge(name: str, text: str, value: float) -> Metric:
        return GaugeMetricFamily(_PREFIX + name, text, value=value)
