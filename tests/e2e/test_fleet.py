"""Operators as processes of their own: one is lied to, lies, splits, signs twice or is killed, and the others agree all the same.

Everything is read from their databases and the chain. What is waited for are events; how long they take is nobody's matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from demo.fleet.fleet import Fleet, FleetPlan, running_fleet
from demo.fleet.fleet_run import market_of, until_sealing
from demo.fleet.fleet_summary import fleet_ledger, summarise_fleet
from demo.fleet.ledger import Ledger
from demo.fleet.rounds_of import leader_of, members_of, next_round_s, sleep_until, until_sealed
from demo.world.rpc_lies import value_lie
from feeds.units import MS
from oracle.runtime.clock import now_ms

PATIENCE_S = 300
BAD, LIED_TO = "beta", "gamma"
pytestmark = [pytest.mark.e2e, pytest.mark.chain]


@asynccontextmanager
async def four(folder: Path) -> AsyncIterator[Fleet]:
    plan = FleetPlan(operators=4, interval_s=3, own_endpoints=frozenset({2}))
    async with running_fleet(folder, plan) as fleet, market_of(fleet):
        await fleet.start()
        await until_sealing(fleet, PATIENCE_S)
        yield fleet


async def until(fleet: Fleet, first_s: int, shown: Callable[[Ledger], bool]) -> Ledger:
    """Wait until the databases show something of the rounds since one."""
    for _ in range(PATIENCE_S):
        ledger = fleet_ledger(fleet, range(first_s, now_ms() // MS, fleet.interval_s))
        if shown(ledger):
            return ledger
        await asyncio.sleep(1)
    raise AssertionError(fleet_ledger(fleet, range(first_s, now_ms() // MS, fleet.interval_s)).summary())


async def becomes(fleet: Fleet, behaviour: str) -> int:
    """Start the one that misbehaves anew; the first round since."""
    operator = fleet.operators[BAD]
    await operator.stop()
    operator.behaviour = behaviour
    await operator.start()
    return next_round_s(fleet)


async def test_whatever_one_does_the_others_agree_and_nothing_unsealed_is_pushed(tmp_path: Path) -> None:
    async with four(tmp_path) as fleet, members_of(fleet) as members:
        first_s = next_round_s(fleet)
        await one_is_lied_to(fleet)
        await one_signs_two_values(fleet)
        await one_splits(fleet)
        await the_leader_is_killed(fleet, await leader_of(fleet, members, next_round_s(fleet)))
        summary = await summarise_fleet(fleet, range(first_s, now_ms() // MS - fleet.interval_s, fleet.interval_s))
    assert summary["forks"] == []
    assert summary["problems"] == []
    assert max(summary["largest_move_bps"].values()) < 100, "nothing of a lie of 10 % and of 3 % is in any sealed price"
    assert summary["pushes_landed"] > 0


async def one_is_lied_to(fleet: Fleet) -> None:
    """To one operator alone a token redeems for 10 % more: it vouches for the true price no longer, the others do."""
    first_s = next_round_s(fleet)
    fleet.endpoints[LIED_TO].lie(value_lie(fleet.world.lrt, "getRate()", lambda rate: rate * 11 // 10))
    shown = await until(fleet, first_s, lambda led: any(o == LIED_TO for o, _, _ in led.refused))
    assert {feed for operator, feed, _ in shown.refused if operator == LIED_TO} == {"demoLRT/ETH"}
    fleet.endpoints[LIED_TO].be_honest()


async def one_signs_two_values(fleet: Fleet) -> None:
    """Two values of one key are evidence, and cost nothing."""
    first_s = await becomes(fleet, "two-values")
    await until(fleet, first_s, lambda led: (fleet.addresses[BAD], "two_values") in led.evidence)


async def one_splits(fleet: Fleet) -> None:
    """A leader that tells two halves two things costs an attempt: somebody else's second one is sealed."""
    first_s = await becomes(fleet, "splits")
    await until(fleet, first_s, lambda led: any(n > 1 for n in led.attempts))
    await until_sealed(fleet, "alpha", first_s)


async def the_leader_is_killed(fleet: Fleet, leader: str) -> None:
    """SIGKILL as its round begins; started again, it seals with the others."""
    fleet.operators[BAD].behaviour = "honest"
    await fleet.operators[BAD].stop()
    await fleet.operators[BAD].start()
    await until_sealed(fleet, BAD, now_ms() // MS)
    await sleep_until(next_round_s(fleet))
    await fleet.operators[leader].kill()
    killed_s = now_ms() // MS
    other = next(n for n in fleet.operators if n != leader)
    await until_sealed(fleet, other, killed_s)
    await fleet.operators[leader].start()
    await until_sealed(fleet, leader, now_ms() // MS)
