"""One target: connect to its store, take a seat for the operators there, and push what is due. Dry without a gas key."""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from feeds.units import MS
from oracle.ballot import Ballot
from oracle.cosign import Operator
from oracle.fit import bind, check_presence, read_limits
from oracle.landed import Landed
from oracle.onchain.chain import ChainError, StoreClient, StoreRefuses, Unfit
from oracle.onchain.due import Candidate, Decision, PushPolicy, decide
from oracle.onchain.mirror import StoreLimits, after, needs_beside
from oracle.push import Pusher, PushRules
from oracle.records import OnChain, PushRow
from oracle.remote import SignerError
from oracle.rounds import Done, Rounds, Seat
from oracle.sign import SignedBatch, SignedValues, SignerSet
from oracle.spec import FeedSpec
from oracle.status import Status
from oracle.store import Store
from oracle.turns import Turns
from oracle.types import Report
from oracle.voters import Voters

_DAY_MS = 86_400_000
_SIGNERS_MS = 30_000
_BALANCE_MS = 60_000
_USUAL_GAS = 200_000
_REMEMBERED = 50
"""Landed pushes that are read back: which transaction brought what the store holds, and what a push costs."""
_STALE_SET = frozenset({"WrongEpoch", "BadSignature", "BelowThreshold"})
_TROUBLE = (ChainError, SignerError, OSError, TimeoutError, sqlite3.Error)
"""What a look at a chain may end with; the next one tries again. SQLite's: the database is locked, or its disk is full."""
_log = structlog.get_logger("oracle.target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a target needs of the process."""

    store: Store
    rounds: Rounds
    now_ms: Callable[[], int]
    clock_ok: Callable[[], bool]
    on_ballot: Callable[[Ballot], None]
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
        policy: PushPolicy | None = None,
        warn_pushes: int = 100,
        views: Sequence[bytes] = (),
    ) -> None:
        self.name = name
        self.can_send = can_send
        self.held: Mapping[str, str] = {}
        self.refusals: deque[str] = deque(maxlen=100)
        self.counts: Counter[str] = Counter()
        self._client, self._rules, self._feeds, self._tools = client, rules, feeds, tools
        self._voters = Voters(name, operators, now_ms=tools.now_ms, clock_ok=tools.clock_ok)
        self._policy = policy or PushPolicy()
        self._warn_pushes = warn_pushes
        self._pusher = Pusher(
            name, client, tools.store, rules, now_ms=tools.now_ms, on_landed=self._landed, on_failed=tools.on_failed,
            turns=Turns(name, views, on_failed=tools.on_unpoked),
        )  # fmt: skip
        self._landings = Landed(name, tools.rounds.specs)
        tools.rounds.expect(name)
        self._signers_ms = self._balance_ms = self._step_weight = 0
        self._indexes: Mapping[str, int] = {}
        self._news = False
        self._done: Done | None = None
        self._due_since: dict[tuple[int, int], int] = {}
        self._limits: Mapping[int, StoreLimits] = {}

    @property
    def connected(self) -> bool:
        """Whether the operators have their seat."""
        return self._voters.signers is not None

    @property
    def onchain(self) -> Mapping[str, OnChain]:
        """What the store holds of each feed, whoever pushed it: as read at the newest block of the last round."""
        return self._landings.show(self._pusher.stored)

    @property
    def indexes(self) -> Mapping[str, int]:
        """Index of each feed in the store."""
        return self._indexes

    def offer(self, done: Done) -> None:
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
            await self._connect()
        except Unfit:
            raise
        except _TROUBLE as e:
            _log.warning("target not connected yet; the next look tries again", target=self.name, why=str(e)[:300])

    async def turn(self) -> None:
        """One look: connect if need be, settle what is under way, push what is due. The scheduler calls it."""
        try:
            if not self.connected:
                await self._connect()
            await self._pusher.poll()
            await self._push_due()
            self._look_for_doubles()
            await self._look_after()
        except _TROUBLE as e:
            self.counts["failed"] += 1
            self._tools.on_failed(_word(e))
            _log.warning("no push this time; the next round tries again", target=self.name, why=str(e)[:300])
            if isinstance(e, StoreRefuses) and e.name in _STALE_SET:
                self._voters.leave()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ballot(self, feeds: Sequence[str]) -> Ballot | None:
        """Have a batch of these feeds signed for the newest round; None before the first round or without a seat."""
        done = self._done
        values = await self._voters.values(done) if done is not None else ()
        return await self._vote(values, [self._indexes[f] for f in feeds if f in self._indexes]) if values else None

    # --- the seat ------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        signers = await self._client.connect()
        indexes = bind(self._feeds, await self._client.feeds())
        await check_presence(self._client, indexes, self._tools.rounds.specs)
        await self._pusher.start(indexes)
        self._indexes = indexes
        self._landings.sit(indexes)
        await self._sit(signers)
        for row in self._tools.store.pushes(self.name, ("landed",), newest=_REMEMBERED):
            self._landings.note(row)
        _log.info(
            "target connected", target=self.name, feeds=len(indexes), threshold=signers.threshold, dry=not self.can_send
        )

    async def _sit(self, signers: SignerSet) -> None:
        """Read what the store takes, then sit: whoever is connected knows all of it."""
        self._step_weight = await self._client.step_threshold()
        limits = await read_limits(self._client, self._indexes, self._rules.max_push_age_s)
        strong = self._voters.sit(signers, self._indexes) >= self._step_weight
        self._limits = {i: replace(one, strong=strong) for i, one in limits.items()}
        self._signers_ms = self._tools.now_ms()
        self._tools.rounds.take(Seat(target=self.name, signers=signers, indexes=self._indexes))

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
        if now_ms - self._signers_ms >= _SIGNERS_MS:
            signers = await self._client.connect()
            if signers != self._voters.signers:
                _log.info("the signer set changed", target=self.name, epoch=signers.epoch)
                await self._sit(signers)
            self._signers_ms = now_ms
        if self.can_send and now_ms - self._balance_ms >= _BALANCE_MS:
            self._balance_ms = now_ms
            await self._check_balance()

    async def _check_balance(self) -> None:
        balance_wei, market = await self._client.balance_wei(), await self._client.market()
        since_s = (self._tools.now_ms() - _DAY_MS) // MS
        landed = self._tools.store.pushes(self.name, ("landed",), since_s, newest=_REMEMBERED)
        gas = max((r.gas_used or 0 for r in landed), default=0) or _USUAL_GAS
        pushes = balance_wei // max(1, gas * (market.base_wei + market.tip_wei))
        self._tools.on_balance(balance_wei, pushes)
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
            return
        ballot = await self._vote(await self._voters.values(done), sorted(decision.push))
        if ballot.batch is not None and self._is_short(done, decision, ballot.batch):
            agreed, decision = set(decision.push), await self._decide_weak(done)
            if not decision.push:
                return
            if set(decision.push) != agreed:
                ballot = await self._vote(await self._voters.values(done), sorted(decision.push))
        why = {self._feed(i): r.text for i, r in decision.push.items()}
        told = "; ".join(f"{f}: {w}" for f, w in why.items())
        if ballot.batch is None:
            self.counts["unsigned"] += 1
            refused = "; ".join(f"{r.operator}: {r.text}" for r in ballot.refusals) or "no operator has signed values"
            self._tools.store.add_refusal(
                self._tools.now_ms(), self.name, done.round_time_s, b"", told, f"no quorum: {refused}"
            )
            _log.warning("no quorum for a push", target=self.name, refused=refused)
            return
        row = await self._pusher.submit(ballot.batch, told, urgent=decision.urgent)
        if row is None:
            self._news = True  # another one turned out to be under way: looked at again when it has ended
            return
        self.counts["submitted"] += 1
        _log.info("push", target=self.name, round_time=row.round_s, why=why)

    def _is_news(self, done: Done, decision: Decision) -> bool:
        """Whether a depeg or a halt is not yet in what is under way."""
        reports = {r.feed: r.report for r in done.records}
        under_way = self._pusher.under_way
        turned = [i for i, r in decision.push.items() if r.cause.name == "WORSE"]
        return any((i, int(reports[self._feed(i)].status)) not in under_way for i in turned)

    def _is_short(self, done: Done, decision: Decision, batch: SignedBatch) -> bool:
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

    async def _decide(self, done: Done) -> Decision:
        """What is worth the gas now, against what the store holds at the newest block, if all sign who have a seat."""
        return await self._weigh(done, all_sign=True)

    async def _decide_weak(self, done: Done) -> Decision:
        """The same where too few have signed for a far price: one that the store holds back already is not sent again."""
        return await self._weigh(done, all_sign=False)

    async def _weigh(self, done: Done, *, all_sign: bool) -> Decision:
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
        decision = decide(candidates, self._policy, block_time_s=head.time_s)
        since = self._due_since
        keys = [(i, self._stored_s(i)) for i in decision.due]
        self._due_since = {key: since.get(key, now_s) for key in keys}
        self.held = {self._feed(i): text for i, text in decision.held.items()}
        return decision

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

    async def _vote(self, values: Sequence[SignedValues], indexes: Sequence[int]) -> Ballot:
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
