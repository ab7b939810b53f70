"""Before whom honest and careless keys are accused: the registry of bonds, and penalties by operator, of each of some stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import contracts
from oracle.sign.eip712 import Domain, address_of
from tests.contracts.contract_tools import compiled
from tests.contracts.evm_process import DISPUTE_S, KEYS, LEAVE_S, OWNER, STRANGER, TREASURY, Evm, signature
from tests.contracts.stake.penalty_world import key, operator, standin

ZERO = "0x" + "00" * 20
WAD = 10**18
STORES = (1, 2)
CAUGHT = {"", "UsedEvidence"}
OF_TWO = {"TwoOperators", "UnknownKey"}
"""What penalties say where the registry says `Unbonded`: of two keys, or of another store, where some other key comes out."""


def domain_of(number: int) -> Domain:
    return Domain(chain_id=number, store=bytes([number]) * 20)


class Court:
    """A registry and penalties of each store on an EVM in this process, with everybody in it: both are asked, and agree.

    Every key has weight in every epoch (a stand-in of the set says so), for that is where an accusation may hold.
    """

    def __init__(self, people: Sequence[int]) -> None:
        self.people = people
        self.evm = Evm()
        self.evm.evm.set_balance(OWNER, 10**40)
        self.token = self.evm.create(compiled()["Token"], "wdivETH", 18)
        self.evm.ok(self.token, "mint", OWNER, 10**30)
        self.registries = {d: self._registry(d) for d in map(domain_of, STORES)}
        self.penalties = {d: self._penalties(d) for d in self.registries}

    def _registry(self, domain: Domain) -> str:
        store = "0x" + domain.store.hex()
        settings = (store, domain.chain_id, OWNER, OWNER, TREASURY, ZERO, LEAVE_S + DISPUTE_S, DISPUTE_S)
        made = self.evm.create(contracts.load("OperatorRegistry"), self.token, settings, LEAVE_S)
        self.evm.ok(self.token, "approve", made, 2**256 - 1)
        for number in self.people:
            who = "0x" + address_of(KEYS[number]).hex()
            signed = signature(number, self.evm.ok(made, "consent", who, OWNER))
            self.evm.ok(made, "bond", who, WAD, signed[:32], signed[32:])
        return made

    def _penalties(self, domain: Domain) -> str:
        store = "0x" + domain.store.hex()
        book = self.evm.create(standin("BookStandIn"))
        for number in self.people:
            self.evm.ok(book, "set", operator(number), key(number))
        members = self.evm.create(standin("WideSetStandIn"), book, store)
        source = self.evm.create(standin("SourceStandIn"), 2**256 - 1)
        settings = (DISPUTE_S, DISPUTE_S, WAD // 100, LEAVE_S, 500)
        domains = [(domain.chain_id, store)]
        made = self.evm.create(contracts.load("Penalties"), members, book, [source], OWNER, settings, domains)
        self.evm.ok(members, "connect", made, store)
        return made

    def prove(self, domain: Domain, a: tuple[Any, ...], b: tuple[Any, ...], index: int) -> str:
        """Why penalties refuse it, or nothing. The registry, which closes a key's matter with its first proof, agrees."""
        said = self.evm.call(self.registries[domain], "prove", a, b, index, sender=STRANGER)[0]
        told = self.evm.call(self.penalties[domain], "prove", a, b, index, sender=STRANGER)[0]
        assert {said, told} <= CAUGHT or told in (OF_TWO if said == "Unbonded" else {said}), (said, told)
        return told

    def proven(self) -> list[str]:
        """Whoever was proven by either, by number of the key."""
        told = [f"key {n}" for r in self.registries.values() for n in self.people if self._slashed(r, n)]
        counted = [(p, n) for p in self.penalties.values() for n in self.people if self._jailed(p, n)]
        return told + [f"operator {n}" for _, n in counted]

    def _slashed(self, registry: str, number: int) -> bool:
        _, shares, _, _, slashed = self.evm.ok(registry, "operators", "0x" + address_of(KEYS[number]).hex())
        return bool(slashed) or shares != WAD

    def _jailed(self, penalties: str, number: int) -> bool:
        return bool(self.evm.ok(self.evm.ok(penalties, "set"), "jailedUntil", operator(number)))
