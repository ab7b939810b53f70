"""How each method does in seeded worlds: error, delay and false alarms of the real pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from feeds.units import BPS, MS, WAD
from lab.play.run import play_round
from lab.scenario.case_parser import stretched
from lab.seeded.world import HONEST, SCENARIOS, Scenario, SeededWorld, feed, world
from oracle.combine.methods.registry import METHODS
from oracle.model.spec import FeedSpec
from oracle.model.state import FeedState
from oracle.model.status import Status
from oracle.report.compose import published_after
from oracle.round.step import Judged

ROUNDS = 540
"""An hour and a half: the window of an average over time fits into each third."""
_YEAR_S = 31_536_000
_HALF_STEP = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A method in a scenario, over all its worlds.

    Attributes:
        mean_bps, worst_bps: distance of the published market price from the truth.
        outside: share of the rounds with a price in which the truth lay outside of the price and its spread.
        silent: share of the rounds without a price.
        price_delay, status_delay: rounds after the step until the price had gone half of the way, and until the status was
            not ok; the largest of all worlds; None: not in the time there was, or no step.
        false_alarms: changes to a worse status while the truth lay inside the watch band.
    """

    method: str
    scenario: str
    mean_bps: float
    worst_bps: float
    outside: float
    silent: float
    price_delay: int | None
    status_delay: int | None
    false_alarms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _MethodRun:
    """One world as a method published it: prices (nan: none), spreads in bps, statuses."""

    prices: Sequence[float]
    spreads: Sequence[int]
    statuses: Sequence[Status]


def estimate(method: str, worlds: Sequence[SeededWorld], outliers: str | None = "mad") -> Estimate:
    """Run a method through worlds of one scenario."""
    spec = feed(method, outliers)
    runs = [_run_method(spec, w) for w in worlds]
    pairs = list(zip(runs, worlds, strict=True))
    prices = np.concatenate([r.prices for r in runs])
    truths = np.concatenate([w.truth for w in worlds])
    spreads = np.concatenate([r.spreads for r in runs])
    has_price = ~np.isnan(prices)
    errors = np.abs(prices - truths)[has_price] / truths[has_price] * BPS
    outside = np.abs(prices - truths)[has_price] > prices[has_price] * spreads[has_price] / BPS
    return Estimate(
        method=method,
        scenario=worlds[0].scenario.name,
        mean_bps=float(errors.mean()) if has_price.any() else float("nan"),
        worst_bps=float(errors.max()) if has_price.any() else float("nan"),
        outside=float(outside.mean()) if has_price.any() else 0.0,
        silent=float(1 - has_price.mean()),
        price_delay=_worst(_price_delay(r, w) for r, w in pairs),
        status_delay=_worst(_status_delay(r, w) for r, w in pairs),
        false_alarms=sum(_false_alarms(r, w, spec.bands.watch_bps) for r, w in pairs),
    )


def compare_methods(
    scenarios: Sequence[Scenario], seeds: Iterable[int], methods: Iterable[str] = METHODS, outliers: str | None = "mad"
) -> dict[tuple[str, str], Estimate]:
    """Every method in every scenario, each in the same worlds."""
    worlds_by_scenario: Mapping[str, list[SeededWorld]] = {
        s.name: [world(k, ROUNDS, scenario=s) for k in seeds] for s in scenarios
    }
    return {(m, name): estimate(m, worlds, outliers) for m in methods for name, worlds in worlds_by_scenario.items()}


def count_alarms(seeds: Iterable[int], rounds: int, interval_s: int) -> tuple[int, int, float]:
    """False alarms, alarms while the truth was outside the watch band, and feed-years, of honest worlds under the defaults."""
    spec = stretched(feed(), max(1, interval_s // 10))
    wrong = right = 0
    years = 0.0
    for seed in seeds:
        seeded = world(seed, rounds, interval_s, HONEST)
        run = _run_method(spec, seeded)
        false = _false_alarms(run, seeded, spec.bands.watch_bps)
        wrong += false
        right += _worse(run) - false
        years += rounds * interval_s / _YEAR_S
    return wrong, right, years


def step_response(method: str, seed: int) -> tuple[SeededWorld, Sequence[float]]:
    """A world with the step of 2 %, and the market prices that a method publishes in it (nan: none)."""
    seeded = world(seed, ROUNDS, scenario=SCENARIOS[-1])
    return seeded, _run_method(feed(method), seeded).prices


def _run_method(spec: FeedSpec, seeded: SeededWorld) -> _MethodRun:
    state, published = FeedState(), None
    prices, spreads, statuses = [], [], []
    for now_ms, outcomes in seeded.rounds():
        result, state = play_round(spec, state, outcomes, {}, now_ms, published)
        own = result.report if isinstance(result, Judged) else result.kept
        published = published_after(published, own, now_ms // MS)
        report = own if own and not own.status_only else None
        prices.append(report.market_wad / WAD if report else float("nan"))
        spreads.append(report.spread_bps if report else 0)
        statuses.append(state.judge.status)
    return _MethodRun(prices=prices, spreads=spreads, statuses=statuses)


def _false_alarms(run: _MethodRun, seeded: SeededWorld, band_bps: int) -> int:
    """Changes to a worse status at which the truth was inside the watch band, as it had been for ten rounds."""
    gaps = np.abs(seeded.truth / seeded.rate - 1) * BPS
    count = 0
    for i in range(1, len(run.statuses)):
        if run.statuses[i] > run.statuses[i - 1] and gaps[max(0, i - 10) : i + 1].max() < band_bps:
            count += 1
    return count


def _worse(run: _MethodRun) -> int:
    return sum(b > a for a, b in pairwise(run.statuses))


def _price_delay(run: _MethodRun, seeded: SeededWorld) -> int | None:
    if not seeded.scenario.step_bps:
        return None
    first, _ = seeded.middle
    goal = (seeded.truth[first - 1] + seeded.truth[first]) * _HALF_STEP
    return next((i - first for i in range(first, len(run.prices)) if run.prices[i] <= goal), None)


def _status_delay(run: _MethodRun, seeded: SeededWorld) -> int | None:
    first, _ = seeded.middle
    return next((i - first for i in range(first, len(run.statuses)) if run.statuses[i] > Status.OK), None)


def _worst(delays: Iterable[int | None]) -> int | None:
    """The largest, None if one never came."""
    listed = list(delays)
    known = [d for d in listed if d is not None]
    return max(known) if len(known) == len(listed) else None
