"""What nodes answer, as records: heads, receipts, fees, simulations, broadcasts. Pure; a strange answer is no answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from feeds.jsonrpc import quantity
from feeds.types import FeedError
from oracle.onchain.nodes import NodeRefused
from oracle.onchain.store_abi import event_topic, reason
from oracle.onchain.transaction import Market, market_of

_LEAST_TIP_WEI = 10**6


class Sent(StrEnum):
    """What became of a broadcast."""

    TAKEN = "taken"
    NONCE_USED = "nonce used"
    UNDERPRICED = "underpriced"
    NO_FUNDS = "no funds"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A broadcast's outcome over all endpoints, with what they said."""

    sent: Sent
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest block that enough endpoints have reached."""

    number: int
    time_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """A receipt: where a transaction is on the chain, whether it succeeded, and who emitted `Pushed` and `Poked` in it."""

    block: int
    block_hash: str
    ok: bool
    gas_used: int
    pushed: frozenset[bytes] = frozenset()
    poked: frozenset[bytes] = frozenset()


def read_head(answer: Any) -> tuple[int, int]:
    """Number and time of a block."""
    return quantity(answer["number"]), quantity(answer["timestamp"])


def read_hash(answer: Any) -> str | None:
    """Hash of a block; None where there is none."""
    if isinstance(answer, FeedError):
        raise answer
    return None if answer is None else str(answer["hash"])


def read_landed(answer: Any) -> Landed | None:
    """A receipt; None where there is none."""
    if isinstance(answer, FeedError):
        raise answer
    if answer is None:
        return None
    return Landed(
        block=quantity(answer["blockNumber"]),
        block_hash=str(answer["blockHash"]),
        ok=quantity(answer["status"]) == 1,
        gas_used=quantity(answer["gasUsed"]),
        pushed=_emitters(answer["logs"], event_topic("PriceStore", "Pushed")),
        poked=_emitters(answer["logs"], event_topic("ModeView", "Poked")),
    )


def _emitters(logs: Any, topic: bytes) -> frozenset[bytes]:
    """Addresses of the contracts that emitted an event."""
    wanted = "0x" + topic.hex()
    return frozenset(bytes.fromhex(one["address"][2:]) for one in logs if one["topics"][:1] == [wanted])


def read_market(answer: Any) -> Market | None:
    """A fee history; None where it is none."""
    if isinstance(answer, FeedError):
        return None
    try:
        rewards = [quantity(r[0]) for r in answer.get("reward") or () if r]
        return market_of([quantity(b) for b in answer["baseFeePerGas"]], rewards, least_tip_wei=_LEAST_TIP_WEI)
    except (FeedError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None


def read_gas(answer: Any) -> int | None:
    """An estimate; None where it is none."""
    try:
        return quantity(answer)
    except FeedError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a simulation says: the contract's error by name, None if it works. The numbers may differ between nodes."""

    refused: str | None
    text: str = field(default="", compare=False)


def read_simulated(answer: Any) -> Verdict:
    """Read a node's answer to a simulated call; raises where it says nothing about the contract."""
    if isinstance(answer, NodeRefused) and (answer.data or "revert" in answer.detail.lower()):
        name, text = reason(answer.data)
        return Verdict(refused=name, text=text or f": {answer.detail}")
    if isinstance(answer, FeedError):
        raise answer
    return Verdict(refused=None)


_TAKEN = ("already known", "already imported", "known transaction", "alreadyknown")


def read_sent(answer: Any) -> Sent:
    """Read a node's answer to a raw transaction; the words are those of geth, Nethermind, Erigon, Besu, reth, anvil."""
    if not isinstance(answer, FeedError):
        return Sent.TAKEN if isinstance(answer, str) else Sent.UNKNOWN
    low = str(answer).lower()
    if any(word in low for word in _TAKEN):
        return Sent.TAKEN
    if "nonce too low" in low or "oldnonce" in low:
        return Sent.NONCE_USED
    if "underpriced" in low or "feetoolow" in low:
        return Sent.UNDERPRICED
    return Sent.NO_FUNDS if "insufficient funds" in low or "insufficientfunds" in low else Sent.UNKNOWN
