"""A freeze that does not fit in a transaction is prepared: operators are observed in parts, then stakes are frozen within the hour."""

from __future__ import annotations

import pytest

import contracts
from oracle.stake.due import reads as duty_reads
from tests.oracle.keep.keeper_world import FUNDER, OPERATORS, KeeperWorld

pytestmark = pytest.mark.chain


async def gas_of(world: KeeperWorld, contract: str, function: str, *args: object) -> int:
    bound = getattr(getattr(world.contracts, contract).functions, function)(*args)
    return int(await bound.estimate_gas({"from": FUNDER.address}))


async def test_operators_are_observed_in_parts_where_a_freeze_is_too_big(
    world: KeeperWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction is taken for smaller than it is: too small for a freeze that asks, not for one of what was observed."""
    await world.by_stake()
    windows = world.chain.contract(contracts.load("StakeWindows").abi, await world.read("set", "windows"))
    await world.rotate_due()
    asks = await gas_of(world, "set", "rotate")
    before = await world.chain.rpc("evm_snapshot")
    everybody = [o.address for o in OPERATORS]
    await world.chain.send(FUNDER, windows, "observe", everybody, gas=3_000_000)
    await world.block()
    knows = await gas_of(world, "set", "rotate")
    await world.chain.rpc("evm_revert", before)
    world.now_s = await world.chain.block_time_s()
    two, three = [
        int(await windows.functions.observe(everybody[:n]).estimate_gas({"from": FUNDER.address})) for n in (2, 3)
    ]
    assert knows < asks
    monkeypatch.setattr(duty_reads, "_FREEZE_GAS", (asks + knows) // 2)
    monkeypatch.setattr(duty_reads, "OBSERVE_GAS", (two + three) // 2)
    world.all_keep(listen_s=75)
    await world.until(lambda: bool(world.done("rotate")))
    observed = [int(r.why.split()[1]) for _, r in sorted(world.done("observe"), key=lambda c: c[1].made_ms)]
    assert observed == [2, 1, 2], "of five, three and two that wait as many as fit, by halves"
    assert len(world.calls("observe")) == 3
    await world.turns(8)
    assert len(world.calls("rotate")) == 1


async def test_nothing_is_observed_for_a_freeze_that_fits(world: KeeperWorld) -> None:
    await world.by_stake()
    world.all_keep()
    await world.rotate_due()
    await world.until(lambda: bool(world.done("rotate")))
    assert world.calls("observe") == []


async def test_a_keeper_s_freeze_takes_no_answer_that_others_chose(world: KeeperWorld) -> None:
    """All were observed half an hour before, at whatever moment somebody liked: the freeze is of that, and asks them all again."""
    await world.by_stake()
    windows = world.chain.contract(contracts.load("StakeWindows").abi, await world.read("set", "windows"))
    everybody, leaver = [o.address for o in OPERATORS], OPERATORS[0]
    await world.to(await world.read("set", "nextRotateAt") - 1_800)
    await world.chain.send(FUNDER, windows, "observe", everybody, gas=3_000_000)
    await world.block()
    early_s = await world.chain.call(windows, "moment")
    shares = (await world.read("source", "positionOf", leaver.address, leaver.address))[0]
    await world.send(leaver, "source", "requestExit", leaver.address, shares // 4)
    left = await world.read("source", "stakeOf", leaver.address)
    await world.rotate_due()
    coming = {r[0]: r[3] for r in (await world.read("set", "preview"))[0]}
    assert coming[leaver.address] > left, "a freeze that does not ask again would count what is asked back"
    world.all_keep()
    await world.until(lambda: bool(world.done("rotate")))
    counted = (await world.chain.call(windows, "windowOf", world.contracts.source.address, leaver.address))[1]
    assert counted == left
    assert {await world.read("set", "captureOf", 3, o) for o in everybody} == {early_s}
