"""One honest member in a search: its machine, what it has said, and every move that shows something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations, product

from oracle.agree.instance import hear, tick
from oracle.agree.messages import Advance, Advancing, Commit, Heard, Propose, Ready
from oracle.agree.state import Instance, Say, SignCommit, Turn
from tests.oracle.agree.schedule import address
from tests.oracle.agree.search_words import NOTHING, Uttered, Words

_Message = Propose | Ready | Advancing | Commit


@dataclass(frozen=True, slots=True)
class Local:
    """A member's state. ``said``: all that it has said."""

    member: int
    state: Instance
    said: frozenset[Uttered]


@dataclass(slots=True)
class Said:
    """Sets of words, each known by a number; 0 is the empty one."""

    all: list[frozenset[Uttered]] = field(default_factory=lambda: [frozenset()])
    ids: dict[frozenset[Uttered], int] = field(default_factory=lambda: {frozenset(): 0})

    def number(self, said: frozenset[Uttered]) -> int:
        """The same for the same words."""
        if said not in self.ids:
            self.ids[said] = len(self.all)
            self.all.append(said)
        return self.ids[said]


@dataclass(slots=True)
class Moves:
    """Moves of members, each state known by a number.

    Args:
        words: contents and messages.
        attempts: after so many a member's clock stands still.
    """

    words: Words
    attempts: int
    locals: list[Local] = field(default_factory=list)
    said_ids: list[int] = field(default_factory=list)
    calls: int = 0
    _ids: dict[object, int] = field(default_factory=dict)
    _moved: dict[tuple[int, ...], int] = field(default_factory=dict)
    _said: Said = field(default_factory=Said)
    _split: dict[tuple[int, int], tuple[int, int, int]] = field(default_factory=dict)
    _parts: dict[tuple[str, int, int], frozenset[int]] = field(default_factory=dict)

    def id_of(self, local: Local) -> int:
        """Number of a state; states that differ in nothing that counts have the same."""
        key = _key(local)
        if key not in self._ids:
            self._ids[key] = len(self.locals)
            self.locals.append(local)
            self.said_ids.append(self._said.number(local.said))
        return self._ids[key]

    def after(self, local: Local, turn: Turn) -> Local:
        """The state after a turn of the machine, with its own words said to itself."""
        state, effects = turn
        said = local.said
        message: _Message
        for effect in effects:
            if isinstance(effect, Say):
                said |= {self._uttered(local.member, effect.said)}
                message = (
                    Advancing(effect.said, effect.certificate) if isinstance(effect.said, Advance) else effect.said
                )
            elif isinstance(effect, SignCommit):
                certificate = effect.certificate
                said |= {Uttered(local.member, "C", certificate.step, self.words.number(certificate.content))}
                message = Commit(address(local.member), certificate, b"")
            else:
                continue
            local = self.after(Local(local.member, state, said), hear(state, Heard(message), state.now_ms))
            state, said = local.state, local.said
        return Local(local.member, _pruned(state), said)

    def _uttered(self, member: int, said: Propose | Ready | Advance) -> Uttered:
        if isinstance(said, Advance):
            held = [n for n, c in enumerate(self.words.contents) if c.hash() == said.content]
            return Uttered(member, "A", said.step, held[0] if held else NOTHING, said.certified)
        if isinstance(said, Ready):
            held = [n for n, c in enumerate(self.words.contents) if c.hash() == said.content]
            return Uttered(member, "R", said.step, held[0], refused=tuple(sorted(said.refused_feeds)))
        shown = NOTHING if said.certificate is None else said.certificate.step
        word = Uttered(member, "P", said.step, self.words.number(said.content), shown)
        self.words.proposals.setdefault(word, said)
        return word

    def others(self, said: Iterable[Uttered]) -> int:
        """The number of what others have said."""
        return self._said.number(frozenset(said))

    def next_of(self, here: int, others: int) -> frozenset[int]:
        """Numbers of all states that this one can move to next, given what the others have said."""
        state = self.locals[here].state
        timing = self.words.terms.timing
        if state.now_ms >= timing.deadline_ms(self.attempts - 1):
            return frozenset()
        if (others, state.step) not in self._split:
            self._split[others, state.step] = self._split_of(others, state.step)
        readies, proposals, advances = self._split[others, state.step]
        found = self._part(self._by_clock, here, 0) | self._part(self._by_readies, here, readies)
        return found | self._part(self._by_proposals, here, proposals) | self._part(self._by_advances, here, advances)

    def _split_of(self, others: int, step: int) -> tuple[int, int, int]:
        """Of what was said: the readies; what a proposal of the step can be made of; the advances that count yet."""
        said = self._said.all[others]
        leader = self.words.terms.leader(step)
        if leader == address(self.words.liar):
            proposals = (w for w in said if w.kind == "R" or (w.kind == "A" and w.step == step))
        else:
            proposals = (w for w in said if w.kind == "P" and w.step == step)
        return (
            self.others(w for w in said if w.kind == "R"),
            self.others(proposals),
            self.others(w for w in said if w.kind == "A" and w.step >= step),
        )

    def _part(
        self, moves: Callable[[int, frozenset[Uttered]], Iterator[int]], here: int, others: int
    ) -> frozenset[int]:
        key = (moves.__name__, here, others)
        if key not in self._parts:
            self._parts[key] = frozenset(moves(here, self._said.all[others])) - {here}
        return self._parts[key]

    def speaking(self, here: int, others: int) -> list[int]:
        """Numbers of the states after the next word that this member may say, whatever it hears silently before."""
        found: set[int] = set()
        silent = {here}
        pending = [here]
        said = self.said_ids[here]
        while pending:
            for there in self.next_of(pending.pop(), others):
                if self.said_ids[there] != said:
                    found.add(there)
                elif there not in silent:
                    silent.add(there)
                    pending.append(there)
        return sorted(found)

    def _kept(self, key: tuple[int, ...], move: Callable[[], Local]) -> int:
        if key not in self._moved:
            self._moved[key] = self.id_of(move())
        return self._moved[key]

    def _ticked(self, local: Local) -> Local:
        state, timing = local.state, self.words.terms.timing
        attempt = next(a for a in range(self.attempts) if state.now_ms < timing.deadline_ms(a))
        deadline_ms = timing.deadline_ms(attempt)
        moments = (timing.half_ms(attempt), deadline_ms - timing.guard_ms + 1, deadline_ms)
        self.calls += 1
        return self.after(local, tick(state, min(m for m in moments if m > state.now_ms)))

    def _heard(self, local: Local, messages: Sequence[_Message]) -> Local:
        """The state after some messages; the same if they show nothing."""
        before = local
        for message in messages:
            self.calls += 1
            local = self.after(local, hear(local.state, Heard(message), local.state.now_ms))
        return before if _shown(local) == _shown(before) else local

    def _by_clock(self, here: int, _: frozenset[Uttered]) -> Iterator[int]:
        yield self._kept((here,), lambda: self._ticked(self.locals[here]))

    def _by_proposals(self, here: int, others: frozenset[Uttered]) -> Iterator[int]:
        local = self.locals[here]
        yield from (self._after(here, (p,)) for p in self._proposals(local.state, others | local.said))

    def _by_readies(self, here: int, others: frozenset[Uttered]) -> Iterator[int]:
        """And by the certificates that they make up."""
        local = self.locals[here]
        yield from (self._after(here, some) for some in self._readies(local.state, others))
        for step, content in self.words.certificates(others | local.said):
            if step > local.state.certified:
                yield self._after(here, (self.words.shown(step, content),))

    def _by_advances(self, here: int, others: frozenset[Uttered]) -> Iterator[int]:
        yield from (self._after(here, some) for some in self._advances(self.locals[here].state, others))

    def _after(self, here: int, messages: tuple[_Message, ...]) -> int:
        return self._kept((here, *map(id, messages)), partial(self._heard, self.locals[here], messages))

    def _proposals(self, state: Instance, words: frozenset[Uttered]) -> Iterable[Propose]:
        if state.step in state.proposals or state.step in state.said:
            return []
        if self.words.terms.leader(state.step) == address(self.words.liar):
            return self.words.liar_proposals(words, state.step)
        return [self.words.proposals[w] for w in words if w.kind == "P" and w.step == state.step]

    def _readies(self, state: Instance, others: frozenset[Uttered]) -> Iterator[tuple[Ready, ...]]:
        """In every choice: readies for what is proposed in a step, of the others, and the liar's."""
        for step, proposal in state.proposals.items():
            if step <= state.certified:
                continue
            number = self.words.number(proposal.content)
            held = state.readies.get(step, {})
            own = [self.words.ready(w) for w in others if (w.kind, w.step, w.content) == ("R", step, number)]
            mine = [] if address(self.words.liar) in held else self.words.liar_refusals
            liar = [(), *((self.words.liar_ready(step, number, r),) for r in mine)]
            said = [r for r in own if r.address not in held]
            for some, last in product((c for k in range(3) for c in combinations(said, k)), liar):
                if some or last:
                    yield (*some, *last)

    def _advances(self, state: Instance, others: frozenset[Uttered]) -> Iterator[tuple[Advancing, ...]]:
        """One or two: more are never needed at once, as one hears one's own."""
        said = [self.words.advancing(w) for w in others if w.kind == "A" and w.step >= state.step]
        steps = {a.advance.step for a in said}
        bare = [self.words.advancing(Uttered(self.words.liar, "A", s)) for s in steps]
        some = [a for a in (*said, *bare) if a.advance.address not in state.advances.get(a.advance.step, {})]
        for k in (1, 2):
            yield from combinations(some, k)


def _pruned(state: Instance) -> Instance:
    """Without what has no effect any more, and without what can be delivered again when it has one.

    Only who leads the step holds what it heard of the others: of the rest nobody needs more at once than one move delivers.
    """
    leads = state.terms.leader(state.step) == state.me
    least = state.step - (1 if leads and state.step % 2 else 0)
    proposals = {s: p for s, p in state.proposals.items() if s >= least and s > state.certified}
    readies = {
        s: r if leads else {a: x for a, x in r.items() if a == state.me}
        for s, r in state.readies.items()
        if s >= least and s > state.certified
    }
    advances = {s: a for s, a in state.advances.items() if leads and s == state.step and s not in state.proposed}
    return replace(
        state, proposals=proposals, readies=readies, advances=advances, commits={}, seen=frozenset(), wanted=frozenset()
    )


def _shown(local: Local) -> tuple[object, ...]:
    """What others, or the member's own later acts, could see of it."""
    state = local.state
    held = frozenset((s, p.content.hash()) for s, p in state.proposals.items())
    certificate = state.certificate
    certified = None if certificate is None else (certificate.step, certificate.content.hash())
    return (
        local.said,
        state.step,
        certified,
        held if state.step in state.said else None,
        state.now_ms,
        state.sealed is None,
    )


def _key(local: Local) -> object:
    state = local.state
    return (local.member, _shown(local), *_heard_of(state), state.said, state.signed, _values(state))


def _heard_of(state: Instance) -> tuple[object, object, object]:
    readies = frozenset((s, r) for s, by in state.readies.items() for r in by.values())
    advances = frozenset((s, a) for s, by in state.advances.items() for a in by.values())
    held = frozenset((s, p.content.hash(), p.certificate is None) for s, p in state.proposals.items())
    return held, readies, advances


def ending(local: Local) -> object:
    """What counts of a state at the end of a search, where steps only rise and of what was said the advances are heard.

    The machine asks whether it is ready in the step that it is in, or has signed in it, and of former steps what its key is bound to.
    """
    state = local.state
    advances = frozenset(w for w in local.said if w.kind == "A")
    said = frozenset(s for s in state.said if s >= state.step)
    signed = frozenset(key for key in state.signed if key[0] >= state.step)
    bound = frozenset(state.bound.items())
    return (local.member, advances, _shown(local)[1:], *_heard_of(state), said, signed, bound, _values(state))


def _values(state: Instance) -> frozenset[bytes]:
    """Signatures of the values that it heard first."""
    return frozenset(v.signed.signature for v in state.values.values())
