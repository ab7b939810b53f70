"""What a replay came to, added up moment by moment: time in each status, abstentions, the worst deviation, the first alarm."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lab.play.run import Moment
from lab.scenario.case import Case
from oracle.model.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """The market's distance from redemption (bps) in a round at a time (ms since the case began)."""

    t_ms: int
    bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """The first status that is worse than ok: when, which, why; ``delay_ms`` since the watch band was first left, if it was."""

    t_ms: int
    status: Status
    codes: tuple[str, ...]
    delay_ms: int | None


@dataclass(slots=True, kw_only=True)
class Figures:
    """Figures of a replay. Times in ms since the case began.

    Attributes:
        rounds: how many there were; ``leapt``: of them not played, because they were proven to be like their neighbours.
        status_ms: how long each status lasted.
        abstained: rounds without a price, by the code of the reason; ``no_price_rounds``: all of them; ``abstained_first``: when
            each reason was first given, and its sentence.
        rejected: rounds in which a source was refused, by source and code.
        reasons: rounds in which a reason was given, by its code.
        worst: the deviation of the largest size from the normal level; None where no round had both prices.
        beyond_ms: when the deviation was first beyond the watch band.
        beyond: rounds in which it was beyond the band of a level. ``unsettled``: the worst level whose band it was beyond in the last
            round without the status saying so yet; None: none.
        first_depeg: the first depeg, or a halt that came before one.
    """

    case: Case
    rounds: int = 0
    leapt: int = 0
    status_ms: Counter[Status] = field(default_factory=Counter)
    no_price_rounds: int = 0
    abstained: Counter[str] = field(default_factory=Counter)
    abstained_first: dict[str, tuple[int, str]] = field(default_factory=dict)
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    worst: Deviation | None = None
    beyond_ms: int | None = None
    beyond: Counter[Status] = field(default_factory=Counter)
    unsettled: Status | None = None
    first_alarm: Alarm | None = None
    first_depeg: Alarm | None = None
    first_status: Status = Status.OK
    _depeg_ms: int | None = None

    def add(self, m: Moment) -> None:
        """The next moment: it lasts until the round after its last one."""
        if not self.rounds:
            self.first_status = m.status
        self.rounds += m.rounds
        self.leapt += m.rounds if m.rounds > 1 else 0
        following = self.case.next_round_ms(m.last_ms)
        self.status_ms[m.status] += max(0, min(following, self.case.length_ms) - m.t_ms)
        if not m.fresh:
            self.no_price_rounds += m.rounds
            if m.codes:
                self.abstained[m.codes[-1]] += m.rounds
                self.abstained_first.setdefault(m.codes[-1], (m.t_ms, m.texts[-1]))
        for refused in m.rejected:
            self.rejected[refused] += m.rounds
        for code in m.codes:
            self.reasons[code] += m.rounds
        self._deviation(m)
        if self.first_alarm is None and m.status is not Status.OK:
            self.first_alarm = self._alarm(m, self.beyond_ms)
        if self.first_depeg is None and m.status >= Status.DEPEG:
            self.first_depeg = self._alarm(m, self._depeg_ms)

    def _alarm(self, m: Moment, since_ms: int | None) -> Alarm:
        delay_ms = None if since_ms is None else m.t_ms - since_ms
        return Alarm(t_ms=m.t_ms, status=m.status, codes=m.codes, delay_ms=delay_ms)

    def _deviation(self, m: Moment) -> None:
        self.unsettled = None
        if m.deviation_bps is None:
            return
        away = abs(m.deviation_bps - self.case.spec.bands.normal_bps)
        for level, band in self._levels():
            if away >= band:
                self.beyond[level] += m.rounds
                self.unsettled = level if m.status < level else None
        if self._depeg_ms is None and self.beyond[Status.DEPEG]:
            self._depeg_ms = m.t_ms
        bands = self.case.spec.bands
        if self.worst is None or abs(m.deviation_bps - bands.normal_bps) > abs(self.worst.bps - bands.normal_bps):
            self.worst = Deviation(t_ms=m.t_ms, bps=m.deviation_bps)
        if self.beyond_ms is None and abs(m.deviation_bps - bands.normal_bps) >= bands.watch_bps:
            self.beyond_ms = m.t_ms

    def _levels(self) -> tuple[tuple[Status, int], ...]:
        """The levels that a deviation leads to, the better first, with their bands."""
        bands = self.case.spec.bands
        return (Status.WATCH, bands.watch_bps), (Status.DEPEG, bands.depeg_bps)

    def unreached(self) -> tuple[Status, int] | None:
        """The worst level that no round has had although the market lay beyond its band, and in how many rounds it did."""
        for level in (Status.DEPEG, Status.WATCH):
            if self.beyond[level] and not any(self.status_ms[s] for s in Status if s >= level):
                return level, self.beyond[level]
        return None

    @property
    def abstained_share(self) -> float:
        """Share of the rounds that had no price of their own."""
        return self.no_price_rounds / self.rounds if self.rounds else 0.0

    def document(self) -> dict[str, Any]:
        """As JSON. Times are Unix ms."""
        began = self.case.began_ms
        return {
            "rounds": self.rounds,
            "rounds_leapt": self.leapt,
            "status_s": {s.word: self.status_ms[s] // 1_000 for s in Status if self.status_ms[s]},
            "abstained_share": round(self.abstained_share, 6),
            "abstained": [
                {
                    "code": c,
                    "rounds": n,
                    "first_at_ms": began + self.abstained_first[c][0],
                    "text": self.abstained_first[c][1],
                }
                for c, n in self.abstained.most_common()
            ],
            "rejected": [{"source": s, "code": c, "rounds": n} for (s, c), n in self.rejected.most_common()],
            "reasons": dict(self.reasons.most_common()),
            "worst_deviation": None
            if self.worst is None
            else {"bps": self.worst.bps, "at_ms": began + self.worst.t_ms},
            "rounds_beyond": {s.word: n for s, n in self.beyond.items()},
            "unsettled": None if self.unsettled is None else self.unsettled.word,
            "first_alarm": self._alarm_document(self.first_alarm),
            "first_depeg": self._alarm_document(self.first_depeg),
        }

    def _alarm_document(self, alarm: Alarm | None) -> dict[str, Any] | None:
        if alarm is None:
            return None
        return {
            "at_ms": self.case.began_ms + alarm.t_ms,
            "status": alarm.status.word,
            "codes": list(alarm.codes),
            "delay_s": None if alarm.delay_ms is None else alarm.delay_ms // 1_000,
        }
