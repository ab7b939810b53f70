"""Carries a signed report to the chain, with a key of its own: no push of prices ever waits for it.

One transaction is under way at a time. It is written down before it is sent, simulated before it is signed, raised while blocks
leave it out, and kept until the block that has it is deep: if that is taken out of the chain, the same bytes are sent again. That
somebody else was first is no error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from eth_hash.auto import keccak

from feeds.chains.jsonrpc import quantity
from feeds.errors import FeedError
from oracle.chain.fees import Costs
from oracle.chain.node_refusals import SendOutcome
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.chain.rpc_answers import Receipt, read_receipt, read_send_outcome, read_simulated
from oracle.chain.transaction import Fees, Unsigned, nonce_of
from oracle.runtime.log_limit import LogBudget

MOST_POST_GAS = 5_000_000
"""Of a report; one of 31 members takes 400,000 and costs no more in any other set than its signatures and words do."""
MOST_REVERTED = 3
"""Transactions of an epoch that the chain took and the contract refused: then people have to look."""
_LEFT_OUT_MS = 45_000
_log = structlog.get_logger("oracle.rewards.roots.poster")


class PostingSigner(Protocol):
    """A signer of transactions."""

    @property
    def address(self) -> bytes:
        """20 bytes."""

    async def sign(self, preimage: bytes) -> bytes:
        """65 bytes r | s | y (0 or 1) over keccak(preimage)."""

    async def close(self) -> None:
        """Close its connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingPlace:
    """Where a transaction under way is kept. ``load``, ``save``: by epoch, b"" for none; ``now_ms``: the clock."""

    load: Callable[[int], bytes]
    save: Callable[[int, bytes], None]
    now_ms: Callable[[], int]


class RootPoster:
    """Posts reports to one contract.

    Args:
        nodes: endpoints of its chain; closed by whoever made them.
        chain_id: of it.
        contract: 20 bytes.
        signer: pays.
        max_fee_gwei: never pay more for a unit of gas.
        confirmations: how deep a transaction is before it is no longer looked at, blocks.
        place: where transactions are kept.

    Attributes:
        reverted: by epoch: transactions that the contract refused in a block, since the start: who has looked starts anew.
    """

    def __init__(
        self, nodes: QuorumRpc, chain_id: int, contract: bytes, signer: PostingSigner, *, max_fee_gwei: int,
        confirmations: int, place: PostingPlace,
    ) -> None:  # fmt: skip
        self.reverted: dict[int, int] = {}
        self._nodes, self._chain_id, self._contract, self._signer, self._place = (
            nodes,
            chain_id,
            contract,
            signer,
            place,
        )
        self._costs, self._confirmations = Costs(nodes, 60, max_fee_gwei), confirmations
        self._sent_ms: dict[int, int] = {}
        self._told = LogBudget()

    async def close(self) -> None:
        """Close the signer's connection."""
        await self._signer.close()

    async def post(self, data: bytes, epoch: int) -> None:
        """Send it, or see what became of what was sent.

        Args:
            data: calldata of ``Rewards.post``.
            epoch: whose report it is.

        Raises:
            ChainError: too few endpoints answer, or the base fee is above the limit; the next look tries again.
        """
        raw, now_ms = self._place.load(epoch), self._place.now_ms()
        if raw:
            receipt = await self._receipt(raw)
            if receipt is not None and not await self._is_deep(receipt):
                return
            if await self._is_settled(epoch, raw, receipt):
                raw = b""
        if self.reverted.get(epoch, 0) >= MOST_REVERTED:
            return
        sent_ms = self._sent_ms.setdefault(epoch, now_ms) if raw else 0
        if raw and now_ms - sent_ms < _LEFT_OUT_MS:
            await self._broadcast(raw)
            return
        made = await self._made(data, raw)
        if made is None:
            return
        self._place.save(epoch, made)
        self._sent_ms[epoch] = now_ms
        await self._broadcast(made)
        _log.info("posting what an epoch owes", epoch=epoch, tx="0x" + keccak(made).hex())

    async def _receipt(self, raw: bytes) -> Receipt | None:
        tx_hash = "0x" + keccak(raw).hex()
        return await self._nodes.agreed_or_absent("eth_getTransactionReceipt", tx_hash, read=read_receipt)

    async def _is_deep(self, receipt: Receipt) -> bool:
        number: int = await self._nodes.highest_reached("eth_blockNumber", read=quantity)
        return number >= receipt.block + self._confirmations

    async def _is_settled(self, epoch: int, raw: bytes, receipt: Receipt | None) -> bool:
        """Whether what was sent is in a deep block, or never will be in any."""
        if receipt is None and await self._nonce() <= nonce_of(raw):
            return False
        self._place.save(epoch, b"")
        self._sent_ms.pop(epoch, None)
        if receipt is not None and not receipt.succeeded:
            self.reverted[epoch] = self.reverted.get(epoch, 0) + 1
            _log.info(
                "a report was not taken in its block: somebody else was first, as a rule", epoch=epoch,
                tx="0x" + keccak(raw).hex(), gas=receipt.gas_used,
            )  # fmt: skip
        return True

    async def _made(self, data: bytes, before: bytes) -> bytes | None:
        """A signed transaction; None where the contract would refuse it: as a rule somebody else was first."""
        call = {
            "from": "0x" + self._signer.address.hex(), "to": "0x" + self._contract.hex(), "data": "0x" + data.hex(),
        }  # fmt: skip
        seen = await self._nodes.agreed_value("eth_call", call, "latest", read=read_simulated)
        if seen.refused is not None:
            _log.info(
                "a report is not posted from here: the contract would refuse it", why=f"{seen.refused}{seen.text}"
            )
            return None
        gas = await self._costs.gas(call, "latest")
        if gas is None or gas > MOST_POST_GAS:
            raise ChainError(f"a report needs {gas or 'unknown'} gas, at most {MOST_POST_GAS} are spent on one")
        nonce = await self._nonce()
        if before:  # in blocks that were taken out lay nonces before its own, and nothing may be left that uses them
            nonce = min(nonce, nonce_of(before))
        unsigned = Unsigned(
            chain_id=self._chain_id, nonce=nonce,
            fees=await self._costs.fees(Fees.of(before) if before else None, None), gas=gas * 6 // 5, to=self._contract, data=data,
        )  # fmt: skip
        return unsigned.signed(await self._signer.sign(unsigned.preimage)).raw

    async def _nonce(self) -> int:
        """Of the next transaction by what is mined."""
        payer = "0x" + self._signer.address.hex()
        found: int = await self._nodes.highest_reached("eth_getTransactionCount", payer, "latest", read=quantity)
        return found

    async def _broadcast(self, raw: bytes) -> None:
        answers = await self._nodes.all_answers("eth_sendRawTransaction", "0x" + raw.hex())
        tx_hash = "0x" + keccak(raw).hex()
        verdicts = [read_send_outcome(a, tx_hash) for a in answers.values()]
        if SendOutcome.TAKEN not in verdicts and (more := self._told.more(tx_hash)) is not None:
            text = "; ".join(f"{n}: {a}" for n, a in answers.items() if isinstance(a, FeedError))
            _log.warning("no node takes a report yet", tx=tx_hash, nodes=text[:300], more_since_the_last_line=more)
