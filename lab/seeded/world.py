"""A seeded market: what a token is worth, what five sources quote, and which of them lie, are moved or fall silent.

ETH in USD is a geometric Brownian motion (60 % a year); the token's discount against its redemption rate reverts to its mean
(standard deviation 12 bps, half of the way back in two days) with rare jumps (four a year, 25 bps on average, half gone after
six hours); the rate grows by 3 % a year. Steps of that discount over a day are about as large as those of stETH in the quiet
months of 2021 and 2022. Three venues convert from dollars with up to three seconds of lag, so that ETH's moves show in them;
two pools stray within their fee. Floats make the world; what the sources say is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from feeds.errors import TimedOut
from feeds.types import Failure, Kind, Observation, Outcome, Pair
from feeds.units import MS, WAD, Wad
from oracle.config.sections import feed_section
from oracle.config.spec_builder import NO_FILTER, spec_of
from oracle.model.spec import FeedSpec, SourceSpec

Floats = NDArray[np.float64]
PAIR = Pair(base="lrtETH", quote="ETH")
BEGAN_MS = 1_700_000_000_000
VENUES, POOLS = ("venue a", "venue b", "venue c"), ("pool a", "pool b")
_DEPTHS = {"venue a": 150, "venue b": 100, "venue c": 60, "pool a": 600, "pool b": 300}
_YEAR_S, _DAY_S, _HOUR_S = 31_536_000, 86_400, 3_600
_ETH_VOLATILITY, _GROWTH, _RATE = 0.60, 0.03, 1.05
_DISCOUNT_SD, _DISCOUNT_HALF_S = 12e-4, 2 * _DAY_S
_JUMPS_YEAR, _JUMP_SIZE, _JUMP_HALF_S = 4, 25e-4, 6 * _HOUR_S
_VENUE_SD, _POOL_SD, _STRAY_HALF_S, _MOST_LAG_S = 2e-4, 3e-4, 60, 3.0
_BLOCK_MS = 12_000
_EVERY_S = 300
_HALF_SPREADS = {"venue": 3, "pool": 5}
_MOST_MOVE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens in the middle third of a world.

    ``liars`` sources of five say ``lie_bps`` more; the deepest pool's spot is moved upwards for one block every five minutes
    with a ``budget`` of base units; ``silent`` sources do not answer; at its beginning the token loses ``step_bps`` for good.
    """

    name: str
    liars: int = 0
    lie_bps: int = 0
    budget: int = 0
    silent: int = 0
    step_bps: int = 0


HONEST = Scenario(name="honest")
SCENARIOS = (
    HONEST,
    Scenario(name="1 of 5 lies by 3 %", liars=1, lie_bps=300),
    Scenario(name="2 of 5 lie by 3 %", liars=2, lie_bps=300),
    Scenario(name="2 of 5 lie by 50 %", liars=2, lie_bps=5_000),
    Scenario(name="3 of 5 lie by 3 %", liars=3, lie_bps=300),
    Scenario(name="a pool moved by 20 % for a block", budget=12_000),
    Scenario(name="2 of 5 silent", silent=2),
    Scenario(name="a step of 2 %", step_bps=-200),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededWorld:
    """A world round by round. ``truth`` and redemption ``rate``: quote per base; ``prices``: the same, as each source quotes it."""

    scenario: Scenario
    interval_s: int
    truth: Floats
    rate: Floats
    prices: dict[str, Floats]
    silent_sources: frozenset[str]

    @property
    def middle(self) -> tuple[int, int]:
        """Rounds from and to which the scenario acts."""
        return _middle(len(self.truth))

    def rounds(self) -> Iterator[tuple[int, tuple[Outcome, ...]]]:
        """Time (Unix ms) and outcomes of each round."""
        first, last = self.middle
        for i in range(len(self.truth)):
            now_ms = BEGAN_MS + i * self.interval_s * MS
            silent_sources = self.silent_sources if first <= i < last else frozenset()
            market = (self._outcome(n, prices[i], now_ms, silent_sources) for n, prices in self.prices.items())
            owed = Observation(
                pair=PAIR,
                source="rate",
                group="protocol",
                kind=Kind.REDEMPTION,
                price_wad=_wad(self.rate[i]),
                observed_at_ms=now_ms,
            )
            yield now_ms, (*market, owed)

    @staticmethod
    def _outcome(name: str, price: float, now_ms: int, silent_sources: frozenset[str]) -> Outcome:
        if name in silent_sources:
            return Failure(pair=PAIR, source=name, error=TimedOut("silent"), failed_at_ms=now_ms)
        wad, pool = _wad(price), name in POOLS
        half = wad * _HALF_SPREADS[name.split(maxsplit=1)[0]] // 10_000
        return Observation(
            pair=PAIR,
            source=name,
            group="chain:ethereum" if pool else name,
            kind=Kind.MARKET,
            price_wad=wad,
            observed_at_ms=now_ms,
            bid_wad=Wad(wad - half),
            ask_wad=Wad(wad + half),
            depth_wad=_DEPTHS[name] * WAD,
            chain_id=1 if pool else None,
            block=now_ms // _BLOCK_MS if pool else None,
        )


def world(seed: int, rounds: int, interval_s: int = 10, scenario: Scenario = HONEST) -> SeededWorld:
    """Make a world; the same arguments give the same one."""
    draw = np.random.default_rng(seed)
    seconds = np.arange(rounds, dtype=np.float64) * interval_s
    rate = _RATE * (1 + _GROWTH * seconds / _YEAR_S)
    discount = _reverting(draw, rounds, interval_s, _DISCOUNT_SD, _DISCOUNT_HALF_S) + _jumps(draw, rounds, interval_s)
    truth = rate * (1 + discount)
    first, last = _middle(rounds)
    truth[first:] *= 1 + scenario.step_bps / 10_000
    prices = {}
    for name in VENUES:
        lag_s = draw.uniform(0, _MOST_LAG_S)
        converted = draw.normal(0, _ETH_VOLATILITY * np.sqrt(lag_s / _YEAR_S), rounds)
        prices[name] = truth * (1 + converted + _reverting(draw, rounds, interval_s, _VENUE_SD, _STRAY_HALF_S))
    for name in POOLS:
        prices[name] = truth * (1 + _reverting(draw, rounds, interval_s, _POOL_SD, _STRAY_HALF_S))
    shuffled = list(draw.permutation((*VENUES, *POOLS)))
    for name in shuffled[: scenario.liars]:
        prices[name][first:last] *= 1 + scenario.lie_bps / 10_000
    if scenario.budget:
        move = min(_MOST_MOVE, scenario.budget / _DEPTHS["pool a"] / 100)
        prices["pool a"][first : last : max(1, _EVERY_S // interval_s)] *= 1 + move
    silent_sources = frozenset(shuffled[: scenario.silent])
    return SeededWorld(
        scenario=scenario, interval_s=interval_s, truth=truth, rate=rate, prices=prices, silent_sources=silent_sources
    )


def feed(method: str = "median", outliers: str | None = "mad") -> FeedSpec:
    """The feed of every world: the defaults of the config, pools averaged over a minute before they count as a group."""
    sources = [
        SourceSpec(
            name=name,
            pair=PAIR,
            kind=Kind.MARKET,
            group="chain:ethereum" if name in POOLS else name,
            max_age_s=60,
            average_s=60 if name in POOLS else 0,
        )
        for name in (*VENUES, *POOLS)
    ]
    owed = SourceSpec(name="rate", pair=PAIR, kind=Kind.REDEMPTION, group="protocol", max_age_s=_DAY_S)
    section = feed_section({"method": method, "outliers": outliers or NO_FILTER})
    return spec_of(str(PAIR), PAIR, section, [*sources, owed])


def _middle(rounds: int) -> tuple[int, int]:
    return rounds // 3, 2 * rounds // 3


def _reverting(draw: np.random.Generator, rounds: int, interval_s: int, sd: float, half_s: float) -> Floats:
    """An Ornstein-Uhlenbeck path with this standard deviation, begun in its long-run distribution."""
    kept = 0.5 ** (interval_s / half_s)
    noise = draw.normal(0, sd * np.sqrt(1 - kept**2), rounds)
    noise[0] = draw.normal(0, sd)
    return np.asarray(lfilter([1.0], [1.0, -kept], noise))


def _jumps(draw: np.random.Generator, rounds: int, interval_s: int) -> Floats:
    """Jumps at random times, either way, each fading."""
    hits = draw.random(rounds) < _JUMPS_YEAR * interval_s / _YEAR_S
    sizes = np.where(hits, draw.laplace(0, _JUMP_SIZE, rounds), 0.0)
    return np.asarray(lfilter([1.0], [1.0, -(0.5 ** (interval_s / _JUMP_HALF_S))], sizes))


def _wad(price: float) -> Wad:
    return Wad(int(price * 1e9) * 10**9)
