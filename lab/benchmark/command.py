"""What ``lrt-oracle benchmark`` does: write the cases, write answers of designs, score answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.benchmark.export import export, write_answers
from lab.benchmark.layout import BenchmarkError
from lab.benchmark.score import Score, score
from lab.designs.registry import DESIGNS
from lab.outcome.measure import OURS
from lab.scenario import case as cases
from lab.scenario.case import PARTS, Case
from lab.show.replay_text import bps_text, costs_text
from oracle.config.tables.schema import ConfigError
from oracle.model.suggest import nearest

_FORM = "{:<17} {:<9} {:>5} {:>10} {:>4} {:>9} {:>9} {:>8} {:>6} {:>5} {:>5} {:>7} {:>9} {:>6} {:>6}"
USAGE_ERRORS = (BenchmarkError, ConfigError)


def benchmark_cases(data: Path | None) -> list[Case]:
    """The cases that are about prices, with the recorded series where they are given."""
    loaded = (cases.load(cases.CASES / f"{name}.toml", data) for name in cases.names())
    return [c for c in loaded if not c.config]


def exported(folder: Path, data: Path | None) -> list[str]:
    """Write all cases; returns their names.

    Raises:
        BenchmarkError: the folder cannot be written.
    """
    found = benchmark_cases(data)
    try:
        for case in found:
            export(case, folder)
    except OSError as e:
        raise BenchmarkError(f"{folder}: {e.strerror or e}") from None
    return [c.name for c in found]


def answered(folder: Path, designs: str, data: Path | None) -> list[str]:
    """Write what designs answer, FOLDER/DESIGN/CASE.csv; returns their names.

    Raises:
        BenchmarkError: no such design, or the folder cannot be written.
    """
    known = (OURS, *DESIGNS)
    names = known if designs == "all" else tuple(n.strip() for n in designs.split(","))
    for name in names:
        if name not in known:
            raise BenchmarkError(f"{name!r} is not a design; {nearest(name, known)}")
    try:
        for case in benchmark_cases(data):
            write_answers(case, names, folder)
    except OSError as e:
        raise BenchmarkError(f"{folder}: {e.strerror or e}") from None
    return list(names)


def scored(folder: Path, answers: Sequence[Path]) -> tuple[dict[str, Any], list[str]]:
    """Score folders of answers: the document, and the lines for people."""
    found = [score(folder, each) for each in answers]
    return {"oracles": [s.document() for s in found]}, score_lines(found)


def score_lines(found: Sequence[Score]) -> list[str]:
    """A line for each oracle and part."""
    heads = (
        "oracle", "part", "cases", "error", ">1%", "outside", "while ok", "delay", "missed", "wrong", "under", "drained", "alarms/yr", "open",
        "spread",
    )  # fmt: skip
    rows = [_FORM.format(*heads)]
    for s in found:
        for part in (*PARTS, None):
            r = s.row(part)
            alarms, years = s.false_alarms(part)
            rate = (f"{alarms / years:.2f}" if years else "-") if s.has_states else "no states"
            error, excess, ok_excess = (bps_text(w.value if w else None) for w in (r.error, r.excess, r.ok_excess))
            open_share, spread = s.published(part)
            delay = "-" if r.delay is None else f"{r.delay.value // 1_000} s"
            rows.append(
                _FORM.format(
                    s.name,
                    part or "all",
                    r.cases,
                    error,
                    r.over_100_bps,
                    excess,
                    ok_excess,
                    delay,
                    r.missed,
                    r.wrong,
                    r.under_water,
                    r.drained,
                    rate,
                    f"{open_share:.0%}",
                    "-" if spread is None else f"{spread:.0f}",
                )
            )
        rows += [f"  {s.name}: {name}: {costs_text(found)}" for name, found in s.costs().items()]
        if s.missing:
            rows.append(f"  {s.name}: no answer to {', '.join(s.missing)}")
    return rows
