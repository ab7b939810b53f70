"""What strangers do to the fees of a chain, and what the pusher pays then."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from demo.world.chain import account
from oracle.chain.transaction import Fees
from oracle.model.publication import PushRow
from oracle.model.status import Status
from tests.oracle.push.fault_world import MAX_FEE_GWEI, FaultWorld
from tests.oracle.push.push_world import CALM, FALLEN, land, offer, place_with, world_at

pytestmark = pytest.mark.chain
FEED = "wdivETH/ETH"
GWEI = 10**9
LIMIT = 30_000_000
"""Gas of anvil's blocks."""


BURNER = "0x" + "bb" * 20


async def dear_transfer(here: FaultWorld, nonce: int, *, to: str = account(5).address, gas: int = 21_000) -> None:
    """A stranger's transaction with a tip as high as our ceiling."""
    raw = account(5).sign_transaction({
        "to": to_checksum_address(to), "nonce": nonce, "gas": gas, "value": 0,
        "chainId": here.place.chain_id, "maxFeePerGas": (MAX_FEE_GWEI + 2) * GWEI,
        "maxPriorityFeePerGas": MAX_FEE_GWEI * GWEI,
    }).raw_transaction  # fmt: skip
    await here.rpc("eth_sendRawTransaction", "0x" + bytes(raw).hex())


def stored(here: FaultWorld) -> Status:
    target = here.targets[0]
    return target.stored[target.indexes[FEED]].status


@pytest.mark.parametrize("every", [1, 2, 3])
async def test_a_stranger_s_dear_tips_keep_no_depeg_off_the_chain_and_cost_us_nothing(
    tmp_path: Path, every: int
) -> None:
    async with place_with(tmp_path, views=0) as place, world_at(place) as here:
        await offer(here, CALM)
        await land(here)
        for k in range(26):
            await dear_transfer(here, k) if k % every == 0 else None
            await here.mine()
            await offer(here, FALLEN if k >= 22 else CALM)
        await land(here)
        assert stored(here) is Status.DEPEG
        assert here.events[0].failed == []
        assert max(Fees.of(r.raw).tip_wei for r in here.databases[0].pushes("t")) < GWEI


async def test_tips_of_full_blocks_are_paid_as_far_as_the_ceiling_leaves_them(tmp_path: Path) -> None:
    """Congestion is no stranger's trick: what most of the gas pays is the price."""
    async with place_with(tmp_path, views=0) as place, world_at(place) as here:
        await offer(here, CALM)
        await land(here)
        await here.rpc("anvil_setCode", BURNER, "0x5b600056")  # goes round for ever
        for k in range(24):
            await dear_transfer(here, k, to=BURNER, gas=LIMIT // 2)
            await here.mine()
        await offer(here, FALLEN)
        fees = Fees.of(here.databases[0].pushes("t")[-1].raw)
        assert fees.tip_wei > (MAX_FEE_GWEI // 2) * GWEI
        assert fees.max_wei <= MAX_FEE_GWEI * GWEI
        await land(here)
        assert stored(here) is Status.WATCH
        assert here.events[0].failed == []


async def test_only_a_base_fee_above_the_ceiling_keeps_a_push_back(tmp_path: Path) -> None:
    async with place_with(tmp_path, views=0) as place, world_at(place) as here:
        await offer(here, CALM)
        await land(here)
        for base_gwei, status, failed in ((MAX_FEE_GWEI + 10, Status.OK, 1), (MAX_FEE_GWEI, Status.WATCH, 1)):
            await here.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_gwei * GWEI * 8 // 7))
            await here.mine()  # of this one the next is an eighth less
            await offer(here, FALLEN)
            await here.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_gwei * GWEI - GWEI))
            await land(here)
            assert (stored(here), here.events[0].failed.count("FeeTooHigh")) == (status, failed)


async def test_a_depeg_takes_the_place_of_a_calm_push_that_waits_at_the_highest_that_calm_ones_pay(
    tmp_path: Path,
) -> None:
    async with place_with(tmp_path, views=0) as place, world_at(place) as here:
        await offer(here, CALM)
        await land(here)
        await here.rpc("anvil_setNextBlockBaseFeePerGas", hex(45 * GWEI))
        await here.mine()
        pusher = here.targets[0].pusher
        calm = await calm_push(here)
        assert Fees.of(calm.raw).max_wei == (MAX_FEE_GWEI * GWEI - 1) * 8 // 9
        await offer(here, FALLEN, 3)
        rows = here.databases[0].pushes("t")
        assert rows[-1].nonce == calm.nonce
        assert rows[-1].state == "sent", "the node took it in the place of the other"
        assert Fees.of(rows[-1].raw).max_wei * 8 >= Fees.of(calm.raw).max_wei * 9
        await here.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        await land(here)
        assert stored(here) is Status.DEPEG
        assert not pusher.busy


async def calm_push(here: FaultWorld) -> PushRow:
    """A push of a calm round that waits."""
    await offer(here, {**CALM, "ETH/USD": (2_100 * 10**18, 0)})
    row = here.databases[0].pushes("t")[-1]
    assert row.state == "sent"
    return row
