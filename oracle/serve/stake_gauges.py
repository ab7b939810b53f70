"""The gauges of stake: made of the last reading when they are scraped. Ether as numbers, for alarms; exact amounts are in the API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from feeds.units import MS, WAD
from oracle.serve.operators import OperatorsView
from oracle.serve.stake_documents import makes_no_set, names_of
from oracle.stake.follow import StakeView
from oracle.stake.secured.price import PriceSecurity

_OP = ("operator",)
Values = Mapping[tuple[str, ...], float]


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
        yield _gauge("read_age_seconds", "since the contracts of stake were read; infinite: never", {(): age_s})
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
    yield _gauge("rotate_due_timestamp_seconds", "from when on anybody may have the next set made",
                 {(): found["rotate_due_s"]})  # fmt: skip
    yield _gauge("set_expires_timestamp_seconds", "when the set in force signs nothing any more",
                 {(): found["expires_s"]} if found["expires_s"] is not None else {})  # fmt: skip
    yield _gauge("unarmed", "1: a set waits for its members' signatures",
                 {(): found["scheduled"] is not None and not found["scheduled"]["armed"]})  # fmt: skip
    yield _gauge("lost_ratio", "weight that was cut from the set in force, as a share of its threshold",
                 {(): max(0, frozen - weight) / threshold})  # fmt: skip
    yield _gauge("spare_ratio", "weight in force above the threshold, as a share of it; below 0: nothing can be sealed",
                 {(): (weight - threshold) / threshold})  # fmt: skip
    yield _gauge("open_cases", "cases that are not settled", {(): sum(c["is_open"] for c in found["cases"])})
    yield _gauge("reports_missing", "epochs that ended and were funded, without a report of their rewards",
                 {(): sum(e["missing"] for e in found["rewards"])})  # fmt: skip


def _of_security(found: Mapping[str, Any], security: PriceSecurity) -> Iterator[Metric]:
    costs = {"two_contents": security.two_contents if security.by_stake else None, "false_price": security.false_price}
    yield _gauge("silent", "1: the last freeze made no set, or one now would make none",
                 {(): security.facts.silent or makes_no_set(found)})  # fmt: skip
    yield _gauge("slashable_ether", "what can be slashed of the members in force", {(): security.slashable_wei / WAD})
    yield _gauge("complete", "1: every source answered for every member", {(): security.is_complete})
    yield _gauge("corruption_ether", "what those have at stake who can do it and have least to lose",
                 {(what,): c.coalition.wei / WAD for what, c in costs.items() if c is not None and c.coalition},
                 ("what",))  # fmt: skip


def _of_operators(found: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Metric]:
    rows = {(names[r["operator"]],): r for r in found["operators"]}
    total = int(found["total"])
    yield _gauge("operator_ether", "stake that counts", {k: int(r["stake"]) / WAD for k, r in rows.items()}, _OP)
    yield _gauge("operator_slashable_ether", "what of it can be slashed",
                 {k: int(r["slashable"]) / WAD for k, r in rows.items()}, _OP)  # fmt: skip
    yield _gauge("operator_weight_ratio", "its share of the weight in force",
                 {k: int(r["weight"]) / total if total else 0 for k, r in rows.items()}, _OP)  # fmt: skip


def _of_own(found: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Metric]:
    rows = {(names[r["operator"]],): r for r in found["operators"] if r["operator"] in names}
    least = int(found["least_stake"])
    accused = [c["operator"] for c in found["cases"] if c["is_open"]]
    yield _gauge("own_minimum_ratio", "stake of an operator of this process, as a share of what a member needs",
                 {k: int(r["stake"]) / least for k, r in rows.items()}, _OP)  # fmt: skip
    yield _gauge("own_jailed", "1: no freeze takes an operator of this process",
                 {k: r["jailed_until_s"] is not None for k, r in rows.items()}, _OP)  # fmt: skip
    yield _gauge("own_next", "1: a freeze now would take an operator of this process",
                 {k: r["why_not"] is None for k, r in rows.items()}, _OP)  # fmt: skip
    yield _gauge("own_open_cases", "cases against an operator of this process that are not settled",
                 {k: accused.count(r["operator"]) for k, r in rows.items()}, _OP)  # fmt: skip


def _labels(names: Mapping[str, str]) -> dict[str, str]:
    """A label for each operator: its name; where two have the same one, with its address."""
    counts = Counter(names.values())
    return {o: name if counts[name] == 1 else f"{name} {o}" for o, name in names.items()}


def _gauge(name: str, text: str, values: Values, label_names: tuple[str, ...] = ()) -> Metric:
    gauge = GaugeMetricFamily(f"lrt_oracle_stake_{name}", text, labels=label_names)
    for label_values, value in values.items():
        gauge.add_metric(label_values, float(value))
    return gauge
