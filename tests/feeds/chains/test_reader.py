"""The chain reader against a real node: one request at one block, faults of one source, and blocks that vanish."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from web3 import HTTPProvider, Web3

from feeds.chains import multicall
from feeds.chains.abi import calldata
from feeds.chains.endpoint import ReaderLimits
from feeds.rates.call import RateCall
from feeds.types import Call, Quote, Read
from tests.feeds.chains.rpc_servers import (
    BLOCK,
    QUICK,
    TIME,
    WAD,
    Server,
    ask,
    code,
    on,
    price,
    reader,
    refusal,
    values,
)

pytestmark = pytest.mark.chain
NO_SUCH = RateCall(contract=multicall.ADDRESS, function="noSuchFunction()")


# --- one request, one block


async def test_all_reads_are_one_request_pinned_to_the_heads_hash(
    server: Server, session: aiohttp.ClientSession
) -> None:
    reads = reader(session, server.url)
    head = await reads.head()
    before = len(server.seen)
    ask(server.node, "anvil_mine", "0x2")
    done = await reads.read(head, {str(i): (BLOCK if i % 2 else TIME).read() for i in range(50)})
    assert server.seen[before:] == ["eth_call"]
    assert server.blocks == [{"blockHash": head.block_hash, "requireCanonical": True}]
    assert {price(done.results[str(i)]) for i in range(1, 50, 2)} == {head.number * WAD}
    assert price(done.results["0"]) == head.time_ms // 1_000 * 10**9
    assert done.head == head


async def test_a_call_that_reverts_fails_its_own_source_only(server: Server, session: aiohttp.ClientSession) -> None:
    results = await values(reader(session, server.url), a=BLOCK.read(), b=NO_SUCH.read(), c=BLOCK.read())
    assert price(results["a"]) == price(results["c"])
    assert code(results["b"]) == "REVERTED"


def broken() -> Read:
    yield (Call(to=bytes(20), data=b""),)
    return Quote(price_wad=1 // 0)


def endless() -> Read:
    while True:
        yield (Call(to=bytes(20), data=b""),)


def constant() -> Read:
    yield from ()
    return Quote(price_wad=WAD)


async def test_a_bug_in_an_adapter_costs_its_own_source_and_is_counted(
    server: Server, session: aiohttp.ClientSession
) -> None:
    reads = reader(session, server.url)
    results = await values(reads, good=BLOCK.read(), broken=broken(), endless=endless(), constant=constant())
    assert price(results["good"]) > 0
    assert price(results["constant"]) == WAD
    assert "ZeroDivisionError at test_reader.py:" in str(results["broken"])
    assert "more than 2 times" in str(results["endless"])
    assert reads.stats.bugs == 2


async def test_reads_are_split_where_the_limits_ask(server: Server, session: aiohttp.ClientSession) -> None:
    for limits, parts in ((replace(QUICK, max_calls=4), 3), (replace(QUICK, max_calldata=5 * 192), 2)):
        reads = reader(session, server.url, limits=limits)
        head = await reads.head()
        server.blocks.clear()
        done = await reads.read(head, {str(i): BLOCK.read() for i in range(10)})
        assert len(server.blocks) == parts
        assert {price(r) for r in done.results.values()} == {head.number * WAD}


@pytest.mark.parametrize("message", ["out of gas", "EVM error OutOfGas", "response size exceeded", "request too large"])
async def test_what_is_too_much_is_asked_in_halves(
    server: Server, session: aiohttp.ClientSession, message: str
) -> None:
    def capped(asked: dict[str, Any], answer: Any) -> Any:
        too_much = asked["method"] == "eth_call" and int(asked["params"][0]["data"][74:138], 16) > 100
        return refusal(message) if too_much else answer

    server.fault = capped
    reads = reader(session, server.url)
    results = await values(reads, **{str(i): BLOCK.read() for i in range(300)})
    assert len({price(r) for r in results.values()}) == 1
    assert reads.stats.splits == 3
    await values(reads, **{str(i): BLOCK.read() for i in range(300)})
    assert reads.stats.splits == 3, "the size that went through is remembered"


async def test_one_call_that_burns_all_gas_is_isolated(chain: str, session: aiohttp.ClientSession) -> None:
    burner = "0x" + "ab" * 20
    ask(chain, "anvil_setCode", burner, "0x5b600056")  # jumps back to its own start
    reads = reader(session, chain, limits=replace(QUICK, timeout_ms=8_000, gas=3_000_000))
    results = await values(reads, burner=RateCall(contract=burner, function="f()").read(), good=BLOCK.read())
    assert price(results["good"]) > 0
    assert code(results["burner"]) in {"REVERTED", "REFUSED"}


async def test_without_multicall3_the_error_says_so(server: Server, session: aiohttp.ClientSession) -> None:
    results = await values(reader(session, server.url, multicall="0x" + "12" * 20), a=BLOCK.read())
    assert code(results["a"]) == "REFUSED"
    assert "no Multicall3" in str(results["a"])


# --- blocks that vanish


async def test_a_block_not_found_is_asked_again_then_one_block_earlier(
    server: Server, session: aiohttp.ClientSession
) -> None:
    reads = reader(session, server.url)
    head = await reads.head()
    missing = iter([True, False])
    server.fault = on("eth_call", lambda answer: refusal("header not found") if next(missing) else answer)
    done = await reads.read(head, {"a": BLOCK.read()})
    assert (done.head.number, reads.stats.earlier_blocks) == (head.number, 0)
    missing = iter([True, True, False])
    done = await reads.read(head, {"a": BLOCK.read()})
    assert (done.head.number, reads.stats.earlier_blocks) == (head.number - 1, 1)
    assert price(done.results["a"]) == done.head.number * WAD
    assert server.blocks[-1]["blockHash"] == done.head.block_hash


async def test_a_block_of_a_dead_branch_is_not_read(chain: str, session: aiohttp.ClientSession) -> None:
    reads = reader(session, chain)
    head = await reads.head()
    done = await reads.read(replace(head, block_hash="0x" + "77" * 32), {"a": BLOCK.read()})
    assert done.head.number == head.number - 1
    assert price(done.results["a"]) == done.head.number * WAD


async def test_heads_that_go_backwards_are_counted_and_the_chain_asked_anew(
    server: Server, session: aiohttp.ClientSession
) -> None:
    reads = reader(session, server.url)
    snapshot = ask(server.node, "evm_snapshot")
    ask(server.node, "anvil_mine", "0x3")
    high = await reads.head()
    ask(server.node, "evm_revert", snapshot)
    server.seen.clear()
    low = await reads.head()
    assert low.number < high.number
    assert reads.stats.reorgs == 1
    assert server.seen.count("eth_chainId") == 1
    ask(server.node, "anvil_mine", "0x1")
    await reads.head()
    assert reads.stats.reorgs == 1


# --- the form of a request


async def test_fifty_reads_are_one_request_and_say_what_fifty_calls_say(
    chain: str, session: aiohttp.ClientSession
) -> None:
    """How much faster that is, `bench chain` measures (`ratio_web3`)."""
    reads = reader(session, chain, limits=ReaderLimits())
    head = await reads.head()
    before = reads.stats.requests
    w3 = Web3(HTTPProvider(chain))
    abi = [{"type": "function", "name": "getBlockNumber", "stateMutability": "view", "inputs": [],
            "outputs": [{"type": "uint256", "name": ""}]}]  # fmt: skip
    contract = w3.eth.contract(address=multicall.ADDRESS, abi=abi)
    done = await reads.read(head, {str(i): BLOCK.read() for i in range(50)})
    assert reads.stats.requests == before + 1
    single = [contract.functions.getBlockNumber().call(block_identifier=head.block_hash) for _ in range(50)]
    assert {price(r) for r in done.results.values()} == {n * WAD for n in single}


def test_the_calldata_is_what_the_contract_documents() -> None:
    call = Call(to=bytes(range(20)), data=calldata("f(uint256)", ("7",)))
    packed = multicall.pack([call, Call(to=bytes(20), data=b"")])
    words = [packed[4:][i : i + 32] for i in range(0, len(packed) - 4, 32)]
    assert packed[:4].hex() == "82ad56cb"
    assert [int.from_bytes(w, "big") for w in words[:4]] == [32, 2, 64, 64 + 192]
    assert len(packed) == 4 + 64 + multicall.packed_size(call) + multicall.packed_size(Call(to=b"", data=b""))
