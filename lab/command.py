"""What ``lrt-oracle replay`` does with its options."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feeds.units import MS
from lab.designs.registry import DESIGNS
from lab.outcome import summary
from lab.outcome.replay import Replay, ReplayError, Watcher, document, load_cases, replay, with_method
from lab.play.run import Moment
from lab.scenario.case import Case
from lab.scenario.user_data import DataOptions, UserDataError, user_case
from lab.show import plot, replay_text
from lab.show.html_report import write_report
from lab.show.plot import PlotError
from lab.show.round_export import round_writer
from lab.tables.table import SUFFIXES
from lab.tables.times import TableError
from oracle.combine.methods.registry import METHODS
from oracle.config.tables.schema import ConfigError
from oracle.model.suggest import nearest

USAGE_ERRORS = (ReplayError, UserDataError, PlotError, ConfigError, TableError)
Progress = Callable[[float], None]
_TOLD_EVERY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """The options.

    ``against``: names of designs with commas, all or none; ``own``: of one's own data; ``rounds``: a file for every round, with a price more by each of ``methods`` (names with commas, or all); ``report``: an HTML file;
    ``progress``: is told the part of the case that has been played.
    """

    method: str | None = None
    against: str = "all"
    picture: Path | None = None
    data: Path | None = None
    own: DataOptions = field(default_factory=DataOptions)
    rounds: Path | None = None
    methods: str = ""
    report: Path | None = None
    progress: Progress | None = None


def replayed(what: str, options: ReplayOptions) -> tuple[bool, dict[str, Any], list[str]]:
    """Replay the named cases: whether all results are as expected, the JSON document, the lines for people.

    Raises:
        ReplayError, UserDataError, PlotError, ConfigError, TableError: what is wrong with the options or files, and what to write.
    """
    if what.endswith(SUFFIXES):
        cases = [with_method(user_case(Path(what), options.own), options.method)]
    elif options.own != DataOptions():
        raise ReplayError(
            f"{what} is no table: options of one's own data (--columns, --set, --between, ...) are for {', '.join(SUFFIXES)}"
        )
    else:
        cases = [with_method(c, options.method) for c in load_cases(what, options.data)]
    if options.methods and options.rounds is None:
        raise ReplayError("--methods are columns of --rounds: name its file")
    for option, file in (("--plot", options.picture), ("--rounds", options.rounds)):
        if file is not None and len(cases) > 1:
            raise PlotError(f"{option} is of one case: name it")
    if options.picture is not None:
        plot.library()
    against = _designs(options.against)
    played = [_played(c, against, options) for c in cases]
    if options.picture is not None:
        plot.draw(played[0], options.picture)
    if options.report is not None:
        write_report(played, options.report)
    return all(p.passed for p in played), _document(played), _lines(played)


def _played(case: Case, against: tuple[str, ...], options: ReplayOptions) -> Replay:
    watchers: list[Watcher] = []
    with ExitStack() as opened:
        if options.rounds is not None:
            watchers.append(opened.enter_context(round_writer(case, options.rounds, _methods(options.methods))))
        if options.progress is not None:
            watchers.append(_told(case, options.progress))
        return replay(case, against, watchers)


def _told(case: Case, progress: Progress) -> Watcher:
    count = 0

    def tell(m: Moment) -> None:
        nonlocal count
        count += 1
        if count % _TOLD_EVERY == 0 or m.rounds > 1:
            progress(min(1.0, m.last_ms / max(MS, case.length_ms)))

    return tell


def _methods(text: str) -> tuple[str, ...]:
    names = tuple(METHODS) if text == "all" else tuple(filter(None, (n.strip() for n in text.split(","))))
    for name in names:
        if name not in METHODS:
            raise ReplayError(f"{name!r} is not a method; {nearest(name, METHODS)}")
    return names


def _designs(text: str) -> tuple[str, ...]:
    if text == "all":
        return tuple(DESIGNS)
    return () if text == "none" else tuple(name.strip() for name in text.split(","))


def _document(played: list[Replay]) -> dict[str, Any]:
    alarms, years = summary.false_alarms(played)
    return {
        "passed": all(p.passed for p in played),
        "cases": [document(p) for p in played],
        "worst": summary.document(summary.table(played)),
        "honest": {"alarms": alarms, "feed_years": round(years, 3)},
    }


def _lines(played: list[Replay]) -> list[str]:
    return replay_text.case_lines(played[0]) if len(played) == 1 else replay_text.all_lines(played)
