"""Rounds that were sealed without this process: stored, shown, offered to the store, and known to the rounds that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from feeds.units import MS
from oracle.agree.outcome import RoundOutcome
from oracle.model.publication import Record
from oracle.round.rounds import Round, Rounds
from oracle.round.silent import silent_feeds
from oracle.serve.service import PriceService
from oracle.storage.database import Database, published_by_feed


class LearnedRounds:
    """Takes in what others sealed, in any order.

    Args:
        database: of the process.
        rounds: of the process.
        service: shows them.
        now_ms: the clock, Unix ms.
        last_round_s: newest round that was made here.
        note: counts what became of a round.
        offer: hands a round to targets, by name.
    """

    def __init__(
        self,
        database: Database,
        rounds: Rounds,
        service: PriceService,
        *,
        now_ms: Callable[[], int],
        last_round_s: Callable[[], int],
        note: Callable[[RoundOutcome], None],
        offer: Callable[[Round, Iterable[str]], None],
    ) -> None:
        self._database, self._rounds, self._service = database, rounds, service
        self._now_ms, self._last_round_s, self._note, self._offer = now_ms, last_round_s, note, offer
        self._came_late = False

    def take(self, outcome: RoundOutcome) -> None:
        """A round turns out to be sealed. What is known already, or was published here before there were operators, stays."""
        round_s, newest_s = outcome.terms.round_time_s, self._rounds.newest_sealed_s
        before = self._records_before(round_s) if round_s <= newest_s else None
        done = self._rounds.learn(outcome, self._now_ms(), before)
        if done is not None and not self._is_stored(done):
            silent = silent_feeds(done, self._rounds.specs)
            self._database.save_round((), done.agreements, done.records, done.transitions, silent)
            self._rounds.commit(done)
            self._came_late |= round_s <= max(newest_s, self._last_round_s())
            self._service.learn(done)
            if round_s == self._last_round_s():  # it can be signed for readers, and what is due of it pushed
                self._offer(done, done.outcomes)
        self._note(outcome)

    def go_on(self) -> None:
        """Before a round: what was left by those made since goes on from what was learned."""
        if self._came_late:
            self._rounds.resume((), published_by_feed(self._database, self._rounds.specs))
            self._came_late = False

    def _records_before(self, round_s: int) -> Mapping[str, Record]:
        rows = ((f, self._database.history(f, 0, (round_s - 1) * MS, 1)) for f in self._rounds.specs)
        return {feed: records[-1] for feed, records in rows if records}

    def _is_stored(self, done: Round) -> bool:
        known = any(self._database.agreement(a.round_time_s, a.target) is not None for a in done.agreements)
        return known or any(self._database.record(r.feed, r.report.round_time_s) is not None for r in done.records)
