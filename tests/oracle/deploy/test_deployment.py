"""What a run of `lrt-oracle deploy` leaves: a view for each feed, the chain's file; and one line for whatever goes wrong."""

from __future__ import annotations

import json
import socket
import tomllib
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.world.chain import account
from oracle.config.tables import store_sections
from oracle.config.tables.store_sections import StoreSection
from oracle.deploy.create2 import DeployError, PlannedContract
from oracle.deploy.deployer import Deployer
from oracle.deploy.deployment import chain_id_of
from oracle.deploy.deployment_file import Deployment, settings_as_made
from oracle.deploy.store_settings import differences, settings_of, table_of
from tests.oracle.deploy.deploy_desk import GUARDIAN, SAFE, SIGNERS, TOKEN, DeployDesk

pytestmark = pytest.mark.chain
BOTH = """
[feeds."wZ/ETH"]
mode = "MODE"
rules = { growth_bps_year = 900, ramp_s = 77 }
[[feeds."wZ/ETH".sources]]
type = "coinbase"
symbol = "WZ-ETH"
[[feeds."wZ/ETH".sources]]
type = "kraken"
symbol = "WZ/ETH"
[[feeds."wZ/ETH".sources]]
type = "erc4626"
kind = "redemption"
chain = "local"
vault = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"
"""


def test_every_mode_has_its_view(desk: DeployDesk) -> None:
    """A capped rate is capped before it is signed; the ramp is a contract over both prices."""
    desk.config.write_text(desk.text + BOTH.replace("MODE", "redemption_unless_depeg"))
    done = desk.deploy("main")
    assert done.exit_code == 0, done.output
    view = desk.contract("ModeView", desk.held["views"]["wZ/ETH"])
    assert (view.mode().call(), view.rampS().call(), view.decimals().call()) == (4, 77, 18)
    for at, mode in ((view.market().call(), "market"), (view.redemption().call(), "redemption")):
        assert desk.held["views"][f"wZ/ETH ({mode})"] == at
        assert desk.contract("FeedView", at).description().call() == f"wZ / ETH ({mode})"
    both = desk.held["views"]
    desk.config.write_text(desk.text + BOTH.replace("MODE", "capped"))
    done = desk.deploy("main")
    assert done.exit_code == 0, done.output
    assert desk.held["views"]["wZ/ETH"] == both["wZ/ETH (redemption)"]
    assert f"the one at {both['wZ/ETH']}, with other ones, goes on" in done.stderr


def test_the_file_keeps_views_of_feeds_that_are_gone_from_the_config(desk: DeployDesk) -> None:
    assert desk.deploy("main").exit_code == 0
    views = desk.held["views"]
    desk.config.write_text(desk.text.split('[feeds."wX/ETH"]')[0])
    done = desk.deploy("main", "--json")
    assert done.exit_code == 0, done.output
    assert desk.held["views"] == views
    document = json.loads(done.stdout)
    assert (document["views"], document["store"], document["transactions"]) == (views, desk.held["store"], 0)
    assert document["settings"]["threshold"] == "6"


def test_a_salt_may_be_any_text(desk: DeployDesk) -> None:
    salt = 'a "b" \\ c'
    assert desk.deploy("main", "--salt", salt).exit_code == 0
    assert desk.held["salt"] == salt
    assert "0 transactions" in desk.deploy("main", "--salt", salt).stderr


def test_a_file_that_can_not_be_written_is_told_before_anything_is_sent(desk: DeployDesk) -> None:
    desk.file.mkdir(parents=True)
    for out in ((), ("--out", "/proc/no/such.toml")):
        done = desk.deploy("main", *out)
        assert done.exit_code == 1
        assert "cannot be written" in done.output
    assert desk.web3.eth.get_transaction_count(account(0).address) == 0


def test_a_second_section_of_the_same_chain_is_that_chain(desk: DeployDesk) -> None:
    first = f'[chains.other]\nchain_id = 31337\nendpoints = ["{desk.url}"]\n'
    desk.config.write_text(first + desk.text)
    done = desk.deploy("main")
    assert done.exit_code == 0, done.output
    assert desk.file.is_file()


def test_a_chain_that_refuses_or_goes_away_is_one_line(desk: DeployDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_sections, "_AHEAD_S", 0)  # a bound of the contract that the config did not know
    desk.change("rotation_delay_s = 172800", "rotation_delay_s = 30")
    done = desk.deploy("main")
    assert done.exit_code == 1
    assert "a contract does not take these settings" in done.output
    desk.config.write_text(desk.text)
    ensure = Deployer.ensure

    async def gone(self: Deployer, planned: PlannedContract, label: str = "") -> bool:
        if planned.contract == "FeedView":
            raise aiohttp.ServerDisconnectedError
        return await ensure(self, planned, label)

    monkeypatch.setattr(Deployer, "ensure", gone)
    done = desk.deploy("main", "--salt", "again")
    assert done.exit_code == 1
    assert "stopped answering (ServerDisconnectedError)" in done.output
    assert "run this again" in done.output


def test_a_key_without_ether_is_told_what_it_holds(desk: DeployDesk) -> None:
    provider: Any = desk.web3.provider
    provider.make_request("anvil_setBalance", [account(0).address, "0x0"])
    done = desk.deploy("main")
    assert done.exit_code == 1
    assert f"{account(0).address}, which holds 0 wei" in done.output


async def test_an_endpoint_that_takes_a_call_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(DeployError, match=f"127.0.0.1:{port} does not state its chain"):
            await chain_id_of(f"http://127.0.0.1:{port}", patience_s=0.2)


CHANGED = {
    "weights = [4, 3, 3]": "weights = 5", "threshold = 6": 'threshold = "x"', f'guardian = "{GUARDIAN}"': "guardian = 5",
    "step_threshold = 7": "step_threshold = -1", f'"{SIGNERS[0]}"': "1",
}  # fmt: skip


def test_a_file_that_somebody_wrote_into_is_one_line(desk: DeployDesk) -> None:
    assert desk.deploy("main").exit_code == 0
    whole = desk.file.read_text()
    for old, new in CHANGED.items():
        assert old in whole
        desk.file.write_text(whole.replace(f"\n{old}", f"\n{new}").replace(f"[{old}", f"[{new}"))
        done = desk.deploy("main")
        assert done.exit_code == 1, (new, done.output)
        assert "is not the file of a deployment" in done.output, new


def test_signers_that_count_by_now_are_not_to_come(desk: DeployDesk) -> None:
    desk.change("rotation_delay_s = 172800", "rotation_delay_s = 100")
    assert desk.deploy("main").exit_code == 0
    desk.store.setSigners(SIGNERS[:2], [1, 1], 2, 2).transact({"from": account(0).address})
    stderr = desk.deploy("main").stderr
    assert "signers of epoch 2 are set and count from" in stderr
    assert "if they are armed before" in stderr
    provider: Any = desk.web3.provider
    provider.make_request("evm_increaseTime", [200])
    provider.make_request("evm_mine", [])
    assert "signers of epoch 2" not in desk.deploy("main").stderr


def test_an_endpoint_that_is_not_there_or_of_another_chain_is_one_line(desk: DeployDesk) -> None:
    desk.change(desk.url, "http://u:secret@127.0.0.1:9")
    done = desk.deploy("main")
    assert done.exit_code == 1
    assert "127.0.0.1:9 does not state its chain" in done.output
    assert "secret" not in done.output
    desk.change("chain_id = 31337", "chain_id = 5")
    assert "main belongs on local, the endpoint serves chain-31337" in desk.deploy("main").output


def test_a_recorded_deployment_reads_back_as_what_it_was_made_with(tmp_path: Path) -> None:
    section = StoreSection(signers=tuple(SIGNERS), threshold=2, step_threshold=3, guardian=GUARDIAN)
    settings = settings_of(section)
    made = Deployment(chain_id=1, store=SAFE.address, views={}, deployer=TOKEN, settings=table_of(settings))
    held = tomllib.loads(made.toml())
    assert held["settings"] == table_of(settings)
    other = settings_of(StoreSection(signers=tuple(SIGNERS[:1]), threshold=1))
    assert settings_as_made(other, held, tmp_path) == settings
    assert differences(held["settings"], table_of(other)) == [
        f"signers: [{', '.join(SIGNERS)}] -> [{SIGNERS[0]}]", "weights: [1, 1, 1] -> [1]", "threshold: 2 -> 1",
        "step_threshold: 3 -> 1", f"guardian: {GUARDIAN} -> none",
    ]  # fmt: skip
    held["settings"]["guardian"] = "0x1"
    with pytest.raises(DeployError, match="is not the file of a deployment"):
        settings_as_made(other, held, tmp_path)
