"""A node's memory and an archive as one: what is newer comes from memory, what is older from the archive, and each round from one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from feeds.errors import LrtOracleError
from feeds.units import MS
from oracle.archive.reading import ArchiveAway, ArchiveReader, full_rate_since_s
from oracle.model.publication import Explanation, Record, Transition
from oracle.model.roll_up import RollUp
from oracle.node.kept_rounds import KeptRounds, KeptRow
from oracle.serve.error_codes import ErrorCode
from oracle.serve.interface import StoredRounds
from oracle.serve.web import HttpProblem
from oracle.sign.messages import Agreement
from oracle.storage.shown_rows import FeedPush

T = TypeVar("T")
_RETRY = {"Retry-After": "10"}


class BeyondMemory(LrtOracleError):
    """A read needs the archive: it is begun anew where it may wait."""


class FurtherRounds:
    """What both have.

    Args:
        kept: the memory; where the archive may be asked, a copy that nothing changes any more.
        archive: what is older.
        may_wait: whether the archive may be asked.
    """

    def __init__(self, kept: KeptRounds, archive: ArchiveReader, *, may_wait: bool) -> None:
        self._kept, self._reader, self._may_wait = kept, archive, may_wait
        self._from_s = kept.whole_since_s()

    def _archive(self) -> ArchiveReader:
        """BeyondMemory where it may not be asked here; HttpProblem where it does not answer."""
        if self._reader.error:
            raise away(self._from_s)
        if not self._may_wait:
            raise BeyondMemory
        return self._reader

    def history(self, feed: str, since_ms: int, until_ms: int, limit: int) -> Sequence[Record]:
        """Records with since <= round time <= until, ascending: the newest ``limit`` of them."""
        from_ms = self._from_s * MS
        newer = self._kept.history(feed, max(since_ms, from_ms), until_ms, limit)
        left = limit - len(newer)
        if since_ms >= from_ms or left <= 0:
            return newer
        archive, since_s, last_s = self._archive(), -(-since_ms // MS), min(until_ms // MS, self._from_s - 1)
        newest_s = archive.bounds.newest_s if archive.bounds is not None else 0
        between = self._kept.history(feed, max(since_ms, (newest_s + 1) * MS), last_s * MS, left)
        left -= len(between)
        older = archive.history(feed, since_s, min(last_s, newest_s), left) if left else []
        return [*older, *between, *newer]

    def roll_ups(self, feed: str, since_ms: int, until_ms: int, limit: int) -> Sequence[tuple[int, RollUp]]:
        """Of times of which the archive has no single rounds any more."""
        bounds = self._reader.bounds
        if bounds is None or since_ms >= bounds.kept_since_s * MS:
            return ()
        return self._archive().roll_ups(feed, -(-since_ms // MS), until_ms // MS, limit)

    def full_rate_since_s(self, feed: str) -> int:
        """From when on every record is there, Unix seconds; 0: always."""
        del feed
        return full_rate_since_s(self._reader.bounds, self._from_s)

    def at_times(self, feed: str, times_s: Sequence[int], step_s: int) -> Sequence[Record | None]:
        """The newest record of each step; those of an hour and a minute ago from memory while the archive is away."""
        older = [t for t in times_s if t - step_s < self._from_s - 1]
        if not older or self._reader.error:
            return self._kept.at_times(feed, times_s, step_s)
        kept = self._kept.at_times(feed, times_s, step_s)
        try:
            found = dict(zip(older, self._archive().at_times(feed, older, step_s), strict=True))
        except ArchiveAway:
            return kept
        return [_newer(record, found.get(t)) for t, record in zip(times_s, kept, strict=True)]

    def changes(self, feed: str, limit: int) -> Sequence[Transition]:
        """The newest changes of a feed's status, the newest first."""
        newer = [c for round_s, c in self._kept.changes_by_round(feed) if round_s > self._from_s][:limit]
        left = limit - len(newer)
        return [*newer, *self._archive().changes(feed, self._from_s, left)] if left else newer

    def record(self, feed: str, round_s: int | None = None) -> Record | None:
        """The record of a round, by default the newest."""
        found = self._kept.record(feed, round_s)
        if found is not None or round_s is None or round_s >= self._from_s:
            return found
        return self._archive().record(feed, round_s)

    def agreement(self, round_s: int, target: str | None = None) -> Agreement | None:
        """What was sealed in a round; None where it is not kept."""
        found = self._kept.agreement(round_s, target)
        if found is not None or round_s >= self._from_s or not self._kept.is_of(target):
            return found
        return self._archive().agreement(round_s)

    # --- what memory alone has --------------------------------------------------------------------------------------------

    def pushes_of(self, feed: str, target: str, limit: int) -> Sequence[FeedPush]:
        """As the memory says."""
        return self._kept.pushes_of(feed, target, limit)

    def explain(self, feed: str, round_s: int | None) -> Explanation | None:
        """As the memory says."""
        return self._kept.explain(feed, round_s)

    def newest_sealed_s(self, target: str | None = None) -> int | None:
        """The newest round; None if there is none."""
        return self._kept.newest_sealed_s(target)

    def sealed_after(self, target: str, sequence: int, limit: int) -> Sequence[KeptRow]:
        """Rounds that came after the one with this number, in that order."""
        return self._kept.sealed_after(target, sequence, limit)

    def sequence_of(self, target: str, round_s: int) -> int:
        """The number after which one goes on who has all up to a round."""
        return self._kept.sequence_of(target, round_s)

    def newest_sequence(self, target: str) -> int:
        """The number of the newest, 0 if there is none."""
        return self._kept.newest_sequence(target)


async def read_further(read: Callable[[StoredRounds], T], kept: KeptRounds, archive: ArchiveReader) -> T:
    """Result of a function of rounds: at once where memory has all that it asks, else in a thread.

    Raises:
        HttpProblem: what the function raised; 503 where the archive does not answer.
    """
    try:
        return read(FurtherRounds(kept, archive, may_wait=False))
    except BeyondMemory:
        further = FurtherRounds(kept.copied(), archive, may_wait=True)
    try:
        return await archive.read(lambda: read(further))
    except ArchiveAway:
        raise away(kept.whole_since_s()) from None


def away(from_s: int) -> HttpProblem:
    """What is answered of older rounds while the archive does not answer: why, and where it is, the log and /readyz say."""
    hint = f"ask again in a while; rounds since {from_s} are in memory: ask with since_ms={from_s * MS}"
    return HttpProblem(503, ErrorCode.ARCHIVE_AWAY, "older rounds are in an archive that does not answer", hint, _RETRY)


def _newer(one: Record | None, other: Record | None) -> Record | None:
    found = [r for r in (one, other) if r is not None]
    return max(found, key=lambda r: r.report.round_time_s, default=None)
