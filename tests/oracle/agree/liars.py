"""Byzantine members: each runs the real machine and says something else than it asks for, or to others, or at another time.

They know all that anybody says at once. What they say would verify: their own words as they like, words of others as those are.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, TypeVar

import msgspec

from oracle.agree.content import content_of, is_prepared
from oracle.agree.messages import (
    Advance,
    Advancing,
    Certificate,
    Commit,
    Content,
    FeedRefusal,
    Propose,
    Ready,
    SealedRound,
    Want,
)
from oracle.agree.state import Instance
from oracle.sign.verified_values import VerifiedValues
from tests.oracle.agree.schedule import FEEDS, address, values_of_member

Word: TypeAlias = VerifiedValues | Propose | Ready | Advancing | Commit | SealedRound | Want
Letter: TypeAlias = tuple[Word, tuple[int, ...], int]
"""A word, to whom, and how many ms later than at once."""
_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_Way: TypeAlias = "Callable[[Liar, Word], Iterable[Letter]]"


class Liar:
    """One Byzantine member.

    Args:
        n: its number.
        strategy: its way, see `WAYS`.
        size: how many members there are.
        rng: its dice.
    """

    def __init__(self, n: int, strategy: str, size: int, rng: random.Random) -> None:
        self.n, self.strategy, self.rng = n, strategy, rng
        self.everybody = tuple(range(size))
        self.state: Instance | None = None
        self.readies: dict[tuple[int, bytes], dict[bytes, Ready]] = {}
        self.contents: dict[bytes, Content] = {}
        self.others: list[Word] = []

    def utter(self, word: Word) -> Iterable[Letter]:
        """What it sends instead of a word that the machine wants said."""
        way = self.strategy
        if way == "chaos":
            way = self.rng.choice(sorted(WAYS))
        return WAYS[way](self, word)

    def overhear(self, word: Word) -> Iterable[Letter]:
        """What it sends on hearing somebody's word."""
        if isinstance(word, Propose):
            self.contents[word.content.hash()] = word.content
        if isinstance(word, Ready):
            self.readies.setdefault((word.step, word.content), {})[word.address] = word
            if self.strategy in {"picks", "chaos"}:
                yield from self._show_certificate(word)
        if self.strategy in {"replays", "chaos"} and not isinstance(word, Want):
            self.others.append(word)
            if self.rng.random() < 0.2:
                yield self.rng.choice(self.others), self.some(), self.rng.randint(0, 2_000)

    def answers(self) -> bool:
        """Whether it hands over values that it is asked for."""
        return self.strategy in {"honest", "refuses", "flips"} or self.rng.random() < 0.3

    def some(self) -> tuple[int, ...]:
        """A few members."""
        return tuple(i for i in self.everybody if self.rng.random() < 0.4)

    def _show_certificate(self, word: Ready) -> Iterable[Letter]:
        """With its own ready, to one or two members only."""
        assert self.state is not None
        content = self.contents.get(word.content)
        held = self.readies[word.step, word.content]
        if content is None:
            return
        held = {**held, address(self.n): Ready(address(self.n), word.step, word.content)}
        readies = tuple(held[a] for a in sorted(held))
        if is_prepared(self.state.terms, content, readies):
            lucky = self.rng.sample(self.everybody, 1)
            certificate = Certificate(word.step, content, readies)
            yield Commit(address(self.n), certificate, b""), tuple(lucky), self.rng.choice((0, 100, 400, 800))


def _silent(liar: Liar, word: Word) -> Iterable[Letter]:
    del liar, word
    return ()


def _honest(liar: Liar, word: Word) -> Iterable[Letter]:
    return ((word, liar.everybody, 0),)


def _splits(liar: Liar, word: Word) -> Iterable[Letter]:
    """Two proposals, each to some; ready for both, each to some."""
    if isinstance(word, Propose) and (other := _another(liar, word)) is not None:
        cut = liar.rng.randrange(len(liar.everybody) + 1)
        mixed = liar.rng.sample(liar.everybody, len(liar.everybody))
        yield word, tuple(mixed[:cut]), 0
        yield other, tuple(mixed[cut:]), 0
        yield from _readies(liar, word, tuple(mixed[cut:]))
        yield from _readies(liar, other, tuple(mixed[:cut]))
    else:
        yield from _honest(liar, word)


def _readies(liar: Liar, word: Propose, to: tuple[int, ...]) -> Iterable[Letter]:
    yield Ready(address(liar.n), word.step, word.content.hash()), to, liar.rng.randint(0, 1_000)


def _omits(liar: Liar, word: Word) -> Iterable[Letter]:
    """A proposal without the values of somebody who spoke."""
    other = _another(liar, word) if isinstance(word, Propose) else None
    yield other or word, liar.everybody, 0


def _another(liar: Liar, word: Propose) -> Propose | None:
    """Another proposal that recomputes: of less values, or with its own other ones."""
    state = liar.state
    assert state is not None
    if word.certificate is not None or word.step % 2:
        return None
    values = dict(state.values)
    if liar.rng.random() < 0.5:
        view = state.view.reports
        values[address(liar.n)] = values_of_member(state.terms, liar.n, view, variant=liar.rng.randint(1, 3))
    else:
        values.pop(liar.rng.choice(sorted(values)), None)
    if state.terms.weight(values) < state.terms.threshold:
        return None
    content = content_of(state.terms, values.values())
    return None if content is None else _with(word, content=content)


def _invents(liar: Liar, word: Word) -> Iterable[Letter]:
    """A proposal of values that nobody has, or of items that do not follow from them."""
    if isinstance(word, Propose):
        content = word.content
        if liar.rng.random() < 0.5:
            values = ((content.values[0][0], b"\7" * 32), *content.values[1:])
            content = Content(values, content.items, content.dropped)
        else:
            content = Content(content.values, content.items[:10] + b"\1" + content.items[11:], content.dropped)
        word = _with(word, content=content)
    return _honest(liar, word)


def _floods(liar: Liar, word: Word) -> Iterable[Letter]:
    """Words of every step, of any content."""
    yield word, liar.everybody, 0
    for step in range(6):
        hashes = [*liar.contents, liar.rng.randbytes(32)]
        yield Ready(address(liar.n), step, liar.rng.choice(hashes)), liar.some(), 0
        yield Advancing(Advance(address(liar.n), step)), liar.some(), 0


def _refuses(liar: Liar, word: Word) -> Iterable[Letter]:
    return _honest(liar, _refusing(word) if isinstance(word, Ready) else word)


def _flips(liar: Liar, word: Word) -> Iterable[Letter]:
    """Vouches in the first step of an attempt, and for nothing in the second."""
    return _honest(liar, _refusing(word) if isinstance(word, Ready) and word.step % 2 else word)


def _refusing(word: Ready) -> Ready:
    return _with(word, refused=tuple((i, FeedRefusal.OUT_OF_BOUND.value) for i in range(FEEDS)))


def _two_faced(liar: Liar, word: Word) -> Iterable[Letter]:
    """Vouches for everything before some, sooner or later, and for nothing before the others. It goes nowhere and signs nothing."""
    if isinstance(word, Ready):
        friends = liar.some()
        yield _with(word, refused=()), friends, liar.rng.randint(0, 400)
        yield _refusing(word), tuple(i for i in liar.everybody if i not in friends), 0
    elif not isinstance(word, Advancing | Commit | SealedRound):
        yield from _honest(liar, word)


def _twins(liar: Liar, word: Word) -> Iterable[Letter]:
    """Four values, each to some."""
    if not isinstance(word, VerifiedValues):
        return _honest(liar, word)
    assert liar.state is not None
    terms = liar.state.terms
    all_values = [values_of_member(terms, liar.n, word.reports, variant=v) for v in range(4)]
    return tuple((liar.rng.choice(all_values), (i,), 0) for i in liar.everybody)


def _hides_values(liar: Liar, word: Word) -> Iterable[Letter]:
    """Its values to all but the first leader, or to one only."""
    if not isinstance(word, VerifiedValues):
        return _honest(liar, word)
    to = liar.everybody[1:] if liar.rng.random() < 0.5 else (liar.rng.choice(liar.everybody),)
    return ((word, to, liar.rng.choice((0, 500, 1_200))),)


def _late(liar: Liar, word: Word) -> Iterable[Letter]:
    return ((word, liar.everybody, liar.rng.randint(0, 1_500)),)


def _picks(liar: Liar, word: Word) -> Iterable[Letter]:
    return ((word, liar.some(), liar.rng.choice((0, 0, 600))),)


def _bare(liar: Liar, word: Word) -> Iterable[Letter]:
    """Says that it knows no certificate."""
    if isinstance(word, Advancing):
        word = Advancing(Advance(word.advance.address, word.advance.step))
    return _honest(liar, word)


def _with(word: _Struct, **changes: object) -> _Struct:
    """A word with other fields."""
    return type(word)(**{f: changes.get(f, getattr(word, f)) for f in word.__struct_fields__})


WAYS: Mapping[str, _Way] = {
    "silent": _silent, "honest": _honest, "splits": _splits, "omits": _omits, "invents": _invents, "replays": _honest,
    "floods": _floods, "refuses": _refuses, "flips": _flips, "twins": _twins, "hides_values": _hides_values, "late": _late,
    "picks": _picks, "bare": _bare, "two_faced": _two_faced,
}  # fmt: skip
