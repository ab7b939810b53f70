"""Rewrites the measured parts of ``docs/methodology.md``: the tables between its markers, and its pictures.

``python -m lab.methodology [--docs DIR] [--data DIR] [--worlds N] [--years N]``. Without recorded series the cases are played
from the facts typed in; without matplotlib the pictures stay as they are.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.outcome import summary
from lab.outcome.replay import Replay, load_cases, replay
from lab.outcome.summary import SummaryRow, Worst
from lab.seeded.estimate import Estimate, compare_methods, count_alarms
from lab.seeded.world import SCENARIOS, Scenario
from lab.show import charts
from lab.show.plot import PlotError
from lab.show.replay_text import bps_text
from oracle.combine.methods.registry import METHODS

LIAR_METHODS = ("median", "trimmed_mean", "three_vote", "huber", "mean", "vwap", "dia_mair")
_HOURS_YEAR, _MINUTES_YEAR = 8_760, 525_600
_FINE_PART = 25
"""One in so many feed-years is played in rounds of a minute as well."""
_MARK = r"(<!-- begin {name}[^\n]*-->\n).*?(<!-- end {name} -->)"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m lab.methodology", description=__doc__)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--data", type=Path, help="folder of recorded series")
    parser.add_argument("--worlds", type=int, default=6, help="of each scenario")
    parser.add_argument("--years", type=int, default=100, help="honest feed-years in rounds of an hour")
    parser.add_argument(
        "--cases", action="store_true", help="the tables and pictures of cases alone: minutes, not an hour"
    )
    options = parser.parse_args()
    played = [replay(c) for c in load_cases("all", options.data)]
    file = options.docs / "methodology.md"
    if options.cases:
        parts = {"designs": designs_table(summary.table(played)), "cases": cases_table(played)}
        file.write_text(filled(file.read_text(encoding="utf-8"), parts), encoding="utf-8")
        charts.incidents(options.docs / charts.FOLDER, played)
        return
    filtered = compare_methods(SCENARIOS, range(options.worlds))
    bare = {k: compare_methods([_lying(k)], range(options.worlds), LIAR_METHODS, None) for k in range(4)}
    by_liars = {k: {m: e for (m, _), e in found.items()} for k, found in bare.items()}
    parts = {
        "designs": designs_table(summary.table(played)),
        "cases": cases_table(played),
        "methods": methods_table(filtered),
        "liars": liars_table(by_liars),
        "alarms": alarms_text(played, options.years),
    }
    file.write_text(filled(file.read_text(encoding="utf-8"), parts), encoding="utf-8")
    try:
        pictures(options.docs / charts.FOLDER, played, by_liars)
    except PlotError as e:
        print(e)  # noqa: T201 - a command


def pictures(folder: Path, played: Sequence[Replay], by_liars: Mapping[int, Mapping[str, Estimate]]) -> None:
    """Draw all of them anew."""
    folder.mkdir(exist_ok=True)
    charts.step(folder / "step.svg", 0)
    charts.liars(folder / "liars.svg", by_liars)
    charts.incidents(folder, played)


def filled(text: str, parts: Mapping[str, str]) -> str:
    """The document with each part between its markers.

    Raises:
        ValueError: the document has no markers for a part.
    """
    for name, part in parts.items():
        pattern = re.compile(_MARK.format(name=name), re.DOTALL)
        if not pattern.search(text):
            raise ValueError(
                f"the document has no markers for {name}: write <!-- begin {name} --> and <!-- end {name} -->"
            )
        text = pattern.sub(lambda m, part=part: f"{m[1]}\n{part}\n\n{m[2]}", text)  # type: ignore[misc]
    return text


def designs_table(rows: Sequence[SummaryRow]) -> str:
    """The worst of each design over all cases."""

    def cell(worst: Worst | None) -> str:
        if worst is None or not worst.value:
            return "-" if worst is None else bps_text(0)
        return f"{bps_text(worst.value)} ({worst.case})"

    def delay(row: SummaryRow) -> str:
        if row.delay is None or not row.delay.value:
            return "-" if row.delay is None else "0 s"
        return f"{row.delay.value // 1_000} s ({row.delay.case})"

    head = (
        "| design | cases | worst error | cases over 1 % | outside its spread | the same while ok | longest delay | missed "
        "| liquidated wrongly | under water | drained |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    body = [
        f"| {r.design} | {r.cases} | {cell(r.error)} | {r.over_100_bps} | {cell(r.excess)} | {cell(r.ok_excess)} | {delay(r)} "
        f"| {r.missed} | {r.wrong} | {r.under_water} | {r.drained} |"
        for r in rows
    ]
    return "\n".join([head, *body])


def cases_table(played: Sequence[Replay]) -> str:
    """The largest error of each design in each case."""
    names = list(dict.fromkeys(n for p in played for n in p.designs))
    head = f"| case | {' | '.join(names)} |\n|---|{'---|' * len(names)}"
    body = [
        f"| {p.case.name} | {' | '.join(bps_text(p.designs[n].error_bps) for n in names)} |"
        for p in played
        if p.designs and summary.is_summed(p.case)
    ]
    return "\n".join([head, *body])


def methods_table(found: Mapping[tuple[str, str], Estimate]) -> str:
    """Worst error of each method in each scenario; mean error while honest; delays of the step."""
    names = [s.name for s in SCENARIOS]
    step = names[-1]
    head = f"| method | mean, honest | {' | '.join(names)} | price follows | status says |\n|---|---|{'---|' * (len(names) + 2)}"
    body = [
        f"| {m} | {found[m, names[0]].mean_bps:.1f} | {' | '.join(_worst(found[m, n]) for n in names)} "
        f"| {_rounds(found[m, step].price_delay)} | {_rounds(found[m, step].status_delay)} |"
        for m in METHODS
    ]
    return "\n".join([head, *body])


def liars_table(found: Mapping[int, Mapping[str, Estimate]]) -> str:
    """Worst error by the number of liars, without a filter."""
    head = f"| method | breakdown | {' | '.join(f'{k} of 5 lie' for k in found)} |\n|---|---|{'---|' * len(found)}"
    body = [
        f"| {m} | {METHODS[m].breakdown_bps / 100:g} % | {' | '.join(_worst(found[k][m]) for k in found)} |"
        for m in LIAR_METHODS
    ]
    return "\n".join([head, *body])


def alarms_text(played: Sequence[Replay], years: int) -> str:
    """False alarms, recorded and simulated."""
    recorded, feed_years = summary.false_alarms(played)
    wrong, right, hour_years = count_alarms(range(years), _HOURS_YEAR, 3_600)
    halves = range(1_000, 1_000 + max(2, years * 2 // _FINE_PART))
    fine, fine_right, fine_years = count_alarms(halves, _MINUTES_YEAR // 2, 60)
    rows = [
        "| honest data | feed-years | false alarms | a feed and year | alarms while the discount was beyond the watch band |",
        "|---|---|---|---|---|",
        f"| honest cases, by their own bands | {feed_years:.2f} | {recorded} | {recorded / feed_years:.2f} | |",
        f"| simulated, rounds of an hour | {hour_years:.0f} | {wrong} | {wrong / hour_years:.2f} | {right} |",
        f"| simulated, rounds of a minute | {fine_years:.0f} | {fine} | {fine / fine_years:.2f} | {fine_right} |",
    ]
    return "\n".join(rows)


def _lying(count: int) -> Scenario:
    return Scenario(name=f"{count} of 5", liars=count, lie_bps=300)


def _worst(estimate: Estimate) -> str:
    silent = f" ({estimate.silent:.0%} silent)" if estimate.silent > 0.005 else ""  # noqa: PLR2004 - rounds to 0 %
    return f"{estimate.worst_bps:.0f}{silent}"


def _rounds(delay: int | None) -> str:
    return "-" if delay is None else str(delay)


if __name__ == "__main__":
    main()
