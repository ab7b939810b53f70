"""A JSON-RPC endpoint that lies to one operator only: the class of the rsETH theft of 2026-04-18, where RPC nodes were taken over.

It stands in front of a real node and is put into that operator's config in the node's place. From a moment of the caller's
choice it rewrites what it was told to rewrite, in single requests and in batches; all else passes byte for byte. It can also
fall silent, be a number of blocks behind, stop at a block, or follow a node on another fork.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from demo.world.front_node import FrontNode
from demo.world.rpc_lies import RpcLie
from demo.world.stale_answers import BLOCK_PARAMETERS, block_number, stale_answer


@dataclass(frozen=True, slots=True)
class _Told:
    lie: RpcLie
    since_block: int


class LyingRpc(FrontNode):
    """One endpoint; ``url`` once started. Truthful until told otherwise.

    Attributes:
        asked: requests by method.
        told: answers that were not the truth, by the lie's name.
    """

    def __init__(self, node_url: str) -> None:
        super().__init__(node_url)
        self.asked: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self._honest_url = node_url
        self._lies: list[_Told] = []
        self._lag = 0
        self._stopped_at: int | None = None

    def lie(self, *lies: RpcLie | Iterable[RpcLie], since_block: int = 0) -> None:
        """Tell these lies too from now on, in answers about this block and later ones."""
        for given in lies:
            several = given if isinstance(given, Iterable) else (given,)
            self._lies += [_Told(lie, since_block) for lie in several]

    def fall_behind(self, blocks: int) -> None:
        """Be so many blocks behind, in every answer alike."""
        self._lag, self._stopped_at = blocks, None

    def stop_at(self, block: int) -> None:
        """Know no block after this one."""
        self._lag, self._stopped_at = 0, block

    def follow(self, node_url: str) -> None:
        """Answer as another node does, such as one on another fork; transactions go there too."""
        self._node_url = node_url

    def be_silent(self) -> None:
        """Take requests and answer none, until :meth:`be_honest` or `release`."""
        self.hold()

    def be_honest(self) -> None:
        """Say from now on what the node says, byte for byte; requests that wait are answered."""
        self._lies.clear()
        self._lag, self._stopped_at, self._node_url = 0, None, self._honest_url
        self.release()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = _parsed(body)
        calls = [c for c in (asked if isinstance(asked, list) else [asked]) if isinstance(c, dict) and "method" in c]
        self.asked.update(str(c["method"]) for c in calls)
        if self._lag or self._stopped_at is not None:
            answers = [await self._stale(call) for call in calls]
            await self._corrupt(calls, answers)
            return _json(answers if isinstance(asked, list) else answers[0] if answers else None)
        status, true, content_type = await self._forward_bytes(body)
        whole = _parsed(true) if self._lies else None
        if whole is not None and await self._corrupt(calls, whole if isinstance(whole, list) else [whole]):
            return _json(whole)
        return web.Response(status=status, body=true, headers={"Content-Type": content_type})

    async def _stale(self, call: dict[str, Any]) -> dict[str, Any]:
        params = list(call.get("params") or ())
        answer = await stale_answer(self._ask, call["method"], params, lag=self._lag, top=self._stopped_at)
        return answer | {"id": call.get("id")}

    async def _corrupt(self, calls: list[dict[str, Any]], answers: list[Any]) -> bool:
        """Put lies into answers, in place; whether any was told."""
        by_id = {_key(call.get("id")): call for call in calls}
        before = self.told.total()
        for answer in answers:
            call = by_id.get(_key(answer.get("id"))) if isinstance(answer, dict) else None
            if call is not None and "result" in answer:
                answer["result"] = await self._lied(call["method"], list(call.get("params") or ()), answer["result"])
        return self.told.total() > before

    async def _lied(self, method: str, params: list[Any], result: Any) -> Any:
        for told in tuple(self._lies):
            false = told.lie.told(method, params, result)
            if false == result or (told.since_block and await self._about(method, params, result) < told.since_block):
                continue
            self.told[told.lie.name] += 1
            result = false
        return result

    async def _about(self, method: str, params: list[Any], result: Any) -> int:
        """The block that an answer is about; the newest where the request names none."""
        if method == "eth_blockNumber":
            return int(result, 16)
        if method == "eth_getTransactionReceipt":
            return int(result["blockNumber"], 16)
        place = BLOCK_PARAMETERS.get(method)
        named = params[place] if place is not None and len(params) > place else "latest"
        if method == "eth_getLogs":
            named = {"blockHash": params[0]["blockHash"]} if "blockHash" in params[0] else params[0].get("toBlock")
        number = await block_number(self._ask, "latest" if named == "pending" else named)
        return -1 if number is None else number

    async def _ask(self, method: str, params: list[Any]) -> dict[str, Any]:
        return dict(await self._forward({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))


def _parsed(body: bytes) -> Any:
    """The JSON in a body; None if it is none."""
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def _key(identifier: Any) -> str:
    return orjson.dumps(identifier).decode()


def _json(document: Any) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json")
