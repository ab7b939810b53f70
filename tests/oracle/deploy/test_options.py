"""What a store is made with: from the config and the command line to the chain, told when it differs, refused when unsafe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from demo.world.chain import account
from oracle.__main__ import main
from tests.oracle.deploy.deploy_desk import CONFIG, GUARDIAN, MORE, SAFE, SIGNERS, TREASURY, DeployDesk

pytestmark = pytest.mark.chain


def test_everything_in_the_section_is_on_the_chain(desk: DeployDesk) -> None:
    done = desk.deploy("main")
    assert done.exit_code == 0, done.output
    store, held = desk.store, desk.held
    assert store.owner().call() == account(0).address
    assert store.pendingOwner().call() == SAFE.address
    assert store.guardian().call() == GUARDIAN
    assert (store.maxPushAgeS().call(), store.rotationDelayS().call(), store.overlapS().call()) == (90, 172_800, 300)
    assert (store.longestEpochS().call(), held["settings"]["longest_epoch_s"]) == (432_000, 432_000)
    assert store.signerSet().call() == [1, 6, SIGNERS, [4, 3, 3]]
    assert store.thresholds().call() == [6, 7]
    usd = store.indexOf(b"ETH/USD".ljust(32, b"\0")).call()
    rate = store.indexOf(b"wX/ETH".ljust(32, b"\0")).call()
    assert (usd, rate) == (1 << 13, 0)
    assert store.limitsOf(usd).call() == (20, 800, 60)
    assert store.limitsOf(rate).call() == (10, 400, 900)
    assert held["settings"]["classes"][1] == {"min_gap_s": 20, "step_bps": 800, "step_wait_s": 60}
    assert held["deployer"] == account(0).address
    assert f"it calls acceptOwnership() on {held['store']}" in done.stderr
    again = desk.deploy("main")
    assert again.exit_code == 0, again.output
    assert "0 transactions; all code verified" in again.stderr
    assert desk.held == held


def test_what_is_given_on_the_command_line_goes_first(desk: DeployDesk) -> None:
    done = desk.deploy(
        "main", "--guardian", TREASURY, "--overlap", "7", "--longest-epoch", "0", "--min-gap", "3", "--signers", ",".join(SIGNERS[:2]),
        "--threshold", "2", "--step-threshold", "2",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert desk.store.guardian().call() == TREASURY
    assert (desk.store.overlapS().call(), desk.store.longestEpochS().call()) == (7, 0)
    assert desk.store.limitsOf(0).call() == (3, 400, 900)
    assert desk.store.signerSet().call() == [1, 2, SIGNERS[:2], [1, 1]], "the section's weights belong to its signers"


def test_settings_that_nobody_can_change_any_more_are_an_error_that_names_them(desk: DeployDesk) -> None:
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
    assert desk.held == held
    assert desk.web3.eth.get_transaction_count(account(0).address) == nonce, "nothing was sent"


def test_settings_that_the_owner_changes_are_told_and_feeds_are_still_added(desk: DeployDesk) -> None:
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
    stderr = desk.deploy("main").stderr
    assert "guardian" not in stderr, "the chain is what counts, not the file"


def test_a_store_that_was_handed_over_says_what_its_owner_must_call(desk: DeployDesk) -> None:
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


def test_a_feed_in_another_class_is_an_error(desk: DeployDesk) -> None:
    assert desk.deploy("main").exit_code == 0
    desk.change('feeds = ["ETH/USD"]', 'feeds = ["ETH/USD", "wX/ETH"]')
    assert "wX/ETH is registered in class 0, the settings say 1" in desk.deploy("main").output


UNSAFE = {
    f'guardian = "{GUARDIAN}"': "no guardian",
    f'owner = "{SAFE.address}"': "the owner is a plain key",
    "rotation_delay_s = 172800": "rotation_delay_s = 0",
    "overlap_s = 300": "overlap_s = 0 is less than max_push_age_s = 90",
}


def test_what_is_unsafe_is_said_where_it_is_worth_something_and_before_anything_is_sent(real: DeployDesk) -> None:
    for line in UNSAFE:
        real.text = real.text.replace(line, f"{line.split(' =')[0]} = 0" if line.endswith("0") else "")
    real.config.write_text(real.text)
    broken = real.deploy("main", "--salt", "x", "--keyfile", "none.json")
    assert broken.exit_code == 1
    for warning in UNSAFE.values():
        assert f"warning: {warning}" in broken.stderr
    assert real.web3.eth.get_transaction_count(account(0).address) == 0


def test_a_safe_store_is_not_warned_of(real: DeployDesk) -> None:
    done = real.deploy("main")
    assert done.exit_code == 0, done.output
    assert "warning" not in done.stderr


def test_nor_is_a_local_chain(desk: DeployDesk) -> None:
    done = desk.deploy("--rpc", desk.url, "--signers", SIGNERS[0], "--threshold", "1", "--rotation-delay", "0")
    assert done.exit_code == 0, done.output
    assert "warning" not in done.stderr
    assert int(desk.store.guardian().call(), 16) == 0
    assert "stake" not in desk.held


def test_a_directory_is_at_one_address_for_every_store_and_stays_in_the_file(desk: DeployDesk) -> None:
    assert desk.deploy("main").exit_code == 0
    assert "directory" not in desk.held
    assert desk.deploy("main", "--directory").exit_code == 0
    where = desk.held["directory"]
    directory = desk.contract("OperatorDirectory", where)
    assert directory.announcedBy(desk.held["store"], SIGNERS).call() == [(0, 0)] * len(SIGNERS)
    again = desk.deploy("main")
    assert "0 transactions" in again.stderr
    assert desk.held["directory"] == where
    other = desk.deploy("main", "--directory", "--salt", "other", "--out", "other.toml", "--json")
    assert json.loads(other.stdout)["directory"] == where, "of no store, whatever its salt"


def test_a_threshold_that_is_too_low_is_refused_with_what_to_write(desk: DeployDesk) -> None:
    args = ["--rpc", desk.url, "--signers", ",".join(SIGNERS), "--threshold"]
    refused = desk.deploy(*args, "2")
    assert refused.exit_code == 2
    assert "write at least 3, or one_party = true (--one-party) if all of these keys are one party's" in refused.output
    assert desk.deploy(*args, "3").exit_code == 0
    assert desk.deploy(*args, "2", "--one-party", "--salt", "own", "--out", "own.toml").exit_code == 0


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nain"], "did you mean 'main'?"),
        (["main", "--threshold", "5"], "main.threshold: 5 is out of range: write 6 to 10"),
        (["main", "--step-threshold", "5"], "step_threshold: 5 is out of range: write 6 to 10"),
        (
            ["--rpc", "http://x", "--signers", ",".join(SIGNERS), "--threshold", "2"],
            "2 is too low for independent operators: agreement holds for a faulty weight f <= min(W - T, 2T - W - 1) = 0",
        ),
        (["main", "--rotation-delay", "9999999"], "rotation_delay_s: 9999999 is out of range: write 0 to 2592000"),
        (["main", "--longest-epoch", "31536001"], "longest_epoch_s: 31536001 is out of range: write 0 to 31536000"),
        (["main", "--longest-epoch", "176399"], "176399 is out of range: write 176400 to 31536000, or 0 for no end"),
        (["main", "--stake", GUARDIAN[:-1]], "stake.delegated.token: '0x"),
        (["main", "--stake", GUARDIAN], "stores.main.stake.delegated.treasury: is missing"),
        (
            ["main", "--arbiter", GUARDIAN],
            "stores.main.stake: has no source of stake: write [stores.NAME.stake.delegated] (--stake TOKEN)",
        ),
        (
            ["main", "--stake", GUARDIAN, "--treasury", GUARDIAN, "--longest-epoch", "0"],
            "longest_epoch_s: is 0, and sets that stake decides on must expire, or stake could leave while they sign: write more than",
        ),
        (
            ["main", "--stake", GUARDIAN, "--treasury", GUARDIAN, "--set-owner", GUARDIAN],
            "set_owner: nobody may name signers where stake decides who signs: leave it out (--set-owner)",
        ),
        (["main", "--min-gap", "0"], "min_gap_s: 0 is out of range: write 1 to 3600"),
        (["main", "--weights", "1,2"], "weights: 2 for 3 signers"),
        (["main", "--weights", "1,x"], "write whole numbers"),
        (["main", "--guardian", "0x12"], "guardian: '0x12' is not an address"),
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
    (tmp_path / "config.toml").write_text(text)
    done = CliRunner().invoke(main, ["deploy", "--keyfile", "k", *args])
    assert done.exit_code == 2, done.output
    assert says in done.output


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


def test_a_set_owner_is_named_and_another_one_is_the_owner_s_to_name(desk: DeployDesk) -> None:
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
