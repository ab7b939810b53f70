"""Withdraw rounds that are stored under a time that was not true, so that rounds go on from the last good one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from feeds.units import MS
from oracle.audit.recompute import refold
from oracle.model.canonical_json import dump
from oracle.model.publication import PushState
from oracle.model.state import FeedState, JudgeState
from oracle.model.status import Status
from oracle.storage.database import Database
from oracle.storage.withdrawn import Span

_WHY = "a clock was ahead when they were made"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What would be withdrawn of one operator and feed. ``left``: rounds that stay. ``state``: what they go on from.

    ``anew``: why that is a fresh state; None where it is the one after the last good round.
    """

    span: Span
    left: int
    state: FeedState
    anew: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disowning:
    """Everything that would be withdrawn. ``pushes``: (target, round_time, state) of pushes that carry such rounds.

    ``first_s``: the oldest round that is stored, 0 if none.
    """

    after_s: int
    first_s: int
    losses: tuple[Loss, ...]
    pushes: tuple[tuple[str, int, PushState], ...]

    def document(self, *, done: bool) -> dict[str, Any]:
        """As a JSON document."""
        return {
            "after": self.after_s,
            "after_time": stamp(self.after_s),
            "done": done,
            "withdrawn": [
                {"operator": x.span.operator, "feed": x.span.feed, "first": x.span.first_s, "last": x.span.last_s,
                 "rounds": x.span.count, "left": x.left, "begins_anew": x.anew}
                for x in self.losses
            ],
            "pushes": [{"target": t, "round": r, "state": s} for t, r, s in self.pushes],
        }  # fmt: skip

    def lines(self) -> list[str]:
        """As lines for people."""
        rows = [
            f"{x.span.feed:<18} {x.span.operator:<10} {x.span.count} rounds, {stamp(x.span.first_s)} to {stamp(x.span.last_s)};"
            f" {x.left} are left" + (f"; its state begins anew: {x.anew}" if x.anew else "")
            for x in self.losses
        ]
        signed = [f"signed   {t}: round {r} ({stamp(r)}) was made into a push ({s})" for t, r, s in self.pushes]
        if signed:
            signed.append(
                "signed   anybody who saw such a push can carry it once its time comes; the keys sign nothing else for these rounds"
            )
        return [f"after    {self.after_s} ({stamp(self.after_s)})", *rows, *signed]


def disowning(database: Database, after_s: int) -> Disowning:
    """What withdrawing all rounds after a round_time would do."""
    losses = tuple(_loss(database, span) for span in database.withdrawn.spans(after_s))
    pushes = tuple(database.withdrawn.pushes(after_s))
    return Disowning(after_s=after_s, first_s=database.withdrawn.first_s(), losses=losses, pushes=pushes)


def disown(database: Database, plan: Disowning, at_ms: int, why: str = _WHY) -> int:
    """Do it; returns the withdrawal's id."""
    states = {(x.span.operator, x.span.feed): (x.left, dump(x.state)) for x in plan.losses}
    return database.withdraw(plan.after_s, at_ms, why, states)


def stamp(round_s: int) -> str:
    """A round_time for people."""
    return datetime.fromtimestamp(round_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _loss(database: Database, span: Span) -> Loss:
    """The state after the last good round: the one that was kept before the first that goes, or what its inputs make of an earlier one."""
    good_s = span.first_s - 1
    left = database.rounds_of(span.operator, span.feed) - span.count
    kept = database.checkpoint(span.operator, span.feed, span.first_s)
    if kept is not None and kept[0] == span.first_s and left:
        return Loss(span=span, left=left, state=kept[1], anew=None)
    start = database.checkpoint(span.operator, span.feed, good_s)
    if start is None:
        return Loss(span=span, left=0, state=_begun_anew(database, span), anew="no earlier round of it is kept")
    rows = database.results_since(span.operator, span.feed, start[0], good_s)
    state = refold(database, rows, start[1])
    if isinstance(state, str):
        return Loss(span=span, left=0, state=_begun_anew(database, span), anew=state)
    return Loss(span=span, left=left, state=state, anew=None)


def _begun_anew(database: Database, span: Span) -> FeedState:
    """As a new feed; where it was published before, in watch at least, or in the worse status that it had."""
    before = database.history(span.feed, 0, (span.first_s - 1) * MS, 1)
    if not before:
        return FeedState()
    at_ms = before[-1].report.round_time_s * MS
    status = max(before[-1].report.status, Status.WATCH)
    return FeedState(judge=JudgeState(status=status, since_ms=at_ms, at_ms=at_ms))
