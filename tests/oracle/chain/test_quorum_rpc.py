"""Several endpoints as one: a liar is outvoted, a dead one not waited for, a wrong chain left out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from demo.world import anvil
from feeds.chains.jsonrpc import quantity
from feeds.chains.quorum import quorum_of
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from tests.oracle.push.fault_proxy import FaultyNode, Mood

pytestmark = pytest.mark.chain


@asynccontextmanager
async def three(
    node: anvil.Anvil, *, agree: int = 0, chain_id: int = 31337
) -> AsyncIterator[tuple[list[FaultyNode], QuorumRpc]]:
    proxies = [FaultyNode(node.url, i) for i in range(3)]
    for proxy in proxies:
        await proxy.start()
    nodes = QuorumRpc([p.url for p in proxies], chain_id=chain_id, agree=agree, timeout_ms=500)
    try:
        yield proxies, nodes
    finally:
        await nodes.close()
        for proxy in proxies:
            await proxy.stop()


def test_three_outvote_one_and_two_can_not() -> None:
    assert [quorum_of(0, n) for n in (1, 2, 3, 4, 5)] == [1, 1, 2, 3, 3]
    assert QuorumRpc(["http://a"], chain_id=1, agree=5).agree == 1


async def test_a_liar_is_outvoted_and_counted(node: anvil.Anvil) -> None:
    async with three(node) as (proxies, nodes):
        proxies[1].mood.lies = True
        unknown = "0x" + "77" * 32
        for _ in range(20):
            assert (
                await nodes.agreed_value("eth_getTransactionReceipt", unknown, read=lambda a: a and a["blockHash"])
                is None
            )
        assert proxies[1].done["lie"] >= 5
        assert set(nodes.disagreed) <= {f"127.0.0.1:{proxies[1].url.rsplit(':', 1)[1]}"}
        true = int((await nodes.all_answers("eth_blockNumber", least=3)).popitem()[1], 16)
        for _ in range(20):
            got = await nodes.highest_reached(
                "eth_getBlockByNumber", "latest", False, read=lambda b: quantity(b["number"])
            )
            assert got in {true, max(0, true - 3)}, "a head that lies high is never believed"


async def test_one_dead_is_not_waited_for_and_two_dead_are_named(node: anvil.Anvil) -> None:
    async with three(node) as (proxies, nodes):
        proxies[0].mood = Mood(dead=True)
        assert quantity(await nodes.agreed_value("eth_chainId")) == 31337
        proxies[2].mood = Mood(dead=True)
        with pytest.raises(ChainError, match=r"1 of 2 endpoints agree: .*UNREACHABLE"):
            await nodes.agreed_value("eth_chainId")
        with pytest.raises(ChainError, match="1 of 2 endpoints answer"):
            await nodes.highest_reached("eth_blockNumber", read=quantity)


async def test_an_endpoint_of_another_chain_is_left_out(node: anvil.Anvil) -> None:
    async with three(node, chain_id=1) as (_, nodes):
        with pytest.raises(ChainError, match="WRONG_CHAIN"):
            await nodes.agreed_value("eth_blockNumber")


async def test_endpoints_of_one_host_have_names_of_their_own() -> None:
    nodes = QuorumRpc(["http://h:1/key-a", "http://h:1/key-b"], chain_id=1)
    assert [n.name for n in nodes.clients()] == ["h:1", "h:1 (2)"]
    await nodes.close()
