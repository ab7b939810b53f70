"""Many calls as one: the calldata of Multicall3's aggregate3 and its answer, packed and unpacked by hand. Pure.

Source: mds1/multicall, src/Multicall3.sol, ``aggregate3((address,bool,bytes)[]) returns ((bool,bytes)[])``.
"""

from __future__ import annotations

from collections.abc import Sequence

from feeds.errors import Malformed, Reverted
from feeds.types import Call, Reply

ADDRESS = "0xcA11bde05977b3631167028862bE2a173976CA11"
"""Where Multicall3 is on nearly every chain."""

_SELECTOR = bytes.fromhex("82ad56cb")
_WORD = 32
_MOST_REASON = 200
_ERROR = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")


def _word(value: int) -> bytes:
    return value.to_bytes(_WORD, "big")


_ARRAY = _word(_WORD)
_TRUE = _word(1)
_HEAD = _word(3 * _WORD)
_GOOD = _TRUE + _word(2 * _WORD) + b"\0" * (_WORD - 4)
_KNOWN = len(_GOOD)


def packed_size(call: Call) -> int:
    """Bytes that a call adds to the calldata."""
    return 5 * _WORD + -(-len(call.data) // _WORD) * _WORD


def pack(calls: Sequence[Call]) -> bytes:
    """Calldata of aggregate3 in which every call may fail for itself."""
    offset = len(calls) * _WORD
    offsets, bodies = [], []
    for call in calls:
        data = call.data
        body = b"".join((b"\0" * 12, call.to, _TRUE, _HEAD, _word(len(data)), data, b"\0" * (-len(data) % _WORD)))
        offsets.append(_word(offset))
        bodies.append(body)
        offset += len(body)
    return b"".join((_SELECTOR, _ARRAY, _word(len(calls)), *offsets, *bodies))


def unpack(data: bytes, count: int) -> tuple[Reply, ...]:
    """Replies of aggregate3 in the order of its calls.

    Args:
        data: the answer of the eth_call.
        count: how many calls were packed.

    Raises:
        Malformed: the bytes are not such an answer.
    """
    start = _offset(data, 0, 0)
    if _uint(data, start) != count:
        raise Malformed("aggregate3 answered another number of calls", expected=count)
    base, size, number = start + _WORD, len(data), int.from_bytes
    if base + count * _WORD > size:
        raise Malformed("aggregate3's answer is cut off", bytes=size)
    replies: list[Reply] = []
    for place in range(base, base + count * _WORD, _WORD):  # in one loop: this runs for every call of every block
        at = base + number(data[place : place + _WORD], "big")
        if data[at : at + _KNOWN] == _GOOD:  # a call that did not fail, laid out as every encoder does
            body_at = at + 3 * _WORD
            end = body_at + number(data[at + _KNOWN : body_at], "big")
            if end <= size:
                replies.append(data[body_at:end])
                continue
        if at >= size:
            raise Malformed("aggregate3's answer has an offset beyond its end", bytes=size)
        body_at = at + number(data[at + _WORD : at + 2 * _WORD], "big") + _WORD
        success, length = number(data[at : at + _WORD], "big"), number(data[body_at - _WORD : body_at], "big")
        if at + 2 * _WORD > size or body_at + length > size or success > 1:
            raise Malformed("aggregate3's answer is cut off", bytes=size)
        body = data[body_at : body_at + length]
        replies.append(body if success else Reverted(_reason(body)))
    return tuple(replies)


def _uint(data: bytes, at: int) -> int:
    part = data[at : at + _WORD]
    if len(part) != _WORD:
        raise Malformed("aggregate3's answer is cut off", bytes=len(data))
    return int.from_bytes(part, "big")


def _offset(data: bytes, at: int, base: int) -> int:
    offset = base + _uint(data, at)
    if offset >= len(data):
        raise Malformed("aggregate3's answer has an offset beyond its end", bytes=len(data))
    return offset


def _reason(body: bytes) -> str:
    """Return what a revert says: the text of Error(string), the number of Panic(uint256), else its first bytes."""
    if body[:4] == _ERROR and len(body) >= 4 + 2 * _WORD:
        size = int.from_bytes(body[4 + _WORD : 4 + 2 * _WORD], "big")
        return body[4 + 2 * _WORD :][: min(size, _MOST_REASON)].decode("utf-8", "replace")
    if body[:4] == _PANIC:
        return f"panic {int.from_bytes(body[4:], 'big'):#x}"
    return f"0x{body[:36].hex()}" if body else "no reason given"
