"""What ``lrt-oracle replay`` does with its options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import plot, replay_text, summary
from lab.designs.registry import DESIGNS
from lab.plot import PlotError
from lab.replay import Replay, ReplayError, document, load_cases, replay, with_method
from lab.user_data import UserDataError, user_case
from oracle.config.tables.schema import ConfigError
from oracle.model.spec import FeedSpec

USAGE_ERRORS = (ReplayError, UserDataError, PlotError, ConfigError)
_TABLES = (".csv", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """The options: ``against`` as text, names with commas, all or none; ``columns`` as text; ``feed``: name for the user's data."""

    method: str | None = None
    against: str = "all"
    picture: Path | None = None
    data: Path | None = None
    columns: str = ""
    feed: str = "TOKEN/UNIT"
    like: FeedSpec | None = None


def replayed(what: str, options: ReplayOptions) -> tuple[bool, dict[str, Any], list[str]]:
    """Replay the named cases: whether all results are as expected, the JSON document, the lines for people.

    Raises:
        ReplayError, UserDataError, PlotError, ConfigError: what is wrong with the options or files, and what to write.
    """
    if what.endswith(_TABLES):
        cases = [with_method(user_case(Path(what), options.columns, options.feed, options.like), options.method)]
    else:
        cases = [with_method(c, options.method) for c in load_cases(what, options.data)]
    if options.picture is not None:
        plot.library()
        if len(cases) > 1:
            raise PlotError("a plot shows one case: name it")
    against = _designs(options.against)
    played = [replay(c, against) for c in cases]
    if options.picture is not None:
        plot.draw(played[0], options.picture)
    return all(p.passed for p in played), _document(played), _lines(played)


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
