"""What each step in EigenLayer costs whom, on a node, against the table of docs/stake.md; and that the core can be deployed there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

import contracts
from demo.world import anvil, eigenlayer, npm
from demo.world.chain import LocalChain, account
from demo.world.eigenlayer import DAY_S, EigenTerms
from oracle.sign.eip712 import address_of
from tests.contracts.contract_tools import compiled
from tests.contracts.evm_process import KEYS, signature
from tests.contracts.stake.eigen_world import ETHER, LAST, SET_ID, STORE, WHOLE, case, claims_of, registration

PAGE = Path(__file__).parents[3] / "docs" / "stake.md"
ONE_PERCENT = 0.01
NOBODY = "0x" + "00" * 20
TERMS = EigenTerms(deallocation_blocks=40, withdrawal_blocks=40, configuration_blocks=1, activation_s=0)


class EigenLedger:
    """The core and our source on a node, with one strategy; notes the gas of each step by its name."""

    def __init__(self, chain: LocalChain) -> None:
        self.chain = chain
        self.gas: dict[str, int] = {}
        self.owner, self.operator, self.staker, self.penalties, self.rewards = (account(i) for i in range(20, 25))

    async def prepare(self) -> None:
        chain, owner = self.chain, self.owner
        for who in (owner, self.operator, self.staker, self.penalties, self.rewards):
            await chain.rpc("anvil_setBalance", who.address, hex(10**24))
        self.core = await eigenlayer.deploy_eigenlayer(chain, owner, TERMS)
        self.allocations = chain.contract(eigenlayer.core("AllocationManager").abi, self.core.allocations)
        self.delegation = chain.contract(eigenlayer.core("DelegationManager").abi, self.core.delegation)
        self.deposits = chain.contract(eigenlayer.core("StrategyManager").abi, self.core.strategies)
        self.token = await chain.create(owner, npm.own("DemoLRT"), ETHER)
        self.strategy = await eigenlayer.drive(chain, owner, eigenlayer.strategy_steps(self.core, self.token.address))
        rate = self.token.encode_abi("getRate")
        listing = (self.token.address, self.token.address, rate, 10_000, 1_000)
        values = await self.create("CollateralValues", [listing])
        self.book = await self.create("KeyBook", owner.address)
        standin = compiled("tests/contracts/solidity/EigenSetStandIn.sol")["EigenSetStandIn"]
        self.set = await chain.create(owner, npm.NpmArtifact(abi=standin.abi, bytecode=standin.bytecode), STORE)
        parts = (self.core.allocations, self.core.rewards, self.book.address, values.address, NOBODY, NOBODY)
        settings = (owner.address, *parts, SET_ID, 12, False, "about:blank")
        self.source = await self.create("EigenStake", settings, [(self.strategy, self.token.address)])
        others = (self.set.address, self.penalties.address, self.rewards.address)
        await self.step("", owner, self.book, "connect", *others)
        await self.step("`connect`: the operator set is made", owner, self.source, "connect", *others)
        await self.step("", owner, self.set, "addSource", self.source.address)
        await self.mine(50)

    async def create(self, name: str, *args: Any) -> Any:
        made = contracts.load(name)
        artifact = npm.NpmArtifact(abi=made.abi, bytecode="0x" + made.bytecode.hex())
        return await self.chain.create(self.owner, artifact, *args)

    async def mine(self, blocks: int) -> None:
        await self.chain.rpc("anvil_mine", hex(blocks))

    async def step(self, name: str, who: LocalAccount, contract: Any, function: str, *args: Any) -> None:
        sent = await self.chain.send(who, contract, function, *args, gas=3_000_000)
        await self.chain.settle()
        if name:
            self.gas[name] = int((await self.chain.receipt(sent))["gasUsed"], 16)

    async def play(self) -> None:
        """The whole story, once."""
        staker, operator, strategy, source = self.staker, self.operator, self.strategy, self.source
        await self.chain.pay(staker, self.token.address, 1_000 * ETHER)
        await self.chain.pay(self.rewards, self.token.address, 20 * ETHER)
        await self.step("", staker, self.token, "approve", self.deposits.address, 100 * ETHER)
        deposit = (strategy, self.token.address, 100 * ETHER)
        await self.step("a restaker deposits", staker, self.deposits, "depositIntoStrategy", *deposit)
        await self.step("an operator is made", operator, self.delegation, "registerAsOperator", NOBODY, 0, "")
        delegation = (operator.address, (b"", 0), bytes(32))
        await self.step("the restaker delegates", staker, self.delegation, "delegateTo", *delegation)
        await self.mine(3)
        allocation = [((source.address, SET_ID), [strategy], [WHOLE])]
        await self.step(
            "the operator allocates", operator, self.allocations, "modifyAllocations", operator.address, allocation
        )
        digest = await self.chain.call(self.book, "consentDigest", operator.address, 0, LAST)
        signed = signature(0, digest)
        data = registration(("0x" + address_of(KEYS[0]).hex(), 0, LAST, signed[:32], signed[32:]))
        parameters = (source.address, [SET_ID], data)
        await self.step(
            "it registers, with its key's consent",
            operator,
            self.allocations,
            "registerForOperatorSets",
            operator.address,
            parameters,
        )
        await self.step("", self.owner, self.set, "freeze", 1, operator.address)
        assert await self.chain.call(source, "stakeOf", operator.address) == 100 * ETHER
        used = source.functions.stakeOf(operator.address)
        # the least that it answers with: what it uses, and what it must have left for a strategy that uses more
        self.gas["`stakeOf`, one strategy: what must be brought"] = await used.estimate_gas() - 21_000
        now = await self.chain.block_time_s()
        seizure = (operator.address, WHOLE // 4)
        await self.step("`seize`", self.penalties, source, "seize", *seizure, now, case(1))
        await self.step("`restore`", self.penalties, source, "restore", case(1))
        await self.step("", self.penalties, source, "seize", *seizure, now, case(2))
        await self.step("`take`: slashed", self.penalties, source, "take", case(2), NOBODY, 0)
        assert await self.chain.call(source, "stakeOf", operator.address) == 75 * ETHER
        await self.step("anybody burns it", staker, self.deposits, "burnShares", strategy)
        await self.step("", self.rewards, self.token, "transfer", source.address, ETHER)
        await self.chain.rpc("evm_increaseTime", 2 * DAY_S)
        reward = (1, operator.address, self.token.address, ETHER)
        await self.step("`reward`", self.rewards, source, "reward", *reward)
        coordinator = self.chain.contract(eigenlayer.core("RewardsCoordinator").abi, self.core.rewards)
        parts = {str(operator.address): ETHER // 10, str(staker.address): ETHER - ETHER // 10}
        root, claims = claims_of(self.token.address, parts)
        await self.step("", self.owner, coordinator, "submitRoot", root, now // DAY_S * DAY_S)
        for who, name in ((operator, "the operator"), (staker, "the restaker")):
            await self.step(f"{name} claims", who, coordinator, "processClaim", claims[who.address], who.address)
        out = (operator.address, source.address, [SET_ID])
        await self.step("the operator leaves", operator, self.allocations, "deregisterFromOperatorSets", out)


@pytest.mark.chain
async def test_each_step_costs_what_the_docs_say(node: anvil.Anvil) -> None:
    async with LocalChain(node.url) as chain:
        ledger = EigenLedger(chain)
        await ledger.prepare()
        await ledger.play()
    section = PAGE.read_text(encoding="utf-8").split("\n## Stake in EigenLayer\n")[1].split("\n## ")[0]
    told = {
        name: int(gas.replace(",", "")) for name, gas in re.findall(r"^\| (.+) \| ([\d,]+) \|$", section, re.MULTILINE)
    }
    assert told == pytest.approx(ledger.gas, rel=ONE_PERCENT)
