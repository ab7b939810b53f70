"""The contract that takes evidence, as enough endpoints show it: what it would do, what is recorded, who was first.

`Penalties` knows operators by a book of keys, and may take words of several stores.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from feeds.chains.jsonrpc import quantity
from feeds.errors import FeedError
from oracle.chain.fees import MOST_GAS, Costs
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
from oracle.chain.store_abi import PENALTIES, call_of, event_topic, selector
from oracle.chain.store_client import GasSigner
from oracle.chain.transaction import FeeConditions, Fees, SignedTx, Unsigned
from oracle.sign.eip712 import Domain, separator
from oracle.stake.discover import NotStaked, discover
from oracle.stake.reads import StakeReads
from oracle.watch.compare import Contradiction
from oracle.watch.evidence import KeptEvidence, prove_data

_ZERO = bytes(20)
_MOST_DOMAINS = 16
_LOOK_AGAIN_S = 3_600
_SINCE = 2_000
"""Blocks before the head in which the log of somebody else's proof is looked for."""
_URGENT = FeeConditions(urgent=True)


_REWARD = "brings the finder's share of what is taken, 5 % at most, after the dispute"
LATE = frozenset({"TooLate"})
"""Errors that say that the time for evidence is over."""
RECORDED = frozenset({"UsedEvidence"})
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
        address: of the contract, 20 bytes; empty: it is the one that the set of the store names.
        signer: pays; None only reads.
        max_fee_gwei: never pay more for a unit of gas.
        agree: how many endpoints must answer the same; 0 is a majority of three or more, else one.
        store: whose signers answer with their stake, 20 bytes; empty: not known.
    """

    def __init__(
        self, endpoints: tuple[str, ...], chain_id: int, address: bytes, signer: GasSigner | None, *, max_fee_gwei: int,
        agree: int = 0, store: bytes = b"",
    ) -> None:  # fmt: skip
        self.address, self.signer, self._chain_id, self._store = address, signer, chain_id, store
        self._look_again_at = -math.inf
        self.nodes = QuorumRpc(endpoints, chain_id=chain_id, agree=agree)
        self._costs = Costs(self.nodes, 60, max_fee_gwei)
        self._is_known = False
        self._numbers: dict[Domain, int] = {}
        self._operators: dict[bytes, bytes] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self.nodes.close()
        if self.signer is not None:
            await self.signer.close()

    async def head(self) -> BlockHead:
        """The newest block that enough endpoints have reached."""
        ((number, time_s),) = await self.nodes.newest_view(read_head)
        return BlockHead(number=number, time_s=time_s)

    async def nonce(self) -> int:
        """Of the gas key's next transaction by what is mined."""
        return await self.nodes.highest_reached("eth_getTransactionCount", self._payer, "latest", read=quantity)

    # --- which one it is ---------------------------------------------------------------------------------------------

    async def named_by_set(self) -> bytes | None:
        """The contract that the store's set names; None where stake does not decide who signs there.

        Raises:
            ChainError: too few endpoints agree.
        """
        if not self._store:
            return None
        try:
            system = await discover(await StakeReads.open(self.nodes), self._chain_id, "0x" + self._store.hex())
        except NotStaked:
            return None
        return _raw(system.penalties)

    async def is_there(self) -> bool:
        """Whether there is one to prove to; where the set names none, that is asked again an hour later.

        Raises:
            ChainError: too few endpoints agree.
        """
        now = asyncio.get_running_loop().time()
        if not self.address and now >= self._look_again_at:
            self.address = await self.named_by_set() or b""
            self._look_again_at = now + _LOOK_AGAIN_S
        return bool(self.address)

    # --- what it says ------------------------------------------------------------------------------------------------

    async def try_out(self, kept: KeptEvidence) -> ProofVerdict:
        """What a proof would do in the next block.

        Raises:
            ChainError: too few endpoints agree, or there is no such contract.
        """
        data = await self._data(kept.found)
        if data is None:
            return ProofVerdict(refused="AnotherStore", text=": the contract takes no words for that store")
        call = self._call(data)
        seen: Simulation = await self.nodes.agreed_value("eth_call", call, "latest", read=read_simulated)
        if seen.refused is not None:
            return ProofVerdict(refused=seen.refused, text=seen.text)
        raw: Any = await self.nodes.agreed_value("eth_call", call, "latest")
        answer = bytes.fromhex(str(raw)[2:])
        if len(answer) < 32:  # noqa: PLR2004 - a word
            raise ChainError(f"0x{self.address.hex()} takes no evidence: correct watch.penalties")
        return ProofVerdict(refused=None, evidence_id=answer[:32])

    async def is_recorded(self, kept: KeptEvidence) -> bool:
        """Whether somebody has proven it."""
        data, _ = call_of(PENALTIES, "isProven", (await self.name_of(kept.found),))
        return bool(await self._answer(self.address, data, "bool"))

    async def name_of(self, found: Contradiction) -> bytes:
        """What the contract calls it: by the operator whose key that is in its book."""
        operator = await self.operator_of(found.first.key)
        return replace(found, operator=operator or found.operator).evidence_id

    async def operator_of(self, key: bytes) -> bytes | None:
        """Whose a key is in its book; None where it is nobody's yet."""
        await self._confirm()
        if key not in self._operators:
            book = await self._answer(self.address, selector("book", ()), "address")
            data, _ = call_of("IKeyBook", "operatorOf", ("0x" + key.hex(),))
            operator = await self._answer(_raw(book), data, "address")
            if int(operator, 16):
                self._operators[key] = _raw(operator)
        return self._operators.get(key)

    async def _data(self, found: Contradiction) -> bytes | None:
        """Calldata of the proof; None where the contract takes no words for that store."""
        domain = found.first.domain
        if domain not in self._numbers:
            await self._confirm()
            number = await self._number(separator(domain))
            if number is None:
                return None
            self._numbers[domain] = number
        return prove_data(found, self._numbers[domain])

    async def _number(self, wanted: bytes) -> int | None:
        """Of the store with this separator among those of the contract."""
        for number in range(_MOST_DOMAINS):
            data, _ = call_of(PENALTIES, "domains", (number,))
            seen = await self.nodes.agreed_value("eth_call", self._call(data), "latest", read=read_simulated)
            if seen.refused is not None:
                return None
            if await self._answer(self.address, data, "bytes32") == wanted:
                return number
        return None

    async def _answer(self, to: bytes, data: bytes, kind: str) -> Any:
        call = {"to": "0x" + to.hex(), "data": "0x" + data.hex()}
        raw: Any = await self.nodes.agreed_value("eth_call", call, "latest")
        try:
            return decode([kind], bytes.fromhex(str(raw)[2:]))[0]
        except (DecodingError, ValueError):
            raise ChainError(f"0x{to.hex()} answers {str(raw)[:40]!r}: correct watch.penalties") from None

    async def proven_by(self, kept: KeptEvidence, head: int) -> ProvenBy | None:
        """Who was first; None where no endpoint says."""
        evidence_id = await self.name_of(kept.found)
        wanted = {
            "address": "0x" + self.address.hex(),
            "topics": ["0x" + event_topic(PENALTIES, "Proven").hex(), "0x" + evidence_id.hex()],
            "fromBlock": hex(max(0, head - _SINCE)), "toBlock": "latest",
        }  # fmt: skip
        try:
            found = await self.nodes.agreed_value("eth_getLogs", wanted, read=_first_log)
            if found is None:
                return None
            block, tx_hash = found
            sender = await self.nodes.agreed_value("eth_getTransactionByHash", tx_hash, read=_sender)
        except ChainError:
            return None
        return ProvenBy(prover=bytes.fromhex(sender[2:]), block=block, tx_hash=tx_hash)

    async def _confirm(self) -> None:
        """That it takes evidence. Asked once.

        Raises:
            ChainError: it takes none, or too few endpoints agree.
        """
        if self._is_known:
            return
        if not await self.is_there():
            raise ChainError("no contract takes evidence: signers of the store have no stake; else set watch.penalties")
        data, _ = call_of(PENALTIES, "isProven", (bytes(32),))
        seen = await self.nodes.agreed_value("eth_call", self._call(data), "latest", read=read_simulated)
        raw: Any = "0x"
        if seen.refused is None:
            raw = await self.nodes.agreed_value("eth_call", self._call(data), "latest")
        if len(bytes.fromhex(str(raw)[2:])) != 32:  # noqa: PLR2004 - a word
            raise ChainError(f"0x{self.address.hex()} takes no evidence: correct watch.penalties")
        self._is_known = True

    # --- sending -----------------------------------------------------------------------------------------------------

    async def gas(self, kept: KeptEvidence) -> int | None:
        """That a proof needs at most; None where no endpoint says. It may have to show much more than it uses."""
        data = await self._data(kept.found)
        return None if data is None else await self._costs.gas(self._call(data), "latest")

    async def balance_wei(self, payer: bytes) -> int:
        """What a key has."""
        return await self.nodes.highest_reached("eth_getBalance", "0x" + payer.hex(), "latest", read=quantity)

    async def gas_price_wei(self) -> int:
        """What a unit of gas costs now."""
        market = await self._costs.market()
        return market.base_wei + market.tip_wei

    async def reward_text(self) -> str:
        """What a proof brings, for people."""
        await self._confirm()
        return _REWARD

    async def prepare(self, kept: KeptEvidence, nonce: int, above: Fees | None) -> SignedTx:
        """Build and sign a proof.

        Raises:
            FeeTooHigh: the base fee is above the ceiling.
            ChainError: it would fail, no endpoint says what it costs, or there is no gas key.
        """
        if self.signer is None:
            raise ChainError("no gas key: evidence is kept and not proven")
        gas, data = await self.gas(kept), await self._data(kept.found)
        if gas is None or data is None:
            raise ChainError("no endpoint estimates the gas of the proof")
        unsigned = Unsigned(
            chain_id=self._chain_id, nonce=nonce, fees=await self._costs.fees(above, _URGENT),
            gas=max(gas, min(gas * 6 // 5, MOST_GAS)), to=self.address, data=data,
        )  # fmt: skip
        return unsigned.signed(await self.signer.sign(unsigned.preimage))

    async def broadcast(self, raw: bytes, tx_hash: str) -> Broadcast:
        """Send it to every endpoint; one that has it is enough."""
        answers = await self.nodes.all_answers("eth_sendRawTransaction", "0x" + raw.hex())
        verdicts = [read_send_outcome(a, tx_hash) for a in answers.values()]
        text = "; ".join(f"{n}: {a}" for n, a in answers.items() if isinstance(a, FeedError))
        return Broadcast(outcome=next((s for s in SendOutcome if s in verdicts), SendOutcome.UNKNOWN), text=text)

    async def receipt(self, tx_hash: str) -> Receipt | None:
        """None while it is in no chain."""
        return await self.nodes.agreed_or_absent("eth_getTransactionReceipt", tx_hash, read=read_receipt)

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


def _raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])
