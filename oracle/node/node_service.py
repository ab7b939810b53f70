"""What a node serves: the same as an operator's process, of what it has verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from feeds.units import MS
from oracle.archive.reading import ArchiveReader
from oracle.follow.follower import RoundFollower, VerifiedRound
from oracle.follow.sources import SourceState
from oracle.model.publication import OnChain, Record, Silent, Transition
from oracle.model.risk import FeedRisk, LiveRisk
from oracle.model.spec import FeedSpec
from oracle.model.status import Why
from oracle.node.further_rounds import read_further
from oracle.node.kept_rounds import KeptRounds
from oracle.node.known_risks import known_risks
from oracle.node.signed_rounds import SignedRounds
from oracle.node.store_looks import StoreLooks
from oracle.serve.documents import Abstaining
from oracle.serve.error_codes import ErrorCode
from oracle.serve.interface import Health, NodeShown, NoReport, SourceShown, StoredRounds, Update
from oracle.serve.operators import OperatorsView
from oracle.serve.silences import Silences
from oracle.sign.messages import SignedBatch
from oracle.stake.follow import StakeView

T = TypeVar("T")
_LATE_ROUNDS = 3
_NO_RISK, _NO_ROUND = FeedRisk(), LiveRisk()


class NodeService:
    """What one node serves. It knows what was sealed, what was told of it, and what is on chain: no input, and nothing of the mesh.

    Args:
        target: name of the store.
        specs: feeds that are shown.
        follower: where rounds come from; the service takes each.
        interval_s: between rounds.
        keep_s: how far back rounds are kept.
        now_ms: the clock.
        risks: what a lender must know of each feed, as far as no round changes it.
        stores: looks at what is on chain.
        stake: what the contracts around the store say.
        names: of operators, by report address, as far as the config has them.
        relays: whether operators are asked for what is not here.
        archive: where older rounds are; None: nowhere.
    """

    def __init__(
        self, target: str, specs: Mapping[str, FeedSpec], follower: RoundFollower, *, interval_s: int, keep_s: int,
        now_ms: Callable[[], int], risks: Mapping[str, FeedRisk], stores: StoreLooks | None = None,
        stake: Callable[[], StakeView | None] = lambda: None, names: Mapping[bytes, str] | None = None,
        relays: bool = False, archive: ArchiveReader | None = None,
    ) -> None:  # fmt: skip
        self._target, self._specs, self._follower = target, specs, follower
        self._interval_s, self._now_ms, self._risks = interval_s, now_ms, risks
        self.stores, self.stake = stores or StoreLooks({}), stake
        self._relays, self._archive = relays, archive
        self._signed = SignedRounds(target, names or {})
        self.kept = KeptRounds(target, keep_s, [s.name for s in follower.states if s.is_operator])
        self._records: dict[str, Record] = {}
        self._abstaining: dict[str, Abstaining] = {}
        self._live_risks: Mapping[str, LiveRisk] = {}
        self._listeners: list[Callable[[Update], None]] = []
        self._started_ms = now_ms()
        self._round_s: int | None = None
        self._silences = Silences()
        follower.takers.append(self.take)

    async def take(self, verified: VerifiedRound) -> None:
        """A round was verified, or is told in other words: show it."""
        self.kept.put(verified)
        self._signed.take(verified)
        round_s = verified.round_time_s
        if self._round_s is not None and round_s < self._round_s:
            self._take_older(verified)
            return
        self._round_s = round_s
        before = {r.feed: self._records.get(r.feed) for r in verified.records}
        self._records |= {r.feed: r for r in verified.records}
        self._live_risks = known_risks(round_s, verified.records, self._specs, self._risks)
        self._abstaining = {s.feed: self._since(s, round_s) for s in verified.silent}
        changes = [
            Transition(
                feed=r.feed, at_ms=r.computed_at_ms, before=b.report.status, after=r.report.status, reasons=r.reasons
            )
            for r in verified.records
            if (b := before[r.feed]) is not None and b.report.status is not r.report.status
        ]
        self._silences.note({f: self._abstaining.get(f) for f in self._specs}, self._now_ms())
        self._notify(Update(round_time_s=round_s, transitions=tuple(changes)))

    def _take_older(self, verified: VerifiedRound) -> None:
        """Of a round that is not the newest the records of feeds that have none since are shown."""
        newer = {r.feed: r for r in verified.records if self._is_newest(r)}
        self._records |= newer
        self._notify(Update(round_time_s=self._round_s) if newer else Update(stored=True))

    def _is_newest(self, record: Record) -> bool:
        held = self._records.get(record.feed)
        return held is None or held.report.round_time_s <= record.report.round_time_s

    def _since(self, silent: Silent, round_s: int) -> Abstaining:
        before = self._abstaining.get(silent.feed)
        return Abstaining(why=silent.why, text=silent.text, since_ms=before.since_ms if before else round_s * MS)

    def _notify(self, update: Update) -> None:
        for listener in self._listeners:
            listener(update)

    # --- what the endpoint asks for ---------------------------------------------------------------------------------------

    def specs(self) -> Mapping[str, FeedSpec]:
        """All feeds."""
        return self._specs

    def record(self, feed: str) -> Record | None:
        """The last record."""
        return self._records.get(feed)

    def abstaining(self, feed: str) -> Abstaining | None:
        """Why the newest round brought no price; every feed abstains while there is no current round."""
        return self._abstaining.get(feed) or self._without_round()

    def _without_round(self) -> Abstaining | None:
        if self._round_s is None:
            text = "this node has verified no round yet"
            return Abstaining(why=Why.STALE, text=text, since_ms=self._started_ms)
        if self._is_late():
            text = f"no round that verifies since {self._round_s}: this node is behind, or nobody seals"
            return Abstaining(why=Why.STALE, text=text, since_ms=(self._round_s + self._interval_s) * MS)
        return None

    def _is_late(self) -> bool:
        lag_ms = self._now_ms() - (self._round_s or 0) * MS
        return abs(lag_ms) >= _LATE_ROUNDS * (self._interval_s + 1) * MS

    def indication(self, feed: str) -> Record | None:
        """None: there is no live lane here."""
        del feed
        return None

    def onchain(self, feed: str) -> tuple[OnChain, ...]:
        """What each store of the config holds, as this node reads it."""
        return self.stores.onchain(feed)

    def missing_targets(self, feed: str) -> tuple[str, ...]:
        """None: what a store should hold is for those to know who push there."""
        del feed
        return ()

    def risk(self, feed: str) -> FeedRisk:
        """What a lender must know of a feed, as far as no round changes it."""
        return self._risks.get(feed, _NO_RISK)

    def live_risk(self, feed: str) -> LiveRisk:
        """What the newest round showed of that, as far as it is known without inputs."""
        return self._live_risks.get(feed, _NO_ROUND)

    def newest_round_s(self, feed: str) -> int | None:
        """The newest round for a feed that abstains, else that of its last record."""
        record = self._records.get(feed)
        return self._round_s if record is None or feed in self._abstaining else record.report.round_time_s

    async def read_stored(self, read: Callable[[StoredRounds], T]) -> T:
        """Result of a function of the rounds that are kept, here and in the archive."""
        return read(self.kept) if self._archive is None else await read_further(read, self.kept, self._archive)

    def targets(self) -> tuple[str, ...]:
        """The store that is followed."""
        return (self._target,)

    async def report(self, feed: str, target: str | None = None) -> SignedBatch | NoReport:
        """None: there is no key here."""
        text = f"a node signs nothing, {feed} of {target or self._target} either: {self.kept.hint}"
        return NoReport(code=ErrorCode.NOT_HERE, text=text)

    def operators(self) -> OperatorsView | None:
        """Who signed the rounds of the last hour; how operators reach each other is theirs to say."""
        return self._signed.view(tuple(self._warnings()))

    def health(self) -> Health:
        """Live while it runs; ready while its newest verified round is current and has a price for every feed."""
        now_ms = self._now_ms()
        reasons = [] if self._round_s is not None else ["this node has verified no round yet"]
        if self._round_s is not None and self._is_late():
            reasons.append(f"this node is {self._behind(self._round_s)} behind")
        reasons += [f"{f} has had no price yet" for f in self._specs if f not in self._records]
        reasons += [f"{f} abstains: {a.text}" for f, a in self._abstaining.items()]
        if self._follower.sets.error:
            reasons.append(f"the store's chain cannot be read: {self._follower.sets.error}")
        warnings = [*self._warnings(), *(w for k in self.stores.looks.values() for w in k.warnings(now_ms))]
        if self._archive is not None and self._archive.error:
            warnings.append(f"the archive does not answer: {self._archive.error}")
        return Health(
            live=True,
            ready=not reasons,
            degraded=bool(warnings),
            reasons=tuple(reasons),
            warnings=tuple(warnings),
            started_at_ms=self._started_ms,
            round=self._round_s,
            round_lag_ms=None if self._round_s is None else now_ms - self._round_s * MS,
            clock_offset_ms=0,
            feeds=len(self._specs),
            feeds_abstaining=len(self._abstaining),
            targets=tuple(look.status() for look in self.stores.looks.values()),
            interval_s=self._interval_s,
            node=self._shown(now_ms),
        )

    def _shown(self, now_ms: int) -> NodeShown:
        sources = tuple(
            SourceShown(
                name=s.name, connected=s.connected, round=s.newest_s or None, error=s.error,
                behind_rounds=self._missed(s.newest_s) if s.newest_s else None, refused=s.refused.total(),
            )
            for s in self._follower.states
        )  # fmt: skip
        return NodeShown(
            behind_rounds=None if self._round_s is None else self._missed(self._round_s),
            behind_s=None if self._round_s is None else max(0, now_ms // MS - self._round_s),
            relays=self._relays, sources=sources,
        )  # fmt: skip

    def _missed(self, round_s: int) -> int:
        """Rounds that should have come since: one is under way until its successor begins."""
        return max(0, self._now_ms() // MS - round_s) // self._interval_s

    def _warnings(self) -> Iterator[str]:
        """What is wrong with those that are followed."""
        return (text for s in self._follower.states for text in self._faults(s))

    def _behind(self, round_s: int) -> str:
        lag_s = self._now_ms() // MS - round_s
        return f"{self._missed(round_s)} rounds ({lag_s} s)"

    def _faults(self, source: SourceState) -> list[str]:
        faults = []
        if not source.connected:
            faults.append(f"source {source.name} is not connected: {source.error or 'it was not reached yet'}")
        elif not source.newest_s and self._round_s is not None:
            faults.append(f"source {source.name} has told no round that verifies: others have")
        if source.newest_s and self._now_ms() // MS - source.newest_s >= _LATE_ROUNDS * (self._interval_s + 1):
            faults.append(f"source {source.name} is {self._behind(source.newest_s)} behind")
        if source.refused:
            whys = ", ".join(f"{why} {count}" for why, count in sorted(source.refused.items()))
            faults.append(f"source {source.name} told rounds that do not verify: {whys}")
        return faults

    def subscribe(self, listener: Callable[[Update], None]) -> None:
        """Call ``listener`` with every update from now on."""
        self._listeners.append(listener)
