"""Both sides of Multicall3's ``aggregate3`` as a node sees them: the calls in its calldata, and its return data.

Source: mds1/multicall, src/Multicall3.sol, ``aggregate3((address,bool,bytes)[]) returns ((bool,bytes)[])``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feeds.types import Call

SELECTOR = bytes.fromhex("82ad56cb")
_WORD = 32


@dataclass(frozen=True, slots=True)
class CallResult:
    """What one of the calls returned; ``data`` is the revert's data where it failed."""

    success: bool
    data: bytes


def asked_calls(data: bytes) -> list[Call]:
    """The calls in the calldata of aggregate3."""
    start = 4 + _uint(data, 4)
    base, calls = start + _WORD, []
    for i in range(_uint(data, start)):
        item = base + _uint(data, base + _WORD * i)
        body = item + _uint(data, item + 2 * _WORD)
        calls.append(Call(to=data[item + 12 : item + _WORD], data=_bytes(data, body)))
    return calls


def call_results(data: bytes) -> list[CallResult]:
    """The results in the return data of aggregate3."""
    start = _uint(data, 0)
    base, results = start + _WORD, []
    for i in range(_uint(data, start)):
        item = base + _uint(data, base + _WORD * i)
        results.append(CallResult(bool(_uint(data, item)), _bytes(data, item + _uint(data, item + _WORD))))
    return results


def encoded(results: Sequence[CallResult]) -> bytes:
    """Return data of aggregate3 with these results."""
    bodies = [_words(int(r.success), 2 * _WORD, len(r.data)) + r.data + b"\0" * (-len(r.data) % _WORD) for r in results]
    offsets, at = [], _WORD * len(bodies)
    for body in bodies:
        offsets.append(at)
        at += len(body)
    return _words(_WORD, len(bodies), *offsets) + b"".join(bodies)


def _uint(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + _WORD], "big")


def _bytes(data: bytes, at: int) -> bytes:
    return data[at + _WORD : at + _WORD + _uint(data, at)]


def _words(*values: int) -> bytes:
    return b"".join(v.to_bytes(_WORD, "big") for v in values)
