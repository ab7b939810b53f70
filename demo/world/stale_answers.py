"""What an honest node says that is some blocks behind: one moment of the chain, the same in every answer.

Tags, block numbers and block hashes in requests follow the Ethereum JSON-RPC (execution-apis, EIP-1898 for hashes).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

Ask = Callable[[str, list[Any]], Awaitable[dict[str, Any]]]
"""Asks the real node for a method with its parameters; returns the whole answer."""

BLOCK_PARAMETERS: Mapping[str, int] = MappingProxyType({
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBalance": 1,
    "eth_getBlockByNumber": 0,
    "eth_getCode": 1,
    "eth_getProof": 2,
    "eth_getStorageAt": 2,
    "eth_getTransactionCount": 1,
    "eth_feeHistory": 1,
})  # fmt: skip
"""Where a method's parameters name a block."""
_SETTLED_TAGS = ("safe", "finalized")
_PLACES_IN_A_BLOCK = ("blockHash", "blockNumber", "transactionIndex")


async def head_of(ask: Ask) -> int:
    """The node's newest block."""
    return int((await ask("eth_blockNumber", []))["result"], 16)


async def block_number(ask: Ask, named: Any) -> int | None:
    """The number of a block that a request names by tag, number or hash; None if the node does not know it or it is to come."""
    if isinstance(named, Mapping):
        if "blockNumber" in named:
            return await block_number(ask, named["blockNumber"])
        block = (await ask("eth_getBlockByHash", [named.get("blockHash"), False])).get("result")
        return int(block["number"], 16) if block else None
    if named in (None, "latest"):
        return await head_of(ask)
    if named == "earliest":
        return 0
    if named in _SETTLED_TAGS:
        return int((await ask("eth_getBlockByNumber", [named, False]))["result"]["number"], 16)
    return int(named, 16) if named != "pending" else None


async def stale_answer(
    ask: Ask, method: str, params: list[Any], *, lag: int = 0, top: int | None = None
) -> dict[str, Any]:
    """What the node would have said when ``top`` was its newest block.

    What is sent to be mined it knows as everybody does, and ``pending`` is the real node's.

    Args:
        ask: the real node.
        method: of the request.
        params: of the request.
        lag: blocks behind the node's newest.
        top: the newest block that it knows; None leaves it to ``lag``.
    """
    head = await head_of(ask)
    top = max(0, head - lag) if top is None else min(top, head)
    if method == "eth_blockNumber":
        return {"jsonrpc": "2.0", "result": hex(top)}
    if method == "eth_getLogs":
        return await _logs(ask, params, top)
    place = BLOCK_PARAMETERS.get(method)
    if place is not None:
        named = params[place] if len(params) > place else "latest"
        if named != "pending":
            number = await block_number(ask, named)
            behind = head - top if named in _SETTLED_TAGS else 0
            number = top if named == "latest" else None if number is None else max(0, number - behind)
            if number is None or number > top:
                return _unknown(method)
            if not isinstance(named, Mapping):
                params = [*params[:place], hex(number), *params[place + 1 :]]
    return _known_only(method, await ask(method, params), top)


def _unknown(method: str) -> dict[str, Any]:
    if method == "eth_getBlockByNumber":
        return {"jsonrpc": "2.0", "result": None}
    return {"jsonrpc": "2.0", "error": {"code": -32000, "message": "header not found"}}


def _known_only(method: str, body: dict[str, Any], top: int) -> dict[str, Any]:
    """The answer without what happened after ``top``."""
    result = body.get("result")
    if not isinstance(result, Mapping):
        return body
    if method == "eth_getTransactionReceipt" and int(result["blockNumber"], 16) > top:
        return body | {"result": None}
    if method == "eth_getBlockByHash" and int(result["number"], 16) > top:
        return body | {"result": None}
    mined = method == "eth_getTransactionByHash" and result.get("blockNumber")
    if mined and int(result["blockNumber"], 16) > top:
        return body | {"result": {**result, **dict.fromkeys(_PLACES_IN_A_BLOCK)}}
    return body


async def _logs(ask: Ask, params: list[Any], top: int) -> dict[str, Any]:
    """Logs of the blocks that it knows."""
    asked = dict(params[0])
    if "blockHash" in asked:
        number = await block_number(ask, {"blockHash": asked["blockHash"]})
        if number is None or number > top:
            return {"jsonrpc": "2.0", "error": {"code": -32000, "message": "unknown block"}}
        return await ask("eth_getLogs", [asked])
    first = await block_number(ask, asked.get("fromBlock"))
    last = await block_number(ask, asked.get("toBlock"))
    first = top if first is None or asked.get("fromBlock") in (None, "latest") else first
    last = top if last is None else min(last, top)
    if first > last:
        return {"jsonrpc": "2.0", "result": []}
    return await ask("eth_getLogs", [{**asked, "fromBlock": hex(first), "toBlock": hex(last)}])
