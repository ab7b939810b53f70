"""A world with a true time, a machine whose clock is set at will, and others who state the true time, or are silent."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from oracle.runtime.clock import Clock, ClockReading
from oracle.runtime.round_gate import HoldReason, HoldReporter, RoundGate, RoundHold

T0_MS = 1_700_000_000_000
BLOCK_MS = 12_000


@dataclass(kw_only=True)
class World:
    """Second by second; the gate is asked at every multiple of the interval by the process's own time."""

    interval_s: int = 10
    wall_ahead_ms: int = 0
    venues: bool = True
    blocks: bool = False
    names: tuple[str, ...] = ("kraken", "coinbase", "binance")
    lies_ms: tuple[int, ...] = ()
    flaps_ms: int = 0
    last_round_s: int = 0
    seed: int = 1
    true_ms: int = T0_MS
    made: list[tuple[int, int]] = field(default_factory=list)
    held: list[tuple[int, HoldReason]] = field(default_factory=list)
    reported: list[tuple[int, HoldReason]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.start()

    def start(self) -> None:
        """The process starts (again): what it knew is gone, what it stored is not."""
        self.booted_ms = self.true_ms
        self.clock = Clock(lambda: self.true_ms + self.wall_ahead_ms, lambda: self.true_ms - self.booted_ms)
        self.gate = RoundGate(self.clock, self.interval_s)
        self.holds = HoldReporter(self.interval_s, self.clock.monotonic_ms())
        self.number = self.clock.now_ms() // (self.interval_s * 1_000)
        self.unseen_step: ClockReading | None = None

    def run(self, seconds: int) -> None:
        """So many seconds pass."""
        for _ in range(seconds):
            self.true_ms += 1_000
            self.wall_ahead_ms = self.flaps_ms - self.wall_ahead_ms if self.flaps_ms else self.wall_ahead_ms
            self.speak()
            reading = self.clock.read()
            if reading.set_by_ms or reading.followed_ms:
                self.unseen_step = reading
            number = self.clock.now_ms() // (self.interval_s * 1_000)
            if number != self.number:
                self.number = number
                step = self.unseen_step
                self._make_due(
                    reading if step is None or reading.followed_ms else replace(step, confirmed=reading.confirmed)
                )
                self.unseen_step = None
            if (held := self.holds.due(self.clock.monotonic_ms())) is not None:
                self.reported.append((self.true_ms, held.reason))

    def speak(self) -> None:
        """Every source states a time: the true one, or a lie."""
        now_ms = self.clock.now_ms()
        if self.venues:
            for name in self.names:
                self.clock.watch.stated(name, self.true_ms - self.rng.randrange(20, 300), now_ms)
        for i, lie_ms in enumerate(self.lies_ms):
            self.clock.watch.stated(f"liar{i}", self.true_ms + lie_ms, now_ms)
        if self.blocks and self.true_ms % BLOCK_MS < 1_000:
            block_ms = self.true_ms // BLOCK_MS * BLOCK_MS - self.rng.randrange(4) * BLOCK_MS
            self.clock.watch.block("ethereum", block_ms, now_ms)

    def _make_due(self, reading: ClockReading) -> None:
        due = self.gate.decide(reading, self.last_round_s)
        if isinstance(due, RoundHold):
            self.holds.round_held(due)
            self.held.append((self.true_ms, due.reason))
        elif due is not None:
            assert due > self.last_round_s
            self.made.append((self.true_ms, due * 1_000))
            self.last_round_s = due
            self.holds.round_made(self.clock.monotonic_ms())

    @property
    def worst_ms(self) -> int:
        """How far a round was from the true time at most."""
        return max((abs(at - round_ms) for at, round_ms in self.made), default=0)

    def reasons(self) -> set[HoldReason]:
        return {reason for _, reason in self.held}


def played(world: World, events: Sequence[tuple[int, Mapping[str, int | bool]]]) -> World:
    """Each event: so many seconds pass, then something about the world is another."""
    for seconds, changes in events:
        world.run(seconds)
        for name, value in changes.items():
            setattr(world, name, value)
    return world


Check = Callable[[World], None]
