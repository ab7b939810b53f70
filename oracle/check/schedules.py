"""What the cron expressions of the targets mean: the next times, how many a year, and how near to them a round can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from oracle.config.resolve import ResolvedConfig
from oracle.push.due import PushPolicy
from oracle.runtime.cron import coming_s, moment_text, times_a_year

_SHOWN = 3
_MINUTE_S = 60


def schedule_rows(resolved: ResolvedConfig, now_s: int) -> Iterator[dict[str, Any]]:
    """One row for each schedule of each target: the feeds that it is for, its next times, and how many a year.

    Args:
        resolved: the checked config.
        now_s: Unix seconds: times after it are shown.
    """
    for name, target in resolved.config.targets.items():
        policy = PushPolicy(cron=target.cron, cron_by_feed=target.cron_by_feed)
        feeds: dict[tuple[str, ...], list[str]] = {}
        for feed in resolved.pushed:
            feeds.setdefault(policy.schedule_of(feed), []).append(feed)
        for schedule, scheduled in feeds.items():
            if schedule:
                yield {
                    "target": name,
                    "cron": list(schedule),
                    "feeds": scheduled,
                    "next": [moment_text(at_s) for at_s in coming_s(schedule, now_s, _SHOWN)],
                    "times_a_year": times_a_year(schedule, now_s),
                }


def schedule_line(row: dict[str, Any]) -> str:
    """The same for people."""
    return (
        f"target {row['target']}: cron {' | '.join(row['cron'])} for {', '.join(row['feeds'])}: next {', '.join(row['next'])};"
        f" at most {row['times_a_year'] * len(row['feeds'])} prices a year for it"
    )


def schedule_notes(resolved: ResolvedConfig) -> Iterator[str]:
    """Where no round lies on a full minute, a price cannot be of the very second."""
    interval_s = resolved.config.oracle.round_interval_s
    for name, target in resolved.config.targets.items():
        if (target.cron or any(own for _, own in target.cron_by_feed)) and _MINUTE_S % interval_s:
            yield (
                f"target {name}: a round is made every {interval_s} s, not on every full minute: a price for a time of cron is of"
                f" up to {interval_s - 1} s after it; a round_interval_s that divides {_MINUTE_S} gives one of that second"
            )
