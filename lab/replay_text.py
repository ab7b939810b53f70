"""A replay as lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from feeds.units import MS, wad_text
from lab.expect import Expected
from lab.measure import Outcome
from lab.replay import Replay, ranges
from lab.summary import SummaryRow, Worst, false_alarms, table

_PLACES = 6
_HUGE_BPS = 1_000_000


def case_lines(played: Replay) -> list[str]:
    """Everything about one case."""
    case = played.case
    rows = [f"{case.name}: {case.title}"]
    if case.expected != Expected():
        rows.append("  as expected" if played.passed else "  NOT AS EXPECTED")
    rows += [f"  ! {text}" for text in played.failures]
    if case.config:
        return [*rows, *(f"  the config is refused: {text}" for text in played.refused)]
    rows.append(f"  {len(played.moments)} rounds of {case.cadence_ms // MS} s{_stretch_text(case.stretch)}")
    rows.append(f"  made up: {case.synthesised}")
    rows.append(_COLUMNS)
    ranges_by_design = ranges(played)
    rows += [_design_line(name, o, ranges_by_design[name]) for name, o in played.designs.items()]
    rows += [
        f"  {_time(case.began_ms + c.t_ms)}  {c.before.word} -> {c.after.word}: {'; '.join(c.texts) or 'inside its bands'}"
        for c in played.changes
    ]
    return rows if played.changes else [*rows, f"  the status was {played.moments[0].status.word} throughout"]


def all_lines(played: Sequence[Replay]) -> list[str]:
    """A line a case, and the table of the worst."""
    rows = []
    for p in played:
        mark = "ok  " if p.passed else "FAIL"
        stretch = f"  x{p.case.stretch}" if p.case.stretch > 1 else ""
        rows.append(f"{mark}  {p.case.name:<28} {len(p.changes)} changes{stretch}  {p.case.title}")
        rows += [f"      ! {text}" for text in p.failures]
    alarms, years = false_alarms(played)
    good = sum(p.passed for p in played)
    rows += ["", *map(_row_line, table(played)), ""]
    rows.append(f"{good} of {len(played)} cases as expected; {alarms} alarms in {years:.1f} honest feed-years")
    return [
        *rows,
        "xN: ages, windows and dwells are N times longer than in production, for the facts are so much rarer",
    ]


_COLUMNS = (
    f"  {'design':<17} {'prices':<24} {'error':>10} {'outside':>10} {'delay':>9}  liquidated wrongly / under water"
)


def _design_line(name: str, o: Outcome, price_range: tuple[int, int] | None) -> str:
    low, high = ("-", "-") if price_range is None else (wad_text(w, _PLACES) for w in price_range)
    harm = "" if o.harm is None else f"{o.harm.wrong} / {o.harm.under_water}{', drained' if o.harm.drained else ''}"
    delay = "missed" if o.missed else ("" if o.delay_ms is None else f"{o.delay_ms // MS} s")
    prices = low if low == high else f"{low}..{high}"
    return f"  {name:<17} {prices:<24} {bps_text(o.error_bps):>10} {bps_text(o.excess_bps):>10} {delay:>9}  {harm}"


def _row_line(row: SummaryRow) -> str:
    def cell(worst: Worst | None) -> str:
        return "-" if worst is None else bps_text(worst.value)

    delay = "-" if row.delay is None else f"{row.delay.value // MS} s"
    return (
        f"{row.design:<17} worst error {cell(row.error):>9}, over 1 % in {row.over_100_bps:>2} cases; outside its spread "
        f"{cell(row.excess):>9} (while ok {cell(row.ok_excess)}); delay {delay:>6}, missed {row.missed}; "
        f"wrong {row.wrong}, under water {row.under_water}, drained {row.drained}"
    )


def bps_text(bps: int | None) -> str:
    """A distance; beyond a hundredfold as a factor."""
    if bps is None:
        return "-"
    return f"{bps} bps" if bps < _HUGE_BPS else f"x{bps // 10_000 + 1:.3g}"


def _stretch_text(factor: int) -> str:
    return f": ages, windows and dwells are {factor} times longer than in production" if factor > 1 else ""


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // MS, UTC).strftime("%Y-%m-%d %H:%M:%S")
