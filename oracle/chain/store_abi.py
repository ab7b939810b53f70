"""Our contracts' interfaces as bytes: calldata of functions, and errors by name. Read from the checked-in ABI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

import contracts

PENALTIES = "Penalties"
"""What takes evidence, by the name of its ABI."""
_SOURCES = ("CollateralValues", "DelegatedStake", "EigenStake", "SymbioticStake", "SymbioticVaults")
_STAKE = (*_SOURCES, "KeyBook", "Rewards", "StakeWindows", "StakedSet")
_WITH_ERRORS = (*_STAKE, "PriceStore", "OperatorDirectory", PENALTIES)


def reason(data: bytes) -> tuple[str, str]:
    """The contract's error by name, and its numbers."""
    found = errors().get(data[:4])
    if found is None:
        return "Reverted", ""
    name, names, types = found
    try:
        values = decode(types, data[4:])
    except DecodingError:
        return name, ""
    return name, " (" + ", ".join(f"{n} {v}" for n, v in zip(names, values, strict=True)) + ")" if names else ""


@cache
def errors() -> Mapping[bytes, tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Errors of the contracts that are called by selector: name, and names and types of their numbers."""
    found = {}
    for entry in (e for c in _WITH_ERRORS for e in contracts.load(c).abi):
        if entry["type"] == "error":
            types = tuple(abi_type(i) for i in entry["inputs"])
            found[selector(entry["name"], types)] = (entry["name"], tuple(i["name"] for i in entry["inputs"]), types)
    return found


def abi_type(entry: Mapping[str, Any]) -> str:
    """Type of an argument as signatures spell it: a struct is a list of types in brackets."""
    kind = str(entry["type"])
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(abi_type(c) for c in entry["components"]) + ")" + kind.removeprefix("tuple")


def selector(name: str, types: Sequence[str]) -> bytes:
    """First four bytes of keccak of a signature."""
    return keccak(f"{name}({','.join(types)})".encode())[:4]


@cache
def event_topic(contract: str, name: str) -> bytes:
    """First topic of a contract's event: keccak of its signature."""
    entry = next(e for e in contracts.load(contract).abi if e["type"] == "event" and e["name"] == name)
    return keccak(f"{name}({','.join(abi_type(i) for i in entry['inputs'])})".encode())


@cache
def _function(contract: str, name: str) -> tuple[bytes, tuple[str, ...], tuple[str, ...]]:
    """Selector, input types, output types of a contract's function."""
    entry = next(e for e in contracts.load(contract).abi if e["type"] == "function" and e["name"] == name)
    inputs, outputs = (tuple(abi_type(i) for i in entry[side]) for side in ("inputs", "outputs"))
    return selector(name, inputs), inputs, outputs


def calldata(name: str, args: Sequence[Any]) -> tuple[bytes, tuple[str, ...]]:
    """Calldata of a function of the store, and the types of its answer."""
    return call_of("PriceStore", name, args)


def call_of(contract: str, name: str, args: Sequence[Any]) -> tuple[bytes, tuple[str, ...]]:
    """Calldata of a function of any of our contracts, and the types of its answer."""
    selector, inputs, outputs = _function(contract, name)
    return selector + encode(inputs, args), outputs
