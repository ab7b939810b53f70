"""Scores what an oracle answered: a CSV of times, prices, spreads and states for each case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from feeds.units import WAD
from lab.benchmark.layout import ANSWER_COLUMNS, CASE, BenchmarkError, PublishedCase, read_case, rows_of
from lab.outcome.measure import Meter, Outcome
from lab.outcome.summary import SummaryRow, row_of
from lab.play.peers import PeerStatement
from lab.scenario.attack import Cheapest
from lab.scenario.rows import FAR_MS
from oracle.model.status import Status
from oracle.model.suggest import nearest

_WORDS = {s.word: s for s in Status}
_YEAR_MS = 365 * 86_400_000
_MOST_SPREAD = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseScore:
    """One case: what it came to, and how often the state got worse, which in an honest case is a false alarm.

    ``open_ms``: for how long a price was published (there was one, and the state was not halt); ``spread_bps_ms``: the spreads stated with
    it, each times how long it stood; None where none was stated.
    """

    case: PublishedCase
    outcome: Outcome
    alarms: int
    open_ms: int
    spread_bps_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """An oracle over the cases that it answered. ``missing``: cases without an answer."""

    name: str
    cases: tuple[CaseScore, ...]
    missing: tuple[str, ...]

    def _of(self, part: str | None) -> list[CaseScore]:
        """The cases of a part but for those of attacks, which tell their cost alone."""
        return [s for s in self.cases if part in (None, s.case.part) and not s.case.attacks]

    def costs(self) -> dict[str, tuple[Cheapest, ...]]:
        """Of each case of attacks, the cheapest that moved what was published, by each bound."""
        return {s.case.name: s.outcome.cheapest for s in self.cases if s.case.attacks}

    def row(self, part: str | None = None) -> SummaryRow:
        """All cases with a truth, or those of a part, as one row; without those of attacks."""
        found = [s for s in self._of(part) if s.case.truth is not None]
        return row_of(self.name, [(s.case.name, s.outcome) for s in found])

    @property
    def has_states(self) -> bool:
        """Whether it ever said that a price is to be relied on less: who has no states has no false alarms, and that is no merit."""
        return any(s.alarms for s in self.cases)

    def false_alarms(self, part: str | None = None) -> tuple[int, float]:
        """False alarms in honest cases, and the feed-years that those cover."""
        honest = [s for s in self._of(part) if s.case.honest]
        return sum(s.alarms for s in honest), sum(s.case.length_ms for s in honest) / _YEAR_MS

    def published(self, part: str | None = None) -> tuple[float, float | None]:
        """Each case alike: the mean share of its time in which a price was published, and the median of the mean spreads (bps); None: none."""
        own = self._of(part)
        shares = [s.open_ms / s.case.length_ms for s in own]
        spreads = [s.spread_bps_ms / s.open_ms for s in own if s.spread_bps_ms is not None and s.open_ms]
        return (mean(shares) if shares else 0.0, median(spreads) if spreads else None)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        alarms, years = self.false_alarms()
        return {
            "oracle": self.name,
            "missing": list(self.missing),
            "honest": {"alarms": alarms if self.has_states else None, "feed_years": round(years, 4)},
            "cases": {
                s.case.name: {
                    "part": s.case.part,
                    "alarms": s.alarms,
                    "published_share": round(s.open_ms / s.case.length_ms, 6),
                    **s.outcome.document(),
                }
                for s in self.cases
            },
        }


def score(cases: Path, answers: Path) -> Score:
    """Score a folder of answers, one CSV a case.

    Raises:
        BenchmarkError: the folders or a file cannot be used: which, where, and what to write.
    """
    known = sorted(f.parent for f in cases.glob(f"*/{CASE}"))
    if not known:
        raise BenchmarkError(f"{cases} has no cases: write them with lrt-oracle benchmark export {cases}")
    names = {folder.name for folder in known}
    given = {f.stem: f for f in sorted(answers.glob("*.csv"))}
    if not given:
        raise BenchmarkError(
            f"{answers} has no answers: write a file CASE.csv with {', '.join(ANSWER_COLUMNS)} for each case"
        )
    for name, file in given.items():
        if name not in names:
            raise BenchmarkError(f"{file}: {name!r} is not a case; {nearest(name, names)}")
    scored = [score_case(read_case(folder), given[folder.name]) for folder in known if folder.name in given]
    return Score(name=answers.name, cases=tuple(scored), missing=tuple(sorted(names - set(given))))


def score_case(case: PublishedCase, file: Path) -> CaseScore:
    """Score the answers to one case. An answer stands until the next one; it is looked at in every round.

    Raises:
        BenchmarkError: the file cannot be used.
    """
    answers = _answers(file)
    meter = Meter(case.truth, case.length_ms, case.attacks)
    nothing = PeerStatement(price_wad=None)
    place, t_ms, alarms, open_ms = -1, 0, 0, 0
    spread: int | None = None
    status: Status | None = None
    while t_ms <= case.length_ms:
        while place + 1 < len(answers) and answers[place + 1][0] <= case.began_ms + t_ms:
            place += 1
        now = answers[place][1] if place >= 0 else nothing
        meter.add(t_ms, now)
        alarms += status is not None and now.status > status
        status = now.status
        following = answers[place + 1][0] - case.began_ms if place + 1 < len(answers) else FAR_MS
        change_ms = min(following, case.truth.next_change_ms(t_ms) if case.truth else FAR_MS)
        after_ms = max(t_ms + case.round_ms, -(-change_ms // case.round_ms) * case.round_ms)
        if now.price_wad and now.is_open:
            lasted_ms = min(after_ms, case.length_ms) - t_ms
            open_ms += lasted_ms
            if now.spread_bps is not None:
                spread = (spread or 0) + now.spread_bps * lasted_ms
        t_ms = after_ms
    return CaseScore(case=case, outcome=meter.outcome(), alarms=alarms, open_ms=open_ms, spread_bps_ms=spread)


def _answers(file: Path) -> Sequence[tuple[int, PeerStatement]]:
    out: list[tuple[int, PeerStatement]] = []
    for line, (at_ms, (price, spread, word)) in enumerate(
        rows_of(file, ["time"], ["price", "spread_bps"], ["state"]), start=2
    ):
        if word and word not in _WORDS:
            raise BenchmarkError(f"{file}:{line}: {word!r} is not a state; write {', '.join(_WORDS)}, or nothing")
        if price is not None and price < 0:
            raise BenchmarkError(f"{file}:{line}: a price below 0")
        bps = None if spread is None else spread // WAD
        if bps is not None and not 0 <= bps <= _MOST_SPREAD:
            raise BenchmarkError(f"{file}:{line}: a spread of {bps} bps")
        status = _WORDS.get(word, Status.OK)
        out.append((at_ms, PeerStatement(price_wad=price or None, spread_bps=bps, status=status)))
    if not out:
        raise BenchmarkError(f"{file} has no rows: write {', '.join(ANSWER_COLUMNS)}")
    return out
