"""The page: its tables are filled, speak of every case, method and design, and no figure is typed by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.designs.registry import DESIGNS
from lab.methodology import cases_table, designs_table, filled
from lab.outcome.replay import load_cases, replay
from lab.outcome.summary import false_alarms, table
from lab.rules_table import PART, rules_table
from lab.scenario import case as cases
from lab.show.replay_text import all_lines, bps_text
from oracle.combine.methods.registry import METHODS, OUTLIERS
from oracle.model.status import Status, Why

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "methodology.md").read_text()
CONFIG = (DOCS / "config.md").read_text()


def part(name: str) -> str:
    found = re.search(rf"<!-- begin {name}[^\n]*-->\n(.*?)<!-- end {name} -->", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("name", ["rules", "designs", "cases", "methods", "liars", "alarms"])
def test_every_table_is_filled(name: str) -> None:
    assert part(name).count("\n|") >= 3


def test_the_page_names_every_method_filter_status_and_rule() -> None:
    prose = re.sub(r"<!-- begin.*?<!-- end [a-z]+ -->", "", PAGE, flags=re.DOTALL)
    for name in (*METHODS, *OUTLIERS):
        told = f"`{name}`" in prose or (name.startswith("dia_") and "`dia_*`" in prose)
        assert told, f"{name} has no row in docs/methodology.md: say when to take it"
        assert f"`{name}`" in CONFIG, f"{name} has no row in docs/config.md: say what it computes"
    assert all(f"`{s.word}`" in prose for s in Status)
    known = {"DISCOUNT", "PREMIUM", "FELL", "ROSE", "DRIFT_DOWN", "DRIFT_UP", "DISAGREE", "IMBALANCE", "SHALLOW", "STUCK", "VENUE",
             "SEQUENCER", "SLASH", "GROWTH", "RATE_STALE", "DERIVATION", "UNBACKED", "DIMENSION"}  # fmt: skip
    assert known <= {w.name for w in Why}
    assert all(re.search(rf"\b{name}\b", part("rules") + prose) for name in known)


def test_the_tables_speak_of_every_case_design_and_method() -> None:
    told = part("cases")
    elsewhere = {"cbeth-as-usd-2026-02-15"} | {n for n in cases.names() if n.startswith("attack-")}
    assert all((f"| {n} |" in told) is (n not in elsewhere) for n in cases.names())
    assert all(f"| {n} |" in part("designs") for n in ("lrt-oracle", *DESIGNS))
    unmeasured = [n for n in METHODS if f"| {n} |" not in part("methods")]
    assert not unmeasured, "not in the measured table: run `make methodology`"


def test_every_picture_is_there() -> None:
    for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", PAGE):
        assert (DOCS / name).stat().st_size > 1_000


def test_the_false_alarms_stay_below_one_a_feed_and_year() -> None:
    rows = [line.split("|") for line in part("alarms").splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 3
    assert all(float(cells[4]) < 1 for cells in rows)
    assert float(rows[1][2]) >= 100


def test_parts_are_put_between_their_markers_and_nowhere_else() -> None:
    text = "a\n<!-- begin x: y -->\nold\n<!-- end x -->\nb\n"
    once = filled(text, {"x": "| new \\1 |"})
    assert once == "a\n<!-- begin x: y -->\n\n| new \\1 |\n\n<!-- end x -->\nb\n"
    assert filled(once, {"x": "| new \\1 |"}) == once
    with pytest.raises(ValueError, match="no markers for z"):
        filled(text, {"z": ""})


def test_a_summary_takes_the_worst_and_says_where() -> None:
    played = [
        replay(c, ("pyth", "naive-spot")) for n in ("tight-sources", "wrseth-2025-11-04") for c in load_cases(n, None)
    ]
    rows = {r.design: r for r in table(played)}
    naive = rows["naive-spot"]
    assert naive.error is not None
    assert naive.error.case == "wrseth-2025-11-04"
    assert (naive.over_100_bps, naive.drained, naive.excess) == (1, 1, None)
    assert rows["lrt-oracle"].over_100_bps == 0
    assert false_alarms(played) == (0, pytest.approx(1 / 8_760))
    assert "2 of 2 cases as expected" in "\n".join(all_lines(played))
    assert "wrseth-2025-11-04" in designs_table(list(rows.values()))
    assert cases_table(played).count("\n") == 3
    assert bps_text(None) == "-"
    assert (bps_text(12), bps_text(10_000_000)) == ("12 bps", "x1e+03")


def test_the_table_of_rules_is_what_their_declarations_say() -> None:
    assert part(PART).strip() == rules_table(), "run make docs"
