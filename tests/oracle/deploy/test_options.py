"""What a store is made with: from the config and the command line to the chain, told when it differs, refused when unsafe."""

from __future__ import annotations

import json
import socket
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import coincurve
import pytest
from click.testing import CliRunner, Result
from web3 import HTTPProvider, Web3

import contracts
from demo.world import anvil
from demo.world.chain import account
from oracle.__main__ import main
from oracle.config.tables import store_sections
from oracle.config.tables.store_sections import StoreSection
from oracle.deploy.create2 import DeployError, Placement
from oracle.deploy.deployer import Deployer
from oracle.deploy.deployment import chain_of
from oracle.deploy.deployment_file import Deployment, as_made
from oracle.deploy.store_settings import differences, settings_of, table_of
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of

pytestmark = pytest.mark.chain
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
step_threshold = 7
owner = "{SAFE.address}"
guardian = "{GUARDIAN}"
max_push_age_s = 90
rotation_delay_s = 172800
overlap_s = 300
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
[stores.main.registry]
token = "{TOKEN}"
treasury = "{TREASURY}"
epoch_s = 864000
[feeds."ETH/USD"]
sources = [{{ type = "coinbase", symbol = "ETH-USD" }}, {{ type = "kraken", symbol = "ETH/USD" }}]
[feeds."wX/ETH"]
sources = [{{ type = "coinbase", symbol = "WX-ETH" }}, {{ type = "kraken", symbol = "WX/ETH" }}]
"""
MORE = """
[feeds."wY/ETH"]
sources = [{ type = "coinbase", symbol = "WY-ETH" }, { type = "kraken", symbol = "WY/ETH" }]
"""


class Desk:
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


def standing(folder: Path, monkeypatch: pytest.MonkeyPatch, *, chain_id: int = 31_337) -> Iterator[Desk]:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OWNER_PASS", "open")
    with anvil.running(extra=("--chain-id", str(chain_id))) as node:
        made = Desk(node.url, folder, chain_id)
        yield made
        made.close()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    yield from standing(tmp_path, monkeypatch)


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    yield from standing(tmp_path, monkeypatch, chain_id=4_242)


def test_everything_in_the_section_is_on_the_chain(desk: Desk) -> None:
    done = desk.deploy("main")
    assert done.exit_code == 0, done.output
    store, held = desk.store, desk.held
    assert store.owner().call() == account(0).address
    assert store.pendingOwner().call() == SAFE.address
    assert store.guardian().call() == GUARDIAN
    assert (store.maxPushAgeS().call(), store.rotationDelayS().call(), store.overlapS().call()) == (90, 172_800, 300)
    assert store.signerSet().call() == [1, 6, SIGNERS, [4, 3, 3]]
    assert store.thresholds().call() == [6, 7]
    usd = store.indexOf(b"ETH/USD".ljust(32, b"\0")).call()
    rate = store.indexOf(b"wX/ETH".ljust(32, b"\0")).call()
    assert (usd, rate) == (1 << 13, 0)
    assert store.limitsOf(usd).call() == (20, 800, 60)
    assert store.limitsOf(rate).call() == (10, 400, 900)
    registry = desk.contract("OperatorRegistry", held["registry"])
    parties = (registry.curator().call(), registry.arbiter().call(), registry.treasury().call())
    assert parties == (SAFE.address, SAFE.address, TREASURY), "who is not named is the owner"
    assert (registry.token().call(), registry.store().call()) == (TOKEN, held["store"])
    assert registry.unbondingS().call() == 864_000 + 300 + 90 + 3 * 86_400, "the least that covers all of it"
    assert held["settings"]["classes"][1] == {"min_gap_s": 20, "step_bps": 800, "step_wait_s": 60}
    assert held["deployer"] == account(0).address
    assert f"it calls acceptOwnership() on {held['store']}" in done.stderr
    again = desk.deploy("main")
    assert again.exit_code == 0, again.output
    assert "0 transactions; all code verified" in again.stderr
    assert desk.held == held


def test_what_is_given_on_the_command_line_goes_first(desk: Desk) -> None:
    done = desk.deploy(
        "main", "--guardian", TREASURY, "--overlap", "7", "--min-gap", "3", "--signers", ",".join(SIGNERS[:2]),
        "--threshold", "2", "--step-threshold", "2",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert desk.store.guardian().call() == TREASURY
    assert desk.store.overlapS().call() == 7
    assert desk.store.limitsOf(0).call() == (3, 400, 900)
    assert desk.store.signerSet().call() == [1, 2, SIGNERS[:2], [1, 1]], "the section's weights belong to its signers"


def test_settings_that_nobody_can_change_any_more_are_an_error_that_names_them(desk: Desk) -> None:
    assert desk.deploy("main").exit_code == 0
    held, nonce = desk.held, desk.web3.eth.get_transaction_count(account(0).address)
    desk.change("overlap_s = 300", "overlap_s = 301")
    done = desk.deploy("main")
    assert done.exit_code == 1
    assert "overlap_s: 300 -> 301" in done.output
    assert "another --salt" in done.output
    desk.change("step_bps = 800", "step_bps = 801")
    assert "step_bps 801" in desk.deploy("main").output
    desk.config.write_text(desk.text)
    assert "salt: lrt-oracle -> other" in desk.deploy("main", "--salt", "other").output
    desk.change("epoch_s = 864000", "epoch_s = 864001")
    assert "bonds stay where they are" in desk.deploy("main").output
    assert desk.held == held
    assert desk.web3.eth.get_transaction_count(account(0).address) == nonce, "nothing was sent"


def test_settings_that_the_owner_changes_are_told_and_feeds_are_still_added(desk: Desk) -> None:
    assert desk.deploy("main").exit_code == 0
    made = desk.held["store"]
    desk.text += MORE
    desk.change(f'guardian = "{GUARDIAN}"', f'guardian = "{TREASURY}"')
    done = desk.deploy("main", "--threshold", "7")
    assert done.exit_code == 0, done.output
    assert "2 transactions" in done.stderr, "a feed and its view"
    assert f"guardian: {GUARDIAN} -> {TREASURY}: the owner changes it on the chain, by setGuardian" in done.stderr
    assert "threshold: 6 -> 7: the owner changes it on the chain, by setSigners" in done.stderr
    assert desk.held["store"] == made
    desk.store.setGuardian(TREASURY).transact({"from": account(0).address})
    told = desk.deploy("main").stderr
    assert "guardian" not in told, "the chain is what counts, not the file"


def test_a_store_that_was_handed_over_says_what_its_owner_must_call(desk: Desk) -> None:
    assert desk.deploy("main").exit_code == 0
    desk.store.acceptOwnership().transact({"from": SAFE.address})
    assert "does not own" not in desk.deploy("main").stderr
    desk.text += MORE
    desk.config.write_text(desk.text)
    done = desk.deploy("main")
    assert done.exit_code == 1
    assert f"the store is {SAFE.address}'s" in done.output
    data = done.output.split(" with ")[1].split()[0]
    desk.web3.eth.send_transaction({"from": SAFE.address, "to": desk.held["store"], "data": data})  # type: ignore[typeddict-item]
    done = desk.deploy("main")
    assert done.exit_code == 0, done.output
    assert "1 transactions" in done.stderr, "the view"
    assert "wY/ETH" in desk.held["views"]


def test_a_feed_in_another_class_is_an_error(desk: Desk) -> None:
    assert desk.deploy("main").exit_code == 0
    desk.change('feeds = ["ETH/USD"]', 'feeds = ["ETH/USD", "wX/ETH"]')
    assert "wX/ETH is registered in class 0, the settings say 1" in desk.deploy("main").output


UNSAFE = {
    f'guardian = "{GUARDIAN}"': "no guardian",
    f'owner = "{SAFE.address}"': "the owner is a plain key",
    "rotation_delay_s = 172800": "rotation_delay_s = 0",
    "overlap_s = 300": "overlap_s = 0 is less than max_push_age_s = 90",
}


def test_what_is_unsafe_is_said_where_it_is_worth_something_and_before_anything_is_sent(real: Desk) -> None:
    for line in UNSAFE:
        real.text = real.text.replace(line, f"{line.split(' =')[0]} = 0" if line.endswith("0") else "")
    real.config.write_text(real.text)
    broken = real.deploy("main", "--salt", "x", "--keyfile", "none.json")
    assert broken.exit_code == 1
    for said in UNSAFE.values():
        assert f"warning: {said}" in broken.stderr
    assert real.web3.eth.get_transaction_count(account(0).address) == 0


def test_a_safe_store_is_not_warned_of(real: Desk) -> None:
    done = real.deploy("main")
    assert done.exit_code == 0, done.output
    assert "warning" not in done.stderr


def test_nor_is_a_local_chain(desk: Desk) -> None:
    done = desk.deploy("--rpc", desk.url, "--signers", SIGNERS[0], "--threshold", "1", "--rotation-delay", "0")
    assert done.exit_code == 0, done.output
    assert "warning" not in done.stderr
    assert int(desk.store.guardian().call(), 16) == 0
    assert "registry" not in desk.held


def test_a_registry_by_the_command_line_alone_is_bound_to_the_store(desk: Desk) -> None:
    args = ["--rpc", desk.url, "--signers", ",".join(SIGNERS), "--threshold", "2", "--overlap", "90"]
    done = desk.deploy(*args, "--registry", TOKEN, "--treasury", TREASURY, "--arbiter", GUARDIAN)
    assert done.exit_code == 0, done.output
    registry = desk.contract("OperatorRegistry", desk.held["registry"])
    assert (registry.store().call(), registry.chainId().call()) == (desk.held["store"], 31_337)
    assert (registry.arbiter().call(), registry.curator().call()) == (GUARDIAN, account(0).address)
    assert registry.unbondingS().call() == (30 + 3) * 86_400 + 90 + 60


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nain"], "did you mean 'main'?"),
        (["main", "--threshold", "5"], "main.threshold: 5 is out of range: write 6 to 10"),
        (["main", "--step-threshold", "5"], "step_threshold: 5 is out of range: write 6 to 10"),
        (["main", "--rotation-delay", "9999999"], "rotation_delay_s: 9999999 is out of range: write 0 to 2592000"),
        (["main", "--min-gap", "0"], "min_gap_s: 0 is out of range: write 1 to 3600"),
        (["main", "--weights", "1,2"], "weights: 2 for 3 signers"),
        (["main", "--weights", "1,x"], "write whole numbers"),
        (["main", "--registry", TOKEN[:-1]], "registry"),
        (["--signers", SIGNERS[0], "--threshold", "1", "--registry", TOKEN], "store.registry.treasury: is missing"),
        (["long"], "epoch_s, overlap_s, max_push_age_s and dispute_s add up to 31795"),
        (["main", "--guardian", "0x12"], "guardian: '0x12' is no"),
        (["--signers", f"{SIGNERS[0]},{SIGNERS[0]}", "--threshold", "2"], "is listed twice"),
        (["--signers", SIGNERS[0]], "store.threshold: is missing"),
        (["--signers", SIGNERS[0], "--threshold", "1"], "no chain: give --rpc URL"),
    ],
)
def test_what_can_not_be_is_refused_with_what_to_write(
    args: Sequence[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = CONFIG.replace("URL", "http://127.0.0.1:9").replace("CHAIN", "1")
    if args == ["long"]:
        text = text.replace("864000", "31536000")
    (tmp_path / "config.toml").write_text(text)
    done = CliRunner().invoke(main, ["deploy", "--keyfile", "k", *args])
    assert done.exit_code == 2, done.output
    assert says in done.output


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


def test_every_mode_has_its_view(desk: Desk) -> None:
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


def test_the_file_keeps_views_of_feeds_that_are_gone_from_the_config(desk: Desk) -> None:
    assert desk.deploy("main").exit_code == 0
    views = desk.held["views"]
    desk.config.write_text(desk.text.split('[feeds."wX/ETH"]')[0])
    done = desk.deploy("main", "--json")
    assert done.exit_code == 0, done.output
    assert desk.held["views"] == views
    said = json.loads(done.stdout)
    assert (said["views"], said["store"], said["transactions"]) == (views, desk.held["store"], 0)
    assert said["settings"]["threshold"] == "6"


def test_a_salt_may_be_any_text(desk: Desk) -> None:
    salt = 'a "b" \\ c'
    assert desk.deploy("main", "--salt", salt).exit_code == 0
    assert desk.held["salt"] == salt
    assert "0 transactions" in desk.deploy("main", "--salt", salt).stderr


def test_a_file_that_can_not_be_written_is_told_before_anything_is_sent(desk: Desk) -> None:
    desk.file.mkdir(parents=True)
    for out in ((), ("--out", "/proc/no/such.toml")):
        done = desk.deploy("main", *out)
        assert done.exit_code == 1
        assert "cannot be written" in done.output
    assert desk.web3.eth.get_transaction_count(account(0).address) == 0


def test_a_second_section_of_the_same_chain_is_that_chain(desk: Desk) -> None:
    first = f'[chains.other]\nchain_id = 31337\nendpoints = ["{desk.url}"]\n'
    desk.config.write_text(first + desk.text)
    done = desk.deploy("main")
    assert done.exit_code == 0, done.output
    assert desk.file.is_file()


def test_a_chain_that_refuses_or_goes_away_is_one_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        store_sections, "_LONGEST_UNBONDING_S", 10**9
    )  # a bound of the contract that the config did not know
    desk.change("epoch_s = 864000", "epoch_s = 31536000")
    done = desk.deploy("main")
    assert done.exit_code == 1
    assert "a contract does not take these settings" in done.output
    desk.config.write_text(desk.text)
    sent = Deployer.put

    async def gone(self: Deployer, one: Placement) -> bool:
        if one.contract == "FeedView":
            raise aiohttp.ServerDisconnectedError
        return await sent(self, one)

    monkeypatch.setattr(Deployer, "put", gone)
    done = desk.deploy("main", "--salt", "again")
    assert done.exit_code == 1
    assert "stopped answering (ServerDisconnectedError)" in done.output
    assert "run this again" in done.output


def test_a_key_without_ether_is_told_what_it_holds(desk: Desk) -> None:
    provider: Any = desk.web3.provider
    provider.make_request("anvil_setBalance", [account(0).address, "0x0"])
    done = desk.deploy("main")
    assert done.exit_code == 1
    assert f"{account(0).address}, which holds 0 wei" in done.output


async def test_an_endpoint_that_takes_a_call_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(DeployError, match=f"127.0.0.1:{port} does not tell its chain"):
            await chain_of(f"http://127.0.0.1:{port}", patience_s=0.2)


CHANGED = {
    "weights = [4, 3, 3]": "weights = 5", "threshold = 6": 'threshold = "x"', f'guardian = "{GUARDIAN}"': "guardian = 5",
    "step_threshold = 7": "step_threshold = -1", f'"{SIGNERS[0]}"': "1",
}  # fmt: skip


def test_a_file_that_somebody_wrote_into_is_one_line(desk: Desk) -> None:
    assert desk.deploy("main").exit_code == 0
    whole = desk.file.read_text()
    for old, new in CHANGED.items():
        assert old in whole
        desk.file.write_text(whole.replace(f"\n{old}", f"\n{new}").replace(f"[{old}", f"[{new}"))
        done = desk.deploy("main")
        assert done.exit_code == 1, (new, done.output)
        assert "is no file of a deployment" in done.output, new


def test_signers_that_count_by_now_are_not_to_come(desk: Desk) -> None:
    desk.change("rotation_delay_s = 172800", "rotation_delay_s = 100")
    assert desk.deploy("main").exit_code == 0
    desk.store.setSigners(SIGNERS[:2], [1, 1], 2, 2).transact({"from": account(0).address})
    told = desk.deploy("main").stderr
    assert "signers of epoch 2 are set and count from" in told
    assert "if they are armed before" in told
    provider: Any = desk.web3.provider
    provider.make_request("evm_increaseTime", [200])
    provider.make_request("evm_mine", [])
    assert "signers of epoch 2" not in desk.deploy("main").stderr


def test_an_endpoint_that_is_not_there_or_of_another_chain_is_one_line(desk: Desk) -> None:
    desk.change(desk.url, "http://u:secret@127.0.0.1:9")
    done = desk.deploy("main")
    assert done.exit_code == 1
    assert "127.0.0.1:9 does not tell its chain" in done.output
    assert "secret" not in done.output
    desk.change("chain_id = 31337", "chain_id = 5")
    assert "main belongs on local, the endpoint serves chain-31337" in desk.deploy("main").output


def test_a_section_names_chains_and_feeds_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    text = CONFIG.replace("URL", "http://127.0.0.1:9").replace("CHAIN", "1")
    path.write_text(
        text.replace('chain = "local"', 'chain = "locl"').replace('feeds = ["ETH/USD"]', 'feeds = ["ETH/EUR"]')
    )
    done = CliRunner().invoke(main, ["--config", str(path), "check", "--offline"])
    assert done.exit_code == 2
    assert "stores.main.chain: 'locl' is not a chain of the config; did you mean 'local'?" in done.output
    assert "stores.main.classes.dollars: 'ETH/EUR' is not a feed of the config; did you mean 'ETH/USD'?" in done.output


def test_every_option_is_in_the_docs() -> None:
    text = (Path(__file__).resolve().parent.parent.parent.parent / "docs" / "cli.md").read_text()
    options = [o for p in main.commands["deploy"].params for o in p.opts if o.startswith("--")]
    assert len(options) >= 19
    assert [o for o in options if f"`{o}" not in text] == []


def test_a_recorded_deployment_reads_back_as_what_it_was_made_with(tmp_path: Path) -> None:
    section = StoreSection(signers=tuple(SIGNERS), threshold=2, step_threshold=3, guardian=GUARDIAN)
    settings = settings_of(section)
    made = Deployment(chain_id=1, store=SAFE.address, views={}, deployer=TOKEN, settings=table_of(settings))
    held = tomllib.loads(made.toml())
    assert held["settings"] == table_of(settings)
    other = settings_of(StoreSection(signers=tuple(SIGNERS[:1]), threshold=1))
    assert as_made(other, held, tmp_path) == settings
    assert differences(held["settings"], table_of(other)) == [
        f"signers: [{', '.join(SIGNERS)}] -> [{SIGNERS[0]}]", "weights: [1, 1, 1] -> [1]", "threshold: 2 -> 1",
        "step_threshold: 3 -> 1", f"guardian: {GUARDIAN} -> none",
    ]  # fmt: skip
    held["settings"]["guardian"] = "0x1"
    with pytest.raises(DeployError, match="is no file of a deployment"):
        as_made(other, held, tmp_path)


def test_a_set_owner_is_named_and_another_one_is_the_owner_s_to_name(desk: Desk) -> None:
    plain = f'guardian = "{GUARDIAN}"'
    desk.change(plain, f'{plain}\nset_owner = "{TREASURY}"')
    assert desk.deploy("main").exit_code == 0
    assert desk.store.setOwner().call() == TREASURY
    desk.change(plain, plain)
    assert (
        f"set_owner: {TREASURY} -> none: the owner changes it on the chain, by setSetOwner"
        in desk.deploy("main").stderr
    )
    desk.change("rotation_delay_s = 172800", "rotation_delay_s = 30")
    assert (
        "rotation_delay_s = 30: no set could be armed so soon; write 0, or more than 30" in desk.deploy("main").output
    )
