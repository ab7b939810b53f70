"""One's own tables: whatever the file is like it is read exactly, or refused in one line that says where and what to write."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.units import WAD
from lab.tables.column_map import column_map
from lab.tables.data import read_series
from lab.tables.table import header_of, read_table
from lab.tables.times import TableError, TimeColumn

SERIES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "series"
RETH = SERIES / "reth_protocol_rate" / "derived_reth_rate_dedup.csv"
T = 1_700_000_000
TWO = f"time,price\n{T},1\n{T + 60},2\n"
Rows = list[tuple[int, int]]


def written(folder: Path, text: str | bytes, name: str = "s.csv") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def rows_of(file: Path, column: str = "price") -> Rows:
    names = column_map("", header_of(file))
    found = read_table(file, names.time, [column]).columns[column]
    return [(t // 1_000 - T, v * 100 // WAD) for t, v in zip(found.times_ms, found.values, strict=True)]


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=30, unique=True), st.randoms())
def test_rows_twice_and_out_of_order_make_the_same_series(
    tmp_path_factory: pytest.TempPathFactory, at: list[int], chance: random.Random
) -> None:
    rows = [f"{T + t},{t}.5" for t in sorted(at)]
    shaken = rows + chance.choices(rows, k=5)
    chance.shuffle(shaken)
    folder = tmp_path_factory.mktemp("s")
    tidy = read_series(written(folder, "\n".join(["time,price", *rows]), "a.csv"), "time", "price")
    assert read_series(written(folder, "\n".join(["time,price", *shaken]), "b.csv"), "time", "price") == tidy
    assert [t for t, _ in tidy.values] == [(T + t) * 1_000 for t in sorted(at)]


@pytest.mark.parametrize(
    "text",
    [
        TWO,
        TWO.replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + TWO.encode(),
        TWO.encode("utf-16"),
        TWO.encode("utf-16-le"),
        TWO.encode("utf-16-be"),
        TWO.replace(",", ";"),
        TWO.replace(",", "\t"),
        TWO.replace(",", "|"),
        "sep=;\n" + TWO.replace(",", ";"),
        "# exported\n\n" + TWO,
        TWO.replace("time", " Time ").replace("price", "PRICE"),
        TWO.replace("time", '"time"'),
        TWO + "\n\n",
        TWO.replace("price\n", "price,\n").replace("1\n", "1,\n").replace("2\n", "2,\n"),
        TWO.replace(str(T), f"{T}000").replace(str(T + 60), f"{T + 60}000"),
        TWO.replace(str(T), f"{T}000000").replace(str(T + 60), f"{T + 60}000000"),
        TWO.replace(str(T), f"{T}000000000").replace(str(T + 60), f"{T + 60}000000000"),
        TWO.replace(str(T), f"{T}.0").replace(str(T + 60), "1.70000006e9"),
        TWO.replace(str(T), "2023-11-14T22:13:20Z").replace(str(T + 60), "2023-11-14T22:14:20Z"),
        TWO.replace(str(T), "2023-11-14 22:13:20").replace(str(T + 60), "2023-11-14 22:14:20 UTC"),
        TWO.replace(str(T), "2023/11/14 22:13:20").replace(str(T + 60), "2023-11-14T23:14:20+01:00"),
        TWO.replace(str(T), "2023-11-14T22:13:20.000000123Z").replace(str(T + 60), "2023-11-14T22:14:20.5Z"),
        TWO.replace(",1\n", ",1.00\n").replace(",2\n", ",2e0\n"),
        "price,timestamp\n" + f"1,{T}\n2,{T + 60}\n",
        "date,symbol,price\n" + f"{T},X,1\n{T + 60},X,2\n",
    ],
)
def test_the_same_two_rows_in_any_form(tmp_path: Path, text: str | bytes) -> None:
    file = written(tmp_path, text)
    price = next(n for n in header_of(file) if n.lower() == "price")
    assert rows_of(file, price) == [(0, 100), (60, 200)]


def test_a_comma_for_decimals_is_read_where_nothing_else_can_be_meant(tmp_path: Path) -> None:
    text = f"time;price\n{T};0,95\n{T + 60};1,0\n{T + 120};1\n"
    assert rows_of(written(tmp_path, text)) == [(0, 95), (60, 100), (120, 100)]


def test_dots_have_the_day_before_the_month_and_names_are_asked_for(tmp_path: Path) -> None:
    dotted = written(tmp_path, "time;price\n14.11.2023 22:13:20;1,5\n3.12.2023;2,5\n")
    assert [t for t, _ in rows_of(dotted)] == [0, 1_701_561_600 - T]
    with pytest.raises(TableError, match="has numbers where names of columns are expected"):
        header_of(written(tmp_path, "1640995200000,1.0,1.0\n"))
    with pytest.raises(TableError, match="of two lines with names keep one"):
        header_of(written(tmp_path, "time,cbse,cbse\n,open,close\n"))


def test_spreadsheet_days_are_days_since_1899(tmp_path: Path) -> None:
    assert rows_of(written(tmp_path, "time,price\n45244.925925926,1\n45244.926620371,2\n")) == [(0, 100), (60, 200)]


def test_days_of_a_calendar_without_signs_are_days(tmp_path: Path) -> None:
    file = written(tmp_path, "date,close\n20231114,1\n20231115,2\n")
    assert read_table(file, "date", ["close"]).columns["close"].times_ms.tolist() == [
        1_699_920_000_000,
        1_700_006_400_000,
    ]


STRANGE: list[tuple[str | bytes, str]] = [
    ("", "s.csv has no rows"),
    ("\n\n", "s.csv has no rows"),
    ("time,price\n", "s.csv has no rows"),
    (f"{T},1\n{T + 60},1\n", "s.csv:1 has numbers where names of columns are expected"),
    (f"time,time\n{T},1\n", "s.csv:1: two columns are named 'time'"),
    (f"time,price\n{T},1,5\n", "s.csv:2: 3 cells, the first line has 2"),
    (f"time,price\n{T}\n", "s.csv:2: 1 cells, the first line has 2"),
    ("time,price\n0,1\n", "s.csv:2: '0' is not a time"),
    ("time,price\n-1,1\n", "s.csv:2: '-1' is not a time"),
    ("time,price\nsoon,1\n", "s.csv:2: 'soon' is not a time"),
    ("time,price\n,1\n", "s.csv:2: '' is not a time"),
    ("time,price\nInfinity,1\n", "s.csv:2: 'Infinity' is not a time"),
    ("time,price\nNaN,1\n", "s.csv:2: 'NaN' is not a time"),
    ("time,price\n1e9999999,1\n", "s.csv:2: '1e9999999' is not a time"),
    ("time,price\n32.11.2023,1\n", "s.csv:2: '32.11.2023' is not a time"),
    ("time,price\n11/14/2023,1\n", "s.csv:2: '11/14/2023' is not a time"),
    ("time,price\n2023-13-01,1\n", "s.csv:2: '2023-13-01' is not a time"),
    ("time,price\n1969-12-31T23:59:59Z,1\n", "s.csv:2: '1969-12-31T23:59:59Z' is not from 1973 to 2286"),
    ("time,price\n9999-12-31T23:59:59Z,1\n", "s.csv:2: '9999-12-31T23:59:59Z' is not from 1973 to 2286"),
    (f"time,price\n{T},1\n{T + 1}000000,1\n{T + 2},1\n", "s.csv:3: '1700000001000000' is in Unix microseconds, while 2 of 3 rows are in"),
    (f"time,price\n{T}000,1\n{T + 1},1\n{T + 2}000,1\n", "s.csv:3: '1700000001' is in Unix seconds, while 2 of 3"),
    (f"time,price\n{T},1\n2023-11-14,1\n{T + 2},1\n", "s.csv:3: '2023-11-14' is in dates and times, while 2 of 3"),
    (f"time,price\n45244,1\n{T},1\n45245,1\n", "s.csv:3: '1700000000' is in Unix seconds, while 2 of 3 rows are in Excel days"),
    (f"time,price\n{T},$10\n", "s.csv:2: '$10' in column 'price' is not a number"),
    (f"time,price\n{T},95%\n", "s.csv:2: '95%' in column 'price' is not a number"),
    (f'time,price\n{T},"1,234.5"\n', "s.csv:2: '1,234.5' in column 'price' is not a number"),
    (f"time;price\n{T};1.234,5\n", "s.csv:2: '1.234,5' in column 'price' is not a number"),
    (f"time;price\n{T};1,234\n", "s.csv:2: '1,234' may be thousands or decimals"),
    (f"time;price\n{T};0,95\n{T + 1};0.95\n", "s.csv:3: decimals have a point and, in line 2, a comma"),
    (f"time,price\n{T},1e9999999\n", "s.csv:2: '1e9999999' in column 'price' is too large"),
    (f"time,price\n{T},Infinity\n", "s.csv:2: 'Infinity' in column 'price' is not a finite number"),
    (f"time,price\n{T},1_000\n{T},x\n", "s.csv:3: 'x' in column 'price' is not a number"),
    (f"symbol,time,price\nUSDC,{T},1\nUST,{T},2\n", "s.csv has rows of several in column 'symbol' (USDC, UST): name one, as --only symbol=UST"),
    (f"time,price,Exchange\n{T},1,okx\n{T},2,kraken\n", "rows of several in column 'Exchange' (kraken, okx)"),
    (b"time,price\n1700000000,1\n\xff\xfe\xfa,2\n", "s.csv is neither UTF-8 nor UTF-16"),
    (b"PK\x03\x04rest of a workbook", "s.csv is a spreadsheet or an archive: export it as CSV"),
    (b"\x1f\x8b\x08rest", "s.csv is compressed: unpack it"),
    (b"time,pr\0ice and more than enough text to be one\n1,1\n", "s.csv is not a text"),
    (f"time,value\n{T},1\n", "has no column 'price'; it has 'time', 'value'"),
    (f"time,price\n{T},{'9' * 70_000}\n", "s.csv is not a table"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), STRANGE)
def test_a_wrong_file_is_refused_in_one_line_that_says_where(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(TableError) as refused:
        read_table(written(tmp_path, text), "time", ["price"])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@given(
    st.one_of(
        st.integers(-(10**20), 10**20),
        st.integers(10**8, 10**10),
        st.floats(),
        st.text(max_size=20),
        st.datetimes(),
        st.decimals(),
    )
)
def test_a_time_is_refused_or_one_that_a_date_can_have(cell: object) -> None:
    column = TimeColumn("f")
    try:
        column.add(cell, 2)
    except TableError:
        return
    assert 1973 <= datetime.fromtimestamp(column.times_ms[0] // 1_000, UTC).year <= 2286


@given(st.binary(max_size=200))
def test_no_bytes_whatever_are_a_traceback(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    file = written(tmp_path_factory.mktemp("s"), b"time,price\n" + raw)
    said = ""
    try:
        read_table(file, "time", ["price"])
    except TableError as e:
        said = str(e)
    assert "\n" not in said


def test_what_is_put_in_order_is_said_and_counted(tmp_path: Path) -> None:
    text = f"time,price,owed\n{T + 60},2,1\n{T},1,\n{T + 60},2,1\n{T + 60},3,1\n,,\n,-,\n2023-11-14 22:15:20,4,1\n".replace(
        str(T + 60), "2023-11-14 22:14:20"
    )
    file = written(tmp_path, text.replace(str(T), "2023-11-14 22:13:20"))
    table = read_table(file, "time", ["price", "owed"])
    assert table.notes == [
        "1 empty rows left out",
        "times without a zone are taken as UTC",
        "1 rows are earlier than the one before: sorted",
        "2 rows have the time of another, 1 of them with other numbers: the last counts",
        "1 cells of 'owed' without a number",
    ]
    assert [v // WAD for v in table.columns["price"].values] == [1, 3, 4]
    assert table.unit == "dates and times"


def test_rows_of_one_of_several_are_picked_or_all_taken_as_one(tmp_path: Path) -> None:
    file = written(tmp_path, f"symbol,time,price\nA,{T},1\nB,{T + 1},2\nA,{T + 2},3\n")
    one = read_table(file, "time", ["price"], ("symbol", "A"))
    assert ([v // WAD for v in one.columns["price"].values], one.notes) == (
        [1, 3],
        ["1 rows of another symbol left out"],
    )
    assert read_table(file, "time", ["price"], ("symbol", "*")).rows == 3
    with pytest.raises(TableError, match="no row has 'C' in 'symbol'"):
        read_table(file, "time", ["price"], ("symbol", "C"))


def test_a_spacing_that_is_no_number_is_no_row_of_its_column(tmp_path: Path) -> None:
    text = f"time,price,share\n{T},1,\n{T + 1},,0.5\n{T + 2},NaN,null\n{T + 3},3,0.7\n{T + 4},N/A,-\n"
    found = read_series(written(tmp_path, text), "time", "price", "share")
    assert [t // 1_000 - T for t, _ in found.values] == [0, 3]
    assert [t // 1_000 - T for t, _ in found.shares] == [1, 3]


def test_the_upstream_rows_put_back_change_nothing_that_is_remembered(tmp_path: Path) -> None:
    """Four rows of November 2022 stand twice and out of order in the file that the rates came from."""
    if not RETH.is_file():
        pytest.skip("recorded rates are not beside this checkout")
    lines = RETH.read_text().splitlines()
    twice = [line for line in lines if line.split(",")[0] in {"16001280", "16007040", "16012800", "16018560"}]
    assert twice
    shaken = written(tmp_path, "\n".join([*lines, *reversed(twice)]))
    assert read_series(shaken, "timestamp", "rate") == read_series(RETH, "timestamp", "rate")


def test_cells_are_exact_and_rounded_down(tmp_path: Path) -> None:
    text = f"time,price\n{T},1.0000000000000000019\n{T + 1},0.1\n{T + 2},1e-18\n"
    assert [v for _, v in read_series(written(tmp_path, text), "time", "price").values] == [WAD + 1, WAD // 10, 1]


def test_parquet_is_read_like_csv_or_says_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "s.parquet"
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra
        from pyarrow import parquet  # noqa: PLC0415 - the same
    except ImportError:
        with pytest.raises(ValueError, match="pip install 'lrt-oracle\\[parquet\\]'"):
            header_of(file)
        return
    times = pa.array([datetime.fromtimestamp(T + n, UTC) for n in (0, 1)], pa.timestamp("ns", "UTC"))
    parquet.write_table(pa.table({"time": times, "price": [1.5, 2.25]}), file)
    same = written(tmp_path, f"time,price\n{T},1.5\n{T + 1},2.25\n")
    assert read_series(file, "time", "price") == read_series(same, "time", "price")
    file.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(TableError, match=r"s\.parquet is not Parquet"):
        header_of(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time=ts", "a time and a price are needed"),
        ("time=ts,price=on", "there is no column 'on'; did you mean 'one'"),
        ("time=ts,prise=one", "did you mean 'price'"),
        ("time", "is not a column map"),
        ("price=one,price=one", "this is 'one' already"),
        ("price.a=one,price.a=two", "this is 'one' already"),
        ("depth.b=one,price.a=one", "a time and a price are needed for b"),
        ("redemption.a=one,price=one", "is not a column map"),
        ("price=1", "there is no column '1'"),
        ("time=ts,time=owed,price=one", "this is 'ts' already"),
    ],
)
def test_a_wrong_column_map_says_what_there_is(text: str, said: str) -> None:
    with pytest.raises(TableError) as refused:
        column_map(text, ["ts", "one", "two", "owed"])
    assert said in str(refused.value)


def test_columns_are_found_by_their_names_in_any_case() -> None:
    found = column_map("", ["Timestamp", "price_okx", "price_kraken", "depth_okx", "Redemption", "share"])
    assert found.time == "Timestamp"
    assert found.sources == {"okx": {"price": "price_okx", "depth": "depth_okx"}, "kraken": {"price": "price_kraken"}}
    assert found.token == {"redemption": "Redemption"}
    named = column_map("time=TS,price.x=one,depth=500,share.x=Two,redemption=1", ["ts", "one", "two"])
    assert named.sources == {"x": {"price": "one", "depth": "500", "share": "two"}}
    assert named.token == {"redemption": "1"}
    assert (named.numbers, named.read) == (frozenset({"500", "1"}), ("one", "two"))
    assert column_map(named.text(), ["ts", "one", "two"]) == named
