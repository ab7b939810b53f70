"""Several operators that pay push each thing once, and arm the next set without anybody's help: over real sockets and a real chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.model.status import Status
from tests.oracle.push.networked_world import (
    ADDRESSES,
    ROUND_S,
    NetworkedOperator,
    blocks_every_second,
    moving,
    networked_world,
    not_verified,
)

pytestmark = [pytest.mark.chain, pytest.mark.xdist_group("networked world")]
"""One after the other: worlds have the same keys, and the port of an operator that is not started in one may be taken in another."""
FOUR = ("alpha", "beta", "gamma", "delta")


async def test_only_those_that_pay_push_all_know_who_did_and_a_dead_one_costs_a_stage(tmp_path: Path) -> None:
    async with networked_world(tmp_path) as world:
        await world.put("home", FOUR, 3, ("alpha", "beta"))
        await blocks_every_second(world)
        await world.start(*FOUR)
        await world.until(lambda: all(world.states("home")[n, "landed"] >= 2 for n in ("alpha", "beta")))
        assert {n for n, _ in world.states("home")} == {"alpha", "beta"}
        quiet = world.operators["gamma"]
        payers = {"0x" + ADDRESSES[n].hex() for n in ("alpha", "beta")}
        await world.until(lambda: any(o.announced_by in payers for o in quiet.targets["home"].onchain.values()))
        domain = world.stores["home"].domain
        assert set(quiet.network.payers(domain)) == {ADDRESSES["alpha"], ADDRESSES["beta"]}
        await world.operators["alpha"].stop()
        stages = world.operators["beta"].stages
        before = len(stages)
        await world.until(lambda: {0, 1} <= set(stages[before:]))
        assert not_verified(world) == []


async def test_a_rotation_needs_nobody(tmp_path: Path) -> None:
    async with networked_world(tmp_path) as world:
        await world.put("home", FOUR, 3, ("alpha", "beta", "epsilon"))
        await blocks_every_second(world)
        await world.start(*FOUR, "epsilon")
        await world.until(lambda: world.landed("home") >= 2)
        texts = ["0x" + ADDRESSES[n].hex() for n in ("gamma", "delta", "epsilon")]
        await world.by_owner("home", "setSigners", texts, [1] * 3, 3, 3)
        await world.until(lambda: any(s == "armed" for _, s in world.states("home")))
        assert [s for _, s in world.states("home").elements() if s == "armed"] == ["armed"], "once is enough"
        await world.go_ahead(75)
        newcomer = world.operators["epsilon"]
        at_s = world.now_ms() // 1_000 + 2 * ROUND_S
        await world.until(lambda: any(s > at_s and _epoch(newcomer, s) == 2 for s in newcomer.sealed("home")))
        assert (
            "alpha" not in next(o for (_, s), o in newcomer.outcomes.items() if s == newcomer.sealed("home")[-1]).signed
        )
        await world.until(lambda: world.states("home")["epsilon", "landed"] >= 2)
        assert not_verified(world) == []


def _epoch(operator: NetworkedOperator, round_s: int) -> int:
    return operator.outcomes["home", round_s].terms.signers.epoch


async def test_two_targets_with_other_signers_are_sealed_and_pushed_each_for_itself(tmp_path: Path) -> None:
    async with networked_world(tmp_path) as world:
        await world.put("home", FOUR, 3, ("alpha", "beta"))
        await world.put("second", ("beta", "gamma", "delta", "epsilon"), 3, ("gamma", "epsilon"))
        await blocks_every_second(world)
        await world.start(*FOUR, "epsilon")
        payers = {"home": {"alpha", "beta"}, "second": {"gamma", "epsilon"}}  # who pays first is drawn for each push
        await world.until(
            lambda: all(world.landed(s) >= 5 and {n for n, _ in world.states(s)} >= who for s, who in payers.items())
        )
        beta = world.operators["beta"]
        both = set(beta.sealed("home")) & set(beta.sealed("second"))
        assert len(both) >= 5, "a member of both seals the same rounds for each"
        for store, who in payers.items():
            assert {n for n, _ in world.states(store)} == who
            print(store, "rounds sealed:", len(beta.sealed(store)), "pushes:", dict(world.states(store)))  # noqa: T201


async def test_a_halt_is_sealed_by_all_and_pushed(tmp_path: Path) -> None:
    async with networked_world(tmp_path) as world:
        await world.put("home", FOUR, 3, ("alpha", "beta"))
        await blocks_every_second(world)
        await world.start(*FOUR)
        await world.until(lambda: world.landed("home") >= 2)
        world.prices = lambda name, feed, s: None if feed == "wdivETH/ETH" else moving(name, feed, s)
        alpha = world.operators["alpha"].targets["home"]
        index = alpha.indexes["wdivETH/ETH"]
        await world.until(lambda: alpha.stored[index].status is Status.HALT)
        pushed = [r for o in world.operators.values() for r in o.pushes("home") if "to halt" in r.why]
        assert len([r for r in pushed if r.state.value == "landed"]) == 1
        world.prices = moving
        await world.until(lambda: alpha.stored[index].status is not Status.HALT)
