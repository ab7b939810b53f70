"""The gauges of the operators: made of one view when they are scraped, so that who left the set leaves them as well."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from feeds.units import MS
from oracle.network.mesh.link_status import LinkPath
from oracle.network.tally import Percentiles, Step
from oracle.serve.operators import PATHS, OperatorRow, OperatorsView, labels

Value = Mapping[tuple[str, ...], float]
_OP = ("operator",)


class OperatorGauges(Collector):
    """Gauges by operator, and of the rounds that they agree on.

    Args:
        registry: where they are registered.

    Attributes:
        view: asked at each scrape; None: there are no operators.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.view: Callable[[], OperatorsView | None] = lambda: None
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: all is known at a scrape only."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are."""
        view = self.view()
        if view is None:
            return
        names = labels(view.rows)
        yield from _reach_gauges({names[r.address]: r for r in view.rows})
        yield from _round_gauges({names[r.address]: r for r in view.rows})
        yield from _store_metrics(view)


def _reach_gauges(rows: Mapping[str, OperatorRow]) -> Iterator[Metric]:
    links = {n: r.link for n, r in rows.items() if r.link is not None}
    yield _gauge("operator_here", "1: it signs in this process", _OP, {(n,): r.is_here for n, r in rows.items()})
    yield _gauge("operator_up", "1: it is here, or reached", _OP,
                 {(n,): r.path != LinkPath.NONE.value for n, r in rows.items()})  # fmt: skip
    yield _gauge("operator_build_info", "software of it, as it says; always 1", (*_OP, "version"),
                 {(n, r.build): True for n, r in rows.items() if r.build})  # fmt: skip
    yield _gauge("operator_path", "1: it is reached like this", (*_OP, "path"),
                 {(n, p): r.path == p for n, r in rows.items() for p in PATHS[:-1]})  # fmt: skip
    yield _gauge("operator_weight", "in the signer set of the newest round", _OP,
                 {(n,): r.weight for n, r in rows.items() if r.weight is not None})  # fmt: skip
    yield _gauge("operator_round_trip_seconds", "shortest of the last pings", _OP,
                 {(n,): s.round_trip_ms / MS for n, s in links.items() if s.round_trip_ms is not None})  # fmt: skip
    yield _gauge("operator_clock_offset_seconds", "how far its clock is ahead of ours", _OP,
                 {(n,): s.clock_offset_ms / MS for n, s in links.items() if s.clock_offset_ms is not None})  # fmt: skip
    yield _counter("operator_messages_refused", "its messages that counted for nothing", _OP,
                   {(n,): r.refused[0] for n, r in rows.items()})  # fmt: skip


def _round_gauges(rows: Mapping[str, OperatorRow]) -> Iterator[Metric]:
    shares: dict[tuple[str, ...], float] = {}
    late: dict[tuple[str, ...], float] = {}
    for n, row in rows.items():
        h = row.hour
        taken = (
            (Step.VALUES, h.values, h.watched),
            (Step.READY, h.ready, h.watched),
            (Step.SIGNATURE, h.signed, h.rounds),
        )
        shares |= {(n, step.value): count / of for step, count, of in taken if of}
        late |= _late(n, Step.VALUES, h.values_late) | _late(n, Step.SIGNATURE, h.signed_late)
    yield _gauge("operator_rounds_ratio", "share of the last hour's rounds with its values, readiness, signature",
                 (*_OP, "what"), shares)  # fmt: skip
    yield _gauge("operator_late_seconds", "when its values and signature come, from the round's start, last hour",
                 (*_OP, "what", "percentile"), late)  # fmt: skip
    yield _gauge("operator_missing_rounds", "rounds of the last hour by the first step that it did not take",
                 (*_OP, "what"), {(n, s.value): r.hour.missing.get(s, 0) for n, r in rows.items() for s in Step})  # fmt: skip
    yield _gauge("operator_missing_now", "newest sealed rounds in a row without its signature", _OP,
                 {(n,): r.hour.run for n, r in rows.items()})  # fmt: skip
    yield _gauge("operator_apart_feeds", "feeds of the newest sealed round that it did not vouch for", _OP,
                 {(n,): r.hour.apart_now for n, r in rows.items()})  # fmt: skip
    yield _gauge("operator_led_attempts", "attempts of the last hour that it led, by what came of them", (*_OP, "end"),
                 {(n, end): count for n, r in rows.items()
                  for end, count in (("sealed", r.hour.led_sealed), ("lost", r.hour.led - r.hour.led_sealed))})  # fmt: skip
    yield _gauge("operator_evidence", "what was found against it in the last hour, by kind", (*_OP, "kind"),
                 {(n, kind): count for n, r in rows.items() for kind, count in r.hour.evidence.items()})  # fmt: skip


def newer(rows: Iterable[OperatorRow]) -> int:
    """How many operators of other processes run a newer version than those of this one; what is no version counts as old."""
    known = [(r.is_here, _numbers(r.build)) for r in rows]
    own = max((numbers for is_here, numbers in known if is_here), default=())
    return sum(numbers > own for is_here, numbers in known if not is_here) if own else 0


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split("+", maxsplit=1)[0].split(".")
    return tuple(int(p) for p in parts) if all(p.isdecimal() for p in parts) else ()


def _late(name: str, step: Step, times: Percentiles) -> dict[tuple[str, ...], float]:
    return {
        (name, step.value, percentile): ms / MS
        for percentile, ms in (("50", times.p50_ms), ("99", times.p99_ms))
        if ms is not None
    }


def _store_metrics(view: OperatorsView) -> Iterator[Metric]:
    target = ("target",)
    for name, text, total in (
        ("rounds_sealed", "rounds that a store's operators sealed", "sealed"),
        ("round_attempts", "attempts that rounds took", "attempts"),
    ):
        yield _counter(name, text, target, {(view.target,): view.totals.get(total, 0)})
    newest = view.hour.newest
    if newest is not None:
        yield _gauge("signer_set_threshold", "weight that signs a round, of the set of the newest one", target,
                     {(view.target,): newest.signers.threshold})  # fmt: skip
    yield _gauge("operators_newer", "operators of other processes with newer software than ours", (),
                 {(): newer(view.rows)})  # fmt: skip
    if newest is not None and newest.signers.expires_s is not None:
        yield _gauge("signer_set_expires_timestamp_seconds", "when the signer set of the newest round expires", target,
                     {(view.target,): newest.signers.expires_s})  # fmt: skip
    yield _gauge("operator_warnings", "what is wrong with the operators of this process: see /readyz", (),
                 {(): len(view.warnings)})  # fmt: skip


def _gauge(name: str, text: str, label_names: tuple[str, ...], values: Value) -> Metric:
    gauge = GaugeMetricFamily(f"lrt_oracle_{name}", text, labels=label_names)
    for label_values, value in values.items():
        gauge.add_metric(label_values, value)
    return gauge


def _counter(name: str, text: str, label_names: tuple[str, ...], totals: Value) -> Metric:
    counter = CounterMetricFamily(f"lrt_oracle_{name}", text, labels=label_names)
    for label_values, total in totals.items():
        counter.add_metric(label_values, total)
    return counter
