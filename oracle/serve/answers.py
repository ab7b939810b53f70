"""Answers that need many stored rounds: functions of the past and of what was asked, to be run away from the event loop.

They are sent to another process, so each stands in this module under its name and gets plain values only.
"""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import MS
from oracle.model.publication import Record
from oracle.model.spec import FeedSpec
from oracle.serve.documents import history_document, looked_at, twap_document
from oracle.serve.evidence import explain_document
from oracle.serve.interface import Past
from oracle.serve.web import Body, HttpProblem

MAX_ROUNDS = 10_000
_BACK = 500


def history_answer(past: Past, *, feed: str, since_ms: int, until_ms: int, limit: int) -> Body:
    """Rounds with since <= round time < until, ascending, the newest ``limit`` of them."""
    found = past.history(feed, since_ms, until_ms - 1, limit + 1)
    rounds = [history_document(r) for r in found[-limit:]]
    return Body.json({"feed": feed, "more": len(found) > limit, "rounds": rounds})


def twap_answer(past: Past, *, spec: FeedSpec, of: str, window_s: int, until_ms: int) -> Body:
    """Both time-weighted means of the window that ends at a moment, with the price that stood when it began.

    Raises:
        Problem: the window holds too many rounds, or none with this price.
    """
    since_ms = max(0, until_ms - window_s * MS)
    found = past.history(spec.feed, since_ms, until_ms, MAX_ROUNDS + 1)
    if len(found) > MAX_ROUNDS:
        raise HttpProblem(400, "window_too_long", f"the window holds over {MAX_ROUNDS} rounds", "ask for a shorter one")
    rows = [*_standing(past, spec, since_ms), *found]
    mean = twap_document(spec, rows, of=of, since_ms=since_ms, until_ms=until_ms)
    if mean is None:
        raise HttpProblem(503, "no_record", f"no {of} of {spec.feed} in these {window_s} s", "see .../history")
    return Body.json(mean)


def _standing(past: Past, spec: FeedSpec, since_ms: int) -> Sequence[Record]:
    """The record whose price stood at a moment: the newest before it that somebody looked at, while a price stands."""
    until_ms, limit = since_ms - 1, 1
    while found := past.history(spec.feed, max(0, since_ms - spec.max_age_s * MS), until_ms, limit):
        fit = [r for r in found if looked_at(r)]
        if fit:
            return fit[-1:]
        until_ms, limit = found[0].report.round_time_s * MS - 1, _BACK
    return ()


def explain_answer(past: Past, *, feed: str, round_s: int | None, newest_s: int | None) -> Body:
    """Everything behind a round.

    Args:
        past: what is stored.
        feed: its name.
        round_s: the round that was asked for.
        newest_s: the one that is meant where none was asked for; None: the newest that is stored.

    Raises:
        Problem: it is not kept.
    """
    seen = past.explain(feed, round_s or newest_s)
    if seen is None and round_s is None:
        raise HttpProblem(503, "no_record", f"{feed} had no round yet", "try again after the first round")
    if seen is None:
        raise HttpProblem(404, "unknown_round", f"round {round_s} of {feed} is not kept", "see .../history")
    return Body.json(explain_document(feed, seen))
