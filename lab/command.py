"""What ``lrt-oracle replay`` does with its options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import plot, replay_text, summary
from lab.designs.registry import DESIGNS
from lab.plot import PlotError
from lab.replay import Played, ReplayError, chosen, document, play, with_method
from lab.user_data import UserDataError, user_case
from oracle.config.tables.schema import ConfigError
from oracle.model.spec import FeedSpec

USAGE_ERRORS = (ReplayError, UserDataError, PlotError, ConfigError)
_TABLES = (".csv", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """The options: ``against`` as text, names with commas, all or none; ``columns`` as text; ``feed``: name of one's own data."""

    method: str | None = None
    against: str = "all"
    picture: Path | None = None
    data: Path | None = None
    columns: str = ""
    feed: str = "TOKEN/UNIT"
    like: FeedSpec | None = None


def replayed(what: str, asked: ReplayOptions) -> tuple[bool, dict[str, Any], list[str]]:
    """Play what was asked for: whether all came out as expected, the JSON document, the lines for people.

    Raises:
        ReplayError, OwnDataError, PlotError, ConfigError: it cannot be done as asked, and what to write.
    """
    if what.endswith(_TABLES):
        found = [with_method(user_case(Path(what), asked.columns, asked.feed, asked.like), asked.method)]
    else:
        found = [with_method(c, asked.method) for c in chosen(what, asked.data)]
    if asked.picture is not None:
        plot.library()
        if len(found) > 1:
            raise PlotError("a plot shows one case: name it")
    against = _designs(asked.against)
    played = [play(c, against) for c in found]
    if asked.picture is not None:
        plot.draw(played[0], asked.picture)
    return all(p.passed for p in played), _document(played), _lines(played)


def _designs(text: str) -> tuple[str, ...]:
    if text == "all":
        return tuple(DESIGNS)
    return () if text == "none" else tuple(name.strip() for name in text.split(","))


def _document(played: list[Played]) -> dict[str, Any]:
    alarms, years = summary.false_alarms(played)
    return {
        "passed": all(p.passed for p in played),
        "cases": [document(p) for p in played],
        "worst": summary.document(summary.table(played)),
        "honest": {"alarms": alarms, "feed_years": round(years, 3)},
    }


def _lines(played: list[Played]) -> list[str]:
    return replay_text.case_lines(played[0]) if len(played) == 1 else replay_text.all_lines(played)
