"""The next signer set arms itself on a real chain, and each round goes to the set whose it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coincurve
import pytest
from structlog.testing import capture_logs

from demo.world.chain import account
from oracle.chain.next_signers import check_digest, read_next_set
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_client import StoreClient
from oracle.chain.transaction import data_of
from oracle.model.publication import PushState
from oracle.push.arming.arm import sign_arming
from oracle.push.due import PushPolicy
from oracle.sign.eip712 import Domain, recover
from oracle.sign.messages import RefusalCode
from oracle.sign.remote_operator import RemoteOperator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.push.fault_world import KEYS, FaultWorld
from tests.oracle.push.rotation import AWAY, HERE, by_owner, landed, live, name, until, waiting, world
from tests.oracle.sign.remote_signer_server import signing

pytestmark = pytest.mark.chain
LOOK_S = 32
"""A look at the signers comes every 30 s."""


async def armed(world: FaultWorld) -> bool:
    return bool((await world.clients[0].read("armed"))[0])


def arms(world: FaultWorld, database: int = 0) -> list[Any]:
    return [r for r in world.databases[database].pushes("t") if r.why.startswith("arms epoch")]


def belongs(pushes: list[tuple[int, int]], from_s: int) -> None:
    """Every push was signed for the set whose round it is, and the sides of the change are both there and close to it."""
    assert [epoch for _, epoch in pushes] == [1 if round_s < from_s else 2 for round_s, _ in pushes]
    before = max(r for r, _ in pushes if r < from_s)
    after = min(r for r, _ in pushes if r >= from_s)
    assert after - before <= 6, "nothing was left out at the change"


@pytest.mark.parametrize("phase", range(4))
async def test_operators_of_one_process_arm_the_next_set_and_no_push_fails_at_the_change(
    tmp_path: Path, phase: int
) -> None:
    async with world(tmp_path, phase=phase) as here:
        await live(here, 4)
        from_s = await name(here, (*HERE[:2], AWAY[0]))
        assert not await armed(here)
        await live(here, LOOK_S)
        assert await armed(here)
        (row,) = arms(here)
        assert (row.state, row.items, row.why) == ("armed", b"", "arms epoch 2: signed by alpha, beta")
        await until(here, from_s + 40)
        assert len(arms(here)) == 1, "once is enough"
        belongs(landed(here), from_s)
        assert here.events[0].failed == [], "no push was refused, reverted or sent for the wrong set"
        assert here.targets[0].counts["landed"] == len(landed(here)) > 20


async def test_a_whole_new_set_takes_over_with_its_first_round(tmp_path: Path) -> None:
    """The rounds know too: with the old set's weights the new keys alone would publish unsigned rounds at first."""
    async with world(tmp_path) as here:
        # in another order, so that an index of the set before is another signer; without gamma
        from_s = await name(here, (HERE[1], HERE[0]))
        await until(here, from_s + 6)
        belongs(landed(here), from_s)
        done = here.done
        assert done is not None
        assert [a.signers.epoch for a in done.agreements] == [2]
        assert done.outcomes["t"].signed == ("beta", "alpha"), "in the order of the set"
        assert {r.signed_at_ms is not None for r in done.records} == {True}, "no round was published unsigned"
        assert here.events[0].failed == []


async def test_below_the_threshold_nothing_is_sent_and_the_log_tells_once(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        from_s = await name(here, (HERE[0], *AWAY))
        with capture_logs() as logs:
            await live(here, 2 * LOOK_S)
        (logged,) = [line for line in logs if "not armed" in line["event"]]
        assert "run `lrt-oracle arm t`" in logged["event"]
        assert (logged["epoch"], logged["takes_over_at"], logged["weight"]) == (2, from_s, "1 of 2")
        assert logged["not_here"] == ", ".join(f"0x{a.hex()} (weight 1)" for a in AWAY)
        with capture_logs() as logs:
            await until(here, from_s + 30)
        (late,) = [line["event"] for line in logs if "not armed" in line["event"]]
        assert late.startswith("the next signer set was not armed in time: it never takes over")
        assert arms(here) == []
        assert {epoch for _, epoch in landed(here)} == {1}, "not armed, it never takes over"
        assert max(r for r, _ in landed(here)) > from_s + 20
        assert here.events[0].failed == []


async def test_an_emergency_needs_no_arming_and_takes_over_at_its_time(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        from_s = await name(here, (*HERE[:2], AWAY[0]), "setSignersInEmergency")
        await until(here, from_s + 20)
        assert arms(here) == []
        belongs(landed(here), from_s)


async def test_a_set_that_is_replaced_after_it_was_armed_is_armed_anew(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await name(here, (*HERE[:2], AWAY[0]))
        await live(here, LOOK_S)
        assert await armed(here)
        from_s = await name(here, (*HERE[:2], AWAY[1]))
        assert not await armed(here)
        await until(here, from_s + 10)
        assert [r.state for r in arms(here)] == ["armed", "armed"]
        belongs(landed(here), from_s)
        assert here.events[0].failed == []


async def test_a_push_under_way_goes_first(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await live(here, 4)
        await name(here, (*HERE[:2], AWAY[0]))
        here.now_s += LOOK_S - 2
        await live(here, 2, mine=False)
        (push,) = here.databases[0].pushes("t", (PushState.SENT,))
        here.now_s += 1
        await here.targets[0].tick()
        assert arms(here) == [], "its nonce is taken"
        coming = await waiting(here.clients[0])
        assert coming is not None
        assert await here.targets[0].pusher.carry(coming.call({}), "by hand") is None, "nor may anybody else"
        await here.mine()
        await here.targets[0].tick()
        (row,) = arms(here)
        assert row.nonce == push.nonce + 1
        await here.targets[0].tick()
        assert arms(here) == [row], "it is under way, and not made again"
        await here.mine()
        await here.targets[0].tick()
        assert (await armed(here), [r.state for r in arms(here)]) == (True, ["armed"])


async def test_one_that_came_to_nothing_is_made_again_at_the_next_look(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await name(here, (*HERE[:2], AWAY[0]))
        here.now_s += LOOK_S
        await here.targets[0].tick()
        (row,) = arms(here)
        await here.rpc("anvil_dropTransaction", row.tx_hash)
        await by_owner(here, "setSigners", ["0x" + a.hex() for a in HERE], [1, 1, 1], 2, 3)
        await here.targets[0].tick()
        await live(here, LOOK_S)
        assert [r.state for r in arms(here)] == ["expired", "armed"]
        assert await armed(here)


async def test_whoever_arms_first_ours_is_told_and_not_made_again(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await live(here, 4)
        await name(here, (*HERE[:2], AWAY[0]))
        await here.targets[0].tick()  # what the store holds is not under way any more
        here.now_s += LOOK_S
        await here.targets[0].tick()
        (row,) = arms(here)
        call = {"from": account(5).address, "to": here.place.store, "data": "0x" + data_of(row.raw).hex()}
        dear = {"gas": hex(300_000), "maxFeePerGas": hex(50 * 10**9), "maxPriorityFeePerGas": hex(40 * 10**9)}
        await here.rpc("eth_sendTransaction", call | dear)
        await here.mine()
        await live(here, LOOK_S)
        assert await armed(here)
        assert [r.state for r in arms(here)] == ["reverted"]
        assert here.events[0].failed == ["reverted"]


async def test_a_backup_leaves_it_to_the_primary_and_does_it_where_that_is_gone(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        place = here.place.__class__(**{**here.place.__dict__, "gas_key": bytes(account(3).key).hex()})
        here.add("backup.db", place=place, policy=PushPolicy(offset_s=8))
        await here.targets[1].tick()
        await name(here, (*HERE[:2], AWAY[0]))
        await live(here, LOOK_S)
        assert (len(arms(here)), arms(here, 1)) == (1, [])
        primary = here.targets.pop(0)
        await name(here, (*HERE[:2], AWAY[1]))
        await live(here, 2 * LOOK_S)
        assert [r.state for r in arms(here, 1)] == ["armed"]
        here.targets.insert(0, primary)


async def test_a_node_that_asks_for_another_digest_is_signed_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await name(here, (*HERE[:2], AWAY[0]))
        coming, block = await waiting(here.clients[0]), (await here.clients[0].head()).number
        assert coming is not None
        await check_digest(here.clients[0], coming, block)
        # what the same node says of another store: its answers are not this one's
        other = Domain(chain_id=here.place.chain_id, store=b"\x77" * 20)
        lied = coming.__class__(
            signers=coming.signers.__class__(
                **{k: getattr(coming.signers, k) for k in ("epoch", "signers", "weights", "threshold")}, domain=other
            ),
            strong=coming.strong, from_s=coming.from_s, set_hash=coming.set_hash, armed=False,
        )  # fmt: skip
        with pytest.raises(ChainError, match="an endpoint lies, nothing is signed"):
            await check_digest(here.clients[0], lied, block)


async def test_only_members_arm_and_a_remote_key_does_as_one_in_a_file(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await name(here, (HERE[0], HERE[1], AWAY[0]))
        coming = await waiting(here.clients[0])
        assert coming is not None
        outsider = here.operators[2]
        refused = await outsider.request_arming(coming.signers, coming.set_hash)
        assert getattr(refused, "code", None) is RefusalCode.WRONG_EPOCH
        key = KEYS["beta"]
        journal = SignJournal(tmp_path / "far.db", HERE[1], now_ms=0, mute_ms=10**15, newborn=False)
        async with signing(coincurve.PrivateKey(key.secret)) as (stand, remote):
            far = RemoteOperator("beta", remote, journal, bound_bps=100)
            signatures, refusals = await sign_arming([here.operators[0], far, outsider], coming)
            assert refusals == ()
            assert [recover(coming.digest, s.compact) for s in signatures] == [HERE[0], HERE[1]], (
                "a mute one too: it is no price"
            )
            stand.twist = "500"
            _, (refusal,) = await sign_arming([far], coming)
            assert (refusal.code, "HTTP 500" in refusal.text) == (RefusalCode.SIGNER, True)
        journal.close()


async def test_nothing_is_to_come_where_nobody_was_set(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        client: StoreClient = here.clients[0]
        assert await read_next_set(client, (await client.head()).number) is None
