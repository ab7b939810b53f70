"""Which signer set a round belongs to: the one in force at its round_time, whatever block it is pushed in. Pure.

Source: docs/contracts.md, "Signer sets and epochs".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from oracle.sign.messages import SignerSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """The signer sets of a store that matter now.

    Attributes:
        present: the set of rounds before ``from_s``; of all rounds while no set is known to follow.
        after: the set that takes over for certain, or did a short while ago; None while none does.
        from_s: the first round_time that is its own, Unix s.
    """

    present: SignerSet
    after: SignerSet | None = None
    from_s: int = 0

    def at(self, round_time_s: int) -> SignerSet:
        """The set whose round that is."""
        return self.present if self.after is None or round_time_s < self.from_s else self.after

    def updated(self, now: SignerSet, coming: tuple[SignerSet, int] | None) -> Succession:
        """What is known after the chain was read.

        Args:
            now: in force at the block that was read.
            coming: the set that takes over for certain, and from when (round_time, Unix s); None if none does.
        """
        if coming is not None:
            return Succession(present=now, after=coming[0], from_s=coming[1])
        if self.after is not None and self.after.epoch == now.epoch:
            return replace(self, after=now)  # rounds from before it took over are still the other set's
        return Succession(present=now)
