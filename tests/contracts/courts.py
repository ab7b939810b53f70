"""Before whom honest and careless keys are accused: the real penalties of each of some stores, over stand-ins of what they ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

import contracts
from oracle.sign.eip712 import Domain
from tests.contracts.evm_process import DISPUTE_S, LEAVE_S, OWNER, STRANGER, Evm
from tests.contracts.stake.penalty_world import key, operator, standin

WAD = 10**18
STORES = (1, 2)
OF_TWO = {"TwoOperators", "UnknownKey"}
"""What penalties say of words of two keys, or of another store, where some other key comes out."""


def domain_of(number: int) -> Domain:
    return Domain(chain_id=number, store=bytes([number]) * 20)


@dataclass(frozen=True)
class Judge:
    """Penalties of one store, in which each operator signs with one key and has staked a WAD.

    Every key has weight in every epoch (a stand-in of the set says so), for that is where an accusation may hold.
    """

    evm: Evm
    people: Sequence[int]
    penalties: str
    members: str
    source: str

    def prove(self, a: tuple[Any, ...], b: tuple[Any, ...], index: int) -> str:
        """Why it is refused, or nothing."""
        return self.evm.call(self.penalties, "prove", a, b, index, sender=STRANGER)[0]

    def guilty(self) -> list[int]:
        """Whoever is jailed or has lost stake."""
        return [n for n in self.people if self._is_jailed(n) or self._stake(n) != WAD]

    def _is_jailed(self, number: int) -> bool:
        return bool(self.evm.ok(self.members, "jailedUntil", operator(number)))

    def _stake(self, number: int) -> int:
        return int(self.evm.ok(self.source, "stakes", operator(number)))


def judge(evm: Evm, domain: Domain, keys: Mapping[int, str]) -> Judge:
    """Over a store; ``keys``: addresses, by number of the operator."""
    store = "0x" + domain.store.hex()
    book = evm.create(standin("BookStandIn"))
    members = evm.create(standin("WideSetStandIn"), book, store)
    source = evm.create(standin("SourceStandIn"), 2**256 - 1)
    settings = (DISPUTE_S, DISPUTE_S, WAD // 100, LEAVE_S, 500)
    made = evm.create(contracts.load("Penalties"), members, book, [source], OWNER, settings, [(domain.chain_id, store)])
    evm.ok(members, "connect", made, store)
    evm.ok(source, "connect", made, members)
    for number, key_of_it in keys.items():
        evm.ok(book, "set", operator(number), key_of_it)
        bond = keccak(text="bond(address)")[:4] + bytes.fromhex(operator(number)[2:]).rjust(32, b"\0")
        evm.pay(OWNER, source, bond, WAD)
    return Judge(evm, tuple(keys), made, members, source)


class Court:
    """A judge of each store on one EVM in this process, with everybody before each."""

    def __init__(self, people: Sequence[int]) -> None:
        evm = Evm()
        evm.evm.set_balance(OWNER, 10**40)
        self.judges = {d: judge(evm, d, {n: key(n) for n in people}) for d in map(domain_of, STORES)}

    def prove(self, domain: Domain, a: tuple[Any, ...], b: tuple[Any, ...], index: int) -> str:
        """Why the penalties of that store refuse it, or nothing."""
        return self.judges[domain].prove(a, b, index)

    def guilty(self) -> list[int]:
        """Whoever lost anything at any store."""
        return [n for j in self.judges.values() for n in j.guilty()]
