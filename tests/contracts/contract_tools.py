"""A store on a real chain for tests, and an encoding of batches that shares nothing with the oracle's own."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import requests
from eth_abi import decode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError, ContractLogicError
from web3.logs import DISCARD

import contracts
from tests.contracts import trace_coverage

KEYS = [f"0x{i:064x}" for i in range(11, 37)]
OWNER_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
WAD = 10**18
KINDS = ("Batch", "Sealed")
"""The types of a word that is evidence, in the order of the evidence's ``Kind``."""
KIND_PAIRS = (("Batch", "Batch"), ("Sealed", "Batch"), ("Batch", "Sealed"), ("Sealed", "Sealed"))
WIDE = (1, 9_999, 1)
"""Limits of a class that stop next to nothing: min_gap_s, step_bps, step_wait_s."""


@dataclass(frozen=True)
class Item:
    index: int
    market: int = 105 * WAD // 100
    redemption: int = 106 * WAD // 100
    spread_bps: int = 7
    status: int = 1
    market_age_s: int = 3
    redemption_age_h: int = 9

    def packed(self) -> bytes:
        prices = self.market.to_bytes(11, "big") + self.redemption.to_bytes(11, "big")
        tail = struct.pack(">HBHB", self.spread_bps, self.status, self.market_age_s, self.redemption_age_h)
        return struct.pack(">H", self.index) + prices + tail

    def word(self, round_time: int) -> int:
        return int.from_bytes(self.packed()[2:], "big") * 2**32 + round_time


def typed_digest(
    chain_id: int, store: str, epoch: int, round_time: int, items: bytes, *, kind: str = "Batch", step: int = 0
) -> bytes:
    """EIP-712 digest of a batch, or of a certificate (``Sealed``), by eth_account's general encoder."""
    stepped = [("step", "uint16")] if kind == "Sealed" else []
    kinds = {
        "EIP712Domain": [
            ("name", "string"),
            ("version", "string"),
            ("chainId", "uint256"),
            ("verifyingContract", "address"),
        ],
        kind: [("epoch", "uint48"), ("roundTime", "uint32"), *stepped, ("items", "bytes")],
    }
    message = encode_typed_data(
        full_message={
            "types": {k: [{"name": n, "type": t} for n, t in v] for k, v in kinds.items()},
            "primaryType": kind,
            "domain": {"name": "lrt-oracle", "version": "1", "chainId": chain_id, "verifyingContract": store},
            "message": {"epoch": epoch, "roundTime": round_time, "items": items, **{n: step for n, _ in stepped}},
        }
    )
    return keccak(b"\x19\x01" + message.header + message.body)


def compact(key: str, digest: bytes) -> bytes:
    """EIP-2098 signature."""
    signed = Account.unsafe_sign_hash(digest, key)
    return signed.r.to_bytes(32, "big") + (signed.s + ((signed.v - 27) << 255)).to_bytes(32, "big")


def signatures(digest: bytes, who: Sequence[int], keys: Sequence[str] = KEYS) -> bytes:
    return b"".join(bytes([i]) + compact(keys[i], digest) for i in who)


@contextmanager
def connected(url: str) -> Iterator[Web3]:
    with requests.Session() as session:
        provider = HTTPProvider(url, session=session)
        trace_coverage.watch(provider)
        yield Web3(provider)


class Bench:
    """One PriceStore with an owner, and every way to push to it."""

    def __init__(
        self,
        web3: Web3,
        *,
        weights: Sequence[int] = (1, 1, 1),
        threshold: int = 2,
        step_threshold: int | None = None,
        limits: Sequence[tuple[int, int, int]] = (WIDE,),
        guardian: str | None = None,
        delays: tuple[int, int] = (0, 0),
        longest: int = 0,
        max_age: int = 60,
    ) -> None:
        self.web3, self.owner = web3, Account.from_key(OWNER_KEY)
        self.keys = KEYS[: len(weights)]
        signers = [Account.from_key(k).address for k in self.keys]
        settings = (self.owner.address, guardian or self.owner.address, max_age, *delays, longest)
        strong = step_threshold or threshold
        self.store = self.create("PriceStore", settings, list(limits), signers, list(weights), threshold, strong)
        self.epoch = 1

    def create(self, name: str, *args: Any) -> Any:
        return self.deploy(contracts.load(name), *args)

    def deploy(self, artifact: Any, *args: Any) -> Any:
        """Any contract, also another project's: whatever has ``abi`` and ``bytecode``."""
        factory = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        receipt = self.send(factory.constructor(*args))
        trace_coverage.know(receipt["contractAddress"], getattr(artifact, "name", ""))
        return self.web3.eth.contract(address=receipt["contractAddress"], abi=artifact.abi)

    def event(self, receipt: Any, name: str) -> dict[str, Any]:
        """Arguments of the one event of this name that the store emitted."""
        (found,) = self.store.events[name]().process_receipt(receipt, errors=DISCARD)
        return dict(found["args"])

    def consumer(self, name: str, *args: Any) -> Any:
        """One of the contracts that are for tests only."""
        return self.deploy(compiled()[name], *args)

    def ask(self, method: str, *params: Any) -> None:
        """A call of the node's own, such as a jump of its clock."""
        assert "error" not in self.web3.provider.make_request(method, params)  # type: ignore[arg-type]

    def at(self, time_s: int) -> int:
        """A block of that time; returns it."""
        self.ask("evm_setNextBlockTimestamp", time_s)
        self.ask("evm_mine")
        return time_s

    def view(self, name: str = "weETH/ETH", mode: int = 2, decimals: int = 18) -> Any:
        """A FeedView."""
        return self.create("FeedView", self.store.address, name.encode().ljust(32, b"\0"), mode, decimals, 3_600)

    def send(self, call: Any, key: str = OWNER_KEY) -> Any:
        account = Account.from_key(key)
        nonce = self.web3.eth.get_transaction_count(account.address)
        built = call.build_transaction({"from": account.address, "nonce": nonce})
        built["gas"] = built["gas"] * 5 // 4  # a block that is a second later may find more to do than the estimate did
        raw = account.sign_transaction(built).raw_transaction
        receipt = self.web3.eth.wait_for_transaction_receipt(
            self.web3.eth.send_raw_transaction(raw), poll_latency=0.005
        )
        assert receipt["status"] == 1
        return receipt

    def register(self, name: str, *, market: bool = True, redemption: bool = True, limits: int = 0) -> int:
        feed = name.encode().ljust(32, b"\0")
        self.send(self.store.functions.register(feed, market, redemption, limits))
        return int(self.store.functions.indexOf(feed).call())

    @property
    def now(self) -> int:
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def arm(self, keys: Sequence[str]) -> Any:
        """All of the next set's signatures, so that it takes over at its time."""
        digest = self.store.functions.armDigest().call()
        return self.send(self.store.functions.arm(signatures(digest, range(len(keys)), keys)))

    def batch(self, round_time: int, items: Sequence[Item], *, epoch: int | None = None) -> bytes:
        body = b"".join(i.packed() for i in items)
        return (epoch or self.epoch).to_bytes(6, "big") + round_time.to_bytes(4, "big") + body

    def digest(self, batch: bytes, kind: str = "Batch", step: int = 0) -> bytes:
        epoch, round_time = int.from_bytes(batch[:6], "big"), int.from_bytes(batch[6:10], "big")
        return typed_digest(
            self.web3.eth.chain_id, self.store.address, epoch, round_time, batch[10:], kind=kind, step=step
        )

    def push(self, round_time: int, items: Sequence[Item], who: Sequence[int] = (0, 1), **changes: Any) -> Any:
        batch = self.batch(round_time, items, **changes)
        return self.send(self.store.functions.push(batch, signatures(self.digest(batch), who)))

    def refused(self, call: Any, key: str = OWNER_KEY) -> str:
        """Name of the custom error with which a call reverts."""
        return str(self.refusal(call, key)[0])

    def refusal(self, call: Any, key: str = OWNER_KEY) -> tuple[Any, ...]:
        """Name and arguments of the custom error with which a call reverts."""
        try:
            call.call({"from": Account.from_key(key).address})
        except (ContractCustomError, ContractLogicError) as e:
            return error_of(str(e.data))
        raise AssertionError("the call was taken")

    def create_refusal(self, name: str, *args: Any) -> tuple[Any, ...]:
        """Name and arguments of the custom error with which a constructor reverts."""
        artifact = contracts.load(name)
        made = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode).constructor(*args)
        try:
            self.web3.eth.call({"from": self.owner.address, "data": made.data_in_transaction})
        except (ContractCustomError, ContractLogicError) as e:
            return error_of(str(e.data))
        raise AssertionError("the contract was made")

    def push_refused(self, round_time: int, items: Sequence[Item], who: Sequence[int] = (0, 1), **changes: Any) -> str:
        batch = self.batch(round_time, items, **changes)
        return self.refused(self.store.functions.push(batch, signatures(self.digest(batch), who)))

    def gap(self, index: int) -> tuple[int, int, int, int]:
        """The word of a token's gap in storage: market, redemption, openedAt, last."""
        word = int.from_bytes(self.web3.eth.get_storage_at(self.store.address, 65_536 + index), "big")
        return word >> 168, word >> 80 & (1 << 88) - 1, word >> 32 & (1 << 32) - 1, word & (1 << 32) - 1

    def word(self, index: int) -> int:
        return int(self.store.functions.slotAt(index).call())


OURS = tuple(sorted(p.stem for p in contracts.ARTIFACTS.glob("*.json") if contracts.load(p.stem).bytecode))
"""Our contracts that have code."""
CONSUMERS = "tests/contracts/solidity/Consumers.sol"


@dataclass(frozen=True)
class Compiled:
    abi: list[dict[str, Any]]
    bytecode: str


@cache
def compiled(file: str = CONSUMERS, compiler: str = "solc") -> dict[str, Compiled]:
    """What a Solidity file of the tests or of a package compiles to, by contract."""
    root = Path(__file__).parent.parent.parent
    command = ["node", "tests/contracts/compile.mjs", compiler, file]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return {name: Compiled(**one) for name, one in json.loads(done.stdout).items()}


def errors(name: str) -> dict[bytes, tuple[str, list[str]]]:
    """Custom errors of a contract: selector to name and types of its arguments."""
    found = [e for e in contracts.load(name).abi if e["type"] == "error"]
    kinds = {e["name"]: [i["type"] for i in e["inputs"]] for e in found}
    return {keccak(text=f"{n}({','.join(t)})")[:4]: (n, t) for n, t in kinds.items()}


def error_of(data: str) -> tuple[Any, ...]:
    """Name and arguments of a custom error of any of our contracts, by its selector."""
    raw = bytes.fromhex(data.removeprefix("0x"))
    for name in OURS:
        if (found := errors(name).get(raw[:4])) is not None:
            return found[0], *decode(found[1], raw[4:])
    return (data,)


def vector(chain_id: int, store: str, round_time: int, items: Sequence[Item], who: Sequence[int]) -> dict[str, Any]:
    """One vector that Python and Solidity must agree on."""
    packed = b"".join(i.packed() for i in items)
    digest = typed_digest(chain_id, store, 1, round_time, packed)
    batch = (1).to_bytes(6, "big") + round_time.to_bytes(4, "big") + packed
    return {
        "chain_id": str(chain_id),
        "store": store,
        "epoch": "1",
        "round_time": str(round_time),
        "items": [{k: str(v) for k, v in vars(i).items()} for i in items],
        "items_hex": "0x" + packed.hex(),
        "batch_hex": "0x" + batch.hex(),
        "digest": "0x" + digest.hex(),
        "private_keys": KEYS[:3],
        "signatures_hex": "0x" + signatures(digest, who).hex(),
        "slots": [str(i.word(round_time)) for i in items],
    }


VECTOR_STORE = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
"""Where the first contract of the first account of a fresh node is."""
VECTOR_ITEMS: Sequence[tuple[int, Sequence[Item], Sequence[int]]] = (
    (4_000_000_000, (Item(0),), (0, 1)),
    (
        4_000_000_001,
        (Item(0, market=2**88 - 1, redemption=2**88 - 1, spread_bps=16_383), Item(1, redemption=0)),
        (0, 2),
    ),
    (4_000_000_002, (replace(Item(0), status=3 | 1 << 4, market_age_s=65_535, redemption_age_h=255),), (1, 2)),
    (4_000_000_003, (Item(0, market=1, redemption=1, status=3 | 6 << 4), Item(1, redemption=0, status=2)), (0, 1, 2)),
    (
        4_294_967_295,
        (Item(2, market=0, market_age_s=0, status=2 | 12 << 4), Item(0, redemption=2**88 - 1), Item(1, redemption=0)),
        (0, 1),
    ),
)
VECTORS = Path(__file__).parent / "vectors.json"


def vectors() -> dict[str, Any]:
    """All vectors, as tests/contracts/vectors.json holds them."""
    return {"vectors": [vector(31337, VECTOR_STORE, t, items, who) for t, items, who in VECTOR_ITEMS]}


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=2) + "\n", encoding="utf-8")
