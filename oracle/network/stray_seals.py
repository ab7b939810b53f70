"""Signatures of report keys that count for nothing in a round, and are kept: over other items than their key signed as well.

A key that signs two items for one place breaks its word whatever else it shows with them: a proof needs the two
signatures and no certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from oracle.agree.messages import Commit
from oracle.agree.state import FaultEvidence, MemberFault
from oracle.agree.terms import Terms
from oracle.agree.verify import is_signed
from oracle.agree.words import contradiction

_MOST = 2
"""Kept of a member: two that contradict each other are enough."""


class StraySeals:
    """Those of one round.

    Args:
        terms: of the instance.
        on_kept: called with each word that is kept.
    """

    def __init__(self, terms: Terms, on_kept: Callable[[Commit], None] = lambda _said: None) -> None:
        self._terms, self._on_kept = terms, on_kept
        self._kept: dict[bytes, list[Commit]] = {}

    def keep(self, said: object) -> None:
        """A word was refused: if it bears its member's signature over some items of this round, keep it."""
        if not isinstance(said, Commit) or said.address not in self._terms.members:
            return
        kept = self._kept.setdefault(said.address, [])
        if len(kept) < _MOST and said not in kept and is_signed(self._terms, said):
            kept.append(said)
            self._on_kept(said)

    def evidence(self, commits: Iterable[Commit]) -> list[FaultEvidence]:
        """What contradicts a commit that counts, or another one that does not.

        Args:
            commits: that count.
        """
        if not self._kept:
            return []
        counting = {c.address: c for c in commits if c.address in self._kept}
        found = []
        for address, strays in self._kept.items():
            words = [c for c in (counting.get(address), *strays) if c is not None]
            first = words[0]
            for second in words[1:]:
                text = contradiction(first.certificate.content, second.certificate.content)
                if text is not None:
                    found.append(FaultEvidence(
                        kind=MemberFault.TWO_ITEMS, address=address, round_time_s=self._terms.round_time_s, text=text,
                        first=first, second=second,
                    ))  # fmt: skip
                    break
        return found
