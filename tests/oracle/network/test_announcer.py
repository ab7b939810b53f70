"""`lrt-oracle announce`, on a real chain: what the config says is signed, sent by whoever pays, and shown of every member."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coincurve
import pytest
from click.testing import CliRunner, Result
from web3 import Web3

from demo.world import anvil
from demo.world.chain import account
from oracle.__main__ import main
from oracle.network.announcer import MADE_AT_START
from oracle.sign import keyfiles
from oracle.sign.announcement import read_announcement
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.key_lock import sole_writer
from tests.contracts.contract_tools import KEYS as MEMBER_KEYS
from tests.contracts.contract_tools import Bench, connected

pytestmark = pytest.mark.chain
REPORT = coincurve.PrivateKey(bytes.fromhex(MEMBER_KEYS[1][2:]))
GAS, OTHER = (coincurve.PrivateKey(bytes(account(i).key)) for i in (2, 3))
CONFIG = """
[oracle]
database = "oracle.db"
[chains.local]
chain_id = 31337
endpoints = ["URL"]
[targets.main]
chain = "local"
store = "STORE"
gas_keyfile = "gas.json"
[[operators]]
name = "beta"
keyfile = "beta.json"
journal = "beta.db"
[network]
keyfile = "network.key"
directory = "DIRECTORY"
[feeds."ETH/USD"]
sources = [{ type = "coinbase", symbol = "ETH-USD" }, { type = "kraken", symbol = "ETH/USD" }]
"""


@dataclass
class Desk:
    """A store of three members and a directory on a chain, and the config of one of the members."""

    bench: Bench
    directory: Any
    folder: Path
    text: str

    def write(self, network: str = "") -> None:
        (self.folder / "config.toml").write_text(self.text.replace("[network]\n", f"[network]\n{network}"))

    def run(self, *args: str) -> Result:
        return CliRunner().invoke(main, ["announce", *args])

    def document(self, *args: str) -> dict[str, Any]:
        done = self.run(*args, "--json")
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.stdout))

    @property
    def domain(self) -> Domain:
        return Domain(chain_id=31_337, store=bytes.fromhex(self.bench.store.address[2:]))

    def place(self) -> list[int]:
        return list(self.directory.functions.announced(self.bench.store.address, _text(address_of(REPORT))).call())


def _text(address: bytes) -> str:
    return str(Web3.to_checksum_address(address))


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[str, Web3]]:
    with anvil.running() as running, connected(running.url) as web3:
        yield running.url, web3


@pytest.fixture
def desk(chain: tuple[str, Web3], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    bench = Bench(chain[1])
    directory = bench.create("OperatorDirectory")
    text = CONFIG.replace("URL", chain[0]).replace("STORE", bench.store.address)
    made = Desk(bench, directory, tmp_path, text.replace("DIRECTORY", directory.address))
    for name, key in (("beta", REPORT), ("gas", GAS), ("other", OTHER)):
        keyfiles.save(tmp_path / f"{name}.json", key, "open", iterations=1)
    for name in ("LRT_ORACLE_PASSPHRASE", "LRT_ORACLE_GAS_PASSPHRASE"):
        monkeypatch.setenv(name, "open")
    made.write()
    return made


def test_what_the_config_says_is_announced_and_seen_of_every_member(desk: Desk) -> None:
    """Once; then there is nothing to send until something changes, and the counter rises."""
    desk.write('url = "ws://beta.example:8651"\nlisten = "0.0.0.0:8651"\n')
    nobody = desk.document("--show")
    assert [m["reason"] for m in nobody["members"]] == ["not_announced"] * 3
    made = desk.document()
    assert made["sent"] is None
    assert desk.place() == [0, 0], "without --send nothing is"
    sent = desk.document("--send")
    counter, block = desk.place()
    assert sent["sent"]["block"] == block
    assert sent["counter"] == str(counter)
    read = read_announcement(desk.domain, bytes.fromhex(sent["announcement"][2:]))
    assert (read.address, read.said.urls) == (address_of(REPORT), ("ws://beta.example:8651",))
    network_key = coincurve.PrivateKey(bytes.fromhex((desk.folder / "network.key").read_text().strip()))
    assert read.said.network_key == address_of(network_key)
    shown = {m["address"]: m for m in desk.document("--show")["members"]}
    assert len(shown) == 3
    own = shown[_text(address_of(REPORT))]
    assert (own["reason"], own["block"], own["announced"]["urls"]) == (None, block, ["ws://beta.example:8651"])
    again = desk.document("--send")
    assert (again["unchanged"], again["sent"]) == (True, None)
    assert desk.place() == [counter, block]
    desk.write('url = "ws://beta.example:9000"\nlisten = "0.0.0.0:8651"\n')
    assert desk.document("--send")["sent"] is not None
    assert desk.place()[0] > counter


def test_anybody_sends_the_line_that_is_printed(desk: Desk) -> None:
    made = desk.document()
    desk.bench.send(desk.directory.functions.announce(made["store"], bytes.fromhex(made["announcement"][2:])))
    assert desk.place()[0] == int(made["counter"])
    again = desk.directory.functions.announce(made["store"], bytes.fromhex(made["announcement"][2:]))
    assert desk.bench.refused(again) == "OldCounter"
    assert again._encode_transaction_data() == made["calldata"]
    said = desk.run()
    assert "nothing has to be sent" in said.output
    desk.write('url = "ws://beta.example:9000"\nlisten = "0.0.0.0:8651"\n')
    assert f"cast send {made['directory']} 'announce(address,bytes)' {made['store']} 0x" in desk.run().output


def test_a_certificate_that_is_made_at_each_start_never_stands_above_what_the_process_says(desk: Desk) -> None:
    """Its hash is not known here; a hello of the running process, with Unix milliseconds, always counts as newer."""
    desk.write('url = "wss://beta.example:8651"\nlisten = "0.0.0.0:8651"\n')
    first = desk.document("--send")
    assert (first["counter"], first["certificate"]) == ("1", MADE_AT_START.hex())
    assert any("a certificate is made at each start" in n for n in first["notes"])
    desk.write('url = "wss://beta.example:9000"\nlisten = "0.0.0.0:8651"\n')
    assert desk.document("--send")["counter"] == "2"
    desk.write('url = "wss://beta.example:9000"\nlisten = "0.0.0.0:8651"\nbehind_proxy = true\n')
    behind = desk.document("--send")
    assert behind["certificate"] is None
    assert int(behind["counter"]) > 1_600_000_000_000


def test_the_gas_key_of_a_running_process_is_left_alone(desk: Desk) -> None:
    with sole_writer(desk.folder / "oracle.db"):
        refused = desk.run("--send")
        assert refused.exit_code == 1
        assert "has one queue, and a process uses it" in refused.output
        assert desk.document("--send", "--keyfile", "other.json")["sent"] is not None
    assert desk.run("--send", "--keyfile", "beta.json").exit_code == 0, "it is announced: nothing has to be paid"
    desk.write('url = "ws://beta.example:1"\nlisten = "0.0.0.0:8651"\n')
    assert "is the report key of operator 'beta'" in desk.run("--send", "--keyfile", "beta.json").output


def test_what_is_missing_is_said(desk: Desk) -> None:
    config = desk.folder / "config.toml"
    for old, new, code, says in (
        ("directory =", "# directory =", 2, "there is no network.directory in the config"),
        (desk.directory.address, "0x" + "99" * 20, 1, "correct network.directory"),
        ("[network]\nkeyfile", "[unknown]\nkeyfile", 2, "unknown: unknown key"),
    ):
        config.write_text(desk.text.replace(old, new))
        refused = desk.run()
        assert refused.exit_code == code
        assert says in refused.output
    keyfiles.save(desk.folder / "stranger.json", OTHER, "open", iterations=1)
    config.write_text(desk.text.replace("beta.json", "stranger.json"))
    assert any("is in no signer set of the store" in n for n in desk.document()["notes"])
