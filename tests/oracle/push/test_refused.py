"""A push that the nodes do not take: what they say decides, and nothing is repeated blindly until it is too old."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from eth_abi.abi import decode
from structlog.testing import capture_logs

from demo.world import anvil
from feeds.units import WAD
from oracle.chain.transaction import Fees, data_of
from oracle.model.publication import PushState
from oracle.model.status import Status
from oracle.report.wire import split_items
from tests.oracle.push.fault_world import RULES, FaultWorld
from tests.oracle.push.push_world import CALM, FALLEN, land, offer, put_store, world_at
from tests.oracle.push.refusing_node import RefusingNode

pytestmark = pytest.mark.chain
FEED = "wdivETH/ETH"


@asynccontextmanager
async def behind(folder: Path) -> AsyncIterator[tuple[FaultWorld, RefusingNode]]:
    """A world whose only endpoint may refuse transactions; its first push has landed."""
    with anvil.running() as node:
        front = RefusingNode(node.url)
        await front.start()
        try:
            place = await put_store(node.url, (node.url,), folder)
            async with world_at(replace(place, endpoints=(front.url,))) as here:
                await offer(here, CALM)
                await land(here)
                await offer(here, FALLEN)
                await land(here)  # watch: a depeg is due with the next round
                front.sent.clear()
                yield here, front
        finally:
            await front.stop()


async def look(here: FaultWorld, seconds: int, base_wei: Callable[[], int] | None = None) -> int:
    """Seconds of looks and blocks, a round in every second one; after how many the store shows the depeg, else all."""
    for passed in range(seconds):
        here.now_s += 1
        if passed % 2 == 0:
            await here.round(FALLEN)
        await here.targets[0].tick()
        if base_wei is not None:
            await here.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_wei()))
        await here.mine()
        await here.targets[0].tick()
        if here.targets[0].stored[here.targets[0].indexes[FEED]].status is Status.DEPEG:
            return passed
    return seconds


BELOW = [
    "max fee per gas less than block base fee: address 0x90F7, maxFeePerGas: 1, baseFee: 2",  # arbitrum
    "max fee per gas less than block base fee",  # zksync-era, reth
    "Gas price below current base fee",  # besu
    "underpriced",  # erigon
    "transaction gas price below minimum: gas tip cap 1, minimum needed 2",  # geth
]


@pytest.mark.parametrize("words", BELOW)
async def test_a_base_fee_that_rose_meanwhile_is_paid_with_the_next_look(tmp_path: Path, words: str) -> None:
    async with behind(tmp_path) as (here, front):
        front.says = lambda raw: words if Fees.of(raw).max_wei < 5 * 10**9 else None
        assert await look(here, 6, lambda: 4 * 10**9 if front.sent else 10**9) < 6
        assert here.databases[0].pushes("t", (PushState.LANDED,))[-1].made_ms >= here.now_s * 1_000 - 1_000, (
            "with the next look"
        )
        assert len(front.sent) >= 2, "refused at first"
        assert max(front.sent.values()) == 1, "never the same bytes"


NO_HOLDER = [
    "max fee per gas less than block base fee",
    "the node is on fire",
    "transaction underpriced",
    "execution reverted",
]


@pytest.mark.parametrize("words", NO_HOLDER)
async def test_however_often_no_node_takes_a_push_its_tip_stays_the_market_s(tmp_path: Path, words: str) -> None:
    """What nobody has needs no premium: not within a row, and not in the rows that follow it."""
    async with behind(tmp_path) as (here, front):
        front.says = lambda _: words
        assert await look(here, 60) == 60
        markets = await here.clients[0].costs.market()
        tips = {Fees.of(raw).tip_wei for raw in front.sent}
        assert max(tips) <= max(markets.tip_wei, markets.raised_tip_wei)
        assert sum(front.sent.values()) > 10, "it goes on trying"
        front.says = lambda _: None
        assert await look(here, 6) < 6


async def test_a_result_that_is_not_our_hash_has_taken_nothing_and_costs_nothing(tmp_path: Path) -> None:
    async with behind(tmp_path) as (here, front):
        front.gives = None
        assert await look(here, 40) == 40
        markets = await here.clients[0].costs.market()
        assert {Fees.of(raw).tip_wei for raw in front.sent} <= {markets.tip_wei, markets.raised_tip_wei}
        assert set(here.events[0].failed) == {"unknown", "expired"}
        assert not any(r.taken or r.state == "sent" for r in here.databases[0].pushes("t") if r.raw in front.sent)


async def test_control_what_a_node_holds_is_outbid_by_an_eighth_and_no_more_often_than_agreed(tmp_path: Path) -> None:
    """One row a node takes and no block does; after that it says that it holds another one."""
    async with behind(tmp_path) as (here, front):
        front.says = lambda raw: "replacement transaction underpriced" if raw not in list(front.sent)[:1] else None
        assert await look(here, 20, lambda: (5 if front.sent else 1) * 10**9) == 20
        fees = [Fees.of(raw) for raw in front.sent]
        assert all(b.tip_wei * 8 >= a.tip_wei * 9 and b.max_wei * 8 >= a.max_wei * 9 for a, b in pairwise(fees))
        assert 3 <= len(fees) <= 2 + 20 // RULES.bump_after_s, "bump_after_s apart"


async def test_what_nobody_understands_is_sent_unchanged_twice_and_then_made_anew_loudly(tmp_path: Path) -> None:
    async with behind(tmp_path) as (here, front):
        front.says = lambda _: "the node is on fire"
        with capture_logs() as logs:
            assert await look(here, 30) == 30
        assert max(front.sent.values()) == 2
        assert len(front.sent) >= 5, "and it goes on trying"
        fees = [Fees.of(raw) for raw in front.sent]
        assert len(set(fees)) == len(fees), "for other fees each time"
        errors = [line for line in logs if line["log_level"] == "error" and line["event"] == "no node takes a push"]
        assert len(errors) == sum(n == 2 for n in front.sent.values())
        assert here.events[0].failed.count("unknown") == sum(front.sent.values())
        front.says = lambda _: None
        assert await look(here, 6) < 6


async def test_a_limit_inside_a_200_is_no_word_about_the_push(tmp_path: Path) -> None:
    async with behind(tmp_path) as (here, front):
        front.says = lambda _: (-32005, "daily request count exceeded, request rate limited")
        assert await look(here, 10) == 10
        (raw,) = front.sent
        assert 3 <= front.sent[raw] <= 5, "the same bytes, and fewer and fewer requests"
        assert set(here.events[0].failed) == {"rate_limited"}
        front.says = lambda _: None
        assert await look(here, 5) < 5
        assert set(front.sent) == {raw}, "a node takes what was refused for no fault of its own"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("transaction type not supported", "type_unknown"),
        ("invalid sender: invalid chain id for signer", "wrong_chain"),
    ],
)
async def test_what_no_node_will_ever_take_is_given_up_and_leaves_its_nonce(
    tmp_path: Path, words: str, kind: str
) -> None:
    async with behind(tmp_path) as (here, front):
        front.says = lambda _: words
        assert await look(here, 8) == 8
        assert set(front.sent.values()) == {1}
        rows = here.databases[0].pushes("t", (PushState.REFUSED,))
        assert len(rows) == len(front.sent) >= 3
        assert {r.nonce for r in rows} == {rows[0].nonce}
        assert set(here.events[0].failed) == {kind}
        front.says = lambda _: None
        assert await look(here, 4) < 4
        assert here.databases[0].pushes("t", (PushState.LANDED,))[-1].nonce == rows[0].nonce


async def test_a_batch_that_a_node_finds_too_big_is_halved_and_the_most_urgent_goes_first(tmp_path: Path) -> None:
    async with behind(tmp_path) as (here, front):
        lower = {**FALLEN, "ETH/USD": (1_900 * WAD, 0)}
        front.says = lambda raw: "exceeds block gas limit" if items_of(raw) > 1 else None
        for _ in range(2):  # until the depeg has dwelt
            here.now_s += 2
            await here.round(lower)
        for k in range(6):
            here.now_s += 1
            if k % 2 == 0:
                await here.round(lower)
            await here.targets[0].tick()
            await here.mine()
            await here.targets[0].tick()
        rows = here.databases[0].pushes("t", (PushState.LANDED, PushState.REFUSED))[2:]
        assert [(r.state, len(split_items(r.items))) for r in rows[:3]] == [
            ("refused", 2),
            ("landed", 1),
            ("landed", 1),
        ]
        assert [FEED in r.why for r in rows[:3]] == [True, True, False]


def items_of(raw: bytes) -> int:
    """Items in a push: each has 30 bytes of the batch, after 10."""
    return len(decode(["bytes", "bytes"], data_of(raw)[4:])[0]) // 30


async def test_a_node_s_cap_on_what_a_transaction_may_cost_takes_the_room_for_growth(tmp_path: Path) -> None:
    async with behind(tmp_path) as (here, front):
        offered: list[int] = []

        def cap(raw: bytes) -> str | None:
            offered.append(Fees.of(raw).max_wei)
            dear = offered[-1] * 10 > offered[0] * 7
            return "tx fee (1.10 ether) exceeds the configured cap (1.00 ether)" if dear else None

        front.says = cap
        assert await look(here, 6) < 6
        assert len(offered) == 2
        assert here.events[0].failed == ["fee_cap"]
