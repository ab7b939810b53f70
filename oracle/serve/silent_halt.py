"""A feed of which no round has come for too long is shown halted, as operators halt one that is silent. Pure."""

from __future__ import annotations

from dataclasses import replace

from feeds.units import MS
from oracle.model.publication import Record
from oracle.model.spec import FeedSpec
from oracle.model.status import Reason, Status
from oracle.serve.documents import Abstaining


def as_shown(spec: FeedSpec, record: Record, abstaining: Abstaining | None, now_ms: int) -> Record:
    """The last record; where its price is ``halt_after_s`` old and no newer one is here, with the status of a halt.

    Prices, times and what was sealed stay as they were: it is the shown status that says not to rely on them.

    Args:
        spec: the feed.
        record: its last record, or its indication.
        abstaining: why there is no newer one.
        now_ms: the clock, Unix ms.
    """
    report = record.report
    if abstaining is None or not record.final or report.status is Status.HALT:
        return record
    priced_ms = record.observed_at_ms if report.status_only else report.round_time_s * MS
    if now_ms - priced_ms < spec.halt_after_s * MS:
        return record
    reason = Reason(code=abstaining.why, text=f"no price for {spec.halt_after_s} s or longer: {abstaining.text}")
    halted = replace(report, status=Status.HALT, why=abstaining.why.klass, status_only=True)
    return replace(record, report=halted, reasons=(reason, *record.reasons))
