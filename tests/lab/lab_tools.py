"""Whole cases at once, as tests look at them: every round, every change of status, what does not come out, what the book suffers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from lab.outcome.book import Harm, LendingBook
from lab.outcome.judging import Judging
from lab.outcome.measure import Change, Meter, change_between, own_statement
from lab.play.run import Moment, play
from lab.scenario.case import Case


def run(case: Case) -> tuple[Moment, ...]:
    """All rounds of a case, each played."""
    return tuple(play(case, leap=False))


def changes(moments: Iterable[Moment]) -> tuple[Change, ...]:
    """Every change of our status."""
    return tuple(change for a, b in pairwise(moments) if (change := change_between(a, b)) is not None)


def failures(case: Case, moments: Iterable[Moment]) -> list[str]:
    """Expectations of a case that do not hold."""
    judging, meter = Judging(case), Meter(case.truth, case.length_ms)
    for m in moments:
        judging.add(m)
        meter.add(m.t_ms, own_statement(m))
    return judging.failures(meter.outcome().error_bps)


def harm(prices: Sequence[tuple[int | None, bool]], truths: Sequence[int]) -> Harm:
    """What the book suffers: at each moment the published price (None: none), whether the lender acts on it, and the truth."""
    book = LendingBook(truths[0], min(truths))
    for (price, is_open), truth in zip(prices, truths, strict=True):
        book.add(price, truth, is_open=is_open)
    return book.harm()
