"""Every schedule of four members, one of them Byzantine, over two attempts: all that can be reached is looked at.

Real code is in the loop: each local state is an `Instance`, each move of a member is a call of `hear` or `tick`. A state of the
whole is the local states of the three honest members; what is under way follows from them, for whatever a member has said may
be delivered to anybody at any later time, or never. The Byzantine member may say whatever verifies: either of two values, two
proposals, a ready with or without a refusal, an advance with or without a certificate, any certificate that the readies said so
far and its own make up.

What is left out, and why nothing is lost by it:

- *A delivery that shows nothing is put off.* Hearing a word that changes neither step, certificate, nor anything said or
  signed only fills a map, and what fills it can be delivered later, together with what makes it count. So a move delivers all
  words that count together, in every choice of them, and a move that shows nothing is dropped.
- *Certificates come from the Byzantine member.* One consists of readies that were said, so whoever knows all can show it to
  anybody. That stands for every commit, advance and proposal that carries it.
- *Nobody seals.* A member that has sealed says nothing any more, like one to which nothing is delivered any more. Whether a
  round could be sealed is seen from who has signed.
- *Silent moves wait for the next word.* A move after which a member has said nothing new changes nothing for the others, and
  nothing that they do hinders it. So it is made right before the member's next word. (Not with ``guarded``, where clocks meet.)
- *Clocks are apart.* Each member's clock goes on by itself, to the next moment at which time changes something. With ``guarded``
  they go on together, and what is signed reaches all before they leave the attempt: what the guard is for.
- *Everybody has both values of the Byzantine member.* Not having what a proposal is made of is like not having heard it.
- *Local moves are kept.* A move depends on the member's state and on what was said alone, so it is computed once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt

from oracle.agree.instance import begin, hear, hear_values, tick
from oracle.agree.messages import Advance, Advancing, Commit, Heard, Propose, Ready
from oracle.agree.state import Instance, OwnView, Say, SignCommit, Turn
from oracle.agree.terms import Terms
from oracle.model.types import Report
from oracle.report.wire import encode_items, split_items
from oracle.sign.verified_values import VerifiedValues
from tests.oracle.agree.schedule import Schedule, address, report_at, terms_of_schedule, values_of_reports
from tests.oracle.agree.search_member import Local, Moves, Said, ending
from tests.oracle.agree.search_states import Column, Known, Lists, Numbers, Packed, pack, unpack
from tests.oracle.agree.search_words import PARTED, Uttered, Words

_SIZE = 4
_TWIN_PRICES = ("1.000", "1.040")
_AT_ONCE = 1 << 20
_At = tuple[int, ...]


@dataclass(slots=True)
class Search:
    """A search.

    Args:
        liar: place of the Byzantine member in the order of leaders.
        blind: place of an honest member that has no price of a feed, which the liar may refuse too; None: nobody refuses anything.
        attempts: how many are searched.
        guarded: see above.
        most: stop after so many states; 0: never.
        threshold: of the set.
    """

    liar: int
    blind: int | None = None
    attempts: int = 2
    guarded: bool = False
    most: int = 0
    threshold: int = 3
    found: list[str] = field(default_factory=list)
    ends: list[_At] = field(default_factory=list)
    seen: Known = field(default_factory=Known)
    moves: Moves = field(init=False)
    terms: Terms = field(init=False)
    honest: tuple[int, ...] = field(init=False)
    _words: Said = field(default_factory=Said)
    _sound: dict[int, str] = field(default_factory=dict)
    _columns: dict[str, Column] = field(init=False)
    _next: Lists = field(init=False)

    def __post_init__(self) -> None:
        self.terms = terms_of_schedule(Schedule(seed=0, weights=(1,) * _SIZE, threshold=self.threshold, liars={}))
        self.honest = tuple(n for n in range(_SIZE) if n != self.liar)
        views = {n: self._view(n, f"1.03{n}") for n in self.honest}
        values = [_values(self.terms, n, v, 0) for n, v in views.items()]
        twins = [_values(self.terms, self.liar, self._view(self.liar, p), k) for k, p in enumerate(_TWIN_PRICES)]
        self.moves = Moves(Words(self.terms, self.liar, values, twins, self.blind is not None), self.attempts)
        self.moves.words.fresh()
        local = self.moves.locals
        self._next = Lists(self._likeness, self._moves_of)
        self._columns = {
            "heard": Column(lambda i: self._words.number(_said(local[i], signed=False))),
            "signed": Column(lambda i: self._words.number(_said(local[i], signed=True))),
            "signed step": Column(lambda i: max((w.step for w in _said(local[i], signed=True)), default=-1)),
            "certified": Column(lambda i: local[i].state.certified),
            "now": Column(lambda i: local[i].state.now_ms),
        }

    def run(self) -> Search:
        """Look at all that can be reached; what breaks a law is in ``found``."""
        starts = np.array(list(product(*(self._beginnings(n) for n in self.honest))), dtype=np.int64)
        level = self.seen.add(pack(starts.T))
        while len(level) and not self.found and not 0 < self.most <= len(self.seen):
            after = []
            for at in np.array_split(level, -(-len(level) // _AT_ONCE)):
                self._check(at)
                after.append(self.seen.add(self._successors(at)))
            level = np.concatenate(after)
        return self

    def _view(self, n: int, price: str) -> dict[int, Report]:
        return {i: report_at(price) for i in range(2) if not (n == self.blind and i == PARTED)}

    def _beginnings(self, n: int) -> list[int]:
        """With either value of the liar heard first, where it leads."""
        words, ids = self.moves.words, []
        leads = address(n) in {self.terms.leader(2 * a) for a in range(self.attempts + 1)}
        for twins in (words.twins, words.twins[::-1]) if leads else (words.twins,):
            view = next(v.reports for v in words.honest if v.address == address(n))
            local = Local(n, begin(self.terms, address(n), OwnView(reports=view)), frozenset())
            for values in (*words.honest, *twins):
                local = self.moves.after(local, hear_values(local.state, values, 0))
            ids.append(self.moves.id_of(local))
        return ids

    def _successors(self, at: Packed) -> Packed:
        """All that can be reached from these by one member's move. Those with no move after their last deadline are ends."""
        places = unpack(at)
        heard = [self._of("heard", p) for p in places]
        found, is_end = [], np.ones(len(at), dtype=bool)
        for place, here in enumerate(places):
            rows, there = self._next.of((here, *(h for p, h in enumerate(heard) if p != place)))
            if self.guarded:
                kept = self._is_guarded(
                    here[rows], there, [column[rows] for p, column in enumerate(places) if p != place]
                )
                rows, there = rows[kept], there[kept]
            is_end[rows] = False
            found.append(pack(there if p == place else column[rows] for p, column in enumerate(places)))
        last_ms = self.terms.timing.deadline_ms(self.attempts - 1)
        for column in places:
            is_end &= self._of("now", column) >= last_ms
        self.ends.extend(zip(*(column[is_end].tolist() for column in places), strict=True))
        return np.concatenate(found)

    def _likeness(self, here: int, *heard: int) -> int:
        """The same number where the same can follow.

        What the others have signed does not count: a certificate stands for it. Nor does what they said of steps that are over.
        """
        step = self.moves.locals[here].state.step
        said = (w for i in heard for w in self._words.all[i])
        return (here << 32) | self.moves.others(w for w in said if w.kind == "R" or w.step >= step)

    def _moves_of(self, likeness: int) -> list[int]:
        find = self.moves.next_of if self.guarded else self.moves.speaking
        return list(find(likeness >> 32, likeness & 0xFFFFFFFF))

    def _of(self, figure: str, numbers: Numbers) -> Numbers:
        return self._columns[figure].of(numbers)

    def _is_guarded(self, before: Numbers, after: Numbers, others: list[Numbers]) -> npt.NDArray[np.bool_]:
        """Whether a member may go on: nobody's clock is far behind, and it has heard what was signed in the attempt."""
        timing = self.terms.timing
        kept = np.ones(len(before), dtype=bool)
        before_ms, after_ms, certified = self._of("now", before), self._of("now", after), self._of("certified", before)
        for attempt in range(self.attempts):
            deadline_ms = timing.deadline_ms(attempt)
            leaves = (before_ms < deadline_ms) & (deadline_ms <= after_ms)
            for other in others:
                behind = self._of("now", other) <= deadline_ms - timing.guard_ms
                kept &= ~(leaves & (behind | (certified < self._of("signed step", other))))
        return kept

    def _check(self, at: Packed) -> None:
        """Safety: what keys have signed, and what could be sealed with the liar's help."""
        kinds, first = np.unique(pack(self._of("signed", column) for column in unpack(at)), return_index=True)
        for kind, row in zip(kinds.tolist(), first.tolist(), strict=True):
            if kind not in self._sound:
                ids = (int(column[row]) for column in unpack(at))
                self._sound[kind] = self._fault(
                    frozenset[Uttered]().union(*(_said(self.moves.locals[i], signed=True) for i in ids))
                )
            if self._sound[kind] and not self.found:
                self.found.append(f"{self._sound[kind]}: {self.text(tuple(int(c[row]) for c in unpack(at)))}")

    def _fault(self, signed: frozenset[Uttered]) -> str:
        items: dict[tuple[int, int], set[bytes]] = {}
        votes: dict[tuple[int, int], int] = {}
        for word in signed:
            votes[word.step, word.content] = votes.get((word.step, word.content), 0) + 1
            for feed, item in split_items(self.moves.words.contents[word.content].items).items():
                items.setdefault((word.member, feed), set()).add(item)
        if any(len(i) > 1 for i in items.values()):
            return "no_honest_key_with_two_items"
        if len({c for (_, c), n in votes.items() if n + 1 >= self.terms.threshold}) > 1:
            return "no_two_sealed_rounds_of_one_store_and_round_time"
        return ""

    def text(self, at: _At) -> str:
        """A state in words."""
        told = [(self.moves.locals[i].member, sorted(self.moves.locals[i].said)) for i in at]
        return "; ".join(
            f"{n}: "
            + " ".join(f"{w.kind}{w.step}/{w.content}/{w.certified}{''.join(f'-{i}' for i in w.refused)}" for w in said)
            for n, said in told
        )

    # --- what comes after --------------------------------------------------------------------------------------------

    def stuck(self) -> list[str]:
        """Of the ends, those from which an honest leader does not seal in the next attempt, though all words arrive at once."""
        places = range(len(self.honest))
        return [self.text(at) for at in self._kinds_of_ends() if not all(self._seals(at, last) for last in places)]

    def _kinds_of_ends(self) -> list[_At]:
        """One end of each kind: of what its members said before only their advances count from then on."""
        if not self.ends:
            return []
        kinds: dict[object, int] = {}
        kind = Column(lambda i: kinds.setdefault(ending(self.moves.locals[i]), len(kinds)))
        _, first = np.unique(pack(kind.of(column) for column in np.array(self.ends).T), return_index=True)
        return [self.ends[i] for i in first.tolist()]

    def _seals(self, at: _At, last: int) -> bool:
        """The liar's bare advance comes first, and those of the member at one place last. It is ready for anything, and signs nothing."""
        members = [self.moves.locals[i] for i in at]
        states = [m.state for m in members]
        order = sorted(range(len(members)), key=lambda place: place == last)
        words = self.moves.words
        mail: deque[object] = deque([words.advancing(Uttered(self.liar, "A", 2 * self.attempts))])
        mail.extend(words.advancing(w) for place in order for w in members[place].said if w.kind == "A")
        for now_ms in (self.terms.timing.deadline_ms(self.attempts - 1), self.terms.timing.half_ms(self.attempts)):
            states = [_sent(tick(s, now_ms), mail) for s in states]
            while mail:
                heard = Heard(mail.popleft())  # type: ignore[arg-type]
                if isinstance(heard.said, Propose):
                    mail.append(Ready(address(self.liar), heard.said.step, heard.said.content.hash()))
                states = [_sent(hear(s, heard, now_ms), mail) for s in states]
        return all(s.sealed is not None for s in states)


def _said(local: Local, *, signed: bool) -> frozenset[Uttered]:
    return frozenset(w for w in local.said if (w.kind == "C") == signed)


def _sent(turn: Turn, mail: deque[object]) -> Instance:
    """The state after a turn, with what it says in the mail."""
    state, effects = turn
    for effect in effects:
        if isinstance(effect, Say):
            mail.append(Advancing(effect.said, effect.certificate) if isinstance(effect.said, Advance) else effect.said)
        elif isinstance(effect, SignCommit):
            mail.append(Commit(state.me, effect.certificate, b""))
    return state


def _values(terms: Terms, n: int, view: dict[int, Report], variant: int) -> VerifiedValues:
    return values_of_reports(terms.binding, n, encode_items(view), variant, tuple(view.items()))
