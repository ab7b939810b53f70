"""Penalties by their documents, in Python: which calls are taken, what each step puts aside, and where the stake is."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from tests.contracts.contract_tools import WAD
from tests.contracts.stake.penalty_world import DISPUTE_S, DISPUTED, FINDER_BPS, LEAST, RETURNED, TAKEN

Place = tuple[int, int]
"""An epoch, and an operator in it."""


@dataclass
class StepModel:
    fraction: int
    outcome: int = DISPUTED
    aside: dict[int, int] = field(default_factory=dict)
    """By source, what was put aside there."""
    settled: set[int] = field(default_factory=set)


@dataclass
class CaseModel:
    epoch: int
    operator: int
    until: int
    fraction: int = 0
    outcome: int = DISPUTED
    settled: int = 0
    steps: list[StepModel] = field(default_factory=list)


def fraction_due(own: int, others: int, enough: int) -> int:
    """Little alone, all from 2T - W on (``enough``), linear in between."""
    if own + others >= enough:
        return WAD
    return LEAST + int(Fraction((WAD - LEAST) * others, enough - own))


class PenaltyModel:
    """Weights by epoch and operator, stakes by source and operator."""

    def __init__(self, weights: dict[int, dict[int, int]], stakes: list[dict[int, int]], until: dict[int, int]) -> None:
        self.weights, self.stakes, self.until = weights, stakes, until
        self.cases: list[CaseModel] = []
        self.newest: dict[Place, int] = {}
        self.counts: dict[Place, int] = {}
        self.returned: dict[Place, int] = {}
        self.recorded: set[tuple[int, int, int, int]] = set()
        self.opened: set[tuple[int, int, int, int]] = set()
        self.broken: set[int] = set()
        """Sources that revert now."""
        self.found = self.treasury = 0

    def due(self, case: CaseModel) -> int:
        """Fraction by all that counts now."""
        weights = self.weights[case.epoch]
        total = sum(weights.values())
        near = {p: w for p, w in self.counts.items() if abs(p[0] - case.epoch) <= 1 and p[1] != case.operator}
        most = {n: max(w for (_, m), w in near.items() if m == n) for _, n in near}
        return fraction_due(weights[case.operator], sum(most.values()), 2 * (total * 2 // 3 + 1) - total)

    def prove(self, epoch: int, operator: int, round_s: int, now: int, *, other: int = 0) -> str:
        """Two words of these epoch and round; these and the ``other`` word's epoch name the evidence here."""
        if now > self.until[epoch]:
            return "TooLate"
        place, evidence = (epoch, operator), (epoch, operator, round_s, other)
        opens = place not in self.newest or round_s > self.returned.get(place, round_s)
        if evidence in self.opened or (evidence in self.recorded and not opens):
            return "UsedEvidence"
        self.recorded.add(evidence)
        if opens:
            self.opened.add(evidence)
            self.returned.pop(place, None)
            self.counts[place] = self.weights[epoch][operator]
            self.newest[place] = len(self.cases)
            self.cases.append(CaseModel(epoch, operator, 0))
            self._seize(self.cases[-1], now)
        return ""

    def _seize(self, case: CaseModel, now: int) -> None:
        due = self.due(case)
        step = StepModel((due - case.fraction) * WAD // (WAD - case.fraction))
        case.fraction, case.until, case.outcome = due, now + DISPUTE_S, DISPUTED
        case.steps.append(step)
        for source in range(len(self.stakes)):
            if source not in self.broken:
                self._put_aside(case, step, source)

    def _put_aside(self, case: CaseModel, step: StepModel, source: int) -> bool:
        value = self.stakes[source][case.operator] * step.fraction // WAD
        if value:
            step.aside[source] = value
            self.stakes[source][case.operator] -= value
        return value != 0

    def top_up(self, case: CaseModel, now: int) -> str:
        """What is due beyond what was put aside."""
        over = case.outcome == TAKEN and case.settled == len(case.steps)
        if not over and not (case.outcome == DISPUTED and now < case.until):
            return "NotNow"
        if now > self.until[case.epoch]:
            return "TooLate"
        if self.due(case) <= case.fraction:
            return "NothingDue"
        self._seize(case, now)
        return ""

    def give_back(self, case: CaseModel, now: int) -> str:
        """The arbiter's word."""
        if case.outcome != DISPUTED or now >= case.until:
            return "NotNow"
        case.outcome = RETURNED
        place = case.epoch, case.operator
        del self.counts[place]
        self.returned[place] = now
        self._settle(case)
        return ""

    def carry_out(self, case: CaseModel, now: int) -> str:
        """Anybody, after the dispute."""
        if case.outcome != DISPUTED or now < case.until:
            return "NotNow"
        case.outcome = TAKEN
        self._settle(case)
        return ""

    def _settle(self, case: CaseModel) -> None:
        for step in case.steps[case.settled :]:
            step.outcome = case.outcome
            for source in step.aside.keys() - self.broken:
                self._end(case, step, source)
        case.settled = len(case.steps)

    def _end(self, case: CaseModel, step: StepModel, source: int) -> None:
        step.settled.add(source)
        value = step.aside[source]
        if step.outcome == RETURNED:
            self.stakes[source][case.operator] += value
        else:
            found = value * FINDER_BPS // 10_000
            self.found += found
            self.treasury += value - found

    def retry(self, case: CaseModel, number: int, source: int, now: int) -> str:
        """What a source did not do in a step; ``Nothing`` if it has nothing, or reverts still."""
        if number >= len(case.steps) or source in case.steps[number].settled:
            return "NotNow"
        step = case.steps[number]
        if source not in step.aside:
            if case.outcome == RETURNED:
                return "NotNow"
            if now > self.until[case.epoch] and not (case.outcome == DISPUTED and now < case.until):
                return "TooLate"
            return "" if source not in self.broken and self._put_aside(case, step, source) else "Nothing"
        if step.outcome == DISPUTED:
            return "NotNow"
        if source in self.broken:
            return "Nothing"
        self._end(case, step, source)
        return ""
