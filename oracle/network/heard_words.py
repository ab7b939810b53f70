"""Words of report keys that were verified, on their way to whoever compares them. A fault there costs no round."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from oracle.agree.messages import Commit, SealedRound
from oracle.agree.terms import Terms
from oracle.runtime.log_limit import LogBudget
from oracle.sign.messages import SignerSet

_log = structlog.get_logger("oracle.network.heard_words")


class HeardWords:
    """One of a process. All that bears a report key's signature passes here once: others' words and its own.

    Attributes:
        on_said: gets the set, the round and a commit or a sealed round of it.
        on_cut: gets the set, the round, the items of a batch of it, and signatures over them by key.
    """

    def __init__(self) -> None:
        self.on_said: Callable[[SignerSet, int, Commit | SealedRound], None] = lambda _set, _round, _said: None
        self.on_cut: Callable[[SignerSet, int, bytes, Mapping[bytes, bytes]], None] = lambda _s, _r, _i, _by: None
        self._told = LogBudget()

    def said(self, terms: Terms, said: object) -> None:
        """A message of a round counts: only commits and sealed rounds bear a report key's signature that binds."""
        if isinstance(said, Commit | SealedRound):
            try:
                self.on_said(terms.signers, terms.round_time_s, said)
            except Exception as e:  # noqa: BLE001 - told, and the round goes on
                self._failed(e)

    def cut(self, terms: Terms, items: bytes, signatures: Mapping[bytes, bytes]) -> None:
        """Signatures over a batch of a round, of these keys for certain."""
        try:
            self.on_cut(terms.signers, terms.round_time_s, items, signatures)
        except Exception as e:  # noqa: BLE001 - told, and the push goes on
            self._failed(e)

    def _failed(self, error: Exception) -> None:
        if (more := self._told.more(type(error).__name__)) is not None:
            _log.error(
                "a fault of this program: a word is not compared", error=repr(error), more_since_the_last_line=more
            )
