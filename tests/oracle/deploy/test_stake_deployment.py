"""The contracts of stake on a real chain: taken up where a run stopped, refused before anything is sent, and never connected twice.

Invariants of docs/invariants.md, each under its name there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import coincurve
import pytest
from eth_utils.address import to_checksum_address

import contracts
from demo.world import anvil, npm
from demo.world.chain import LocalChain, account
from demo.world.staking import staked_store
from oracle.config.tables.stake_sections import StakeSection
from oracle.config.tables.stake_sources import CollateralSection, EigenLayerSection, StrategySection, SymbioticSection
from oracle.deploy.create2 import DeployError
from oracle.deploy.deployer import Deployer
from oracle.deploy.deployment import dry_run
from oracle.deploy.deployment_file import (
    Deployment,
    check_same_store,
    read_deployment,
    settings_as_made,
    write_deployment,
)
from oracle.deploy.store_settings import StoreSettings

pytestmark = pytest.mark.chain
OWNER, OTHER = account(0), account(9)
KEY = coincurve.PrivateKey(bytes(OWNER.key))
FIRST = [coincurve.PrivateKey(bytes([n]) * 32) for n in (7, 8, 9)]
NOBODY = to_checksum_address("0x" + "77" * 20)
CONTRACTS = ["PriceStore", "CollateralValues", "KeyBook", "DelegatedStake", "StakedSet", "Penalties", "Rewards"]


class Site:
    """A chain with a token, and a store's settings over it."""

    def __init__(self, url: str, chain: LocalChain, token: str) -> None:
        self.url, self.chain, self.token = url, chain, token
        self.settings = staked_store(token, OWNER.address, FIRST)

    def with_stake(self, **changes: Any) -> StoreSettings:
        assert self.settings.stake is not None
        return replace(self.settings, stake=replace(self.settings.stake, **changes))

    async def run(self, settings: StoreSettings | None = None, *, deployer: Deployer | None = None) -> Deployment:
        deployer = deployer or Deployer(self.url, KEY)
        try:
            return await deployer.deploy(settings or self.settings, [])
        finally:
            await deployer.close()

    async def nonce(self) -> int:
        return int(await self.chain.rpc("eth_getTransactionCount", OWNER.address, "latest"), 16)

    async def owner(self, store: str) -> str:
        at = self.chain.contract(contracts.load("PriceStore").abi, store)
        return str(await self.chain.call(at, "owner"))


@pytest.fixture
def node() -> Iterator[anvil.Anvil]:
    with anvil.running() as made:
        yield made


@pytest.fixture
async def site(node: anvil.Anvil) -> AsyncIterator[Site]:
    async with LocalChain(node.url) as chain:
        diva = await chain.create(OTHER, npm.own("DivETH"))
        token = await chain.create(OTHER, npm.own("WdivETH"), diva.address)
        yield Site(node.url, chain, token.address)


class PowerCut(Exception):
    """The machine is gone."""


class OneEach(Deployer):
    """Sends one transaction, and is gone before the next."""

    async def transact(self, function: Any) -> Any:
        if self.sent:
            raise PowerCut
        return await super().transact(function)


async def test_a_run_that_stops_after_each_transaction_comes_to_the_same_end(site: Site) -> None:
    runs = 0
    while True:
        runs += 1
        try:
            done = await site.run(deployer=OneEach(site.url, KEY))
            break
        except PowerCut:
            assert await site.nonce() == runs
    assert runs == len(CONTRACTS) + 3 + 2, "seven contracts, three connections, an offer and its acceptance"
    assert (await site.run()).sent == 0
    assert await site.owner(done.store) == done.stake["set"]
    again = Deployer(site.url, KEY)
    assert done == await again.plan(site.settings, [])
    await again.close()


async def test_a_dry_run_says_what_each_step_costs_and_is_right(site: Site, tmp_path: Any) -> None:
    told = await dry_run(site.url, bytes.fromhex(OWNER.address[2:]), site.settings, [], path=tmp_path / "d.toml")
    assert await site.nonce() == 0
    assert [s.made.contract for s in told.steps if s.made] == CONTRACTS
    assert told.gas is not None
    done = await site.run()
    assert done == told.planned
    for number, gas in enumerate(told.gas):
        (sent,) = (await site.chain.rpc("eth_getBlockByNumber", hex(3 + number), True))["transactions"]
        used = int((await site.chain.receipt(sent["hash"]))["gasUsed"], 16)
        assert used == pytest.approx(gas, rel=0.01), told.steps[number].label
    assert 20_000_000 < sum(told.gas) < 30_000_000
    assert max(told.gas) < 2**24, "each fits in a transaction (EIP-7825)"
    after = await dry_run(site.url, bytes.fromhex(OWNER.address[2:]), site.settings, [], path=tmp_path / "d.toml")
    assert (list(after.steps), after.gas) == ([], [])


async def test_an_endpoint_that_cannot_rehearse_says_so_and_deploys(
    site: Site, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle.deploy.rehearsal.METHOD", "eth_simulateV9")
    told = await dry_run(site.url, bytes.fromhex(OWNER.address[2:]), site.settings, [], path=tmp_path / "d.toml")
    assert told.gas is None
    assert any("this endpoint cannot simulate" in line for line in told.lines())
    assert (await site.run()).sent == 12


SYMBIOTIC = SymbioticSection(
    vault_factory=NOBODY, network_registry=NOBODY, middleware_service=NOBODY, operator_rewards_factory=NOBODY,
    staker_rewards_factory=NOBODY, wrapped_ether=NOBODY, burners=(NOBODY,),
)  # fmt: skip


async def test_what_the_chain_would_refuse_is_said_before_anything_is_sent(site: Site) -> None:
    token, diva = CollateralSection(token=site.token), await _plain(site)
    eigen = EigenLayerSection(
        allocation_manager=diva, rewards_coordinator=diva, names_slasher=False, seconds_per_block=12,
        strategies=(StrategySection(strategy=diva, token=site.token),),
    )  # fmt: skip
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"collateral": (token, CollateralSection(token=NOBODY))}, r"stake\.collateral\[1\]\.token: no contract at 0x7777"),
        (
            {"collateral": (replace(token, rate_contract=NOBODY),)},
            r"stake\.collateral\[0\]\.rate_contract: no contract at 0x7777",
        ),
        ({"reward_tokens": (NOBODY,)}, r"stake\.reward_tokens\[0\]: no contract at"),
        ({"symbiotic": SYMBIOTIC}, r"stake\.symbiotic\.vault_factory: no contract at"),
        ({"eigenlayer": replace(eigen, rewards_coordinator=NOBODY)}, r"stake\.eigenlayer\.rewards_coordinator: no contract"),
        ({"eigenlayer": eigen}, r"stake\.eigenlayer\.allocation_manager: .* does not answer as EigenLayer's"),
        (
            {"collateral": (replace(token, rate_function="noRate()"),)},
            r"the values of collateral would be refused \(NoTokenRate.*correct rate_contract and rate_function",
        ),
        (
            {"symbiotic": replace(SYMBIOTIC, **dict.fromkeys(_ADDRESSES, diva))},
            r"the stake in Symbiotic would be refused \(Reverted\): correct these settings",
        ),
    ]  # fmt: skip
    for changes, says in wrong:
        with pytest.raises(DeployError, match=says) as refused:
            await site.run(site.with_stake(**changes))
        assert "nothing was sent" in str(refused.value)
    assert await site.nonce() == 0


_ADDRESSES = (
    "vault_factory", "network_registry", "middleware_service", "operator_rewards_factory", "staker_rewards_factory",
    "wrapped_ether",
)  # fmt: skip


async def _plain(site: Site) -> str:
    """A contract that answers nothing of what is asked."""
    return str((await site.chain.create(OTHER, npm.own("DivETH"))).address)


async def test_contracts_that_are_connected_are_not_left_for_others(site: Site) -> None:
    made = await site.run()
    with pytest.raises(DeployError, match=r"the key book at .* belongs to the set .*, and for good"):
        await site.run(site.with_stake(epoch_s=7_200))
    assert await site.owner(made.store) == made.stake["set"]


async def test_contracts_that_are_not_are_gone_on_with_under_other_settings(site: Site) -> None:
    """What a first run with other settings made and can be used is used."""

    class AfterBook(Deployer):
        async def transact(self, function: Any) -> Any:
            if self.sent == 3:
                raise PowerCut
            return await super().transact(function)

    with pytest.raises(PowerCut):
        await site.run(deployer=AfterBook(site.url, KEY))
    done = await site.run(site.with_stake(epoch_s=7_200))
    assert done.sent == 12 - 3, "store, values and book are the same"
    assert await site.owner(done.store) == done.stake["set"]


async def test_a_file_of_other_stake_names_the_setting(site: Site, tmp_path: Any) -> None:
    path = tmp_path / "d.toml"
    write_deployment(await site.run(), path)
    held = read_deployment(path)
    assert held is not None
    assert settings_as_made(site.settings, held, path) == site.settings
    with pytest.raises(DeployError, match=r"stake\.epoch_s: 86400 -> 7200"):
        settings_as_made(site.with_stake(epoch_s=7_200), held, path)
    with pytest.raises(DeployError, match=r"stake\.delegated\.token: .* -> none"):
        settings_as_made(replace(site.settings, stake=None), held, path)
    other = Deployer(site.url, KEY)
    planned = await other.plan(site.with_stake(epoch_s=7_200), [])
    await other.close()
    with pytest.raises(DeployError, match=r"other contracts of stake than these settings give \(stake\.penalties"):
        check_same_store(held, planned, path)


async def test_nobody_is_left_who_may_name_signers(site: Site) -> None:
    """A store that was the key's alone is handed over later, with a set owner that was named before."""
    plain = replace(site.settings, stake=None, owner=None, set_owner=bytes.fromhex(NOBODY[2:]))
    made = await site.run(plain)
    at = site.chain.contract(contracts.load("PriceStore").abi, made.store)
    assert await site.chain.call(at, "setOwner") == NOBODY
    done = await site.run()
    assert done.store == made.store
    assert done.sent == 12 - 1 + 1, "and a call that takes that role away"
    assert int(await site.chain.call(at, "setOwner"), 16) == 0
    assert await site.owner(done.store) == done.stake["set"]


async def test_a_store_of_somebody_else_is_told_to_be_offered(site: Site) -> None:
    plain = replace(site.settings, stake=None, owner=bytes.fromhex(OTHER.address[2:]))
    made = await site.run(plain)
    at = site.chain.contract(contracts.load("PriceStore").abi, made.store)
    await site.chain.send(OTHER, at, "acceptOwnership")
    await site.chain.settle()
    done = await site.run()
    assert await site.owner(done.store) == OTHER.address, "not ours to hand over"
    await site.chain.send(OTHER, at, "transferOwnership", done.stake["set"])
    await site.chain.settle()
    assert (await site.run()).sent == 1, "anybody accepts for the set"
    assert await site.owner(done.store) == done.stake["set"]


def test_the_defaults_fit_each_other_and_eigenlayer_s_fortnight() -> None:
    times = staked_store(NOBODY, OWNER.address, FIRST)
    times = replace(times, rotation_delay_s=2 * 86_400)
    assert StakeSection().needs_s(times) <= 14 * 86_400
