"""The command line: documents on standard output, exit statuses that scripts rely on."""

from __future__ import annotations

from pathlib import Path

import pytest

from feeds.registry import EXCHANGES
from oracle.__main__ import main
from oracle.config.sections import load
from oracle.model.state import FeedState
from oracle.model.types import FeedRound, FoldedFeed
from oracle.report.compose import published_after
from oracle.round.step import step
from oracle.storage.database import Database
from tests.oracle.cli.command import document, run
from tests.oracle.oracle_build import T0, outcomes, seen, spec
from tests.oracle.storage.stored_rounds import record_of

FEED = spec(feed="ETH/USD", has_redemption=False)
ROOT = Path(__file__).resolve().parent.parent.parent.parent


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A config with one feed, and a database with five rounds of it."""
    database = Database(tmp_path / "o.db")
    state, published = FeedState(), None
    for i in range(5):
        given = [*outcomes("2000", at_ms=T0 + i * 1_000)[:2], seen("binance", "400", T0 + i * 1_000)]
        result, after = step(FEED, state, given, {}, T0 + i * 1_000, published)
        assert isinstance(result, FeedRound)
        published = published_after(published, result.report, result.round_time_s)
        kept = FoldedFeed(operator="a", spec=FEED, before=state, after=after, result=result)
        database.save_round([kept], [], [record_of(result)], [])
        state = after
    database.close()
    path = tmp_path / "config.toml"
    path.write_text(f"""
        [oracle]
        database = "{tmp_path / "o.db"}"
        [feeds."ETH/USD"]
        [[feeds."ETH/USD".sources]]
        type = "coinbase"
        symbol = "ETH-USD"
        [[feeds."ETH/USD".sources]]
        type = "kraken"
        symbol = "ETH/USD"
    """)
    return str(path)


SHIPPED = ["stETH", "wstETH", "rETH", "cbETH", "weETH", "ezETH", "rsETH", "pufETH", "rswETH", "osETH", "mETH", "cmETH", "ETHx",
           "swETH", "sfrxETH", "wBETH", "divETH"]  # fmt: skip


def test_the_config_that_is_shipped_has_no_errors() -> None:
    found = document("--config", str(ROOT / "config.toml"), "check", "--offline")
    assert found["errors"] == []
    feeds = {f["feed"]: f for f in found["feeds"]}
    off = {f["feed"]: f["reason"] for f in found["off"]}
    for token in SHIPPED:
        assert {f"{token}/ETH", f"{token}/USD"} <= set(feeds) | set(off), token
    assert set(off) == {"divETH/ETH", "divETH/USD"}
    assert all(off.values())
    signed = set()
    for name, feed in feeds.items():
        assert feed["reason"] or not feed["reference_only"], f"{name} says why it is not on chain"
        if feed["use"] == "served; signed and pushed once there are [operators] and [targets]":
            signed.add(name)
            assert feed["groups_reachable"] >= 2, name
    assert "no targets: nothing is pushed" in found["notes"]
    assert signed
    assert {f for f in feeds if "signed and pushed" in feeds[f]["use"]} >= {"ETH/USD", "stETH/ETH", "wstETH/ETH"}


def test_no_shipped_feed_shows_the_price_of_one_group_as_ok() -> None:
    """Without the key a feed of one group that is not pushed would be served as if a second one had agreed."""
    for feed in load(ROOT / "config.toml").feeds.values():
        assert feed.min_groups > 1 or feed.accept_single_group


def test_the_catalogue_is_counted() -> None:
    counts = document("--config", str(ROOT / "config.toml"), "check", "--offline")["counts"]
    least = {"tokens": 60, "pools": 110, "rates": 53, "references": 150, "chains": 4}
    assert all(counts[k] >= n for k, n in least.items()), counts
    assert counts["venues"] == len(EXCHANGES)


def test_the_check_prints_reasons_and_what_is_off() -> None:
    text = run("--config", str(ROOT / "config.toml"), "check", "--offline").stdout
    assert "one exchange and no pool" in text
    assert "divETH/ETH         off: no mainnet address" in text
    assert "mETH/ETH           1 group (uniswap_v3 WETH/mETH 0.05%), needs 1; reference only" in text
    assert "cmETH/ETH          redemption rate alone; reference only: served, not on chain: no pool" in text
    assert "weETH/USD          product of weETH/ETH and ETH/USD" in text
    assert " groups ()" not in text
    assert text.rstrip().endswith("0 errors")


def test_a_bad_config_exits_2_with_every_error(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[oracel]\n[feeds."ETH/USD"]\nmetod = "x"\n')
    done = run("--config", str(path), "check", "--offline")
    assert done.exit_code == 2
    assert "did you mean 'oracle'?" in done.stdout
    assert "did you mean 'method'?" in done.stdout
    assert run("--config", str(path), "run").exit_code == 2


def test_explain_names_the_rejected_source(config: str) -> None:
    found = document("--config", config, "explain", "ETH/USD")
    market = found["operators"][0]["market"]
    assert [r["source"] for r in market["rejected"]] == ["binance"]
    assert {u["source"] for u in market["used"]} == {"coinbase", "kraken"}
    text = run("--config", config, "explain", "ETH/USD").stdout
    assert "binance" in text
    assert "OUTLIER" in text


def test_verify_recomputes_and_exits_0(config: str) -> None:
    assert run("--config", config, "verify", "ETH/USD").exit_code == 0
    found = document("--config", config, "verify", "ETH/USD", "--round", str(T0 // 1000 + 2))
    assert found["ok"]
    assert run("--config", config, "verify", "ETH/USD", "--round", "5").exit_code == 3


def test_verify_finds_a_changed_round_and_exits_1(config: str, tmp_path: Path) -> None:
    database = Database(tmp_path / "o.db")
    changed = "replace(CAST(body AS TEXT), '400000000000000000000', '401000000000000000000')"
    database.connection.execute(f"UPDATE rounds SET body = CAST({changed} AS BLOB)")  # noqa: S608 - constants
    database.close()
    done = run("--config", config, "verify", "ETH/USD")
    assert done.exit_code == 1
    assert "OTHER" in done.stdout


def test_history_and_unknown_feeds(config: str) -> None:
    assert document("--config", config, "history", "ETH/USD", "--minutes", "100000000")["records"][0]["price"]
    done = run("--config", config, "history", "ETH/USX")
    assert done.exit_code == 2
    assert "did you mean 'ETH/USD'?" in done.output


def test_combine_runs_any_method_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.write_text('[{"source":"a","price":"1.05"},{"source":"b","price":1.0499},{"source":"c","price":"0.2"}]')
    found = document("combine", str(path))
    assert found["price"] == "1.049950000000000000"
    assert [r["source"] for r in found["rejected"]] == ["c"]
    assert document("combine", str(path), "--outliers", "none")["price"] == "1.049900000000000000"
    path.write_text('[{"source":"a","price":"$1"}]')
    assert run("combine", str(path)).exit_code == 2
    path.write_text("[")
    assert run("combine", str(path)).exit_code == 2
    assert run("combine", str(path), "--method", "medain").exit_code == 2


def test_keys_are_made_with_their_journal_and_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, journal = tmp_path / "k.json", tmp_path / "j.db"
    assert run("keys", "new", str(key)).exit_code == 1
    monkeypatch.setenv("LRT_ORACLE_PASSPHRASE", "correct horse")
    made = run("keys", "new", str(key), "--journal", str(journal))
    assert made.exit_code == 0
    assert run("keys", "show", str(key)).stdout.strip().lower() == made.stdout.strip().lower()
    assert "correct horse" not in key.read_text()
    assert key.stat().st_mode & 0o077 == 0
    assert journal.is_file()
    again = run("keys", "new", str(key))
    assert again.exit_code == 1
    assert "never overwritten" in again.output


def test_every_command_is_in_the_docs() -> None:
    text = "".join(p.read_text() for p in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    missing = [name for name in main.commands if f"lrt-oracle {name}" not in text]
    assert not missing
