"""Times of five-field cron expressions, always in UTC: no summer time, no clock of ours. Pure, but for a memory of results.

Fields: minute, hour, day of month, month, day of week. ``*``, ``5``, ``1-5``, ``1,3``, ``*/8``, ``2-20/3``; names as ``JAN`` and
``MON``; Sunday is 0 and 7. Beyond that ``L`` as day of month (its last day), ``LW`` (its last weekday), ``5L`` (its last Friday)
and ``5#3`` (its third). Where neither day field begins with ``*`` one of them is enough, else both must fit, as in Debian's cron.
Read by `cronsim <https://github.com/cuu508/cronsim>`_.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cronsim import CronSim, CronSimError

_FIELDS = ("minute", "hour", "day-of-month", "month", "day-of-week")
_TAKES = (
    "0 to 59",
    "0 to 23",
    "1 to 31 as the month has, L or LW",
    "1 to 12 or JAN to DEC",
    "0 to 7, SUN to SAT, 5L or 5#3",
)
_LONGEST = 200
_MINUTE_S = 60
_YEAR_DAYS = 365
_REMEMBERED = 4_096
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def cron_expression(text: str) -> str:
    """The expression as it is; ValueError says which field is wrong and what it takes."""
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            f'{text!r} has {len(parts)} fields: write five, minute hour day-of-month month day-of-week, "0 */8 * * *" say'
        )
    if len(text) > _LONGEST:
        raise ValueError(f"has {len(text)} characters, at most {_LONGEST}: write several expressions")
    try:
        next(CronSim(text, _ANY_DAY))
    except CronSimError as e:
        raise ValueError(_why_bad(text, parts, str(e))) from None
    except StopIteration:
        raise ValueError(f"{text!r} names no time: its day-of-month, month and day-of-week never meet") from None
    return text


def _why_bad(text: str, parts: Sequence[str], said: str) -> str:
    """The library names the field; a day that its month never has is a bad day-of-month as well."""
    field = said.removeprefix("Bad ")
    if field not in _FIELDS:
        return f"{text!r} is not a cron expression: {said}"
    at = _FIELDS.index(field)
    return f"{text!r}: its {field} {parts[at]!r} cannot be: write {_TAKES[at]}, with * , - and / as in cron"


def newest_s(expressions: Sequence[str], at_s: int) -> int | None:
    """The newest time at or before a moment, both Unix seconds; None without an expression."""
    minute = at_s // _MINUTE_S
    found = [newest for e in expressions if (newest := _newest_minute(e, minute)) is not None]
    return max(found) * _MINUTE_S if found else None


@lru_cache(maxsize=_REMEMBERED)
def _newest_minute(expression: str, minute: int) -> int | None:
    """Times are whole minutes: within one minute the answer is the same."""
    begun = datetime.fromtimestamp(minute * _MINUTE_S, UTC) + timedelta(seconds=1)
    newest = next(CronSim(expression, begun, reverse=True), None)
    return None if newest is None else int(newest.timestamp()) // _MINUTE_S


def coming_s(expressions: Sequence[str], after_s: int, number: int) -> list[int]:
    """The next times after a moment, ascending, Unix seconds; one that several expressions name counts once."""
    after = datetime.fromtimestamp(after_s, UTC)
    found: set[int] = set()
    for expression in expressions:
        times = CronSim(expression, after)
        found |= {int(moment.timestamp()) for _, moment in zip(range(number), times, strict=False)}
    return sorted(found)[:number]


def times_a_year(expressions: Sequence[str], from_s: int) -> int:
    """How many times the expressions name in the 365 days that begin with the day of a moment."""
    first = datetime.fromtimestamp(from_s, UTC)
    read = [CronSim(e, first) for e in expressions]
    total = 0
    for days in range(_YEAR_DAYS):
        day = (first + timedelta(days=days)).date()
        on_it = [r for r in read if day.month in r.months and r.match_day(day)]
        total += len({(hour, minute) for r in on_it for hour in r.hours for minute in r.minutes})
    return total


def moment_text(at_s: int) -> str:
    """A moment as people read it: ``2026-11-30 08:00 UTC``."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
