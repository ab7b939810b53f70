"""Announcements read from a directory on a real chain: endpoints prune, lie and die, and each member is told for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest
from aiohttp import web
from eth_abi import encode
from eth_hash.auto import keccak
from tests.oracle.push.front_node import FrontNode
from web3 import Web3

from demo.world import anvil
from demo.world.front_node import FrontNode
from oracle.chain.directory import Directory, DirectoryEntry, Silence
from oracle.chain.quorum_rpc import QuorumRpc
from oracle.sign.announcement import Announcement, announcement_preimage, signed_announcement
from oracle.sign.eip712 import Domain, address_of
from tests.contracts.contract_tools import Bench, connected
from tests.contracts.evm_process import KEYS, signature

pytestmark = pytest.mark.chain
SAID = Announcement(counter=1_000, network_key=b"\x33" * 20, urls=("wss://a.example:7100",), certificate=b"\x44" * 32)
MEMBERS = [address_of(k) for k in KEYS[:4]]


class LogNode(FrontNode):
    """An endpoint that knows no logs, or says of them what the test wants. ``asked``: what it was asked for them."""

    def __init__(self, node_url: str) -> None:
        super().__init__(node_url)
        self.logs: list[Any] | None = None
        self.error = ""
        self.dead = False
        self.calls: str | None = None
        self.asked: list[Any] = []

    async def _answer(self, request: web.Request) -> web.Response:
        call = orjson.loads(await request.read())
        if self.dead:
            return web.Response(status=503)
        if call["method"] == "eth_getLogs":
            self.asked += call["params"]
            if self.error:
                return web.json_response({"id": call["id"], "error": {"code": -32000, "message": self.error}})
            if self.logs is not None:
                return web.json_response({"id": call["id"], "result": self.logs})
        if call["method"] == "eth_call" and self.calls is not None:
            return web.json_response({"id": call["id"], "result": self.calls})
        return web.json_response(await self._forward(call))


class Site:
    """A store's directory on a chain, behind three endpoints."""

    def __init__(self, url: str, bench: Bench) -> None:
        self.bench = bench
        self.contract = bench.create("OperatorDirectory")
        self.address = bytes.fromhex(self.contract.address[2:])
        self.domain = Domain(chain_id=bench.web3.eth.chain_id, store=bytes.fromhex(bench.store.address[2:]))
        self.nodes = [LogNode(url) for _ in range(3)]

    def raw(self, key: int, said: Announcement) -> bytes:
        preimage = announcement_preimage(self.domain, said)
        return signed_announcement(MEMBERS[key], said, signature(key, keccak(preimage))).raw

    def announce(self, key: int, said: Announcement = SAID) -> Announcement:
        self.bench.send(self.contract.functions.announce(self.bench.store.address, self.raw(key, said)))
        return said

    def log(self, raw: bytes, counter: int = SAID.counter) -> dict[str, Any]:
        return {"data": "0x" + encode(["uint64", "bytes"], [counter, raw]).hex(), "topics": []}


@pytest.fixture(scope="module")
def web3() -> Iterator[tuple[str, Web3]]:
    with anvil.running(extra=("--timestamp", "1999000000")) as running, connected(running.url) as w:
        yield running.url, w


@pytest.fixture
async def site(web3: tuple[str, Web3]) -> AsyncIterator[Site]:
    made = Site(web3[0], Bench(web3[1]))
    for node in made.nodes:
        await node.start()
    yield made
    for node in made.nodes:
        await node.stop()


@asynccontextmanager
async def reading(site: Site) -> AsyncIterator[Directory]:
    nodes = QuorumRpc([n.url for n in site.nodes], chain_id=site.domain.chain_id, timeout_ms=2_000)
    try:
        yield Directory(nodes, site.address, site.domain)
    finally:
        await nodes.close()


def shown(entry: DirectoryEntry) -> tuple[Announcement | None, Silence | None]:
    return entry.signed.said if entry.signed is not None else None, entry.silence


async def test_each_member_s_newest_word_is_found_with_the_logs_of_one_block(site: Site) -> None:
    newest = replace(SAID, counter=2_000, urls=())
    site.announce(0)
    site.announce(1)
    site.announce(0, newest)
    async with reading(site) as directory:
        entries = await directory.read(MEMBERS[:3])
        assert [shown(entries[m]) for m in MEMBERS[:3]] == [
            (newest, None),
            (SAID, None),
            (None, Silence.NOT_ANNOUNCED),
        ]
        assert entries[MEMBERS[2]].text.endswith("or write its url into [network.peers]")
        asked = [a for n in site.nodes for a in n.asked]
        assert {a["fromBlock"] for a in asked} == {hex(entries[m].block) for m in MEMBERS[:2]}
        assert all(a["fromBlock"] == a["toBlock"] for a in asked)
        for node in site.nodes:
            node.asked.clear()
        assert await directory.read(MEMBERS[:3]) == entries
        assert [n.asked for n in site.nodes] == [[], [], []], "what is known is not asked for again"


async def test_one_endpoint_that_keeps_its_logs_is_enough(site: Site) -> None:
    """The others prune them, refuse or are down; the one that is left can make nothing up."""
    site.announce(0)
    site.nodes[0].logs = []
    site.nodes[1].error = "block range is older than the retention of this plan"
    async with reading(site) as directory:
        assert shown((await directory.read(MEMBERS[:1]))[MEMBERS[0]]) == (SAID, None)


async def test_pruned_everywhere_is_said_of_that_member_alone(site: Site) -> None:
    site.announce(0)
    async with reading(site) as directory:
        await directory.read(MEMBERS[:1])
        site.announce(1)
        site.nodes[0].logs = site.nodes[1].logs = []
        site.nodes[2].error = "pruned"
        entries = await directory.read(MEMBERS[:2])
        assert shown(entries[MEMBERS[0]]) == (SAID, None)
        assert shown(entries[MEMBERS[1]]) == (None, Silence.NO_LOG)
        text = entries[MEMBERS[1]].text
        assert f"announcement 1000 of it in block {entries[MEMBERS[1]].block}" in text
        assert text.count("has no such log") == 2
        assert "that operator announces anew" in text


@pytest.mark.parametrize("kind", ["another key", "another counter", "bent", "no log"])
async def test_what_a_member_has_not_signed_is_nobody_s_word(site: Site, kind: str) -> None:
    """An endpoint makes it up: alone it is told, and beside an honest one it changes nothing."""
    site.announce(0)
    forged = {
        "another key": site.log(site.raw(1, SAID)),
        "another counter": site.log(site.raw(0, replace(SAID, counter=999))),
        "bent": site.log(site.raw(0, SAID)[:-1] + b"\0"),
        "no log": {"data": "0x12"},
    }[kind]
    for node in site.nodes:
        node.logs = [forged]
    async with reading(site) as directory:
        assert shown((await directory.read(MEMBERS[:1]))[MEMBERS[0]]) == (None, Silence.UNSOUND)
        site.nodes[2].logs = None
        assert shown((await directory.read(MEMBERS[:1]))[MEMBERS[0]]) == (SAID, None)


async def test_endpoints_that_do_not_agree_take_nothing_away_that_was_known(site: Site) -> None:
    site.announce(0)
    async with reading(site) as directory:
        await directory.read(MEMBERS[:2])
        site.announce(0, replace(SAID, counter=3_000))
        site.nodes[0].dead = site.nodes[1].dead = True
        entries = await directory.read(MEMBERS[:2])
        assert [shown(entries[m]) for m in MEMBERS[:2]] == [(SAID, Silence.CHAIN), (None, Silence.CHAIN)]
        site.nodes[0].dead = site.nodes[1].dead = False
        assert shown((await directory.read(MEMBERS[:2]))[MEMBERS[0]]) == (replace(SAID, counter=3_000), None)


async def test_endpoints_that_go_back_in_time_give_no_older_word(site: Site) -> None:
    """Even where most of them lie: what was once read of a key stays until it says something newer."""
    site.announce(0)
    newer = site.announce(0, replace(SAID, counter=3_000))
    async with reading(site) as directory:
        assert shown((await directory.read(MEMBERS[:1]))[MEMBERS[0]]) == (newer, None)
        old = "0x" + encode(["(uint64,uint64)[]"], [[(SAID.counter, 5)]]).hex()
        for node in site.nodes:
            node.calls = old
        assert shown((await directory.read(MEMBERS[:1]))[MEMBERS[0]]) == (newer, None)


async def test_a_contract_that_is_no_directory_is_told(site: Site) -> None:
    for wrong in (b"\x99" * 20, site.domain.store):
        site.address = wrong
        async with reading(site) as directory:
            entry = (await directory.read(MEMBERS[:1]))[MEMBERS[0]]
            assert entry.silence is Silence.CHAIN
    site.address = b"\x99" * 20
    async with reading(site) as directory:
        assert "correct network.directory" in (await directory.read(MEMBERS[:1]))[MEMBERS[0]].text
