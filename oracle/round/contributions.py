"""What each member contributes to a round: the reports that it can sign, and the reasons that it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oracle.model.status import Reason
from oracle.model.types import FeedRound, Report, Result


def signable_reports(results: Mapping[str, Result]) -> dict[str, Report]:
    """What a member can sign, by feed: a round's report, or the status-only one of a round without a price."""
    reports = {feed: r.report if isinstance(r, FeedRound) else r.kept for feed, r in results.items()}
    return {feed: report for feed, report in reports.items() if report is not None}


def reasons_for(results: Sequence[Result], report: Report) -> tuple[Reason, ...]:
    """Reasons of the operators that report this status; every reason code once."""
    by_code: dict[int, Reason] = {}
    for result in results:
        for reason in _reasons_of(result, report):
            by_code.setdefault(reason.code, reason)
    return tuple(by_code.values())


def _reasons_of(result: Result, report: Report) -> tuple[Reason, ...]:
    if isinstance(result, FeedRound):
        return result.verdict.reasons if result.report.status is report.status else ()
    if report.status_only and result.kept is not None and result.kept.status is report.status:
        return (*result.reasons, Reason(code=result.why, text=result.text))
    return ()
