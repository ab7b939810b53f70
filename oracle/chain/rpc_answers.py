"""What nodes answer, as records: heads, receipts, fees, simulations, broadcasts. Pure; an answer that cannot be read does not count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from feeds.chains.jsonrpc import quantity
from feeds.errors import FeedError, RateLimited, TimedOut
from oracle.chain.node_refusals import SendOutcome, meaning_of
from oracle.chain.quorum_rpc import NodeRefused
from oracle.chain.store_abi import event_topic, reason
from oracle.chain.transaction import FeeMarket, PaidBlock, market_of

LEAST_TIP_WEI = 10**6
"""Least tip that is offered: what block makers ask by default (geth, miner.gasprice)."""
_WHOLE_PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """The outcome of a broadcast over all endpoints, with their messages."""

    outcome: SendOutcome
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockHead:
    """The newest block that enough endpoints have reached."""

    number: int
    time_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt: where a transaction is on the chain, and who emitted `Pushed`, `Poked` and `Armed` in it.

    ``succeeded``: the transaction as a whole. ``ok``: a push in it did what it was for, see StoreClient.receipt. ``is_call``: it
    calls another contract than the store, and is no push. ``fee_wei``: what was paid for it, with what a rollup takes for its data.
    """

    block: int
    block_hash: str
    ok: bool
    gas_used: int
    fee_wei: int = 0
    succeeded: bool = True
    pushed: frozenset[bytes] = frozenset()
    poked: frozenset[bytes] = frozenset()
    armed: frozenset[bytes] = frozenset()
    is_call: bool = False


def read_head(answer: Any) -> tuple[int, int]:
    """Number and time of a block."""
    return quantity(answer["number"]), quantity(answer["timestamp"])


def read_hash(answer: Any) -> str | None:
    """Hash of a block; None where there is none."""
    if isinstance(answer, FeedError):
        raise answer
    return None if answer is None else str(answer["hash"])


def read_receipt(answer: Any) -> Receipt | None:
    """A receipt; None where there is none."""
    if isinstance(answer, FeedError):
        raise answer
    if answer is None:
        return None
    return Receipt(
        block=quantity(answer["blockNumber"]),
        block_hash=str(answer["blockHash"]),
        ok=quantity(answer["status"]) == 1,
        succeeded=quantity(answer["status"]) == 1,
        gas_used=quantity(answer["gasUsed"]),
        fee_wei=_fee_wei(answer),
        pushed=_emitters(answer["logs"], event_topic("PriceStore", "Pushed")),
        poked=_emitters(answer["logs"], event_topic("ModeView", "Poked")),
        armed=_emitters(answer["logs"], event_topic("PriceStore", "Armed")),
    )


def _fee_wei(answer: Any) -> int:
    """What a transaction has cost; 0 where the node does not say at which price."""
    gas_wei = quantity(answer["gasUsed"]) * quantity(answer.get("effectiveGasPrice", "0x0"))
    return gas_wei + quantity(answer.get("l1Fee") or "0x0")


def _emitters(logs: Any, topic: bytes) -> frozenset[bytes]:
    """Addresses of the contracts that emitted an event."""
    wanted = "0x" + topic.hex()
    return frozenset(bytes.fromhex(log["address"][2:]) for log in logs if log["topics"][:1] == [wanted])


def read_fee_market(answer: Any) -> FeeMarket | None:
    """A fee history; None for anything else. A base fee of 0 where the chain has none, or the node does not state it."""
    try:
        history: Mapping[str, Any] = _history(answer)
        rewards = [quantity(r[0]) if r else 0 for r in history.get("reward") or ()]
        bases = [quantity(b) for b in history.get("baseFeePerGas") or () if b is not None]
        used = [_ppm(u) for u in history.get("gasUsedRatio") or ()]
    except (FeedError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None
    if not rewards and not bases:
        return None
    used = used if len(used) == len(rewards) else [_WHOLE_PPM] * len(rewards)
    blocks = [PaidBlock(tip_wei=tip, used_ppm=ppm) for tip, ppm in zip(rewards, used, strict=True)]
    return market_of(bases[-1] if bases else 0, blocks, least_tip_wei=LEAST_TIP_WEI)


def _history(answer: Any) -> Mapping[str, Any]:
    if not isinstance(answer, Mapping):
        raise TypeError("not a fee history")
    return answer


def _ppm(share: Any) -> int:
    """A share of a block as JSON has it, in millionths; nothing is signed that depends on its last digits."""
    return max(0, min(_WHOLE_PPM, int(share * _WHOLE_PPM)))


def read_gas(answer: Any) -> int | None:
    """An estimate; None for anything else."""
    try:
        return quantity(answer)
    except FeedError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a simulation says: the contract's error by name, None if it works. The numbers may differ between nodes."""

    refused: str | None
    text: str = field(default="", compare=False)


def read_simulated(answer: Any) -> Simulation:
    """Read a node's answer to a simulated call; raises its error where that is not the contract's."""
    if isinstance(answer, NodeRefused) and (answer.data or "revert" in answer.detail.lower()):
        name, text = reason(answer.data)
        return Simulation(refused=name, text=text or f": {answer.detail}")
    if isinstance(answer, FeedError):
        raise answer
    return Simulation(refused=None)


def read_send_outcome(answer: Any, tx_hash: str) -> SendOutcome:
    """Read a node's answer to a raw transaction: by its words, see ``node_refusals``, else by the kind of the failure.

    Args:
        answer: a result, or why there is none.
        tx_hash: of the transaction; a node that took it answers with that and nothing else.
    """
    if not isinstance(answer, FeedError):
        return SendOutcome.TAKEN if isinstance(answer, str) and answer.lower() == tx_hash else SendOutcome.UNKNOWN
    outcome = meaning_of(answer.detail)
    if outcome is not SendOutcome.UNKNOWN:
        return outcome
    return next((known for kind, known in _KINDS if isinstance(answer, kind)), SendOutcome.UNREACHABLE)


_KINDS = (
    (NodeRefused, SendOutcome.UNKNOWN),
    (RateLimited, SendOutcome.RATE_LIMITED),
    (TimedOut, SendOutcome.TIMED_OUT),
)
"""Anything but a JSON-RPC error (a proxy's page, a lost connection) says nothing about the transaction."""
