"""A question from its words to its answer: planned, its cost counted, then folded part by part by whoever reads for us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from oracle.config.resolve import ResolvedConfig
from oracle.query.answer import Document, answer_document
from oracle.query.plan import QueryLimits, check_cost, planned
from oracle.query.question import NOT_KEPT, TOO_COSTLY, PriceQuestion, QuestionRefused
from oracle.query.stored import FoldProgress, FoldTimes, QueryPoint, depths_at, fold, start_of, survey
from oracle.storage.round_rows import RoundRows

T = TypeVar("T")


class ReadRounds(Protocol):
    """Has a function of the stored rounds run, in another process or here."""

    def __call__(self, read: Callable[[RoundRows], T]) -> Awaitable[T]:
        """Its result."""


async def ask(
    resolved: ResolvedConfig, question: PriceQuestion, read: ReadRounds, limits: QueryLimits | None = None
) -> Document:
    """The answer as a document.

    Args:
        resolved: the checked config.
        question: what is asked.
        read: reads the stored rounds, a bounded part at a time, so that other reads come in between.
        limits: of what it may cost.

    Raises:
        QuestionRefused: why there is no answer, and what to ask instead.
    """
    most, plan = limits or QueryLimits(), planned(resolved, question)
    feed = plan.spec.feed
    span = await read(partial(survey, feed=feed))
    if span is None:
        raise QuestionRefused(NOT_KEPT, f"no round of {feed} is stored", "run the oracle first")
    to_s = (
        min(question.to_s or span.newest_s, span.newest_s)
        if question.step_s is None
        else question.to_s or span.newest_s
    )
    from_s = min(question.from_s or to_s, to_s)
    times = FoldTimes(from_s=from_s, to_s=to_s, step_s=question.step_s)
    if to_s < span.first_s or from_s > span.newest_s:
        text = f"rounds of {feed} are kept with their inputs from {span.first_s} to {span.newest_s}"
        raise QuestionRefused(NOT_KEPT, text, "ask of a time in between; of older ones there is .../history")
    operator = span.operators[0]
    depths = await read(partial(depths_at, feed=feed, at_s=from_s)) if question.wants_depth else None
    without = next((o.without for o in resolved.config.operators if o.name == operator), ())
    plan = planned(resolved, question, without=without, depths=depths)
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
    check_cost(start.rounds, from_s, to_s, question.step_s, most)
    points: dict[int, QueryPoint] = {}
    done = FoldProgress(next_s=start.first_s, state=start.state, is_own=start.is_own)
    while not done.is_done:
        part = await read(
            partial(fold, operator=operator, spec=plan.spec, times=times, progress=done, at_once=most.at_once)
        )
        points |= part.points
        done = part.progress
        if done.cpu_ms > most.cpu_ms:
            text = f"{done.folded} of {start.rounds} rounds took {done.cpu_ms} ms, and {most.cpu_ms} is the most"
            raise QuestionRefused(TOO_COSTLY, text, "ask a shorter time, or offline with lrt-oracle query")
    return answer_document(plan, span, times, points, done)


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
