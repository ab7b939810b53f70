"""The gauges by RPC endpoint. An endpoint's label is its host: its address may hold a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from feeds.chains.endpoint import EndpointState
from feeds.units import MS
from oracle.serve.metric_catalog import counter_family, gauge_family


class EndpointGauges(Collector):
    """Gauges by chain and endpoint.

    Args:
        registry: where they are registered.

    Attributes:
        chains: endpoints of each chain as they stand.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.chains: Mapping[str, tuple[EndpointState, ...]] = {}
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: all is known at a scrape only."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are."""
        up = gauge_family("rpc_endpoint_up")
        head = gauge_family("rpc_endpoint_head_timestamp_seconds")
        latency = gauge_family("rpc_endpoint_latency_seconds")
        score = gauge_family("rpc_endpoint_score")
        lies = counter_family("rpc_endpoint_lies")
        for chain, states in self.chains.items():
            for name, state in _named(states):
                up.add_metric((chain, name), state.usable)
                score.add_metric((chain, name), state.score)
                lies.add_metric((chain, name), state.lies)
                if state.latency_ms is not None:
                    latency.add_metric((chain, name), state.latency_ms / MS)
                if state.head is not None:
                    head.add_metric((chain, name), state.head.time_ms / MS)
        yield from (up, head, latency, score, lies)


def _named(states: Iterable[EndpointState]) -> Iterator[tuple[str, EndpointState]]:
    """A label for each: its host; of several at one host the second is `host#2`."""
    seen = Counter[str]()
    for state in states:
        seen[state.name] += 1
        yield state.name if seen[state.name] == 1 else f"{state.name}#{seen[state.name]}", state
