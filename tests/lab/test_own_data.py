"""``lrt-oracle replay`` of one's own tables, as people and scripts use it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from lab.play.run import play
from lab.scenario.user_data import DataOptions, user_case
from lab.show.round_export import round_writer
from tests.lab.command_line import document, run

OWN = "ts,one,two,owed\n" + "".join(
    f"{1_700_000_000 + 10 * i},{1.05 if i < 60 else 1.02},{1.0501 if i < 60 else 1.0202},1.0500\n" for i in range(120)
)


def test_user_data_with_a_column_map(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(OWN)
    found = document(
        "replay", str(file), "--columns", "time=ts,price=one,price=two,redemption=owed", "--feed", "weETH/ETH"
    )
    (case,) = found["cases"]
    assert (case["feed"], case["rounds"], case["stretch"]) == ("weETH/ETH", 121, 1)
    steps = [(c["at_ms"] // 1_000 - 1_700_000_000, c["after"]) for c in case["changes"]]
    assert steps == [(630, "watch"), (660, "depeg")], (
        "30 s of dwell, and 60 s: both count from the first round that says so"
    )
    assert case["designs"]["chainlink-median"]["low"] == "1.020200000000000000"


def test_a_number_may_replace_a_column_and_a_gap_stays_a_gap(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    rows = [f"{1_700_000_000 + 10 * i},1.0" for i in range(240) if not 60 <= i < 180]
    file.write_text("\n".join(["time,price", *rows]))
    (case,) = document("replay", str(file), "--columns", "redemption=1")["cases"]
    assert case["rounds"] == 241
    assert [c["after"] for c in case["changes"]] == ["halt", "ok"]
    assert case["changes"][0]["codes"] == ["NO_QUORUM"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("time=ts", "a time and a price are needed"),
        ("time=ts,price=on", "there is no column 'on'; did you mean 'one'"),
        ("time=ts,prise=one", "did you mean 'price'"),
        ("time", "is not a column map"),
    ],
)
def test_a_wrong_column_map_says_what_there_is(tmp_path: Path, columns: str, said: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(OWN)
    done = run("replay", str(file), "--columns", columns)
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize(
    ("strange", "said"),
    [
        ({11: 1_700_000_660_000_000}, "mine.csv:13: '1700000660000000' is in Unix microseconds, while 11 of 12 rows are in Unix seconds"),
        ({11: "9999-12-31T23:59:59Z"}, "mine.csv:13: '9999-12-31T23:59:59Z' is not from 1973 to 2286"),
        ({0: 0}, "mine.csv:2: '0' is not a time"),
        ({11: 1_900_000_000}, "mine.csv has no row from 2023-11-14 22:23:20 to 2030-03-17 17:46:40: correct the time that is wrong"),
    ],
)  # fmt: skip
def test_a_row_of_another_time_is_one_line_that_says_which(tmp_path: Path, strange: dict[int, Any], said: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("\n".join(["time,price", *(f"{strange.get(i, 1_700_000_000 + 60 * i)},1" for i in range(12))]))
    done = run("replay", str(file))
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert said in done.output


def test_the_first_line_says_what_is_assumed_and_the_rest_what_it_came_to(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(
        "time,price,redemption\n"
        + "".join(f"{1_700_000_000 + 3_600 * i},{1 if i < 9 else 0.97},1\n" for i in range(20))
    )
    lines = run("replay", str(file), "--against", "none").output.splitlines()
    assert "between two rows the market is taken to have stood (hold)" in lines[0]
    assert "  20 rows, usually 3600 s apart, times in Unix seconds" in lines
    assert "  columns: time=time,price.price=price,redemption=redemption" in lines
    assert any(line.startswith("  time in each status: ok 9 h 30 s, watch ") for line in lines)
    assert "  furthest from redemption, of rounds with a price: -3.00 % at 2023-11-15 07:13:20" in lines
    assert any(
        "first alarm: watch at 2023-11-15 07:13:50, 30 s after" in line and "up to 1 h before its row" in line
        for line in lines
    )
    stretched = run("replay", str(file), "--against", "none", "--stretch").output.splitlines()[0]
    assert "STRETCHED: ages, windows and dwells are 360 times longer than in production" in stretched
    (case,) = document("replay", str(file), "--against", "none", "--between", "rows")["cases"]
    assert "rows are 3600 s apart" in case["own_data"]["status_unknown"]
    (case,) = document("replay", str(file), "--against", "none", "--columns", "redemption=1")["cases"]
    assert (case["rounds"], case["first_alarm"]["delay_s"], case["worst_deviation"]["bps"]) == (20 * 360 + 1, 30, -300)
    assert case["status_s"].keys() == {"ok", "watch", "depeg"}
    plain = run("replay", str(file), "--against", "none", "--columns", "price=price,redemption=redemption").output
    assert "no level was judged" not in plain
    file.write_text(file.read_text().replace("redemption", "other"))
    assert "no level was judged: no redemption is given" in run("replay", str(file), "--against", "none").output


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_every_round_is_exported_also_those_that_are_leapt_over(tmp_path: Path, suffix: str) -> None:
    file, out = tmp_path / "mine.csv", tmp_path / f"rounds{suffix}"
    file.write_text(
        "time,price,redemption\n"
        + "".join(f"{1_700_000_000 + 3_600 * i},{1 if i < 9 else 0.97},1\n" for i in range(20))
    )
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    (case,) = document("replay", str(file), "--against", "none", "--rounds", str(out))["cases"]
    assert case["rounds_leapt"] > 0
    if suffix == ".csv":
        with out.open(newline="") as text:
            rows = list(csv.DictReader(text))
    else:
        from pyarrow import parquet  # noqa: PLC0415 - an optional extra

        rows = [{k: str(v) for k, v in row.items()} for row in parquet.read_table(out).to_pylist()]
    assert [int(r["time"]) for r in rows] == list(range(1_700_000_000, 1_700_000_000 + 20 * 3_600 + 1, 10))
    assert {r["market"] for r in rows} == {"1.000000000000000000", "0.970000000000000000"}
    assert {(r["deviation_bps"], r["status"]) for r in rows[-3:]} == {("-300", "depeg")}
    assert rows[-1]["reasons"].startswith("DISCOUNT")


def test_options_of_ones_own_data_are_refused_beside_a_case_and_wrong_ones_say_what_to_write(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(OWN)
    for args, said in (
        (("wrseth-2025-11-04", "--between", "rows"), "wrseth-2025-11-04 is no table"),
        ((str(file), "--set", "mode"), "write --set KEY=VALUE"),
        ((str(file), "--only", "symbol"), "write --only COLUMN=TEXT"),
        ((str(file), "--columns", "time=ts,price=one", "--rounds", "x.txt"), "rounds are written as .csv or .parquet"),
        (
            (str(file), "--columns", "time=ts,price=one", "--stretch", "--round", "30"),
            "leave --round and --between out",
        ),
        ((str(tmp_path / "no.csv"),), "no.csv: No such file or directory"),
        (("all", "--rounds", "x.csv"), "--rounds is of one case"),
    ):
        done = run("replay", *args)
        assert (done.exit_code, done.output.count("\n")) == (2, 1)
        assert said in done.output


def test_each_method_is_a_column_of_the_rounds(tmp_path: Path) -> None:
    file, out = tmp_path / "mine.csv", tmp_path / "rounds.csv"
    file.write_text(
        "time,a,b,c,redemption\n"
        + "".join(f"{1_700_000_000 + 10 * i},1,1.001,{1.004 if i > 30 else 1.001},1\n" for i in range(90))
    )
    columns = "price=a,price=b,price=c"
    done = run(
        "replay",
        str(file),
        "--columns",
        columns,
        "--against",
        "none",
        "--rounds",
        str(out),
        "--methods",
        "mean,median,twap_arithmetic",
    )
    assert done.exit_code == 0
    with out.open(newline="") as text:
        rows = list(csv.DictReader(text))
    last = rows[-1]
    assert (last["market"], last["market median"]) == ("1.001000000000000000",) * 2
    assert float(last["market mean"]) == pytest.approx(1.00166666)
    assert float(last["market twap_arithmetic"]) == pytest.approx(1.001)
    assert len(rows) == 91
    for args, said in (("medain", "did you mean 'median'"), ("all", "--methods are columns of --rounds")):
        rest = ("--rounds", str(out)) if args == "medain" else ()
        wrong = run("replay", str(file), "--columns", columns, "--methods", args, *rest)
        assert (wrong.exit_code, said in wrong.output) == (2, True)


@pytest.mark.parametrize(
    ("spacing_s", "worst", "unsettled", "said"),
    [
        (86_400, "depeg", None, "first depeg: "),
        (10, "ok", "depeg", "NOT SETTLED: the data end beyond the depeg band, before its dwell of 60 s was over"),
    ],
)
def test_a_table_that_ends_at_the_fall_is_no_all_clear(
    tmp_path: Path, spacing_s: int, worst: str, unsettled: str | None, said: str
) -> None:
    """A fall in the last row: a row stands for a spacing, and what is shorter than a dwell is said not to be settled."""
    file = tmp_path / "mine.csv"
    file.write_text(
        "time,price,redemption\n"
        + "".join(f"{1_700_000_000 + spacing_s * i},{1 if i < 9 else 0.93},1\n" for i in range(10))
    )
    output = run("replay", str(file), "--against", "none").output
    assert said in output
    (case,) = document("replay", str(file), "--against", "none")["cases"]
    assert case["unsettled"] == unsettled
    assert list(case["status_s"])[-1] == worst
    assert ("throughout, though the market was not" in output) is (worst == "ok")
    file.write_text(file.read_text().replace("0.93", "1"))
    calm = run("replay", str(file), "--against", "none").output
    assert "NOT SETTLED" not in calm
    assert calm.rstrip().endswith("the status was ok throughout")


def test_a_fall_shorter_than_a_dwell_is_said(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(
        "time,price,redemption\n"
        + "".join(f"{1_700_000_000 + 86_400 * i},{0.93 if i == 20 else 1},1\n" for i in range(40))
    )
    output = run("replay", str(file), "--against", "none", "--stretch").output
    assert "beyond the depeg band without a depeg: 1 round; it takes 518400 s of them" in output
    assert "the status was ok throughout, though the market was not" in output
    done = run("replay", str(file), "--stretch", "--round", "10")
    assert (done.exit_code, "leave --round and --between out" in done.output) == (2, True)


def test_a_file_of_rounds_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    file, out = tmp_path / "mine.csv", tmp_path / "rounds.csv"
    file.write_text(OWN)
    case = user_case(file, DataOptions(columns="time=ts,price=one,redemption=owed"))
    with pytest.raises(RuntimeError), round_writer(case, out) as write:  # noqa: PT012 - it ends in the middle
        write(next(play(case)))
        raise RuntimeError
    assert not out.exists()
    with round_writer(case, out) as write:
        write(next(play(case)))
    assert out.read_text().count("\n") == 2
