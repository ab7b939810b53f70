"""Cron times against a reader of its own that looks at every minute, and at what must be refused."""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.runtime.cron import coming_s, cron_expression, moment_text, newest_s, times_a_year

MINUTE_S, DAY_S = 60, 86_400
LOOKED_AT_S = 3 * DAY_S
NOON = calendar.timegm((2026, 11, 30, 12, 0, 0))
EDGES = [
    calendar.timegm(t)
    for t in ((2028, 2, 29, 23, 59, 30), (2027, 3, 1, 0, 0, 0), (2026, 12, 31, 23, 59, 59), (2026, 3, 29, 1, 30, 0),
              (2026, 10, 25, 1, 0, 0), (2100, 2, 28, 23, 59, 0), (2026, 5, 31, 12, 0, 1))
]  # fmt: skip
"""Leap days, ends of months and years, and the hours that summer time takes and gives."""
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True)
class Field:
    """A field as written, and the numbers that it means."""

    text: str
    means: frozenset[int]


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> Field:
    parts = draw(st.lists(terms(low, high), min_size=1, max_size=3))
    return Field(",".join(p.text for p in parts), frozenset().union(*(p.means for p in parts)))


@st.composite
def terms(draw: st.DrawFn, low: int, high: int) -> Field:
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    step = draw(st.integers(1, high))
    forms = {
        str(first): [first],
        f"{first}-{last}": range(first, last + 1),
        f"{first}-{last}/{step}": range(first, last + 1, step),
        f"*/{step}": range(low, high + 1, step),
    }
    if first == last:
        del forms[f"{first}-{last}/{step}"]  # a start alone with a step runs to the end, which is the next law
        forms[f"{first}/{step}"] = range(first, high + 1, step)
    text = draw(st.sampled_from(sorted(forms)))
    return Field(text, frozenset(forms[text]))


def whole(low: int, high: int) -> st.SearchStrategy[Field]:
    return st.just(Field("*", frozenset(range(low, high + 1)))) | fields(low, high)


@dataclass(frozen=True)
class Written:
    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field

    @property
    def text(self) -> str:
        return " ".join(f.text for f in (self.minute, self.hour, self.day, self.month, self.weekday))

    def names(self, at_s: int) -> bool:
        """Whether a minute is one of its times, read field by field."""
        t = time.gmtime(at_s)
        if t.tm_min not in self.minute.means or t.tm_hour not in self.hour.means or t.tm_mon not in self.month.means:
            return False
        by_day = t.tm_mday in self.day.means
        by_weekday = bool({(t.tm_wday + 1) % 7, (t.tm_wday + 1) % 7 or 7} & self.weekday.means)
        both = self.day.text.startswith("*") or self.weekday.text.startswith("*")
        return (by_day and by_weekday) if both else (by_day or by_weekday)


WRITTEN = st.builds(
    Written, minute=whole(0, 59), hour=whole(0, 23), day=whole(1, 31), month=whole(1, 12), weekday=whole(0, 7)
)
MOMENTS = st.sampled_from(EDGES) | st.integers(NOON - 400 * DAY_S, NOON + 4_000 * DAY_S)


def refusal(text: str) -> str | None:
    """Why a text is no expression; None where it is one."""
    try:
        cron_expression(text)
    except ValueError as e:
        return str(e)
    return None


@given(written=WRITTEN, at_s=MOMENTS)
def test_the_newest_and_the_next_time_are_those_that_every_minute_asked_alone_gives(
    written: Written, at_s: int
) -> None:
    text, refused = written.text, refusal(written.text)
    if refused is not None:
        days = {m: (29 if m == 2 else 30 if m in {4, 6, 9, 11} else 31) for m in written.month.means}
        assert all(d > n for d in written.day.means for n in days.values()) or "never meet" in refused
        return
    this_minute = at_s - at_s % MINUTE_S
    back = range(this_minute, this_minute - LOOKED_AT_S, -MINUTE_S)
    past = next((t for t in back if written.names(t)), None)
    newest = newest_s([text], at_s)
    assert newest == past if past is not None else (newest is None or newest <= this_minute - LOOKED_AT_S)
    ahead = [t for t in range(this_minute + MINUTE_S, at_s + LOOKED_AT_S, MINUTE_S) if written.names(t)][:3]
    coming = coming_s([text], at_s, 3)
    assert coming[: len(ahead)] == ahead
    assert all(t >= at_s + LOOKED_AT_S for t in coming[len(ahead) :])
    assert len(coming) == 3


@given(st.lists(WRITTEN, min_size=2, max_size=3), MOMENTS)
def test_several_expressions_are_their_union(many: list[Written], at_s: int) -> None:
    texts = [w.text for w in many if refusal(w.text) is None]
    single = [newest for t in texts if (newest := newest_s([t], at_s)) is not None]
    assert newest_s(texts, at_s) == max(single, default=None)
    ahead = sorted({t for e in texts for t in coming_s([e], at_s, 4)})
    assert coming_s(texts, at_s, 4) == ahead[:4]


@pytest.mark.parametrize(
    ("expression", "newest"),
    [
        ("* * * * *", "2026-11-30 12:00 UTC"),
        ("0 */8 * * *", "2026-11-30 08:00 UTC"),
        ("30 12 * * *", "2026-11-29 12:30 UTC"),
        ("0 0 29 2 *", "2024-02-29 00:00 UTC"),
        ("0 8 * * 5L", "2026-11-27 08:00 UTC"),
        ("0 8 * * FRI#3", "2026-11-20 08:00 UTC"),
        ("0 0 L * *", "2026-11-30 00:00 UTC"),
        ("0 0 LW OCT *", "2026-10-30 00:00 UTC"),
        ("0 0 1 jan *", "2026-01-01 00:00 UTC"),
        ("0 0 13 * 7", "2026-11-29 00:00 UTC"),
    ],
)
def test_what_the_grammar_names(expression: str, newest: str) -> None:
    found = newest_s([cron_expression(expression)], NOON)
    assert found is not None
    assert moment_text(found) == newest
    assert newest_s([expression], found) == found, "at its very second it is there"
    assert (newest_s([expression], found - 1) or 0) < found, "and not a second before"


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("", "has 0 fields: write five"),
        ("0 */8 * *", "has 4 fields: write five"),
        ("0 0 */8 * * *", "has 6 fields: write five"),
        ("@daily", "has 1 fields: write five"),
        ("60 * * * *", "its minute '60' cannot be: write 0 to 59"),
        ("* 24 * * *", "its hour '24' cannot be: write 0 to 23"),
        ("* * 0 * *", "its day-of-month '0' cannot be: write 1 to 31"),
        ("* * 30 2 *", "its day-of-month '30' cannot be: write 1 to 31"),
        ("* * * 13 *", "its month '13' cannot be: write 1 to 12"),
        ("* * * * 8", "its day-of-week '8' cannot be: write 0 to 7"),
        ("*/0 * * * *", "its minute '\\*/0' cannot be"),
        ("5-1 * * * *", "its minute '5-1' cannot be"),
        ("-5 * * * *", "its minute '-5' cannot be"),
        ("\u0663 * * * *", "its minute '\u0663' cannot be"),
        ("0 0 */31 2 MON#5", "names no time"),
        ("0 0 1 1 " + "1," * 200 + "1", "characters, at most 200"),
    ],
)
def test_what_is_no_expression_is_told_with_its_field(expression: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        cron_expression(expression)


@given(st.text(alphabet="0123456789*/-,LW#MONJAN ", max_size=30))
def test_any_text_is_read_or_refused_and_what_is_read_has_a_next_time(text: str) -> None:
    assert refusal(text) is not None or coming_s([text], NOON, 1)[0] > NOON


def test_times_a_year() -> None:
    assert times_a_year(["* * * * *"], NOON) == 365 * 1_440
    assert times_a_year(["0 */8 * * *", "0 0 * * *"], NOON) == 365 * 3, "a time of two expressions is one"
    assert times_a_year(["0 0 29 2 *"], NOON) == 0
    assert times_a_year(["0 8 * * 5L"], NOON) == 12
    assert times_a_year([], NOON) == 0
    assert newest_s([], NOON) is None
