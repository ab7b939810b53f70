"""The demo's story of stake on real Symbiotic, with the fleet's keys and no process of it: what operators do by themselves is done by hand.

So the chain's time can be moved, which it cannot be while operators run by their own clocks. The summary is the demo's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demo.fleet.fleet import FIRST_POSTER, FIRST_PROVER, Fleet, running_fleet
from demo.fleet.restaked import FINDER, FIRST_EPOCH, LIAR, RAISED, RestakedStory
from demo.fleet.restaked_summary import restaked_lines, summarise_restaked
from demo.fleet.rotation import arm_by_hand
from demo.fleet.stories import STORIES, plan_of
from demo.world.chain import account
from demo.world.restaking import GAS_MOST
from oracle.chain.quorum_rpc import QuorumRpc
from oracle.rewards.report import EpochRewards
from oracle.sign.eip712 import Domain, batch_bytes, batch_digest, sign_compact
from oracle.stake.discover import SourceKind, discover
from oracle.stake.reads import StakeReads
from oracle.stake.secured.price import price_security
from oracle.storage.database import Database
from tests.contracts.contract_tools import WAD, Item
from tests.e2e.epoch_by_hand import epoch_report, posting

PROVER, POSTER = account(FIRST_PROVER + FINDER), account(FIRST_POSTER)
ROUNDS, CAUGHT, JUMP_S = 12, 3, 5
pytestmark = [pytest.mark.e2e, pytest.mark.chain]


class ByHand(RestakedStory):
    """The story where nothing runs by itself."""

    async def pause(self) -> None:
        """Time passes as fast as it is waited for."""
        await self.fleet.chain.rpc("evm_increaseTime", JUMP_S)
        await self.fleet.chain.rpc("evm_mine")

    async def armed(self) -> None:
        """As `lrt-oracle arm` does."""
        newest = (await self.fleet.chain.call(self.store, "nextSigners"))[0]
        keys, _, _ = await self.fleet.chain.call(self.made.set, "membersOf", newest)
        members = [self.fleet.names[bytes.fromhex(key[2:])] for key in keys]
        await arm_by_hand(self.fleet, members, self.say)

    async def lie(self) -> None:
        """Two batches of one round, and who heard both proves it."""
        liar = self.names[LIAR]
        self.round_s = await self.fleet.chain.block_time_s()
        words = [self.word(liar, market) for market in (WAD, WAD + 1)]
        await self.send(PROVER, self.made.penalties, "prove", *words, 0, gas=GAS_MOST)

    def word(self, name: str, market: int) -> tuple[Any, ...]:
        domain = Domain(chain_id=self.fleet.world.chain_id, store=bytes.fromhex(self.fleet.deployment.store[2:]))
        items = Item(0, market=market, redemption=WAD).packed()
        signed = sign_compact(self.fleet.keys[name], batch_digest(domain, FIRST_EPOCH, self.round_s, items))
        return 0, 0, batch_bytes(FIRST_EPOCH, self.round_s, items), signed[:32], signed[32:]

    async def reported(self) -> EpochRewards:
        """As `lrt-oracle report` does."""
        honest = [o for o in self.fleet.operators.values() if o.behaviour == "honest"]
        done = await epoch_report(self.fleet, self.made.rewards.address, FIRST_EPOCH, honest)
        await self.send(POSTER, self.made.rewards, "post", *posting(done), gas=GAS_MOST)
        return await self.recomputed()

    async def in_force(self, epoch: int) -> None:
        """And everybody has seen who signs: all, but the one that is cut signs the first rounds only."""
        await super().in_force(epoch)
        if epoch != FIRST_EPOCH:
            return
        now_s = await self.fleet.chain.block_time_s()
        keys, _, _ = await self.fleet.chain.call(self.made.set, "membersOf", epoch)
        names = [self.fleet.names[bytes.fromhex(key[2:])] for key in keys]
        for operator in self.fleet.operators.values():
            with closing(Database(operator.database)) as database:
                for number in range(ROUNDS):
                    there = [i for i, n in enumerate(names) if n != self.names[LIAR] or number < CAUGHT]
                    database.save_attended("local", epoch, now_s + number, there)


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    plan = replace(plan_of(STORIES["restaked"], 5, 0), interval_s=1)
    async with running_fleet(tmp_path, plan) as made:
        yield made


async def test_stake_decides_who_signs_a_lie_costs_some_of_it_and_signing_is_paid(fleet: Fleet) -> None:
    told: list[str] = []
    await ByHand(fleet, told.append).tell()
    summary = await summarise_restaked(fleet)
    assert summary["problems"] == []
    found = summary["restaked"]
    assert [len(e["members"]) for e in found["epochs"]] == [5, 4]
    assert found["proof"]["finder"] == list(fleet.operators)[FINDER]
    # a fifth of the 100 wdivETH of 500 that are behind the one that lied
    assert int(found["penalty"]["burned"]) == 20 * WAD
    assert (int(found["penalty"]["vault_before"]), int(found["penalty"]["vault_after"])) == (500 * WAD, 480 * WAD)
    raised = [m for e in found["epochs"] for m in e["members"] if m["operator"] == list(fleet.operators)[RAISED]]
    assert int(raised[0]["weight"]) < int(raised[1]["weight"])
    assert int(found["rewards"]["paid"]) <= int(found["rewards"]["funded"])
    assert len(restaked_lines(found)) == 6


async def test_what_does_not_come_to_pass_is_a_problem(fleet: Fleet) -> None:
    story = ByHand(fleet, lambda _line: None)
    await story.freeze(FIRST_EPOCH)
    problems = (await summarise_restaked(fleet))["problems"]
    assert problems == [
        "stake: 1 sets were made of it, two must be", "stake: nothing was proven", "stake: nothing was taken",
        "stake: no report was posted",
    ]  # fmt: skip


async def test_what_secures_the_price_names_the_shared_vault_and_its_curators(fleet: Fleet) -> None:
    """A vault that several operators and other networks share, whose curators are found by its delegator's events on a node."""
    story = ByHand(fleet, lambda _line: None)
    await story.freeze(FIRST_EPOCH)
    await story.armed()
    await story.in_force(FIRST_EPOCH)
    nodes = QuorumRpc([fleet.node.url], chain_id=fleet.world.chain_id)
    try:
        reads = await StakeReads.open(nodes)
        found = await price_security(reads, await discover(reads, fleet.world.chain_id, fleet.deployment.store.lower()))
    finally:
        await nodes.close()
    assert (found.is_complete, found.by_stake, found.facts.strange) == (True, True, ())
    parts = [p for m in found.facts.members for p in m.parts]
    assert {p.kind for p in parts} == {SourceKind.SYMBIOTIC}
    shared = [p for p in parts if p.shared]
    assert 0 < found.shared.others_can_slash == sum(p.wei or 0 for p in shared) < found.slashable_wei
    assert set(found.shared.by_vault) == {p.vault for p in shared}, (
        "the other vault is for one operator and one network"
    )
    assert found.shared.curator_unknown == 0
    assert all(p.curators for p in shared)
    held = {v: w for s in found.facts.sources for v, w in (s.vaults or {}).items()}
    for vault, wei in found.shared.by_vault.items():
        assert wei <= (held[vault] or 0), "together they have no more than the vault"
