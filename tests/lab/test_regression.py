"""What every case came to is stored; whoever moves it writes a record that says why."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lab.outcome.replay import replay
from lab.regression import case_result, differences, fingerprint, stored
from lab.scenario import case as cases

ADR = Path(__file__).resolve().parents[2] / "docs" / "adr"
SERIES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "series"
WHY = "the laboratory moved: run python -m lab.regression, and if it is right write a record in docs/adr"


def plain(value: object) -> object:
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("name", cases.names())
def test_a_case_has_its_stored_results(name: str) -> None:
    came = case_result(replay(cases.load(cases.CASES / f"{name}.toml")))
    assert came["passed"]
    assert plain(came) == stored()["facts"][name], WHY


@pytest.mark.parametrize("name", stored()["recorded"])
def test_a_recorded_case_has_its_stored_results(name: str) -> None:
    if not SERIES.is_dir():
        pytest.skip("recorded series are not beside this checkout")
    case = cases.load(cases.CASES / f"{name}.toml", SERIES)
    came = case_result(replay(case))
    assert case.recorded
    assert came["passed"]
    assert plain(came) == stored()["recorded"][name], WHY


def test_nothing_is_stored_of_a_case_that_is_gone() -> None:
    assert set(stored()["facts"]) == set(cases.names())
    assert set(stored()["recorded"]) <= set(cases.names())


def test_the_newest_record_names_these_results() -> None:
    records = sorted(ADR.glob("[0-9][0-9][0-9][0-9]-*.md"))
    assert [int(r.name[:4]) for r in records] == list(range(1, len(records) + 1))
    named = [re.search(r"Results: `([0-9a-f]{16})`", r.read_text()) for r in records]
    newest = [m[1] for m in named if m is not None][-1]
    assert newest == fingerprint(stored()), WHY


def test_the_smallest_move_is_seen() -> None:
    old, new = stored(), stored()
    new["facts"]["tight-sources"]["ours"]["error_bps"] += 1
    assert differences(old, old) == []
    assert len(differences(old, new)) == 1
    assert "tight-sources ours error_bps" in differences(old, new)[0]
    assert fingerprint(new) != fingerprint(old)
    del new["facts"]["tight-sources"]
    assert any("| absent |" in row for row in differences(old, new))
