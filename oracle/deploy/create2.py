"""Deterministic deployment: the same bytes at the same address on every chain, and proof that they are there.

Contracts are made through the deterministic deployment proxy at 0x4e59b44847b379578588920cA78FbF26c0B4956C (source:
Arachnid/deterministic-deployment-proxy, also Zoltu's): its calldata is a salt of 32 bytes and the creation code, it makes
the contract by CREATE2 and answers with the 20-byte address. An address so made is
keccak(0xff | proxy | salt | keccak(creation code))[12:] (EIP-1014), so it commits to the code and to every constructor
argument: what is found there was made from exactly these bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_hash.auto import keccak

import contracts
from feeds.errors import LrtOracleError
from oracle.chain.known_code import immutable_places
from oracle.chain.store_abi import abi_type

PROXY = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")
PROXY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
"""What must be at PROXY."""


class DeployError(LrtOracleError, RuntimeError):
    """The chain is not as a deployment needs it, or holds something else than it should. Says what, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedContract:
    """A contract and the address that its code, arguments and salt give it. ``label``: what it is for."""

    label: str
    contract: str
    salt: bytes
    creation: bytes

    @property
    def address(self) -> bytes:
        """20 bytes, by EIP-1014."""
        return keccak(b"\xff" + PROXY + self.salt + keccak(self.creation))[-20:]

    @property
    def calldata(self) -> bytes:
        """What the proxy is sent."""
        return self.salt + self.creation


def plan_contract(label: str, contract: str, args: Sequence[Any], *, salt: bytes) -> PlannedContract:
    """Plan one of the project's contracts with its constructor arguments."""
    artifact = contracts.load(contract)
    entries = [e for e in artifact.abi if e["type"] == "constructor"]
    types = [abi_type(i) for e in entries for i in e["inputs"]]
    return PlannedContract(label=label, contract=contract, salt=salt, creation=artifact.bytecode + encode(types, args))


def salt_of(text: str) -> bytes:
    """The salt that a text stands for."""
    return keccak(text.encode())


def verify_code(planned: PlannedContract, code: bytes) -> None:
    """Compare what is on the chain with the artifact, byte for byte but for the immutables, which are arguments.

    Raises:
        DeployError: it differs; says where.
    """
    where = f"{planned.label} at 0x{planned.address.hex()}"
    expected = bytearray(contracts.load(planned.contract).runtime)
    if len(code) != len(expected):
        raise DeployError(
            f"{where} has {len(code)} bytes of code, {planned.contract} has {len(expected)}: not this contract"
        )
    onchain = bytearray(code)
    for start, length in immutables_of(planned.contract):
        expected[start : start + length] = onchain[start : start + length] = bytes(length)
    if onchain != expected:
        at = next(i for i, (a, b) in enumerate(zip(onchain, expected, strict=True)) if a != b)
        raise DeployError(
            f"{where} differs from {planned.contract} at byte {at}: not this contract, or another compiler"
        )


def immutables_of(contract: str) -> Iterator[tuple[int, int]]:
    """Start and length of every place where the runtime code holds an immutable; the artifact lists them by name."""
    for places in immutable_places(contract).values():
        yield from places
