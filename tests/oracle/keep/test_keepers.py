"""Keepers of five operators over the real contracts: each duty is done once, by one of them, in turn, within its time and gas."""

from __future__ import annotations

import pytest

from oracle.model.publication import PushState
from tests.oracle.keep.keeper_world import STAGE_S, KeeperWorld

pytestmark = pytest.mark.chain


async def test_each_freeze_is_done_once_by_one_of_five(world: KeeperWorld) -> None:
    world.all_keep()
    await world.turns()
    assert world.calls() == [], "all are too new: it would fail"
    for epoch in (2, 3):
        await world.rotate_due()
        blocks = await world.until(lambda: len(world.done("rotate")) == epoch - 1)
        assert blocks <= 3
        await world.turns(12)
        assert len(world.calls("rotate")) == epoch - 1, "no second call, calm or not"
        assert await world.arm() == epoch
    assert {r.state for _, r in world.calls("rotate")} == {PushState.CALLED}


async def test_who_is_dead_costs_a_stage(world: KeeperWorld) -> None:
    """The first in turn has said that it keeps, and is gone when its turn comes."""
    await world.by_stake()
    world.all_keep()
    await world.turns()
    await world.rotate_due()
    for keeper in world.keepers.values():
        await keeper.look()
    ((first, _),) = world.calls("rotate")
    await world.chain.rpc("anvil_dropAllTransactions")
    await world.keepers.pop(first).close()
    began_s = world.now_s
    await world.until(lambda: bool(world.done("rotate")))
    ((second, _),) = world.done("rotate")
    assert second != first
    assert world.now_s - began_s <= 2 * STAGE_S + 24, "announced, and then the next in turn"
