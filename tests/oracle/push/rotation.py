"""A store whose signers change while it is pushed to: owner's calls, time, and what landed for which epoch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import coincurve
from eth_abi.abi import decode

from demo.world import anvil
from demo.world.chain import account
from feeds.units import WAD
from oracle.chain.multicall_push import unwrap
from oracle.chain.next_signers import NextSignerSet, read_next_set
from oracle.chain.store_abi import calldata
from oracle.chain.store_client import StoreClient
from oracle.chain.transaction import data_of
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.model.publication import PushState
from oracle.sign.eip712 import address_of
from tests.oracle.push.fault_world import KEYS, MAX_PUSH_AGE_S, PATIENT_MS, SPECS, FaultWorld, Place

OWNER = account(0).address
HERE = tuple(address_of(k) for k in KEYS.values())
STRANGERS = tuple(coincurve.PrivateKey(bytes([90 + i]) * 32) for i in range(2))
AWAY = tuple(address_of(k) for k in STRANGERS)
DELAY_S = 100
RATE = 105 * WAD // 100


async def put_store(url: str, folder: Path, longest_s: int = 0) -> Place:
    deployer = Deployer(url, coincurve.PrivateKey(bytes(account(0).key)))
    settings = StoreSettings(
        signers=HERE, weights=(1, 1, 1), threshold=2, max_push_age_s=MAX_PUSH_AGE_S, rotation_delay_s=DELAY_S,
        overlap_s=MAX_PUSH_AGE_S, longest_epoch_s=longest_s,
    )  # fmt: skip
    made = await deployer.deploy(settings, [])
    for feed, spec in SPECS.items():
        await deployer.register(made.store, feed, market=spec.has_market, redemption=spec.has_redemption)
    await deployer.close()
    return Place(
        seed=0, node=url, endpoints=(url,), chain_id=made.chain_id, store=made.store, gas_key=bytes(account(2).key).hex(),
        folder=str(folder),
    )  # fmt: skip


@asynccontextmanager
async def world(folder: Path, *, phase: int = 0, longest_s: int = 0) -> AsyncIterator[FaultWorld]:
    """The world at a time that is so far into four seconds, after which prices repeat."""
    with anvil.running() as node:
        place = await put_store(node.url, folder, longest_s)
        async with FaultWorld(place, 0, timeout_ms=PATIENT_MS) as made:
            await made.rpc("evm_setAutomine", False)
            head_s = int((await made.rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
            made.now_s = head_s + 4 - head_s % 4 + phase
            await made.mine()
            await made.targets[0].tick()
            yield made


async def by_owner(world: FaultWorld, function: str, *args: Any) -> None:
    """A call of the owner, in the next block."""
    call = {
        "from": OWNER,
        "to": world.place.store,
        "data": "0x" + calldata(function, args)[0].hex(),
        "gas": hex(3_000_000),
    }
    tx = await world.rpc("eth_sendTransaction", call)
    world.now_s += 1
    await world.mine()
    assert (await world.rpc("eth_getTransactionReceipt", tx))["status"] == "0x1"


async def name(world: FaultWorld, members: Sequence[bytes], function: str = "setSigners") -> int:
    """Have these follow, of equal weight, two of them needed; returns when they take over if armed."""
    texts = ["0x" + m.hex() for m in members]
    await by_owner(world, function, texts, [1] * len(texts), 2, len(texts))
    return int((await world.clients[0].read("nextSigners"))[1])


async def live(world: FaultWorld, seconds: int, *, mine: bool = True) -> None:
    """So long, a second at a time: every other one a round whose price moves enough to be pushed, a look, a block."""
    for _ in range(seconds):
        world.now_s += 1
        if world.now_s % 2 == 0:
            off = 100 if world.now_s % 4 else 0
            await world.round({"wdivETH/ETH": (RATE, RATE), "ETH/USD": (2_000 * WAD * (10_000 + off) // 10_000, 0)})
        for target in world.targets:
            await target.tick()
        if mine:
            await world.mine()


async def until(world: FaultWorld, at_s: int) -> None:
    await live(world, at_s - world.now_s)


async def waiting(client: StoreClient) -> NextSignerSet | None:
    return await read_next_set(client, (await client.head()).number)


def landed(world: FaultWorld) -> list[tuple[int, int]]:
    """(round_time, epoch) of every push that landed, as their bytes say."""
    rows = world.databases[0].pushes("t", (PushState.LANDED,))
    batches = [decode(["bytes", "bytes"], unwrap(data_of(r.raw))[0][4:])[0] for r in rows]
    return [(int.from_bytes(b[6:10], "big"), int.from_bytes(b[:6], "big")) for b in batches]
