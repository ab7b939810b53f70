"""From what is due to a push: have a batch signed, submit it, and see whether there is more to do."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from oracle.chain.fees import BatchTooBig
from oracle.model.publication import PushRow, PushState
from oracle.push.attestation import Attesters
from oracle.push.context import TargetContext
from oracle.push.due import Decision, reasons_text
from oracle.push.due_now import DueNow
from oracle.push.sending.pusher import Pusher
from oracle.round.rounds import Round
from oracle.sign.messages import SignedBatch
from oracle.sign.signed_batch import CollectedSignatures

_log = structlog.get_logger("oracle.push.batches")
_NOTHING = CollectedSignatures(batch=None, refusals=())


class Batches:
    """The batches of one target.

    Args:
        target: its name in the config.
        attesters: who signs.
        pusher: submits.
        due_now: decides anew where too few have signed.
        context: the process around it.
        counts: of submitted and unsigned batches.
        on_made: called with every push that was made, and what it was made for.

    Attributes:
        refusals: the last ones of the operators, a sentence each.
        is_pushing: a push is being signed and submitted, or its attempt failed.
    """

    def __init__(
        self,
        target: str,
        attesters: Attesters,
        pusher: Pusher,
        due_now: DueNow,
        context: TargetContext,
        counts: Counter[str],
        *,
        on_made: Callable[[PushRow, Decision], None] = lambda _row, _decision: None,
    ) -> None:
        self._on_made = on_made
        self.refusals: deque[str] = deque(maxlen=100)
        self.is_pushing = False
        self._target, self._attesters, self._pusher, self._due_now = target, attesters, pusher, due_now
        self._context, self._counts = context, counts

    async def push(self, newest: Round, decision: Decision) -> bool:
        """Have what is due signed, and submit it.

        Returns:
            Whether the same round is to be looked at once more: not all of it went.
        """
        self.is_pushing = True
        again = await self._push(newest, decision)
        self.is_pushing = False
        return again

    async def _push(self, newest: Round, decision: Decision) -> bool:
        decision, signed = await self._sign(newest, decision)
        if not decision.push:
            return False
        reasons = {self._due_now.feed_at(i): r.text for i, r in decision.push.items()}
        why = reasons_text(reasons)
        if signed.batch is None:
            self._no_quorum(newest, signed, why)
            return False
        row = await self._submit(signed.batch, decision, why)
        refused = row is not None and row.state == PushState.REFUSED
        if row is not None and not refused:
            self._counts["submitted"] += 1
            self._on_made(row, decision)
            _log.info("push", target=self._target, round_time=row.round_s, why=reasons)
        return self._due_now.was_cut or row is None or (refused and self._due_now.cut(decision) is not decision)

    async def collect_signatures(self, newest: Round, indexes: Sequence[int]) -> CollectedSignatures:
        """Have a batch of these feeds signed, and report who refused."""
        signed = await self._attesters.collect_signatures(newest, indexes) or _NOTHING
        for refusal in signed.refusals:
            self.refusals.append(f"{refusal.operator} refused ({refusal.code}): {refusal.text}")
        self._context.on_signatures(signed)
        return signed

    async def _sign(self, newest: Round, decision: Decision) -> tuple[Decision, CollectedSignatures]:
        """Have what goes signed; decided anew where too few signed for a price that moved far."""
        signed = await self.collect_signatures(newest, sorted(decision.push))
        if signed.batch is None or not self._due_now.is_short(newest, decision, signed.batch):
            return decision, signed
        weak = await self._due_now.decide_weak(newest)
        weaker = replace(weak, push={i: r for i, r in weak.push.items() if i in decision.push})
        if weaker.push and set(weaker.push) != set(decision.push):
            signed = await self.collect_signatures(newest, sorted(weaker.push))
        return weaker, signed

    async def _submit(self, batch: SignedBatch, decision: Decision, why: str) -> PushRow | None:
        """Push a batch. None while another one is under way, or where it has to be cut: looked at again with the next."""
        try:
            row = await self._pusher.submit(batch, why, urgent=decision.urgent)
        except BatchTooBig as e:
            if len(decision.push) == 1:
                raise
            self._pusher.learned.note_too_big(len(decision.push), e)
            _log.info("a batch is cut", target=self._target, why=str(e), items=self._pusher.learned.most_items)
            return None
        if row is None:
            self._context.on_deferred(batch.round_time_s)
        return row

    def _no_quorum(self, newest: Round, signed: CollectedSignatures, why: str) -> None:
        self._counts["unsigned"] += 1
        refused = "; ".join(f"{r.operator}: {r.text}" for r in signed.refusals) or "no operator has signed values"
        self._context.database.add_refusal(
            self._context.now_ms(), self._target, newest.round_time_s, b"", why, f"no quorum: {refused}"
        )
        _log.warning("no quorum for a push", target=self._target, refused=refused)
