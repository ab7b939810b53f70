"""What a push costs besides gas times price, on chains that tell fees in their own way; and a batch that is too big."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import coincurve
import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

import contracts
from demo.world import anvil, npm
from demo.world.chain import LocalChain, account
from demo.world.front_node import FrontNode
from feeds.units import WAD
from oracle.chain.fees import MOST_GAS, SPARE_ITEM_GAS, pushes_left
from oracle.chain.transaction import FeeMarket, Fees, unsigned_of
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.deploy.views import feed_id
from oracle.model.publication import PushState
from oracle.model.status import Status
from oracle.report.wire import split_items
from oracle.sign.eip712 import address_of
from tests.oracle.push.fault_world import KEYS, MAX_PUSH_AGE_S, PATIENT_MS, FaultWorld, Place, make_spec
from tests.oracle.push.push_world import CALM, FALLEN, land, offer, place_with, put_store, world_at

pytestmark = pytest.mark.chain
MARKETS = st.builds(FeeMarket, base_wei=st.integers(10**6, 10**12), tip_wei=st.integers(1, 10**11))
GAS_ORACLE = "0x420000000000000000000000000000000000000F"
L1_BASE_WEI, OVERHEAD, SCALAR, DECIMALS = 30 * 10**9, 2_100, 1_000_000, 6


# --- a rollup's fee for data ------------------------------------------------------------------------------------------


async def put_gas_oracle(url: str) -> None:
    """Optimism's own contract, unmodified, where its chains have it, with a base fee of the chain below."""
    async with LocalChain(url) as chain:
        artifact = npm.optimism("OVM_GasPriceOracle")
        made = await chain.create(account(0), artifact, account(0).address)
        code = await chain.rpc("eth_getCode", str(made.address), "latest")
        await chain.rpc("anvil_setCode", GAS_ORACLE, code)
        for slot in range(6):
            word = await chain.rpc("eth_getStorageAt", str(made.address), hex(slot), "latest")
            await chain.rpc("anvil_setStorageAt", GAS_ORACLE, f"0x{slot:064x}", word)
        there = chain.contract(artifact.abi, GAS_ORACLE)
        for name, value in (
            ("setL1BaseFee", L1_BASE_WEI), ("setOverhead", OVERHEAD), ("setScalar", SCALAR), ("setDecimals", DECIMALS),
        ):  # fmt: skip
            await chain.send(account(0), there, name, value)


def data_fee_wei(unsigned: bytes) -> int:
    """As OVM_GasPriceOracle.sol reckons it: 4 gas for a zero byte, 16 for others, and 68 bytes for the signature."""
    gas = sum(16 if byte else 4 for byte in unsigned) + OVERHEAD + 68 * 16
    return gas * L1_BASE_WEI * SCALAR // 10**DECIMALS


async def test_the_balance_pays_for_as_many_pushes_as_a_rollup_s_fee_for_data_leaves(tmp_path: Path) -> None:
    async with place_with(tmp_path, views=0) as place:
        await put_gas_oracle(place.node)
        async with world_at(place) as here:
            await offer(here, CALM)
            row = await land(here)
            here.now_s += 61
            await here.targets[0].tick()
            balance_wei, pushes = here.events[0].balances[-1]
            market = await here.clients[0].costs.market()
            gas_wei = (row.gas_used or 0) * (market.base_wei + market.tip_wei)
            data_wei = data_fee_wei(unsigned_of(row.raw))
            assert await here.clients[0].costs.data_fee_wei(unsigned_of(row.raw), 1) == data_wei
            shown_wei = (row.gas_used or 0) * 6 // 5 * (2 * market.base_wei + market.tip_wei)
            assert pushes == (balance_wei - (shown_wei - gas_wei)) // (gas_wei + data_wei)
            assert data_wei > gas_wei, "the greater part, as on such chains"


@given(balance=st.integers(0, 10**19), gas=st.integers(21_000, 10**6), market=MARKETS, data=st.integers(0, 10**15))
def test_the_key_pays_for_one_push_more_just_where_a_node_lets_it_begin_one(
    balance: int, gas: int, market: FeeMarket, data: int
) -> None:
    count, left = 0, balance
    while count < 40 and left >= gas * 6 // 5 * (2 * market.base_wei + market.tip_wei) + data:
        left -= gas * (market.base_wei + market.tip_wei) + data
        count += 1
    assert min(pushes_left(balance, gas, market, data), 40) == count


async def test_control_where_no_such_contract_is_nothing_is_added(tmp_path: Path) -> None:
    async with place_with(tmp_path, views=0) as place, world_at(place) as here:
        assert await here.clients[0].costs.data_fee_wei(b"\1" * 100, 200_000) == 0


# --- fee histories that lack something ----------------------------------------------------------------------------------


class Teller(FrontNode):
    """An endpoint that tells fees in its own way and is a real node in all else; None for a method that it lacks."""

    def __init__(self, node_url: str) -> None:
        super().__init__(node_url)
        self.tells: dict[str, Callable[[Any], Any] | None] = {}

    async def _answer(self, request: web.Request) -> web.Response:
        call = orjson.loads(await request.read())
        method = call["method"]
        if self.tells.get(method, print) is None:
            error = {"code": -32601, "message": f"the method {method} does not exist/is not available"}
            return web.json_response({"jsonrpc": "2.0", "id": 1, "error": error})
        body = await self._forward(call)
        if method in self.tells:
            body["result"] = self.tells[method](body["result"])  # type: ignore[misc]
        return web.json_response(body)


@pytest.mark.parametrize(
    "tells",
    [
        {"eth_feeHistory": lambda told: {**told, "baseFeePerGas": ["0x0"] * 21, "reward": [["0x0"]] * 20}},
        {"eth_feeHistory": lambda told: {**told, "baseFeePerGas": None, "reward": None}},
        {"eth_feeHistory": lambda told: {"oldestBlock": told["oldestBlock"]}},
        {"eth_feeHistory": lambda told: {**told, "reward": None}},
        {"eth_feeHistory": None},
    ],
    ids=["zeros", "null", "empty", "no rewards", "no method"],
)
async def test_a_fee_history_that_tells_nothing_keeps_no_push_from_the_chain(
    tmp_path: Path, tells: dict[str, Callable[[Any], Any] | None]
) -> None:
    async with place_with(tmp_path, views=0) as place:
        front = Teller(place.node)
        await front.start()
        try:
            async with world_at(replace(place, endpoints=(front.url,))) as here:
                front.tells = tells
                await offer(here, CALM)
                await land(here)
                await offer(here, FALLEN, 3)
                await land(here)
                assert here.targets[0].stored[here.targets[0].indexes["wdivETH/ETH"]].status is Status.DEPEG
                assert here.events[0].failed == []
                assert all(Fees.of(r.raw).tip_wei > 0 for r in here.databases[0].pushes("t"))
        finally:
            await front.stop()


# --- a batch that is too big ----------------------------------------------------------------------------------------------

TOKENS = 500
FEEDS = {f"T{i}/ETH": make_spec(f"T{i}/ETH", redemption=True) for i in range(TOKENS)}


@contextmanager
def capped_node() -> Iterator[anvil.Anvil]:
    """A chain with EIP-7825, whose blocks hold several such transactions."""
    extra = ("--hardfork", "osaka", "--enable-tx-gas-limit", "--gas-limit", "60000000")
    with anvil.running(extra=extra) as node:
        yield node


async def put_many(node: anvil.Anvil, folder: Path) -> Place:
    """A store of many tokens, where the three that sign do not reach the weight that moves a price by any step."""
    deployer = Deployer(node.url, coincurve.PrivateKey(bytes(account(0).key)))
    signers = (*(address_of(k) for k in KEYS.values()), b"\x99" * 20)
    settings = StoreSettings(
        signers=signers, weights=(1, 1, 1, 1), threshold=3, step_threshold=4, max_push_age_s=MAX_PUSH_AGE_S
    )
    made = await deployer.deploy(settings, [])
    await deployer.close()
    async with LocalChain(node.url) as chain:
        store = chain.contract(contracts.load("PriceStore").abi, made.store)
        for feed in FEEDS:
            data = store.encode_abi("register", args=[feed_id(feed), True, True, 0])
            call = {"from": account(0).address, "to": made.store, "data": data, "gas": hex(200_000)}
            await chain.rpc("eth_sendTransaction", call)
    return Place(
        seed=0, node=node.url, endpoints=(node.url,), chain_id=made.chain_id, store=made.store,
        gas_key=bytes(account(2).key).hex(), folder=str(folder),
    )  # fmt: skip


async def rounds(here: FaultWorld, priced: dict[str, tuple[int, int]], blocks: int) -> None:
    for _ in range(blocks):
        here.now_s += 2
        await here.round(priced)
        await here.targets[0].tick()
        await here.targets[0].tick()  # the first may have found out that it has to be cut
        await here.mine()
        await here.targets[0].tick()


async def dwell(here: FaultWorld, priced: dict[str, tuple[int, int]]) -> None:
    """Rounds that nobody looks at, until a depeg is one."""
    for _ in range(2):
        here.now_s += 2
        await here.round(priced)


async def test_five_hundred_prices_that_the_store_holds_back_go_in_transactions_that_a_block_takes(
    tmp_path: Path,
) -> None:
    """The dearest batch there is: a word more is written for each price that moved too far for those who signed."""
    with capped_node() as node:
        place = await put_many(node, tmp_path)
        async with world_at(place, specs=FEEDS) as here:
            await rounds(here, dict.fromkeys(FEEDS, (WAD, WAD)), 1)
            fell = dict.fromkeys(FEEDS, (WAD * 8 // 10, WAD))
            await dwell(here, fell)
            await rounds(here, fell, 2)
            target = here.targets[0]
            assert {r.status for r in target.stored.values()} == {Status.DEPEG}
            rows = here.databases[0].pushes("t")
            assert {r.state for r in rows} == {"landed"}
            assert max([await gas_limit(here, r.tx_hash) for r in rows]) <= MOST_GAS
            fallen = [r for r in rows if "to" in r.why]
            assert min(len(split_items(r.items)) for r in fallen) < TOKENS, "it had to be cut"
            assert {i for r in fallen for i in split_items(r.items)} == set(target.indexes.values())


async def gas_limit(here: FaultWorld, tx_hash: str) -> int:
    return int((await here.rpc("eth_getTransactionByHash", tx_hash))["gas"], 16)


@asynccontextmanager
async def two_feeds(folder: Path) -> AsyncIterator[Place]:
    with anvil.running() as node:
        yield await put_store(node.url, (node.url,), folder)


async def test_of_a_batch_that_is_cut_the_most_urgent_goes_first_and_the_rest_with_the_next(tmp_path: Path) -> None:
    async with two_feeds(tmp_path) as place:
        async with world_at(place, most_gas=MOST_GAS) as here:
            await rounds(here, CALM, 1)
            await rounds(here, {**CALM, "ETH/USD": (2_100 * WAD, 0)}, 1)
            both, single = [
                await gas_limit(here, r.tx_hash) for r in here.databases[0].pushes("t", (PushState.LANDED,))
            ]
            now_s = here.now_s
        holds_one = (single + both - 3 * SPARE_ITEM_GAS) // 2
        async with FaultWorld(place, now_s, timeout_ms=PATIENT_MS, most_gas=holds_one) as here:
            await here.targets[0].tick()
            lower = {**FALLEN, "ETH/USD": (1_900 * WAD, 0)}
            await dwell(here, lower)
            await rounds(here, lower, 2)
            rows = here.databases[0].pushes("t", (PushState.LANDED,))[2:]
            assert [len(split_items(r.items)) for r in rows] == [1, 1]
            assert [r.why.split(":")[0] for r in rows] == ["wdivETH/ETH", "ETH/USD"]
            assert here.events[0].failed == []


async def test_one_item_that_does_not_fit_is_an_error_and_nothing_is_sent(tmp_path: Path) -> None:
    async with two_feeds(tmp_path) as place, world_at(place, most_gas=50_000) as here:
        await rounds(here, CALM, 2)
        assert here.databases[0].pushes("t") == []
        assert "BatchTooBig" in here.events[0].failed
