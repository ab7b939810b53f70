"""Verified rounds of a day in memory: all of the last hour, before that one a minute and every change of a status.

It answers what a database answers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from feeds.units import MS
from oracle.follow.follower import VerifiedRound
from oracle.model.publication import Explanation, Record, Silent, Transition
from oracle.model.roll_up import RollUp
from oracle.model.status import Status
from oracle.serve.error_codes import ErrorCode
from oracle.serve.web import HttpProblem
from oracle.sign.messages import Agreement
from oracle.storage.shown_rows import FeedPush

_WHOLE_S, _THINNED_S = 3_600, 60
_NEVER_S = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRow:
    """A round in the order of arrival."""

    sequence: int
    round_time_s: int
    silent: tuple[Silent, ...]


class KeptRounds:
    """What a node keeps.

    Args:
        target: name of the store.
        keep_s: how far back.
        told_by: names of the operators that are followed: who knows what a node does not.
    """

    def __init__(self, target: str, keep_s: int, told_by: Sequence[str]) -> None:
        self._target, self._keep_s, self._told_by = target, keep_s, tuple(told_by)
        self._by_time: dict[int, VerifiedRound] = {}
        self._records: dict[int, dict[str, Record]] = {}
        self._times: list[int] = []
        self._rows: list[KeptRow] = []
        self._count = 0
        self._is_thinned = False

    def put(self, verified: VerifiedRound) -> None:
        """Keep a round, or other words of one that is kept."""
        round_s = verified.round_time_s
        if round_s not in self._by_time:
            if not verified.is_first:
                return  # it was thinned out
            at = bisect_left(self._times, round_s)
            self._times.insert(at, round_s)
            self._count += 1
            self._rows.append(KeptRow(sequence=self._count, round_time_s=round_s, silent=verified.silent))
        self._by_time[round_s] = verified
        self._records[round_s] = {r.feed: r for r in verified.records}
        self._thin()

    def __len__(self) -> int:
        return len(self._times)

    def whole_since_s(self) -> int:
        """From when on every round is here; far ahead where there is none."""
        if not self._times:
            return _NEVER_S
        whole_s = self._times[-1] - _WHOLE_S if self._is_thinned else 0
        return self._times[bisect_left(self._times, whole_s)]

    def is_of(self, target: str | None) -> bool:
        """Whether rounds of a target are kept here; None: of any."""
        return target in {None, self._target}

    def copied(self) -> KeptRounds:
        """The same at this moment: it stays as it is while others read it."""
        made = KeptRounds(self._target, self._keep_s, self._told_by)
        made._by_time, made._records = dict(self._by_time), dict(self._records)
        made._times, made._rows = list(self._times), list(self._rows)
        made._count, made._is_thinned = self._count, self._is_thinned
        return made

    def _thin(self) -> None:
        """Let go what is too old, and of what is older than an hour all but the first of each minute and each change of a status."""
        newest_s = self._times[-1]
        gone = set(self._times[: bisect_left(self._times, newest_s - self._keep_s)])
        old = self._times[len(gone) : bisect_left(self._times, newest_s - _WHOLE_S)]
        gone |= {
            t
            for before, t in pairwise(old)
            if before // _THINNED_S == t // _THINNED_S and self._statuses(before) == self._statuses(t)
        }
        if not gone:
            return
        self._is_thinned = True
        for round_s in gone:
            del self._by_time[round_s], self._records[round_s]
        self._times = [t for t in self._times if t not in gone]
        self._rows = [r for r in self._rows if r.round_time_s not in gone]

    def _statuses(self, round_s: int) -> dict[str, Status]:
        return {feed: r.report.status for feed, r in self._records[round_s].items()}

    # --- what a database answers ------------------------------------------------------------------------------------------

    def history(self, feed: str, since_ms: int, until_ms: int, limit: int) -> Sequence[Record]:
        """Records with since <= round time <= until, ascending: the newest ``limit`` of them."""
        first, end = bisect_left(self._times, -(-since_ms // MS)), bisect_right(self._times, until_ms // MS)
        found = (self._records[t].get(feed) for t in self._times[first:end])
        return [r for r in found if r is not None][-limit:]

    def record(self, feed: str, round_s: int | None = None) -> Record | None:
        """The record of a round, by default the newest."""
        if round_s is not None:
            return self._records.get(round_s, {}).get(feed)
        return next((r for t in reversed(self._times) if (r := self._records[t].get(feed)) is not None), None)

    def roll_ups(self, feed: str, since_ms: int, until_ms: int, limit: int) -> Sequence[tuple[int, RollUp]]:
        """None: a node keeps single records of a minute, and makes nothing of them."""
        del feed, since_ms, until_ms, limit
        return ()

    def full_rate_since_s(self, feed: str) -> int:
        """From when on every record is here, Unix seconds; 0: always."""
        del feed
        return self._times[-1] - _WHOLE_S if self._is_thinned else 0

    def at_times(self, feed: str, times_s: Sequence[int], step_s: int) -> Sequence[Record | None]:
        """The newest record of each step that ends at one of these times; None where there is none."""
        return [next(reversed(self.history(feed, (t - step_s) * MS + 1, t * MS, 1)), None) for t in times_s]

    def changes(self, feed: str, limit: int) -> Sequence[Transition]:
        """The newest changes of a feed's status among what is kept, the newest first."""
        return [c for _, c in self.changes_by_round(feed)][:limit]

    def changes_by_round(self, feed: str) -> Sequence[tuple[int, Transition]]:
        """All of them with the round of each, the newest first."""
        found = self.history(feed, 0, self._times[-1] * MS if self._times else 0, len(self._times) + 1)
        changes = [
            (
                b.report.round_time_s,
                Transition(
                    at_ms=b.computed_at_ms,
                    feed=feed,
                    before=a.report.status,
                    after=b.report.status,
                    reasons=b.reasons,
                ),
            )
            for a, b in pairwise(found)
            if a.report.status is not b.report.status
        ]
        return changes[::-1]

    def pushes_of(self, feed: str, target: str, limit: int) -> Sequence[FeedPush]:
        """None: a node pushes nothing."""
        del feed, target, limit
        return ()

    def explain(self, feed: str, round_s: int | None) -> Explanation | None:
        """HttpProblem: inputs are with the operators."""
        del round_s
        text = f"a node has no inputs of {feed}: they are with the operators"
        raise HttpProblem(404, ErrorCode.NOT_HERE, text, self.hint)

    @property
    def hint(self) -> str:
        """Whom to ask instead."""
        return f"ask an operator: {', '.join(self._told_by)}" if self._told_by else "ask one of the store's operators"

    def agreement(self, round_s: int, target: str | None = None) -> Agreement | None:
        """What was sealed in a round; None where it is not kept."""
        kept = self._by_time.get(round_s)
        return kept.agreement if kept is not None and target in {None, self._target} else None

    def newest_sealed_s(self, target: str | None = None) -> int | None:
        """The newest round; None if there is none."""
        return self._times[-1] if self._times and target in {None, self._target} else None

    def sealed_after(self, target: str, sequence: int, limit: int) -> Sequence[KeptRow]:
        """Rounds that came after the one with this number, in that order."""
        if target != self._target:
            return ()
        first = bisect_right(self._rows, sequence, key=lambda r: r.sequence)
        return self._rows[first : first + limit]

    def sequence_of(self, target: str, round_s: int) -> int:
        """The number after which one goes on who has all up to a round."""
        if round_s in self._by_time:
            return next(r.sequence for r in self._rows if r.round_time_s == round_s)
        later = [r.sequence for r in self._rows if r.round_time_s > round_s]
        return min(later) - 1 if later else self.newest_sequence(target)

    def newest_sequence(self, target: str) -> int:
        """The number of the newest, 0 if there is none."""
        return self._rows[-1].sequence if self._rows and target == self._target else 0
