"""A replay as lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from feeds.units import MS, wad_text
from lab.outcome.figures import Figures
from lab.outcome.measure import Outcome
from lab.outcome.replay import Replay
from lab.outcome.summary import SummaryRow, Worst, false_alarms, table
from lab.scenario.attack import Cheapest, cost_units
from lab.scenario.case import Case
from lab.scenario.expect import Expected
from oracle.model.status import Status

_PLACES = 6
_HUGE_BPS = 1_000_000
_MOST_CHANGES = 200
_LISTED = 8


def case_lines(played: Replay) -> list[str]:
    """Everything about one case."""
    case = played.case
    rows = [f"{case.name}: {case.title}{_stretch_text(case.stretch)}"]
    if case.expected != Expected():
        rows.append("  as expected" if played.passed else "  NOT AS EXPECTED")
    rows += [f"  ! {text}" for text in played.failures]
    if case.config:
        return [*rows, *(f"  the config is refused: {text}" for text in played.refused)]
    rows[0] += f"; {case.synthesised}" if case.own is not None else ""
    rows += _own_lines(case) if case.own is not None else [f"  made up: {case.synthesised}"]
    rows += _figure_lines(played)
    rows.append(_COLUMNS)
    rows += [_design_line(name, o, played.ranges[name]) for name, o in played.designs.items()]
    rows += [f"  {name}: {costs_text(o.cheapest)}" for name, o in played.designs.items() if o.cheapest]
    if case.own is not None and case.own.unknown:
        return [*rows, f"  status unknown: {case.own.unknown}"]
    rows += [
        f"  {_time(case.began_ms + c.t_ms)}  {c.before.word} -> {c.after.word}: {'; '.join(c.texts) or 'inside its bands'}"
        for c in played.changes[:_MOST_CHANGES]
    ]
    if len(played.changes) > _MOST_CHANGES:
        rows.append(f"  ... and {len(played.changes) - _MOST_CHANGES} changes more: --json has all")
    if played.changes:
        return rows
    though = ", though the market was not" if played.figures.unreached() is not None else ""
    though += "" if case.spec.has_redemption else "; no level was judged"
    return [*rows, f"  the status was {played.figures.first_status.word} throughout{though}"]


def _own_lines(case: Case) -> list[str]:
    own = case.own
    if own is None:
        return []
    return [f"  {case.facts}", f"  columns: {own.columns}", *(f"  note: {text}" for text in own.notes)]


def _figure_lines(played: Replay) -> list[str]:
    """What the replay came to, as sentences."""
    case, f = played.case, played.figures
    unknown = case.own is not None and bool(case.own.unknown)
    interval = "" if unknown else f" of {case.round_ms // MS} s"
    leapt = f", {f.leapt} of them proven to be like their neighbours" if f.leapt else ""
    rows = [f"  {f.rounds} rounds{interval}{leapt}"]
    if f.no_price_rounds:
        why = ", ".join(f"{code} {n}" for code, n in f.abstained.most_common(_LISTED))
        rows.append(f"  without a price: {f.no_price_rounds} rounds ({f.abstained_share:.2%}): {why}")
        rows += [
            f"    {code} first at {_time(case.began_ms + at)}: {text}" for code, (at, text) in f.abstained_first.items()
        ]
    if not unknown:
        lasted = ", ".join(f"{s.word} {_span(f.status_ms[s])}" for s in Status if f.status_ms[s])
        rows.append(f"  time in each status: {lasted}")
    if f.worst is not None:
        at = _time(case.began_ms + f.worst.t_ms)
        rows.append(f"  furthest from redemption, of rounds with a price: {f.worst.bps / 100:+.2f} % at {at}")
    if f.first_alarm is not None and not unknown:
        alarm = f.first_alarm
        rows.append(f"  first alarm: {alarm.status.word} at {_time(case.began_ms + alarm.t_ms)}{_delay_text(played)}")
    if f.first_depeg is not None and f.first_depeg != f.first_alarm and not unknown:
        late = f.first_depeg.delay_ms
        since = "" if late is None else f", {late // MS} s after the first round beyond the depeg band"
        rows.append(f"  first {f.first_depeg.status.word}: {_time(case.began_ms + f.first_depeg.t_ms)}{since}")
    if not unknown:
        rows += _unsaid_lines(case, f)
    if f.reasons:
        rows.append(f"  reasons given (rounds): {', '.join(f'{c} {n}' for c, n in f.reasons.most_common(_LISTED))}")
    if f.rejected:
        listed = ", ".join(f"{s} {c} {n}" for (s, c), n in f.rejected.most_common(_LISTED))
        rows.append(f"  refused (rounds): {listed}")
    return rows


def _unsaid_lines(case: Case, f: Figures) -> list[str]:
    """What the market did that the status does not say: too short for a dwell, or too late in the data for one."""
    bands = case.spec.bands
    dwells = {Status.WATCH: bands.watch_dwell_s, Status.DEPEG: bands.depeg_dwell_s}
    rows = []
    if (unreached := f.unreached()) is not None:
        level, rounds = unreached
        many = f"{rounds} round{'s' if rounds > 1 else ''}"
        rows.append(
            f"  beyond the {level.word} band without a {level.word}: {many}; it takes {dwells[level]} s of them, and two groups"
        )
    if f.unsettled is not None:
        rows.append(
            f"  NOT SETTLED: the data end beyond the {f.unsettled.word} band, before its dwell of {dwells[f.unsettled]} s was over"
        )
    return rows


def _delay_text(played: Replay) -> str:
    alarm, own = played.figures.first_alarm, played.case.own
    if alarm is None or alarm.delay_ms is None:
        return ""
    spacing = (
        f"; the market may have been there up to {_span(own.spacing_ms)} before its row"
        if own and own.spacing_ms > MS * 10
        else ""
    )
    return f", {alarm.delay_ms // MS} s after the first round beyond the watch band{spacing}"


def _span(ms: int) -> str:
    """A length of time in the two largest of its units."""
    parts: list[str] = []
    for name, size in (("d", 86_400 * MS), ("h", 3_600 * MS), ("min", 60 * MS), ("s", MS)):
        count, ms = divmod(ms, size)
        if count and len(parts) < 2:  # noqa: PLR2004 - two of them
            parts.append(f"{count} {name}")
    return " ".join(parts) or "0 s"


def all_lines(played: Sequence[Replay]) -> list[str]:
    """A line a case, and the table of the worst."""
    rows = []
    for p in played:
        mark = "ok  " if p.passed else "FAIL"
        rows.append(f"{mark}  {p.case.name:<28} {len(p.changes)} changes  {p.case.title}")
        rows += [f"      ! {text}" for text in p.failures]
    alarms, years = false_alarms(played)
    good = sum(p.passed for p in played)
    rows += ["", *map(_row_line, table(played)), ""]
    rows.append(f"{good} of {len(played)} cases as expected; {alarms} alarms in {years:.1f} honest feed-years")
    return rows


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


def costs_text(found: Sequence[Cheapest]) -> str:
    """What it cost to move what was published, unsaid, by each bound: base units and the sources that were moved for it."""
    return "; ".join(f"{c.bound_bps / 100:g} % costs {_cost_text(c)}" for c in found)


def _cost_text(found: Cheapest) -> str:
    attack = found.attack
    if attack is None:
        return "more than all that was tried"
    moved = f"{', '.join(attack.sources)} by {attack.moved_bps / 100:+g} %"
    return f"{cost_units(attack):,} ({moved}; unsaid for {found.unsaid_ms // MS} s at most)"


def bps_text(bps: int | None) -> str:
    """A distance; beyond a hundredfold as a factor."""
    if bps is None:
        return "-"
    return f"{bps} bps" if bps < _HUGE_BPS else f"x{bps // 10_000 + 1:.3g}"


def _stretch_text(factor: int) -> str:
    return f"; STRETCHED: ages, windows and dwells are {factor} times longer than in production" if factor > 1 else ""


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // MS, UTC).strftime("%Y-%m-%d %H:%M:%S")
