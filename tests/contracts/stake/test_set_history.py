"""Histories drawn from seeds: the set's every weight is the model's, and consecutive sets keep the laws of docs/invariants.md."""

from __future__ import annotations

import random
from collections import Counter
from copy import deepcopy
from fractions import Fraction

from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.set_model import MIN_MEMBERS, MIN_STAKE, Made, SetModel
from tests.contracts.stake.stake_world import (
    ANSWER_S,
    ANSWERS,
    BURNS,
    DAY_S,
    ETHER,
    JOIN_S,
    OBSERVED_S,
    PENALTIES,
    REVERTS,
    StakeWorld,
    operator,
)

HISTORIES, ACTS = 10, 90
OPERATORS = [operator(i) for i in range(1, 11)]
SOURCES = 2
OFTEN = {"value": 6, "silence": 2, "answer": 2, "observe": 2, "leave": 1, "join": 2, "jail": 1, "crash": 1, "turn": 6}
ACTS_OF_ALL = tuple(act for act, times in OFTEN.items() for _ in range(times))


class History:
    """One world and its model, act by act."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = StakeWorld(sources=SOURCES)
        self.model = SetModel(SOURCES, {w: [0] * SOURCES for w in OPERATORS})
        self.truth: dict[tuple[str, int], int] = {}
        self.seen: Counter[str] = Counter()
        for who in OPERATORS:
            self.world.new_key(who)
            for i in range(SOURCES):
                self.tell(who, i, self.rng.randrange(8, 120) * ETHER)
            if who != OPERATORS[-1]:
                self.join(who)
        self.world.evm.jump(JOIN_S)

    @property
    def now(self) -> int:
        return self.world.evm.now

    def tell(self, who: str, source: int, value: int) -> None:
        self.world.tell(who, value, source)
        self.truth[who, source] = value
        if self.model.values[who][source] is not None:
            self.model.values[who][source] = value

    def join(self, who: str) -> None:
        live = sum(v or 0 for v in self.model.values[who])
        error = self.world.evm.call(self.world.set, "join", sender=who)[0]
        if who in self.model.joined:
            assert error == "AlreadyJoined"
        elif self.world.evm.ok(self.world.set, "jailedUntil", who) > self.now:
            assert error == "InJail"
        elif live < MIN_STAKE:
            assert error == "TooLittleStake"
        else:
            assert not error
            self.model.join(who, self.now)
            self.seen["join"] += 1

    def step(self) -> None:
        who, source = self.rng.choice(OPERATORS), self.rng.randrange(SOURCES)
        if (act := self.rng.choice(ACTS_OF_ALL)) == "turn":
            self.turn()
        elif act in {"value", "silence", "answer"}:
            getattr(self, act)(who, source)
        else:
            getattr(self, act)(who)

    def value(self, who: str, source: int) -> None:
        now = self.truth[who, source]
        others = (0, now // 2, now * 9 // 10, now + ETHER, now * 2 + ETHER, 60 * ETHER)
        self.tell(who, source, self.rng.choice(others))

    def silence(self, who: str, source: int) -> None:
        self.world.behave(who, self.rng.choice((REVERTS, BURNS)), source)
        self.model.values[who][source] = None

    def answer(self, who: str, source: int) -> None:
        self.world.behave(who, ANSWERS, source)
        self.model.values[who][source] = self.truth[who, source]

    def observe(self, who: str) -> None:
        self.world.evm.ok(self.world.windows, "observe", [who], sender=STRANGER)
        self.seen["passed over, and fixed the moment"] += not (self.model.is_open(who) or self.model.moment)
        self.seen["observed"] += self.model.is_open(who)
        self.model.observe(who, self.now)

    def leave(self, who: str) -> None:
        error = self.world.evm.call(self.world.set, "leave", sender=who)[0]
        assert error == ("" if self.model.joined.pop(who, None) else "NotCandidate")

    def crash(self, who: str) -> None:
        """Most of everybody's stake goes."""
        source = OPERATORS.index(who) % SOURCES
        for one in OPERATORS:
            self.tell(one, source, self.truth[one, source] // 6)
            self.tell(one, 1 - source, min(self.truth[one, 1 - source], 15 * ETHER))

    def jail(self, who: str) -> None:
        self.world.evm.ok(
            self.world.set, "jail", who, self.now + self.rng.choice((0, 1, 5)) * DAY_S + 1, sender=PENALTIES
        )
        self.model.joined.pop(who, None)
        if not self.world.evm.call(self.world.set, "remove", who, sender=STRANGER)[0]:
            self.seen["removed"] += 1
        self.model.removed(who)

    def turn(self) -> None:
        """An epoch passes, and anybody rotates; some were observed before. Sometimes a set is not armed."""
        due = self.world.evm.ok(self.world.set, "nextRotateAt")
        self.world.evm.jump(max(0, due - self.now) + self.rng.choice((0, 0, 600, DAY_S)))
        for who in self.rng.sample(OPERATORS, self.rng.choice((0, 0, 4, 10))):
            self.observe(who)
            if self.rng.random() < 0.4:
                self.value(who, self.rng.randrange(SOURCES))
            if self.rng.random() < 0.3:
                self.silence(who, self.rng.randrange(SOURCES))
            if self.rng.random() < 0.3:
                self.observe(who)
        self.world.evm.jump(self.rng.choice((0, 0, 600, OBSERVED_S, OBSERVED_S + 1)))
        members, weighed = self.model.next_set(self.now)
        rows, threshold, total = self.world.preview()
        assert {w: rows[w].weight for w in members} == dict(zip(members, weighed.weights, strict=True))
        assert (threshold, total) == (weighed.threshold, weighed.total)
        again = self.rng.sample(OPERATORS, self.rng.choice((0, 0, 4, 10)))
        before = deepcopy(self.model)
        for who in again:
            self.model.observe(who, self.now)
        how = ("observeAndRotate", again) if again else ("rotate",)
        error, epoch = self.world.evm.call(self.world.set, *how, sender=STRANGER)
        if len(self.model.chosen(self.now)) < MIN_MEMBERS:
            assert error == "TooFewMembers"
            self.model = before
            return
        assert not error
        asked = [w for w in self.model.chosen(self.now) if self.model.usable(w, self.now) is None]
        made = self.model.rotate(self.now)
        self.seen["observed and made"] += bool(made and again)
        self.seen["made" if made else "silent"] += 1
        if made is None:
            assert epoch == 0
            return
        assert self.world.weights(epoch) == made.weights
        captures = {self.world.evm.ok(self.world.set, "captureOf", epoch, w) for w in made.weights}
        assert captures == {made.capture}
        assert self.world.evm.ok(self.world.set, "frozenOf", epoch)[:2] == (made.capture, made.capture + ANSWER_S)
        self.seen["seen before"] += made.capture < self.now
        self.seen["asked for an earlier moment"] += made.capture < self.now and bool(asked)
        assert self.world.evm.ok(self.world.set, "frozenOf", epoch)[2:] == (made.threshold, made.total)
        if self.rng.random() < 0.2:
            self.world.evm.jump(self.world.evm.ok(self.world.set, "nextRotateAt") - self.now)
            self.seen["unarmed"] += 1
            return
        self.world.arm()
        self.check(made)
        self.model.takes_over()

    def check(self, made: Made) -> None:
        """The set that takes over, beside the set before it."""
        assert made.threshold > Fraction(2, 3) * made.total
        before = self.model.in_force
        if before is None or self.model.silent is not None:
            return
        rise = sum(max(0, w - before.weights.get(who, 0)) for who, w in made.weights.items())
        fall = max(0, before.threshold - made.threshold)
        assert 2 * (rise + fall) <= 2 * before.threshold - before.total
        self.seen["compared"] += 1


def test_every_weight_follows_from_stakes_alone() -> None:
    """Whoever joins, leaves, is jailed, is silent for a while, and whoever does not arm: as the model has it, at every freeze."""
    seen: Counter[str] = Counter()
    for seed in range(HISTORIES):
        history = History(seed)
        for _ in range(ACTS):
            history.step()
        seen += history.seen
    missed = [
        k
        for k in (
            "join",
            "removed",
            "made",
            "silent",
            "unarmed",
            "compared",
            "observed",
            "seen before",
            "asked for an earlier moment",
            "passed over, and fixed the moment",
            "observed and made",
        )
        if seen[k] < 5
    ]
    assert not missed, seen
