"""Whether the code of a contract on a chain is that of one of ours: byte for byte, but for the immutables, which are arguments. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

import contracts


@cache
def immutable_places(contract: str) -> Mapping[str, tuple[tuple[int, int], ...]]:
    """Start and length of every place where the runtime code holds an immutable, by its name."""
    body = json.loads((contracts.ARTIFACTS / f"{contract}.json").read_text(encoding="utf-8"))
    named = body.get("immutableReferences", {})
    return {name: tuple((int(p["start"]), int(p["length"])) for p in places) for name, places in named.items()}


def is_code_of(contract: str, code: bytes) -> bool:
    """Whether it is this contract, whatever its immutables are."""
    expected = contracts.load(contract).runtime
    if len(code) != len(expected):
        return False
    seen, wanted = bytearray(code), bytearray(expected)
    for places in immutable_places(contract).values():
        for start, length in places:
            seen[start : start + length] = wanted[start : start + length] = bytes(length)
    return seen == wanted


def immutable_address(contract: str, code: bytes, name: str) -> str:
    """An address that the code holds and no function tells, in hex."""
    start, length = immutable_places(contract)[name][0]
    return "0x" + code[start : start + length][-20:].hex()
