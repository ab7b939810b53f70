"""`lrt-oracle check` on `[rewards]`: the contract of the store's set by stake on a real chain, and what it says where it is another one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import coincurve
import pytest

import contracts
from demo.world import anvil
from demo.world.chain import account
from oracle.chain.quorum_rpc import ChainError
from oracle.check.rewards_ready import rewards_file_problems, rewards_findings, rewards_notes
from oracle.config.sections import Config, load
from oracle.config.tables.rewards_sections import RewardsSection
from oracle.rewards.posted import RewardsReads
from oracle.sign.keyfiles import save
from tests.contracts.contract_tools import Bench, connected
from tests.oracle.rewards.chain_epoch import ChainEpoch
from tests.oracle.stake.people import OWNER, WORD, People

pytestmark = pytest.mark.chain
PAYER, NOBODY = account(7), "0x" + "42" * 20
ENV = {"LRT_ORACLE_REWARDS_PASSPHRASE": WORD}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    folder = tmp_path_factory.mktemp("staked")
    (folder / "var").mkdir()
    with anvil.running() as node:
        made = People(node.url, folder)
        made.write_key("gas.key.json", coincurve.PrivateKey(bytes(account(6).key)))
        made.jump(2 * 3_600)
        made.rotate()
        made.arm()
        save(folder / "purse.json", coincurve.PrivateKey(bytes(PAYER.key)), WORD, iterations=1)
        yield made


def config_of(people: People, **said: str | None) -> Config:
    rewards = {"contract": people.world.rewards.address, "gas_keyfile": f"{people.folder}/purse.json", **said}
    return replace(load(people.config()), rewards=RewardsSection(**rewards))


def found(config: Config) -> tuple[list[tuple[str, str]], list[str]]:
    problems, notes = asyncio.run(rewards_findings(config))
    return [(p.key, p.text) for p in problems], notes


def set_balance(people: People, wei: int) -> None:
    people.on_chain(lambda chain: chain.rpc("anvil_setBalance", PAYER.address, hex(wei)))


def test_the_contract_of_the_store_s_set_with_a_key_that_can_pay_is_fine(people: People) -> None:
    set_balance(people, 10**18)
    config = config_of(people)
    assert found(config) == ([], [])
    assert list(rewards_file_problems(config, ENV)) == []
    assert list(rewards_notes(config, ENV)) == []
    assert found(config_of(people, contract=None, gas_keyfile=None)) == ([], [])


def test_a_key_that_cannot_pay_is_said(people: People) -> None:
    set_balance(people, 0)
    ((key, text),), _ = found(config_of(people))
    assert (key, "has no ether" in text) == ("rewards.gas_keyfile", True)
    set_balance(people, 1)
    problems, (note,) = found(config_of(people))
    assert (problems, "has 1 wei; at the present price of gas a report of 31 members takes" in note) == ([], True)


def test_who_posts_is_said(people: People) -> None:
    (note,) = rewards_notes(config_of(people, gas_keyfile=None), ENV)
    assert "not posted from here" in note
    (note,) = rewards_notes(config_of(people), {})
    assert "LRT_ORACLE_REWARDS_PASSPHRASE is not set here" in note
    (missing,) = rewards_file_problems(config_of(people, gas_keyfile=f"{people.folder}/none.json"), ENV)
    assert "does not exist" in missing.text
    (closed,) = rewards_file_problems(config_of(people), {"LRT_ORACLE_REWARDS_PASSPHRASE": "another one"})
    assert closed.key == "rewards.gas_keyfile"


def test_another_contract_is_an_error(people: People) -> None:
    set_balance(people, 10**18)
    assert found(config_of(people, contract=NOBODY))[0] == [
        ("rewards.contract", f"no contract at {NOBODY}: correct the address")
    ]
    ((_, text),), _ = found(config_of(people, contract=people.world.store.address))
    assert "does not answer as a Rewards does" in text
    sources, zero = [people.world.source.address], "0x" + "00" * 20
    rewards = contracts.load("Rewards")
    twin = people.on_chain(lambda c: c.create(OWNER, rewards, people.world.set.address, sources, [zero], 3_600))
    ((_, text),), _ = found(config_of(people, contract=twin.address))
    assert text.startswith(f"the store's set was told of {people.world.rewards.address.lower()}")


def test_the_signers_of_another_store_are_not_paid(people: People) -> None:
    set_balance(people, 10**18)
    config = config_of(people)
    target = replace(config.targets["main"], store=NOBODY)
    ((key, text),), _ = found(replace(config, targets={"main": target}))
    paid = people.world.store.address.lower()
    assert (key, f"pays the signers of {paid}, not of {NOBODY}" in text) == ("rewards.contract", True)


def test_a_store_whose_signers_stake_does_not_decide_has_no_reports(people: People, node: anvil.Anvil) -> None:
    """Its contract reads frozen sets that decide nothing."""
    with connected(node.url) as web3:
        other = ChainEpoch(Bench(web3), node.url)
    config = config_of(people, contract=other.rewards.address, gas_keyfile=None)
    chain = replace(config.chains["local"], endpoints=(node.url,))
    target = replace(config.targets["main"], store=other.store.address)
    ((_, text),), _ = found(replace(config, targets={"main": target}, chains={"local": chain}))
    assert "is no StakedSet of it: its owner names the signers" in text


def test_endpoints_that_forget_the_freeze_are_said(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for an endpoint that has dropped old states."""
    set_balance(people, 10**18)

    async def forgot(*_: object) -> None:
        raise ChainError("missing trie node")

    monkeypatch.setattr(RewardsReads, "stakes", forgot)
    problems, (note,) = found(config_of(people))
    assert (problems, "too few endpoints know the state" in note) == ([], True)
