"""What is due at one store now: the newest round against what the store holds at the newest block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from oracle.chain.rpc_answers import BlockHead
from oracle.chain.store_client import StoreClient
from oracle.chain.store_rules import StoreLimits, needs_held_words, write_of
from oracle.model.spec import FeedSpec
from oracle.model.status import Status
from oracle.model.types import Report
from oracle.push.attestation import Attesters
from oracle.push.due import Candidate, Cause, Decision, PushPolicy, decide, stored_round_s
from oracle.push.seating import Seating
from oracle.push.sending.pusher import Pusher
from oracle.round.rounds import Round
from oracle.sign.messages import SignedBatch


class DueNow:
    """The decisions of one target.

    Args:
        client: the store on its chain.
        pusher: knows what the store holds and what is under way.
        seating: knows what the store takes.
        attesters: who signs.
        specs: all feeds.
        policy: what gas is spent for.
        gas_spent: gas of the last day, by feed index; asked where the policy has a budget.
        on_decision: called with every decision: its round, and whether a push was under way then.
        on_head: called with each block that was looked at.

    Attributes:
        held: why a feed that is due does not go, by feed.
        was_cut: the last decision was more than fits into one transaction: the rest goes with the next.
    """

    def __init__(
        self,
        client: StoreClient,
        pusher: Pusher,
        seating: Seating,
        attesters: Attesters,
        specs: Mapping[str, FeedSpec],
        policy: PushPolicy,
        *,
        gas_spent: Callable[[], Mapping[int, int]],
        on_decision: Callable[[Round, Decision, bool], None],
        on_head: Callable[[BlockHead], None] = lambda _: None,
    ) -> None:
        self.held: Mapping[str, str] = {}
        self.was_cut = False
        self._on_head = on_head
        self._client, self._pusher, self._seating, self._attesters = client, pusher, seating, attesters
        self._specs, self._policy, self._gas_spent, self._on_decision = specs, policy, gas_spent, on_decision
        self._due_since: dict[tuple[int, int], int] = {}
        """By feed index and stored round."""

    async def decide(self, newest: Round) -> Decision:
        """What is worth the gas now, if all sign who have a seat."""
        decision = await self._decide(newest, all_sign=True)
        self._on_decision(newest, decision, self._pusher.busy)
        return decision

    async def decide_weak(self, newest: Round) -> Decision:
        """The same where too few have signed for a far price: one that the store holds back already is not sent again."""
        return await self._decide(newest, all_sign=False)

    def is_news(self, newest: Round, decision: Decision) -> bool:
        """Whether a depeg or a halt is not yet in what is under way."""
        reports = self._attesters.reports(newest)
        under_way = self._pusher.under_way
        worse = [i for i, r in decision.push.items() if r.cause is Cause.WORSE]
        return any((i, int(reports[self.feed_at(i)].status)) not in under_way for i in worse)

    def is_short(self, newest: Round, decision: Decision, batch: SignedBatch) -> bool:
        """Whether a price was expected to move at once that needs more weight than those who signed have."""
        signers = self._attesters.signers
        if signers is None or signers.weight_of(batch.addresses) >= self._seating.step_weight:
            return False
        indexes, stored = self._seating.indexes, self._pusher.stored
        fresh = {indexes[f]: r for f, r in self._attesters.reports(newest).items() if f in indexes}
        going = ((i, self._seating.limits[i]) for i in decision.push if self._seating.limits[i].strong)
        return any(
            write_of(stored.get(i), fresh[i], replace(limits, strong=False))
            != write_of(stored.get(i), fresh[i], limits)
            for i, limits in going
        )

    def cut(self, decision: Decision) -> Decision:
        """As many of a decision as fit into one transaction, the most urgent first; the others go with the next."""
        most = self._pusher.learned.most_items
        self.was_cut = most is not None and len(decision.push) > most
        if not self.was_cut:
            return decision
        return replace(decision, push=dict(list(decision.push.items())[:most]))

    def feed_at(self, index: int) -> str:
        """The feed of an index; "" for one that is not pushed here."""
        return next((f for f, i in self._seating.indexes.items() if i == index), "")

    async def _decide(self, newest: Round, *, all_sign: bool) -> Decision:
        head = await self._pusher.refresh()
        self._on_head(head)
        now_s = newest.round_time_s
        spent = self._gas_spent() if self._policy.gas_per_day else {}
        reports = self._attesters.reports(newest)
        candidates = {
            index: Candidate(
                spec=self._specs[feed],
                stored=self._pusher.stored.get(index),
                fresh=reports[feed],
                limits=await self._limits_now(index, reports[feed], head.number, all_sign=all_sign),
                gas_spent=spent.get(index, 0),
                due_for_s=now_s - self._due_since.get((index, stored_round_s(self._pusher.stored, index)), now_s),
            )
            for feed, index in self._seating.indexes.items()
            if feed in reports
        }
        unsaid = frozenset(self._seating.indexes.values()) - candidates.keys()
        decision = replace(decide(candidates, self._policy, block_time_s=head.time_s), unsaid=unsaid)
        decision = self.cut(decision)
        self._due_since = due_since(self._due_since, decision, self._pusher.stored, now_s)
        self.held = {self.feed_at(i): text for i, text in decision.held.items()}
        return decision

    async def _limits_now(self, index: int, fresh: Report, block: int, *, all_sign: bool) -> StoreLimits:
        """A feed's limits, with what may stand in the way now.

        A pause shows as a halt, and not at all before the first price. What is held back is read where it can bear on
        what the store does now.
        """
        limits, stored = self._seating.limits[index], self._pusher.stored.get(index)
        limits = replace(limits, strong=limits.strong and all_sign)
        if stored is None or stored.status is Status.HALT:
            limits = replace(limits, paused=await self._client.paused(index, block))
        if needs_held_words(stored, fresh, limits):
            limits = replace(limits, held_words=await self._client.held_words(index, block))
        return limits


def due_since(
    before: Mapping[tuple[int, int], int], decision: Decision, stored: Mapping[int, Report], now_s: int
) -> dict[tuple[int, int], int]:
    """Since which round each feed is due, by its index and the round that the store holds of it.

    Args:
        before: the same before this round.
        decision: of this round.
        stored: what the store holds, by feed index.
        now_s: the round's time.
    """
    due = [(i, stored_round_s(stored, i)) for i in decision.due]
    unsaid = [(i, stored_round_s(stored, i)) for i in decision.unsaid]
    return {key: before[key] for key in unsaid if key in before} | {key: before.get(key, now_s) for key in due}
