"""Questions from a shell: over the database, as a config block, and what the words of the archive's command lead to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oracle.cli.shell import ExitCode
from tests.oracle.cli.command import document, run
from tests.oracle.query.query_world import FEED, INTERVAL_S, S0, SYMBOLS, asked, filled, world

ROUNDS = 40


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("query")
    sources = "".join(f'[[feeds."{FEED}".sources]]\ntype = "{v}"\nsymbol = "{s}"\n' for v, s in SYMBOLS.items())
    bands = f'[feeds."{FEED}".bands]\nwatch_dwell_s = 20\ndepeg_dwell_s = 40\nleave_dwell_s = 60\n'
    text = f'[oracle]\ndatabase = "{folder / "o.db"}"\nround_interval_s = {INTERVAL_S}\n[feeds."{FEED}"]\nhalt_after_s = 40\n'
    path = folder / "config.toml"
    path.write_text(text + bands + sources)
    filled(folder / "o.db", world(), ROUNDS)
    return path


def test_the_command_answers_as_the_question_does(config: Path) -> None:
    last = S0 + (ROUNDS - 1) * INTERVAL_S
    words = ("--from", str(last - 100), "--to", str(last), "--step", "20")
    found = document(
        "--config", str(config), "query", FEED, *words, "--source", "venue=kraken", "--source", "min_depth=250"
    )
    question = {
        "from_s": last - 100, "to_s": last, "step_s": 20, "sources": [{"venue": "kraken"}, {"min_depth": "250"}],
    }  # fmt: skip
    assert found == asked(config.parent / "o.db", world(), question)
    text = run("--config", str(config), "query", FEED, "--source", "name=kraken,group=kraken").stdout
    assert "not signed" in text
    assert "weight 100.00 %" in text


def test_the_block_that_is_printed_is_a_config_that_the_check_accepts(config: Path) -> None:
    done = run("--config", str(config), "query", FEED, "--method", "lwap", "--source", "venue=kraken", "--as-feed")
    assert done.exit_code == ExitCode.DONE, done.output
    both = config.with_name("both.toml")
    both.write_text(config.read_text() + done.stdout)
    checked = document("--config", str(both), "check", "--offline")
    assert checked["errors"] == []
    assert f"{FEED}#asked" in {f["feed"] for f in checked["feeds"]}


def test_the_block_of_a_question_with_a_converted_source_passes_the_check_too(tmp_path: Path) -> None:
    def source(feed: str, venue: str, symbol: str, more: str = "") -> str:
        return f'[[feeds."{feed}".sources]]\ntype = "{venue}"\nsymbol = "{symbol}"\n{more}'

    coin = source("USDT/USD", "coinbase", "USDT-USD") + source("USDT/USD", "kraken", "USDT/USD")
    by_coin = 'pair = "ETH/USDT"\nconvert = "USDT/USD"\n'
    ether = source(FEED, "kraken", "ETH/USD") + source(FEED, "coinbase", "ETH-USD")
    ether += source(FEED, "binance", "ETHUSDT", by_coin) + source(FEED, "okx", "ETH-USDT", by_coin)
    config = tmp_path / "config.toml"
    config.write_text(f'[oracle]\ndatabase = "{tmp_path / "o.db"}"\n{coin}{ether}')
    for chosen in (("binance",), ("okx", "kraken"), ("binance", "okx")):
        words = [w for v in chosen for w in ("--source", f"venue={v}")]
        block = run("--config", str(config), "query", FEED, *words, "--as-feed").stdout
        both = config.with_name("both.toml")
        both.write_text(config.read_text() + block)
        checked = document("--config", str(both), "check", "--offline")
        assert checked["errors"] == []
        assert f"{FEED}#asked" in {f["feed"] for f in checked["feeds"]}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("SELECT 1 / 2",), "lrt-oracle archive-sql SQL"),
        (("SELECT",), "lrt-oracle archive-sql SQL"),
        ((FEED, "--method", "medain"), "did you mean 'median'?"),
        ((FEED, "--source", "kraken"), "write KEY=VALUE"),
        ((FEED, "--source", "venu=kraken"), "did you mean 'venue'?"),
        ((FEED, "--source", "venue=kraken,venue=gemini"), "venue is written twice"),
        ((FEED, "--live"), "a database alone: ask the process with --url"),
        ((FEED, "--live", "--to", "5"), "live: is of this moment, and to_s of stored rounds"),
        ((FEED, "--dust", "1"), "dust leaves out trades, and median is made of quotes"),
        ((FEED, "--url", "127.0.0.1:8551"), "write http:// or https:// before it"),
        (("ethereum:0x12/USD",), "is not an address: write 0x and 40 hexadecimal digits"),
        ((FEED, "--as-feed", "--source", "min_depth=1"), "name those of the answer"),
        (("ETC/USD",), "did you mean 'ETH/USD'?"),
    ],
)
def test_what_cannot_be_asked_is_one_line_that_says_what_to_write(
    config: Path, words: tuple[str, ...], says: str
) -> None:
    done = run("--config", str(config), "query", *words)
    assert done.exit_code == ExitCode.USAGE
    assert says in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_without_a_price_the_status_says_so(config: Path) -> None:
    words = ("--from", str(S0 - 20), "--to", str(S0 - 10), "--step", "10")
    done = run("--config", str(config), "query", FEED, *words)
    assert done.exit_code == ExitCode.USAGE
    assert "are kept with their inputs from" in done.output
    gap = document("--config", str(config), "query", FEED, "--from", str(S0 - 20), "--to", str(S0), "--step", "15")
    assert json.dumps(gap["points"]).count('"price": null') == len(gap["points"])
