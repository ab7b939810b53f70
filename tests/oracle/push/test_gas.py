"""A push whose store changes before it lands: it has the gas for that, and where it has not, the log names it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import coincurve
import pytest
from eth_utils.address import to_checksum_address
from structlog.testing import capture_logs

from demo.world import anvil
from demo.world.chain import account
from oracle.chain.fees import SPARE_ITEM_GAS, gas_limit
from oracle.chain.multicall_push import push_data
from oracle.chain.transaction import gas_of
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import ClassLimits, StoreSettings
from oracle.model.publication import PushRow
from oracle.sign.eip712 import address_of
from tests.oracle.push.fault_world import KEYS, MAX_FEE_GWEI, MAX_PUSH_AGE_S, SPECS, FaultWorld, Place
from tests.oracle.push.poked_views import put_multicall3, put_view
from tests.oracle.push.push_world import CALM, land, offer, views_of, world_at

pytestmark = pytest.mark.chain
FEED = "wdivETH/ETH"
GWEI = 10**9
GAP_S = 10
STEP_BPS = 500


def moved(bps: int) -> dict[str, tuple[int, int]]:
    """Every price so far from the calm ones."""
    return {f: (m * (10_000 + bps) // 10_000, r * (10_000 + bps) // 10_000) for f, (m, r) in CALM.items()}


UP, DOWN = moved(480), moved(-480)
"""Each within the store's step of what stands; the second is beyond it once the first has landed."""


@asynccontextmanager
async def place_of(folder: Path, *, views: int = 0) -> AsyncIterator[Place]:
    """A store with long gaps, whose signers move no price by more than its step."""
    with anvil.running() as node:
        deployer = Deployer(node.url, coincurve.PrivateKey(bytes(account(0).key)))
        settings = StoreSettings(
            signers=(*(address_of(k) for k in KEYS.values()), b"\x99" * 20), weights=(1, 1, 1, 1), threshold=3,
            step_threshold=4, max_push_age_s=MAX_PUSH_AGE_S,
            classes=(ClassLimits(min_gap_s=GAP_S, step_bps=STEP_BPS, step_wait_s=600),),
        )  # fmt: skip
        made = await deployer.deploy(settings, [])
        for feed, spec in SPECS.items():
            await deployer.register(made.store, feed, market=spec.has_market, redemption=spec.has_redemption)
        await deployer.close()
        if views:
            await put_multicall3(node.url)
        poked = [await put_view(node.url, made.store, FEED) for _ in range(views)]
        yield Place(
            seed=0, node=node.url, endpoints=(node.url,), chain_id=made.chain_id, store=made.store,
            gas_key=bytes(account(2).key).hex(), folder=str(folder), views=tuple(poked),
        )  # fmt: skip


class Outsider:
    """Carries signed rounds to the store in front of ours."""

    def __init__(self, here: FaultWorld) -> None:
        self._here, self._nonce = here, 0

    async def carry(self, *feeds: str) -> str:
        """The newest round of these feeds, for so much that it goes first; the transaction's hash."""
        ballot = await self._here.targets[0].collect_signatures(feeds)
        assert ballot is not None
        assert ballot.batch is not None
        raw = account(4).sign_transaction({
            "to": to_checksum_address(self._here.place.store), "nonce": self._nonce, "gas": 400_000, "value": 0,
            "data": push_data(ballot.batch), "chainId": self._here.place.chain_id, "type": 2, "accessList": [],
            "maxFeePerGas": MAX_FEE_GWEI * GWEI, "maxPriorityFeePerGas": 50 * GWEI,
        }).raw_transaction  # fmt: skip
        self._nonce += 1
        return str(await self._here.rpc("eth_sendRawTransaction", "0x" + bytes(raw).hex()))


@asynccontextmanager
async def settled(place: Place, **options: Any) -> AsyncIterator[tuple[FaultWorld, Outsider]]:
    """A world in which the calm prices stand and no gap is open."""
    async with world_at(place, **options) as here:
        await offer(here, CALM)
        await land(here)
        here.now_s += GAP_S + 2
        await here.mine()
        yield here, Outsider(here)


async def fall_in_front(here: FaultWorld, outsider: Outsider) -> PushRow:
    """Our push, and in the same block before it the round that was signed a moment earlier, with other prices."""
    here.now_s += 2
    await here.round(UP)
    await outsider.carry(*SPECS)
    await offer(here, DOWN)
    row = here.databases[0].pushes("t")[-1]
    assert row.state == "sent"
    await here.mine()
    await here.targets[0].tick()
    return here.databases[0].pushes("t")[-1]


async def used(here: FaultWorld, tx_hash: str) -> int:
    return int((await here.rpc("eth_getTransactionReceipt", tx_hash))["gasUsed"], 16)


async def test_a_report_of_the_round_before_in_front_of_ours_costs_us_gas_and_not_the_push(tmp_path: Path) -> None:
    async with place_of(tmp_path) as place, settled(place) as (here, outsider):
        row = await fall_in_front(here, outsider)
        estimate = (gas_of(row.raw) - 2 * SPARE_ITEM_GAS) * 5 // 6
        assert row.state == "landed"
        assert await used(here, row.tx_hash) > estimate * 6 // 5, (
            "more than a fifth above the estimate: what the spare is for"
        )
        assert here.events[0].failed == []


async def test_control_without_spare_gas_it_runs_out_and_the_log_the_row_and_the_count_name_it(tmp_path: Path) -> None:
    async with place_of(tmp_path) as place, settled(place) as (here, outsider):
        here.targets[0].pusher.learned.no_spare_gas = True
        with capture_logs() as logs:
            row = await fall_in_front(here, outsider)
        limit = gas_of(row.raw)
        assert (row.state, row.note) == ("reverted", f"out of gas, it used {limit} of {limit}")
        assert here.events[0].failed == ["out_of_gas"]
        assert [line["event"] for line in logs if line["log_level"] == "error"] == [f"push reverted: {row.note}"]


async def test_pokes_go_with_a_push_that_another_one_in_front_made_dearer(tmp_path: Path) -> None:
    async with place_of(tmp_path, views=1) as place, settled(place) as (here, outsider):
        here.targets[0].pusher.ramp_pokes.forget()
        row = await fall_in_front(here, outsider)
        assert views_of(row) == tuple(v.lower() for v in place.views)
        assert (row.state, here.events[0].failed, here.events[0].unpoked) == ("landed", [], [])


async def test_control_inside_a_call_the_push_that_runs_out_is_named_too(tmp_path: Path) -> None:
    async with place_of(tmp_path, views=1) as place, settled(place) as (here, outsider):
        here.targets[0].pusher.ramp_pokes.forget()
        here.targets[0].pusher.learned.no_spare_gas = True
        row = await fall_in_front(here, outsider)
        assert (row.state, (row.note or "")[:10], here.events[0].failed) == ("reverted", "out of gas", ["out_of_gas"])
        here.now_s += GAP_S
        await offer(here, CALM)
        again = await land(here)
        assert (again.state, views_of(again)) == ("landed", ()), "the next goes alone"


async def test_what_the_dearest_item_costs_more_than_a_plain_one_is_what_is_set_aside(tmp_path: Path) -> None:
    """A gap's word and both held words are written for the first time, with their events."""
    async with place_of(tmp_path) as place, settled(place) as (here, outsider):
        gas = []
        for priced in (UP, DOWN):
            here.now_s += 2
            await here.round(priced)
            carried = await outsider.carry(FEED)
            await here.mine()
            gas.append(await used(here, carried))
        plain, dearest = gas
        assert SPARE_ITEM_GAS * 9 // 10 < dearest - plain <= SPARE_ITEM_GAS
        head = await here.clients[0].head()
        held_words = await here.clients[0].held_words(here.targets[0].indexes[FEED], head.number)
        assert None not in (held_words.market, held_words.redemption, held_words.gap)


@pytest.mark.parametrize(
    ("items", "most", "affordable", "limit"),
    [
        (0, 10**7, 10**7, 120_000),
        (2, 10**7, 10**7, 120_000 + 2 * SPARE_ITEM_GAS),
        (200, 10**7, 10**8, 10**7),
        (2, 10**7, 150_000, 150_000),
        (2, 10**7, 5, 120_000),
    ],
)
def test_the_spare_is_as_much_as_a_transaction_may_have_and_the_payer_can_show(
    items: int, most: int, affordable: int, limit: int
) -> None:
    assert gas_limit(100_000, items, most, affordable) == limit


async def test_a_key_that_has_no_ether_for_spare_gas_pushes_without_it(tmp_path: Path) -> None:
    async with place_of(tmp_path) as place, settled(place) as (here, _):
        market = await here.clients[0].costs.market()
        await here.rpc("anvil_setBalance", here.clients[0].payer, hex(150_000 * (2 * market.base_wei + market.tip_wei)))
        await offer(here, moved(-100))
        row = await land(here)
        assert row.state == "landed"
        assert gas_of(row.raw) < 160_000
        assert here.events[0].failed == []
