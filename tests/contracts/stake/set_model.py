"""What the set should know of stakes and make of them, written from the documents: windows, candidates, who is taken, weights."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.contracts.stake.stake_world import EPOCH_S, ETHER, JOIN_S, OBSERVED_S
from tests.contracts.stake.weights_model import Before, ModelSet, Rules, change_limit, model_set

MIN_STAKE, MIN_MEMBERS, MAX_MEMBERS = 10 * ETHER, 3, 7
RULES = Rules(3_400, 6_700, 8_000)


@dataclass
class Window:
    """Of one source and operator: the lowest since the last freeze, what counted then, whether the source failed then."""

    lowest: int
    counted: int = 0
    failed: bool = False
    closes: int = 1

    def counts(self, value: int | None, *, fresh: bool) -> int:
        """At a freeze; ``None``: the source does not answer. ``fresh``: the last freeze is two epochs ago at most."""
        if value is not None:
            return min(self.lowest, value)
        return 0 if self.failed or not fresh else min(self.lowest, self.counted)


@dataclass(frozen=True)
class Seen:
    """An operator as it was observed for a moment, of all sources at once; ``None``: the source did not answer."""

    at_s: int
    values: list[int | None]


@dataclass(frozen=True)
class Made:
    """A set by operator: weights, T, when it was frozen, and the moment that it captures of all members."""

    weights: dict[str, int]
    threshold: int
    frozen_s: int
    capture: int

    @property
    def total(self) -> int:
        return sum(self.weights.values())

    @property
    def limit(self) -> int:
        return change_limit(self.threshold, self.total)


@dataclass
class SetModel:
    """``values``: by operator and source, what it would say now."""

    sources: int
    values: dict[str, list[int | None]] = field(default_factory=dict)
    windows: dict[tuple[str, int], Window] = field(default_factory=dict)
    joined: dict[str, int] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    moment: int = 0
    freezes: int = 0
    frozen_s: int = 0
    in_force: Made | None = None
    silent: Made | None = None
    scheduled: Made | None = None

    def join(self, who: str, now: int) -> None:
        for i, value in enumerate(self.values[who]):
            old = self.windows.get((who, i))
            if old is not None and old.closes == self.freezes + 1:
                old.lowest = min(old.lowest, value or 0)
            else:
                self.windows[who, i] = Window(value or 0, closes=self.freezes + 1)
                self.seen.pop(who, None)
        self.joined[who] = now

    def observe(self, who: str, now: int) -> None:
        """The first who has anybody observed fixes the moment for an hour. A source that fails replaces no answer of that moment."""
        self.moment = self.capture(now)
        if not self.is_open(who):
            return
        for i, value in enumerate(self.values[who]):
            one = self.windows[who, i]
            one.lowest = min(one.lowest, one.lowest if value is None else value)
        old = self.usable(who, now)
        if old is None or all(v is not None or o is None for v, o in zip(self.values[who], old.values, strict=True)):
            self.seen[who] = Seen(self.moment, list(self.values[who]))

    def is_open(self, who: str) -> bool:
        """Whether it was a candidate at the last freeze or since."""
        return (who, 0) in self.windows and self.windows[who, 0].closes == self.freezes + 1

    def capture(self, now: int) -> int:
        """The moment that a freeze captures of everybody."""
        return self.moment if self.moment and now <= self.moment + OBSERVED_S else now

    def usable(self, who: str, now: int) -> Seen | None:
        """The observation that a freeze takes."""
        one = self.seen.get(who)
        return one if one is not None and one.at_s == self.capture(now) else None

    def said(self, who: str, now: int) -> list[int | None]:
        """By the sources, at a freeze."""
        seen = self.usable(who, now)
        return self.values[who] if seen is None else seen.values

    def counted(self, who: str, now: int) -> list[int]:
        fresh = now <= self.frozen_s + 2 * EPOCH_S
        return [self.windows[who, i].counts(v, fresh=fresh) for i, v in enumerate(self.said(who, now))]

    def stake(self, who: str, now: int) -> int:
        return sum(self.counted(who, now))

    def chosen(self, now: int) -> list[str]:
        able = [w for w, at in self.joined.items() if now >= at + JOIN_S and self.stake(w, now) >= MIN_STAKE]
        return sorted(able, key=lambda w: (-self.stake(w, now), int(w, 16)))[:MAX_MEMBERS]

    def next_set(self, now: int) -> tuple[list[str], ModelSet]:
        """Members by stake, and their weights."""
        members = self.chosen(now)
        before = self.silent or self.in_force
        previous = [0] * len(members)
        if before is not None:
            late = {w for w in members if self.silent is not None and self.joined[w] > self.silent.frozen_s}
            previous = [0 if w in late else before.weights.get(w, 0) for w in members]
        limits = [m.limit for m in (self.silent, self.in_force) if m is not None]
        reference = Before(before.threshold if before else 0, min(limits, default=0))
        return members, model_set([self.stake(w, now) for w in members], previous, reference, RULES)

    def rotate(self, now: int) -> Made | None:
        """The set that is made; none: T is not reached."""
        members, weighed = self.next_set(now)
        assert len(members) >= MIN_MEMBERS
        for who in self.joined:
            for i, (value, counted) in enumerate(zip(self.said(who, now), self.counted(who, now), strict=True)):
                lowest = counted if value is None else value
                self.windows[who, i] = Window(lowest, counted, value is None, self.freezes + 2)
        capture = self.capture(now)
        self.seen.clear()
        self.moment = 0
        self.freezes += 1
        self.frozen_s = now
        made = Made(dict(zip(members, weighed.weights, strict=True)), weighed.threshold, now, capture)
        if weighed.threshold > weighed.total:
            self.silent, self.scheduled = made, None
            return None
        self.scheduled = made
        return made

    def takes_over(self) -> None:
        """The next set was armed, and its time has come."""
        self.in_force, self.silent, self.scheduled = self.scheduled, None, None

    def removed(self, who: str) -> None:
        """From the present set, where the others reach T."""
        if (
            self.in_force is not None
            and self.in_force.total - self.in_force.weights.get(who, 0) >= self.in_force.threshold
        ):
            self.in_force.weights.pop(who, None)
