"""replay, history --csv and combine as people and scripts use them."""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

import pytest

from feeds.types import Kind, Observation, Pair
from feeds.units import WAD, Wad
from lab.designs.registry import DESIGNS
from lab.outcome.replay import replay
from lab.scenario import case as cases
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


def test_a_plot_is_drawn_with_a_legend_for_what_is_shaded(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from lab.show.plot import price_limits  # noqa: PLC0415 - an optional extra

    for name in ("a.png", "a.svg", "a.pdf"):
        assert run("replay", "ezeth-2024-04-24", "--plot", str(tmp_path / name)).exit_code == 0
        assert (tmp_path / name).stat().st_size > 10_000
    drawn = (tmp_path / "a.svg").read_text()
    for text in (
        "UTC",
        "redemption",
        "status depeg",
        "price +- spread",
        "pushes by change",
        "curve-ema",
        "from redemption, %",
    ):
        assert f"<!-- {text}" in drawn, text
    played = replay(cases.load(cases.CASES / "ezeth-2024-04-24.toml"), ())
    low, high = price_limits(played)
    assert (
        low
        < min(m.market_wad for m in played.moments) / WAD
        < max(m.redemption_wad for m in played.moments) / WAD
        < high
    )
    assert run("replay", "wrseth-2025-11-04", "--plot", str(tmp_path / "a.xyz")).exit_code == 2
    assert run("replay", "cbeth-as-usd-2026-02-15", "--plot", str(tmp_path / "b.png")).exit_code == 2


def test_a_report_is_one_page_that_needs_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    file = tmp_path / "r.html"
    assert run("replay", "wrseth-2025-11-04", "--report", str(file)).exit_code == 0
    page = file.read_text()
    assert page.count("<script") >= 2
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page), "it loads nothing"
    assert all(text in page for text in ("status halt", "DIMENSION", "pushes by change", "as expected"))


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
    file.write_text("ts,one\n1700000000,1\n1700000010,1\n")
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
