"""The gauges of the operators: made of one view when they are scraped, so that who left the set leaves them as well."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from feeds.units import MS
from oracle.network.mesh.link_status import LinkPath
from oracle.network.tally import Percentiles, Step
from oracle.serve.metric_catalog import counter_family, gauge_family
from oracle.serve.operators import PATHS, OperatorRow, OperatorsView, labels


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
    yield gauge_family("operator_here", {(n,): r.is_here for n, r in rows.items()})
    yield gauge_family("operator_up", {(n,): r.path != LinkPath.NONE.value for n, r in rows.items()})
    yield gauge_family("operator_build_info", {(n, r.build): True for n, r in rows.items() if r.build})
    yield gauge_family("operator_path", {(n, p): r.path == p for n, r in rows.items() for p in PATHS[:-1]})
    yield gauge_family("operator_weight", {(n,): r.weight for n, r in rows.items() if r.weight is not None})
    yield gauge_family(
        "operator_round_trip_seconds",
        {(n,): s.round_trip_ms / MS for n, s in links.items() if s.round_trip_ms is not None},
    )
    yield gauge_family(
        "operator_clock_offset_seconds",
        {(n,): s.clock_offset_ms / MS for n, s in links.items() if s.clock_offset_ms is not None},
    )
    yield counter_family("operator_messages_refused", {(n,): r.refused[0] for n, r in rows.items()})


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
    yield gauge_family("operator_rounds_ratio", shares)
    yield gauge_family("operator_late_seconds", late)
    yield gauge_family(
        "operator_missing_rounds", {(n, s.value): r.hour.missing.get(s, 0) for n, r in rows.items() for s in Step}
    )
    yield gauge_family("operator_missing_now", {(n,): r.hour.run for n, r in rows.items()})
    yield gauge_family("operator_apart_feeds", {(n,): r.hour.apart_now for n, r in rows.items()})
    yield gauge_family(
        "operator_led_attempts",
        {
            (n, end): count
            for n, r in rows.items()
            for end, count in (("sealed", r.hour.led_sealed), ("lost", r.hour.led - r.hour.led_sealed))
        },
    )
    yield gauge_family(
        "operator_evidence", {(n, kind): count for n, r in rows.items() for kind, count in r.hour.evidence.items()}
    )


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
    for name, total in (("rounds_sealed", "sealed"), ("round_attempts", "attempts")):
        yield counter_family(name, {(view.target,): view.totals.get(total, 0)})
    newest = view.hour.newest
    if newest is not None:
        yield gauge_family("signer_set_threshold", {(view.target,): newest.signers.threshold})
    yield gauge_family("operators_newer", {(): newer(view.rows)})
    if newest is not None and newest.signers.expires_s is not None:
        yield gauge_family("signer_set_expires_timestamp_seconds", {(view.target,): newest.signers.expires_s})
    yield gauge_family("operator_warnings", {(): len(view.warnings)})
