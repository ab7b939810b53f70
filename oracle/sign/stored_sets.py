"""Signer sets as a store holds them, and which of them a round belongs to by what it held at a block. Pure.

Source: contracts/store/StoreSigners.sol and SignerSetCode.sol.
"""

from __future__ import annotations

from dataclasses import dataclass

from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet

_WORD = 32
_LAST_TIME = (1 << 32) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSet:
    """A signer set.

    Attributes:
        signers: its members in the store's order; one that was removed has weight 0.
        strong: weight with which a price may move by any step.
        from_s: its activeAt: the first round_time that may be its own, Unix s; 0 for the first set of a store.
    """

    signers: SignerSet
    strong: int
    from_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetState:
    """What the store held of its sets at a block.

    Attributes:
        present: the set of its word ``set``; one that has ended stays there until storage advances.
        before: the set that it followed; None for the first.
        coming: the set that was named to follow; None where none is.
        ends_s: from when rounds are the coming set's for certain, Unix s; None while that is not certain.
    """

    present: StoredSet
    before: StoredSet | None = None
    coming: StoredSet | None = None
    ends_s: int | None = None

    def at(self, round_time_s: int) -> StoredSet:
        """The set whose round that is, as the store judges a batch of it."""
        if self.coming is not None and self.ends_s is not None and round_time_s >= self.ends_s:
            return self.coming
        if self.before is not None and round_time_s < self.present.from_s:
            return self.before
        return self.present


def decode_members(domain: Domain, epoch: int, code: bytes) -> StoredSet | None:
    """A set from the code of its contract; None where that is no set's."""
    words = [code[i : i + _WORD] for i in range(1, len(code), _WORD)]
    if code[:1] != b"\0" or len(words) < 2 or len(words[-1]) != _WORD:  # noqa: PLR2004 - a head and a member
        return None
    head, members = words[0], words[1:]
    last_s = int.from_bytes(head[:4], "big")
    return StoredSet(
        signers=SignerSet(
            domain=domain,
            epoch=epoch,
            signers=tuple(w[:20] for w in members),
            weights=tuple(int.from_bytes(w[20:], "big") for w in members),
            threshold=int.from_bytes(head[20:], "big"),
            expires_s=None if last_s == _LAST_TIME else last_s + 1,
        ),
        strong=int.from_bytes(head[8:20], "big"),
        from_s=int.from_bytes(head[4:8], "big"),
    )
