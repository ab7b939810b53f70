"""Lies that a JSON-RPC endpoint can tell: each takes the true result of a request and returns another in the right form. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from demo.world import aggregate3
from demo.world.aggregate3 import CallResult
from feeds.chains import multicall
from feeds.chains.abi import address, selector

_WORD = 32
_WORD_BITS = 256


class RpcLie(Protocol):
    """One lie."""

    @property
    def name(self) -> str:
        """What it is counted under."""

    def told(self, method: str, params: Sequence[Any], result: Any) -> Any:
        """Return the result to give in place of the true one; the true one where the lie is not about it."""


@dataclass(frozen=True, slots=True)
class CallLie:
    """Lies about calls of one contract's function, alone or inside ``aggregate3``, at any depth.

    Calls that failed stay failed.

    Attributes:
        contract: 20 bytes.
        prefix: what the calldata begins with: a selector, or more where one pool of many is meant.
        change: true return data to false.
        name: what it is counted under.
    """

    contract: bytes
    prefix: bytes
    change: Callable[[bytes], bytes]
    name: str = "call"

    def told(self, method: str, params: Sequence[Any], result: Any) -> Any:
        """Other return data, where the call is or holds one of these."""
        if method != "eth_call" or not isinstance(result, str) or not params or not params[0].get("to"):
            return result
        data = bytes.fromhex((params[0].get("data") or params[0].get("input") or "0x")[2:])
        true = bytes.fromhex(result[2:])
        false = self._changed(bytes.fromhex(params[0]["to"][2:]), data, true)
        return result if false == true else "0x" + false.hex()

    def _changed(self, to: bytes, data: bytes, true: bytes) -> bytes:
        if to == self.contract and data.startswith(self.prefix):
            return self.change(true)
        if not data.startswith(aggregate3.SELECTOR) or not true:
            return true
        results = aggregate3.call_results(true)
        changed = [
            CallResult(success=True, data=self._changed(call.to, call.data, r.data)) if r.success else r
            for call, r in zip(aggregate3.asked_calls(data), results, strict=True)
        ]
        return true if changed == results else aggregate3.encoded(changed)


@dataclass(frozen=True, slots=True)
class ResultLie:
    """Lies about the results of one method.

    Attributes:
        method: such as eth_getLogs.
        change: parameters and true result to the false one.
        name: what it is counted under.
    """

    method: str
    change: Callable[[Sequence[Any], Any], Any]
    name: str = "result"

    def told(self, method: str, params: Sequence[Any], result: Any) -> Any:
        """Another result of this method."""
        return self.change(params, result) if method == self.method and result is not None else result


def changed_word(at: int, change: Callable[[int], int]) -> Callable[[bytes], bytes]:
    """A change of the word ``at`` (0 for the first) of return data, as an unsigned integer; data without it stays."""

    def changed(data: bytes) -> bytes:
        start, end = at * _WORD, (at + 1) * _WORD
        if len(data) < end:
            return data
        word = change(int.from_bytes(data[start:end], "big")) % (1 << _WORD_BITS)
        return data[:start] + word.to_bytes(_WORD, "big") + data[end:]

    return changed


def value_lie(contract: str, function: str, change: Callable[[int], int], *, word: int = 0) -> CallLie:
    """Lie about one value that a contract's function returns: a rate, a reserve, a pool's price.

    Args:
        contract: its address, hex.
        function: its signature, such as ``getRate()``.
        change: true value to false.
        word: which word of the return data.
    """
    return CallLie(address(contract), selector(function), changed_word(word, change), name=function)


def head_lies(*, blocks: int, seconds: int, multicall_at: str = multicall.ADDRESS) -> tuple[RpcLie, ...]:
    """Lies about where the chain is: the newest block's number and time moved, wherever an endpoint states them.

    Args:
        blocks: added to the number.
        seconds: added to the time.
        multicall_at: the Multicall3 whose getBlockNumber and getCurrentBlockTimestamp lie too.
    """

    def block(params: Sequence[Any], result: Mapping[str, Any]) -> Any:
        if params[0] not in {"latest", "pending"}:
            return result
        moved = {"number": int(result["number"], 16) + blocks, "timestamp": int(result["timestamp"], 16) + seconds}
        return {**result, **{k: hex(max(0, v)) for k, v in moved.items()}}

    return (
        ResultLie("eth_blockNumber", lambda _, result: hex(max(0, int(result, 16) + blocks)), name="head"),
        ResultLie("eth_getBlockByNumber", block, name="head"),
        value_lie(multicall_at, "getBlockNumber()", lambda n: max(0, n + blocks)),
        value_lie(multicall_at, "getCurrentBlockTimestamp()", lambda t: max(0, t + seconds)),
    )


def log_lies(contract: str, change: Callable[[list[Any]], list[Any]]) -> tuple[RpcLie, ...]:
    """Lies about what a contract logged: in eth_getLogs and in receipts. ``change`` gets its logs of one answer.

    An answer that holds none of its logs is changed too where the request asks for this contract: an event can be invented.
    """
    whose = "0x" + address(contract).hex()

    def split(logs: Sequence[Any]) -> list[Any]:
        return [log for log in logs if log["address"].lower() == whose]

    def others(logs: Sequence[Any]) -> list[Any]:
        return [log for log in logs if log["address"].lower() != whose]

    def found(params: Sequence[Any], logs: list[Any]) -> list[Any]:
        asked = params[0].get("address")
        named = {a.lower() for a in ([asked] if isinstance(asked, str) else asked or ())}
        own = split(logs)
        return others(logs) + change(own) if own or whose in named else logs

    def receipt(_: Sequence[Any], result: Mapping[str, Any]) -> Any:
        own = split(result["logs"])
        return {**result, "logs": others(result["logs"]) + change(own)} if own else result

    return (
        ResultLie("eth_getLogs", found, name="logs"),
        ResultLie("eth_getTransactionReceipt", receipt, name="logs"),
    )
