"""A folder with a config, an owner's key and a node: what tests of `lrt-oracle deploy` run it in."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coincurve
import pytest
from click.testing import CliRunner, Result
from web3 import HTTPProvider, Web3

import contracts
from demo.world import anvil
from demo.world.chain import account
from oracle.__main__ import main
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of

OWNER = coincurve.PrivateKey(bytes(account(0).key))
SAFE, GUARDIAN, TREASURY = account(5), account(6).address, account(7).address
SIGNERS = [Web3.to_checksum_address(address_of(coincurve.PrivateKey(bytes([n]) * 32))) for n in (7, 8, 9)]
TOKEN = Web3.to_checksum_address("0x" + "70" * 20)
CONFIG = f"""
[chains.local]
chain_id = CHAIN
endpoints = ["URL"]
[stores.main]
chain = "local"
signers = {SIGNERS}
weights = [4, 3, 3]
threshold = 6
one_party = true
step_threshold = 7
owner = "{SAFE.address}"
guardian = "{GUARDIAN}"
max_push_age_s = 90
rotation_delay_s = 172800
overlap_s = 300
longest_epoch_s = 432000
[[stores.main.classes]]
min_gap_s = 10
step_bps = 400
step_wait_s = 900
[[stores.main.classes]]
name = "dollars"
min_gap_s = 20
step_bps = 800
step_wait_s = 60
feeds = ["ETH/USD"]
[feeds."ETH/USD"]
sources = [{{ type = "coinbase", symbol = "ETH-USD" }}, {{ type = "kraken", symbol = "ETH/USD" }}]
[feeds."wX/ETH"]
sources = [{{ type = "coinbase", symbol = "WX-ETH" }}, {{ type = "kraken", symbol = "WX/ETH" }}]
"""
MORE = """
[feeds."wY/ETH"]
sources = [{ type = "coinbase", symbol = "WY-ETH" }, { type = "kraken", symbol = "WY/ETH" }]
"""


class DeployDesk:
    """A node, a folder with a config and an owner's key, and the command."""

    def __init__(self, url: str, folder: Path, chain_id: int = 31_337) -> None:
        self.config = folder / "config.toml"
        self.text = CONFIG.replace("URL", url).replace("CHAIN", str(chain_id))
        self.config.write_text(self.text)
        self.url, self.file = url, folder / "deployments" / "local.toml"
        keyfiles.save(folder / "owner.json", OWNER, "open", iterations=1)
        provider = HTTPProvider(url)
        self.web3, self._sessions = Web3(provider), provider._request_session_manager

    def deploy(self, *args: str) -> Result:
        base = ["deploy", "--keyfile", "owner.json", "--passphrase-env", "OWNER_PASS"]
        return CliRunner().invoke(main, [*base, *args])

    def change(self, old: str, new: str) -> None:
        assert old in self.text
        self.config.write_text(self.text.replace(old, new))

    def contract(self, name: str, where: str) -> Any:
        return self.web3.eth.contract(address=Web3.to_checksum_address(where), abi=contracts.load(name).abi).functions

    @property
    def held(self) -> dict[str, Any]:
        return tomllib.loads(self.file.read_text())

    @property
    def store(self) -> Any:
        return self.contract("PriceStore", self.held["store"])

    def close(self) -> None:
        for session in self._sessions.session_cache._data.values():
            session.close()


def running_desk(folder: Path, monkeypatch: pytest.MonkeyPatch, *, chain_id: int = 31_337) -> Iterator[DeployDesk]:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OWNER_PASS", "open")
    with anvil.running(extra=("--chain-id", str(chain_id))) as node:
        made = DeployDesk(node.url, folder, chain_id)
        yield made
        made.close()
