"""Play a case through the real pipeline, round after round: the same code as in production, without the hashes of its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feeds.types import Outcome
from feeds.units import MS, Wad
from lab.case import Case
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
    ``fresh``: whether this round published it. ``t_ms``: since the case began. ``heard``: what the sources of each feed
    of the case said.
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
    heard: Mapping[str, tuple[Outcome, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ConsumerView:
    """What a consumer holds: the last report and how far its mode's ramp had gone. ``published``: see its class."""

    report: Report | None = None
    ramp_ppm: int = 0
    published: Published | None = None


def run(case: Case) -> tuple[Moment, ...]:
    """All rounds of a case, in order; those of the warm-up are played and not told."""
    states = {s.feed: FeedState() for s in case.specs}
    held = {s.feed: _ConsumerView() for s in case.specs}
    out: list[Moment] = []
    for t_ms in range(-case.warm_up_ms, case.length_ms + 1, case.cadence_ms):
        now_ms = (case.began_ms + t_ms) // MS * MS
        legs: dict[str, Leg] = {}
        heard = _heard(case, t_ms)
        for spec in case.specs:
            name, before = spec.feed, held[spec.feed].published
            result, states[name] = turn(spec, states[name], heard[name], legs, now_ms, before)
            leg = (
                as_leg(spec, result, states[name].rate, now_ms) if isinstance(result, Judged) else suspected_leg(result)
            )
            if leg is not None:
                legs[name] = leg
            held[name] = _after(held[name], result, now_ms // MS)
            if name == case.feed and t_ms >= 0:
                out.append(_moment(spec.mode, result, held[name], t_ms, heard))
    return tuple(out)


def _heard(case: Case, t_ms: int) -> dict[str, tuple[Outcome, ...]]:
    """What the sources say; before the beginning what they will say at it."""
    since = case.began_ms + min(0, t_ms)
    return {feed: tuple(t.at(max(0, t_ms), since) for t in tracks) for feed, tracks in case.tracks.items()}


def turn(
    spec: FeedSpec,
    state: FeedState,
    outcomes: Sequence[Outcome],
    legs: Mapping[str, Leg],
    now_ms: int,
    published: Published | None = None,
) -> tuple[Judged | Abstained, FeedState]:
    """One round as ``pipeline.step`` makes it, less the hashes, which are more than half of its time."""
    given = tuple(sorted(outcomes, key=lambda o: o.source))
    wanted = {s.convert for s in spec.sources} | {spec.share_of}
    own = {name: leg for name, leg in sorted(legs.items()) if name in wanted}
    try:
        done = evaluate(spec, state, given, own, now_ms, published)
    except Abstain:
        result, after = step(spec, state, given, own, now_ms, published)
        assert isinstance(result, Abstained)  # noqa: S101 - the same call raised a line before
        return result, after
    return done, done.state


def _after(held: _ConsumerView, result: Judged | Abstained, round_time_s: int) -> _ConsumerView:
    report = result.report if isinstance(result, Judged) else result.kept
    fresh = isinstance(result, Judged) and not result.report.status_only
    ramp_ppm = result.verdict.ramp_ppm if isinstance(result, Judged) and fresh else held.ramp_ppm
    return _ConsumerView(
        report=report or held.report,
        ramp_ppm=ramp_ppm,
        published=published_after(held.published, report, round_time_s, ramp_ppm),
    )


def _moment(
    mode: Mode, result: Judged | Abstained, held: _ConsumerView, t_ms: int, heard: Mapping[str, tuple[Outcome, ...]]
) -> Moment:
    report = held.report
    codes, texts, rejected = _reasons(result)
    return Moment(
        t_ms=t_ms,
        price_wad=price_of(report, mode, held.ramp_ppm) if report else _NOTHING,
        market_wad=report.market_wad if report else _NOTHING,
        redemption_wad=report.redemption_wad if report else _NOTHING,
        spread_bps=report.spread_bps if report else 0,
        status=report.status if report else Status.HALT,
        codes=codes,
        texts=texts,
        rejected=rejected,
        fresh=isinstance(result, Judged) and not result.report.status_only,
        heard=heard,
    )


def _reasons(result: Judged | Abstained) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Codes and sentences of the status, and the codes with which sources were refused."""
    if isinstance(result, Abstained):
        said = (*result.reasons, Reason(code=result.why, text=result.text))
        return tuple(r.code.name for r in said), tuple(r.text for r in said), tuple(r.code for r in result.rejected)
    reasons = result.verdict.reasons
    rejected = tuple(r.code for r in result.market.rejected) if result.market else ()
    return tuple(r.code.name for r in reasons), tuple(r.text for r in reasons), rejected
