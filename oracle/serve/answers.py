"""Answers that need many stored rounds: functions of the stored rounds and of a request, run away from the event loop.

They are sent to another process: each is a function of this module, and its arguments are plain values.
"""

from __future__ import annotations

from collections.abc import Sequence

from feeds.units import MS
from oracle.model.publication import Record
from oracle.model.spec import FeedSpec
from oracle.serve.documents import history_document, roll_up_document, twap_document
from oracle.serve.error_codes import ErrorCode
from oracle.serve.evidence import explain_document
from oracle.serve.interface import StoredRounds
from oracle.serve.operator_documents import sealed_document
from oracle.serve.security_documents import RecordSigners
from oracle.serve.web import Body, HttpProblem

MAX_ROUNDS = 10_000
_ROUNDS_AT_ONCE = 500


def history_answer(stored: StoredRounds, *, feed: str, since_ms: int, until_ms: int, limit: int) -> Body:
    """Rounds and roll-ups with since <= time < until, ascending, the newest ``limit`` of them together, one more where a round begins with its minute."""
    records = stored.history(feed, since_ms, until_ms - 1, limit + 1)
    rolled_up = stored.roll_ups(feed, since_ms, until_ms - 1, limit + 1)
    times = sorted([*(r.report.round_time_s for r in records), *(part.first_s for _, part in rolled_up)])
    first_s = times[-limit] if len(times) > limit else 0
    document = {
        "feed": feed,
        "more": len(times) > limit,
        "full_rate_since": stored.full_rate_since_s(feed) or None,
        "rounds": [history_document(r) for r in records if r.report.round_time_s >= first_s],
        "roll_ups": [roll_up_document(step_s, part) for step_s, part in rolled_up if part.first_s >= first_s],
    }
    return Body.json(document)


def twap_answer(stored: StoredRounds, *, spec: FeedSpec, of: str, window_s: int, until_ms: int) -> Body:
    """Both time-weighted means of the window that ends at a moment, with the price that was current when it began.

    Raises:
        HttpProblem: the window holds too many rounds, or none with this price, or not all of them are kept any more.
    """
    since_ms = max(0, until_ms - window_s * MS)
    if since_ms < (full_rate_s := stored.full_rate_since_s(spec.feed)) * MS:
        text = f"not every round of {spec.feed} before {full_rate_s} is kept"
        raise HttpProblem(404, ErrorCode.UNKNOWN_ROUND, text, "see .../history for its minutes and hours")
    records = stored.history(spec.feed, since_ms, until_ms, MAX_ROUNDS + 1)
    if len(records) > MAX_ROUNDS:
        raise HttpProblem(
            400, ErrorCode.WINDOW_TOO_LONG, f"the window holds over {MAX_ROUNDS} rounds", "ask for a shorter one"
        )
    records = [*_last_before(stored, spec, since_ms), *records]
    mean = twap_document(spec, records, of=of, since_ms=since_ms, until_ms=until_ms)
    if mean is None:
        raise HttpProblem(503, ErrorCode.NO_RECORD, f"no {of} of {spec.feed} in these {window_s} s", "see .../history")
    return Body.json(mean)


def _last_before(stored: StoredRounds, spec: FeedSpec, since_ms: int) -> Sequence[Record]:
    """The record whose price was current at a moment: the newest before it with fresh prices, if it is not too old."""
    until_ms, limit = since_ms - 1, 1
    while records := stored.history(spec.feed, max(0, since_ms - spec.max_age_s * MS), until_ms, limit):
        fresh = [r for r in records if not r.report.repeats_prices]
        if fresh:
            return fresh[-1:]
        until_ms, limit = records[0].report.round_time_s * MS - 1, _ROUNDS_AT_ONCE
    return ()


def explain_answer(stored: StoredRounds, *, feed: str, round_s: int | None, newest_s: int | None) -> Body:
    """Everything behind a round.

    Args:
        stored: the stored rounds.
        feed: its name.
        round_s: the requested round; None for the newest.
        newest_s: which round is the newest; None: the newest that is stored.

    Raises:
        HttpProblem: the round is not kept.
    """
    explanation = stored.explain(feed, round_s or newest_s)
    if explanation is None and round_s is None:
        raise HttpProblem(503, ErrorCode.NO_RECORD, f"{feed} has had no round yet", "try again after the first round")
    if explanation is None:
        raise HttpProblem(404, ErrorCode.UNKNOWN_ROUND, f"round {round_s} of {feed} is not kept", "see .../history")
    return Body.json(explain_document(feed, explanation))


def signers_of(stored: StoredRounds, *, round_s: int, target: str) -> RecordSigners | None:
    """Who could sign a round for a target, and who did; None where that is not kept."""
    agreement = stored.agreement(round_s, target)
    if agreement is None:
        return None
    signers = agreement.signers
    return RecordSigners(
        epoch=signers.epoch, threshold=signers.threshold, weights=dict(signers.members),
        signed=frozenset(a for a, _ in agreement.seals),
    )  # fmt: skip


def sealed_answer(stored: StoredRounds, *, round_s: int | None, target: str | None) -> Body:
    """A sealed round with its signatures; the newest where no round is named.

    Raises:
        HttpProblem: it is not kept, or was not sealed.
    """
    wanted_s = stored.newest_sealed_s(target) if round_s is None else round_s
    agreement = stored.agreement(wanted_s, target) if wanted_s is not None else None
    if agreement is not None:
        return Body.json(sealed_document(agreement))
    if round_s is None:
        raise HttpProblem(503, ErrorCode.NO_RECORD, "no round has been sealed yet", "see /v1/operators for why")
    raise HttpProblem(
        404, ErrorCode.UNKNOWN_ROUND, f"no sealed round {round_s} is kept", "see /v1/operators for rounds lost"
    )
