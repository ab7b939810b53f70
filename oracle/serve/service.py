"""What the endpoint shows of this process: newest records, indications, what is on chain, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, TypeVar

from feeds.units import MS
from oracle.chain.quorum_rpc import ChainError
from oracle.model.publication import OnChain, Record
from oracle.model.spec import FeedSpec
from oracle.model.status import Why
from oracle.model.target_status import TargetStatus
from oracle.round.live import Live
from oracle.round.rounds import Round
from oracle.serve.documents import Abstaining
from oracle.serve.history import HistoryReaders
from oracle.serve.interface import Health, News, NoReport, Past
from oracle.sign.messages import SignedBatch
from oracle.sign.quorum import CollectedSignatures
from oracle.storage.database import Database

T = TypeVar("T")
_LATE_ROUNDS = 3
_SIGNED_AT_ONCE = 4
"""Reports that are being signed at a time: each costs every operator a write to disk, and rounds and pushes go on beside."""


class TargetView(Protocol):
    """What the desk needs of a target."""

    @property
    def onchain(self) -> Mapping[str, OnChain]:
        """What its store holds, by feed."""

    @property
    def connected(self) -> bool:
        """Whether the operators have their seat there."""

    @property
    def feeds_to_push(self) -> AbstractSet[str]:
        """Feeds that are pushed there."""

    async def collect_signatures(self, feeds: Sequence[str]) -> CollectedSignatures | None:
        """A batch of these feeds for the newest round."""

    def status(self) -> TargetStatus:
        """How it stands."""


class PriceService:
    """The desk over the store and the lanes of one process.

    Args:
        specs: all feeds.
        store: what was published.
        live: the live lane.
        targets: the chains that are pushed to; the mapping may be filled later.
        interval_s: between rounds.
        now_ms: the clock.
        offset_ms: how far the clock is off.
        readers: who reads what is stored.
        keyless: operators of the config that have no key here and sign nothing.
        reports: whether anybody may have a report signed. Not where another process signs with the same journals: a
            reader here could then take the word for a round from that process.
        held: why no rounds are made, None while they are.
    """

    def __init__(
        self,
        specs: Mapping[str, FeedSpec],
        store: Database,
        live: Live,
        targets: Mapping[str, TargetView],
        *,
        interval_s: int,
        now_ms: Callable[[], int],
        offset_ms: Callable[[], int],
        readers: HistoryReaders,
        keyless: Sequence[str] = (),
        reports: bool = True,
        held: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._specs, self._live, self._targets = specs, live, targets
        self._interval_s, self._now_ms, self._offset_ms = interval_s, now_ms, offset_ms
        self._readers, self._keyless = readers, tuple(keyless)
        self._signs_reports, self._held = reports, held
        self._records = {f: r for f in specs if (r := store.record(f)) is not None}
        self._abstaining: dict[str, Abstaining] = {}
        self._reports: dict[tuple[str, str], asyncio.Task[SignedBatch | NoReport]] = {}
        self._signing = asyncio.Semaphore(_SIGNED_AT_ONCE)
        self._listeners: list[Callable[[News], None]] = []
        self._started_ms = now_ms()
        self._round_s: int | None = None

    # --- what the process tells -----------------------------------------------------------------------------------

    def publish(self, done: Round) -> None:
        """A round is stored: show it."""
        self._records |= {r.feed: r for r in done.records}
        self._round_s = done.round_time_s
        self._reports = {}
        published = {r.feed for r in done.records}
        fresh = {f: self._since(f, a.why, a.text, done) for f, a in done.abstained.items()}
        for feed, spec in self._specs.items():
            missing = next((fresh[leg] for leg in spec.legs if leg in fresh), None)
            if missing is not None:
                fresh[feed] = self._since(feed, missing.why, missing.text, done)
            elif feed not in published and feed not in fresh:
                fresh[feed] = self._since(feed, Why.NO_QUORUM, "too few operators gave a value that counts", done)
        self._abstaining = fresh
        self._tell(News(round_time_s=done.round_time_s, transitions=done.transitions))

    def indicate(self, fresh: Sequence[Record]) -> None:
        """The live lane has news: show it."""
        if fresh:
            self._tell(News(indications=tuple(fresh)))

    def _since(self, feed: str, why: Why, text: str, done: Round) -> Abstaining:
        held = self._abstaining.get(feed)
        return Abstaining(why=why, text=text, since_ms=held.since_ms if held else done.round_time_s * MS)

    def _tell(self, news: News) -> None:
        for listen in self._listeners:
            listen(news)

    # --- what the endpoint asks -----------------------------------------------------------------------------------

    def specs(self) -> Mapping[str, FeedSpec]:
        """All feeds."""
        return self._specs

    def record(self, feed: str) -> Record | None:
        """The last final record."""
        return self._records.get(feed)

    def abstaining(self, feed: str) -> Abstaining | None:
        """Why the newest round brought no price; of every feed where there is no round of now."""
        return self._abstaining.get(feed) or self._stopped()

    def _stopped(self) -> Abstaining | None:
        """Rounds that are not made bring no price either: a record of before must not look like one of now."""
        if self._round_s is None:
            text = "no round since the start of this process: what is shown is an earlier one's"
            return Abstaining(why=Why.STALE, text=text, since_ms=self._started_ms)
        if self._is_late(self._now_ms() - self._round_s * MS):
            text = f"no round since {self._round_s}: this process makes none"
            return Abstaining(why=Why.STALE, text=text, since_ms=(self._round_s + self._interval_s) * MS)
        return None

    def _is_late(self, waited_ms: int) -> bool:
        return abs(waited_ms) >= _LATE_ROUNDS * self._interval_s * MS + _LATE_ROUNDS * MS

    def indication(self, feed: str) -> Record | None:
        """The newest word of the live lane."""
        return self._live.get(feed)

    def onchain(self, feed: str) -> tuple[OnChain, ...]:
        """What each target's store holds."""
        return tuple(t.onchain[feed] for t in self._targets.values() if feed in t.onchain)

    def absent(self, feed: str) -> tuple[str, ...]:
        """Targets whose store is to hold a feed (each leg of a cross) and is not known to."""
        legs = self._specs[feed].legs or (feed,)
        return tuple(n for n, t in self._targets.items() if t.feeds_to_push >= set(legs) and feed not in t.onchain)

    def newest_round(self, feed: str) -> int | None:
        """The newest round of this run for a feed that abstains, else that of its last record."""
        record = self._records.get(feed)
        if record is None or feed in self._abstaining:
            return self._round_s
        return record.report.round_time_s

    async def past(self, work: Callable[[Past], T]) -> T:
        """What a function makes of the stored rounds."""
        return await self._readers.read(work)

    def targets(self) -> tuple[str, ...]:
        """Names of the stores that are signed for, in the order of the config."""
        return tuple(self._targets)

    async def report(self, feed: str, target: str | None = None) -> SignedBatch | NoReport:
        """A signed batch of this feed alone. The operators are asked once for each target, feed and round, however it ends."""
        record, name = self._records.get(feed), target or next(iter(self._targets), "")
        chain = self._targets.get(name)
        if record is None or record.report.round_time_s != self._round_s:
            return NoReport(code="no_round", text=f"{feed} has no price in the newest round")
        if not self._signs_reports:
            return NoReport(code="backup", text="this process shares its journals with another one: ask that one")
        if chain is None:
            return NoReport(code="no_target", text="no store to sign for: configure [targets] and [[operators]]")
        if not chain.connected:
            return NoReport(code="no_target", text=f"target {name} is not connected")
        if (name, feed) not in self._reports:
            self._reports[name, feed] = asyncio.create_task(self._sign(chain, feed, self._round_s))
        return await asyncio.shield(self._reports[name, feed])  # one reader who goes takes it from no other

    async def _sign(self, chain: TargetView, feed: str, round_s: int) -> SignedBatch | NoReport:
        """A few at a time; one whose turn comes after its round asks nobody any more."""
        async with self._signing:
            if round_s != self._round_s:
                return NoReport(code="no_round", text=f"round {round_s} is over: ask again")
            return await _signed(chain, feed)

    def health(self) -> Health:
        """Live: rounds are made. Ready: this run's newest round has a price of every feed, and every chain that is pushed to has it too."""
        now_ms = self._now_ms()
        lag_ms = None if self._round_s is None else now_ms - self._round_s * MS
        waited_ms = now_ms - self._started_ms if lag_ms is None else lag_ms
        live = not self._is_late(waited_ms)
        reasons = [] if live else [f"no round for {waited_ms} ms"]
        reasons += ["no round since the start of this process"] if self._round_s is None else []
        reasons += [held] if (held := self._held()) else []
        reasons += [f"{f} has had no price yet" for f in self._specs if f not in self._records]
        reasons += [f"{f} abstains: {a.text}" for f, a in self._abstaining.items()]
        targets = [t.status() for t in self._targets.values()]
        reasons += [text for t in targets for text in t.faults(now_ms)]
        warnings = [f"operator {n} has no key here: it signs nothing" for n in self._keyless]
        warnings += [text for t in targets for text in t.warnings()]
        return Health(
            live=live,
            ready=live and not reasons,
            degraded=bool(warnings),
            reasons=tuple(reasons),
            warnings=tuple(warnings),
            started_at_ms=self._started_ms,
            round=self._round_s,
            round_lag_ms=lag_ms,
            clock_offset_ms=self._offset_ms(),
            feeds=len(self._specs),
            feeds_abstaining=len(self._abstaining),
            targets=tuple(targets),
        )

    def subscribe(self, listen: Callable[[News], None]) -> None:
        """Call `listen` with all news from now on."""
        self._listeners.append(listen)


async def _signed(chain: TargetView, feed: str) -> SignedBatch | NoReport:
    """What the operators make of it now."""
    try:
        ballot = await chain.collect_signatures([feed])
    except ChainError as e:
        return NoReport(code="no_target", text=str(e))
    if ballot is None:
        return NoReport(code="no_quorum", text="nothing was signed yet")
    if ballot.batch is None:
        why = "; ".join(f"{r.operator}: {r.text}" for r in ballot.refusals)
        return NoReport(code="no_quorum", text=why or f"{feed} is not signed for this store")
    return ballot.batch
