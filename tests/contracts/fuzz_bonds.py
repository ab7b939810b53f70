"""The registry beside its model in the fuzz: who bonded, who leaves, who lied."""

from __future__ import annotations

import random
from typing import Protocol

import contracts
from oracle.sign.eip712 import address_of, batch_bytes
from tests.contracts.contract_tools import Compiled, compiled
from tests.contracts.evm_process import (
    DISPUTE_S,
    GUARDIAN,
    KEYS,
    LEAVE_S,
    OWNER,
    STEPS,
    STRANGER,
    TREASURY,
    Evm,
    signature,
    word_evidence,
)


class BondedWorld(Protocol):
    """What the bonds need of the world around them."""

    evm: Evm
    rng: random.Random
    store: str

    def note(self, what: str) -> None:
        """Count an outcome."""

    def digest(self, batch: bytes, kind: int = 0) -> bytes:
        """What signers of a batch sign, or of a certificate (kind n: of step n - 1)."""


class Bonds:
    """The registry beside its model: who bonded, who leaves, who lied."""

    def __init__(self, world: BondedWorld) -> None:
        self.world, self.evm, self.rng = world, world.evm, world.rng
        token: Compiled = compiled()["Token"]
        self.token = self.evm.create(token, "wdivETH", 18)
        zero = "0x" + "00" * 20
        settings = (world.store, 1, OWNER, GUARDIAN, TREASURY, zero, LEAVE_S + DISPUTE_S, DISPUTE_S)
        self.registry = self.evm.create(contracts.load("OperatorRegistry"), self.token, settings, LEAVE_S)
        self.evm.ok(self.token, "mint", OWNER, 10**30)
        self.evm.ok(self.token, "approve", self.registry, 2**256 - 1)
        self.bonded: dict[int, int] = {}
        self.leaving: dict[int, tuple[int, int]] = {}
        self.slashed: set[int] = set()
        self.locked: dict[bytes, tuple[int, int, int]] = {}
        self.paid = 0

    @property
    def liars(self) -> tuple[int, ...]:
        """Keys that may lie in this world; the others never sign two words."""
        return (7, 8)

    def address(self, key: int) -> str:
        return "0x" + address_of(KEYS[key]).hex()

    def step(self) -> None:
        what = self.rng.choice((self.bond, self.ask, self.leave, self.lie, self.accuse, self.settle))
        self.world.note(f"{what.__name__} {what() or 'taken'}")

    def bond(self) -> str:
        key, amount = self.rng.randrange(len(KEYS)), self.rng.randrange(1, 10**20)
        digest = self.evm.ok(self.registry, "consent", self.address(key), OWNER)
        signed = signature(key, digest)
        args = self.address(key), amount, signed[:32], signed[32:]
        error, _ = self.evm.call(self.registry, "bond", *args)
        assert error == ("NotYours" if key in self.slashed else "")
        if not error:
            self.bonded[key] = self.bonded.get(key, 0) + amount
        return error

    def ask(self) -> str:
        key = self.rng.randrange(len(KEYS))
        amount = self.rng.randrange(1, self.bonded.get(key, 0) + 2)
        error, _ = self.evm.call(self.registry, "requestLeave", self.address(key), amount)
        if key not in self.bonded or key in self.slashed:
            assert error == "NotYours"
        else:
            assert error == ("BadAmount" if amount > self.bonded[key] else "")
        if not error:
            self.leaving[key] = amount, self.evm.now + LEAVE_S + DISPUTE_S
        return error

    def leave(self) -> str:
        key = self.rng.randrange(len(KEYS))
        error, _ = self.evm.call(self.registry, "leave", self.address(key))
        amount, due = self.leaving.get(key, (0, 0))
        if key not in self.bonded or key in self.slashed:
            assert error == "NotYours"
        else:
            assert error == ("" if amount and self.evm.now >= due else "NotNow")
        if not error:
            self.bonded[key] -= amount
            self.paid += amount
            del self.leaving[key]
        return error

    def words(self, key: int, at: int, market: int) -> tuple[int, int, bytes, bytes, bytes]:
        head = (0).to_bytes(2, "big") + market.to_bytes(11, "big") + (10**18).to_bytes(11, "big")
        batch = batch_bytes(self.rng.randrange(1, 3), at, head + bytes([0, 7, 1, 0, 3, 9]))
        kind = self.rng.randrange(STEPS + 1)
        signed = signature(key, self.world.digest(batch, kind))
        return word_evidence(kind, batch, signed)

    def lie(self) -> str:
        key, at = self.rng.choice(self.liars), self.rng.randrange(1, 2**32)
        a, b = (self.words(key, at, m) for m in (10**18, 10**18 + self.rng.randrange(1, 99)))
        error, evidence = self.evm.call(self.registry, "prove", a, b, 0, sender=STRANGER)
        if key not in self.bonded:
            assert error == "Unbonded"
        else:
            assert error == ("UsedEvidence" if key in self.slashed else "")
        if not error:
            self.locked[evidence] = key, self.bonded[key], self.evm.now + DISPUTE_S
            self.slashed.add(key)
            self.leaving.pop(key, None)
        return error

    def accuse(self) -> str:
        """Of an honest key: true words of it, mixed and spoiled, prove nothing."""
        key = self.rng.choice([k for k in range(len(KEYS)) if k not in self.liars])
        at = self.rng.randrange(1, 100)
        a, b = (self.words(key, t, 10**18 + t) for t in (at, self.rng.choice((at, at + 1))))
        if self.rng.random() < 0.5:
            spoiled = bytearray(b[2])
            spoiled[self.rng.randrange(10, 40)] ^= 1 << self.rng.randrange(8)
            b = *b[:2], bytes(spoiled), *b[3:]
        elif self.rng.random() < 0.5:
            b = (1 - b[0], *b[1:]) if self.rng.random() < 0.5 else (b[0], b[1] + b[0], *b[2:])
        error, _ = self.evm.call(self.registry, "prove", a, b, 0, sender=STRANGER)
        assert error in {"NoContradiction", "Unbonded", "BadEvidence"}
        return error

    def settle(self) -> str:
        if not self.locked:
            return "nothing"
        evidence = self.rng.choice(tuple(self.locked))
        _, shares, due = self.locked[evidence]
        what, sender = self.rng.choice((("giveBack", GUARDIAN), ("giveBack", STRANGER), ("release", STRANGER)))
        error, _ = self.evm.call(self.registry, what, evidence, sender=sender)
        if (what, sender) == ("giveBack", STRANGER):
            assert error == "NotYours"
        else:
            assert error == ("" if (what == "release") == (self.evm.now >= due) else "NotNow")
        if not error:
            key = self.locked.pop(evidence)[0]
            self.bonded[key] -= shares
            self.paid += shares
        return error

    def check(self) -> None:
        """The registry holds to the unit what is bonded or locked, and no honest key was slashed."""
        held = self.evm.ok(self.token, "balanceOf", self.registry)
        assert held == sum(self.bonded.values()) == self.evm.ok(self.registry, "totalShares")
        assert self.slashed <= set(self.liars)
        key = self.rng.randrange(len(KEYS))
        shares, slashed = self.evm.ok(self.registry, "operators", self.address(key))[1::3]
        assert slashed is (key in self.slashed)
        assert shares == (0 if slashed else self.bonded.get(key, 0))
