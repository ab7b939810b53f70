"""The public benchmark: the files lose nothing, the scorer says of them what the laboratory says, wrong answers are named."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from feeds.types import Kind, Observation
from feeds.units import MS, WAD
from lab.benchmark import layout
from lab.benchmark.command import benchmark_cases
from lab.benchmark.export import export, write_answers
from lab.benchmark.layout import BenchmarkError
from lab.benchmark.score import Score, score, score_case
from lab.designs.registry import DESIGNS
from lab.outcome.measure import OURS
from lab.outcome.replay import replay
from lab.play.run import outcomes_at
from lab.scenario import case as cases
from lab.scenario.case import PARTS
from tests.lab.command_line import document, run

SOME = ("usdc-2023-03-11", "silent-socket-2025-04-13", "rebase-step", "wrseth-2025-11-04")
SERIES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "series"
DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some cases as files, and the answers of all designs to them."""
    folder = tmp_path_factory.mktemp("benchmark")
    for name in SOME:
        case = cases.load(cases.CASES / f"{name}.toml")
        export(case, folder / "cases")
        write_answers(case, (OURS, *DESIGNS), folder / "answers")
    return folder


def test_answers_through_the_files_are_scored_as_the_laboratory_measures_them(world: Path) -> None:
    inner = {name: replay(cases.load(cases.CASES / f"{name}.toml")) for name in SOME}
    for design in (OURS, *DESIGNS):
        found = score(world / "cases", world / "answers" / design)
        assert {s.case.name for s in found.cases} == set(SOME)
        for s in found.cases:
            assert s.outcome == inner[s.case.name].designs[design], (design, s.case.name)
    ours = score(world / "cases", world / "answers" / OURS)
    alarms = {s.case.name: s.alarms for s in ours.cases}
    assert alarms == {n: sum(c.after > c.before for c in inner[n].changes) for n in SOME}
    count, years = ours.false_alarms()
    assert count == alarms["rebase-step"]
    assert years == pytest.approx(3 / 365)


@pytest.mark.parametrize("name", SOME)
def test_the_quotes_are_what_the_sources_said_in_every_round(world: Path, name: str) -> None:
    case = cases.load(cases.CASES / f"{name}.toml")
    with (world / "cases" / name / layout.QUOTES).open(newline="") as text:
        rows = list(csv.DictReader(text))
    now: dict[tuple[str, str], dict[str, str]] = {}
    place = 0
    for t_ms in range(0, case.length_ms + 1, case.round_ms):
        while place < len(rows) and float(rows[place]["time"]) * MS <= case.began_ms + t_ms:
            now[rows[place]["feed"], rows[place]["source"]] = rows[place]
            place += 1
        for feed, outcomes in outcomes_at(case, t_ms).items():
            for seen in outcomes:
                row = now[feed, seen.source]
                assert (row["state"] == "failed") == (not isinstance(seen, Observation))
                if isinstance(seen, Observation):
                    assert row["price"] == layout.number(seen.price_wad)
                    observed = case.began_ms + t_ms if row["state"] == "live" else float(row["observed"]) * MS
                    assert observed == seen.observed_at_ms
                    assert (row["bid"] != "") == (seen.kind is Kind.MARKET)
    assert place == len(rows)


def test_a_case_says_what_an_oracle_and_a_reader_need(world: Path) -> None:
    found = json.loads((world / "cases" / "usdc-2023-03-11" / layout.CASE).read_text())
    assert (found["format"], found["version"], found["feed"]) == ("oracle-benchmark", 1, "USDC/USD")
    assert found["part"] in PARTS
    assert found["feeds"][0] == {
        "feed": "USDC/USD",
        "watch_bps": 50,
        "depeg_bps": 200,
        "normal_bps": 0,
        "converted": {},
    }
    assert all(len(found[key]) > 10 for key in ("licence", "source", "facts", "made_up"))
    read = layout.read_case(world / "cases" / "usdc-2023-03-11")
    assert read.truth is not None
    assert read.truth.at(0) == 9_998 * WAD // 10_000


def test_both_parts_have_honest_cases_and_attacks() -> None:
    for part in PARTS:
        own = [c for c in benchmark_cases(None) if c.part == part]
        assert len(own) >= 10
        assert any(c.honest for c in own)
        assert any(not c.honest for c in own)


def test_there_are_fifty_cases_and_half_of_them_can_have_recorded_series() -> None:
    found = benchmark_cases(SERIES if SERIES.is_dir() else None)
    assert len(found) >= 50
    texts = [(cases.CASES / f"{c.name}.toml").read_text() for c in found]
    assert sum("\nfile = " in text for text in texts) >= 25
    if SERIES.is_dir():
        assert sum(c.recorded for c in found) >= 25
    assert all("not shipped" in c.licence for c, text in zip(found, texts, strict=True) if "\nfile = " in text)


ANSWER = "time,price,spread_bps,state\n1702652400,1.15,5,ok\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time,state\n1,ok\n", "there is no column 'price'; write time, price, spread_bps, state"),
        ("price\n1\n", "there is no column 'time'"),
        ("time,price\n", "has no rows: write time, price, spread_bps, state"),
        ("time,price\nsoon,1\n", "x.csv:2: 'soon' in 'time' is not a number"),
        ("time,price\n,1\n", "x.csv:2: a row without a time"),
        ("time,price\n5,1\n5,2\n", "x.csv:3: times must ascend"),
        ("time,price\n5,1e999999\n", "x.csv:2: '1e999999' in 'price' is not a number that can be meant"),
        ("time,price\n5,-1\n", "x.csv:2: a price below 0"),
        ("time,price,state\n5,1,fine\n", "x.csv:2: 'fine' is not a state; write ok, watch, depeg, halt"),
        ("time,price,spread_bps\n5,1,-2\n", "x.csv:2: a spread of -2 bps"),
    ],
)
def test_a_wrong_answer_is_one_line_with_file_line_and_what_to_write(
    world: Path, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "x.csv"
    file.write_text(text)
    with pytest.raises(BenchmarkError) as refused:
        score_case(layout.read_case(world / "cases" / SOME[0]), file)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_folders_without_cases_or_answers_or_of_another_version_say_so(world: Path, tmp_path: Path) -> None:
    for folder, answers, said in (
        (tmp_path, world / "answers" / OURS, "has no cases: write them with lrt-oracle benchmark export"),
        (world / "cases", tmp_path, "has no answers: write a file CASE.csv"),
    ):
        with pytest.raises(BenchmarkError, match=said):
            score(folder, answers)
    (tmp_path / "usdc.csv").write_text(ANSWER)
    with pytest.raises(BenchmarkError, match="'usdc' is not a case; known: rebase-step"):
        score(world / "cases", tmp_path)
    old = tmp_path / "old" / "a"
    old.mkdir(parents=True)
    (old / layout.CASE).write_text('{"format":"oracle-benchmark","version":0}')
    with pytest.raises(
        BenchmarkError, match="oracle-benchmark 0, this scorer reads oracle-benchmark 1: export the cases anew"
    ):
        layout.read_case(old)
    (old / layout.CASE).write_text("[]")
    with pytest.raises(BenchmarkError, match="is not a case of oracle-benchmark 1"):
        layout.read_case(old)


def test_answers_that_are_missing_are_named_and_a_constant_is_scored_as_one(world: Path, tmp_path: Path) -> None:
    own = tmp_path / "constant"
    own.mkdir()
    (own / "usdc-2023-03-11.csv").write_text("time,price\n1678471200,1\n")
    found = document("benchmark", "score", str(world / "cases"), str(own))["oracles"][0]
    assert found["missing"] == sorted(set(SOME) - {"usdc-2023-03-11"})
    case = found["cases"]["usdc-2023-03-11"]
    assert case["missed"]
    assert case["error_bps"] == 1_364, "1 against 0.88"
    assert case["drained"]
    lines = run("benchmark", "score", str(world / "cases"), str(own)).output
    assert "constant: no answer to rebase-step" in lines
    done = run("benchmark", "answers", str(tmp_path), "--design", "pith")
    assert (done.exit_code, "did you mean 'pyth'" in done.output) == (2, True)


def test_who_never_publishes_or_states_a_spread_of_everything_is_seen(world: Path, tmp_path: Path) -> None:
    case = layout.read_case(world / "cases" / "usdc-2023-03-11")
    began, half = case.began_ms // MS, case.began_ms // MS + case.length_ms // MS // 2
    file = tmp_path / "x.csv"
    for text, share, spread in (
        (f"time,price,spread_bps,state\n{began},1,5,halt\n", 0.0, None),
        (f"time,price,spread_bps,state\n{began},1,10000,ok\n", 1.0, 10_000),
        (f"time,price,spread_bps,state\n{began},1,10,ok\n{half},1,30,ok\n", 1.0, 20),
        (f"time,price\n{half},1\n", 0.5, None),
    ):
        file.write_text(text)
        found = Score(name="x", cases=(score_case(case, file),), missing=())
        open_share, mean = found.published()
        assert open_share == pytest.approx(share, abs=1e-3)
        assert (mean is None) == (spread is None)
        assert mean is None or abs(mean - (spread or 0)) < 0.1
        assert found.document()["cases"]["usdc-2023-03-11"]["published_share"] == pytest.approx(share, abs=1e-3)


def test_the_page_shows_every_case_with_its_licence_and_every_design_in_both_parts() -> None:
    page = (DOCS / "benchmark.md").read_text()
    for case in benchmark_cases(None):
        assert f"| {case.name}: {case.title} | {case.part} |" in page
    held_out, train = page.split("## Held out")[1].split("## Train")
    for design in (OURS, *DESIGNS):
        assert f"| {design} |" in held_out
        assert f"| {design} |" in train.split("## False alarms")[0]


def test_what_is_no_case_names_the_tests_that_there_are() -> None:
    section = (DOCS / "benchmark.md").read_text().split("## What is no case")[1].split("## Cases")[0]
    named = re.findall(r"`(test_\w+)`", section)
    files = (
        DOCS.parent / "tests/contracts/test_store_batches.py",
        DOCS.parent / "tests/oracle/push/test_pokes_of_others.py",
    )
    found = "".join(file.read_text() for file in files)
    assert len(named) >= 6
    assert [name for name in named if f"def {name}(" not in found] == []


def test_the_page_has_the_cost_of_every_ladder_for_every_design() -> None:
    table = (DOCS / "benchmark.md").read_text().split("<!-- begin costs")[1].split("<!-- end costs")[0]
    for case in benchmark_cases(None):
        assert not case.attacks or f" {case.name.removeprefix('attack-')}, 5 % |" in table
    assert all(f"| {design} |" in table for design in (OURS, *DESIGNS))
