"""One target: connect to its store, take a seat for the operators there, and push what is due. Dry without a gas key."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from eth_hash.auto import keccak

from feeds.units import MS
from oracle.chain.fees import BatchTooBig, pushes_left
from oracle.chain.next_signers import Coming, coming_set
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_client import StoreClient, StoreRefuses, Unfit
from oracle.chain.store_rules import StoreLimits, after, needs_beside
from oracle.chain.transaction import unsigned_of
from oracle.model.publication import OnChain, PushRow
from oracle.model.spec import FeedSpec
from oracle.model.status import Status
from oracle.model.target_status import FeedOnTarget, TargetStatus
from oracle.model.types import Report
from oracle.push.arming import Arming
from oracle.push.attestation import Attesters
from oracle.push.due import Candidate, Decision, PushPolicy, decide
from oracle.push.onchain_view import Grace, OnchainView
from oracle.push.preflight import bind, check_presence, read_limits
from oracle.push.pusher import Pusher, PushRules
from oracle.push.ramp_pokes import RampPokes
from oracle.round.rounds import Round, Rounds
from oracle.round.seat import SignerSeat
from oracle.runtime.clock import is_over
from oracle.runtime.log_limit import LogBudget
from oracle.sign.messages import SignedBatch, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.quorum import CollectedSignatures
from oracle.sign.remote_signer import SignerError
from oracle.sign.succession import Succession
from oracle.sign.verified_values import VerifiedValues
from oracle.storage.database import Database

_DAY_MS = 86_400_000
_SIGNERS_MS = 30_000
_BALANCE_MS = 60_000
_USUAL_GAS = 200_000
_USUAL_BYTES = b"".join(keccak(bytes([i])) for i in range(20))
"""As much as a push of some tokens, and as hard to compress."""
_REMEMBERED = 50
"""Landed pushes that are read back: which transaction brought what the store holds, and what a push costs."""
_QUIET_MS = 15_000
_TURN_S = 120.0
"""Each request has its limit; so long may all of a look take together: an endpoint may answer each just before its limit."""
_START_S = 20.0
"""So long may a chain keep rounds and endpoint from starting."""
_STALE_SET = frozenset({"WrongEpoch", "BadSignature", "BelowThreshold"})
_TROUBLE = (ChainError, SignerError, OSError, TimeoutError, sqlite3.Error)
"""What a look at a chain may end with; the next one tries again. SQLite's: the database is locked, or its disk is full."""
_log = structlog.get_logger("oracle.push.target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a target needs of the process."""

    store: Database
    rounds: Rounds
    now_ms: Callable[[], int]
    clock_ok: Callable[[], bool]
    on_ballot: Callable[[CollectedSignatures], None]
    on_landed: Callable[[PushRow], None]
    on_failed: Callable[[str], None]
    on_balance: Callable[[int, int], None] = lambda _wei, _pushes: None
    on_unpoked: Callable[[str], None] = lambda _view: None


class Target:
    """A store that is pushed to.

    Args:
        name: in the config.
        client: the store; without a gas key nothing is sent.
        rules: limits of the pusher.
        policy: what gas is spent for.
        feeds: feeds that belong there.
        operators: the signers in this process.
        can_send: whether there is a gas key.
        tools: the process around it.
        closed: environment variable that would open a gas key that is not; "" where none is wanted.
        round_s: time from one round to the next.
        warn_pushes: warn when the gas key can pay for fewer pushes than this.
        views: ModeViews over the store that are poked when a push turns their ramp.
    """

    def __init__(
        self,
        name: str,
        client: StoreClient,
        rules: PushRules,
        *,
        feeds: Sequence[str],
        operators: Sequence[Operator],
        can_send: bool,
        tools: Tools,
        closed: str = "",
        round_s: int = 10,
        policy: PushPolicy | None = None,
        warn_pushes: int = 100,
        views: Sequence[bytes] = (),
    ) -> None:
        self.name = name
        self.can_send, self._closed = can_send, closed
        self.held: Mapping[str, str] = {}
        self.refusals: deque[str] = deque(maxlen=100)
        self.counts: Counter[str] = Counter()
        self._client, self._rules, self._feeds, self._tools = client, rules, feeds, tools
        self._voters = Attesters(name, operators, now_ms=tools.now_ms, clock_ok=tools.clock_ok)
        self._policy = policy or PushPolicy()
        self._warn_pushes = warn_pushes
        self._pusher = Pusher(
            name, client, tools.store, rules, now_ms=tools.now_ms, on_landed=self._landed, on_failed=tools.on_failed,
            turns=RampPokes(name, views, on_failed=tools.on_unpoked),
        )  # fmt: skip
        self._arming = Arming(
            name, client, self._pusher, operators, can_send=can_send, offset_s=self._policy.offset_s,
            now_ms=tools.now_ms, on_failed=tools.on_failed,
        )  # fmt: skip
        self._succession: Succession | None = None
        self._coming: Coming | None = None
        grace = Grace(max_push_age_s=rules.max_push_age_s, bump_after_s=rules.bump_after_s, round_s=round_s)
        self._landings = OnchainView(name, tools.rounds.specs, grace=grace)
        tools.rounds.reserve_seat(name)
        self._signers_ms = self._balance_ms = self._step_weight = 0
        self._indexes: Mapping[str, int] = {}
        self._news = self._looked_back = False
        self._done: Round | None = None
        self._due_since: dict[tuple[int, int], int] = {}
        self._limits: Mapping[int, StoreLimits] = {}
        self._left = False
        self._told = LogBudget()
        self._wanted = frozenset(feeds)
        self._looked_ms: int | None = None
        self._looked_at: Mapping[int, Report] = self._pusher.stored
        self._pushes_left: int | None = None

    @property
    def connected(self) -> bool:
        """Whether the operators have their seat."""
        return self._voters.signers is not None

    @property
    def onchain(self) -> Mapping[str, OnChain]:
        """What the store holds of each feed, whoever pushed it: as read at the newest block of the last round."""
        return self._landings.show(self._pusher.stored)

    @property
    def wanted(self) -> frozenset[str]:
        """Feeds that are to be pushed there; none in a dry run."""
        return self._wanted if self.can_send or self._closed else frozenset()

    def seen(self) -> TargetStatus:
        """How it stands, for readiness and metrics."""
        return TargetStatus(
            target=self.name,
            sends=self.can_send,
            connected=self.connected,
            looked_at_ms=self._looked_ms,
            quorum=self._voters.quorum(self._done),
            pushes_left=self._pushes_left,
            few_pushes=self._warn_pushes,
            feeds=tuple(self._feed_seen(f) for f in self._feeds),
            closed=self._closed,
        )

    def _feed_seen(self, feed: str) -> FeedOnTarget:
        held, spec = self.onchain.get(feed), self._spec(feed)
        return FeedOnTarget(
            feed=feed,
            heartbeat_s=spec.heartbeat_s,
            round_time_s=held.round_time_s if held else None,
            late_at_s=held.late_at_s if held else None,
            held=self.held.get(feed, ""),
        )

    @property
    def indexes(self) -> Mapping[str, int]:
        """Index of each feed in the store."""
        return self._indexes

    def offer(self, done: Round) -> None:
        """A round was stored: see whether something of it is due."""
        self._done = done
        self._news = True

    async def start(self) -> None:
        """Connect before anything runs. A chain that does not answer is tried again later.

        Raises:
            Unfit: config and store contradict each other: a feed is not registered, or with other prices, or the store
                takes reports of another age.
        """
        try:
            async with asyncio.timeout(_START_S):
                await self._connect()
        except Unfit:
            raise
        except _TROUBLE as e:
            _log.warning("target not connected yet; the next look tries again", target=self.name, why=str(e)[:300])
        finally:
            self._note_look()

    async def turn(self) -> None:
        """One look: connect if need be, settle what is under way, push what is due. The scheduler calls it."""
        try:
            async with asyncio.timeout(_TURN_S):
                await self._look()
        except _TROUBLE as e:
            self.counts["failed"] += 1
            self._tools.on_failed(_word(e))
            more = self._told.more(_word(e))
            if more is not None:  # a look comes twice a second
                _log.warning("no push this time; the next look tries again", target=self.name, why=str(e)[:300],
                             more_since_the_last_line=more)  # fmt: skip
            if isinstance(e, StoreRefuses) and e.name in _STALE_SET:
                self._voters.leave()
        finally:
            self._note_look()

    async def _look(self) -> None:
        if not self.connected:
            await self._connect()
        await self._pusher.poll()
        await self._follow()
        await self._push_due()
        self._look_for_doubles()
        await self._look_after()
        await self._arming.act()
        if self._looked_ms is not None and self._tools.now_ms() - self._looked_ms > _QUIET_MS:
            await self._pusher.refresh()  # nothing is due for long: what is on chain is known all the same

    def _note_look(self) -> None:
        """The store was read if it is another word than before: a look at nothing says nothing of the chain."""
        if self._pusher.stored is not self._looked_at:
            self._looked_at, self._looked_ms = self._pusher.stored, self._tools.now_ms()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ballot(self, feeds: Sequence[str]) -> CollectedSignatures | None:
        """Have a batch of these feeds signed for the newest round; None before the first round or without a seat."""
        done = self._done
        values = await self._voters.values(done) if done is not None else ()
        return await self._vote(values, [self._indexes[f] for f in feeds if f in self._indexes]) if values else None

    # --- the seat ------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        succession = await self._see_signers()
        signers = succession.at(self._round_s)
        indexes = bind(self._feeds, await self._client.feeds())
        await check_presence(self._client, indexes, self._tools.rounds.specs)
        await self._pusher.start(indexes)
        self._indexes = indexes
        self._landings.sit(indexes)
        self._look_back(signers)
        await self._sit(signers)
        for row in self._tools.store.pushes(self.name, ("landed",), newest=_REMEMBERED):
            self._landings.note(row)
        _log.info(
            "target connected", target=self.name, feeds=len(indexes), threshold=signers.threshold, dry=not self.can_send
        )

    def _look_back(self, signers: SignerSet) -> None:
        """Before anything is signed, once: a store that holds what no journal knows of tells that they were restored."""
        if self._looked_back:
            return
        self._looked_back = True
        newest_s = max((r.round_time_s for r in self._pusher.stored.values()), default=0)
        for one in self._voters.behind(signers, self._pusher.stored):
            one.journal.mark_restored(self._tools.now_ms(), newest_s)
            self._tools.on_failed("journal_restored")
            _log.error(
                "the store holds a round that this key must have signed and that is newer than all of its journal: the"
                " journal was restored; silent for a while",
                target=self.name, operator=one.name, journal=str(one.journal.path),
            )  # fmt: skip

    @property
    def _round_s(self) -> int:
        """The round that a push would be of now."""
        return self._done.round_time_s if self._done is not None else self._tools.now_ms() // MS

    async def _see_signers(self) -> Succession:
        """Look who is in force, who is to come, and whether that has to be armed: all at one block."""
        head = await self._client.head()
        now = await self._client.connect(head.number)
        coming = await coming_set(self._client, head.number)
        self._arming.see(coming, head.number, head.time_s)
        self._coming = coming or self._coming
        certain = (coming.signers, coming.from_s) if coming is not None and coming.armed else None
        self._succession = (self._succession or Succession(present=now)).updated(now, certain)
        self._signers_ms = self._tools.now_ms()
        return self._succession

    async def _follow(self) -> None:
        """Sit for the set whose round the newest one is, also before a block says that it is in force."""
        succession = self._succession
        if succession is None or succession.at(self._round_s) == self._voters.signers:
            return
        signers = succession.at(self._round_s)
        _log.info("the signer set changed", target=self.name, epoch=signers.epoch)
        await self._sit(signers)

    async def _sit(self, signers: SignerSet) -> None:
        """Read what the store takes, then sit: whoever is connected knows all of it."""
        next_one = self._coming
        if next_one is not None and next_one.signers.epoch == signers.epoch:
            self._step_weight = next_one.strong  # the newest block may know nothing of it yet
        else:
            self._step_weight = await self._client.step_threshold()
        limits = await read_limits(self._client, self._indexes, self._rules.max_push_age_s)
        expected = () if next_one is None else next_one.signers.signers
        strong = self._voters.sit(signers, self._indexes, expected) >= self._step_weight
        self._limits = {i: replace(one, strong=strong) for i, one in limits.items()}
        self._take_seat()

    def _take_seat(self) -> None:
        """Tell the rounds for whom they are signed, and for whom from when on."""
        known = self._succession
        if known is None:
            return
        seat = SignerSeat(
            target=self.name, signers=known.present, indexes=self._indexes, after=known.after, from_s=known.from_s
        )
        self._tools.rounds.take_seat(seat)

    def _look_for_doubles(self) -> None:
        """Told and counted, no more: during a change of signers the set before may still be the one that signs."""
        took_s = self._tools.now_ms() // MS - self._rules.max_push_age_s
        for feed, names in self._voters.doubles(self._pusher.stored, took_s).items():
            self._tools.on_failed("signed_elsewhere")
            _log.error(
                "the store holds a round that these operators' keys must have signed and whose place none of their"
                " journals knows: another process signs with these keys, stop one of the two",
                target=self.name, feed=feed, operators=names,
            )  # fmt: skip

    async def _look_after(self) -> None:
        """Now and then: the signer set, and what the gas key still has."""
        now_ms = self._tools.now_ms()
        if is_over(self._signers_ms, _SIGNERS_MS, now_ms):
            before = self._succession
            if await self._see_signers() != before:
                self._take_seat()
            await self._follow()
        if self.can_send and is_over(self._balance_ms, _BALANCE_MS, now_ms):
            self._balance_ms = now_ms
            await self._check_balance()

    async def _check_balance(self) -> None:
        """How many pushes like the dearest of the day the gas key can pay for: gas, and what a rollup takes for bytes."""
        balance_wei, market = await self._client.balance_wei(), await self._client.costs.market()
        since_s = (self._tools.now_ms() - _DAY_MS) // MS
        landed = self._tools.store.pushes(self.name, ("landed",), since_s, newest=_REMEMBERED)
        dearest = max(landed, key=lambda r: r.gas_used or 0, default=None)
        gas = (dearest.gas_used if dearest is not None else None) or _USUAL_GAS
        unsigned = unsigned_of(dearest.raw) if dearest is not None else _USUAL_BYTES
        data_wei = await self._client.costs.data_fee_wei(unsigned, gas)
        pushes = pushes_left(balance_wei, gas, market, data_wei)
        self._tools.on_balance(balance_wei, pushes)
        self._pushes_left = pushes
        if pushes < self._warn_pushes:
            _log.warning("the gas key runs low: send it ether", target=self.name, key=self._client.payer, pushes=pushes)

    # --- pushing -------------------------------------------------------------------------------------------------

    async def _push_due(self) -> None:
        done = self._done
        if not self._news or done is None:
            return
        if not self.can_send:
            self._news = False
            await self._pusher.refresh()  # others may push: what the store holds is shown all the same
            return
        decision = await self._decide(done)
        if self._pusher.busy and not (decision.urgent and self._is_news(done, decision)):
            return
        self._news = self._done is not done  # a round that came meanwhile is looked at next
        if not decision.push:
            await self._poke_alone(done)
            return
        decision, ballot = await self._sign(done, decision)
        if not decision.push:
            return
        why = {self._feed(i): r.text for i, r in decision.push.items()}
        told = "; ".join(f"{f}: {w}" for f, w in why.items())
        if ballot.batch is None:
            self._no_quorum(done, ballot, told)
            return
        row = await self._submit(ballot.batch, decision, told)
        refused = row is not None and row.state == "refused"
        self._news |= self._left or row is None or (refused and self._cut(decision) is not decision)
        if row is not None and not refused:
            self.counts["submitted"] += 1
            _log.info("push", target=self.name, round_time=row.round_s, why=why)

    async def _sign(self, done: Round, decision: Decision) -> tuple[Decision, CollectedSignatures]:
        """Have what goes signed; decided anew where too few signed for a price that moved far."""
        ballot = await self._vote(await self._voters.values(done), sorted(decision.push))
        if ballot.batch is None or not self._is_short(done, decision, ballot.batch):
            return decision, ballot
        weaker = await self._decide_weak(done)
        if weaker.push and set(weaker.push) != set(decision.push):
            ballot = await self._vote(await self._voters.values(done), sorted(weaker.push))
        return weaker, ballot

    async def _submit(self, batch: SignedBatch, decision: Decision, told: str) -> PushRow | None:
        """Push a batch. None while another one is under way, or where it has to be cut: looked at again with the next."""
        try:
            return await self._pusher.submit(batch, told, urgent=decision.urgent)
        except BatchTooBig as e:
            if len(decision.push) == 1:
                raise
            self._pusher.lessons.too_big(len(decision.push), e)
            _log.info("a batch is cut", target=self.name, why=str(e), items=self._pusher.lessons.most_items)
            return None

    def _no_quorum(self, done: Round, ballot: CollectedSignatures, told: str) -> None:
        self.counts["unsigned"] += 1
        refused = "; ".join(f"{r.operator}: {r.text}" for r in ballot.refusals) or "no operator has signed values"
        self._tools.store.add_refusal(
            self._tools.now_ms(), self.name, done.round_time_s, b"", told, f"no quorum: {refused}"
        )
        _log.warning("no quorum for a push", target=self.name, refused=refused)

    async def _poke_alone(self, done: Round) -> None:
        """Nothing is due: was the turn that the views do not know of brought by somebody else? A backup leaves that."""
        if not self._policy.offset_s:
            await self._pusher.poke(done.round_time_s)

    def _is_news(self, done: Round, decision: Decision) -> bool:
        """Whether a depeg or a halt is not yet in what is under way."""
        reports = {r.feed: r.report for r in done.records}
        under_way = self._pusher.under_way
        turned = [i for i, r in decision.push.items() if r.cause.name == "WORSE"]
        return any((i, int(reports[self._feed(i)].status)) not in under_way for i in turned)

    def _is_short(self, done: Round, decision: Decision, batch: SignedBatch) -> bool:
        """Whether a price was taken to move at once that needs more weight than those who signed have."""
        signers = self._voters.signers
        if signers is None or signers.weight_of(batch.addresses) >= self._step_weight:
            return False
        fresh = {self._indexes[r.feed]: r.report for r in done.records if r.feed in self._indexes}
        going = ((i, self._limits[i]) for i in decision.push if self._limits[i].strong)
        stored = self._pusher.stored
        weak = (
            after(stored.get(i), fresh[i], replace(one, strong=False)) != after(stored.get(i), fresh[i], one)
            for i, one in going
        )
        return any(weak)

    async def _decide(self, done: Round) -> Decision:
        """What is worth the gas now, against what the store holds at the newest block, if all sign who have a seat."""
        return await self._weigh(done, all_sign=True)

    async def _decide_weak(self, done: Round) -> Decision:
        """The same where too few have signed for a far price: one that the store holds back already is not sent again."""
        return await self._weigh(done, all_sign=False)

    async def _weigh(self, done: Round, *, all_sign: bool) -> Decision:
        head = await self._pusher.refresh()
        now_s = done.round_time_s
        spent = {}
        if self._policy.gas_per_day:
            spent = self._tools.store.gas_spent(self.name, self._tools.now_ms() - _DAY_MS)
        reports = {r.feed: r.report for r in done.records}
        candidates = {
            index: Candidate(
                spec=self._spec(feed),
                stored=self._pusher.stored.get(index),
                fresh=reports[feed],
                limits=await self._limits_now(index, reports[feed], head.number, all_sign=all_sign),
                gas_spent=spent.get(index, 0),
                due_for_s=now_s - self._due_since.get((index, self._stored_s(index)), now_s),
            )
            for feed, index in self._indexes.items()
            if feed in reports
        }
        decision = self._cut(decide(candidates, self._policy, block_time_s=head.time_s))
        since = self._due_since
        keys = [(i, self._stored_s(i)) for i in decision.due]
        self._due_since = {key: since.get(key, now_s) for key in keys}
        self.held = {self._feed(i): text for i, text in decision.held.items()}
        return decision

    def _cut(self, decision: Decision) -> Decision:
        """As many of a decision as fit into one transaction, the most urgent first; the others go with the next."""
        most = self._pusher.lessons.most_items
        self._left = most is not None and len(decision.push) > most
        if not self._left:
            return decision
        return replace(decision, push=dict(list(decision.push.items())[:most]))

    async def _limits_now(self, index: int, fresh: Report, block: int, *, all_sign: bool) -> StoreLimits:
        """A feed's limits, with what may stand in the way now.

        A pause shows as a halt, and not at all before the first price. What is held back is read where it can bear on
        what the store does now.
        """
        limits, held = self._limits[index], self._pusher.stored.get(index)
        limits = replace(limits, strong=limits.strong and all_sign)
        if held is None or held.status is Status.HALT:
            limits = replace(limits, paused=await self._client.paused(index, block))
        if needs_beside(held, fresh, limits):
            limits = replace(limits, beside=await self._client.beside(index, block))
        return limits

    def _stored_s(self, index: int) -> int:
        held = self._pusher.stored.get(index)
        return held.round_time_s if held is not None else 0

    async def _vote(self, values: Sequence[VerifiedValues], indexes: Sequence[int]) -> CollectedSignatures:
        ballot = await self._voters.vote(values, indexes)
        for refusal in ballot.refusals:
            self.refusals.append(f"{refusal.operator} refused ({refusal.code}): {refusal.text}")
        self._tools.on_ballot(ballot)
        return ballot

    # --- what landed ---------------------------------------------------------------------------------------------

    def _landed(self, row: PushRow) -> None:
        self.counts["landed"] += 1
        self._landings.note(row)
        self._tools.on_landed(row)

    def _feed(self, index: int) -> str:
        return next((f for f, i in self._indexes.items() if i == index), "")

    def _spec(self, feed: str) -> FeedSpec:
        return self._tools.rounds.specs[feed]


def _word(error: Exception) -> str:
    """What went wrong, in one of a small set of words: they label a metric."""
    if isinstance(error, StoreRefuses):
        return error.name
    return "database" if isinstance(error, sqlite3.Error) else type(error).__name__
