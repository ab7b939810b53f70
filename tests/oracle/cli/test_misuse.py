"""Wrong input of every kind to the command line: one line that says what is wrong, the right exit status, no trace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import Result

from oracle.storage.database import Database
from tests.oracle.cli.command import run

CONFIG = """
[oracle]
database = "o.db"
[feeds."ETH/USD"]
sources = [{ type = "coinbase", symbol = "ETH-USD" }, { type = "kraken", symbol = "ETH/USD" }]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRT_ORACLE_PASSPHRASE", "open")
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "q.json").write_text('[{"source":"a","price":"1"},{"source":"b","price":"1"}]')
    Database(tmp_path / "o.db").close()
    return tmp_path


def one_line(done: Result, code: int, says: str) -> None:
    assert done.exit_code == code, (done.output, done.exception)
    assert isinstance(done.exception, SystemExit), "an exit, not a bug"
    assert says in done.output


BIG = "1" + "0" * 30


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["explain", "ETH/USD", "--round", BIG], 2, "--round"),
        (["verify", "ETH/USD", "--round", BIG], 2, "--round"),
        (["verify", "ETH/USD", "--round", "-1"], 2, "--round"),
        (["history", "ETH/USD", "--minutes", BIG], 2, "--minutes"),
        (["history", "ETH/USD", "--minutes", "-3"], 2, "--minutes"),
        (["history", "ETH/USD", "--csv", "no/such/folder.csv"], 1, "no/such/folder.csv: No such file or directory"),
        (["combine", "q.json", "--floor-bps", "-5"], 2, "--floor-bps"),
        (["demo", "--port", "99999"], 2, "--port"),
        (["demo", "--seconds", "-1"], 2, "write seconds"),
        (["once", "--wait", "nan"], 2, "write seconds"),
        (
            ["deploy", "--keyfile", "k", "--signers", "0x" + "11" * 20, "--threshold", "1", "--rpc", "http://["],
            2,
            "is not an endpoint",
        ),
        (
            ["deploy", "--keyfile", "k", "--signers", "0x" + "11" * 20, "--threshold", "1", "--rpc", "foo"],
            2,
            "is not an endpoint",
        ),
        (["keys", "show", "."], 2, "is a directory"),
        (["keys", "show", "config.toml"], 1, "is not a keyfile with an address"),
        (["keys", "new", "q.json/k.json"], 1, "q.json"),
    ],
)
def test_wrong_numbers_and_files_are_refused(folder: Path, args: Sequence[str], code: int, says: str) -> None:
    assert folder.is_dir()
    one_line(run(*args), code, says)


@pytest.mark.parametrize("args", [["join"], ["peers"], ["announce"], ["announce", "--show"], ["announce", "--send"]])
def test_a_command_of_an_operator_among_others_needs_a_network(folder: Path, args: Sequence[str]) -> None:
    assert folder.is_dir()
    one_line(run(*args), 2, "no [network] in the config")


@pytest.mark.parametrize("command", ["explain", "verify", "history"])
def test_a_file_that_is_not_a_database_is_reported(folder: Path, command: str) -> None:
    (folder / "o.db").write_bytes(b"\xfe" * 9_000)
    one_line(run(command, "ETH/USD"), 1, "a database cannot be used (file is not a database): look at oracle.database")


@pytest.mark.parametrize(
    "body", ["[]", "{}", "zzz", '{"address": 5}', '{"address": "0x12"}', '{"version": 9, "crypto": {}}']
)
def test_a_file_that_is_not_a_keyfile_is_reported(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "k.json").write_text(body)
    one_line(run("keys", "show", "k.json"), 1, "k.json is not a keyfile with an address")
    monkeypatch.setattr("oracle.deploy.deployment.chain_id_of", _chain_id)
    args = ["--rpc", "http://127.0.0.1:9", "--signers", "0x" + "11" * 20, "--threshold", "1"]
    done = run("deploy", *args, "--keyfile", "k.json", "--passphrase-env", "LRT_ORACLE_PASSPHRASE")
    one_line(done, 1, "k.json does not open")


async def _chain_id(_url: str) -> int:
    return 1


def test_a_journal_that_cannot_be_made_leaves_no_key_behind(folder: Path) -> None:
    one_line(run("keys", "new", "k.json", "--journal", "q.json/j.db"), 1, "q.json")
    assert not (folder / "k.json").exists(), "a key without its journal signs nothing at first"


def test_json_is_one_document(folder: Path) -> None:
    made = json.loads(run("keys", "new", "k.json", "--json").stdout)
    assert made == json.loads(run("keys", "show", "k.json", "--json").stdout)
    assert made["address"] == run("keys", "show", "k.json").stdout.strip()
    wrote = json.loads(run("history", "ETH/USD", "--csv", "h.csv", "--json").stdout)
    assert wrote == {"feed": "ETH/USD", "file": "h.csv", "rows": 0}
    assert (folder / "h.csv").is_file()


def test_a_port_out_of_range_is_an_error_of_the_config(folder: Path) -> None:
    (folder / "config.toml").write_text("[api]\nport = 99999\n" + CONFIG)
    one_line(run("check", "--offline"), 2, "api.port: 99999 is out of range: write 0 to 65535")


@pytest.mark.parametrize("endpoint", ["127.0.0.1:8545", "ws://127.0.0.1:8545", "http://", "http://["])
def test_what_is_not_an_endpoint_is_an_error_of_the_config(folder: Path, endpoint: str) -> None:
    (folder / "config.toml").write_text(f'[chains.c]\nchain_id = 1\nendpoints = ["{endpoint}"]\n' + CONFIG)
    one_line(run("check", "--offline"), 2, "endpoints[0]: is not a URL: write http:// or https:// and a host")
