"""The lying endpoint before a real node: truthful byte for byte, then a liar about what it was told, stale, silent, or forked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from demo.world import anvil
from demo.world.chain import LocalChain
from demo.world.deploy import WDIVETH_RATE_WAD, DemoWorld, backdated, deploy
from demo.world.lying_rpc import LyingRpc
from demo.world.rpc_lies import head_lies, log_lies, value_lie
from feeds.chains.abi import selector
from feeds.rates.call import RateCall
from feeds.types import Read
from tests.feeds.chains.rpc_servers import BLOCK, price, reader, values

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
LONG_S = 60.0
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
DEPOSIT = "0x" + selector("deposit()").hex()
GET_RATE = "0x" + selector("getRate()").hex()


@dataclass
class Lied:
    """A node with the demo's world, and an endpoint before it that may lie."""

    node: anvil.Anvil
    chain: LocalChain
    world: DemoWorld
    rpc: LyingRpc
    session: aiohttp.ClientSession

    async def raw(self, url: str, body: bytes) -> tuple[int, bytes, str | None]:
        async with self.session.post(url, data=body, headers={"Content-Type": "application/json"}) as reply:
            return reply.status, await reply.read(), reply.headers.get("Content-Type")

    async def ask(self, method: str, *params: Any, url: str = "") -> Any:
        """The whole answer of the endpoint, or of the node under ``url``."""
        body = orjson.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
        return orjson.loads((await self.raw(url or self.rpc.url, body))[1])

    async def result(self, method: str, *params: Any, url: str = "") -> Any:
        answer = await self.ask(method, *params, url=url)
        assert "result" in answer, answer
        return answer["result"]

    def rate(self) -> dict[str, str]:
        return {"to": self.world.wdiv_eth, "data": GET_RATE}

    async def spend(self) -> dict[str, Any]:
        """A transaction that changes a balance, a nonce, storage and logs; its receipt."""
        send = {"from": self.world.accounts.user.address, "to": self.world.weth, "data": DEPOSIT, "value": "0x5"}
        tx = await self.result("eth_sendTransaction", send, url=self.node.url)
        await self.result("evm_mine", url=self.node.url)
        receipt: dict[str, Any] = await self.result("eth_getTransactionReceipt", tx, url=self.node.url)
        assert receipt["status"] == "0x1"
        return receipt


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployed() -> AsyncIterator[tuple[anvil.Anvil, LocalChain, DemoWorld]]:
    with anvil.running(extra=backdated()) as node:
        async with LocalChain(node.url) as chain:
            world = await deploy(chain)
            await chain.automine(on=False)
            yield node, chain, world


@pytest_asyncio.fixture(loop_scope="module")
async def lied(deployed: tuple[anvil.Anvil, LocalChain, DemoWorld]) -> AsyncIterator[Lied]:
    node, chain, world = deployed
    rpc = LyingRpc(node.url)
    await rpc.start()
    async with aiohttp.ClientSession() as session:
        yield Lied(node, chain, world, rpc, session)
    await rpc.stop()


async def test_what_it_does_not_lie_about_passes_byte_for_byte(lied: Lied) -> None:
    rate = {"jsonrpc": "2.0", "id": "a", "method": "eth_call", "params": [lied.rate(), "latest"]}
    head = {"jsonrpc": "2.0", "id": None, "method": "eth_getBlockByNumber", "params": ["latest", True]}
    bodies = [
        orjson.dumps(rate), orjson.dumps(head), orjson.dumps([rate, head]), b"[]", b"{}", b"not json", b"", b"null", b"7",
        orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "no_such_method", "params": []}),
        orjson.dumps([rate | {"params": []}, head]), b'[{"method": 5}, 1, "x"]',
    ]  # fmt: skip
    lies = (value_lie(lied.world.weth, "getRate()", lambda _: 1), *log_lies(lied.world.weth, lambda _: []))
    for prepared in ((), lies):
        lied.rpc.lie(*prepared)
        for body in bodies:
            assert await lied.raw(lied.rpc.url, body) == await lied.raw(lied.node.url, body), body
    assert not lied.rpc.told


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{ "jsonrpc":"2.0",\n"id":1, "result":123456789012345678901234567890 }\n', "application/json"),
        (200, b'[{"id":1,"jsonrpc":"2.0","result":1.10}, {"id":2}]', "application/json; charset=utf-8"),
        (429, b'{"error":{"code":-32005, "message":"slow down"}}', "application/json"),
        (503, b"<html>no \xff</html>", "text/html"),
        (200, b"", "text/plain"),
    ],
)
async def test_a_gateway_that_answers_in_its_own_way_is_heard_as_it_is(
    lied: Lied, status: int, body: bytes, kind: str
) -> None:
    async def gateway(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={"Content-Type": kind})

    app = web.Application()
    app.router.add_post("/", gateway)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    lied.rpc.follow(f"http://127.0.0.1:{runner.addresses[0][1]}")
    lied.rpc.lie(value_lie(lied.world.wdiv_eth, "getRate()", lambda _: 9))
    asked = orjson.dumps([{"jsonrpc": "2.0", "id": i, "method": "eth_blockNumber", "params": []} for i in (1, 2)])
    assert await lied.raw(lied.rpc.url, asked) == (status, body, kind)
    await runner.cleanup()


async def test_one_operator_reads_another_rate_and_the_others_the_true_one(lied: Lied) -> None:
    def rates() -> dict[str, Read]:
        made = {
            "rate": RateCall(contract=lied.world.wdiv_eth, function="getRate()", scale=18),
            "lrt": RateCall(contract=lied.world.lrt, function="getRate()", scale=18),
            "block": BLOCK,
        }
        return {name: rate.read() for name, rate in made.items()}

    victim, honest = reader(lied.session, lied.rpc.url), reader(lied.session, lied.node.url)
    before = await values(victim, **rates())
    assert price(before["rate"]) == WDIVETH_RATE_WAD
    lied.rpc.lie(value_lie(lied.world.wdiv_eth, "getRate()", lambda v: v * 103 // 100))
    after, true = await values(victim, **rates()), await values(honest, **rates())
    assert price(after["rate"]) == WDIVETH_RATE_WAD * 103 // 100
    assert price(true["rate"]) == WDIVETH_RATE_WAD
    assert price(after["lrt"]) == price(true["lrt"])
    assert price(after["block"]) == price(true["block"])
    assert lied.rpc.told == {"getRate()": 1}
    lied.rpc.be_honest()
    assert price((await values(victim, **rates()))["rate"]) == WDIVETH_RATE_WAD


async def test_a_lie_is_told_in_single_requests_and_batches_in_any_order_of_answers(lied: Lied) -> None:
    lied.rpc.lie(value_lie(lied.world.wdiv_eth, "getRate()", lambda _: 9))
    assert int(await lied.result("eth_call", lied.rate(), "latest"), 16) == 9
    call = {"jsonrpc": "2.0", "method": "eth_call", "params": [lied.rate(), "latest"]}
    batch = [call | {"id": 1}, {"jsonrpc": "2.0", "id": 2, "method": "eth_chainId"}, call | {"id": "1"}]
    true = orjson.loads((await lied.raw(lied.node.url, orjson.dumps(batch)))[1])
    false = orjson.loads((await lied.raw(lied.rpc.url, orjson.dumps(batch)))[1])
    nine = "0x" + "9".rjust(64, "0")
    assert false == [a | {"result": nine} if a["id"] in (1, "1") else a for a in true]
    assert lied.rpc.told == {"getRate()": 3}


async def test_a_lie_begins_at_its_block(lied: Lied) -> None:
    await lied.result("anvil_mine", "0x3", url=lied.node.url)
    head = int(await lied.result("eth_blockNumber"), 16)
    lied.rpc.lie(value_lie(lied.world.wdiv_eth, "getRate()", lambda _: 9), since_block=head)

    async def read(block: Any) -> int:
        return int(await lied.result("eth_call", lied.rate(), block), 16)

    async def hashed(number: int) -> dict[str, str]:
        return {"blockHash": (await lied.result("eth_getBlockByNumber", hex(number), False))["hash"]}

    for block in ("latest", "pending", hex(head), await hashed(head)):
        assert await read(block) == 9, block
    for block in (hex(head - 1), await hashed(head - 1)):
        assert await read(block) == WDIVETH_RATE_WAD, block
    lied.rpc.be_honest()
    lied.rpc.lie(head_lies(blocks=5, seconds=60), since_block=head + 2)
    assert int(await lied.result("eth_blockNumber"), 16) == head
    await lied.result("anvil_mine", "0x2", url=lied.node.url)
    assert int(await lied.result("eth_blockNumber"), 16) == head + 7
    assert (await lied.result("eth_getBlockByNumber", "latest", False))["number"] == hex(head + 7)


async def test_events_are_hidden_from_one_operator(lied: Lied) -> None:
    receipt = await lied.spend()
    block = receipt["blockNumber"]
    asked = {"fromBlock": block, "toBlock": block}
    assert len(await lied.result("eth_getLogs", asked)) == len(receipt["logs"]) > 0
    lied.rpc.lie(log_lies(lied.world.weth, lambda _: []))
    assert await lied.result("eth_getLogs", asked) == []
    seen = await lied.result("eth_getTransactionReceipt", receipt["transactionHash"])
    assert seen == receipt | {"logs": []}
    assert len(await lied.result("eth_getLogs", asked, url=lied.node.url)) > 0
    assert lied.rpc.told == {"logs": 2}


def questions(lied: Lied, known: dict[str, Any], tag: str) -> list[tuple[str, list[Any]]]:
    """What can be asked about the newest block and the one before, by tag, and about a mined transaction."""
    user, weth = lied.world.accounts.user.address, lied.world.weth
    balance = {"to": weth, "data": "0x" + selector("balanceOf(address)").hex() + user[2:].lower().rjust(64, "0")}
    return [
        ("eth_blockNumber", []),
        ("eth_getBlockByNumber", [tag, False]),
        ("eth_getBlockByNumber", [known["blockNumber"], True]),
        ("eth_getBlockByHash", [known["blockHash"], False]),
        ("eth_call", [balance, tag]),
        ("eth_call", [balance, {"blockHash": known["blockHash"]}]),
        ("eth_call", [balance]),
        ("eth_getBalance", [user, tag]),
        ("eth_getTransactionCount", [user, tag]),
        ("eth_getStorageAt", [weth, "0x0", tag]),
        ("eth_getCode", [weth, tag]),
        ("eth_getLogs", [{"address": weth, "fromBlock": "0x0", "toBlock": tag}]),
        ("eth_getLogs", [{"address": weth, "fromBlock": tag}]),
        ("eth_getLogs", [{"blockHash": known["blockHash"]}]),
        ("eth_getTransactionReceipt", [known["transactionHash"]]),
        ("eth_getTransactionByHash", [known["transactionHash"]]),
        ("eth_getBlockByNumber", ["safe", False]),
        ("eth_getBlockByNumber", ["finalized", False]),
        ("eth_getBlockByNumber", ["earliest", False]),
        ("eth_chainId", []),
    ]  # fmt: skip


async def test_a_stale_node_says_what_it_said_then_and_knows_nothing_of_later(lied: Lied) -> None:
    """Whatever is asked, the answers are those of one moment."""
    known = await lied.spend()
    top = int(known["blockNumber"], 16)
    asked = questions(lied, known, "latest")
    then = [(await lied.ask(method, *params)) for method, params in asked]
    later = [await lied.spend() for _ in range(3)]
    truth = [(await lied.ask(method, *params)) for method, params in asked]
    assert sum(a != b for a, b in zip(then, truth, strict=True)) >= 7, "the chain went on"
    for stop in (lambda: lied.rpc.stop_at(top), lambda: lied.rpc.fall_behind(3)):
        stop()
        assert [(await lied.ask(method, *params)) for method, params in asked] == then
        batch = [{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(asked)]
        answers = orjson.loads((await lied.raw(lied.rpc.url, orjson.dumps(batch)))[1])
        assert answers == [a | {"id": i} for i, a in enumerate(then)]
        after = later[0]
        number, hashed = after["blockNumber"], {"blockHash": after["blockHash"]}
        for block in (number, hashed):
            assert "header not found" in (await lied.ask("eth_call", lied.rate(), block))["error"]["message"]
        assert await lied.result("eth_getBlockByNumber", number, False) is None
        assert await lied.result("eth_getBlockByHash", after["blockHash"], False) is None
        assert await lied.result("eth_getTransactionReceipt", after["transactionHash"]) is None
        assert (await lied.result("eth_getTransactionByHash", after["transactionHash"]))["blockNumber"] is None
        assert await lied.result("eth_getLogs", {"fromBlock": number, "toBlock": "latest"}) == []
        assert "unknown block" in (await lied.ask("eth_getLogs", hashed))["error"]["message"]
        lied.rpc.be_honest()
        assert [(await lied.ask(method, *params)) for method, params in asked] == truth


async def test_a_stale_node_lies_too(lied: Lied) -> None:
    await lied.result("anvil_mine", "0x4", url=lied.node.url)
    head = int(await lied.result("eth_blockNumber"), 16)
    lied.rpc.fall_behind(2)
    lied.rpc.lie(value_lie(lied.world.wdiv_eth, "getRate()", lambda _: 9))
    assert int(await lied.result("eth_call", lied.rate(), "latest"), 16) == 9
    assert int(await lied.result("eth_blockNumber"), 16) == head - 2


async def test_a_silent_endpoint_takes_requests_and_answers_when_it_is_honest_again(lied: Lied) -> None:
    lied.rpc.be_silent()
    waiting = asyncio.create_task(lied.result("eth_chainId"))
    while not lied.rpc.asked["eth_chainId"]:  # noqa: ASYNC110 - a counter has no event
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.2)
    assert not waiting.done()
    assert lied.rpc.asked["eth_chainId"] == 1
    assert await lied.result("eth_chainId", url=lied.node.url) == "0x7a69"
    lied.rpc.be_honest()
    assert await asyncio.wait_for(waiting, LONG_S) == "0x7a69"


async def test_it_follows_another_fork_and_comes_back(lied: Lied) -> None:
    await lied.result("anvil_mine", "0x2", url=lied.node.url)
    with anvil.running(extra=("--fork-url", lied.node.url)) as fork:
        await lied.result("anvil_setNextBlockBaseFeePerGas", "0x77", url=fork.url)
        await lied.result("anvil_mine", "0x2", url=fork.url)
        await lied.result("anvil_mine", "0x2", url=lied.node.url)
        true = await lied.result("eth_getBlockByNumber", "latest", False, url=lied.node.url)
        lied.rpc.follow(fork.url)
        false = await lied.result("eth_getBlockByNumber", "latest", False)
        assert false["number"] == true["number"]
        assert false["hash"] != true["hash"]
        assert false["parentHash"] != true["parentHash"]
        lied.rpc.be_honest()
        assert await lied.result("eth_getBlockByNumber", "latest", False) == true
