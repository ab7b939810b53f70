"""Play a case through the real pipeline, round after round: the same code as in production, without the hashes of its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from feeds.types import Failure, Kind, Outcome, Print
from feeds.units import MS, WAD, Wad
from lab.case import Case
from oracle.combine.methods.registry import METHODS
from oracle.model.spec import FeedSpec, Mode
from oracle.model.state import FeedState
from oracle.model.status import Abstain, Reason, Status
from oracle.model.types import Abstained, Leg, Published, Report
from oracle.report.compose import price_of, published_after
from oracle.round.no_price import suspected_leg
from oracle.round.step import Judged, as_leg, evaluate, step

_NOTHING = Wad(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One round of the case's own feed.

    ``price_wad``: what a consumer of the feed's mode has at this time; it stays the last one while the feed abstains.
    ``fresh``: whether this round published it. ``t_ms``: since the case began. ``outcomes``: of the sources of
    each feed of the case.
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
    outcomes: Mapping[str, tuple[Outcome, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerView:
    """What a consumer has: the last report and how far its mode's ramp had gone. ``published``: see its class."""

    report: Report | None = None
    ramp_ppm: int = 0
    published: Published | None = None


def run(case: Case) -> tuple[Moment, ...]:
    """All rounds of a case, in order; those of the warm-up are played and left out."""
    states = {s.feed: FeedState() for s in case.specs}
    views = {s.feed: ConsumerView() for s in case.specs}
    out: list[Moment] = []
    for t_ms in range(-case.warm_up_ms, case.length_ms + 1, case.cadence_ms):
        now_ms = (case.began_ms + t_ms) // MS * MS
        legs: dict[str, Leg] = {}
        outcomes = _outcomes(case, t_ms)
        for spec in case.specs:
            name, before = spec.feed, views[spec.feed].published
            result, states[name] = play_round(spec, states[name], outcomes[name], legs, now_ms, before)
            leg = (
                as_leg(spec, result, states[name].rate, now_ms) if isinstance(result, Judged) else suspected_leg(result)
            )
            if leg is not None:
                legs[name] = leg
            views[name] = _after(views[name], result, now_ms // MS)
            if name == case.feed and t_ms >= 0:
                out.append(_moment(spec.mode, result, views[name], t_ms, outcomes))
    return tuple(out)


def _outcomes(case: Case, t_ms: int) -> dict[str, tuple[Outcome, ...]]:
    """What the sources answer; before the beginning, what they will answer at it."""
    since = case.began_ms + min(0, t_ms)
    return {feed: tuple(s.at(max(0, t_ms), since) for s in series) for feed, series in case.series.items()}


def play_round(
    spec: FeedSpec,
    state: FeedState,
    outcomes: Sequence[Outcome],
    legs: Mapping[str, Leg],
    now_ms: int,
    published: Published | None = None,
) -> tuple[Judged | Abstained, FeedState]:
    """One round as ``oracle.round.step.step`` makes it, less the hashes, which are more than half of its time."""
    if METHODS[spec.method].of_trades:
        outcomes = [with_trade(o) for o in outcomes]
    ranked = tuple(sorted(outcomes, key=lambda o: o.source))
    wanted = {s.convert for s in spec.sources} | {spec.share_of}
    own = {name: leg for name, leg in sorted(legs.items()) if name in wanted}
    try:
        judged = evaluate(spec, state, ranked, own, now_ms, published)
    except Abstain:
        result, after = step(spec, state, ranked, own, now_ms, published)
        assert isinstance(result, Abstained)  # noqa: S101 - the same call raised a line before
        return result, after
    return judged, judged.state


def with_trade(outcome: Outcome) -> Outcome:
    """The answer of a market with a trade of its depth at its price and time, of 1 where that is unknown.

    Neither cases nor worlds have trades of their own. The design ``dia_mair`` takes the same.
    """
    if isinstance(outcome, Failure) or outcome.kind is not Kind.MARKET or outcome.prints:
        return outcome
    made = Print(at_ms=outcome.observed_at_ms, price_wad=outcome.price_wad, volume_wad=outcome.depth_wad or WAD)
    return replace(outcome, prints=(made,))


def _after(view: ConsumerView, result: Judged | Abstained, round_time_s: int) -> ConsumerView:
    report = result.report if isinstance(result, Judged) else result.kept
    fresh = isinstance(result, Judged) and not result.report.status_only
    ramp_ppm = result.verdict.ramp_ppm if isinstance(result, Judged) and fresh else view.ramp_ppm
    return ConsumerView(
        report=report or view.report,
        ramp_ppm=ramp_ppm,
        published=published_after(view.published, report, round_time_s, ramp_ppm),
    )


def _moment(
    mode: Mode, result: Judged | Abstained, view: ConsumerView, t_ms: int, outcomes: Mapping[str, tuple[Outcome, ...]]
) -> Moment:
    report = view.report
    codes, texts, rejected = _reasons(result)
    return Moment(
        t_ms=t_ms,
        price_wad=price_of(report, mode, view.ramp_ppm) if report else _NOTHING,
        market_wad=report.market_wad if report else _NOTHING,
        redemption_wad=report.redemption_wad if report else _NOTHING,
        spread_bps=report.spread_bps if report else 0,
        status=report.status if report else Status.HALT,
        codes=codes,
        texts=texts,
        rejected=rejected,
        fresh=isinstance(result, Judged) and not result.report.status_only,
        outcomes=outcomes,
    )


def _reasons(result: Judged | Abstained) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Codes and sentences of the status, and the codes with which sources were refused."""
    if isinstance(result, Abstained):
        reasons = (*result.reasons, Reason(code=result.why, text=result.text))
        return (
            tuple(r.code.name for r in reasons),
            tuple(r.text for r in reasons),
            tuple(r.code for r in result.rejected),
        )
    reasons = result.verdict.reasons
    rejected = tuple(r.code for r in result.market.rejected) if result.market else ()
    return tuple(r.code.name for r in reasons), tuple(r.text for r in reasons), rejected
