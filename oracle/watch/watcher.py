"""The watch of a process: hears every word, compares it, and keeps what contradicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import structlog

from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet
from oracle.watch.compare import MOST_ROUNDS, Comparer, Contradiction
from oracle.watch.evidence import EvidenceState
from oracle.watch.kept import WatchRows
from oracle.watch.words import SignedWord, words_of, words_of_cut

_MOST_KEYS = 4_096
_MOST_WAITING = 20_000
"""Words that wait to be written: more than there are of an hour of rounds. Where they cannot be written, the oldest go."""
_log = structlog.get_logger("oracle.watch.watcher")


class Watcher:
    """What is heard goes to memory at once, and to disk when `flush` is called, so that no round waits for it.

    Args:
        rows: where words and evidence are kept.
        now_ms: the clock.
        own: report keys of this process.
        on_own: called with a key of this process that was found to have said two things: its operator signs no more.
        most_rounds: in memory.

    Attributes:
        keys: that were heard.
        on_word: called with each word.
    """

    def __init__(
        self,
        rows: WatchRows,
        now_ms: Callable[[], int],
        *,
        own: Iterable[bytes] = (),
        on_own: Callable[[bytes], None] = lambda _key: None,
        most_rounds: int = MOST_ROUNDS,
    ) -> None:
        self.rows = rows
        self.heard = 0
        self.on_word: Callable[[SignedWord], None] = lambda _word: None
        self._now_ms, self._own, self._on_own = now_ms, frozenset(own), on_own
        self.keys: set[bytes] = set(self._own)
        self._operators: dict[bytes, bytes] = {}
        self._compare = Comparer(self._recall, self._operator_of, most_rounds)
        self._waiting: dict[SignedWord, None] = {}
        self._unsaved: dict[bytes, Contradiction] = {}

    # --- words -------------------------------------------------------------------------------------------------------

    def hear_said(self, signers: SignerSet, round_time_s: int, said: object) -> None:
        """A message of a round whose signatures were checked: only commits and sealed rounds are words."""
        for word in words_of(signers, round_time_s, said):
            self.hear(word)

    def hear_cut(self, signers: SignerSet, round_time_s: int, items: bytes, signatures: Mapping[bytes, bytes]) -> None:
        """Signatures (r | vs by key) over a batch, checked."""
        for word in words_of_cut(signers, round_time_s, items, signatures.items()):
            self.hear(word)

    def hear(self, word: SignedWord) -> None:
        """A word whose signature was checked."""
        self.heard += 1
        self.on_word(word)
        if len(self.keys) < _MOST_KEYS:
            self.keys.add(word.key)
        judged = self._compare.hear(word)
        if judged.is_new:
            self._waiting[word] = None
            if len(self._waiting) > _MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
        if judged.contradiction is not None:
            self._found(judged.contradiction)

    def learn(self, operators: Mapping[bytes, bytes]) -> None:
        """Whose keys are: an old and a new one of an operator that say two things are one lie."""
        if any(self._operators.get(k) != o for k, o in operators.items()):
            self._operators |= operators
            for found in self._compare.regroup():
                self._found(found)

    def _operator_of(self, key: bytes) -> bytes:
        return self._operators.get(key, key)

    def flush(self) -> None:
        """Write the words that were heard since the last time, and evidence that could not be written when it was found."""
        for found in list(self._unsaved.values()):
            self._found(found)
        words = list(self._waiting)
        self.rows.save_words(words)
        for word in words:
            self._waiting.pop(word, None)

    def _recall(self, domain: Domain, round_time_s: int) -> list[SignedWord]:
        waiting = [w for w in self._waiting if w.round_time_s == round_time_s and w.domain == domain]
        return [*self.rows.words(domain, round_time_s), *waiting]

    # --- evidence ----------------------------------------------------------------------------------------------------

    def _found(self, found: Contradiction) -> None:
        own = [k for k in sorted(self._own) if k in _keys(found) or self._operator_of(k) == found.operator]
        state = EvidenceState.OWN if own else EvidenceState.FOUND
        note = (
            "against a key of this process: it is not proven from here, and the key signs nothing any more"
            if own
            else ""
        )
        self._unsaved[found.evidence_id] = found
        is_new = self.rows.add(found, state, self._now_ms(), note)
        del self._unsaved[found.evidence_id]
        for key in own:
            self._on_own(key)
        if not is_new:
            return
        told = _log.error if own else _log.warning
        told(
            "THIS OPERATOR has signed two things for one round: its key is used twice, or its journal was restored"
            if own else "an operator has signed two things for one round",
            evidence="0x" + found.evidence_id.hex(), operator="0x" + found.operator.hex(),
            chain_id=found.first.domain.chain_id, store="0x" + found.first.domain.store.hex(),
            round_time=found.first.round_time_s, token=found.index, news=True,
        )  # fmt: skip


def _keys(found: Contradiction) -> set[bytes]:
    return {found.first.key, found.second.key}
