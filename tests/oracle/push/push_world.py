"""Worlds for tests of targets, and what most of them do: put a store, offer a round, make a block, look at what landed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import coincurve
from eth_abi.abi import decode

from demo.world import anvil
from demo.world.chain import account
from feeds.units import WAD
from oracle.chain.multicall_push import unwrap
from oracle.chain.store_abi import calldata, event_topic
from oracle.chain.transaction import data_of
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.model.publication import PushRow, PushState
from oracle.model.status import Status
from oracle.sign.eip712 import address_of
from tests.oracle.push.fault_world import KEYS, MAX_PUSH_AGE_S, PATIENT_MS, SPECS, FaultWorld, Place
from tests.oracle.push.poked_views import put_multicall3, put_view

RATE = 105 * WAD // 100
CALM = {"wdivETH/ETH": (RATE, RATE), "ETH/USD": (2_000 * WAD, 0)}
FEED = "wdivETH/ETH"
FALLEN = {**CALM, FEED: (RATE * 94 // 100, RATE)}
DOWN, UP = 0, 2


async def put_store(url: str, endpoints: tuple[str, ...], folder: Path, *, backwards: bool = False) -> Place:
    deployer = Deployer(url, coincurve.PrivateKey(bytes(account(0).key)))
    signers = tuple(address_of(k) for k in KEYS.values())
    settings = StoreSettings(signers=signers, weights=(1, 1, 1), threshold=2, max_push_age_s=MAX_PUSH_AGE_S)
    made = await deployer.deploy(settings, [], salt="backwards" if backwards else "lrt-oracle")
    for feed, spec in list(SPECS.items())[:: -1 if backwards else 1]:
        await deployer.register(made.store, feed, market=spec.has_market, redemption=spec.has_redemption)
    await deployer.close()
    return Place(
        seed=0, node=url, endpoints=endpoints, chain_id=made.chain_id, store=made.store,
        gas_key=bytes(account(2).key).hex(), folder=str(folder),
    )  # fmt: skip


@asynccontextmanager
async def world_in(folder: Path, **options: Any) -> AsyncIterator[FaultWorld]:
    with anvil.running() as node:
        place = await put_store(node.url, (node.url,), folder)
        async with FaultWorld(place, 0, timeout_ms=PATIENT_MS, **options) as made:
            await made.rpc("evm_setAutomine", False)
            made.now_s = int((await made.rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
            await made.targets[0].tick()  # takes the seat: only a round that was signed is pushed
            yield made


async def push_once(world: FaultWorld, priced: dict[str, tuple[int, int]] | None = None) -> None:
    """A round, a look, a block, a look."""
    world.now_s += 2
    await world.round(priced or CALM)
    await world.targets[0].tick()
    await world.mine()
    await world.targets[0].tick()


@asynccontextmanager
async def place_with(folder: Path, *, views: int = 1, multicall3: bool = True) -> AsyncIterator[Place]:
    """A store, its views, and Multicall3 on a chain that makes no block by itself."""
    with anvil.running() as node:
        place = await put_store(node.url, (node.url,), folder)
        if multicall3:
            await put_multicall3(node.url)
        made = [await put_view(node.url, place.store, FEED) for _ in range(views)]
        yield replace(place, views=tuple(made))


@asynccontextmanager
async def world_at(place: Place, **options: Any) -> AsyncIterator[FaultWorld]:
    async with FaultWorld(place, 0, timeout_ms=PATIENT_MS, **options) as made:
        await made.rpc("evm_setAutomine", False)
        made.now_s = int((await made.rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
        await made.targets[0].tick()
        yield made


async def offer(here: FaultWorld, priced: dict[str, tuple[int, int]], rounds: int = 1) -> None:
    """Rounds of these prices, each with a look."""
    for _ in range(rounds):
        here.now_s += 2
        await here.round(priced)
        await here.targets[0].tick()


async def land(here: FaultWorld) -> PushRow:
    """A block and a look; the newest push that landed."""
    await here.mine()
    await here.targets[0].tick()
    return here.databases[0].pushes("t", (PushState.LANDED,))[-1]


def views_of(row: PushRow) -> tuple[str, ...]:
    return tuple("0x" + v.hex() for v in unwrap(data_of(row.raw))[1])


async def call_store(here: FaultWorld, function: str, *args: Any) -> None:
    """Have the owner call the store."""
    data = "0x" + calldata(function, args)[0].hex()
    await here.rpc("eth_sendTransaction", {"from": account(0).address, "to": here.place.store, "data": data})
    await here.mine()


async def depeg(here: FaultWorld) -> PushRow:
    """A calm push, then one that turns the feed to depeg."""
    await offer(here, CALM)
    await land(here)
    await offer(here, FALLEN, 3)
    row = await land(here)
    assert here.targets[0].stored[here.targets[0].indexes[FEED]].status is Status.DEPEG
    return row


async def poked(here: FaultWorld, row: PushRow) -> list[tuple[str, int, int]]:
    """(view, millionths, direction) of every poke in a push's transaction."""
    receipt = await here.rpc("eth_getTransactionReceipt", row.tx_hash)
    topic = "0x" + event_topic("ModeView", "Poked").hex()
    logs = [log for log in receipt["logs"] if log["topics"][0] == topic]
    return [(log["address"], *decode(["uint256", "uint8"], bytes.fromhex(log["data"][2:]))) for log in logs]


def lower(views: Sequence[str]) -> tuple[str, ...]:
    return tuple(v.lower() for v in views)
