"""What may be under way in a search: words of honest members as tuples of numbers, and what a liar can make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple, TypeVar, cast

from oracle.agree.content import content_of, is_prepared, lost_feeds
from oracle.agree.messages import (
    NO_CERTIFICATE,
    Advance,
    Advancing,
    Certificate,
    Commit,
    Content,
    FeedRefusal,
    Propose,
    Ready,
)
from oracle.agree.terms import Terms
from oracle.sign.verified_values import VerifiedValues
from tests.oracle.agree.schedule import address

_Made = TypeVar("_Made")
NOTHING = -1
PARTED = 1
"""The feed on which members part."""


class Uttered(NamedTuple):
    """A word of an honest member. ``kind``: P, R, A or C. ``content``: its number. ``certified``: step of the certificate in it.

    ``refused``: feeds, in a ready.
    """

    member: int
    kind: str
    step: int
    content: int = NOTHING
    certified: int = NO_CERTIFICATE
    refused: tuple[int, ...] = ()


@dataclass(slots=True)
class Words:
    """Contents by number, and real messages for words.

    Args:
        terms: of the instance.
        liar: its number.
        honest: values of the honest members.
        twins: the two values of the liar.
        refusals: whether the liar refuses feeds.
    """

    terms: Terms
    liar: int
    honest: Sequence[VerifiedValues]
    twins: Sequence[VerifiedValues]
    refusals: bool = False
    contents: list[Content] = field(default_factory=list)
    _numbers: dict[bytes, int] = field(default_factory=dict)
    proposals: dict[Uttered, Propose] = field(default_factory=dict)
    _made: dict[object, object] = field(default_factory=dict)

    @property
    def liar_refusals(self) -> tuple[tuple[int, ...], ...]:
        """What the liar may refuse in a ready."""
        return ((), (PARTED,)) if self.refusals else ((),)

    def number(self, content: Content) -> int:
        """Of a content."""
        key = content.hash()
        if key not in self._numbers:
            self._numbers[key] = len(self.contents)
            self.contents.append(content)
        return self._numbers[key]

    def fresh(self) -> list[int]:
        """Contents with either value of the liar."""
        return self.once("fresh", self._fresh)

    def _fresh(self) -> list[int]:
        made = (content_of(self.terms, (*self.honest, twin)) for twin in self.twins)
        return [self.number(c) for c in made if c is not None]

    def once(self, key: object, make: Callable[[], _Made]) -> _Made:
        """The one message for a key: moves are kept by which messages they deliver."""
        if key not in self._made:
            self._made[key] = make()
        return cast("_Made", self._made[key])

    def ready(self, word: Uttered) -> Ready:
        """The message of a ready."""
        refused = tuple((i, FeedRefusal.OUT_OF_BOUND.value) for i in word.refused)
        content = self.contents[word.content].hash
        return self.once(word, lambda: Ready(address(word.member), word.step, content(), refused))

    def liar_ready(self, step: int, content: int, refused: tuple[int, ...]) -> Ready:
        """One of the liar."""
        return self.ready(Uttered(self.liar, "R", step, content, refused=refused))

    def advance(self, word: Uttered) -> Advance:
        """The statement of an advance."""
        content = b"" if word.content == NOTHING else self.contents[word.content].hash()
        return Advance(address(word.member), word.step, word.certified, content)

    def advancing(self, word: Uttered) -> Advancing:
        """The message of an advance, with its certificate."""
        named = None if word.content == NOTHING else self.certificate(word.certified, word.content)
        return self.once(word, lambda: Advancing(self.advance(word), named))

    def certificate(self, step: int, content: int) -> Certificate:
        """One that stands for all of its step and content."""
        return self.once(("certificate", step, content), lambda: Certificate(step, self.contents[content], ()))

    def shown(self, step: int, content: int) -> Commit:
        """The liar shows a certificate."""
        made = self.certificate(step, content)
        return self.once(("shown", step, content), lambda: Commit(address(self.liar), made, b""))

    def certificates(self, words: frozenset[Uttered]) -> list[tuple[int, int]]:
        """Steps and contents of all that the readies said so far and the liar's own give."""
        said_ready = frozenset(w for w in words if w.kind == "R")
        return self.once(("certificates", said_ready), lambda: self._certificates(said_ready))

    def _certificates(self, words: frozenset[Uttered]) -> list[tuple[int, int]]:
        made: list[tuple[int, int]] = []
        for step, content in sorted({(w.step, w.content) for w in words}):
            said = [self.ready(w) for w in words if (w.kind, w.step, w.content) == ("R", step, content)]
            readies = (*said, self.liar_ready(step, content, ()))
            if is_prepared(self.terms, self.contents[content], readies):
                made.append((step, content))
        return made

    def liar_proposals(self, words: frozenset[Uttered], step: int) -> list[Propose]:
        """All that the liar may propose in a step that it leads, each in one form."""
        counting = frozenset(w for w in words if w.kind == "R" or (w.kind == "A" and w.step == step))
        return self.once(("proposals", step, counting), lambda: self._proposals(counting, step))

    def _proposals(self, words: frozenset[Uttered], step: int) -> list[Propose]:
        if step == 0:
            return [self._propose(0, c, ()) for c in self.fresh()]
        gone = sorted((w for w in words if w.kind == "A"), key=lambda w: w.certified)
        if len(gone) < self.terms.threshold - 1:
            return []
        least = gone[: self.terms.threshold - 1]
        advances = (*(self.advance(w) for w in least), Advance(address(self.liar), step))
        highest = max(w.certified for w in least)
        certified = [(s, c) for s, c in self.certificates(words) if highest <= s < step]
        made = [self._propose(step, c, advances, self.certificate(s, c)) for s, c in certified]
        if highest == NO_CERTIFICATE and step % 2 == 0:
            made += [self._propose(step, c, advances) for c in self.fresh()]
        elif highest == NO_CERTIFICATE:
            made += [p for c in self.fresh() for p in self._reduced(words, step, c, advances)]
        return made

    def _propose(
        self, step: int, content: int, advances: tuple[Advance, ...], shown: Certificate | None = None,
        readies: tuple[Ready, ...] = (),
    ) -> Propose:  # fmt: skip
        key = ("propose", step, content, None if shown is None else shown.step)
        return self.once(
            key, lambda: Propose(address(self.liar), step, self.contents[content], advances, shown, readies)
        )

    def _reduced(
        self, words: frozenset[Uttered], step: int, content: int, advances: tuple[Advance, ...]
    ) -> Iterator[Propose]:
        before = self.contents[content]
        said = [self.ready(w) for w in words if (w.kind, w.step, w.content) == ("R", step - 1, content)]
        own = [(), *((self.liar_ready(step - 1, content, r),) for r in self.liar_refusals)]
        for readies in ((*some, *last) for k in (2, 3) for some in combinations(said, k) for last in own):
            lost = lost_feeds(self.terms, before, readies)
            twin = self.twins[self.fresh().index(content)]
            reduced = content_of(self.terms, (*self.honest, twin), lost)
            if len(readies) >= self.terms.threshold and lost and reduced is not None:
                yield self._propose(step, self.number(reduced), advances, None, readies)
