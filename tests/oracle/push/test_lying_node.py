"""A node that lies about the store where nobody outvotes it: a typed error that the next tick tries again, never a crash."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web
from eth_abi.abi import encode

from feeds.units import WAD, Bps, Wad
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_abi import calldata
from oracle.chain.store_client import StoreClient
from oracle.chain.store_rules import HeldWords
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.report.wire import encode_slot
from oracle.sign.eip712 import Domain

pytestmark = pytest.mark.loopback
CHAIN_ID = 31337
GOOD = Report(
    market_wad=Wad(2_000 * WAD), redemption_wad=Wad(0), spread_bps=Bps(7), status=Status.OK, why=Why.NONE,
    round_time_s=1_700_000_000, market_age_s=2, redemption_age_h=0,
)  # fmt: skip


def answers_of(count: int = 1, name: bytes = b"ETH/USD", slot: int = 0) -> dict[str, str]:
    """What the node answers to each of the store's functions, by selector."""
    words: dict[tuple[str, tuple[int, ...]], tuple[list[str], list[Any]]] = {
        ("count", ()): (["uint256"], [count]),
        ("feedAt", (0,)): (["bytes32", "uint16"], [name.ljust(32, b"\0"), 7]),
        ("slotAt", (7,)): (["uint256"], [slot]),
    }
    return {calldata(f, args)[0][:4].hex(): "0x" + encode(*answer).hex() for (f, args), answer in words.items()}


@asynccontextmanager
async def client(calls: Mapping[str, str], storage: str = "0x0") -> AsyncIterator[StoreClient]:
    """A client of one node, which answers so."""

    async def answer(request: web.Request) -> web.Response:
        call = orjson.loads(await request.read())
        result = {"eth_chainId": hex(CHAIN_ID), "eth_getStorageAt": storage}.get(call["method"])
        if call["method"] == "eth_call":
            result = calls[call["params"][0]["data"][2:10]]
        return web.json_response({"jsonrpc": "2.0", "id": call["id"], "result": result})

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    domain = Domain(chain_id=CHAIN_ID, store=b"\x11" * 20)
    made = StoreClient([f"http://127.0.0.1:{runner.addresses[0][1]}/"], domain, None, max_fee_gwei=1)
    try:
        yield made
    finally:
        await made.close()
        await runner.cleanup()


async def test_what_a_store_can_have_is_read() -> None:
    async with client(answers_of(slot=encode_slot(GOOD))) as store:
        assert await store.feeds() == {"ETH/USD": 7}
        assert await store.stored(7) == GOOD
        assert await store.held_words(7, 1) == HeldWords()


@pytest.mark.parametrize("count", [65_537, 1 << 255])
async def test_more_feeds_than_there_are_indexes_are_not_asked_for(count: int) -> None:
    async with client(answers_of(count=count)) as store:
        with pytest.raises(ChainError, match=f"count of {count}: a PriceStore never has"):
            await store.feeds()


async def test_a_feed_id_that_is_no_text() -> None:
    async with client(answers_of(name=b"\xff\xfe")) as store:
        with pytest.raises(ChainError, match="has a feed id"):
            await store.feeds()


@pytest.mark.parametrize("status", [0, 5, 7])
async def test_a_slot_with_a_status_that_does_not_exist(status: int) -> None:
    slot = encode_slot(GOOD) & ~(0x0F << 56) | status << 56
    async with client(answers_of(slot=slot)) as store:
        with pytest.raises(ChainError, match="has a slot"):
            await store.stored(7)


@pytest.mark.parametrize("storage", ["0x", "", "none"])
async def test_a_storage_place_that_is_no_number(storage: str) -> None:
    async with client(answers_of(), storage) as store:
        with pytest.raises(ChainError, match="has a word of storage"):
            await store.held_words(7, 1)
