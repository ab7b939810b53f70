"""Run a schedule: the real machine of every member, words as they are after their signatures were verified, time as numbers."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from eth_hash.auto import keccak

from oracle.agree.instance import begin, hear, hear_values, next_tick_ms, tick
from oracle.agree.messages import Advance, Advancing, Commit, Heard, SealedRound, Want
from oracle.agree.state import (
    Ask,
    Decided,
    Effect,
    FaultEvidence,
    Found,
    Give,
    Instance,
    OwnView,
    Say,
    SignCommit,
    Turn,
)
from oracle.report.wire import split_items
from oracle.sign.verified_values import VerifiedValues
from tests.oracle.agree.liars import Letter, Liar, Word
from tests.oracle.agree.schedule import Schedule, address, terms_of_schedule, values_of_member, view_of_member

_EARLY_MS = -200


@dataclass
class Run:
    """What has happened so far. Times are ms of a clock that nobody has.

    Attributes:
        states: of each member.
        sealed_ms: by its own clock, of each member that has sealed.
        bound: item that each honest key is bound to, by member and feed.
        evidence: what was found, and by whom.
        faults: laws that were broken on the way.
        words: how many were delivered.
    """

    schedule: Schedule
    states: list[Instance] = field(default_factory=list)
    sealed_ms: dict[int, int] = field(default_factory=dict)
    bound: dict[tuple[int, int], bytes] = field(default_factory=dict)
    evidence: list[tuple[int, FaultEvidence]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    words: int = 0
    now_ms: int = _EARLY_MS

    def __post_init__(self) -> None:
        schedule = self.schedule
        self.rng = random.Random(schedule.seed)
        self.terms = terms_of_schedule(schedule)
        self._number = {address(n): n for n in range(schedule.size)}
        self._queue: list[tuple[int, int, str, int, Word | None]] = []
        self._count = 0
        self._ticks: dict[int, int] = {}
        self._dead: set[int] = set()
        self._own: dict[int, list[tuple[Word, tuple[int, ...]]]] = {n: [] for n in range(schedule.size)}
        self._liars = {
            n: Liar(n, s, schedule.size, random.Random(schedule.seed * 31 + n)) for n, s in schedule.liars.items()
        }
        self.states = [begin(self.terms, address(n), view_of_member(schedule, n)) for n in range(schedule.size)]
        for n, liar in self._liars.items():
            liar.state = self.states[n]

    def honest(self) -> list[int]:
        """Members that neither lie nor die."""
        return [n for n in range(self.schedule.size) if n not in self.schedule.faulty]

    def run(self) -> Run:
        """From before the round's start until after its end."""
        schedule = self.schedule
        for n in range(schedule.size):
            self._at(schedule.speaks_ms[n], "speak", n)
            self._tick_later(n)
        for n, at_ms, back_ms in schedule.crashed:
            self._at(at_ms, "crash", n)
            if back_ms >= 0:
                self._at(back_ms, "restart", n)
        if schedule.bad_until_ms:
            self._at(schedule.bad_until_ms, "heal", 0)
        end_ms = schedule.timing.end_ms + 400
        while self._queue and self._queue[0][0] <= end_ms and not self._all_sealed():
            self.now_ms, _, kind, n, word = heapq.heappop(self._queue)
            getattr(self, f"_on_{kind}")(n, word)
        return self

    def local_ms(self, n: int) -> int:
        """By a member's clock."""
        return max(0, self.now_ms + self.schedule.skews_ms[n])

    def _all_sealed(self) -> bool:
        return len(self.sealed_ms) == self.schedule.size

    # --- what happens ------------------------------------------------------------------------------------------------

    def _at(self, at_ms: int, kind: str, n: int, word: Word | None = None) -> None:
        self._count += 1
        heapq.heappush(self._queue, (max(at_ms, self.now_ms), self._count, kind, n, word))

    def _on_speak(self, n: int, _: Word | None) -> None:
        if n not in self._dead and self.states[n].view.may_speak:
            self._tell(n, values_of_member(self.terms, n, self.states[n].view.reports))

    def _on_crash(self, n: int, _: Word | None) -> None:
        self._dead.add(n)

    def _on_restart(self, n: int, _: Word | None) -> None:
        """It has forgotten all but its journal, and only listens."""
        self._dead.discard(n)
        view = self.states[n].view
        signed = {feed: keccak(item) for (m, feed), item in self.bound.items() if m == n}
        view = OwnView(reports=view.reports, published=view.published, bound_bps=100, signed=signed, may_speak=False)
        self.states[n] = begin(self.terms, address(n), view)
        self._own[n].clear()
        self._tick_later(n)

    def _on_heal(self, _n: int, _: Word | None) -> None:
        """Connections are there again: own words are said again."""
        for n in range(self.schedule.size):
            if n not in self._dead:
                for word, to in self._own[n]:
                    for other in to:
                        self._send(other, word)

    def _on_tick(self, n: int, _: Word | None) -> None:
        if n not in self._dead and self._ticks.get(n) == self.now_ms:
            self._ticks.pop(n)
            self._take(n, tick(self.states[n], self.local_ms(n)))

    def _on_word(self, n: int, word: Word | None) -> None:
        if n in self._dead or word is None:
            return
        self.words += 1
        liar = self._liars.get(n)
        if isinstance(word, Want):
            if liar is None or liar.answers():
                known = self.states[n].values_by_hash()
                for h in word.hashes:
                    if h in known:
                        self._send(self._number[word.address], known[h])
            return
        if liar is not None:
            self._post(n, liar.overhear(word))
        if isinstance(word, VerifiedValues):
            self._take(n, hear_values(self.states[n], word, self.local_ms(n)))
        else:
            self._take(n, hear(self.states[n], Heard(word), self.local_ms(n)))

    # --- what follows ------------------------------------------------------------------------------------------------

    def _take(self, n: int, turn: Turn) -> None:
        self.states[n], effects = turn
        if n in self._liars:
            self._liars[n].state = self.states[n]
        for effect in effects:
            self._carry_out(n, effect)
        self._tick_later(n)

    def _carry_out(self, n: int, effect: Effect) -> None:
        match effect:
            case Say(said, certificate):
                self._tell(n, Advancing(said, certificate) if isinstance(said, Advance) else said)
            case SignCommit(certificate):
                self._journal(n, split_items(certificate.content.items))
                self._tell(n, Commit(address(n), certificate, b""))
            case Give(to, values):
                self._own[n].append((values, (self._number[to],)))
                self._send(self._number[to], values)
            case Ask(to, hashes):
                self._send(self._number[to], Want(address(n), hashes))
            case Found(evidence):
                self.evidence.append((n, evidence))
                self._judge_evidence(n, evidence)
            case Decided(sealed):
                self.sealed_ms[n] = self.local_ms(n)
                self._tell(n, sealed)

    def _journal(self, n: int, items: dict[int, bytes]) -> None:
        if n in self._liars:
            return
        for feed, item in items.items():
            if self.bound.setdefault((n, feed), item) != item:
                self.faults.append(f"no_honest_key_with_two_items: member {n}, feed {feed}")

    def _judge_evidence(self, n: int, evidence: FaultEvidence) -> None:
        accused = self._number[evidence.address]
        if n not in self._liars and accused not in self._liars:
            self.faults.append(
                f"an honest member is accused: {n} accuses {accused} of {evidence.kind}: {evidence.text}"
            )

    def _tell(self, n: int, word: Word) -> None:
        """To all, itself first; a liar as it likes."""
        self._on_word(n, word)
        liar = self._liars.get(n)
        if liar is not None:
            self._post(n, liar.utter(word))
            return
        others = tuple(i for i in range(self.schedule.size) if i != n)
        self._own[n].append((word, others))
        for other in others:
            self._send(other, word)

    def _post(self, n: int, letters: Iterable[Letter]) -> None:
        for word, to, later_ms in letters:
            for other in to:
                if other != n:
                    self._at(self.now_ms + later_ms, "word", other, word)

    def _send(self, to: int, word: Word) -> None:
        schedule, rng = self.schedule, self.rng
        if to in self._liars:
            self._at(self.now_ms, "word", to, word)
            return
        if self.now_ms >= schedule.bad_until_ms:
            self._at(self.now_ms + rng.randint(*schedule.delay_ms), "word", to, word)
            return
        for _ in range(2 if rng.randrange(100) < schedule.doubled else 1):
            if rng.randrange(100) >= schedule.loss:
                self._at(self.now_ms + rng.randint(0, schedule.late_ms), "word", to, word)

    def _tick_later(self, n: int) -> None:
        moment = next_tick_ms(self.states[n])
        if moment is not None:
            at_ms = max(moment - self.schedule.skews_ms[n], self.now_ms)
            if self._ticks.get(n, -1) != at_ms:
                self._ticks[n] = at_ms
                self._at(at_ms, "tick", n)


def sealed_of(run: Run) -> list[SealedRound]:
    """What honest members have sealed."""
    return [s for n in run.honest() if (s := run.states[n].sealed) is not None]
