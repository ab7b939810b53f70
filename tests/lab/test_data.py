"""Recorded series: exact cells, rows twice and out of order, and what is said of a wrong file."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.units import WAD
from lab.data import read_rows, read_series, unix_ms, wad
from lab.source_series import SeriesPath as Line

SERIES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "series"
RETH = SERIES / "reth_protocol_rate" / "derived_reth_rate_dedup.csv"


def written(folder: Path, text: str) -> Path:
    file = folder / "s.csv"
    file.write_text(text)
    return file


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=30, unique=True), st.randoms())
def test_rows_twice_and_out_of_order_make_the_same_series(
    tmp_path_factory: pytest.TempPathFactory, at: list[int], chance: random.Random
) -> None:
    rows = [f"{t},{t}.5" for t in sorted(at)]
    shaken = rows + chance.choices(rows, k=5)
    chance.shuffle(shaken)
    folder = tmp_path_factory.mktemp("s")
    clean = read_series(written(folder, "\n".join(["time,price", *rows])), "time", "price")
    assert read_series(written(folder, "\n".join(["time,price", *shaken])), "time", "price") == clean
    assert [t for t, _ in clean.values] == sorted(t * 1_000 for t in at)


def test_the_upstream_rows_put_back_change_nothing_that_is_remembered(tmp_path: Path) -> None:
    """Four rows of November 2022 stand twice and out of order in the file that the rates came from."""
    if not RETH.is_file():
        pytest.skip("recorded rates are not beside this checkout")
    lines = RETH.read_text().splitlines()
    twice = [line for line in lines if line.split(",")[0] in {"16001280", "16007040", "16012800", "16018560"}]
    assert twice
    shaken = written(tmp_path, "\n".join([*lines, *reversed(twice)]))
    assert read_series(shaken, "timestamp", "rate") == read_series(RETH, "timestamp", "rate")


def test_times_are_seconds_milliseconds_or_text() -> None:
    same = {unix_ms(t, "f:2") for t in ("1654000000", 1654000000, "1654000000000", "2022-05-31T12:26:40Z")}
    assert same == {1_654_000_000_000}
    assert unix_ms("2022-05-31 12:26:40", "f:2") == 1_654_000_000_000


@given(
    st.one_of(
        st.integers(-(10**20), 10**20), st.decimals(allow_nan=True), st.datetimes(), st.floats(), st.text(max_size=20)
    )
)
def test_a_time_is_refused_or_one_that_a_date_can_have(cell: object) -> None:
    try:
        at_ms = unix_ms(cell, "f:2")
    except ValueError:
        return
    assert 1970 <= datetime.fromtimestamp(at_ms // 1_000, UTC).year <= 9999


def test_the_last_second_that_a_date_can_have_is_taken_and_the_next_is_not() -> None:
    assert unix_ms("253402300799999", "f:2") == 253_402_300_799_999
    with pytest.raises(ValueError, match="not a time from 1970 to the year 9999"):
        unix_ms("253402300800000", "f:2")


def test_cells_are_exact_and_rounded_down() -> None:
    assert wad("1.0000000000000000019", "f:2") == WAD + 1
    assert wad(0.1, "f:2") == WAD // 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time,price\n1,NaN\n", "s.csv:2: 'NaN' is not a finite number"),
        ("time,price\n1,$10\n", "s.csv:2: '$10' is not a number"),
        ("time,price\nsoon,1\n", "s.csv:2: 'soon' is not a time"),
        ("time,price\nInfinity,1\n", "s.csv:2: 'Infinity' is not a time"),
        (
            "time,price\n1,1\n1700000000000000,1\n",
            "s.csv:3: '1700000000000000' is not a time from 1970 to the year 9999",
        ),
        ("time,price\n-1,1\n", "s.csv:2: '-1' is not a time from 1970"),
        ("time,price\n1969-12-31T23:59:59Z,1\n", "s.csv:2: '1969-12-31T23:59:59Z' is not a time from 1970"),
        ("time,price\n1e999999999,1\n", "s.csv:2: '1e999999999' is not a time from 1970"),
        ("time,price\n1,1e999999999\n", "s.csv:2: '1e999999999' is too large"),
        ("time,value\n1,1\n", "has no column 'price'; it has 'time', 'value'"),
        ("time,price\n", "s.csv has no rows"),
        ("", "s.csv has no rows"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"s\.csv") as refused:
        read_series(written(tmp_path, text), "time", "price")
    assert said in str(refused.value)


def test_an_empty_cell_is_skipped(tmp_path: Path) -> None:
    file = written(tmp_path, "time,price,share\n1,1,\n2,,0.5\n3,3,0.7\n")
    found = read_series(file, "time", "price", "share")
    assert [t for t, _ in found.values] == [1_000, 3_000]
    assert [t for t, _ in found.shares] == [2_000, 3_000]


def test_parquet_is_read_like_csv_or_says_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "s.parquet"
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra
        from pyarrow import parquet  # noqa: PLC0415 - the same
    except ImportError:
        with pytest.raises(ValueError, match="pip install 'lrt-oracle\\[parquet\\]'"):
            read_rows(file)
        return
    parquet.write_table(pa.table({"time": [1, 2], "price": [1.5, 2.25]}), file)
    same = written(tmp_path, "time,price\n1,1.5\n2,2.25\n")
    assert read_series(file, "time", "price") == read_series(same, "time", "price")


def test_a_path_of_a_series_is_as_old_as_its_row() -> None:
    line = Line(points=((0, WAD), (5_000, 2 * WAD)), between="step")
    assert (line.at(4_999), line.changed_at(4_999)) == (WAD, 0)
