"""Further sources by the same command: Symbiotic's real core as the second, EigenLayer's real core of v1.4 as the third."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import contracts
from demo.world import anvil, eigenlayer, npm, symbiotic
from demo.world.chain import ZERO_ADDRESS, LocalChain, account
from demo.world.symbiotic import SymbioticCore, SymbioticVault, VaultTerms
from tests.oracle.stake.founder import KEYS, LINES, WALLETS, Founder, checksum
from tests.oracle.stake.people import ETHER, OTHERS

pytestmark = pytest.mark.chain
DAY_S = 86_400
CURATOR, RESTAKER, MAKER = account(60), account(61), OTHERS[0]
BURNER = account(62).address
STAKES = (50, 45, 40, 35)
IN_VAULT = (2, 3)
"""Operators that a vault is split among."""
BLOCKS, FORTNIGHT_BLOCKS = 50_400, 100_800


@pytest.fixture
def founder(tmp_path: Path) -> Iterator[Founder]:
    with anvil.running() as node:
        yield Founder(node.url, tmp_path)


async def _core(chain: LocalChain) -> tuple[SymbioticCore, str]:
    for who in (CURATOR, RESTAKER):
        await chain.rpc("anvil_setBalance", who.address, hex(10**23))
    core: SymbioticCore = await symbiotic.play(chain, {}, MAKER, symbiotic.deploy_core(MAKER.address))
    weth = await chain.create(MAKER, npm.aave("dependencies/weth", "WETH9"))
    return core, weth.address


def section(core: SymbioticCore, weth: str) -> str:
    return f"""
[stores.main.stake.symbiotic]
vault_factory = "{core.vault_factory}"
network_registry = "{core.network_registry}"
middleware_service = "{core.middleware_service}"
operator_rewards_factory = "{core.operator_rewards_factory}"
staker_rewards_factory = "{core.staker_rewards_factory}"
wrapped_ether = "{weth}"
burners = ["{BURNER}"]
min_vault_eth = "10"
max_vaults = 1
"""


async def _vault(chain: LocalChain, core: SymbioticCore, source: str, token: Any) -> SymbioticVault:
    """A vault of twenty tokens for the network that was deployed, split in two halves, and counted."""
    accounts = {str(w.address): w for w in (*WALLETS, CURATOR)}
    network = chain.contract(contracts.load("SymbioticStake").abi, source)
    listed = chain.contract(contracts.load("SymbioticVaults").abi, await chain.call(network, "vaults"))
    terms = VaultTerms(
        collateral=token.address, burner=BURNER, curator=CURATOR.address,
        epoch_s=await chain.call(listed, "minReachS"), veto_s=DAY_S,
    )  # fmt: skip
    made: SymbioticVault = await symbiotic.play(chain, accounts, MAKER, symbiotic.create_vault(core, terms))
    for number in IN_VAULT:
        plan = symbiotic.register_operator(core, WALLETS[number].address, source, [made.vault])
        await symbiotic.play(chain, accounts, MAKER, plan)
    await chain.send(MAKER, listed, "prepare", made.vault, gas=5_000_000)
    await chain.settle()
    shares = {str(WALLETS[n].address): 1 for n in IN_VAULT}
    await symbiotic.play(chain, accounts, MAKER, symbiotic.give_stake(made, source, limit=10**24, shares=shares))
    collateral = chain.contract(token.abi, token.address)
    await chain.pay(RESTAKER, token.address, 20 * ETHER)
    await chain.send(RESTAKER, collateral, "approve", made.vault, 20 * ETHER)
    vault = chain.contract(npm.symbiotic("Vault").abi, made.vault)
    await chain.send(RESTAKER, vault, "deposit", RESTAKER.address, 20 * ETHER, gas=2_000_000)
    await chain.settle()
    await chain.send(MAKER, listed, "addVault", made.vault, ZERO_ADDRESS, gas=5_000_000)
    await chain.settle()
    return made


def test_symbiotic_is_a_second_source_of_the_same_set(founder: Founder) -> None:
    """What lies in a vault there counts, by half as other networks can slash it too, beside what is delegated here."""
    core, weth = founder.on_chain(_core)
    founder.settings += section(core, weth)
    _, deploy, status, rotate, arm = LINES
    made = founder.run(deploy)
    assert made.exit_code == 0, made.output
    founder.found()
    source = founder.held["stake"]["symbiotic"]
    assert founder.read("set", "sources") == [founder.held["stake"]["delegated"], source]
    founder.on_chain(lambda chain: _vault(chain, core, source, founder.token))
    founder.jump(12)  # a vault says nothing yet in the second in which it is counted
    for number, stake in enumerate(STAKES):
        founder.joins(number, stake)
    shown = founder.said(f"{status} {WALLETS[3].address}")["operator"]
    assert [s["kind"] for s in shown["sources"]] == ["delegated", "symbiotic"]
    assert [int(s["stake"]) for s in shown["sources"]] == [35 * ETHER, 5 * ETHER]
    founder.jump(DAY_S)
    assert founder.run(rotate).exit_code == 0
    founder.sit(*range(len(KEYS)))
    assert founder.run(arm).exit_code == 0
    founder.jump(2 * DAY_S)
    _, _, signers, weights = founder.read("store", "signerSet")
    by_key = dict(zip(signers, weights, strict=True))
    assert [by_key[checksum(k)] for k in KEYS] == [50 * ETHER, 45 * ETHER, 45 * ETHER, 40 * ETHER]
    founder.push(2 * ETHER)
    assert founder.price() == 2 * ETHER


def test_eigenlayer_is_a_third_where_its_stake_stays_within_reach(founder: Founder) -> None:
    async def cores(chain: LocalChain) -> tuple[Any, ...]:
        core, weth = await _core(chain)
        terms = eigenlayer.EigenTerms(deallocation_blocks=BLOCKS, withdrawal_blocks=BLOCKS)
        short = await eigenlayer.deploy_eigenlayer(chain, MAKER, terms)
        long = await eigenlayer.deploy_eigenlayer(chain, MAKER, eigenlayer.EigenTerms())
        steps = eigenlayer.strategy_steps(long, founder.token.address)
        return core, weth, short, long, await eigenlayer.drive(chain, MAKER, steps)

    core, weth, short, long, strategy = founder.on_chain(cores)
    plain = founder.settings + section(core, weth)

    def with_eigen(made: eigenlayer.EigenCore) -> str:
        return f"""{plain}
[stores.main.stake.eigenlayer]
allocation_manager = "{made.allocations}"
rewards_coordinator = "{made.rewards}"
names_slasher = false
seconds_per_block = 12
[[stores.main.stake.eigenlayer.strategies]]
strategy = "{eigenlayer.NATIVE_STRATEGY}"
[[stores.main.stake.eigenlayer.strategies]]
strategy = "{strategy}"
token = "$TOKEN"
"""

    founder.settings = with_eigen(short)
    said = founder.refused(LINES[1])
    assert f"stays within reach for {BLOCKS * 12} s, {BLOCKS} blocks, and 1131060 s are needed" in said
    founder.settings = founder.settings.replace(short.allocations, long.allocations)
    founder.settings = founder.settings.replace(short.rewards, long.rewards)
    made = founder.run(LINES[1])
    assert made.exit_code == 0, made.output
    founder.found()
    held = founder.held["stake"]
    assert founder.read("set", "sources") == [held["delegated"], held["symbiotic"], held["eigenlayer"]]

    async def read(chain: LocalChain) -> tuple[Any, ...]:
        eigen = chain.contract(contracts.load("EigenStake").abi, held["eigenlayer"])
        return await chain.call(eigen, "reachS"), await chain.call(eigen, "set"), await chain.call(eigen, "book")

    assert founder.on_chain(read) == (FORTNIGHT_BLOCKS * 12, held["set"], held["book"])
    assert "0 transactions" in founder.run(LINES[1]).output
