"""What a keeper never does: pay twice, pay more than its budget, pay for what fails for ever, or fight over its key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.world.chain import account
from oracle.agree.wire import KeepingWord
from oracle.chain.key_queue import KeyQueue
from oracle.chain.transaction import Fees
from oracle.model.duty_kind import DutyKind
from oracle.model.publication import PushState
from oracle.sign.eip712 import address_of
from tests.oracle.keep.keeper_world import GAS_KEYS, REPORT_KEYS, STAGE_S, KeeperWorld

pytestmark = pytest.mark.chain


async def test_a_restart_does_nothing_twice(world: KeeperWorld) -> None:
    """Killed between sending and the block, the next run finds its call in the journal."""
    await world.by_stake()
    world.keeper(0)
    await world.turns()
    await world.rotate_due()
    await world.keepers[0].look()
    assert len(world.calls("rotate")) == 1
    for _ in range(3):
        await world.keepers.pop(0).close()
        await world.keeper(0).look()
    await world.turns(6)
    assert [r.state for _, r in world.calls("rotate")] == [PushState.CALLED]
    await world.keepers.pop(0).close()
    world.keeper(0)
    await world.turns(6)
    assert len(world.calls("rotate")) == 1


async def test_a_call_that_the_nodes_lost_goes_again_and_lands_once(world: KeeperWorld) -> None:
    await world.by_stake()
    world.keeper(0)
    await world.turns()
    await world.rotate_due()
    await world.keepers[0].look()
    await world.chain.rpc("anvil_dropAllTransactions")
    await world.until(lambda: bool(world.done("rotate")))
    assert len({r.nonce for _, r in world.calls("rotate")}) == 1
    assert len(world.done("rotate")) == 1


async def test_the_budget_of_gas_ends_a_day(world: KeeperWorld, capsys: pytest.CaptureFixture[str]) -> None:
    await world.by_stake()
    world.keeper(0, gas_a_day=300_000, kinds=frozenset({DutyKind.ROTATE}))
    await world.rotate_due()
    await world.turns(STAGE_S // 12)
    keeper = world.keepers[0]
    assert world.calls() == [], "a freeze needs more"
    assert keeper.due.counts[DutyKind.ROTATE, "over_budget"] >= 1
    assert capsys.readouterr().out.count("the gas of the day is spent") == 1, "told once"
    world.keeper(0, gas_a_day=700_000, kinds=frozenset({DutyKind.ROTATE}))
    await world.until(lambda: bool(world.done("rotate")))
    ((_, row),) = world.done("rotate")
    assert world.keepers[0].gas_left <= 700_000 - (row.gas_used or 0)
    await world.arm()
    await world.to(row.made_ms // 1_000 + 86_400 - 60)
    await world.turns()
    assert world.keepers[0].gas_left < 300_000
    await world.to(row.made_ms // 1_000 + 86_401)
    await world.turns()
    assert world.keepers[0].gas_left == 700_000, "a day later"


async def test_what_fails_on_chain_for_ever_is_paid_for_twice_a_day(world: KeeperWorld) -> None:
    """Tried out, the freeze works; in the block it does not."""
    await world.by_stake()
    world.keeper(0)
    await world.rotate_due()
    at = world.contracts.set.address
    code = await world.chain.rpc("eth_getCode", at, "latest")
    for _ in range(12):
        await world.keepers[0].look()
        await world.chain.rpc("anvil_setCode", at, "0x60006000fd")
        await world.block()
        await world.chain.rpc("anvil_setCode", at, code)
    assert [r.state for _, r in world.calls("rotate")] == [PushState.REVERTED] * 2
    await world.to(world.now_s + 86_400)
    await world.until(lambda: bool(world.done("rotate")))


async def test_who_has_no_key_tells_what_nobody_has_done(
    world: KeeperWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    await world.by_stake()
    keeper = world.keeper(0, with_key=False)
    await world.rotate_due()
    await world.turns(2)
    assert "duty='rotate" not in capsys.readouterr().out
    await world.to(world.now_s + 900)
    await world.turns(2)
    told = [line for line in capsys.readouterr().out.splitlines() if "duty='rotate" in line]
    assert len(told) == 1, "once a minute at most"
    assert "a duty is due and nobody has done it" in told[0]
    since_s = keeper.due.oldest_s(DutyKind.ROTATE)
    assert since_s is not None
    assert keeper.now_s() - since_s > 900
    assert world.calls() == []


async def test_who_only_says_that_it_does_costs_a_stage(world: KeeperWorld) -> None:
    """A liar says that it keeps, announces each duty as soon as it is due, and sends nothing."""
    await world.by_stake()
    world.all_keep(range(4))
    rules = world.keepers[0]._rules
    liar = world.hub.peers(address_of(REPORT_KEYS[4]))
    await world.turns()
    took = []
    for _ in range(3):
        for keeper in world.keepers.values():
            keeper._rules = replace(rules, kinds=frozenset())
        await world.rotate_due()
        await world.turns()
        began_s, one = world.now_s, world.keepers[0]
        liar.tell(0, KeepingWord(one._place(one.due.duties[0]), b"\x11" * 32))
        for keeper in world.keepers.values():
            keeper._rules = replace(rules, kinds=frozenset({DutyKind.ROTATE}))
        await world.turns(2)
        count = len(world.done("rotate"))
        await world.until(lambda before=count: len(world.done("rotate")) > before)  # type: ignore[misc]
        took.append(world.now_s - began_s)
        await world.arm()
        await world.turns()
    assert len(world.calls("rotate")) == 3
    assert min(took) >= STAGE_S
    assert max(took) <= 2 * STAGE_S + 24


async def test_another_process_with_the_key_is_not_fought(
    world: KeeperWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another one has sent with the key: the keeper waits until that is through, and does not take its nonce."""
    await world.by_stake()
    world.keeper(0)
    await world.rotate_due()
    sender = "0x" + address_of(GAS_KEYS[0]).hex()
    await world.chain.rpc("anvil_impersonateAccount", sender)
    other = await world.chain.rpc(
        "eth_sendTransaction", {"from": sender, "to": account(8).address, "value": "0x1", "gas": "0x5208"}
    )
    await world.keepers[0].look()
    assert world.calls() == []
    assert "give each process a key of its own" in capsys.readouterr().out
    await world.block()
    assert await world.chain.rpc("eth_getTransactionReceipt", other) is not None
    await world.until(lambda: bool(world.done("rotate")))
    assert world.done("rotate")[0][1].nonce == 1


async def test_a_proof_takes_the_nonce_of_a_duty_for_more(world: KeeperWorld) -> None:
    """One key, two users in a process: what waits of the keeper is known to who proves, and no duty is sent beside a proof."""
    await world.by_stake()
    keeper = world.keeper(0)
    queue = KeyQueue()
    queue.waiting, keeper._queue = keeper._waiting, queue
    await world.rotate_due()
    queue.proofs_open = lambda: True
    await keeper.look()
    assert world.calls() == []
    queue.proofs_open = lambda: False
    await keeper.look()
    ((_, row),) = world.calls("rotate")
    assert queue.waiting() == {row.nonce: Fees.of(row.raw)}
    await world.turns(4)
    assert queue.waiting() == {}
