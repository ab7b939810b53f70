"""What the members of a round say, put together: what each can sign, the reasons that they give, what was agreed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from oracle.model.spec import FeedSpec
from oracle.model.status import Reason
from oracle.model.types import FeedRound, Report, Result
from oracle.sign.messages import Agreement, SignedValues, SignerSet


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerSeat:
    """What the members sign for: a target, its signer set, and the index of each feed there.

    ``after``: the set whose rounds are those from ``from_s`` (Unix s) on; None while none is known to follow.
    """

    target: str
    signers: SignerSet
    indexes: Mapping[str, int]
    after: SignerSet | None = None
    from_s: int = 0

    def at(self, round_time_s: int) -> Self:
        """The seat with the set whose round that is."""
        if self.after is None or round_time_s < self.from_s:
            return self
        return replace(self, signers=self.after, after=None)


def reports_of(found: Mapping[str, Result]) -> dict[str, Report]:
    """What a member can sign: a round's report, or the status-only one of a round without a price."""
    reports = {feed: r.report if isinstance(r, FeedRound) else r.kept for feed, r in found.items()}
    return {feed: report for feed, report in reports.items() if report is not None}


def spoke(found: Mapping[str, Result], spec: FeedSpec) -> bool:
    """Whether a member signs anything of a feed, or of a leg of it."""
    return any(f in reports_of(found) for f in (spec.legs or (spec.feed,)))


def reasons_of(voices: Sequence[Result], report: Report) -> tuple[Reason, ...]:
    """Reasons of the operators that report this status; every reason code once."""
    out: dict[int, Reason] = {}
    for one in voices:
        if isinstance(one, FeedRound):
            said = one.verdict.reasons if one.report.status is report.status else ()
        else:
            same = report.status_only and one.kept is not None and one.kept.status is report.status
            said = (*one.reasons, Reason(code=one.why, text=one.text)) if same else ()
        for reason in said:
            out.setdefault(reason.code, reason)
    return tuple(out.values())


def agreements_of(
    round_time_s: int, values: tuple[SignedValues, ...], seat: SignerSeat | None
) -> tuple[Agreement, ...]:
    """What was agreed on at a seat: the input of the round's records; nothing without one."""
    if seat is None or not values:
        return ()
    return (
        Agreement(
            target=seat.target,
            round_time_s=round_time_s,
            signers=seat.signers,
            feeds=tuple(seat.indexes),
            indexes=tuple(seat.indexes.values()),
            values=values,
        ),
    )
