"""Who moved first: two prices cross the same steps, and each step is timed by the round in which either was first seen beyond it.

Each price stands on a step of its own ladder, ``move_bps`` apart, which begins at its own price: a bias between the two does not
count. A step that both make is a move of both; one that is taken back before the other has made it, or that the other has not
made within ``wait_s``, is a move of one. Only rounds in which both stood are looked at: what is seen after a gap may have been made
at any time in it, and of a move of one it is not known whether the other has made it and taken it back in a gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from feeds.units import BPS

_HAIR = 1e-9


class Mover(StrEnum):
    """Who made a move."""

    BOTH = "both"
    OURS = "ours alone"
    THEIRS = "theirs alone"
    UNKNOWN = "unknown"
    """One made it; whether the other did is not known: there was a gap meanwhile, or the data end before its time is over."""


_SWAPPED = {Mover.OURS: Mover.THEIRS, Mover.THEIRS: Mover.OURS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """A round in which both stood: the prices, and whose they are is up to the caller."""

    at_s: int
    ours: int
    theirs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMove:
    """One or several steps in one direction.

    ``ours_s`` and ``theirs_s``: rounds in which the first step was seen; None: not made. ``lead_s``: how long ours was before
    theirs, negative where theirs was; None of a move that not both made, or that both were seen to make in one round. ``within_s``: the lead is
    known to so much, the spacing of rounds. ``taken_back``: of a move of one, whether it returned before the other followed.
    """

    mover: Mover
    is_up: bool
    ours_s: int | None
    theirs_s: int | None
    within_s: int
    steps: int = 1
    last_s: int = 0
    taken_back: bool = False

    @property
    def at_s(self) -> int:
        """When it was first seen."""
        return min(s for s in (self.ours_s, self.theirs_s) if s is not None)

    @property
    def lead_s(self) -> int | None:
        """See above."""
        if self.mover is not Mover.BOTH or self.ours_s is None or self.theirs_s is None:
            return None
        return self.theirs_s - self.ours_s or None

    @property
    def first(self) -> str:
        """``ours``, ``theirs``, or ``unknown``."""
        if self.lead_s is None:
            return "unknown"
        return "ours" if self.lead_s > 0 else "theirs"

    def swapped(self) -> PriceMove:
        """The same with both sides in each other's place."""
        return replace(self, mover=_SWAPPED.get(self.mover, self.mover), ours_s=self.theirs_s, theirs_s=self.ours_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A step that one of the two made: from one place of the ladder to the next."""

    before: int
    after: int
    at_s: int
    within_s: int

    @property
    def is_up(self) -> bool:
        return self.after > self.before

    def shifted(self, by: int) -> _Step:
        return replace(self, before=self.before + by, after=self.after + by)

    def undoes(self, other: _Step) -> bool:
        return (self.before, self.after) == (other.after, other.before)

    def is_like(self, other: _Step) -> bool:
        return (self.before, self.after) == (other.before, other.after)


@dataclass(slots=True)
class _Ladder:
    """One price: where it began, the step that it stands on, and the steps that the other has not made."""

    anchor: float
    place: int = 0
    waiting: list[_Step] = field(default_factory=list)

    def climb(self, price: int, width: float, at_s: int, within_s: int) -> list[_Step]:
        """The steps that it makes with its next price. It leaves a place when it is a whole step away from it."""
        where = math.log(price / self.anchor) / width
        made = []
        while where >= self.place + 1 - _HAIR or where <= self.place - 1 + _HAIR:
            after = self.place + (1 if where > self.place else -1)
            made.append(_Step(before=self.place, after=after, at_s=at_s, within_s=within_s))
            self.place = after
        return made

    def shift(self, by: int, width: float) -> None:
        """Stand so many places further with the same price: what the other did alone is part of the bias from now on."""
        self.place += by
        self.anchor /= math.exp(width * by)
        self.waiting = [step.shifted(by) for step in self.waiting]


class _Moves:
    """Collects moves.

    Args:
        move_bps: the height of a step.
        wait_s: so long one of the two waits for the other.
        gap_s: rounds further apart have a gap between them.
    """

    def __init__(self, move_bps: int, wait_s: int, gap_s: int) -> None:
        self._width, self._wait_s, self._gap_s = math.log1p(move_bps / BPS), wait_s, gap_s
        self._ours: _Ladder | None = None
        self._theirs: _Ladder | None = None
        self._last_s = self._gap_end_s = 0
        self.found: list[PriceMove] = []

    def add(self, p: Pairing) -> None:
        ours, theirs, spacing = self._ours, self._theirs, p.at_s - self._last_s
        self._last_s = p.at_s
        if ours is None or theirs is None:
            self._ours, self._theirs = _Ladder(p.ours), _Ladder(p.theirs)
            return
        own = ours.climb(p.ours, self._width, p.at_s, spacing)
        other = theirs.climb(p.theirs, self._width, p.at_s, spacing)
        if spacing > self._gap_s:
            self._gap_end_s = p.at_s
        own_left, other_left = self._follow(own, theirs, is_ours=True), self._follow(other, ours, is_ours=False)
        self._pair(own_left, other_left)
        self._turn(ours, own_left, is_ours=True)
        self._turn(theirs, other_left, is_ours=False)
        self._give_up(ours, theirs, p.at_s, is_ours=True)
        self._give_up(theirs, ours, p.at_s, is_ours=False)

    def finish(self) -> None:
        """Whether the other would have made what one side still waits with is not known."""
        for ladder, is_ours in ((self._ours, True), (self._theirs, False)):
            for step in ladder.waiting if ladder is not None else ():
                self._alone(step, is_ours=is_ours, is_known=False)

    def _give_up(self, ladder: _Ladder, other: _Ladder, now_s: int, *, is_ours: bool) -> None:
        """Steps that the other has not made in time are of one alone."""
        late = [step for step in ladder.waiting if now_s - step.at_s > self._wait_s]
        for step in late:
            ladder.waiting.remove(step)
            self._alone(step, is_ours=is_ours)
            other.shift(step.after - step.before, self._width)

    def _follow(self, made: list[_Step], leader: _Ladder, *, is_ours: bool) -> list[_Step]:
        """Steps that the other has made before; returns the others."""
        left = []
        for step in made:
            led = next((w for w in leader.waiting if w.is_like(step)), None)
            if led is None:
                left.append(step)
                continue
            leader.waiting.remove(led)
            self._both(*((step, led) if is_ours else (led, step)))
        return left

    def _pair(self, own: list[_Step], other: list[_Step]) -> None:
        """Steps that both make in one round."""
        for step in tuple(own):
            same = next((s for s in other if s.is_like(step)), None)
            if same is not None:
                own.remove(step)
                other.remove(same)
                self._both(step, same)

    def _turn(self, ladder: _Ladder, made: list[_Step], *, is_ours: bool) -> None:
        """Steps that take back what the other has not followed; what is left waits for the other."""
        for step in made:
            undone = next((w for w in reversed(ladder.waiting) if step.undoes(w)), None)
            if undone is None:
                ladder.waiting.append(step)
            else:
                ladder.waiting.remove(undone)
                self._alone(undone, is_ours=is_ours, taken_back=True)

    def _both(self, own: _Step, other: _Step) -> None:
        self.found.append(
            PriceMove(
                mover=Mover.BOTH, is_up=own.is_up, ours_s=own.at_s, theirs_s=other.at_s,
                within_s=max(own.within_s, other.within_s), last_s=max(own.at_s, other.at_s),
            )
        )  # fmt: skip

    def _alone(self, step: _Step, *, is_ours: bool, taken_back: bool = False, is_known: bool = True) -> None:
        whose = Mover.OURS if is_ours else Mover.THEIRS
        mover = whose if is_known and self._gap_end_s < step.at_s else Mover.UNKNOWN
        self.found.append(
            PriceMove(
                mover=mover, is_up=step.is_up, ours_s=step.at_s if is_ours else None,
                theirs_s=None if is_ours else step.at_s, within_s=step.within_s, last_s=step.at_s, taken_back=taken_back,
            )
        )  # fmt: skip


def price_moves(
    pairings: Iterable[Pairing], *, move_bps: int, wait_s: int, gap_s: int, join_s: int
) -> tuple[tuple[PriceMove, ...], tuple[PriceMove, ...]]:
    """Every step by itself, and moves: steps of one direction and one maker that follow each other within ``join_s``; by time.

    Args:
        pairings: rounds in which both stood, ascending.
        move_bps: the height of a step, above zero.
        wait_s: a step that the other has not made within this is one's alone.
        gap_s: rounds further apart have a gap between them.
        join_s: steps no further apart are one move.
    """
    moves = _Moves(move_bps, wait_s, gap_s)
    for pairing in pairings:
        moves.add(pairing)
    moves.finish()
    steps = sorted(moves.found, key=lambda m: (m.at_s, m.last_s, m.is_up))
    return tuple(steps), _joined(steps, join_s)


def _joined(steps: Sequence[PriceMove], join_s: int) -> tuple[PriceMove, ...]:
    out: list[PriceMove] = []
    for step in steps:
        like = next((i for i in reversed(range(len(out))) if _goes_on(out[i], step, join_s)), None)
        if like is None:
            out.append(step)
        else:
            out[like] = replace(
                out[like], steps=out[like].steps + step.steps, last_s=max(out[like].last_s, step.last_s)
            )
    return tuple(out)


def _goes_on(move: PriceMove, step: PriceMove, join_s: int) -> bool:
    same = (move.mover, move.is_up, move.taken_back) == (step.mover, step.is_up, step.taken_back)
    return same and step.at_s <= move.last_s + join_s
