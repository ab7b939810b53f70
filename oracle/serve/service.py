"""What the endpoint shows of this process: newest records, indications, what is on chain, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, TypeVar

from feeds.chains.endpoint import EndpointState
from feeds.units import MS
from oracle.chain.quorum_rpc import ChainError
from oracle.model.publication import OnChain, Record, Silent
from oracle.model.risk import FeedRisk, LiveRisk
from oracle.model.spec import FeedSpec
from oracle.model.status import Why
from oracle.model.target_status import TargetStatus
from oracle.model.unready import Unready
from oracle.round.live import Live
from oracle.round.rounds import Round
from oracle.round.silent import silent_feeds
from oracle.serve.documents import Abstaining
from oracle.serve.endpoint_warnings import endpoint_warnings
from oracle.serve.error_codes import ErrorCode
from oracle.serve.history import HistoryReaders
from oracle.serve.interface import Health, NoReport, StoredRounds, Update
from oracle.serve.live_risk import live_risks
from oracle.serve.operators import OperatorsView, without_key
from oracle.sign.messages import SignedBatch
from oracle.sign.signed_batch import CollectedSignatures
from oracle.stake.follow import StakeView
from oracle.storage.database import Database

T = TypeVar("T")
_LATE_ROUNDS = 3
_NO_RISK, _NO_ROUND = FeedRisk(), LiveRisk()
_SIGNED_AT_ONCE = 4
"""Reports that are signed at a time: each costs every operator a write to disk, and rounds and pushes need the disk as well."""


class TargetView(Protocol):
    """What the service needs of a target."""

    @property
    def onchain(self) -> Mapping[str, OnChain]:
        """What its store holds, by feed."""

    @property
    def connected(self) -> bool:
        """Whether the operators sit in its signer set."""

    @property
    def feeds_to_push(self) -> AbstractSet[str]:
        """Feeds that are pushed to it."""

    async def collect_signatures(self, feeds: Sequence[str]) -> CollectedSignatures | None:
        """A batch of these feeds for the newest round."""

    def status(self) -> TargetStatus:
        """How it is."""


class PriceService:
    """What one process publishes, over its database, its live lane and its targets.

    Args:
        specs: all feeds.
        database: what was published.
        live: the live lane.
        targets: the chains that are pushed to; the mapping may be filled later.
        interval_s: between rounds.
        now_ms: the clock.
        offset_ms: how far the clock is off.
        readers: run long reads of the database.
        keyless: operators of the config that have no key here and sign nothing.
        reports: whether reports are signed on request. Not where another process signs with the same journals: a
            request here could sign a round that the other process then may not sign.
        held: why no rounds are made, None while they are.
        risks: what a lender must know of each feed, as far as no round changes it.
        operators: those of the home store as they are; None where there are none.
        stake: what the contracts around it say; None where there is no store.
    """

    def __init__(
        self,
        specs: Mapping[str, FeedSpec],
        database: Database,
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
        risks: Mapping[str, FeedRisk] | None = None,
        operators: Callable[[], OperatorsView | None] = lambda: None,
        stake: Callable[[], StakeView | None] = lambda: None,
    ) -> None:
        self._specs, self._live, self._targets, self._database = specs, live, targets, database
        self._interval_s, self._now_ms, self._offset_ms = interval_s, now_ms, offset_ms
        self._readers, self._keyless = readers, tuple(keyless)
        self.found: Callable[[], tuple[str, ...]] = tuple
        self.handed_on: Callable[[], tuple[str, ...]] = tuple
        self.chains: Callable[[], Mapping[str, Sequence[EndpointState]]] = dict
        """What the process found of its own health, what it could not hand on, its endpoints by chain: for the warnings."""
        self._signs_reports, self._held = reports, held
        self._risks: Mapping[str, FeedRisk] = risks or {}
        self._live_risks: Mapping[str, LiveRisk] = {}
        self.operators, self.stake = operators, stake
        self._records = {f: r for f in specs if (r := database.record(f)) is not None}
        self._abstaining: dict[str, Abstaining] = {}
        self._reports: dict[tuple[str, str], asyncio.Task[SignedBatch | NoReport]] = {}
        self._signing = asyncio.Semaphore(_SIGNED_AT_ONCE)
        self._listeners: list[Callable[[Update], None]] = []
        self._started_ms = now_ms()
        self._round_s: int | None = None

    def change(self, specs: Mapping[str, FeedSpec], risks: Mapping[str, FeedRisk]) -> Callable[[], None]:
        """Show these feeds from now on. Returns what takes it back."""
        before = self._specs, self._risks, self._records, self._abstaining
        new = [f for f in specs if f not in self._specs]
        found = {f: r for f in new if (r := self._database.record(f)) is not None}
        self._records = {f: r for f, r in {**self._records, **found}.items() if f in specs}
        self._abstaining = {f: a for f, a in self._abstaining.items() if f in specs}
        self._specs, self._risks = specs, risks

        def undo() -> None:
            self._specs, self._risks, self._records, self._abstaining = before

        return undo

    # --- what the process publishes -------------------------------------------------------------------------------

    def publish(self, done: Round) -> None:
        """A round is stored: show it."""
        self._records |= {r.feed: r for r in done.records}
        self._round_s = done.round_time_s
        self._reports = {}
        self._abstaining = {s.feed: self._abstaining_since(s, done) for s in silent_feeds(done, self._specs)}
        repeated = {r.feed: r.report.repeats_prices for r in done.records}
        self._live_risks = live_risks(done.round_time_s, done.feeds, self._specs, self._risks, repeated)
        self._notify(Update(round_time_s=done.round_time_s, transitions=done.transitions))

    def learn(self, done: Round) -> None:
        """A round that others sealed was learned: what of it is newer than what is here is shown, in streams too."""
        newer = {r.feed: r for r in done.records if self._is_newer(r)}
        self._records |= newer
        if done.round_time_s == self._round_s:
            self._abstaining = {f: a for f, a in self._abstaining.items() if f not in newer}
        if newer:
            self._notify(Update(round_time_s=done.round_time_s, transitions=done.transitions))
        elif any(self._records[r.feed].report.round_time_s > done.round_time_s for r in done.records):
            self._notify(Update(stored=True))

    def _is_newer(self, record: Record) -> bool:
        held = self._records.get(record.feed)
        return held is None or held.report.round_time_s < record.report.round_time_s

    def indicate(self, indications: Sequence[Record]) -> None:
        """The live lane has new indications: show them."""
        if indications:
            self._notify(Update(indications=tuple(indications)))

    def _abstaining_since(self, silent: Silent, done: Round) -> Abstaining:
        before = self._abstaining.get(silent.feed)
        return Abstaining(
            why=silent.why, text=silent.text, since_ms=before.since_ms if before else done.round_time_s * MS
        )

    def _notify(self, update: Update) -> None:
        for listener in self._listeners:
            listener(update)

    # --- what the endpoint asks for -------------------------------------------------------------------------------

    def specs(self) -> Mapping[str, FeedSpec]:
        """All feeds."""
        return self._specs

    def record(self, feed: str) -> Record | None:
        """The last final record."""
        return self._records.get(feed)

    def abstaining(self, feed: str) -> Abstaining | None:
        """Why the newest round brought no price; every feed abstains while there is no current round."""
        return self._abstaining.get(feed) or self._without_round()

    def _without_round(self) -> Abstaining | None:
        """A round that is not made brings no price either: an old record must not look like a current one."""
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
        """The newest indication of the live lane."""
        return self._live.get(feed)

    def onchain(self, feed: str) -> tuple[OnChain, ...]:
        """What each target's store holds."""
        return tuple(t.onchain[feed] for t in self._targets.values() if feed in t.onchain)

    def missing_targets(self, feed: str) -> tuple[str, ...]:
        """Targets whose store should hold a feed (each leg of a cross) and is not known to."""
        legs = self._specs[feed].legs or (feed,)
        return tuple(n for n, t in self._targets.items() if t.feeds_to_push >= set(legs) and feed not in t.onchain)

    def risk(self, feed: str) -> FeedRisk:
        """What a lender must know of a feed, as far as no round changes it."""
        return self._risks.get(feed, _NO_RISK)

    def live_risk(self, feed: str) -> LiveRisk:
        """What this run's newest round showed of that."""
        return self._live_risks.get(feed, _NO_ROUND)

    def newest_round_s(self, feed: str) -> int | None:
        """The newest round of this run for a feed that abstains, else that of its last record."""
        record = self._records.get(feed)
        if record is None or feed in self._abstaining:
            return self._round_s
        return record.report.round_time_s

    async def read_stored(self, read: Callable[[StoredRounds], T]) -> T:
        """Result of a function of the stored rounds."""
        return await self._readers.read(read)

    def targets(self) -> tuple[str, ...]:
        """Names of the stores that are signed for, in the order of the config."""
        return tuple(self._targets)

    async def report(self, feed: str, target: str | None = None) -> SignedBatch | NoReport:
        """A signed batch of this feed alone. The operators are asked once for each target, feed and round, whatever they answer."""
        record, name = self._records.get(feed), target or next(iter(self._targets), "")
        view = self._targets.get(name)
        if record is None or record.report.round_time_s != self._round_s:
            return NoReport(code=ErrorCode.NO_ROUND, text=f"{feed} has no price in the newest round")
        if not self._signs_reports:
            return NoReport(
                code=ErrorCode.BACKUP, text="this process shares its journals with another one: ask that one"
            )
        if view is None:
            return NoReport(
                code=ErrorCode.NO_TARGET, text="no store to sign for: configure [targets] and [[operators]]"
            )
        if not view.connected:
            return NoReport(code=ErrorCode.NO_TARGET, text=f"target {name} is not connected")
        if (name, feed) not in self._reports:
            self._reports[name, feed] = asyncio.create_task(self._sign(view, feed, self._round_s))
        return await asyncio.shield(self._reports[name, feed])  # a reader that leaves does not cancel it for the others

    async def _sign(self, target: TargetView, feed: str, round_s: int) -> SignedBatch | NoReport:
        """A few at a time; a request that had to wait until its round was over asks nobody."""
        async with self._signing:
            if round_s != self._round_s:
                return NoReport(code=ErrorCode.NO_ROUND, text=f"round {round_s} is over: ask again")
            return await _signed(target, feed)

    def health(self) -> Health:
        """Live: rounds are made. Ready: this run's newest round has a price for every feed, and so has every chain that is pushed to."""
        now_ms = self._now_ms()
        lag_ms = None if self._round_s is None else now_ms - self._round_s * MS
        waited_ms = now_ms - self._started_ms if lag_ms is None else lag_ms
        live = not self._is_late(waited_ms)
        faults = [] if live else [(Unready.NO_ROUNDS, f"no round for {waited_ms} ms")]
        faults += [(Unready.NO_ROUND_YET, "no round since the start of this process")] if self._round_s is None else []
        faults += [(Unready.HELD, held)] if (held := self._held()) else []
        faults += [(Unready.NO_PRICE_YET, f"{f} has had no price yet") for f in self._specs if f not in self._records]
        faults += [(Unready.ABSTAINS, f"{f} abstains: {a.text}") for f, a in self._abstaining.items()]
        targets = [t.status() for t in self._targets.values()]
        faults += [fault for t in targets for fault in t.faults(now_ms)]
        view = self.operators()
        warnings = list(view.warnings) if view is not None else [without_key(n) for n in self._keyless]
        warnings += [text for t in targets for text in t.warnings(now_ms)]
        warnings += [*endpoint_warnings(self.chains(), now_ms), *self.found(), *self.handed_on()]
        return Health(
            live=live,
            ready=live and not faults,
            degraded=bool(warnings),
            reasons=tuple(text for _, text in faults),
            warnings=tuple(warnings),
            started_at_ms=self._started_ms,
            round=self._round_s,
            round_lag_ms=lag_ms,
            clock_offset_ms=self._offset_ms(),
            feeds=len(self._specs),
            feeds_abstaining=len(self._abstaining),
            targets=tuple(targets),
            unready=frozenset(word for word, _ in faults),
            interval_s=self._interval_s,
        )

    def subscribe(self, listener: Callable[[Update], None]) -> None:
        """Call ``listener`` with every update from now on."""
        self._listeners.append(listener)


async def _signed(target: TargetView, feed: str) -> SignedBatch | NoReport:
    """Have the operators sign the feed's newest report."""
    try:
        collected = await target.collect_signatures([feed])
    except ChainError as e:
        return NoReport(code=ErrorCode.NO_TARGET, text=str(e))
    if collected is None:
        return NoReport(code=ErrorCode.NO_QUORUM, text="nothing was signed yet")
    if collected.batch is None:
        why = "; ".join(f"{r.operator}: {r.text}" for r in collected.refusals)
        return NoReport(code=ErrorCode.NO_QUORUM, text=why or f"{feed} is not signed for this store")
    return collected.batch
