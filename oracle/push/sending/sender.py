"""Sign a transaction with the fees of now, journal it, give it to the nodes, and act on what they say of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from feeds.units import MS
from oracle.chain.fees import FeeTooHigh
from oracle.chain.node_refusals import ACTION_OF, SendAction, SendOutcome
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_client import NothingToPoke, StoreClient, StoreRefuses
from oracle.chain.transaction import SignedTx
from oracle.model.publication import PushRow, PushState
from oracle.push.sending.learned_limits import LearnedLimits
from oracle.push.sending.push_records import MOST_NOTE, PushJournal, PushRecords
from oracle.push.sending.rebroadcast import UNCHANGED, RebroadcastPolicy
from oracle.push.sending.replacement import ReplacementPolicy
from oracle.push.settings import PushRules
from oracle.report.wire import split_items

_log = structlog.get_logger("oracle.push.sending.sender")


class Sender:
    """The transactions of one gas key on their way to the nodes.

    Args:
        target: its name in the config.
        client: the store on its chain.
        journal: where pushes are written down.
        records: what became of them.
        rules: the limits of the target.
        now_ms: the clock.
        on_failed: called for every refusal, with its kind.
        learned: what batches have to do without.
    """

    def __init__(
        self,
        target: str,
        client: StoreClient,
        journal: PushJournal,
        records: PushRecords,
        rules: PushRules,
        *,
        now_ms: Callable[[], int],
        on_failed: Callable[[str], None],
        learned: LearnedLimits,
    ) -> None:
        self.replacement = ReplacementPolicy(rules.bump_after_s, now_ms)
        self.rebroadcast = RebroadcastPolicy(rules.bump_after_s, now_ms)
        self._target, self._client, self._journal, self._records = target, client, journal, records
        self._rules, self._now_ms, self._on_failed, self._learned = rules, now_ms, on_failed, learned
        self._urgent_nonces: set[int] = set()

    async def prepare(
        self,
        data: bytes,
        nonce: int,
        views: Sequence[bytes],
        *,
        urgent: bool = False,
        raised_tip: bool = False,
        starved: PushRow | None = None,
    ) -> SignedTx:
        """Simulate and sign a transaction; it outbids what may wait for its nonce.

        Args:
            data: calldata of the call to the store; empty for pokes alone.
            nonce: of the gas key.
            views: to be poked in the same transaction.
            urgent: it may use all of the ceiling.
            raised_tip: the usual tip was too little.
            starved: the transaction of the nonce whose maximum was below the base fee.
        """
        rows = [r for r in self._journal.watched_pushes(self._target) if r.nonce == nonce]
        above, at_s = self.replacement.to_outbid(rows, starved), self._now_ms() // MS
        conditions = self._learned.fee_conditions(urgent=urgent or nonce in self._urgent_nonces, raised_tip=raised_tip)
        signed = await self._client.prepare(data, nonce, views=views, above=above, at_s=at_s, conditions=conditions)
        if above is not None:
            self.replacement.note_raised(nonce)
        return signed

    def note_urgent(self, nonce: int) -> None:
        """Whatever is made for this nonce from now on is urgent."""
        self._urgent_nonces.add(nonce)

    async def send_new(self, signed: SignedTx, round_s: int, items: bytes, why: str, signers: str = "") -> PushRow:
        """Journal a transaction and broadcast it, in this order; returns its row."""
        row = PushRow(
            id=0, target=self._target, chain_id=self._client.domain.chain_id, round_s=round_s, items=items,
            nonce=signed.nonce, tx_hash=signed.tx_hash, raw=signed.raw, state=PushState.PREPARED,
            made_ms=self._now_ms(), signers=signers, why=why,
        )  # fmt: skip
        return await self.send(self._journal.add_push(row))

    async def send(self, row: PushRow) -> PushRow:
        """Broadcast a transaction of the journal; returns its row as it is then."""
        answer = await self._client.broadcast(row.raw)
        if answer.outcome is SendOutcome.TAKEN:
            self.rebroadcast.forget(row.id)
            self._journal.update_push(row.id, state=PushState.SENT, note=None, taken=1)
            return replace(row, state=PushState.SENT, note=None, taken=1)
        if answer.outcome is SendOutcome.REPLACEMENT:
            self.replacement.note_held(row.nonce)
        return self._refused(row, answer.outcome, answer.text)

    def _refused(self, row: PushRow, outcome: SendOutcome, text: str) -> PushRow:
        """No node took it: write that down, and give it up if no node ever will."""
        sends = self.rebroadcast.note_refused(row.id, outcome)
        note, act = f"{outcome}: {text}"[:MOST_NOTE], ACTION_OF[outcome]
        self._on_failed(outcome.value.replace(" ", "_"))
        self._journal.update_push(row.id, note=note)
        log = _log.error if sends >= UNCHANGED and outcome is SendOutcome.UNKNOWN else _log.warning
        log(
            "no node takes a push", target=self._target, nonce=row.nonce, sends=sends, what_now=act.value,
            nodes=text[:MOST_NOTE],
        )  # fmt: skip
        if act is SendAction.GIVE_UP and row.state == PushState.PREPARED:
            self._learned.note_refused(len(split_items(row.items)), outcome)
            self._give_up(row, note)
            return replace(row, state=PushState.REFUSED, note=note)
        return row

    def may_remake(self, row: PushRow, rows: Sequence[PushRow], lands_s: int) -> bool:
        """Whether a successor could still land with the next block, and may offer more, if it has to.

        Args:
            row: the newest of its nonce.
            rows: all of the nonce.
            lands_s: the time of the next block.
        """
        if row.round_s + self._rules.max_push_age_s < lands_s:
            return False
        return self.replacement.to_outbid(rows, self._starved(row)) is None or self.replacement.may_raise(row.nonce)

    async def remake(self, row: PushRow) -> None:
        """Same call, same nonce, simulated anew, with the fees of now, above what waits: only one of them can land."""
        try:
            push, views = self._client.call_in(row.raw)
            raised_tip = self.rebroadcast.last_refusal(row.id) in (
                None,
                SendOutcome.UNDERPRICED,
                SendOutcome.REPLACEMENT,
            )
            signed = await self.prepare(push, row.nonce, views, raised_tip=raised_tip, starved=self._starved(row))
        except (StoreRefuses, NothingToPoke) as e:
            self._records.give_up(row, PushState.EXPIRED, str(e))
            self._on_failed(e.name if isinstance(e, StoreRefuses) else "nothing_to_poke")
            return
        except FeeTooHigh as e:
            _log.warning("fee not raised", target=self._target, nonce=row.nonce, why=str(e))
            self._on_failed("fee_too_high")
            await self._keep(row)
            return
        except ChainError as e:
            _log.warning("fee not raised", target=self._target, nonce=row.nonce, why=str(e)[:MOST_NOTE])
            return
        if signed.tx_hash == row.tx_hash:  # at the ceiling, or at the market already
            await self._keep(row)
            return
        self.rebroadcast.forget(row.id)
        _log.info("push made anew", target=self._target, nonce=row.nonce)
        await self.send_new(signed, row.round_s, row.items, row.why, row.signers)

    async def _keep(self, row: PushRow) -> None:
        """It cannot be made anew: what nobody understands is given up, the rest goes again, slower and slower."""
        act = self.rebroadcast.action(row.id)
        self.rebroadcast.note_stuck(row.id)
        if act is SendAction.REBUILD:
            self._give_up(
                row,
                "no node takes it, for reasons not understood, and neither market nor ceiling leave anything to change",
            )
        elif act is not SendAction.NOTHING:
            await self.send(row)

    def end(self, nonce: int) -> None:
        """The nonce is settled for good."""
        self.replacement.end(nonce)
        self._urgent_nonces.discard(nonce)

    def _starved(self, row: PushRow) -> PushRow | None:
        return row if self.rebroadcast.last_refusal(row.id) is SendOutcome.BELOW_BASE_FEE else None

    def _give_up(self, row: PushRow, note: str) -> None:
        self.rebroadcast.forget(row.id)
        self._records.give_up(row, PushState.REFUSED, note)
