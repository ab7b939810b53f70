"""The operators of other processes at one store, beside its rounds: who pays there, and what is told to all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from oracle.agree.wire import ArmingWord, PushingWord
from oracle.network.agreements import Agreements
from oracle.sign.eip712 import Domain


class PayersKnown(Protocol):
    """Knows who pays where."""

    def payers(self, domain: Domain) -> Mapping[bytes, bytes]:
        """Gas keys by report address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePeers:
    """The others at one store.

    Attributes:
        target: of the store, in the config.
        domain: of it.
        agreements: whose rounds carry the words.
        network: knows what each announced.
    """

    target: str
    domain: Domain
    agreements: Agreements
    network: PayersKnown

    def payers(self) -> frozenset[bytes]:
        """Report addresses of those that announced a gas key there."""
        return frozenset(self.network.payers(self.domain))

    def tell(self, round_time_s: int, word: PushingWord | ArmingWord) -> None:
        """Tell them all, in the terms of a round (0: of the newest one)."""
        self.agreements.tell(self.target, round_time_s, word)

    def listen(self, heard: Callable[[bytes, int, PushingWord | ArmingWord], None]) -> None:
        """Have what they tell handed on: sender, round_time and word."""
        self.agreements.listeners[self.target] = heard
