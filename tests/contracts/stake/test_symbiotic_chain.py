"""The demo's plans on a local chain: the whole story on Symbiotic's real contracts, and the gas of each step.

The figures are those of docs/stake.md: cold, as a transaction of its own pays them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

import contracts
from demo.world import anvil, npm, symbiotic
from demo.world.chain import ZERO_ADDRESS, LocalChain
from demo.world.chain import account as signer
from demo.world.symbiotic import Plan, SourceTerms, SymbioticVault, VaultTerms
from oracle.stake.claim_tree import CommissionTree
from tests.contracts.contract_tools import compiled
from tests.contracts.stake.symbiotic_world import (
    ANSWER_S,
    DAY_S,
    DISPUTE_S,
    EPOCH_S,
    LAST_STEP_S,
    MIN_VALUE,
    REACH_S,
    STAND_INS,
    WAD,
    case_id,
)

DOCS = Path(__file__).parents[3] / "docs" / "stake.md"
PENALTIES_SOURCE = Path(__file__).parents[3] / "contracts" / "stake" / "Penalties.sol"
BURNER = to_checksum_address("0x" + "dd" * 20)
OWNER, RITA, CURATOR, PENALTIES, REWARDS, ANN, BOB = (signer(i) for i in range(7))
ACCOUNTS: dict[str, LocalAccount] = {
    str(one.address): one for one in (OWNER, RITA, CURATOR, PENALTIES, REWARDS, ANN, BOB)
}
ONE_PERCENT = 0.01


class SymbioticChain:
    """Our network over a core on a node, and what each step cost."""

    def __init__(self, chain: LocalChain) -> None:
        self.chain = chain
        self.gas: dict[str, int] = {}

    async def play(self, plan: Plan) -> Any:
        return await symbiotic.play(self.chain, ACCOUNTS, OWNER, plan)

    async def made(self, artifact: Any, *args: Any) -> Any:
        code = artifact.bytecode if isinstance(artifact.bytecode, str) else "0x" + artifact.bytecode.hex()
        return await self.chain.create(OWNER, npm.NpmArtifact(artifact.abi, code), *args)

    async def act(self, who: LocalAccount, contract: Any, function: str, *args: Any, step: str = "") -> None:
        """Send a call, which must succeed, and keep its gas."""
        sent = await self.chain.send(who, contract, function, *args, gas=8_000_000)
        await self.chain.settle()
        if step:
            self.gas[step] = int((await self.chain.receipt(sent))["gasUsed"], 16)

    async def jump(self, seconds: int) -> None:
        await self.chain.rpc("evm_increaseTime", seconds)
        await self.chain.rpc("evm_mine")

    async def build(self) -> None:
        """Core, tokens, stand-ins, our network."""
        stand_ins = compiled(STAND_INS)
        self.core = await self.play(symbiotic.deploy_core(OWNER.address))
        div = await self.made(npm.own("DivETH"))
        self.wdiv = await self.made(npm.own("WdivETH"), div.address)
        self.values = await self.made(stand_ins["ValuesStandIn"])
        wrapped = await self.made(stand_ins["WrappedStandIn"])
        self.set = await self.made(stand_ins["SetStandIn"], ANSWER_S)
        await self.act(OWNER, self.values, "list", self.wdiv.address, 1)
        terms = SourceTerms(
            values=self.values.address,
            wrapped_ether=wrapped.address,
            burners=[BURNER],
            min_reach_s=REACH_S,
            dispute_s=DISPUTE_S,
            min_value_wei=MIN_VALUE,
            last_step_s=LAST_STEP_S,
        )
        address = await self.play(symbiotic.deploy_source(self.core, terms, OWNER.address))
        self.source = self.chain.contract(contracts.load("SymbioticStake").abi, address)
        await self.act(OWNER, self.source, "connect", self.set.address, PENALTIES.address, REWARDS.address)
        vaults = await self.chain.call(self.source, "vaults")
        self.vaults = self.chain.contract(contracts.load("SymbioticVaults").abi, vaults)

    async def vault(self, veto_s: int | None) -> SymbioticVault:
        """A vault that counts: 300 wdivETH, Ann and Bob half each."""
        kind = "instant" if veto_s is None else "veto"
        terms = VaultTerms(
            collateral=self.wdiv.address, burner=BURNER, curator=CURATOR.address, epoch_s=EPOCH_S, veto_s=veto_s
        )
        made: SymbioticVault = await self.play(symbiotic.create_vault(self.core, terms))
        for operator in (ANN, BOB):
            known = await self.chain.call(
                self.chain.contract(npm.symbiotic("OperatorRegistry").abi, self.core.operator_registry),
                "isEntity",
                operator.address,
            )
            if not known:
                await self.play(
                    symbiotic.register_operator(self.core, operator.address, self.source.address, [made.vault])
                )
            else:
                service = self.chain.contract(npm.symbiotic("IOptInService").abi, self.core.vault_opt_ins)
                await self.act(operator, service, "optIn", made.vault)
        await self.act(OWNER, self.vaults, "prepare", made.vault, step=f"`prepare`, {kind}")
        shares: dict[str, int] = {ANN.address: 1, BOB.address: 1}
        await self.play(symbiotic.give_stake(made, self.source.address, limit=10**24, shares=shares))
        await self.chain.pay(RITA, self.wdiv.address, 300 * WAD)
        await self.act(RITA, self.wdiv, "approve", made.vault, 300 * WAD)
        at = self.chain.contract(npm.symbiotic("Vault").abi, made.vault)
        await self.act(RITA, at, "deposit", RITA.address, 300 * WAD, step="`deposit` (Symbiotic's)")
        await self.act(OWNER, self.vaults, "addVault", made.vault, ZERO_ADDRESS, step="`addVault`")
        return made

    async def read(self, function: str, *args: Any, step: str) -> int:
        """Answer of a view of ours, and what it costs as a transaction less the 21,000 and the bytes."""
        await self.act(OWNER, self.source, function, *args, step=step)
        data = self.source.encode_abi(function, args=list(args))
        raw = bytes.fromhex(data[2:])
        self.gas[step] -= 21_000 + sum(16 if byte else 4 for byte in raw)
        return int(await self.chain.call(self.source, function, *args))

    async def balance(self, who: str) -> int:
        return int(await self.chain.call(self.wdiv, "balanceOf", who))


@asynccontextmanager
async def story() -> AsyncIterator[SymbioticChain]:
    with anvil.running(extra=("--code-size-limit", "24576")) as node:
        async with LocalChain(node.url) as chain:
            for who in ACCOUNTS:
                await chain.rpc("anvil_setBalance", who, hex(10**24))
            made = SymbioticChain(chain)
            await made.build()
            yield made


async def penalised(made: SymbioticChain, case: int, veto_s: int | None, *, restored: bool) -> None:
    """A case from the proof to its end; the gas by the only vault's kind of slasher."""
    kind = "instant" if veto_s is None else "veto"
    capture = await made.chain.block_time_s()
    await made.jump(12)
    args = (ANN.address, WAD // 5, capture, case_id(case))
    await made.act(PENALTIES, made.source, "seize", *args, step=f"`seize`, {kind}")
    if restored:
        await made.act(PENALTIES, made.source, "restore", case_id(case), step=f"`restore`, {kind}")
        return
    await made.jump(DISPUTE_S)
    await made.act(PENALTIES, made.source, "take", case_id(case), ZERO_ADDRESS, 0, step=f"`take`, {kind}")


async def rewarded(made: SymbioticChain, vault: SymbioticVault) -> None:
    """Ann is rewarded with ten wdivETH; Ann and Rita claim, at Symbiotic's contracts."""
    await made.act(OWNER, made.set, "freeze", 1, ANN.address)
    await made.jump(12)
    await made.chain.pay(REWARDS, made.wdiv.address, 20 * WAD)
    for step in ("`reward`, first of a vault", "`reward`"):
        await made.act(REWARDS, made.wdiv, "transfer", made.source.address, 10 * WAD)
        await made.act(REWARDS, made.source, "reward", 1, ANN.address, made.wdiv.address, 10 * WAD, step=step)
    published = await made.chain.send(OWNER, made.source, "publish", made.wdiv.address)
    await made.chain.settle()
    receipt = await made.chain.receipt(published)
    made.gas["`publish`, one operator"] = int(receipt["gasUsed"], 16)
    tree = CommissionTree(
        [ANN.address], [await made.chain.call(made.source, "earnedOf", ANN.address, made.wdiv.address)]
    )
    mine = tree.claim(ANN.address)
    at = await made.chain.call(made.source, "operatorRewards")
    paying = made.chain.contract(npm.symbiotic("DefaultOperatorRewards").abi, at)
    where = (made.source.address, made.wdiv.address)
    args = (ANN.address, *where, mine.total, list(mine.proof))
    await made.act(ANN, paying, "claimRewards", *args, step="`claimRewards`, operator (Symbiotic's)")
    at = await made.chain.call(made.source, "stakerRewardsOf", vault.vault)
    paying = made.chain.contract(npm.symbiotic("DefaultStakerRewards").abi, at)
    data = encode(["address", "uint256", "bytes[]"], [made.source.address, 9, []])
    claim = (RITA.address, made.wdiv.address, data)
    await made.act(RITA, paying, "claimRewards", *claim, step="`claimRewards`, restaker (Symbiotic's)")


@pytest.mark.chain
async def test_as_many_vaults_as_count_are_seized_within_the_bound() -> None:
    """With the gas that Penalties gives a source, and as many retired vaults on the list as there is room for."""
    async with story() as made:
        most = await made.chain.call(made.vaults, "maxCounted")
        for _ in range(await made.chain.call(made.vaults, "maxListed") - most):
            gone = await made.vault(DAY_S)
            delegator = made.chain.contract(npm.symbiotic("NetworkRestakeDelegator").abi, gone.delegator)
            await made.act(CURATOR, delegator, "setNetworkLimit", symbiotic.subnetwork(made.source.address), 0)
            await made.act(OWNER, made.vaults, "retireVault", gone.vault)
        counted = [await made.vault(DAY_S) for _ in range(most)]
        await made.jump(1)
        capture = await made.chain.block_time_s()
        await made.jump(12)
        bound = int(re.findall(r"SOURCE_GAS = ([\d_]+);", PENALTIES_SOURCE.read_text(encoding="utf-8"))[0])
        await made.chain.send(PENALTIES, made.source, "seize", ANN.address, WAD, capture, case_id(1), gas=bound)
        await made.chain.settle()
        assert await made.chain.call(made.source, "stakeOf", ANN.address) == 0
        await made.jump(DISPUTE_S)
        await made.chain.send(PENALTIES, made.source, "take", case_id(1), ZERO_ADDRESS, 0, gas=bound)
        await made.chain.settle()
        assert [await made.balance(one.vault) for one in counted] == [150 * WAD] * most
        assert await made.balance(BURNER) == 150 * WAD * most


@pytest.mark.chain
@pytest.mark.parametrize("veto_s", [DAY_S, None])
async def test_the_story_on_a_chain_costs_what_the_docs_say(veto_s: int | None) -> None:
    async with story() as made:
        await made.act(ANN, made.source, "setCommission", 1_000, step="`setCommission`")
        await made.jump(7 * DAY_S)
        vault = await made.vault(veto_s)
        await made.jump(1)
        assert await made.read("stakeOf", ANN.address, step="`stakeOf`, one vault") == 75 * WAD
        await penalised(made, 1, veto_s, restored=True)
        assert await made.balance(BURNER) == 0
        await penalised(made, 2, veto_s, restored=False)
        assert await made.balance(BURNER) == 30 * WAD
        assert await made.balance(vault.vault) == 270 * WAD
        await made.jump(12)  # what a read costs depends on whether the slash was in this very second
        assert await made.read("stakeOf", ANN.address, step="`stakeOf`, one vault") == 135 * WAD // 2
        await rewarded(made, vault)
        assert [await made.balance(who) for who in (ANN.address, RITA.address)] == [2 * WAD, 18 * WAD]
    section = DOCS.read_text(encoding="utf-8").split("\n## Stake in Symbiotic's vaults\n")[1].split("\n## ")[0]
    told = {
        row[0]: int(row[1].replace(",", "")) for row in re.findall(r"^\| (`.+?) \| ([\d,]+) \|$", section, re.MULTILINE)
    }
    assert {step: told.get(step) for step in made.gas} == pytest.approx(made.gas, rel=ONE_PERCENT)
