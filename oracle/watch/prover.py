"""The prover: sends evidence to the contract that takes it, once, and follows it until it is settled, whoever was first.

Nothing is proven against a key of this process. With a gas key a proof is sent with the look that follows its finding, and is
in one of the next blocks; one that two blocks have left out is replaced by one that pays more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import structlog

from oracle.chain.key_queue import KeyQueue
from oracle.chain.node_refusals import SendOutcome
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.rpc_answers import BlockHead
from oracle.chain.transaction import Fees
from oracle.watch.evidence import EvidenceState, KeptEvidence
from oracle.watch.kept import SentProof, WatchRows
from oracle.watch.proof_contract import LATE, RECORDED, ProofContract, ProofVerdict

WITHIN_BLOCKS = 3
"""From found to landed, where its fees are those of the chain: the block in which it is found, one that was under way, its own."""
_LEFT_OUT_BLOCKS = 2
_MOST_AT_ONCE = 8
_PATIENCE_BLOCKS = 20
"""So long evidence that the contract refuses is tried again: what it knows of sets and keys may come later than a word."""
_SURE_BLOCKS = 64
"""A proof that is younger may still be taken back by a reorganisation."""
_log = structlog.get_logger("oracle.watch.prover")


class Prover:
    """Proves what is kept.

    Args:
        contract: that takes evidence; without a gas key it is only asked what became of things.
        rows: where evidence is.
        only: nothing but this evidence; None for all.
        is_patient: whether evidence that the contract refuses is tried again in later blocks.
        on_proven: called with evidence that landed.
        queue: what else is sent with the gas key: a proof does not wait for it.
    """

    def __init__(
        self,
        contract: ProofContract,
        rows: WatchRows,
        *,
        only: Collection[bytes] | None = None,
        is_patient: bool = True,
        on_proven: Callable[[KeptEvidence], None] = lambda _kept: None,
        queue: KeyQueue | None = None,
    ) -> None:
        self._contract, self._rows, self._only, self._on_proven = contract, rows, only, on_proven
        self._queue = queue or KeyQueue()
        self._queue.proofs_open = lambda: bool(rows.proofs())
        self._patience = _PATIENCE_BLOCKS if is_patient else 0
        self._head = 0
        self._judged: dict[bytes, int] = {}
        """By evidence that is found: the block at which it was judged last."""

    @property
    def pays(self) -> bool:
        """Whether there is a gas key, and a contract that takes evidence."""
        return self._contract.signer is not None and bool(self._contract.address)

    async def operators(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Whose these keys are, as far as the contract's book knows them; nobody's where there is no contract.

        Raises:
            ChainError: too few endpoints answer.
        """
        if not keys or not await self._contract.is_there():
            return {}
        told = {k: await self._contract.operator_of(k) for k in sorted(keys)}
        return {k: o for k, o in told.items() if o is not None}

    async def tick(self) -> None:
        """Look what became of what was sent, and send what is new.

        Raises:
            ChainError: too few endpoints answer; nothing is lost, the next look goes on.
        """
        waiting = self._waiting()
        if (not waiting and not self._young()) or not await self._contract.is_there():
            return
        head = await self._contract.head()
        for kept in waiting:
            if kept.found_block is None:
                self._rows.update(kept.evidence_id, found_block=head.number)
        for kept in self._waiting():
            if kept.state is EvidenceState.SENT:
                await self._follow(kept, head)
        for kept in self._turns(head):
            await self._judge(kept, head)
        if head.number != self._head:
            await self._look_back(head)
            self._head = head.number

    def _waiting(self) -> list[KeptEvidence]:
        return [k for k in self._rows.unsettled() if self._only is None or k.evidence_id in self._only]

    def _young(self) -> list[KeptEvidence]:
        """Proofs that a reorganisation may take back."""
        proven = self._rows.evidence((EvidenceState.PROVEN,))
        return [k for k in proven if k.landed_block is not None and k.landed_block > self._head - _SURE_BLOCKS]

    # --- what is new -------------------------------------------------------------------------------------------------

    def _turns(self, head: BlockHead) -> list[KeptEvidence]:
        """What is to be judged now: what was not for longest, each once a block, so that nothing that is refused is in the way."""
        found = [k for k in self._waiting() if k.state is EvidenceState.FOUND]
        due = [k for k in found if self._judged.get(k.evidence_id) != head.number]
        self._judged = {k.evidence_id: self._judged[k.evidence_id] for k in found if k.evidence_id in self._judged}
        return sorted(due, key=lambda k: self._judged.get(k.evidence_id, 0))[:_MOST_AT_ONCE]

    async def _judge(self, kept: KeptEvidence, head: BlockHead) -> None:
        """Send it, or say why not."""
        self._judged[kept.evidence_id] = head.number
        cover = self._cover(kept)
        if cover is not None:
            if cover.state is EvidenceState.PROVEN:
                self._settle(
                    kept, EvidenceState.SPARE, note=f"0x{cover.evidence_id.hex()} is proven: one in an epoch is enough"
                )
            return
        verdict = await self._contract.try_out(kept)
        if verdict.refused is not None:
            await self._refused(kept, verdict, head)
        elif self._contract.signer is not None:
            async with self._queue.lock:
                open_nonces = [p.nonce for p in self._rows.proofs()]
                nonce = max([await self._contract.nonce(), *(n + 1 for n in open_nonces)])
                await self._send(kept, nonce, self._queue.waiting().get(nonce), head)

    def _cover(self, kept: KeptEvidence) -> KeptEvidence | None:
        """Other evidence against the same operator in the same epoch that is on its way or proven; not where one is asked for."""
        if self._only is not None:
            return None
        others = self._rows.evidence((EvidenceState.PROVEN, EvidenceState.SENT))
        return next((k for k in others if _case(k) == _case(kept) and k.evidence_id != kept.evidence_id), None)

    async def _refused(self, kept: KeptEvidence, verdict: ProofVerdict, head: BlockHead) -> None:
        name = verdict.refused or ""
        if await self._contract.is_recorded(kept):
            by = await self._contract.proven_by(kept, head.number)
            who, block, tx = (b"", None, "") if by is None else (by.prover, by.block, by.tx_hash)
            note = "somebody else was first" if who != self._contract.payer else ""
            self._settle(kept, EvidenceState.PROVEN, note=note, landed_block=block, prover=who, tx_hash=tx)
        elif name in LATE:
            self._settle(kept, EvidenceState.LATE, note=f"the time for evidence is over: {name}{verdict.text}")
        elif name in RECORDED:
            self._settle(kept, EvidenceState.REFUSED, note=f"the operator has paid already, by other evidence: {name}")
        elif head.number - (kept.found_block or head.number) >= self._patience:
            self._settle(kept, EvidenceState.REFUSED, note=f"the contract refuses it: {name}{verdict.text}")
        else:
            self._rows.update(kept.evidence_id, note=f"the contract refuses it so far: {name}{verdict.text}")

    async def _send(self, kept: KeptEvidence, nonce: int, above: Fees | None, head: BlockHead) -> None:
        """Journal it, then send it."""
        made = await self._contract.prepare(kept, nonce, above)
        sent = SentProof(
            evidence_id=kept.evidence_id, nonce=nonce, tx_hash=made.tx_hash, raw=made.raw, block=head.number
        )
        self._rows.add_proof(sent)
        self._rows.update(kept.evidence_id, state=EvidenceState.SENT.value, note="", tx_hash=made.tx_hash)
        await self._broadcast(sent)

    async def _broadcast(self, sent: SentProof) -> None:
        answer = await self._contract.broadcast(sent.raw, sent.tx_hash)
        if answer.outcome not in (SendOutcome.TAKEN, SendOutcome.NONCE_USED):
            _log.warning(
                "a proof is not taken by the nodes yet", evidence="0x" + sent.evidence_id.hex(), tx=sent.tx_hash,
                why=answer.outcome.value, text=answer.text[:300],
            )  # fmt: skip

    # --- what was sent -----------------------------------------------------------------------------------------------

    async def _follow(self, kept: KeptEvidence, head: BlockHead) -> None:
        proofs = self._rows.proofs(kept.evidence_id)
        for sent in proofs:
            receipt = await self._contract.receipt(sent.tx_hash)
            if receipt is None:
                continue
            self._rows.drop_proofs(kept.evidence_id)
            if receipt.succeeded:
                self._settle(kept, EvidenceState.PROVEN, note="", landed_block=receipt.block, tx_hash=sent.tx_hash,
                             prover=self._contract.payer)  # fmt: skip
            else:  # most likely somebody else was first: it is judged anew
                self._rows.update(kept.evidence_id, state=EvidenceState.FOUND.value)
            return
        if self._contract.signer is None:
            return
        last = proofs[-1] if proofs else None
        if last is None or await self._contract.nonce() > last.nonce:
            self._rows.drop_proofs(kept.evidence_id)  # the nonce went to something else: it can never land
            self._rows.update(kept.evidence_id, state=EvidenceState.FOUND.value)
        elif head.number - last.block >= _LEFT_OUT_BLOCKS:
            await self._raise(kept, last, head)
        else:
            await self._broadcast(last)

    async def _raise(self, kept: KeptEvidence, last: SentProof, head: BlockHead) -> None:
        """Blocks have left it out: pay more, unless it would fail now."""
        if (await self._contract.try_out(kept)).refused is not None:
            await self._broadcast(last)
            return
        try:
            await self._send(kept, last.nonce, Fees.of(last.raw), head)
        except ChainError as e:
            _log.warning("a proof waits", evidence="0x" + kept.evidence_id.hex(), why=str(e)[:300])
            await self._broadcast(last)

    # --- what is settled ---------------------------------------------------------------------------------------------

    def _settle(self, kept: KeptEvidence, state: EvidenceState, **changes: object) -> None:
        self._rows.update(kept.evidence_id, state=state.value, **changes)
        settled = next(k for k in self._rows.evidence((state,)) if k.evidence_id == kept.evidence_id)
        _log.warning(
            "evidence is settled", evidence="0x" + kept.evidence_id.hex(), state=state.value, why=settled.note,
            prover="0x" + settled.prover.hex(), tx=settled.tx_hash, blocks=settled.blocks, news=True,
        )  # fmt: skip
        if state is EvidenceState.PROVEN:
            self._on_proven(settled)

    async def _look_back(self, head: BlockHead) -> None:
        """Proofs that a reorganisation has taken back are to be sent again."""
        self._head = head.number
        for kept in self._young():
            if not await self._contract.is_recorded(kept):
                self._rows.update(kept.evidence_id, state=EvidenceState.FOUND.value, landed_block=None, prover=b"",
                                  note="a reorganisation took the proof back")  # fmt: skip


def _case(kept: KeptEvidence) -> tuple[object, ...]:
    """What one penalty is for."""
    return kept.found.operator, kept.found.first.domain, max(kept.found.first.epoch, kept.found.second.epoch)
