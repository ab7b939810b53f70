"""What the gas benchmark is built on: a chain with a clock of its own, rows, and what the arithmetic alone costs.

All that a transaction's gas depends on is fixed (keys, addresses, times), so a run repeats to the unit of gas.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from web3 import Web3

from demo.world import anvil, npm
from demo.world.chain import LocalChain, account
from feeds.errors import LrtOracleError
from oracle.sign import curve

START_S = 1_999_000_000
"""Unix seconds at which the benchmark's chain begins."""
STEP_S = 60
TX_GAS = 21_000
ZERO_BYTE_GAS, BYTE_GAS = 4, 16
SIGNATURE_GAS = 3_000 + 100
"""The precompile that recovers a signer, and the call of it."""
WRITE_GAS = 2_100 + 2_900
"""A slot that nobody has touched in the transaction, from one value to another, neither zero."""
ACCOUNT_GAS, SLOT_GAS = 2_600, 2_100
"""The first touch of a contract and of a slot."""
_LEAST_ZERO_BYTE_GAS, _LEAST_BYTE_GAS = 10, 40
_GAS_LIMIT = 16_000_000
_RECEIPT_TIMEOUT_S = 120.0
_PRECOMPILES = 0x100
_COMPILER = Path(__file__).resolve().parents[1] / "compile.mjs"


class BenchError(LrtOracleError, RuntimeError):
    """A contract did not do what should be measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushGas:
    """Gas of one update in steady state.

    Attributes:
        signers: whose signatures are in it (of API3, the sources of a feed).
        prices: a token's in it: ours are the market price and the redemption rate.
        calldata: bytes.
        floor: see ``push_floor``.
        quoted: measured beforehand, not in this run.
    """

    system: str
    tokens: int
    signers: int
    prices: int = 1
    gas: int
    calldata: int
    floor: int
    quoted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadGas:
    """Gas of one cold read by another contract; ``floor``: the first touches alone, None where they are not known."""

    system: str
    call: str
    gas: int
    floor: int | None = None
    quoted: bool = False


def shown(rows: list[PushGas] | list[ReadGas]) -> list[dict[str, Any]]:
    """Rows as the JSON document has them."""
    return [asdict(row) for row in rows]


def calldata_gas(data: bytes) -> int:
    """Gas of a transaction's calldata before anything runs (EIP-2028)."""
    return ZERO_BYTE_GAS * data.count(0) + BYTE_GAS * (len(data) - data.count(0))


def push_floor(data: bytes, *, signatures: int, slots: int) -> int:
    """What no contract that takes this calldata, recovers so many signers and changes so many slots can go below.

    21,000 + 4 a zero byte + 16 another + 3,100 a signature + 5,000 a slot, and at least what EIP-7623 asks of the calldata.
    """
    least = TX_GAS + _LEAST_ZERO_BYTE_GAS * data.count(0) + _LEAST_BYTE_GAS * (len(data) - data.count(0))
    return max(least, floor_of(calldata_gas(data), signatures=signatures, slots=slots))


def floor_of(calldata: int, *, signatures: int, slots: int) -> int:
    """The same by the gas of the calldata, without the minimum of EIP-7623."""
    return TX_GAS + calldata + SIGNATURE_GAS * signatures + WRITE_GAS * slots


def called(function: str, *args: Any) -> bytes:
    """Calldata of a function by its signature, such as ``f(uint256,bytes)``; tuples are not taken."""
    kinds = function[function.index("(") + 1 : -1]
    return keccak(text=function)[:4] + encode(kinds.split(",") if kinds else [], args)


def keys(count: int) -> list[curve.PrivateKey]:
    """Signers of the benchmark, always the same."""
    return [curve.PrivateKey(bytes([7]) * 31 + bytes([i + 1])) for i in range(count)]


def full_signature(key: curve.PrivateKey, digest: bytes) -> bytes:
    """65 bytes r, s, v with v of 27 or 28, over a 32-byte digest."""
    raw = key.sign_recoverable(digest, hasher=None)
    return raw[:64] + bytes([raw[64] + 27])


def compiled(
    sources: Mapping[str, str], settings: Mapping[str, Any], compiler: str = "solc"
) -> dict[str, npm.NpmArtifact]:
    """Compiled Solidity files by "file:contract"; BenchError with the compiler's message, or without Node."""
    node = shutil.which("node")
    if node is None:
        raise BenchError("node is missing: peers' sources are compiled with npm's solc; install Node 20")
    request = json.dumps({"compiler": compiler, "settings": settings, "sources": sources})
    done = subprocess.run([node, str(_COMPILER)], input=request, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{', '.join(sources)} did not compile: {done.stderr.strip()}; was `make setup` run?")
    return {name: npm.NpmArtifact(**fields) for name, fields in json.loads(done.stdout).items()}


class BenchChain:
    """The chain, with one account that pays. Every transaction is STEP_S after the one before."""

    def __init__(self, chain: LocalChain) -> None:
        self._chain = chain
        self._payer = account(0)
        self._probe = ""
        self.now_s = START_S

    async def prepare(self) -> None:
        """Deploy the contract that measures reads."""
        self._probe = (await self.create(npm.own("ColdRead"))).address

    @property
    def payer(self) -> str:
        """Account that sends every transaction."""
        return str(self._payer.address)

    async def create(self, artifact: npm.NpmArtifact, *args: Any) -> Any:
        """Deploy a contract; returns it as a web3 contract."""
        return await self._chain.create(self._payer, artifact, *args)

    async def send(self, to: str, data: bytes) -> int:
        """Gas of one transaction in a block at ``now_s`` + STEP_S; BenchError if it reverts."""
        self.now_s += STEP_S
        await self._chain.rpc("evm_setNextBlockTimestamp", self.now_s)
        fields = {"from": self.payer, "to": to, "data": "0x" + data.hex(), "gas": hex(_GAS_LIMIT)}
        sent = await self._chain.rpc("eth_sendTransaction", fields)
        async with asyncio.timeout(_RECEIPT_TIMEOUT_S):
            while (receipt := await self._chain.receipt(sent)) is None:  # noqa: ASYNC110 - HTTP has no events
                await asyncio.sleep(0.005)
        if int(receipt["status"], 16) != 1:
            raise BenchError(f"a transaction to {to} with {len(data)} bytes of calldata reverted")
        return int(receipt["gasUsed"], 16)

    async def fund(self, to: str, value_wei: int) -> None:
        """Pay ether to a contract."""
        await self._chain.pay(self._payer, to, value_wei)
        await self._chain.settle()

    async def wait(self) -> None:
        """An empty block at ``now_s`` + STEP_S, so that reads are at a known time."""
        self.now_s += STEP_S
        await self._chain.rpc("evm_setNextBlockTimestamp", self.now_s)
        await self._chain.rpc("evm_mine")

    async def block_time_s(self) -> int:
        """Timestamp of the latest block."""
        return await self._chain.block_time_s()

    async def ask(self, to: str, data: bytes) -> bytes:
        """Answer of a call."""
        return bytes.fromhex((await self._chain.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest"))[2:])

    async def cold(self, system: str, call: str, to: str, data: bytes) -> ReadGas:
        """Gas of a static call by a contract that has touched nothing before."""
        probe = called("cost(address,bytes)", to, data)
        fields = {"from": self.payer, "to": self._probe, "data": "0x" + probe.hex()}
        listed = (await self._chain.rpc("eth_createAccessList", fields, "latest"))["accessList"]
        touched = [entry for entry in listed if int(entry["address"], 16) > _PRECOMPILES]
        accounts = {entry["address"].lower() for entry in touched} | {to.lower()}
        slots = sum(len(entry["storageKeys"]) for entry in touched)
        return ReadGas(
            system=system,
            call=call,
            gas=int.from_bytes(await self.ask(self._probe, probe), "big"),
            floor=ACCOUNT_GAS * len(accounts) + SLOT_GAS * slots,
        )


@asynccontextmanager
async def ground() -> AsyncIterator[BenchChain]:
    """A fresh chain to measure on; it ends with the context."""
    with anvil.running(extra=("--timestamp", str(START_S))) as node:
        async with LocalChain(node.url) as chain:
            await chain.rpc("anvil_setBlockTimestampInterval", 1)  # the chain's clock never follows the machine's
            bench = BenchChain(chain)
            await bench.prepare()
            yield bench


def address_text(raw: bytes) -> str:
    """An address with its checksum."""
    return str(Web3.to_checksum_address("0x" + raw.hex()))
