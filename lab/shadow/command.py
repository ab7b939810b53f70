"""What ``lrt-oracle shadow report`` does with its options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feeds.errors import LrtOracleError
from lab.shadow.feed_report import FeedReport, ReportTerms, ShadowReference
from lab.shadow.pictures import draw, write_html
from lab.shadow.rounds import stored_rounds
from lab.shadow.text import report_lines
from lab.show.plot import PlotError, library
from oracle.config.resolve import ResolvedConfig
from oracle.config.shadow import compared_with, own_threshold_of
from oracle.model.suggest import nearest
from oracle.storage.database import Database

VERSION = 1
"""Of the document: a key that changes its meaning, or goes, makes another one."""
Progress = Callable[[float], None]
_TOLD_EVERY = 500


class ShadowReportError(LrtOracleError, ValueError):
    """There is nothing to report: why, and what to write."""


USAGE_ERRORS = (ShadowReportError, PlotError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowReportOptions:
    """The options. ``feeds``: none are all; ``from_s``, ``to_s``: round_time, both ends included; ``progress`` is told the part that has been read."""

    feeds: tuple[str, ...] = ()
    from_s: int = 0
    to_s: int = 1 << 40
    terms: ReportTerms = field(default_factory=ReportTerms)
    page: Path | None = None
    picture: Path | None = None
    progress: Progress | None = None


def shadow_report(
    resolved: ResolvedConfig, database: Database, name: str, options: ShadowReportOptions
) -> tuple[dict[str, Any], list[str]]:
    """The document, and the lines for people.

    Args:
        resolved: the config: which references there are, and what they are compared with.
        database: the rounds.
        name: of the database, for people.
        options: see there.

    Raises:
        ShadowReportError, PlotError: what is wrong with the options or the database, and what to write.
    """
    feeds = options.feeds or tuple(f for f in resolved.specs if database.operators(f))
    for feed in feeds:
        if feed not in resolved.specs:
            raise ShadowReportError(f"{feed!r} is not a feed of the config; {nearest(feed, resolved.specs)}")
        if resolved.specs[feed].is_cross:
            legs = " and ".join(resolved.specs[feed].legs)
            raise ShadowReportError(f"{feed} is a cross and has no rounds of its own: report {legs}")
    if not feeds:
        raise ShadowReportError(f"{name} has no round of a feed of the config: run `lrt-oracle shadow run` first")
    if options.picture is not None:
        if len(feeds) > 1:
            raise ShadowReportError(f"--plot is of one feed: name it with --feed, one of {', '.join(feeds)}")
        library()
    reports = [_report(resolved, database, feed, options.terms) for feed in feeds]
    documents = [
        _read(report, database, options, done=i / len(feeds), part=1 / len(feeds)) for i, report in enumerate(reports)
    ]
    if not any(d["rounds"] for d in documents):
        raise ShadowReportError(f"{name} has no round of {', '.join(feeds)} in that time: {_kept(reports, database)}")
    if options.picture is not None:
        draw(reports[0], options.picture)
    if options.page is not None:
        write_html(reports, documents, options.page)
    document = {"version": VERSION, "database": name, "feeds": documents}
    return document, report_lines(document)


def _report(resolved: ResolvedConfig, database: Database, feed: str, terms: ReportTerms) -> FeedReport:
    references = [
        ShadowReference(name=n, side=side, threshold=own_threshold_of(resolved, feed, n))
        for n, side in compared_with(resolved, feed).items()
    ]
    operators = database.operators(feed)
    return FeedReport(
        spec=resolved.specs[feed],
        interval_s=resolved.config.oracle.round_interval_s,
        references=references,
        terms=terms,
        operator=operators[0] if operators else "",
        others=len(operators) > 1,
    )


def _read(
    report: FeedReport, database: Database, options: ShadowReportOptions, *, done: float, part: float
) -> dict[str, Any]:
    span = database.round_span(report.operator, report.spec.feed) or (0, 0)
    first_s, last_s = max(span[0], options.from_s), min(span[1], options.to_s)
    names = [r.name for r in report.references]
    rounds = stored_rounds(database, report.operator, report.spec, names, (first_s, last_s))
    count = 0

    def tell(at_s: int) -> None:
        nonlocal count
        count += 1
        if options.progress is not None and (count % _TOLD_EVERY == 0 or at_s == last_s):
            options.progress(done + part * (at_s - first_s + 1) / (last_s - first_s + 1))

    return report.read(rounds, tell)


def _kept(reports: Sequence[FeedReport], database: Database) -> str:
    spans = [s for r in reports if (s := database.round_span(r.operator, r.spec.feed)) is not None]
    if not spans:
        return "none is stored"
    return f"those from {min(s[0] for s in spans)} to {max(s[1] for s in spans)} are stored"
