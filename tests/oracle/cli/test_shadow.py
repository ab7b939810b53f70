"""`lrt-oracle shadow run` as a shell sees it: no key is opened, it ends by itself, and a length is written with its unit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from oracle.cli.shadow import length

ENVIRON = {**os.environ, "LRT_ORACLE_PASSPHRASE": "x"}
"""With a passphrase the keyfile is opened by whoever opens any."""
CONFIG = """
[oracle]
database = "{folder}/own.db"
[venues.coinbase]
ws_url = "ws://127.0.0.1:1"
rest_url = "http://127.0.0.1:1"
[venues.kraken]
ws_url = "ws://127.0.0.1:1"
rest_url = "http://127.0.0.1:1"
[chains.local]
chain_id = 31337
endpoints = ["http://127.0.0.1:1"]
[[operators]]
name = "alpha"
keyfile = "{folder}/broken.key.json"
journal = "{folder}/broken.journal.db"
[targets.local]
chain = "local"
store = "0x1111111111111111111111111111111111111111"
gas_keyfile = "{folder}/broken.gas.json"
[feeds."ETH/USD"]
[[feeds."ETH/USD".sources]]
type = "coinbase"
symbol = "ETH-USD"
[[feeds."ETH/USD".sources]]
type = "kraken"
symbol = "ETH/USD"
"""


def lrt_oracle(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = folder / "config.toml"
    path.write_text(CONFIG.format(folder=folder))
    command = [sys.executable, "-m", "oracle", "--config", str(path), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=ENVIRON)


def test_it_needs_no_key_and_ends_when_its_time_is_over(tmp_path: Path) -> None:
    (tmp_path / "broken.key.json").write_text("{}")
    refused = lrt_oracle(tmp_path, "run")
    assert refused.returncode == 1
    assert "broken.key.json" in refused.stderr, "the process of the same config opens its keys"
    done = lrt_oracle(tmp_path, "shadow", "run", "--for", "1s")
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert first == "shadow run: no keys are opened, nothing is signed, pushed or voted on"
    assert "for 1 s" in others[0]
    assert str(tmp_path / "own.shadow.db") in others[0]
    assert others[1].startswith("without a reference: ETH/USD ")
    assert others[-1].endswith(f"shadow report {tmp_path / 'own.shadow.db'}")
    assert (tmp_path / "own.shadow.db").is_file()
    assert [f.name for f in tmp_path.glob("broken*")] == ["broken.key.json"], "no journal was begun"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1_800), ("1.5h", 5_400), ("7d", 604_800), (" 2 w ", 1_209_600)]
)
def test_a_length_has_a_unit(text: str, seconds: float) -> None:
    assert length(click.Context(click.Command("x")), click.Option(["--for"]), text) == seconds


@pytest.mark.parametrize("text", ["7", "d", "-1d", "0s", "1e3s", "99999999d", "7 days", ""])
def test_anything_else_is_refused_and_says_what_to_write(text: str) -> None:
    with pytest.raises(click.BadParameter, match="as 7d, 36h, 30m or 90s"):
        length(click.Context(click.Command("x")), click.Option(["--for"]), text)
