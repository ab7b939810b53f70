"""What arms the next signer set, as far as operators of other processes have signed it, and whose turn it is to send it.

A signature proves itself, so it does not matter who handed it on. One is kept of each operator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from oracle.agree.wire import ArmingWord
from oracle.chain.next_signers import NextSignerSet
from oracle.push.stages import arming_order
from oracle.sign.eip712 import BadSignature, recover
from oracle.sign.messages import Signature

_STAGE_MS = 60_000
"""A payer that is gone is waited for so long: two looks at the signers, for those of others lie between ours."""
_ADDRESS, _SIGNATURE, _HASH = 20, 64, 32


class ArmingPeers(Protocol):
    """Operators of other processes at one store."""

    def payers(self) -> frozenset[bytes]:
        """Report addresses of those that announced a gas key there."""

    def tell(self, round_time_s: int, word: ArmingWord) -> None:
        """Tell them all; a round of 0 stands for none."""


class CollectedArming:
    """Signatures of one store's next set.

    Args:
        me: report address of the operator here.
        peers: the others.
    """

    def __init__(self, me: bytes, peers: ArmingPeers) -> None:
        self._me, self._peers = me, peers
        self._said: dict[bytes, ArmingWord] = {}
        """The last word of each operator: as many as there are members."""

    def hear(self, sender: bytes, word: ArmingWord) -> None:
        """An operator has signed; it speaks for itself only."""
        sizes = (len(word.address), len(word.set_hash), len(word.signature))
        if word.address == sender and sizes == (_ADDRESS, _HASH, _SIGNATURE):
            self._said[sender] = word

    def tell(self, coming: NextSignerSet, signatures: Sequence[Signature]) -> None:
        """Keep the signatures made here, and tell the others."""
        for signature in signatures:
            word = ArmingWord(signature.address, coming.set_hash, signature.compact)
            self._said[signature.address] = word
            self._peers.tell(0, word)

    def signed(self, coming: NextSignerSet) -> Mapping[bytes, bytes]:
        """Signatures (r | vs) by member, of those whose signature is one of the set's digest."""
        return {
            a: w.signature
            for a, w in self._said.items()
            if w.set_hash == coming.set_hash
            and coming.signers.weight_of((a,))
            and _is_by(a, coming.digest, w.signature)
        }

    def is_our_turn(self, coming: NextSignerSet, waited_ms: int, *, fresh: bool) -> bool:
        """Whether we send it: the first in the order at once, the others a stage after each other.

        Args:
            coming: the set.
            waited_ms: since it was first seen here.
            fresh: whether the chain was just looked at: another than the first sends only if it is still not armed.
        """
        order = arming_order(coming.set_hash, self._peers.payers() | {self._me})
        place = order.index(self._me)
        return place == 0 or (fresh and waited_ms >= place * _STAGE_MS)


def _is_by(address: bytes, digest: bytes, compact: bytes) -> bool:
    try:
        return recover(digest, compact) == address
    except BadSignature:
        return False
