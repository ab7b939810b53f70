"""One target: connect to its store, take a seat for the operators there, and push what is due. Dry without a gas key."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import structlog

from feeds.units import MS
from oracle.agree.wire import ArmingWord, BesideWord, PushingWord
from oracle.chain.store_client import StoreClient, StoreRefuses, Unfit
from oracle.model.publication import OnChain, PushRow, PushState
from oracle.model.target_status import FeedOnTarget, TargetStatus
from oracle.model.types import Report
from oracle.push.arming.arm import Arming
from oracle.push.attestation import Attesters
from oracle.push.batches import Batches
from oracle.push.context import OtherOperators, TargetContext
from oracle.push.due import Decision, PushPolicy
from oracle.push.due_now import DueNow
from oracle.push.failures import TROUBLE, failure_word
from oracle.push.feed_status import feed_on_target
from oracle.push.gas_balance import GasBalance
from oracle.push.onchain_view import Grace, OnchainView
from oracle.push.push_turns import PushTurns
from oracle.push.ramp_pokes import RampPokes
from oracle.push.seating import Seating
from oracle.push.sending.pusher import Pusher
from oracle.push.settings import PushRules, TargetPace
from oracle.round.rounds import Round
from oracle.sign.operator import Operator
from oracle.sign.signed_batch import CollectedSignatures

_DAY_MS = 86_400_000
_REMEMBERED = 50
"""Landed pushes that are read back: which transaction brought what the store holds, and what a push costs."""
_STALE_SET = frozenset({"WrongEpoch", "Expired", "BadSignature", "BelowThreshold"})
_PACE = TargetPace()
_NOBODY_ELSE = OtherOperators()
_log = structlog.get_logger("oracle.push.target")
_NO_PUSH = "no push this time; the next tick tries again"


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
        context: the process around it.
        closed: environment variable that would open a gas key that is not; "" where none is wanted.
        round_s: time from one round to the next.
        warn_pushes: warn when the gas key can pay for fewer pushes than this.
        views: ModeViews over the store that are poked when a push changes the direction of their ramp.
        pace: how long it may take, and how often it looks.
        others: the operators of other processes at it.

    Attributes:
        client, feeds: as given.
        pusher: what the store holds, and what is under way.
        due_now: what would be pushed.
        pace: as given; each tick reads it anew.
        counts: of submitted, landed, unsigned and failed.
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
        context: TargetContext,
        closed: str = "",
        round_s: int = 10,
        policy: PushPolicy | None = None,
        warn_pushes: int = 100,
        views: Sequence[bytes] = (),
        pace: TargetPace = _PACE,
        others: OtherOperators = _NOBODY_ELSE,
    ) -> None:
        self.name = name
        self.can_send, self._closed = can_send, closed
        self.counts: Counter[str] = Counter()
        self.client, self.feeds, self._context, self.pace = client, feeds, context, pace
        self._policy = policy or PushPolicy()
        self._warn_pushes = warn_pushes
        self._attesters = Attesters(name, operators, now_ms=context.now_ms, collect=context.collect)
        self.pusher = Pusher(
            name, client, context.database, rules, now_ms=context.now_ms, on_landed=self._landed, on_failed=context.on_failed,
            on_spent=context.on_spent, ramp_pokes=RampPokes(name, views, on_failed=context.on_unpoked),
        )  # fmt: skip
        self._arming = Arming(
            name, client, self.pusher, operators, can_send=can_send, offset_s=self._policy.offset_s,
            now_ms=context.now_ms, on_failed=context.on_failed, peers=others.peers,
        )  # fmt: skip
        self._turns: PushTurns | None = None
        self._hear_no_more: Callable[[], None] = lambda: None
        if others.peers is not None and operators:
            self._turns = PushTurns(
                operators[0].address, others.peers, indexes=lambda: frozenset(self.indexes.values()), now_ms=context.now_ms,
                stage_s=self._policy.stage_s, round_s=round_s, on_stage=context.on_stage, on_announced=context.on_announced,
            )  # fmt: skip
            self._hear_no_more = others.peers.listen(self._hear)
        self._seating = Seating(
            name, client, self._attesters, self._arming, context.rounds, rules=rules, pace=pace, now_ms=context.now_ms,
            on_failed=context.on_failed, members=others.members, on_members=others.on_members,
        )  # fmt: skip
        self.due_now = DueNow(
            client, self.pusher, self._seating, self._attesters, context.rounds.specs, self._policy,
            gas_spent=lambda: context.database.gas_spent(name, context.now_ms() - _DAY_MS), on_decision=context.on_decision,
            on_head=self._turns.note_block if self._turns is not None else lambda _: None,
        )  # fmt: skip
        self._batches = Batches(
            name, self._attesters, self.pusher, self.due_now, context, self.counts, on_made=self._announce
        )
        self._balance = GasBalance(
            name, client, pace=pace, warn_pushes=warn_pushes, now_ms=context.now_ms, on_balance=context.on_balance,
            landed_today=lambda: self._landed_pushes((context.now_ms() - _DAY_MS) // MS),
        )  # fmt: skip
        self._grace = Grace(max_push_age_s=rules.max_push_age_s, bump_after_s=rules.bump_after_s, round_s=round_s)
        self._onchain = OnchainView(
            name, context.rounds.specs, grace=self._grace,
            announced_by=self._turns.announced_by if self._turns is not None else lambda _index, _round_s: None,
        )  # fmt: skip
        self._newest: Round | None = None
        self._turn_ms: int | None = None
        self._has_news = self._is_failing = False
        self._read_ms: int | None = None
        self._last_read: Mapping[int, Report] = self.pusher.stored

    @property
    def connected(self) -> bool:
        """Whether the operators have their seats."""
        return self._seating.taken

    @property
    def indexes(self) -> Mapping[str, int]:
        """Index of each feed in the store."""
        return self._seating.indexes

    @property
    def stored(self) -> Mapping[int, Report]:
        """What the store holds, by feed index, as last read."""
        return self.pusher.stored

    @property
    def onchain(self) -> Mapping[str, OnChain]:
        """What the store holds of each feed, whoever pushed it: as read at the newest block of the last round."""
        return self._onchain.by_feed(self.pusher.stored)

    @property
    def held(self) -> Mapping[str, str]:
        """Why a feed that is due is not pushed, by feed."""
        return self.due_now.held

    @property
    def refusals(self) -> Sequence[str]:
        """The last refusals of the operators, a sentence each."""
        return self._batches.refusals

    @property
    def newest(self) -> Round | None:
        """The newest round that was offered."""
        return self._newest

    @property
    def feeds_to_push(self) -> frozenset[str]:
        """Feeds that are to be pushed there; none in a dry run."""
        return frozenset(self.feeds) if self.can_send or self._closed else frozenset()

    def status(self) -> TargetStatus:
        """How it stands, for readiness and metrics."""
        return TargetStatus(
            target=self.name,
            sends=self.can_send,
            connected=self.connected,
            looked_at_ms=self._read_ms,
            quorum=self._attesters.quorum(self._newest),
            pushes_left=self._balance.pushes_left,
            few_pushes=self._warn_pushes,
            feeds=tuple(self._feed_status(f) for f in self.feeds),
            closed=self._closed,
            pending=self.pusher.pending,
        )

    def _feed_status(self, feed: str) -> FeedOnTarget:
        return feed_on_target(
            self._context.rounds.specs[feed], onchain=self.onchain.get(feed), held=self.held.get(feed, ""),
            stored=self.pusher.stored.get(self.indexes.get(feed, -1)), policy=self._policy, grace=self._grace,
            now_s=self._context.now_ms() // MS,
        )  # fmt: skip

    async def collect_signatures(self, feeds: Sequence[str]) -> CollectedSignatures | None:
        """Have a batch of these feeds signed for the newest round; None before the first round or without a seat."""
        newest = self._newest
        if newest is None or not self._attesters.reports(newest):
            return None
        return await self._batches.collect_signatures(newest, [self.indexes[f] for f in feeds if f in self.indexes])

    def change_feeds(self, feeds: Sequence[str]) -> None:
        """Push these from now on: the next tick takes the seats anew."""
        self.feeds = feeds
        self._attesters.leave_seats()

    # --- its life ------------------------------------------------------------------------------------------------

    def offer(self, newest: Round) -> None:
        """A round was stored: the next tick sees whether something of it is due."""
        self._newest = newest
        self._has_news = True

    async def start(self) -> None:
        """Connect before anything runs. A chain that does not answer is tried again later.

        Raises:
            Unfit: config and store contradict each other: a feed is not registered, or with other prices, or the store
                takes reports of another age.
        """
        try:
            async with asyncio.timeout(self.pace.start_s):
                await self._connect()
        except Unfit:
            raise
        except TROUBLE as e:
            _log.warning("target not connected yet; the next tick tries again", target=self.name, why=str(e)[:300])
        finally:
            self._note_read()

    async def tick(self) -> None:
        """Connect if need be, settle what is under way, push what is due. The scheduler calls it."""
        try:
            async with asyncio.timeout(self.pace.tick_s):
                await self._tick()
            if self._is_failing:
                self._is_failing = False
                _log.warning("the target answers again", target=self.name, ends=_NO_PUSH)
        except TROUBLE as e:
            self._failed(e)
        finally:
            self._note_read()

    async def close(self) -> None:
        """Close the connections, and hear nothing more."""
        self._hear_no_more()
        await self.client.close()

    async def _tick(self) -> None:
        if not self.connected:
            await self._connect()
        await self.pusher.poll()
        await self._seating.follow(self._round_s())
        await self._seating.refresh_members()
        await self._push_due()
        self._seating.check_signed_elsewhere(self.pusher.stored)
        await self._seating.reread_signers(self._round_s)
        if self.can_send:
            await self._balance.reread()
        await self._arming.arm_if_due()
        if self._read_ms is not None and self._context.now_ms() - self._read_ms > self.pace.reread_ms:
            await self.pusher.refresh()  # nothing is due for long: what is on chain is known all the same

    def _failed(self, error: Exception) -> None:
        """Count what a tick ended with."""
        word = failure_word(error)
        self.counts["failed"] += 1
        (self._context.on_failed if self._batches.is_pushing else self._context.on_look_failed)(word)
        self._batches.is_pushing = False
        self._is_failing = True
        _log.warning(_NO_PUSH, target=self.name, why=str(error)[:300], fingerprint=word)
        if isinstance(error, StoreRefuses) and error.name in _STALE_SET:
            self._attesters.leave_seats()

    def _note_read(self) -> None:
        """Remember when the store was last read: a tick that read nothing says nothing of the chain."""
        if self.pusher.stored is not self._last_read:
            self._last_read, self._read_ms = self.pusher.stored, self._context.now_ms()

    async def _connect(self) -> None:
        signers = (await self._seating.read_signers()).at(self._round_s())
        indexes = await self._seating.read_indexes(self.feeds)
        await self.pusher.start(indexes)
        self._onchain.set_indexes(indexes)
        await self._seating.refresh_members()
        await self._seating.take(signers, indexes, self.pusher.stored)
        for row in self._landed_pushes():
            self._onchain.note_landed(row)
        _log.info(
            "target connected", target=self.name, feeds=len(indexes), threshold=signers.threshold, dry=not self.can_send
        )

    def _round_s(self) -> int:
        """The round that a push would be of now."""
        return self._newest.round_time_s if self._newest is not None else self._context.now_ms() // MS

    async def _push_due(self) -> None:
        newest = self._newest
        is_turn = self._turn_ms is not None and self._context.now_ms() >= self._turn_ms
        if newest is None or not (self._has_news or is_turn):
            return
        if not self.can_send:
            self._has_news = False
            await self.pusher.refresh()  # others may push: what the store holds is shown all the same
            return
        decision = await self.due_now.decide(newest)
        if self.pusher.busy and not (decision.urgent and self.due_now.is_news(newest, decision)):
            return
        self._has_news = self._newest is not newest  # a round that came meanwhile is looked at next
        self._turn_ms = None
        if not decision.push:
            await self._poke_alone(newest)
            return
        if self._turns is not None and self._attesters.signers is not None:
            turn = self._turns.turn(decision, self.pusher.stored, self._attesters.signers)
            decision, self._turn_ms = turn.decision, turn.at_ms
        if decision.push:
            self._has_news |= await self._batches.push(newest, decision)

    async def _poke_alone(self, newest: Round) -> None:
        """Nothing is due: poke the views of what somebody else pushed. A backup leaves that to the primary."""
        if not self._policy.offset_s:
            await self.pusher.poke(newest.round_time_s)

    def _hear(self, sender: bytes, round_s: int, word: BesideWord) -> None:
        """An operator of another process tells something beside the rounds."""
        if isinstance(word, PushingWord) and self._turns is not None:
            self._turns.hear(sender, round_s, word)
        elif isinstance(word, ArmingWord) and self._arming.collected is not None:
            self._arming.collected.hear(sender, word)

    def _announce(self, row: PushRow, decision: Decision) -> None:
        if self._turns is not None:
            self._turns.announce(row, decision, self.pusher.stored)

    def _landed(self, row: PushRow) -> None:
        self.counts["landed"] += 1
        self._onchain.note_landed(row)
        self._context.on_landed(row)

    def _landed_pushes(self, since_s: int = 0) -> Sequence[PushRow]:
        return self._context.database.pushes(self.name, (PushState.LANDED,), since_s, newest=_REMEMBERED)
