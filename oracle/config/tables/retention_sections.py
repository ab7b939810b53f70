"""[retention]: for how long each kind of what is stored is kept."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.model.keys import key

_DOC = "[storage](storage.md#what-is-kept-and-for-how-long)"
_FOR_GOOD_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSection:
    """[retention]: in days. The defaults fit on 1 GB of disk with the shipped config and one operator, for ever."""

    rounds_days: int | None = key(
        None,
        "rounds with all their inputs: so long `explain` shows them and `verify` recomputes them",
        least=1,
        most=_FOR_GOOD_DAYS,
        shown="7, or as long as evidence and disputes last",
        see=_DOC,
    )
    values_days: int | None = key(
        None,
        "what operators signed in a round; at least `rounds_days`, which could not be verified without",
        least=1,
        most=_FOR_GOOD_DAYS,
        shown="`rounds_days`",
    )
    records_days: int | None = key(
        None,
        "published records, one by one; at least `rounds_days`. Older ones thin out to one a minute, then one an hour; those at"
        " which the status changed, and those that were pushed from here, stay for good",
        least=1,
        most=_FOR_GOOD_DAYS,
        shown="`rounds_days`",
    )
    minutes_days: int | None = key(
        None,
        "records by the minute, from then on by the hour; at least `records_days`",
        least=1,
        most=_FOR_GOOD_DAYS,
        shown="30, or `records_days` if that is more",
    )
    hours_days: int | None = key(
        None,
        "records by the hour; at least `minutes_days`",
        least=1,
        most=_FOR_GOOD_DAYS,
        shown="1825, or `minutes_days` if that is more",
    )
    pushed_values_days: int | None = key(
        None,
        "what was signed for a push that landed: the evidence of what is on a chain; at least `values_days`",
        least=1,
        most=_FOR_GOOD_DAYS,
        shown="400, or `values_days` if that is more",
    )
    pushes_days: int | None = key(
        None,
        "transactions of pushes and what became of them; those that can still change stay whatever their age; at least"
        " `rounds_days`",
        least=1,
        most=_FOR_GOOD_DAYS,
        shown="400, or `rounds_days` if that is more",
    )
