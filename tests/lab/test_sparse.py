"""One's own data at any cadence: the same rows are told the same, and times scale together or not at all."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from lab.case_parser import stretched
from lab.replay import replay
from lab.user_data import user_case
from oracle.model.spec import Bands, Rules

CADENCES_S = (10, 60, 1_200, 86_400)
SCALED = {"watch_dwell_s", "depeg_dwell_s", "leave_dwell_s", "slash_hold_s", "moved_s", "stuck_s"}


def changes(
    folder: Path, cadence_s: int, rows: list[str], head: str = "time,price,redemption"
) -> list[tuple[int, str]]:
    """Round and reason of every change of status."""
    file = folder / f"{cadence_s}.csv"
    lines = [f"{1_700_000_000 + i * cadence_s},{row}" for i, row in enumerate(rows)]
    file.write_text("\n".join((head, *lines)), encoding="utf-8")
    columns = ",".join(f"price={n}" for n in head.split(",")[1:-1])
    played = replay(user_case(file, columns), ())
    return [(c.t_ms // (cadence_s * 1_000), c.codes[0]) for c in played.changes]


def test_a_slash_is_reported_in_its_row_at_any_cadence(tmp_path: Path) -> None:
    rows = ["1.05,1.05"] * 24 + ["0.945,0.945"] * 24
    for cadence_s in CADENCES_S:
        assert changes(tmp_path, cadence_s, rows) == [(24, "SLASH")]


@pytest.mark.parametrize(("cadence_s", "rows"), [(3_600, 160), (21_600, 30), (86_400, 12)])
def test_a_slow_drift_is_reported_after_its_hours_not_after_its_rows(tmp_path: Path, cadence_s: int, rows: int) -> None:
    """24 bps over the slack reach 3,600 bps hours after 150 hours; then the dwell, which counts rounds."""
    ((row, code),) = changes(tmp_path, cadence_s, ["0.9951,1"] * rows)
    assert code == "DRIFT_DOWN"
    assert 150 <= row * cadence_s // 3_600 <= 150 + 5 * cadence_s // 3_600


def test_a_stuck_source_is_reported_at_any_cadence(tmp_path: Path) -> None:
    rows = [f"{p:.4f},{p:.4f},1,{p:.4f}" for p in (1 + max(0, i - 30) * 0.0002 for i in range(200))]
    told = [changes(tmp_path, s, rows, "time,a,b,c,redemption") for s in CADENCES_S]
    assert all(t == told[0] for t in told)
    assert [code for _, code in told[0]] == ["STUCK"]


def test_what_counts_rounds_scales_together_and_what_counts_hours_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("time,price\n1700000000,1\n1700000010,1\n", encoding="utf-8")
    before = user_case(file, "").spec
    after = stretched(before, 7)
    times = [(f.name, getattr(before, part), getattr(after, part))
             for part, kind in (("bands", Bands), ("rules", Rules)) for f in fields(kind) if f.name.endswith("_s")]  # fmt: skip
    assert {name for name, _, _ in times} >= SCALED
    for name, old, new in times:
        assert getattr(new, name) == getattr(old, name) * (7 if name in SCALED else 1)
