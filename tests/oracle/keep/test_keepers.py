"""Keepers of five operators over the real contracts: each duty is done once, by one of them, in turn, within its time and gas."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.model.duty_kind import DutyKind
from oracle.model.publication import PushState
from oracle.sign.eip712 import address_of
from tests.oracle.keep.keeper_world import FUNDER, OPERATORS, OWNER, REPORT_KEYS, STAGE_S, KeeperWorld

pytestmark = pytest.mark.chain


async def test_each_freeze_is_done_once_by_one_of_five(world: KeeperWorld) -> None:
    world.all_keep()
    await world.turns()
    assert world.calls() == [], "all are too new: it would fail"
    for epoch in (2, 3):
        await world.rotate_due()
        blocks = await world.until(lambda count=epoch - 1: len(world.done("rotate")) == count)  # type: ignore[misc]
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


async def test_a_process_without_an_operator_does_what_none_of_them_did(world: KeeperWorld) -> None:
    """A watch alone with a gas key: after as many stages as there are operators, and some more by draw."""
    await world.by_stake()
    world.keeper(5)
    await world.rotate_due()
    began_s = world.now_s
    await world.until(lambda: bool(world.done("rotate")))
    assert 5 * STAGE_S <= world.now_s - began_s <= 9 * STAGE_S
    world.all_keep()
    await world.arm()
    await world.turns()
    await world.rotate_due()
    await world.until(lambda: len(world.done("rotate")) == 2)
    assert sorted(n == 5 for n, _ in world.calls("rotate")) == [False, True], (
        "the second freeze was done by an operator"
    )


async def test_a_set_that_was_not_armed_in_time_is_replaced(world: KeeperWorld) -> None:
    await world.by_stake()
    world.all_keep()
    await world.turns()
    await world.rotate_due()
    await world.until(lambda: len(world.done("rotate")) == 1)
    scheduled_s = await world.read("set", "scheduledAt")
    await world.to(scheduled_s - 24)
    await world.turns()
    assert len(world.calls("rotate")) == 1
    await world.until(lambda: len(world.done("rotate")) == 2)
    assert await world.read("set", "scheduledEpoch") == 3
    assert await world.read("set", "scheduledAt") > scheduled_s


async def test_penalties_are_topped_up_and_carried_out(world: KeeperWorld) -> None:
    """Two operators lie in one epoch: what the second proof adds to the first case is put aside, and both are taken in the end."""
    await world.by_stake()
    world.all_keep()
    await world.turns()
    first = await world.prove(0, 2)
    second = await world.prove(1, 2)
    alone = (await world.read("penalties", "caseOf", first))[4]
    assert alone < await world.read("penalties", "fractionDue", first)
    blocks = await world.until(lambda: bool(world.done("top-up")))
    assert blocks <= 3
    await world.turns(8)
    assert [r.why.split()[1] for _, r in world.calls("top-up")] == ["0x" + first.hex()], "once, and only what lacked it"
    case = await world.read("penalties", "caseOf", first)
    assert case[4] == await world.read("penalties", "fractionDue", first) > alone
    treasury = await world.read("token", "balanceOf", OWNER.address)
    for keeper in world.keepers.values():
        keeper._rules = replace(keeper._rules, kinds=frozenset({DutyKind.CARRY_OUT}))  # a freeze is due meanwhile, too
    await world.to(case[2])
    await world.until(lambda: len(world.done("carry-out")) == 2)
    await world.turns(8)
    assert len(world.calls("carry-out")) == 2
    for one in (first, second):
        assert (await world.read("penalties", "caseOf", one))[7] == 2, "taken"
    assert await world.read("token", "balanceOf", OWNER.address) > treasury


async def test_a_source_that_failed_is_tried_again(world: KeeperWorld) -> None:
    """The source reverts at the proof and at the end of the dispute, and is there again later."""
    await world.by_stake()
    world.all_keep(kinds=frozenset({DutyKind.RETRY, DutyKind.CARRY_OUT}))
    await world.turns()
    at = world.contracts.source.address
    code = await world.chain.rpc("eth_getCode", at, "latest")
    await world.chain.rpc("anvil_setCode", at, "0xfe")
    case = await world.prove(0, 2)
    await world.turns(3)
    assert world.calls("retry") == [], "it would fail"
    await world.chain.rpc("anvil_setCode", at, code)
    await world.until(lambda: len(world.done("retry")) == 1)
    assert (await world.read("source", "poolOf", OPERATORS[0].address))[11] > 0, "put aside"
    await world.chain.rpc("anvil_setCode", at, "0xfe")
    await world.to((await world.read("penalties", "caseOf", case))[2])
    await world.until(lambda: len(world.done("carry-out")) == 1)
    await world.chain.rpc("anvil_setCode", at, code)
    await world.until(lambda: len(world.done("retry")) == 2)
    await world.turns(8)
    assert len(world.calls("retry")) == 2
    assert (await world.read("source", "poolOf", OPERATORS[0].address))[11] == 0, "taken"


async def test_an_emptied_operator_is_cut_and_not_for_a_moment(world: KeeperWorld) -> None:
    await world.by_stake()
    world.all_keep(poor_for_s=600)
    await world.turns()
    who = OPERATORS[4]
    shares = (await world.read("source", "positionOf", who.address, who.address))[0]
    await world.send(who, "source", "requestExit", who.address, shares)
    await world.turns(22)  # stakes are looked at each four minutes
    await world.send(who, "source", "requestExit", who.address, 0)
    await world.turns(22)
    assert world.calls("remove") == [], "it has its stake again"
    await world.send(who, "source", "requestExit", who.address, shares)
    await world.until(lambda: bool(world.done("remove")), 90)
    await world.turns(8)
    assert len(world.calls("remove")) == 1
    if await weight_of(world, 4):  # a set that looks twice has noted it
        await world.block(3_600)
        await world.until(lambda: len(world.done("remove")) == 2)
        await world.turns(8)
        assert len(world.calls("remove")) == 2
    assert await weight_of(world, 4) == 0


async def test_nobody_has_an_operator_cut_by_two_moments_an_hour_apart(world: KeeperWorld) -> None:
    """Who carries it leaves for a moment, has that seen, and comes back, twice: keepers have the set forget the first."""
    await world.by_stake()
    world.all_keep()
    await world.turns()
    who, weight = OPERATORS[4], await weight_of(world, 4)
    shares = (await world.read("source", "positionOf", who.address, who.address))[0]

    async def dip(number: int) -> None:
        await world.send(who, "source", "requestExit", who.address, shares)
        await world.send(who, "set", "remove", who.address)
        await world.send(who, "source", "requestExit", who.address, 0)
        assert await world.read("set", "emptiedAt", who.address) > 0
        await world.until(lambda: len(world.done("remove")) == number, 60)
        assert await world.read("set", "emptiedAt", who.address) == 0

    await dip(1)
    await world.block(3_600)
    await dip(2)
    assert await weight_of(world, 4) == weight


async def weight_of(world: KeeperWorld, number: int) -> int:
    """Of an operator in the set in force."""
    _, _, keys, weights = await world.read("store", "signerSet")
    by_key = dict(zip([k.lower() for k in keys], weights, strict=True))
    return int(by_key["0x" + address_of(REPORT_KEYS[number]).hex()])


async def test_rates_are_recorded_once_a_day(world: KeeperWorld) -> None:
    world.all_keep(kinds=frozenset({DutyKind.REFRESH}))
    recorded_s = (await world.read("values", "listed", world.contracts.token.address))[5]
    await world.turns()
    await world.to(recorded_s + 86_390)
    await world.turns()
    assert world.calls() == []
    await world.until(lambda: bool(world.done("refresh")))
    await world.turns(8)
    assert len(world.calls()) == 1
    assert (await world.read("values", "listed", world.contracts.token.address))[5] > recorded_s + 86_390


async def test_no_gas_goes_into_freezes_of_a_set_whose_store_was_handed_on(
    world: KeeperWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its freezes fail whatever is observed before them; who keeps is told to look at the new owner's contracts."""
    await world.by_stake()
    world.all_keep([0])
    await world.turns()
    await world.send(OWNER, "set", "startMigration", FUNDER.address)
    await world.to(await world.read("set", "migratesAt") + 1)
    await world.send(OWNER, "set", "finishMigration")
    await world.send(FUNDER, "store", "acceptOwnership")
    await world.turns(8)
    assert {r.why.split()[0] for _, r in world.calls()} == {"refresh"}
    assert "the store was handed on to" in capsys.readouterr().out
