"""What a replay came to, added up moment by moment: time in each status, abstentions, the worst deviation, the first alarm."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lab.case import Case
from lab.run import Moment
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
    first_alarm: Alarm | None = None
    first_status: Status = Status.OK

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
            since = self.beyond_ms
            self.first_alarm = Alarm(
                t_ms=m.t_ms, status=m.status, codes=m.codes, delay_ms=None if since is None else m.t_ms - since
            )

    def _deviation(self, m: Moment) -> None:
        if m.deviation_bps is None:
            return
        bands = self.case.spec.bands
        if self.worst is None or abs(m.deviation_bps - bands.normal_bps) > abs(self.worst.bps - bands.normal_bps):
            self.worst = Deviation(t_ms=m.t_ms, bps=m.deviation_bps)
        if self.beyond_ms is None and abs(m.deviation_bps - bands.normal_bps) >= bands.watch_bps:
            self.beyond_ms = m.t_ms

    @property
    def abstained_share(self) -> float:
        """Share of the rounds that had no price of their own."""
        return self.no_price_rounds / self.rounds if self.rounds else 0.0

    def document(self) -> dict[str, Any]:
        """As JSON. Times are Unix ms."""
        began, alarm = self.case.began_ms, self.first_alarm
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
            "first_alarm": None
            if alarm is None
            else {
                "at_ms": began + alarm.t_ms,
                "status": alarm.status.word,
                "codes": list(alarm.codes),
                "delay_s": None if alarm.delay_ms is None else alarm.delay_ms // 1_000,
            },
        }
