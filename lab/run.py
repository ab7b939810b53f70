"""Play a case through the real pipeline: the same ``step`` as in production, round after round."""

from __future__ import annotations

from dataclasses import dataclass

from feeds.types import Outcome
from feeds.units import MS, Wad
from lab.case import Case
from oracle.pipeline import as_leg, step
from oracle.report import price_of
from oracle.types import Abstained, FeedState, Leg, Mode, Report, Result, Round, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One round of the case's own feed.

    ``price_wad``: what a consumer of the feed's mode has at this time; it stays the last one while the feed abstains.
    ``fresh``: whether this round published it. ``t_ms``: since the case began.
    """

    t_ms: int
    price_wad: Wad
    market_wad: Wad
    redemption_wad: Wad
    spread_bps: int
    status: Status
    codes: tuple[str, ...]
    texts: tuple[str, ...]
    rejected: tuple[str, ...]
    fresh: bool
    outcomes: tuple[Outcome, ...]


def run(case: Case) -> tuple[Moment, ...]:
    """All rounds of a case, in order."""
    states = {s.feed: FeedState() for s in case.specs}
    last: Report | None = None
    out: list[Moment] = []
    for t_ms in range(0, case.length_ms + 1, case.cadence_ms):
        now_ms = (case.began_ms + t_ms) // MS * MS
        legs: dict[str, Leg] = {}
        for spec in case.specs:
            outcomes = tuple(t.at(t_ms, case.began_ms) for t in case.tracks[spec.feed])
            result, states[spec.feed] = step(spec, states[spec.feed], outcomes, legs, now_ms)
            if isinstance(result, Round):
                legs[spec.feed] = as_leg(spec, result, states[spec.feed].rate, now_ms)
            if spec.feed == case.feed:
                last, moment = _moment(spec.mode, result, last, t_ms, outcomes)
                out.append(moment)
    return tuple(out)


def _moment(
    mode: Mode, result: Result, last: Report | None, t_ms: int, outcomes: tuple[Outcome, ...]
) -> tuple[Report | None, Moment]:
    if isinstance(result, Round):
        report: Report | None = result.report
        verdict = result.verdict
        rejected = tuple(r.code for r in result.market.rejected) if result.market else ()
        codes, texts = tuple(r.code.name for r in verdict.reasons), tuple(r.text for r in verdict.reasons)
        ramp = verdict.ramp_ppm
    else:
        assert isinstance(result, Abstained)
        report = result.halt or last
        rejected = tuple(r.code for r in result.rejected)
        codes, texts, ramp = (result.why.name,), (result.text,), 0
    known = report is not None
    return report, Moment(
        t_ms=t_ms,
        price_wad=price_of(report, mode, ramp) if report else Wad(0),
        market_wad=report.market_wad if report else Wad(0),
        redemption_wad=report.redemption_wad if report else Wad(0),
        spread_bps=report.spread_bps if report else 0,
        status=report.status if report else Status.HALT,
        codes=codes,
        texts=texts,
        rejected=rejected,
        fresh=known and isinstance(result, Round),
        outcomes=outcomes,
    )
