"""The contracts that hold stake, as enough endpoints show them at one block. Nothing here sends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from oracle.chain.quorum_rpc import ChainError, NodeRefused, QuorumRpc
from oracle.chain.rpc_answers import BlockHead, Simulation, read_head, read_simulated
from oracle.chain.store_abi import call_of, event_topic, selector

ZERO = "0x" + "00" * 20
_AT_ONCE = 64
_ENDED = (
    "out of gas",
    "outofgas",
    "invalid opcode",
    "opcode 0x",
    "invalidfeopcode",
    "opcodenotfound",
    "badinstruction",
    "invalid jump",
    "invalidjump",
    "stack underflow",
    "stackunderflow",
)
"""How nodes say that a contract ended a call without reverting (geth `core/vm/errors.go`, revm, Nethermind): its code did, not the node."""


class StakeReads:
    """Calls at one block. What was asked before is answered from memory: at one block a contract says one thing.

    Args:
        nodes: endpoints of the chain.
        head: the block.
        at_once: calls that are under way at a time, for endpoints that others need as well.
    """

    def __init__(self, nodes: QuorumRpc, head: BlockHead, at_once: int = _AT_ONCE) -> None:
        self.nodes, self.head = nodes, head
        self._turn = asyncio.Semaphore(at_once)
        self._said: dict[tuple[str, bytes], str | None] = {}

    @classmethod
    async def open(cls, nodes: QuorumRpc, at_once: int = _AT_ONCE) -> StakeReads:
        """At the newest block that enough endpoints have reached.

        Raises:
            ChainError: they do not answer, or do not agree; so does each function here.
        """
        ((number, time_s),) = await nodes.newest_view(read_head)
        return cls(nodes, BlockHead(number=number, time_s=time_s), at_once)

    async def call(self, to: str, contract: str, function: str, *args: Any) -> tuple[Any, ...]:
        """What a function answers."""
        found = await self.tried(to, contract, function, *args)
        if found is None:
            raise ChainError(f"{function} of {to} does not answer as a {contract} does")
        return found

    async def tried(self, to: str, contract: str, function: str, *args: Any) -> tuple[Any, ...] | None:
        """The same; None where the contract refuses, or is another one."""
        data, outputs = call_of(contract, function, args)
        return await self._decoded(to, data, outputs)

    async def tried_by(self, sender: str, to: str, contract: str, function: str, *args: Any) -> tuple[Any, ...] | None:
        """What a function would answer this sender; None where the contract refuses."""
        data, outputs = call_of(contract, function, args)
        call = {"from": sender, "to": to, "data": "0x" + data.hex()}
        raw = await self.nodes.agreed_value("eth_call", call, hex(self.head.number), read=_answer)
        return _read_values(raw, outputs)

    async def refusal(self, to: str, contract: str, function: str, *args: Any) -> str:
        """Name of the error with which a contract would refuse a call; "" where it would take it."""
        data, _ = call_of(contract, function, args)
        call = {"to": to, "data": "0x" + data.hex()}
        seen: Simulation = await self.nodes.agreed_value("eth_call", call, hex(self.head.number), read=read_simulated)
        return seen.refused or ""

    async def would_take(self, to: str, contract: str, function: str, *args: Any, gas: int) -> bool:
        """Whether a call would go through with so much gas. However it fails, it would not: nodes have many words for that."""
        data, _ = call_of(contract, function, args)
        call = {"to": to, "data": "0x" + data.hex(), "gas": hex(gas)}
        try:
            return await self.nodes.agreed_value("eth_call", call, hex(self.head.number), read=_answer) is not None
        except ChainError:
            return False

    async def of_token(self, token: str, function: str, kind: str, *args: str) -> Any:
        """What a token answers that takes addresses alone; None where it does not know the function."""
        return await self.of_other(token, function, ["address"] * len(args), args, kind)

    async def of_other(self, to: str, function: str, types: Sequence[str], args: Sequence[Any], kind: str) -> Any:
        """The same of any contract of others."""
        found = await self._decoded(to, selector(function, types) + encode(list(types), list(args)), (kind,))
        return None if found is None else found[0]

    async def has_code(self, at: str) -> bool:
        """Whether there is a contract."""
        return bool(await self.code(at))

    async def code(self, at: str) -> bytes:
        """Of a contract; empty where there is none."""
        return bytes.fromhex(str(await self.nodes.agreed_value("eth_getCode", at, hex(self.head.number)))[2:])

    async def emitted(
        self, at: str, contract: str, event: str, *topics: str | None
    ) -> tuple[tuple[str, ...], ...] | None:
        """Topics of all such events up to the block; None where endpoints do not look so far back."""
        return await self.logged(at, "0x" + event_topic(contract, event).hex(), *topics)

    async def logged(self, at: str, *topics: str | None) -> tuple[tuple[str, ...], ...] | None:
        """The same by topics."""
        wanted = {
            "address": at,
            "topics": list(topics),
            "fromBlock": "0x0",
            "toBlock": hex(self.head.number),
        }
        try:
            return await self.nodes.agreed_value("eth_getLogs", wanted, read=_topics)
        except ChainError:
            return None

    async def event_data(self, at: str, contract: str, event: str, topic: str) -> tuple[bytes, ...] | None:
        """Data of all such events with this first topic of their own; None where endpoints do not look so far back."""
        wanted = {
            "address": at,
            "topics": ["0x" + event_topic(contract, event).hex(), topic],
            "fromBlock": "0x0",
            "toBlock": hex(self.head.number),
        }
        try:
            return await self.nodes.agreed_value("eth_getLogs", wanted, read=_data)
        except ChainError:
            return None

    async def _decoded(self, to: str, data: bytes, outputs: Sequence[str]) -> tuple[Any, ...] | None:
        return _read_values(await self._raw(to, data), outputs)

    async def _raw(self, to: str, data: bytes) -> str | None:
        async with self._turn:
            if (to, data) not in self._said:
                call = {"to": to, "data": "0x" + data.hex()}
                said = await self.nodes.agreed_value("eth_call", call, hex(self.head.number), read=_answer)
                self._said[to, data] = said
            return self._said[to, data]


def _read_values(raw: str | None, outputs: Sequence[str]) -> tuple[Any, ...] | None:
    if raw is None:
        return None
    try:
        return tuple(decode(list(outputs), bytes.fromhex(raw[2:])))
    except (DecodingError, ValueError):
        return None


def _answer(answer: Any) -> str | None:
    """The bytes of an answer; None where the contract reverts, or ends in another way that is its own doing."""
    if isinstance(answer, NodeRefused) and any(words in answer.detail.lower() for words in _ENDED):
        return None
    return None if read_simulated(answer).refused is not None else str(answer)


def _topics(answer: Any) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(str(t) for t in log["topics"]) for log in answer)


def _data(answer: Any) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(str(log["data"])[2:]) for log in answer)
