"""What a member is given that asks, or that seems to have missed something: a few times a round, for each costs bandwidth."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from oracle.agree.messages import SealedRound, Want
from oracle.sign.verified_values import VerifiedValues

_MOST = 3
"""Answers of a kind to one member in a round: who asks more often has other troubles."""


class Replies:
    """Answers of one round.

    Args:
        send: sends values or the sealed round to a member.
    """

    def __init__(self, send: Callable[[bytes, VerifiedValues | SealedRound], None]) -> None:
        self._send = send
        self._given: dict[tuple[bytes, str], int] = {}

    def answer(
        self, sender: bytes, want: Want, values: Mapping[bytes, VerifiedValues], sealed: SealedRound | None
    ) -> None:
        """Hand over the values that a member asks for by their hashes, or the sealed round.

        Args:
            sender: who asks.
            want: for what.
            values: all that are known, by hash.
            sealed: None before it is.
        """
        kind = "values" if want.hashes else "sealed"
        count = self._given[sender, kind] = self._given.get((sender, kind), 0) + 1
        if count > _MOST:
            return
        if not want.hashes:
            if sealed is not None:
                self._send(sender, sealed)
            return
        for wanted in dict.fromkeys(want.hashes):
            if wanted in values:
                self._send(sender, values[wanted])
