"""Histories of lies, proofs, top-ups, disputes and sources that break, held against a model after every call.

``LRT_ORACLE_PENALTY_STEPS`` calls (2,000 here, 20,000 under ``make fuzz``).
"""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.penalty_model import PenaltyModel
from tests.contracts.stake.penalty_world import (
    ANSWER_S,
    ARBITER,
    DAY,
    EPOCH_S,
    Lie,
    PenaltyWorld,
    key,
    operator,
)

STEPS = int(os.environ.get("LRT_ORACLE_PENALTY_STEPS", "2000"))
A_HISTORY = 100
EPOCHS, LIARS, HONEST = 5, (0, 1, 2, 3, 4), (5, 6)
SOURCES = 2
NOTHING = "Nothing"


class PenaltyHistory:
    """One seed: five that lie, two that never do, and two sources of which one breaks at times."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        everybody = (*LIARS, *HONEST)
        self.weights = {e: {n: self.rng.randrange(1, 20) for n in everybody} for e in range(1, EPOCHS + 1)}
        stakes = [self.rng.choice((0, 1, 3, 10**9, WAD, 32 * WAD)) for _ in range(SOURCES)]
        self.world = PenaltyWorld((1,) * len(everybody), sources=SOURCES, hostile=True, stake=0)
        self.first_s = self.world.evm.now
        for source, stake in zip(self.world.sources, stakes, strict=True):
            for n in everybody:
                self.world.bond(source, n, stake)
        until = {e: self.first_s + (e - 1) * EPOCH_S + ANSWER_S for e in self.weights}
        self.model = PenaltyModel(self.weights, [dict.fromkeys(everybody, s) for s in stakes], until)
        self.total = sum(stakes) * len(everybody)
        self.found = self.world.balance(STRANGER)
        self.ids: list[bytes] = []
        self.frozen = 0
        self.seen: Counter[str] = Counter()

    def freeze_what_is_due(self) -> None:
        while self.frozen < EPOCHS and self.first_s + self.frozen * EPOCH_S <= self.world.evm.now:
            epoch = self.frozen + 1
            told = list(self.weights[epoch].values())
            total = sum(told)
            capture = self.first_s + self.frozen * EPOCH_S
            frozen = (capture, capture + ANSWER_S, total * 2 // 3 + 1, total)
            keys = [key(n) for n in self.weights[epoch]]
            self.world.evm.ok(
                self.world.set, "freeze", epoch, frozen, keys, [operator(n) for n in self.weights[epoch]], told
            )
            self.frozen += 1

    def step(self) -> None:
        self.world.evm.jump(self.rng.choice((0, 0, 600, 3_600, DAY // 3)))
        self.freeze_what_is_due()
        what = self.rng.choice(
            ("prove", "prove", "prove", "topUp", "giveBack", "carryOut", "carryOut", "retry", "break")
        )
        if what == "break":
            self.break_or_mend()
        elif what == "prove":
            self.prove()
        elif self.ids:
            self.on_a_case(what)

    def break_or_mend(self) -> None:
        source = self.rng.randrange(SOURCES)
        mend = source in self.model.broken
        self.world.evm.ok(self.world.sources[source], "misbehave", 0 if mend else 1, b"")
        self.model.broken ^= {source}

    def prove(self) -> None:
        now, epoch, n = self.world.evm.now, self.rng.randrange(1, self.frozen + 1), self.rng.choice(LIARS)
        round_s = now + self.rng.choice((-DAY, -3, -2, -1, 0, 1, DAY))
        other = self.rng.choice((epoch, epoch, epoch, 999))
        lie = Lie(keys=(n, n), epochs=(epoch, other), round_s=round_s)
        error, told = self.world.call("prove", *self.world.words(lie), 0)
        before = len(self.model.cases)
        self.note("prove", error, self.model.prove(epoch, n, round_s, now, other=other))
        if len(self.model.cases) > before:
            self.ids.append(told[1])
        if not error:
            assert told[1] == self.ids[self.model.newest[epoch, n]]

    def on_a_case(self, what: str) -> None:
        number, now = self.rng.randrange(len(self.ids)), self.world.evm.now
        case, case_id = self.model.cases[number], self.ids[number]
        if what == "topUp":
            self.note(what, self.world.call(what, case_id)[0], self.model.top_up(case, now))
        elif what == "giveBack":
            self.note(what, self.world.call(what, case_id, sender=ARBITER)[0], self.model.give_back(case, now))
        elif what == "carryOut":
            self.note(what, self.world.call(what, case_id)[0], self.model.carry_out(case, now))
        else:
            step, source = self.rng.randrange(len(case.steps) + 1), self.rng.randrange(SOURCES)
            self.note(what, self.world.call(what, case_id, step, source)[0], self.model.retry(case, step, source, now))

    def note(self, what: str, error: str, expected: str) -> None:
        # an error of a source of the tests has no name here
        assert (NOTHING if error.startswith("0x") else error) == expected, what
        self.seen[f"{what} {expected or 'taken'}"] += 1

    def check(self) -> None:
        """To the wei: where stake is, what was found and taken; and nobody honest lost or was jailed."""
        model, world = self.model, self.world
        for source, stakes in enumerate(model.stakes):
            assert {n: world.stake(n, source) for n in stakes} == stakes
        aside = sum(v for c in model.cases for s in c.steps for i, v in s.aside.items() if i not in s.settled)
        taken = sum(int(world.evm.ok(s, "taken")) for s in world.sources)
        found = world.balance(STRANGER) - self.found
        assert (taken, found) == (model.treasury, model.found)
        held = sum(world.balance(s) for s in world.sources)
        assert held == sum(sum(s.values()) for s in model.stakes) + aside + taken
        assert held + found == self.total
        for n in HONEST:
            assert world.jailed_until(n) == 0
            assert all(world.record(e, n) == (0, 0, 0) for e in self.weights)
        for case, case_id in zip(model.cases, self.ids, strict=True):
            told = world.case(case_id)
            assert told[1:3] == (case.epoch, case.until)
            assert told[4:8] == (case.fraction, len(case.steps), case.settled, case.outcome)
            assert world.ok("fractionDue", case_id) == model.due(case)


@pytest.mark.fuzz
def test_stake_is_where_the_model_says_to_the_wei() -> None:
    seen: Counter[str] = Counter()
    for seed in range(STEPS // A_HISTORY):
        history = PenaltyHistory(seed)
        for number in range(A_HISTORY):
            history.step()
            if number % 5 == 0:
                history.check()
        history.check()
        seen += history.seen
    wanted = {
        "prove taken",
        "prove UsedEvidence",
        "prove TooLate",
        "topUp taken",
        "topUp NotNow",
        "topUp NothingDue",
        "giveBack taken",
        "giveBack NotNow",
        "carryOut taken",
        "carryOut NotNow",
        "retry taken",
        "retry NotNow",
        "retry Nothing",
        "retry TooLate",
    }
    assert wanted - seen.keys() == set()
