"""The operators of other processes at one store, beside its rounds: who pays there, and what is told to all of them.

What is told hangs on no round and no signer set: one who joins with the next set tells and hears as the members do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from eth_hash.auto import keccak

from oracle.agree.wire import BesideWord, encode
from oracle.network.agreements import Agreements
from oracle.sign.eip712 import Domain

_TAG = b"lrt-oracle store words 1"


class PayersKnown(Protocol):
    """Knows who pays where, and reaches all."""

    def payers(self, domain: Domain) -> Mapping[bytes, bytes]:
        """Gas keys by report address."""

    def broadcast(self, payload: bytes) -> None:
        """To all others."""

    def send(self, to: bytes, payload: bytes) -> None:
        """To one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePeers:
    """The others at one store.

    Attributes:
        domain: of the store.
        agreements: hand on what is heard.
        network: knows what each announced.
    """

    domain: Domain
    agreements: Agreements
    network: PayersKnown

    def payers(self) -> frozenset[bytes]:
        """Report addresses of those that announced a gas key there."""
        return frozenset(self.network.payers(self.domain))

    def tell(self, round_time_s: int, word: BesideWord) -> None:
        """Tell them all. ``round_time_s``: of the round that it is about, 0 for none."""
        self.network.broadcast(encode(self._binding(), round_time_s, word))

    def answer(self, to: bytes, word: BesideWord) -> None:
        """Tell one of them, of no round."""
        self.network.send(to, encode(self._binding(), 0, word))

    def listen(self, heard: Callable[[bytes, int, BesideWord], str | None]) -> Callable[[], None]:
        """Have what they tell handed on: sender, round_time and word; what comes back is why it counts for nothing, if it does.

        Returns:
            What ends it.
        """
        listeners, binding = self.agreements.inbox.listeners, self._binding()
        listeners.setdefault(binding, []).append(heard)

        def end() -> None:
            left = [each for each in listeners.pop(binding, []) if each is not heard]
            if left:
                listeners[binding] = left

        return end

    def _binding(self) -> bytes:
        """Takes the place of a round's terms."""
        return keccak(_TAG + self.domain.chain_id.to_bytes(32, "big") + self.domain.store)
