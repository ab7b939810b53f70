"""Play a case through the real pipeline, round after round: the same code as in production, without the hashes of its records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from feeds.types import Failure, Kind, Outcome, Print
from feeds.units import MS, WAD, Wad
from lab.play.quiet import Snapshot, period_rounds
from lab.scenario.case import Case
from lab.scenario.rows import FAR_MS
from oracle.combine.methods.registry import METHODS
from oracle.judge.redemption_rate import DAY_MS
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
    ``fresh``: whether this round published it. ``t_ms``: since the case began. ``deviation_bps``: of the round's own two prices,
    None without both. ``outcomes``: of the sources of each feed of the case. ``rounds``: it stands for so many in a row, the last of
    them at ``last_ms``, that are alike in all but the numbers in ``texts``.
    """

    t_ms: int
    price_wad: Wad
    market_wad: Wad
    redemption_wad: Wad
    spread_bps: int
    status: Status
    codes: tuple[str, ...]
    texts: tuple[str, ...]
    rejected: tuple[tuple[str, str], ...]
    fresh: bool
    deviation_bps: int | None
    outcomes: Mapping[str, tuple[Outcome, ...]]
    last_ms: int
    rounds: int = 1

    def is_like(self, other: Moment) -> bool:
        """Whether nothing but the time and the numbers in texts differs."""
        return _of_interest(self) == _of_interest(other)


def _of_interest(m: Moment) -> tuple[Any, ...]:
    return (
        m.price_wad,
        m.market_wad,
        m.redemption_wad,
        m.spread_bps,
        m.status,
        m.codes,
        m.rejected,
        m.fresh,
        m.deviation_bps,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerView:
    """What a consumer has: the last report and how far its mode's ramp had gone. ``published``: see its class."""

    report: Report | None = None
    ramp_ppm: int = 0
    published: Published | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedMemory:
    """What a feed of a case has after a round."""

    state: FeedState = field(default_factory=FeedState)
    view: ConsumerView = field(default_factory=ConsumerView)


def play(case: Case, *, leap: bool = True) -> Iterator[Moment]:
    """The rounds of a case, in order; those of the warm-up are played and left out.

    Rounds run at the case's interval, and one more at each of its rows, in the first whole second that has it.

    Args:
        case: what is played.
        leap: whether quiet stretches are leapt over (:mod:`lab.play.quiet`); one moment then stands for many rounds.
    """
    game = _Game(case)
    for t_ms in range(-case.warm_up_ms, 0, case.round_ms):
        game.round(t_ms)
    leaps = _Leaps(game) if leap else None
    t_ms, still_until_ms = 0, 0
    while t_ms <= case.length_ms:
        if leaps is not None and t_ms >= still_until_ms:
            still_until_ms = min(case.next_change_ms(t_ms), case.length_ms + 1)
            leaps.begin_anew()
        yield game.round(t_ms)
        following = case.next_round_ms(t_ms)
        if leaps is not None and following < still_until_ms and t_ms % case.round_ms == 0:
            for moment in leaps.after(t_ms, still_until_ms):
                yield moment
                following = case.next_round_ms(moment.last_ms)
        t_ms = following


class _Game:
    """A case that is being played: what each of its feeds remembers."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.memory = {s.feed: FeedMemory() for s in case.specs}
        self.newest: Moment | None = None

    def round(self, t_ms: int) -> Moment:
        """Play the round of a time."""
        case = self.case
        now_ms = (case.began_ms + t_ms) // MS * MS
        legs: dict[str, Leg] = {}
        outcomes = outcomes_at(case, t_ms)
        made: Moment | None = None
        after: dict[str, FeedMemory] = {}
        for spec in case.specs:
            name = spec.feed
            before = self.memory[name]
            result, state = play_round(spec, before.state, outcomes[name], legs, now_ms, before.view.published)
            leg = as_leg(spec, result, state.rate, now_ms) if isinstance(result, Judged) else suspected_leg(result)
            if leg is not None:
                legs[name] = leg
            after[name] = FeedMemory(state=state, view=_after(before.view, result, now_ms // MS))
            if name == case.feed:
                made = _moment(spec.mode, result, after[name].view, t_ms, outcomes)
        assert made is not None  # noqa: S101 - its own feed is one of the case's
        self.memory, self.newest = after, made
        return made


class _Leaps:
    """Looks for two periods that are alike, leaps, and looks whether the leap was right."""

    def __init__(self, game: _Game) -> None:
        self._game = game
        has_depth = any(s.depth is not None for series in game.case.series.values() for s in series)
        self._period = period_rounds(game.case.specs, game.case.round_ms, has_depth=has_depth)
        self._rest = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """The inputs have changed: what was seen before proves nothing."""
        self._snapshots: list[Snapshot] = []
        self._seen: list[Moment] = []
        self._rest = 0

    def after(self, t_ms: int, until_ms: int) -> Sequence[Moment]:
        """What follows a round that was played, as far as it is proven; nothing where it must be played. Inputs stand until then."""
        game, period = self._game, self._period
        if period is None or game.newest is None:
            return ()
        self._seen.append(game.newest)
        if self._rest:
            self._rest -= 1
            return ()
        if self._snapshots and len(self._seen) < period:
            return ()
        alike = all(m.is_like(self._seen[0]) for m in self._seen[1:])
        self._snapshots = [*self._snapshots[-2:], Snapshot(game.memory)] if alike else [Snapshot(game.memory)]
        latest, self._seen = self._seen[-1], []
        if len(self._snapshots) < 3:  # noqa: PLR2004 - two periods have three ends
            return ()
        first, second, third = self._snapshots
        growth = third.growth_since(second)
        if growth is None or growth != second.growth_since(first):
            return ()
        left = (min(until_ms, self._next_snapshot_ms(t_ms)) - 1 - t_ms) // game.case.round_ms
        times = left // period - 1
        while times >= 1:
            played = self._try(t_ms, third, growth, times, latest)
            if played:
                return played
            times //= 4
        self._rest = 4 * period
        return ()

    def _next_snapshot_ms(self, t_ms: int) -> int:
        """When the rate's next daily snapshot is due, which no leap can cross. A hint: what is proven does not rest on it."""
        now_ms = self._game.case.began_ms + t_ms
        rates = (m.state.rate for m in self._game.memory.values())
        due = (r.snapshots[-1][0] + DAY_MS for r in rates if r is not None and r.snapshots)
        return min((at - now_ms for at in due if at > now_ms), default=FAR_MS) + t_ms

    def _try(self, t_ms: int, end: Snapshot, growth: Sequence[int], times: int, like: Moment) -> Sequence[Moment]:
        """Leap over so many periods and play one more; nothing, and all as before, where that is not what was expected."""
        game, period, round_ms = self._game, self._period or 1, self._game.case.round_ms
        before = game.memory, game.newest
        game.memory = end.grown(growth, times)
        landed = Snapshot(game.memory)
        leapt_ms = times * period * round_ms
        played = [game.round(t_ms + leapt_ms + n * round_ms) for n in range(1, period + 1)]
        after = Snapshot(game.memory)
        if all(m.is_like(like) for m in played) and after.growth_since(landed) == growth:
            self._snapshots, self._seen = [landed, after], []
            last_ms = t_ms + leapt_ms
            outcomes = outcomes_at(game.case, last_ms)
            over = replace(like, t_ms=t_ms + round_ms, last_ms=last_ms, rounds=times * period, outcomes=outcomes)
            return (over, *played)
        game.memory, game.newest = before
        return ()


def outcomes_at(case: Case, t_ms: int) -> dict[str, tuple[Outcome, ...]]:
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
        last_ms=t_ms,
        price_wad=price_of(report, mode, view.ramp_ppm) if report else _NOTHING,
        market_wad=report.market_wad if report else _NOTHING,
        redemption_wad=report.redemption_wad if report else _NOTHING,
        spread_bps=report.spread_bps if report else 0,
        status=report.status if report else Status.HALT,
        codes=codes,
        texts=texts,
        rejected=rejected,
        fresh=isinstance(result, Judged) and not result.report.status_only,
        deviation_bps=result.verdict.deviation_bps if isinstance(result, Judged) else None,
        outcomes=outcomes,
    )


def _reasons(
    result: Judged | Abstained,
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Codes and sentences of the status, and the sources that were refused, each with its code."""
    if isinstance(result, Abstained):
        reasons = (*result.reasons, Reason(code=result.why, text=result.text))
        refused = result.rejected
    else:
        reasons, refused = result.verdict.reasons, result.market.rejected if result.market else ()
    return (
        tuple(r.code.name for r in reasons),
        tuple(r.text for r in reasons),
        tuple((r.source, str(r.code)) for r in refused),
    )
