"""A ladder of attacks on an honest case: ever dearer sets of sources are moved, one set every half hour, and what is published is looked at.

What an attack costs is the capital that is moved, in base units at the fair price, not what is lost: for each source that is
moved, what a pool of constant product with the source's depth at 1 % takes to stand so far from its price. With f the ratio by
which its price is multiplied and g the larger of f and 1 / f:

    capital = depth * (sqrt(g) - 1) / (sqrt(1 / 0.99) - 1)

so that a fall of 1 % costs the depth. Limits: books and concentrated pools are thinner beyond 1 % or thicker, whoever trades
against the attacker makes it dearer to hold, and sources that copy one another are cheaper together than they count here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isqrt

from feeds.types import Kind
from feeds.units import BPS, MS, WAD
from lab.scenario.source_series import SeriesPath, SourceSeries
from oracle.model.status import Status

MOVES_BPS = (120, -120, 600, -600, 2_500, -2_500)
"""How far each source of a set is moved: a fifth more than each bound, and far enough to pull a mean."""
BOUNDS_BPS = (100, 500)
"""A published price is moved if it is so far from the truth."""
HOLD_MS = 300 * MS
EVERY_MS = 1_800 * MS
MOST_SOURCES = 4
_BREATH_MS = 240 * MS
"""Honest prices step up and down by a basis point: what stands still for long may count as a source that is stuck."""
_SQUARED = WAD * WAD
_ONE_PERCENT = isqrt(_SQUARED * 100 // 99) - WAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """All sources of a set stand ``moved_bps`` from their prices, from one time to another (ms since the case began)."""

    from_ms: int
    to_ms: int
    sources: tuple[str, ...]
    moved_bps: int
    cost_wad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cheapest:
    """The cheapest attack that moved what was published by a bound, unsaid; None: none of those tried.

    ``unsaid_ms``: for how long any of them did so at most.
    """

    bound_bps: int
    attack: Attack | None
    unsaid_ms: int = 0

    def document(self) -> dict[str, object]:
        """As JSON; the cost in whole base units, rounded up."""
        attack = self.attack
        return {
            "bound_bps": self.bound_bps,
            "cost": attack and cost_units(attack),
            "sources": attack and list(attack.sources),
            "moved_bps": attack and attack.moved_bps,
            "unsaid_s": self.unsaid_ms // MS,
        }


def cost_units(attack: Attack) -> int:
    """What an attack costs, in whole base units, rounded up."""
    return -(-attack.cost_wad // WAD)


def capital_wad(depth_wad: int, moved_bps: int) -> int:
    """The formula above, rounded down."""
    up, down = (BPS + moved_bps, BPS) if moved_bps > 0 else (BPS, BPS + moved_bps)
    return depth_wad * (isqrt(_SQUARED * up // down) - WAD) // _ONE_PERCENT


def ladder(depths: Mapping[str, int]) -> tuple[Attack, ...]:
    """Every set of sources with every move, the cheapest first, half an hour apart. ``depths``: base units at 1 %, in wad."""
    sets = [s for size in range(1, len(depths) + 1) for s in combinations(sorted(depths), size)]
    priced = [
        (sum(capital_wad(depths[n], moved) for n in names), names, moved) for names in sets for moved in MOVES_BPS
    ]
    return tuple(
        Attack(
            from_ms=place * EVERY_MS, to_ms=place * EVERY_MS + HOLD_MS, sources=names, moved_bps=moved, cost_wad=cost
        )
        for place, (cost, names, moved) in enumerate(sorted(priced, key=lambda p: (p[0], p[1], -p[2])), start=1)
    )


def depths_of(series: Sequence[SourceSeries]) -> dict[str, int | None]:
    """The depth of each market source at the beginning; None where it states none."""
    markets = [s for s in series if s.kind is Kind.MARKET]
    return {s.source: s.depth.at(0) if s.depth is not None else None for s in markets}


def under_attack(series: SourceSeries, attacks: Sequence[Attack]) -> SourceSeries:
    """The source with what the attacks do to it; a market breathes."""
    if series.kind is not Kind.MARKET:
        return series
    times = range(0, attacks[-1].to_ms + EVERY_MS, _BREATH_MS)
    held = [(at, series.price.at(at) or series.price.first) for at in times]
    steps = tuple((at, price + price * (place % 2) // BPS) for place, (at, price) in enumerate(held))
    own = tuple((a.from_ms, a.to_ms, a.moved_bps) for a in attacks if series.source in a.sources)
    return replace(series, price=SeriesPath(points=steps, between="step"), moved=own)


class AttackMeter:
    """Finds the cheapest attack at which a price was published too far from the truth, with a state no worse than just before it.

    So who always warns is judged like everybody else. Who was wrong by the bound already, or had no price, is not judged by an attack.
    """

    def __init__(self, attacks: Sequence[Attack]) -> None:
        self._attacks = attacks
        self._place = 0
        self._calm: tuple[int, Status] | None = None
        self._since: dict[int, int] = {}
        self._found: dict[int, Attack] = {}
        self._unsaid_ms = dict.fromkeys(BOUNDS_BPS, 0)

    def add(self, t_ms: int, off_bps: int | None, status: Status) -> None:
        """A time, how far the price that is published at it is from the truth (None: none is), and the state."""
        now = self._attack_at(t_ms)
        begun = now is not None and t_ms >= now.from_ms
        if now is None or not begun:
            self._calm = None if off_bps is None else (off_bps, status)
        for bound in BOUNDS_BPS:
            if now is not None and begun and self._gives_in(bound, off_bps, status):
                self._found[bound] = min(self._found.get(bound, now), now, key=lambda a: a.cost_wad)
                self._since.setdefault(bound, t_ms)
            else:
                self._end(bound, t_ms)

    def _attack_at(self, t_ms: int) -> Attack | None:
        """The attack that is under way or comes next."""
        while self._place < len(self._attacks) and self._attacks[self._place].to_ms <= t_ms:
            for bound in BOUNDS_BPS:
                self._end(bound, self._attacks[self._place].to_ms)
            self._place += 1
        return self._attacks[self._place] if self._place < len(self._attacks) else None

    def _gives_in(self, bound: int, off_bps: int | None, status: Status) -> bool:
        calm = self._calm
        return off_bps is not None and calm is not None and status <= calm[1] and calm[0] < bound <= off_bps

    def _end(self, bound: int, t_ms: int) -> None:
        since = self._since.pop(bound, t_ms)
        self._unsaid_ms[bound] = max(self._unsaid_ms[bound], t_ms - since)

    def cheapest(self) -> tuple[Cheapest, ...]:
        """For each bound; nothing where nothing was tried."""
        if not self._attacks:
            return ()
        return tuple(Cheapest(bound_bps=b, attack=self._found.get(b), unsaid_ms=self._unsaid_ms[b]) for b in BOUNDS_BPS)
