"""Compare: every word of an operator for a round against those that it said before. Pure.

An operator has one item for a token and a round, in whatever it signs it: two kinds, steps, epochs or keys make no
difference. A word is kept if it says something of a token of which nothing was known; so what is kept of an operator and a
round is bounded by the tokens of the store, and an honest one has one word there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from eth_hash.auto import keccak

from oracle.sign.eip712 import Domain
from oracle.watch.words import SignedWord, items_of

MOST_ROUNDS = 512
"""Of all stores together, in memory; older ones are asked of whoever keeps them."""
_WORD = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Two words of one operator that no honest one says both.

    Attributes:
        operator: whose keys they are; the key itself where no book of keys says.
        first, second: in the order in which they were heard.
        index: the token on which they differ, the lowest one.
    """

    operator: bytes
    first: SignedWord
    second: SignedWord
    index: int

    @property
    def evidence_id(self) -> bytes:
        """What the contracts call it: operator, lower digest, higher digest."""
        lower, higher = sorted((self.first.digest, self.second.digest))
        return keccak(self.operator.rjust(_WORD, b"\0") + lower + higher)


@dataclass(frozen=True, slots=True)
class WordJudgement:
    """What became of a word: whether it said anything new, and what it contradicts."""

    is_new: bool
    contradiction: Contradiction | None = None


@dataclass(slots=True)
class _RoundWords:
    """What was said of one round of a store, by operator; who is guilty in it needs no more words."""

    said: dict[bytes, list[SignedWord]] = field(default_factory=dict)
    guilty: set[bytes] = field(default_factory=set)
    texts: dict[bytes, bytes] = field(default_factory=dict)
    """Items once, however many have signed them."""


class Comparer:
    """Holds words against each other.

    Args:
        recall: the words that are kept elsewhere of a round which is not in memory.
        operator_of: whose a key is. A key belongs to one operator for good.
        most_rounds: in memory.
    """

    def __init__(
        self,
        recall: Callable[[Domain, int], Iterable[SignedWord]] = lambda _domain, _round: (),
        operator_of: Callable[[bytes], bytes] = lambda key: key,
        most_rounds: int = MOST_ROUNDS,
    ) -> None:
        self._recall, self._operator_of, self._most = recall, operator_of, most_rounds
        self._rounds: dict[tuple[Domain, int], _RoundWords] = {}

    def __len__(self) -> int:
        """Rounds in memory."""
        return len(self._rounds)

    def hear(self, word: SignedWord) -> WordJudgement:
        """A word whose signature was checked."""
        heard = self._round(word.domain, word.round_time_s)
        return self._judge(heard, word)

    def regroup(self) -> list[Contradiction]:
        """Whose a key is has become known: what was said in the rounds in memory is compared anew."""
        found = []
        for place, before in self._rounds.items():
            anew = _RoundWords()
            self._rounds[place] = anew
            for word in (w for words in before.said.values() for w in words):
                judged = self._judge(anew, word)
                if judged.contradiction is not None and judged.contradiction.operator not in before.guilty:
                    found.append(judged.contradiction)
            anew.guilty |= {self._operator_of(g) for g in before.guilty}
        return found

    def _round(self, domain: Domain, round_time_s: int) -> _RoundWords:
        """The newest used stays longest: a liar who names old rounds only has them fetched again."""
        place = (domain, round_time_s)
        known = self._rounds.pop(place, None)
        if known is None:
            known = _RoundWords()
            for word in self._recall(domain, round_time_s):
                self._judge(known, word)
        self._rounds[place] = known
        while len(self._rounds) > self._most:
            del self._rounds[next(iter(self._rounds))]
        return known

    def _judge(self, heard: _RoundWords, word: SignedWord) -> WordJudgement:
        operator = self._operator_of(word.key)
        if operator in heard.guilty:
            return WordJudgement(is_new=False)
        kept = heard.said.setdefault(operator, [])
        if any(w.items == word.items for w in kept):
            return WordJudgement(is_new=False)
        items, new = items_of(word.items), set(items_of(word.items))
        for before in kept:
            held = items_of(before.items)
            parted = [i for i in items.keys() & held.keys() if items[i] != held[i]]
            if parted:
                heard.guilty.add(operator)
                found = Contradiction(operator=operator, first=before, second=word, index=min(parted))
                return WordJudgement(is_new=True, contradiction=found)
            new -= held.keys()
        if not new:
            return WordJudgement(is_new=False)
        text = heard.texts.setdefault(word.items, word.items)
        kept.append(word if text is word.items else _with_items(word, text))
        return WordJudgement(is_new=True)


def _with_items(word: SignedWord, items: bytes) -> SignedWord:
    return SignedWord(
        key=word.key, domain=word.domain, kind=word.kind, step=word.step, epoch=word.epoch,
        round_time_s=word.round_time_s, items=items, signature=word.signature,
    )  # fmt: skip
