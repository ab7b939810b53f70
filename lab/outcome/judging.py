"""Whether a case's results are as expected: a sentence for everything that is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from feeds.units import wad_text
from lab.outcome.measure import change_between
from lab.play.run import Moment
from lab.scenario.attack import Cheapest, cost_units
from lab.scenario.case import Case
from lab.scenario.expect import ExpectedStatus
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.config.tables.schema import ConfigError

_PLACES = 6


def config_failures(case: Case) -> list[str]:
    """Expectations of a case about a config that do not hold: it has no moments, it must be refused."""
    return list(_refusal(case))


class Judging:
    """Compares a case's moments with its expected results as they come."""

    def __init__(self, case: Case) -> None:
        self._expected = case.expected
        self._reached = [False] * len(case.expected.by)
        self._worse: list[Moment | None] = [None] * len(case.expected.never)
        self._published: list[Moment | None] = [None] * len(case.expected.abstains)
        self._before: Moment | None = None
        self._changes = 0
        self._low: int | None = None
        self._high: int | None = None
        self._codes: set[str] = set()
        self._rejected: set[str] = set()

    def add(self, m: Moment) -> None:
        """The next moment."""
        expected = self._expected
        for i, by in enumerate(expected.by):
            self._reached[i] = self._reached[i] or (_within(m, by) and m.status >= by.status)
        for i, never in enumerate(expected.never):
            if self._worse[i] is None and _within(m, never) and m.status > never.status:
                self._worse[i] = m
        for i, (start, stop) in enumerate(expected.abstains):
            if self._published[i] is None and m.fresh and m.last_ms >= start and m.t_ms < stop:
                self._published[i] = m
        if self._before is not None and change_between(self._before, m) is not None:
            self._changes += 1
        self._before = m
        if m.fresh and m.market_wad:
            self._low = m.market_wad if self._low is None else min(self._low, m.market_wad)
            self._high = m.market_wad if self._high is None else max(self._high, m.market_wad)
        self._codes.update(m.codes)
        self._rejected.update(code for _, code in m.rejected)

    def failures(self, error_bps: int | None, cheapest: Sequence[Cheapest] = ()) -> list[str]:
        """What does not hold, after the last moment. ``error_bps``: our largest error; ``cheapest``: the attacks that we gave in to."""
        return [*self._statuses(), *self._prices(error_bps), *self._reasons(), *self._costs(cheapest)]

    def _costs(self, cheapest: Sequence[Cheapest]) -> Iterable[str]:
        found = {c.bound_bps: c.attack for c in cheapest}
        for bound, least in self._expected.dearer:
            attack = found.get(bound)
            if attack is not None and cost_units(attack) < least:
                names = ", ".join(attack.sources)
                yield f"{cost_units(attack)} base units moved {names} and the price by {bound} bps, at least {least} were expected"

    def _statuses(self) -> Iterable[str]:
        expected = self._expected
        for by, reached in zip(expected.by, self._reached, strict=True):
            if not reached:
                yield f"never {by.status.word} between {_s(by.from_ms)} and {_s(by.to_ms)}"
        for never, worse in zip(expected.never, self._worse, strict=True):
            if worse is not None:
                why = "; ".join(worse.texts)
                yield f"{worse.status.word} at {_s(worse.t_ms)} ({why}), no worse than {never.status.word} was expected"
        if expected.most_changes is not None and self._changes > expected.most_changes:
            yield f"{self._changes} changes of status, at most {expected.most_changes} were expected"

    def _prices(self, error: int | None) -> Iterable[str]:
        expected, low, high = self._expected, self._low, self._high
        if expected.max_error_bps is not None and error is not None and error > expected.max_error_bps:
            yield f"a price {error} bps from the truth, at most {expected.max_error_bps} were expected"
        if low is not None and expected.below is not None and low <= expected.below:
            yield f"a market price of {wad_text(low, _PLACES)} was published, more than {wad_text(expected.below, _PLACES)} was expected"
        if high is not None and expected.above is not None and high >= expected.above:
            yield f"a market price of {wad_text(high, _PLACES)} was published, less than {wad_text(expected.above, _PLACES)} was expected"
        for fresh in self._published:
            if fresh is not None:
                yield f"a price was published at {_s(fresh.t_ms)}, none was expected"

    def _reasons(self) -> Iterable[str]:
        yield from (f"{code} was never given as a reason" for code in self._expected.codes if code not in self._codes)
        yield from (
            f"no source was rejected as {code}" for code in self._expected.rejected if code not in self._rejected
        )


def refusal(case: Case) -> list[str]:
    """What the config of a case is refused with, as the program would at its start; empty if it would run."""
    try:
        resolve(parse(case.config))
    except ConfigError as e:
        return [f"{p.key}: {p.text}" for p in e.problems]
    return []


def _refusal(case: Case) -> Iterable[str]:
    problems, wanted = refusal(case), case.expected.refused or ""
    if not problems:
        yield "the config was accepted, a refusal was expected"
    elif not any(wanted in text for text in problems):
        yield f"the refusal says {'; '.join(problems)!r}, {wanted!r} was expected"


def _within(m: Moment, expected: ExpectedStatus) -> bool:
    return m.last_ms >= expected.from_ms and m.t_ms <= expected.to_ms


def _s(t_ms: int) -> str:
    return f"{t_ms // 1_000} s"
