"""The expected results of a case, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lab.scenario.source_series import spans_of, time_of
from oracle.config.tables.schema import Problem
from oracle.model.status import Status, Why
from oracle.model.suggest import nearest

_WORDS = {s.word: s for s in Status}
_ABSTAIN_CODES = frozenset({w.name for w in Why})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedStatus:
    """A status that must be reached by a time, or may not be passed in an interval. Times: ms since the case began."""

    status: Status
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The expected results of our own pipeline.

    Attributes:
        by: the status is at least this at some moment of the interval.
        never: the status is never worse than this in the interval.
        most_changes: of the status, in the whole case.
        max_error_bps: how far a published price (status not halt) may be from the truth.
        below, above: no published market price reaches these (wad).
        codes: reasons that must have been given; rejected: codes with which sources must have been refused.
        refused: for a case about a config: text that the refusal must contain.
        abstains: no price at all may be published in these intervals.
        dearer: of a case with attacks: (bound in bps, base units) that nobody may move the price by for less.
    """

    by: tuple[ExpectedStatus, ...] = ()
    never: tuple[ExpectedStatus, ...] = ()
    most_changes: int | None = None
    max_error_bps: int | None = None
    below: int | None = None
    above: int | None = None
    codes: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    refused: str | None = None
    abstains: tuple[tuple[int, int], ...] = ()
    dearer: tuple[tuple[int, int], ...] = ()


_KEYS = frozenset(Expected.__dataclass_fields__)


def expected_of(table: Mapping[str, Any], began: int, length: int, problems: list[Problem]) -> Expected:
    """Read ``[expect]``; a case that expects nothing is a problem."""
    problems.extend(Problem(f"expect.{k}", f"unknown key; {nearest(k, _KEYS)}") for k in table if k not in _KEYS)
    if not table:
        problems.append(Problem("expect", "is empty: a case that cannot fail shows nothing"))
    codes = table.get("codes", [])
    problems.extend(Problem("expect.codes", f"{c!r} is not a reason") for c in codes if c not in _ABSTAIN_CODES)
    return Expected(
        by=_statuses(table, "by", began, length, problems),
        never=_statuses(table, "never", began, length, problems),
        most_changes=table.get("most_changes"),
        max_error_bps=table.get("max_error_bps"),
        below=_wad(table, "below"),
        above=_wad(table, "above"),
        codes=tuple(codes),
        rejected=tuple(table.get("rejected", [])),
        refused=table.get("refused"),
        dearer=tuple((int(bound), int(cost)) for bound, cost in table.get("dearer", [])),
        abstains=spans_of(table.get("abstains", []), began, "expect.abstains", problems),
    )


def _statuses(
    table: Mapping[str, Any], key: str, began: int, length: int, problems: list[Problem]
) -> tuple[ExpectedStatus, ...]:
    """Rows of [word], [word, until] or [word, from, until]."""
    out = []
    for i, (word, *times) in enumerate(table.get(key, [])):
        where = f"expect.{key}[{i}]"
        at = [time_of(t, began, where, problems) for t in times]
        start = at[0] if len(at) > 1 else 0
        stop = at[-1] if at else length
        if word not in _WORDS:
            problems.append(Problem(where, f"{word!r} is not a status; {nearest(str(word), _WORDS)}"))
        elif start is not None and stop is not None:
            out.append(ExpectedStatus(status=_WORDS[word], from_ms=start, to_ms=stop))
    return tuple(out)


def _wad(table: Mapping[str, Any], key: str) -> int | None:
    return int(Decimal(table[key]) * 10**18) if key in table else None
