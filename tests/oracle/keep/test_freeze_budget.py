"""Nothing that a keeper does beside keeps a freeze from being done: not its gas, not its ether, not its order, not a liar's word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oracle.chain.transaction import Fees, Unsigned
from oracle.keep import freeze_gas
from oracle.keep.freeze_gas import rotate_gas
from oracle.keep.spending import GasOfDay, GasShares
from oracle.model.duty_kind import DutyKind
from oracle.model.publication import PushRow, PushState
from oracle.sign.eip712 import address_of
from oracle.stake.due.at_the_set import RateFacts, refresh_duties
from oracle.stake.due.duties import Duty, SystemAt
from tests.oracle.keep.keeper_world import FUNDER, GAS_KEYS, OPERATORS, KeeperWorld

DAY_MS = 86_400_000
STAKE_MD = Path(__file__).parents[3] / "docs" / "stake.md"
RAW = (
    Unsigned(chain_id=1, nonce=0, fees=Fees(tip_wei=1, max_wei=1), gas=21_000, to=bytes(20), data=b"")
    .signed(b"\x01" * 64 + b"\0")
    .raw
)


def row(made_ms: int, gas: int, state: PushState = PushState.CALLED) -> PushRow:
    return PushRow(
        id=1, target="keeper home", chain_id=1, round_s=0, items=b"", nonce=0, tx_hash="0x", raw=RAW, state=state, made_ms=made_ms,
        gas_used=gas, why="refresh x",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spent_ms", "due_ms", "for_others"),
    [
        (DAY_MS * 9 + 1, DAY_MS * 10, 1_000 - 300 - 500),  # due now: what is left beside it
        (DAY_MS * 9 + 1, DAY_MS * 9, 1_000 - 300 - 500),  # long due
        (DAY_MS * 9 + 1_000, DAY_MS * 10 + 2_000, 1_000 - 500),  # what was spent will be a day ago when it is due
        (DAY_MS * 9 + 3_000, DAY_MS * 10 + 2_000, 1_000 - 300 - 500),
        (DAY_MS * 9 + 3_000, DAY_MS * 11, 1_000 - 300),  # what is spent now will be a day ago when it is due
    ],
)
def test_what_others_may_take_leaves_the_gas_of_a_freeze_when_it_is_due(
    spent_ms: int, due_ms: int, for_others: int
) -> None:
    rows = [row(spent_ms, 300)]
    now_ms = DAY_MS * 10
    assert GasShares.of(rows, now_ms, 1_000, freeze=500, due_ms=due_ms) == GasShares(others=for_others, lacks=0)
    assert GasShares.of(rows, now_ms, 400, freeze=500, due_ms=now_ms) == GasShares(others=0, lacks=400)
    assert GasShares.of(rows, now_ms, 400, freeze=0, due_ms=0) == GasShares(others=100, lacks=0)


def test_a_duty_that_goes_through_and_stays_due_is_paid_for_four_times_a_day() -> None:
    now_ms = 10 * DAY_MS
    for count, is_spent in ((3, False), (4, True)):
        assert GasOfDay.of([row(now_ms - 1, 7)] * count, now_ms).is_spent("refresh x") is is_spent
    assert GasOfDay.of([row(now_ms - DAY_MS, 7)] * 9, now_ms).is_spent("refresh x") is False


def test_what_is_kept_for_a_freeze_is_more_than_the_figures_of_the_docs() -> None:
    rows = re.findall(
        r"^\| `rotate`, all were observed[^|]*\|(.*)\|$", STAKE_MD.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(rows) >= 2
    for cells in rows:
        for operators, said in zip((5, 13, 31), cells.split("|"), strict=True):
            assert int(said.replace(",", "")) < rotate_gas(operators)


async def measured(world: KeeperWorld) -> int:
    """What a keeper keeps for a freeze; it has done nothing."""
    keeper = world.keeper(0, kinds=frozenset({DutyKind.ROTATE}))
    await keeper.look()
    assert world.calls() == []
    return keeper.freeze_gas


@pytest.mark.chain
@pytest.mark.parametrize("spare", [-1, 0])
async def test_a_budget_nearly_spent_on_other_duties_still_does_the_freeze(
    world: KeeperWorld, capsys: pytest.CaptureFixture[str], spare: int
) -> None:
    """Two operators have lied: the first case is to be topped up. The budget has a freeze in it, and that only if there is some to spare."""
    await world.by_stake()
    await world.prove(0, 2)
    await world.prove(1, 2)
    kept = await measured(world)
    assert await world.read("set", "nextRotateAt") > world.now_s, "no freeze is due yet"
    step = next(d.step for d in world.keepers[0].due.duties if d.kind is DutyKind.TOP_UP)
    needs = await world.keepers[0]._client.call_gas(bytes.fromhex(step.to[2:]) + step.data)
    keeper = world.keeper(0, gas_a_day=kept + needs + spare, kinds=frozenset({DutyKind.TOP_UP, DutyKind.ROTATE}))
    await world.turns(8)
    is_done = spare >= 0
    assert bool(world.done("top-up")) is is_done
    assert bool(keeper.due.counts.get((DutyKind.TOP_UP, "over_budget"))) is not is_done
    assert ("kept for the next freeze" in capsys.readouterr().out) is not is_done
    await world.rotate_due()
    await world.until(lambda: bool(world.done("rotate")))
    ((_, done),) = world.done("rotate")
    assert (done.gas_used or 0) < kept, "what was kept sufficed"
    await world.arm()


@pytest.mark.chain
async def test_a_budget_that_has_no_freeze_in_it_is_told_and_left_to_it(
    world: KeeperWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    await world.by_stake()
    await world.prove(0, 2)
    await world.prove(1, 2)
    kept = await measured(world)
    world.keeper(0, gas_a_day=kept - 1)
    await world.turns(8)
    assert world.calls() == []
    assert "does not suffice for a freeze" in capsys.readouterr().out
    await world.rotate_due()
    await world.until(lambda: bool(world.done("rotate")))
    assert [r.why.split()[0] for _, r in world.calls()] == ["rotate"]


@pytest.mark.chain
async def test_a_freeze_of_parts_is_kept_with_all_of_them(world: KeeperWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.by_stake()
    whole = await measured(world)
    monkeypatch.setattr(freeze_gas, "OBSERVE_GAS", 1)
    assert await measured(world) > 16_777_216 + whole - rotate_gas(len(OPERATORS)), (
        "each by itself, and a whole transaction"
    )


@pytest.mark.chain
async def test_a_freeze_that_is_due_goes_before_all_that_others_can_make_due(world: KeeperWorld) -> None:
    """Somebody has operators' stakes dip for a moment, block after block, so that there is always somebody to be looked at again."""
    await world.by_stake()
    keeper, who = world.keeper(0), OPERATORS[4]
    await world.turns(2)
    shares = (await world.read("source", "positionOf", who.address, who.address))[0]
    await world.rotate_due()
    for _ in range(6):
        if not await world.read("set", "emptiedAt", who.address):
            await world.send(who, "source", "requestExit", who.address, shares)
            await world.send(FUNDER, "set", "remove", who.address)
            await world.send(who, "source", "requestExit", who.address, 0)
        keeper._reads._stakes_s = 0  # type: ignore[union-attr]  # looks at stakes at once
        await keeper.look()
        await world.block()
    kinds = [r.why.split()[0] for _, r in sorted(world.calls(), key=lambda c: c[1].made_ms)]
    assert (kinds[0], "remove" in kinds) == ("rotate", True)


@pytest.mark.chain
async def test_the_last_ether_is_for_the_freeze(world: KeeperWorld, capsys: pytest.CaptureFixture[str]) -> None:
    await world.by_stake()
    await world.prove(0, 2)
    await world.prove(1, 2)
    kept = await measured(world)
    keeper = world.keeper(0, kinds=frozenset({DutyKind.TOP_UP, DutyKind.ROTATE}))
    fees = await keeper._client.costs.fees(None, None)
    sender = "0x" + address_of(GAS_KEYS[0]).hex()
    await world.chain.rpc("anvil_setBalance", sender, hex(kept * 6 // 5 * fees.max_wei))
    await world.turns(8)
    assert world.calls() == []
    assert keeper.due.counts[DutyKind.TOP_UP, "no_ether"] >= 1
    assert capsys.readouterr().out.count("too little ether") == 1
    await world.rotate_due()
    await world.until(lambda: bool(world.done("rotate")))
    assert world.calls("top-up") == []
    await world.chain.rpc("anvil_setBalance", sender, "0x0")
    await world.arm()
    await world.turns(2)
    assert len(world.calls()) == 1, "without ether nothing is sent that would keep the queue"


@pytest.mark.chain
async def test_an_endpoint_that_says_for_ever_that_something_is_due_costs_four_calls(
    world: KeeperWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not due is found due at each look, and the call goes through without changing anything."""
    await world.by_stake()
    keeper = world.keeper(0)
    await keeper.look()
    assert keeper._reads is not None
    refresh = refresh_of(world)

    async def lies(*_: object) -> list[Duty]:
        return [refresh]

    keeper._reads.duties = lies  # type: ignore[method-assign, assignment]
    await world.turns(20)
    assert len(world.done("refresh")) == len(world.calls()) == 4
    assert "or is due though it was done" in capsys.readouterr().out


def refresh_of(world: KeeperWorld) -> Duty:
    """A record of the token's rate, due or not."""
    at = SystemAt(set=world.contracts.set.address, penalties=world.contracts.penalties.address, now_s=world.now_s)
    facts = RateFacts(
        values=world.contracts.values.address, token=world.contracts.token.address, recorded_s=0, recorded=1, live=1
    )  # fmt: skip
    (duty,) = refresh_duties(at, [facts], 86_400)
    return duty
