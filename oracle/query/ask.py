"""A question from its words to its answer: planned, its cost counted, then folded part by part by whoever reads for us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from feeds.units import MS
from oracle.config.resolve import ResolvedConfig
from oracle.query.answer import Document, Whose, answer_document
from oracle.query.plan import QueryLimits, QueryPlan, check_cost, planned
from oracle.query.question import BAD_QUERY, NOT_KEPT, TOO_COSTLY, PriceQuestion, QuestionRefused
from oracle.query.sources import depths_of
from oracle.query.stored import (
    FoldPart,
    FoldProgress,
    FoldTimes,
    QueryPoint,
    StoredSpan,
    depths_at,
    fold,
    fold_moment,
    start_of,
    survey,
)
from oracle.round.live import Live, LiveInputs
from oracle.storage.round_rows import RoundRows

T = TypeVar("T")


class ReadRounds(Protocol):
    """Has a function of the stored rounds run, in another process or here."""

    def __call__(self, read: Callable[[RoundRows], T]) -> Awaitable[T]:
        """Its result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMoments:
    """The moments of a running process. ``live``: its live lane."""

    live: Live
    now_ms: Callable[[], int]

    def inputs(self, feed: str, after_ms: int) -> LiveInputs:
        """What a feed's price of this moment is made of, with the trades that came after a time."""
        return self.live.inputs(feed, self.now_ms(), after_ms)


async def ask(
    resolved: ResolvedConfig,
    question: PriceQuestion,
    read: ReadRounds,
    limits: QueryLimits | None = None,
    moments: LiveMoments | None = None,
) -> Document:
    """The answer as a document.

    Args:
        resolved: the checked config.
        question: what is asked.
        read: reads the stored rounds, a bounded part at a time, so that other reads come in between.
        limits: of what it may cost.
        moments: of the process that answers; None where there is a database alone.

    Raises:
        QuestionRefused: why there is no answer, and what to ask instead.
    """
    most, plan = limits or QueryLimits(), planned(resolved, question)
    if question.live and moments is None:
        text = "live is what a running process holds now, and this is a database alone"
        raise QuestionRefused(BAD_QUERY, text, "ask the process with --url, or leave live out")
    feed, now = plan.spec.feed, moments if question.is_of_now else None
    without = {o.name: o.without for o in resolved.config.operators}
    spans = await read(partial(survey, feed=feed, operators=tuple(without)))
    span = _read_span(plan, spans, without)
    times = _stored_times(question, feed, span) if now is None else _moment_times(now)
    operator = span.operator if span is not None else next(iter(without), "")
    depths = None
    if question.wants_depth and now is not None:
        depths = depths_of(now.inputs(feed, 0).outcomes)
    elif question.wants_depth:
        depths = await read(partial(depths_at, feed=feed, at_s=times.from_s))
    plan = planned(resolved, question, operator=operator, without=without.get(operator, ()), depths=depths)
    start = await read(
        partial(
            start_of,
            operator=operator,
            spec=plan.spec,
            is_own=plan.is_own,
            times=times,
            warm_up_s=plan.warm_up_s,
        )
    )
    check_cost(start.rounds, start.asked, from_s=times.from_s, to_s=times.to_s, step_s=question.step_s, limits=most)
    folding = partial(_folded, read, partial(fold, operator=operator, spec=plan.spec, at_once=most.at_once), most)
    begun = FoldProgress(next_s=start.first_s, state=start.state, is_own=start.is_own)
    points, done = await folding(times, begun, start.rounds)
    if now is not None:
        # rounds that were made meanwhile; the moment itself is taken after the last of them, with what was traded since
        times = _moment_times(now)
        _, done = await folding(times, replace(done, is_done=False), start.rounds)
        inputs = now.inputs(feed, done.state.judge.at_ms)
        part = await read(partial(fold_moment, spec=plan.spec, progress=done, now=inputs))
        points, done = dict(part.points), part.progress
        times = FoldTimes(from_s=inputs.now_ms // MS, to_s=inputs.now_ms // MS)
    whose = Whose(operator=operator, alone=len(spans) <= 1, first_s=span.first_s if span is not None else None)
    return answer_document(plan, whose, times, points, done, is_live=now is not None)


def _read_span(plan: QueryPlan, spans: Sequence[StoredSpan], without: Mapping[str, Sequence[str]]) -> StoredSpan | None:
    """The rounds that are read: of those who make rounds now the first one's who uses all sources that were chosen."""
    newest = [s for s in spans if s.newest_s == spans[0].newest_s]
    return next((s for s in newest if plan.is_whole(without.get(s.operator, ()))), newest[0] if newest else None)


def _moment_times(now: LiveMoments) -> FoldTimes:
    now_s = now.now_ms() // MS
    return FoldTimes(from_s=now_s, to_s=now_s)


def _stored_times(question: PriceQuestion, feed: str, span: StoredSpan | None) -> FoldTimes:
    """What prices of stored rounds are wanted for.

    Raises:
        QuestionRefused: none of that time is stored.
    """
    if span is None:
        raise QuestionRefused(NOT_KEPT, f"no round of {feed} is stored", "run the oracle first")
    newest_s = span.newest_s
    to_s = question.to_s or newest_s
    if to_s < span.first_s or (question.from_s or 0) > newest_s:
        text = f"rounds of {feed} are kept with their inputs from {span.first_s} to {newest_s}"
        raise QuestionRefused(NOT_KEPT, text, "ask of a time in between; of older ones there is .../history")
    to_s = to_s if question.step_s is not None else min(to_s, newest_s)
    from_s = min(question.from_s or to_s, to_s)
    return FoldTimes(from_s=from_s, to_s=to_s, step_s=question.step_s)


async def _folded(
    read: ReadRounds,
    fold_some: Callable[..., FoldPart],
    most: QueryLimits,
    times: FoldTimes,
    done: FoldProgress,
    rounds: int,
) -> tuple[dict[int, QueryPoint], FoldProgress]:
    """All rounds until the last time, a part after the other.

    Raises:
        QuestionRefused: it takes too long.
    """
    points: dict[int, QueryPoint] = {}
    while not done.is_done:
        part = await read(partial(fold_some, times=times, progress=done))
        points |= part.points
        done = part.progress
        if done.cpu_ms > most.cpu_ms:
            text = f"{done.folded} of {max(rounds, done.folded)} rounds took {done.cpu_ms} ms, and {most.cpu_ms} is the most"
            raise QuestionRefused(TOO_COSTLY, text, "ask a shorter time, or offline with lrt-oracle query")
    return points, done


class DirectRounds:
    """Reads in this process, one after the other: for a command.

    Args:
        stored: the rounds.
    """

    def __init__(self, stored: RoundRows) -> None:
        self._stored = stored

    async def __call__(self, read: Callable[[RoundRows], T]) -> T:
        """What the function makes of the rounds."""
        return read(self._stored)
