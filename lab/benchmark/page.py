"""Rewrites the measured parts of ``docs/benchmark.md``: every design through the files and the scorer, as anybody would be.

``python -m lab.benchmark.page [--docs DIR] [--data DIR]``. Without recorded series the cases are those of the facts typed in.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from feeds.units import MS
from lab.benchmark.command import answered, benchmark_cases, exported
from lab.benchmark.score import Score, score
from lab.methodology import designs_table, filled
from lab.scenario.attack import BOUNDS_BPS, Cheapest, cost_units
from lab.scenario.case import HELD_OUT, TRAIN, Case


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m lab.benchmark.page", description=__doc__)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--data", type=Path, help="folder of recorded series")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        exported(folder / "cases", options.data)
        names = answered(folder / "answers", "all", options.data)
        found = [score(folder / "cases", folder / "answers" / name) for name in names]
    parts = {
        "held-out": designs_table([s.row(HELD_OUT) for s in found]),
        "train": designs_table([s.row(TRAIN) for s in found]),
        "costs": costs_table(found),
        "false alarms": alarms_table(found),
        "list": cases_table(benchmark_cases(options.data)),
    }
    file = options.docs / "benchmark.md"
    file.write_text(filled(file.read_text(encoding="utf-8"), parts), encoding="utf-8")


def alarms_table(found: Sequence[Score]) -> str:
    """False alarms of the oracles that have states, on honest data, a feed and year; and how much was published at all."""
    rows = [
        "| oracle | honest feed-years | false alarms | a feed and year | published, share of the time | usual spread stated |",
        "|---|---|---|---|---|---|",
    ]
    for s in found:
        alarms, years = s.false_alarms()
        share, spread = s.published()
        states = s.has_states and years
        told = f"{alarms} | {alarms / years:.2f}" if states else "has no states | -"
        rows.append(
            f"| {s.name} | {years:.2f} | {told} | {share:.1%} | {'none' if spread is None else f'{spread:.0f} bps'} |"
        )
    return "\n".join(rows)


def costs_table(found: Sequence[Score]) -> str:
    """What it cost to move what each oracle published, in each case of attacks and by each bound; for how long unsaid; with which sources."""
    names = list(found[0].costs()) if found else []
    heads = [f"{name.removeprefix('attack-')}, {bound / 100:g} %" for name in names for bound in BOUNDS_BPS]
    rows = [f"| oracle | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for s in found:
        costs = s.costs()
        rows.append(f"| {s.name} | {' | '.join(_cost(c) for name in names for c in costs[name])} |")
    return "\n".join(rows)


def _cost(found: Cheapest) -> str:
    attack = found.attack
    if attack is None:
        return "none"
    return f"{cost_units(attack):,}, {found.unsaid_ms // MS} s ({' + '.join(attack.sources)})"


def cases_table(cases: Sequence[Case]) -> str:
    """Every case with its part, its source and licence."""
    rows = ["| case | part | honest | series | source | licence |", "|---|---|---|---|---|---|"]
    for c in cases:
        kind = "recorded" if c.recorded else "typed facts"
        rows.append(
            f"| {c.name}: {c.title} | {c.part} | {'yes' if c.honest else ''} | {kind} | {c.source} | {c.licence} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
