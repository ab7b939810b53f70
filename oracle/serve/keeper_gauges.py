"""What a keeper has to do and has done, read when it is scraped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from oracle.model.duty_kind import DutyKind
from oracle.serve.metric_catalog import counter_family, gauge_family
from oracle.stake.due.duties import DutiesDue


class DutiesShown(Protocol):
    """A keeper, to be shown."""

    target: str
    due: DutiesDue
    gas_left: int
    freeze_gas: int
    gas_lacks: int

    @property
    def pays(self) -> bool:
        """Whether there is a gas key."""

    def now_s(self) -> int:
        """Unix s."""


class KeeperGauges(Collector):
    """Duties of a keeper.

    Args:
        registry: where they are registered.

    Attributes:
        keeper: asked at each scrape; None: there is none.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.keeper: DutiesShown | None = None
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: all is known at a scrape only."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are."""
        keeper = self.keeper
        if keeper is None:
            return
        oldest = gauge_family("keeper_due_seconds")
        hindered = gauge_family("keeper_hindered")
        for kind in DutyKind:
            since_s = keeper.due.oldest_s(kind)
            oldest.add_metric((keeper.target, kind.value), 0 if since_s is None else max(0, keeper.now_s() - since_s))
            count = sum(d.kind is kind and bool(d.hindered) for d in keeper.due.duties)
            hindered.add_metric((keeper.target, kind.value), count)
        yield oldest
        yield hindered
        calls = counter_family("keeper_calls")
        for (kind, outcome), count in keeper.due.counts.items():
            calls.add_metric((keeper.target, kind.value, outcome), count)
        yield calls
        left = gauge_family("keeper_gas_left")
        left.add_metric((keeper.target,), keeper.gas_left if keeper.pays else 0)
        yield left
        kept = gauge_family("keeper_freeze_gas")
        kept.add_metric((keeper.target,), keeper.freeze_gas)
        yield kept
        lacks = gauge_family("keeper_freeze_lacks_gas")
        lacks.add_metric((keeper.target,), keeper.gas_lacks)
        yield lacks
