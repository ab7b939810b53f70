"""replay, history --csv and combine as people and scripts use them."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import pytest

from feeds.types import Kind, Observation, Pair
from feeds.units import WAD, Wad
from lab import case as cases
from lab.designs.registry import DESIGNS
from lab.user_data import UserDataError, user_case
from oracle.config.resolve import resolve
from oracle.config.sections import load
from oracle.model.publication import Record
from oracle.model.spec import Mode
from oracle.model.state import FeedState
from oracle.model.types import FeedRound, FoldedFeed
from oracle.report.compose import price_of
from oracle.round.step import step
from oracle.runtime.clock import now_ms
from oracle.storage.database import Database
from tests.lab.command_line import document, run


def test_a_case_is_shown_with_every_design_and_why_the_status_changed() -> None:
    done = run("replay", "wrseth-2025-11-04")
    assert done.exit_code == 0
    assert "as expected" in done.output
    assert "ok -> halt: market is" in done.output
    assert all(name in done.output for name in ("lrt-oracle", *DESIGNS))
    assert "made up: Seven sources" in done.output


def test_the_stretch_of_a_rare_case_is_shown() -> None:
    assert "2160 times longer than in production" in run("replay", "reth-quiet-years", "--against", "none").output


def test_one_document_with_the_case_the_designs_and_the_changes() -> None:
    found = document("replay", "skrw-2019-06-25", "--against", "redstone,pyth")
    (case,) = found["cases"]
    assert (case["name"], case["passed"], case["failures"]) == ("skrw-2019-06-25", True, [])
    assert set(case["designs"]) == {"lrt-oracle", "redstone", "pyth"}
    assert case["designs"]["redstone"]["high"] == "500.500000000000000000"
    assert case["designs"]["pyth"]["high"] is None
    assert [(c["before"], c["after"]) for c in case["changes"]] == [("ok", "halt"), ("halt", "ok")]
    assert case["changes"][0]["codes"] == ["DIVERGED"]


def test_a_config_case_shows_its_refusal() -> None:
    found = document("replay", "cbeth-as-usd-2026-02-15")
    assert "cbETH/ETH is not cbETH/USD" in found["cases"][0]["refused"][0]


def test_another_method_that_does_worse_fails_the_case_and_the_command() -> None:
    """A TWAP of half an hour publishes a price that is long gone."""
    done = run("replay", "moonwell-lag-2025-10-10", "--method", "twap_arithmetic", "--against", "none")
    assert done.exit_code == 1
    assert "NOT AS EXPECTED" in done.output
    assert "bps from the truth, at most 25 were expected" in done.output


def test_a_case_of_ones_own_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text((cases.CASES / "tight-sources.toml").read_text())
    assert document("replay", str(file))["cases"][0]["name"] == "mine"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("replay", "tight-sorces"), "did you mean 'tight-sources'"),
        (("replay", "tight-sources", "--method", "medain"), "did you mean 'median'"),
        (("replay", "tight-sources", "--against", "pith"), "did you mean 'pyth'"),
        (("replay", "all", "--plot", "x.png"), "plot"),
        (("replay", "nosuch.csv"), "No such file"),
    ],
)
def test_wrong_usage_says_what_to_write(args: tuple[str, ...], said: str) -> None:
    done = run(*args)
    assert done.exit_code == 2
    assert said in done.output


def test_a_broken_case_file_is_a_usage_error(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('title = "x"\n')
    done = run("replay", str(file))
    assert done.exit_code == 2
    assert "start: write start and end as" in done.output
    file.write_text("= x")
    assert "is not a case" in run("replay", str(file)).output


def test_without_matplotlib_a_plot_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = run("replay", "tight-sources", "--plot", "x.png")
    assert done.exit_code == 2
    assert "pip install 'lrt-oracle[plot]'" in done.output


def test_a_plot_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("a.png", "a.svg"):
        assert run("replay", "wrseth-2025-11-04", "--plot", str(tmp_path / name)).exit_code == 0
        assert (tmp_path / name).stat().st_size > 10_000
    assert "halt: DIMENSION" in (tmp_path / "a.svg").read_text() or b"<svg" in (tmp_path / "a.svg").read_bytes()[:400]
    assert run("replay", "wrseth-2025-11-04", "--plot", str(tmp_path / "a.xyz")).exit_code == 2
    assert run("replay", "cbeth-as-usd-2026-02-15", "--plot", str(tmp_path / "b.png")).exit_code == 2


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
    assert (case["feed"], case["rounds"], case["stretch"]) == ("weETH/ETH", 120, 1)
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
    assert case["rounds"] == 240
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
        ({i: 1_700_000_000_000_000 + 60_000_000 * i for i in range(12)}, "mine.csv:2: '1700000000000000' is not a time from 1970"),
        ({11: 1_700_000_660_000_000}, "mine.csv:13: '1700000660000000' is not a time from 1970"),
        ({11: "9999-12-31T23:59:59Z"}, "has no row from 2023-11-14 22:23:20 to 9999-12-31 23:59:59"),
        ({0: 0}, "mine.csv has no row from 1970-01-01 00:00:00 to 2023-11-14 22:14:20, which is 28333334 rounds of 60 s"),
    ],
)  # fmt: skip
def test_a_row_of_another_time_is_one_line_that_says_which(tmp_path: Path, strange: dict[int, Any], said: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("\n".join(["time,price", *(f"{strange.get(i, 1_700_000_000 + 60 * i)},1" for i in range(12))]))
    done = run("replay", str(file))
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert said in done.output


def test_a_gap_that_can_be_played_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    for rounds in (100_000, 100_001):
        times = [0, 60, 120, 180, 240, 240 + 60 * rounds]
        file.write_text("\n".join(["time,price", *(f"{t + 1_700_000_000},1" for t in times)]))
        if rounds == 100_000:
            assert user_case(file, "").cadence_ms == 60_000
            continue
        with pytest.raises(UserDataError, match="100001 rounds of 60 s, at most 100000"):
            user_case(file, "")


CONFIG = """
[oracle]
database = "{database}"
[chains.ethereum]
chain_id = 1
endpoints = ["https://rpc.example.org"]
[feeds."weETH/ETH"]
mode = "min"
[feeds."weETH/ETH".bands]
watch_bps = 100
depeg_bps = 400
[[feeds."weETH/ETH".sources]]
type = "coinbase"
symbol = "WEETH-ETH"
[[feeds."weETH/ETH".sources]]
type = "kraken"
symbol = "WEETH/ETH"
[[feeds."weETH/ETH".sources]]
type = "rate_call"
name = "rate"
kind = "redemption"
chain = "ethereum"
contract = "0x35fA164735182de50811E8e2E824cFb9B6118ac2"
function = "getRate()"
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A config with one feed and a database with two minutes of it, the last of them 3 % below its rate."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(database=tmp_path / "o.db"))
    spec = resolve(load(path)).specs["weETH/ETH"]
    store, state, pair = Database(tmp_path / "o.db"), FeedState(), Pair.parse("weETH/ETH")
    began = (now_ms() - 600_000) // 10_000 * 10_000
    for i in range(12):
        at, market = began + i * 10_000, Wad(105 * WAD // 100 if i < 6 else 1_018_500_000_000_000_000)
        seen = [
            Observation(
                pair=pair,
                source=s.name,
                group=s.group,
                kind=s.kind,
                price_wad=market if s.kind is Kind.MARKET else Wad(105 * WAD // 100),
                observed_at_ms=at,
            )
            for s in spec.sources
        ]
        result, after = step(spec, state, seen, {}, at)
        assert isinstance(result, FeedRound)
        record = Record(
            feed=spec.feed,
            mode=Mode.MIN,
            report=result.report,
            price_wad=price_of(result.report, Mode.MIN),
            deviation_bps=result.verdict.deviation_bps,
            reasons=result.verdict.reasons,
            observed_at_ms=at,
            computed_at_ms=at,
            signed_at_ms=None,
            operators=("a",),
        )
        store.save_round(
            [FoldedFeed(operator="a", spec=spec, before=state, after=after, result=result)], [], [record], []
        )
        state = after
    store.close()
    return str(path)


def test_what_history_exports_replay_reads_and_judges_alike(config: str, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    told = document("--config", config, "history", "weETH/ETH")["records"]
    done = run("--config", config, "history", "weETH/ETH", "--csv", str(file))
    assert done.exit_code == 0
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text))
    assert [r["price"] for r in rows] == [r["market"] for r in told]
    assert [r["status"] for r in rows] == [r["status"] for r in told]
    (case,) = document("--config", config, "replay", str(file), "--feed", "weETH/ETH", "--like", "weETH/ETH")["cases"]
    changed = [(c["at_ms"] // 1_000, c["after"]) for c in case["changes"]]
    at = [int(r["time"]) for i, r in enumerate(rows) if i and r["status"] != rows[i - 1]["status"]]
    assert changed == [(at[0], "watch")]
    assert case["designs"]["lrt-oracle"]["low"] == rows[-1]["published"]


def test_like_needs_a_feed_of_the_config(config: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(OWN)
    done = run("--config", config, "replay", str(file), "--columns", "time=ts,price=one", "--like", "weETH/USD")
    assert done.exit_code == 2
    assert "is not a feed of" in done.output


def test_combine_prints_price_spread_weights_and_what_was_refused(tmp_path: Path) -> None:
    file = tmp_path / "q.json"
    file.write_text('[{"source":"a","price":"1.05","bid":"1.049","ask":"1.051"},{"source":"b","price":1.0499},'
                    '{"source":"c","price":"0.2"},{"source":"d","price":"NaN"}]')  # fmt: skip
    done = run("combine", str(file))
    assert done.exit_code == 0
    assert "1.049950000000000000 +- " in done.output
    assert "weight 50.00 %" in done.output
    assert done.output.count("rejected: ") == 2
    found = document("combine", str(file), "--method", "mean", "--outliers", "none")
    assert [r["source"] for r in found["rejected"]] == ["d"]
    assert run("combine", str(tmp_path)).exit_code == 2
