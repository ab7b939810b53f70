"""The gauges of stake: made of the last reading when they are scraped. Ether as numbers, for alarms; exact amounts are in the API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from feeds.units import MS, WAD
from oracle.serve.metric_catalog import gauge_family
from oracle.serve.operators import OperatorsView
from oracle.serve.stake_documents import makes_no_set, names_of
from oracle.stake.follow import StakeView
from oracle.stake.secured.price import PriceSecurity


class StakeGauges(Collector):
    """Gauges of the set, of its operators, and of the operators of this process.

    Args:
        registry: where they are registered.
        now_ms: the clock.

    Attributes:
        view: asked at each scrape; None: there is no store.
        operators: for the names of operators; None: there are none.
    """

    def __init__(self, registry: CollectorRegistry, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.view: Callable[[], StakeView | None] = lambda: None
        self.operators: Callable[[], OperatorsView | None] = lambda: None
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: all is known at a scrape only."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All of them, as they were read last; none where no stake decides who signs."""
        view = self.view()
        if view is None or view.not_staked:
            return
        age_s = inf if view.read_ms is None else (self._now_ms() - view.read_ms) / MS
        yield gauge_family("stake_read_age_seconds", {(): age_s})
        if view.found is None or view.security is None:
            return
        named = names_of(view.found, self.operators())
        labels = _labels({o: name for o, (name, _) in named.items()})
        yield from _of_set(view.found)
        yield from _of_security(view.found, view.security)
        yield from _of_operators(view.found, labels)
        yield from _of_own(view.found, {o: labels[o] for o, (_, here) in named.items() if here})


def _of_set(found: Mapping[str, Any]) -> Iterator[Metric]:
    threshold, weight = int(found["threshold"]), int(found["total"])
    frozen = weight if found["frozen_total"] is None else int(found["frozen_total"])
    yield gauge_family("stake_rotate_due_timestamp_seconds", {(): found["rotate_due_s"]})
    yield gauge_family(
        "stake_set_expires_timestamp_seconds", {(): found["expires_s"]} if found["expires_s"] is not None else {}
    )
    yield gauge_family("stake_unarmed", {(): found["scheduled"] is not None and not found["scheduled"]["armed"]})
    yield gauge_family("stake_lost_ratio", {(): max(0, frozen - weight) / threshold})
    yield gauge_family("stake_spare_ratio", {(): (weight - threshold) / threshold})
    yield gauge_family("stake_open_cases", {(): sum(c["is_open"] for c in found["cases"])})
    yield gauge_family("stake_reports_missing", {(): sum(e["missing"] for e in found["rewards"])})


def _of_security(found: Mapping[str, Any], security: PriceSecurity) -> Iterator[Metric]:
    costs = {"two_contents": security.two_contents if security.by_stake else None, "false_price": security.false_price}
    yield gauge_family("stake_silent", {(): security.facts.silent or makes_no_set(found)})
    yield gauge_family("stake_slashable_ether", {(): security.slashable_wei / WAD})
    yield gauge_family("stake_complete", {(): security.is_complete})
    yield gauge_family(
        "stake_corruption_ether",
        {(what,): c.coalition.wei / WAD for what, c in costs.items() if c is not None and c.coalition},
    )


def _of_operators(found: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Metric]:
    rows = {(names[r["operator"]],): r for r in found["operators"]}
    total = int(found["total"])
    yield gauge_family("stake_operator_ether", {k: int(r["stake"]) / WAD for k, r in rows.items()})
    yield gauge_family("stake_operator_slashable_ether", {k: int(r["slashable"]) / WAD for k, r in rows.items()})
    yield gauge_family(
        "stake_operator_weight_ratio", {k: int(r["weight"]) / total if total else 0 for k, r in rows.items()}
    )


def _of_own(found: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Metric]:
    rows = {(names[r["operator"]],): r for r in found["operators"] if r["operator"] in names}
    least = int(found["least_stake"])
    accused = [c["operator"] for c in found["cases"] if c["is_open"]]
    yield gauge_family("stake_own_minimum_ratio", {k: int(r["stake"]) / least for k, r in rows.items()})
    yield gauge_family("stake_own_jailed", {k: r["jailed_until_s"] is not None for k, r in rows.items()})
    yield gauge_family("stake_own_next", {k: r["why_not"] is None for k, r in rows.items()})
    yield gauge_family("stake_own_open_cases", {k: accused.count(r["operator"]) for k, r in rows.items()})


def _labels(names: Mapping[str, str]) -> dict[str, str]:
    """A label for each operator: its name; where two have the same one, with its address."""
    counts = Counter(names.values())
    return {o: name if counts[name] == 1 else f"{name} {o}" for o, name in names.items()}
