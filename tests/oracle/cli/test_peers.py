"""`lrt-oracle peers` where the chain does not answer: at night that is when one wants to know whether the others are there."""

from __future__ import annotations

import json
from pathlib import Path

import coincurve
import pytest

from oracle.sign.keyfiles import save
from tests.oracle.cli.command import run

CONFIG = """
[oracle]
database = "o.db"
[api]
port = 1
[chains.local]
chain_id = 31337
endpoints = ["http://127.0.0.1:1"]
[targets.main]
chain = "local"
store = "0x2222222222222222222222222222222222222222"
[[operators]]
name = "mine"
keyfile = "mine.json"
journal = "mine.db"
[network]
keyfile = "network.key"
[network.peers.alpha]
address = "0x1111111111111111111111111111111111111111"
url = "wss://127.0.0.1:1"
[feeds."ETH/USD"]
sources = [{ type = "coinbase", symbol = "ETH-USD" }, { type = "kraken", symbol = "ETH/USD" }]
"""


@pytest.mark.loopback
def test_where_the_chain_does_not_answer_those_of_the_config_are_tried_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRT_ORACLE_PASSPHRASE", "open")
    save(tmp_path / "mine.json", coincurve.PrivateKey(b"\x07" * 32), "open", iterations=1)
    (tmp_path / "config.toml").write_text(CONFIG)
    told = run("peers")
    assert told.exit_code == 1, told.output
    assert not (tmp_path / "network.key").exists(), "who only looks makes none"
    first, alpha, sum_of_it = told.stdout.splitlines()
    assert first.startswith("! who the members are is not known from the chain")
    assert "127.0.0.1:1: UNREACHABLE" in first
    assert alpha.startswith("poor  alpha          weight ?    not")
    assert sum_of_it == "0 of 1 are reached"
    document = json.loads(run("peers", "--json").stdout)
    assert document["peers"][0]["weight"] is None
    assert "UNREACHABLE" in document["chain_error"]
