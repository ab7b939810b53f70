"""How far a reference lies from our price, over the rounds in which both stood; how often it did not, and how old it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from feeds.types import Kind
from feeds.units import MS, deviation_bps_away
from lab.shadow.rounds import TOO_OLD, ShadowRound


def percentile(values: Sequence[int], percent: int) -> int | None:
    """The least of the values that ``percent`` % of them do not exceed; None of none."""
    if not values:
        return None
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


@dataclass(slots=True, kw_only=True)
class Distance:
    """Figures of one reference, added up round by round.

    Args:
        place: of the reference among the words of a round.
        side: which of our prices it is compared with.
        band_bps: a distance that is counted when it is exceeded.
        gap_s: rounds further apart have a gap between them.

    Attributes:
        off_bps: theirs from ours in each round in which both stood, negative below.
        faults: rounds without it, by the code of the reason.
        unchanged_s: for how long its answer had been seen to stand, in each round in which it stood.
    """

    place: int
    side: Kind
    band_bps: int
    gap_s: int
    rounds: int = 0
    stood: int = 0
    beyond_spread: int = 0
    beyond_band: int = 0
    off_bps: list[int] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    age_ms: list[int] = field(default_factory=list)
    unchanged_s: list[int] = field(default_factory=list)
    worst: tuple[int, int] | None = None
    _held: tuple[int, int, int] = (0, 0, 0)
    """Its answer, since when, and when it was last seen."""

    def add(self, r: ShadowRound) -> None:
        """The next round."""
        self.rounds += 1
        word, own = r.words[self.place], r.own(self.side)
        if word.age_ms is not None:
            self.age_ms.append(word.age_ms)
        if not word.price_wad:
            self.faults[word.fault] += 1
            self._held = (0, 0, 0)
            return
        self.stood += 1
        price, since_s, seen_s = self._held
        is_same = price == word.price_wad and r.at_s - seen_s <= self.gap_s
        self._held = (word.price_wad, since_s if is_same else r.at_s, r.at_s)
        self.unchanged_s.append(r.at_s - self._held[1])
        if own:
            self._compare(r, deviation_bps_away(word.price_wad, own))

    def _compare(self, r: ShadowRound, off: int) -> None:
        self.off_bps.append(off)
        self.beyond_spread += abs(off) > r.spread_bps
        self.beyond_band += abs(off) > self.band_bps
        if self.worst is None or abs(off) > abs(self.worst[0]):
            self.worst = (off, r.at_s)

    @property
    def both(self) -> int:
        """Rounds in which it and our price stood."""
        return len(self.off_bps)

    def share(self, rounds: int) -> float | None:
        """Of the rounds in which both stood; None of none."""
        return round(rounds / self.both, 6) if self.both else None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        sizes = [abs(off) for off in self.off_bps]
        old = self.faults[TOO_OLD]
        missing = self.rounds - self.stood - old
        return {
            "rounds": self.rounds,
            "rounds_both": self.both,
            "too_old_share": _share(old, self.rounds),
            "absent_share": _share(missing, self.rounds),
            "faults": dict(self.faults.most_common()),
            "age_s": _ages(self.age_ms, MS),
            "unchanged_s": _ages(self.unchanged_s, 1),
            "distance_bps": None
            if self.worst is None
            else {
                "median": percentile(sizes, 50),
                "p95": percentile(sizes, 95),
                "p99": percentile(sizes, 99),
                "max": self.worst[0],
                "max_at": self.worst[1],
                "mean_signed": round(sum(self.off_bps) / self.both, 2),
            },
            "beyond_spread_share": self.share(self.beyond_spread),
            "band_bps": self.band_bps,
            "beyond_band_share": self.share(self.beyond_band),
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _ages(values: Sequence[int], per_s: int) -> dict[str, float] | None:
    if not values:
        return None
    p50, p99 = percentile(values, 50), percentile(values, 99)
    return {"p50": (p50 or 0) / per_s, "p99": (p99 or 0) / per_s, "max": max(values) / per_s}
