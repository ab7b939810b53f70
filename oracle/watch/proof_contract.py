"""The contract that takes evidence, as enough endpoints show it: what it would do, what is recorded, who was first.

`Penalties` and `OperatorRegistry` take the same call; they differ in how one asks what is recorded, and in their events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from feeds.chains.jsonrpc import quantity
from feeds.errors import FeedError
from oracle.chain.fees import MOST_GAS, Costs, gas_limit
from oracle.chain.node_refusals import SendOutcome
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.chain.rpc_answers import (
    BlockHead,
    Broadcast,
    Receipt,
    Simulation,
    read_head,
    read_receipt,
    read_send_outcome,
    read_simulated,
)
from oracle.chain.store_abi import PENALTIES, REGISTRY, call_of, event_topic
from oracle.chain.store_client import GasSigner
from oracle.chain.transaction import FeeConditions, Fees, SignedTx, Unsigned
from oracle.watch.evidence import KeptEvidence, prove_data

_ZERO = bytes(20)
_SINCE = 2_000
"""Blocks before the head in which the log of somebody else's proof is looked for."""
_URGENT = FeeConditions(urgent=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofForm:
    """How one kind of contract is asked. ``is_recorded``: function of the evidence, whose answer's ``flag``-th value is not 0."""

    contract: str
    is_recorded: str
    flag: int
    evidence_topic: int
    reward: str


FORMS = (
    ProofForm(
        contract=PENALTIES,
        is_recorded="isProven",
        flag=0,
        evidence_topic=1,
        reward="brings the finder's share of what is taken, 5 % at most, after the dispute",
    ),
    ProofForm(
        contract=REGISTRY,
        is_recorded="penalties",
        flag=3,
        evidence_topic=2,
        reward="brings nothing: an OperatorRegistry pays no finder",
    ),
)
LATE = frozenset({"TooLate", "TooOld", "Expired", "NotProvable"})
"""Errors that say that the time for evidence is over."""
RECORDED = frozenset({"UsedEvidence", "AlreadyProven"})
"""Errors that say that the operator has paid for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofVerdict:
    """What a proof would do now. ``evidence_id``: as the contract calls it, where it would be taken."""

    refused: str | None
    text: str = ""
    evidence_id: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenBy:
    """Who proved something: address, block and transaction."""

    prover: bytes
    block: int
    tx_hash: str


class ProofContract:
    """One contract on one chain.

    Args:
        endpoints: HTTP endpoints, of which enough must agree.
        chain_id: of them.
        address: of the contract, 20 bytes.
        signer: pays; None only reads.
        max_fee_gwei: never pay more for a unit of gas.
        agree: how many endpoints must answer the same; 0 is a majority of three or more, else one.
    """

    def __init__(
        self, endpoints: tuple[str, ...], chain_id: int, address: bytes, signer: GasSigner | None, *, max_fee_gwei: int,
        agree: int = 0,
    ) -> None:  # fmt: skip
        self.address, self.signer, self._chain_id = address, signer, chain_id
        self._nodes = QuorumRpc(endpoints, chain_id=chain_id, agree=agree)
        self._costs = Costs(self._nodes, 60, max_fee_gwei)
        self._form: ProofForm | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._nodes.close()
        if self.signer is not None:
            await self.signer.close()

    async def head(self) -> BlockHead:
        """The newest block that enough endpoints have reached."""
        ((number, time_s),) = await self._nodes.newest_view(read_head)
        return BlockHead(number=number, time_s=time_s)

    async def nonce(self) -> int:
        """Of the gas key's next transaction by what is mined."""
        return await self._nodes.highest_reached("eth_getTransactionCount", self._payer, "latest", read=quantity)

    # --- what it says ------------------------------------------------------------------------------------------------

    async def try_out(self, kept: KeptEvidence) -> ProofVerdict:
        """What a proof would do in the next block.

        Raises:
            ChainError: too few endpoints agree, or there is no such contract.
        """
        call = self._call(prove_data(kept.found))
        seen: Simulation = await self._nodes.agreed_value("eth_call", call, "latest", read=read_simulated)
        if seen.refused is not None:
            return ProofVerdict(refused=seen.refused, text=seen.text)
        raw: Any = await self._nodes.agreed_value("eth_call", call, "latest")
        answer = bytes.fromhex(str(raw)[2:])
        if len(answer) < 32:  # noqa: PLR2004 - a word
            raise ChainError(f"0x{self.address.hex()} takes no evidence: correct watch.penalties")
        return ProofVerdict(refused=None, evidence_id=answer[:32])

    async def is_recorded(self, evidence_id: bytes) -> bool:
        """Whether somebody has proven it."""
        form = await self._its_form()
        data, outputs = call_of(form.contract, form.is_recorded, (evidence_id,))
        raw: Any = await self._nodes.agreed_value("eth_call", self._call(data), "latest")
        try:
            return bool(decode(outputs, bytes.fromhex(str(raw)[2:]))[form.flag])
        except (DecodingError, ValueError):
            raise ChainError(f"0x{self.address.hex()} answers {str(raw)[:40]!r}: correct watch.penalties") from None

    async def proven_by(self, evidence_id: bytes, head: int) -> ProvenBy | None:
        """Who was first; None where no endpoint says."""
        form = await self._its_form()
        topics: list[str | None] = ["0x" + event_topic(form.contract, "Proven").hex(), None, None]
        topics[form.evidence_topic] = "0x" + evidence_id.hex()
        wanted = {
            "address": "0x" + self.address.hex(), "topics": topics[: form.evidence_topic + 1],
            "fromBlock": hex(max(0, head - _SINCE)), "toBlock": "latest",
        }  # fmt: skip
        try:
            found = await self._nodes.agreed_value("eth_getLogs", wanted, read=_first_log)
            if found is None:
                return None
            block, tx_hash = found
            sender = await self._nodes.agreed_value("eth_getTransactionByHash", tx_hash, read=_sender)
        except ChainError:
            return None
        return ProvenBy(prover=bytes.fromhex(sender[2:]), block=block, tx_hash=tx_hash)

    async def _its_form(self) -> ProofForm:
        """Which kind of contract it is. Asked once.

        Raises:
            ChainError: it is none, or too few endpoints agree.
        """
        for form in FORMS if self._form is None else ():
            data, outputs = call_of(form.contract, form.is_recorded, (bytes(32),))
            seen = await self._nodes.agreed_value("eth_call", self._call(data), "latest", read=read_simulated)
            if seen.refused is not None:
                continue
            raw: Any = await self._nodes.agreed_value("eth_call", self._call(data), "latest")
            if len(bytes.fromhex(str(raw)[2:])) == 32 * len(outputs):
                self._form = form
                break
        if self._form is None:
            raise ChainError(f"0x{self.address.hex()} takes no evidence: correct watch.penalties")
        return self._form

    # --- sending -----------------------------------------------------------------------------------------------------

    async def gas(self, kept: KeptEvidence) -> int | None:
        """That a proof uses; None where no endpoint says."""
        return await self._costs.gas(self._call(prove_data(kept.found)), "latest")

    async def gas_price_wei(self) -> int:
        """What a unit of gas costs now."""
        market = await self._costs.market()
        return market.base_wei + market.tip_wei

    async def reward_text(self) -> str:
        """What a proof brings, for people."""
        return (await self._its_form()).reward

    async def prepare(self, kept: KeptEvidence, nonce: int, above: Fees | None) -> SignedTx:
        """Build and sign a proof.

        Raises:
            FeeTooHigh: the base fee is above the ceiling.
            ChainError: it would fail, no endpoint says what it costs, or there is no gas key.
        """
        if self.signer is None:
            raise ChainError("no gas key: evidence is kept and not proven")
        gas = await self.gas(kept)
        if gas is None:
            raise ChainError("no endpoint estimates the gas of the proof")
        unsigned = Unsigned(
            chain_id=self._chain_id, nonce=nonce, fees=await self._costs.fees(above, _URGENT),
            gas=gas_limit(gas, 0, MOST_GAS, MOST_GAS), to=self.address, data=prove_data(kept.found),
        )  # fmt: skip
        return unsigned.signed(await self.signer.sign(unsigned.preimage))

    async def broadcast(self, raw: bytes, tx_hash: str) -> Broadcast:
        """Send it to every endpoint; one that has it is enough."""
        answers = await self._nodes.all_answers("eth_sendRawTransaction", "0x" + raw.hex())
        verdicts = [read_send_outcome(a, tx_hash) for a in answers.values()]
        text = "; ".join(f"{n}: {a}" for n, a in answers.items() if isinstance(a, FeedError))
        return Broadcast(outcome=next((s for s in SendOutcome if s in verdicts), SendOutcome.UNKNOWN), text=text)

    async def receipt(self, tx_hash: str) -> Receipt | None:
        """None while it is in no chain."""
        return await self._nodes.agreed_or_absent("eth_getTransactionReceipt", tx_hash, read=read_receipt)

    @property
    def payer(self) -> bytes:
        """Address of the gas key; zeros without one."""
        return _ZERO if self.signer is None else self.signer.address

    @property
    def _payer(self) -> str:
        return "0x" + self.payer.hex()

    def _call(self, data: bytes) -> dict[str, str]:
        return {"from": self._payer, "to": "0x" + self.address.hex(), "data": "0x" + data.hex()}


def _first_log(answer: Any) -> tuple[int, str] | None:
    if isinstance(answer, FeedError):
        raise answer
    return (quantity(answer[0]["blockNumber"]), str(answer[0]["transactionHash"])) if answer else None


def _sender(answer: Any) -> str:
    if isinstance(answer, FeedError):
        raise answer
    return str(answer["from"]).lower()
