"""An operator registry over a store, on a node: its token, keys and owners, and two batches of one round to accuse with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_account import Account
from eth_utils.crypto import keccak
from web3 import Web3

from tests.contracts.contract_tools import KEYS, KINDS, Bench, Item, compact

STRANGER = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
ARBITER = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
ZERO = "0x" + "00" * 20
ADDRESSES = [Account.from_key(k).address for k in KEYS]
TREASURY, AVS = (Web3.to_checksum_address(f"0x{i:040x}") for i in (0x7EA, 0xA75))
LONGEST_S, DISPUTE_S = 10 * 86_400, 3 * 86_400
BOND = 32 * 10**18
NONE, LOCKED, TAKEN, RETURNED = range(4)


class Guild:
    """A store, a registry over it, and operators who bonded."""

    def __init__(self, web3: Web3, *, slasher: str = ZERO) -> None:
        self.bench = Bench(web3, max_age=3_600)
        self.bench.register("weETH/ETH")
        self.bench.register("wstETH/ETH")
        self.me = self.bench.owner.address
        self.token = self.bench.consumer("Token", "wdivETH", 18)
        self.registry = self.bench.create("OperatorRegistry", self.token.address, self.settings(slasher), LONGEST_S)
        self.functions = self.registry.functions
        self.bench.send(self.token.functions.mint(self.me, 10**24))
        self.bench.send(self.token.functions.approve(self.registry.address, 2**256 - 1))

    def settings(self, slasher: str = ZERO, **changes: Any) -> tuple[Any, ...]:
        names = {
            "store": self.bench.store.address,
            "chain": self.bench.web3.eth.chain_id,
            "curator": self.me,
            "arbiter": Account.from_key(ARBITER).address,
            "treasury": TREASURY,
            "slasher": slasher,
            "unbonding": LONGEST_S + DISPUTE_S,
            "dispute": DISPUTE_S,
        }
        return tuple((names | changes).values())

    def consent(self, key: str, owner: str) -> tuple[bytes, bytes]:
        signed = compact(key, self.functions.consent(Account.from_key(key).address, owner).call())
        return signed[:32], signed[32:]

    def bond(self, key: str, amount: int = BOND) -> None:
        self.bench.send(self.functions.bond(Account.from_key(key).address, amount, *self.consent(key, self.me)))

    def signed(
        self, key: str, round_time: int, items: Sequence[Item], epoch: int = 1, kind: str = "Batch", step: int = 0
    ) -> tuple[int, int, bytes, bytes, bytes]:
        batch = self.bench.batch(round_time, items, epoch=epoch)
        signature = compact(key, self.bench.digest(batch, kind, step))
        return KINDS.index(kind), step, batch, signature[:32], signature[32:]

    def evidence(
        self, key: str = KEYS[0], *, at: int = 1_000, kinds: tuple[str, str] = ("Batch", "Batch")
    ) -> tuple[Any, Any]:
        one, two = kinds
        return self.signed(key, at, [Item(0)], kind=one), self.signed(key, at, [Item(0, market=7)], kind=two)

    def name_of(self, a: Any, b: Any, signer: str = ADDRESSES[0]) -> bytes:
        first, second = sorted(self.bench.digest(x[2], KINDS[x[0]], x[1]) for x in (a, b))
        return keccak(bytes.fromhex(signer[2:]).rjust(32, b"\0") + first + second)
