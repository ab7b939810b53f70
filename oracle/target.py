"""One target: connect to its store, take a seat for the operators there, and push what is due. Dry without a gas key."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from feeds.units import MS
from oracle.cosign import Ballot, Operator
from oracle.onchain.chain import ChainError, StoreClient, StoreRefuses, Unfit
from oracle.onchain.due import Candidate, Decision, PushPolicy, decide
from oracle.onchain.mirror import StoreLimits
from oracle.push import Pusher, PushRules
from oracle.records import OnChain, PushRow
from oracle.remote import SignerError
from oracle.report import cross, decode_item, price_of
from oracle.rounds import Done, Rounds, Seat
from oracle.sign import SignedValues, SignerSet, split
from oracle.store import Store
from oracle.types import FeedSpec, Report, Status, Why
from oracle.voters import Voters

_DAY_MS = 86_400_000
_SIGNERS_MS = 30_000
_BALANCE_MS = 60_000
_USUAL_GAS = 200_000
_STALE_SET = frozenset({"WrongEpoch", "BadSignature", "BelowThreshold"})
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
    ) -> None:
        self.name = name
        self.can_send = can_send
        self.onchain: dict[str, OnChain] = {}
        self.held: Mapping[str, str] = {}
        self.refusals: deque[str] = deque(maxlen=100)
        self.counts: Counter[str] = Counter()
        self._client, self._rules, self._feeds, self._tools = client, rules, feeds, tools
        self._voters = Voters(name, operators, now_ms=tools.now_ms, clock_ok=tools.clock_ok)
        self._policy = policy or PushPolicy()
        self._warn_pushes = warn_pushes
        self._pusher = Pusher(
            name, client, tools.store, rules, now_ms=tools.now_ms, on_landed=self._landed, on_failed=tools.on_failed
        )
        self._signers_ms = self._balance_ms = 0
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
        except (ChainError, SignerError, OSError, TimeoutError) as e:
            _log.warning("target not connected yet; the next look tries again", target=self.name, why=str(e)[:300])

    async def turn(self) -> None:
        """One look: connect if need be, settle what is under way, push what is due. The scheduler calls it."""
        try:
            if not self.connected:
                await self._connect()
            await self._pusher.poll()
            await self._push_due()
            await self._look_after()
        except (ChainError, SignerError, OSError, TimeoutError) as e:
            self.counts["failed"] += 1
            self._tools.on_failed(e.name if isinstance(e, StoreRefuses) else type(e).__name__)
            _log.warning("no push this time; the next look tries again", target=self.name, why=str(e)[:300])
            if isinstance(e, StoreRefuses) and e.name in _STALE_SET:
                self._voters.leave()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ballot(self, feeds: Sequence[str]) -> Ballot | None:
        """Have a batch of these feeds signed for the newest round; None before the first round or without a seat."""
        done = self._done
        values = self._voters.values(done) if done is not None else ()
        return await self._vote(values, [self._indexes[f] for f in feeds if f in self._indexes]) if values else None

    # --- the seat ------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        signers = await self._client.connect()
        indexes = self._bind(await self._client.feeds())
        await self._fit(indexes)
        await self._pusher.start(indexes)
        self._indexes = indexes
        await self._sit(signers)
        for row in self._tools.store.pushes(self.name, ("landed",))[-50:]:
            self._note(row)
        _log.info(
            "target connected", target=self.name, feeds=len(indexes), threshold=signers.threshold, dry=not self.can_send
        )

    async def _sit(self, signers: SignerSet) -> None:
        """Read what the store takes, then sit: whoever is connected knows all of it."""
        needed = await self._client.step_threshold()
        found = await asyncio.gather(*(self._client.limits(i) for i in self._indexes.values()))
        for one in found:
            if one.max_push_age_s != self._rules.max_push_age_s:
                raise Unfit(
                    f"max_push_age_s is {self._rules.max_push_age_s} in the config and {one.max_push_age_s} in the"
                    f" store: write max_push_age_s = {one.max_push_age_s}"
                )
        strong = self._voters.sit(signers, self._indexes) >= needed
        self._limits = {i: replace(one, strong=strong) for i, one in zip(self._indexes.values(), found, strict=True)}
        self._signers_ms = self._tools.now_ms()
        rounds = self._tools.rounds
        if rounds.seat is None or rounds.seat.target == self.name:
            rounds.seat = Seat(target=self.name, signers=signers, indexes=self._indexes)

    def _bind(self, known: Mapping[str, int]) -> dict[str, int]:
        missing = [f for f in self._feeds if f not in known]
        if missing:
            raise Unfit(f"not registered in the store: {', '.join(missing)}; run `lrt-oracle deploy` or register them")
        return {f: known[f] for f in self._feeds}

    async def _fit(self, indexes: Mapping[str, int]) -> None:
        """Hold each feed's prices against what it was registered with: one wrong item would spoil every batch."""
        found = await asyncio.gather(*(self._client.presence(i) for i in indexes.values()))
        for feed, there in zip(indexes, found, strict=True):
            spec = self._tools.rounds.specs[feed]
            if there != (spec.has_market, spec.has_redemption):
                words = [w for w, has in zip(("market price", "redemption rate"), there, strict=True) if has]
                raise Unfit(
                    f"{feed} is registered with {' and '.join(words) or 'nothing'} only, the config gives it other sources:"
                    f" register it under another id ({feed}#2), or correct its sources"
                )

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
        landed = self._tools.store.pushes(self.name, ("landed",), since_s=(self._tools.now_ms() - _DAY_MS) // MS)
        gas = max((r.gas_used or 0 for r in landed), default=0) or _USUAL_GAS
        pushes = balance_wei // max(1, gas * (market.base_wei + market.tip_wei))
        self._tools.on_balance(balance_wei, pushes)
        if pushes < self._warn_pushes:
            _log.warning("the gas key runs low: send it ether", target=self.name, key=self._client.payer, pushes=pushes)

    # --- pushing -------------------------------------------------------------------------------------------------

    async def _push_due(self) -> None:
        done = self._done
        if not self._news or not self.can_send or done is None:
            return
        decision = await self._decide(done)
        if self._pusher.busy and not (decision.urgent and self._is_news(done, decision)):
            return
        self._news = False
        if not decision.push:
            return
        why = {self._feed(i): r.text for i, r in decision.push.items()}
        told = "; ".join(f"{f}: {w}" for f, w in why.items())
        ballot = await self._vote(self._voters.values(done), sorted(decision.push))
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

    async def _decide(self, done: Done) -> Decision:
        """What is worth the gas now, against what the store holds at the newest block."""
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
                limits=await self._limits_now(index, head.number),
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

    async def _limits_now(self, index: int, block: int) -> StoreLimits:
        """A feed's limits, with what the stored record hints at: a pause shows as a halt, a held price has its reason."""
        limits, held = self._limits[index], self._pusher.stored.get(index)
        if held is None:
            return limits
        if held.status is Status.HALT:
            limits = replace(limits, paused=await self._client.paused(index, block))
        if held.why is Why.OUT_OF_RANGE:
            limits = replace(limits, waiting=await self._client.waiting(index, block))
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
        self._note(row)
        self._tools.on_landed(row)

    def _note(self, row: PushRow) -> None:
        why = dict(part.split(": ", 1) for part in row.why.split("; ") if ": " in part)
        for index, item in split(row.items).items():
            feed, report = self._feed(index), decode_item(item, row.round_s)[1]
            stored = self._pusher.stored.get(index)
            if stored is not None and stored.round_time_s == row.round_s:
                report = stored  # the store keeps its prices where the new ones are too far away
            if feed:
                self._put(feed, self._spec(feed), report, row, why.get(feed, ""))
        for feed, spec in self._tools.rounds.specs.items():
            legs = [self._pusher.stored.get(self._indexes[leg]) for leg in spec.legs if leg in self._indexes]
            found = [leg for leg in legs if leg is not None]
            if spec.is_cross and len(found) == len(spec.legs):
                self._put(feed, spec, cross(found), row, "")

    def _put(self, feed: str, spec: FeedSpec, report: Report, row: PushRow, why: str) -> None:
        self.onchain[feed] = OnChain(
            target=self.name,
            round_time_s=report.round_time_s,
            price_wad=price_of(report, spec.mode),
            landed_at_ms=row.landed_ms or 0,
            tx_hash=row.tx_hash,
            why=why,
        )

    def _feed(self, index: int) -> str:
        return next((f for f, i in self._indexes.items() if i == index), "")

    def _spec(self, feed: str) -> FeedSpec:
        return self._tools.rounds.specs[feed]
