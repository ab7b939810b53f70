"""All cases in one table: the worst of each design, and in which case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.outcome.measure import Outcome
from lab.outcome.replay import Replay
from lab.scenario.case import Case

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """A figure in bps or ms and the case that it comes from."""

    value: int
    case: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow:
    """One design over all cases with a truth, but for those of attacks.

    ``cases``: with at least one published price. ``excess``: outside of the stated spread, None where none is stated;
    ``ok_excess``: the same while the status was ok. ``delay``: of the events shown; ``missed``: those never shown.
    ``wrong`` and ``under_water``: positions, summed; ``drained``: cases.
    """

    design: str
    cases: int
    error: Worst | None
    excess: Worst | None
    ok_excess: Worst | None
    over_100_bps: int
    delay: Worst | None
    missed: int
    wrong: int
    under_water: int
    drained: int


def table(played: Sequence[Replay]) -> list[SummaryRow]:
    """One row a design, ours first."""
    designs = list(dict.fromkeys(name for p in played for name in p.designs))
    return [_row(name, played) for name in designs]


def _row(design: str, played: Sequence[Replay]) -> SummaryRow:
    return row_of(
        design, [(p.case.name, p.designs[design]) for p in played if design in p.designs and is_summed(p.case)]
    )


def is_summed(case: Case) -> bool:
    """Whether a case counts in such a table: it has a truth. A ladder of attacks tells one thing only, its cost."""
    return case.truth is not None and not case.attacks


def row_of(design: str, found: Sequence[tuple[str, Outcome]]) -> SummaryRow:
    """One design over cases with a truth, each with its name."""

    def worst(field: str) -> Worst | None:
        known = [(getattr(o, field), name) for name, o in found if getattr(o, field) is not None]
        value, name = max(known, default=(None, ""))
        return None if value is None else Worst(value=value, case=name)

    harms = [o.harm for _, o in found if o.harm is not None]
    return SummaryRow(
        design=design,
        cases=sum(o.error_bps is not None for _, o in found),
        error=worst("error_bps"),
        excess=worst("excess_bps"),
        ok_excess=worst("ok_excess_bps"),
        over_100_bps=sum((o.error_bps or 0) > 100 for _, o in found),  # noqa: PLR2004 - one percent
        delay=worst("delay_ms"),
        missed=sum(o.missed for _, o in found),
        wrong=sum(h.wrong for h in harms),
        under_water=sum(h.under_water for h in harms),
        drained=sum(h.drained for h in harms),
    )


def false_alarms(played: Sequence[Replay]) -> tuple[int, float]:
    """Alarms (changes to a worse status) in the honest cases, and the feed-years they cover."""
    honest = [p for p in played if p.case.honest]
    count = sum(c.after > c.before for p in honest for c in p.changes)
    return count, sum(p.case.length_ms for p in honest) / (365 * _DAY_MS)


def document(rows: Sequence[SummaryRow]) -> list[dict[str, Any]]:
    """The table as JSON."""

    def plain(worst: Worst | None) -> dict[str, Any] | None:
        return None if worst is None else {"value": worst.value, "case": worst.case}

    return [
        {
            "design": r.design,
            "cases": r.cases,
            "error_bps": plain(r.error),
            "excess_bps": plain(r.excess),
            "ok_excess_bps": plain(r.ok_excess),
            "cases_over_100_bps": r.over_100_bps,
            "delay_ms": plain(r.delay),
            "missed": r.missed,
            "wrong_liquidations": r.wrong,
            "under_water": r.under_water,
            "drained": r.drained,
        }
        for r in rows
    ]
