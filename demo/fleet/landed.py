"""What the operators of a fleet brought to the chain, read from the chain: its events, receipts and nonces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from demo.fleet.fleet import Fleet
from demo.world.chain import LocalChain
from feeds.units import MS
from oracle.chain.store_abi import event_topic

_WORD = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedPush:
    """A batch that the store took. ``written``: how many of its items were news there; ``sender``: hex address."""

    tx_hash: str
    round_time_s: int
    written: int
    sender: str
    block: int
    block_time_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedPushes:
    """All of a store. ``reverted``: transactions of operators that are in the chain and did nothing, by the payer's address."""

    pushes: Sequence[LandedPush]
    reverted: Mapping[str, int]


async def landed_pushes(fleet: Fleet, payers: Sequence[str]) -> LandedPushes:
    """Everything that these accounts, and no others, brought to the fleet's store."""
    chain, store = fleet.chain, fleet.deployment.store
    pushed, armed = ("0x" + event_topic("PriceStore", name).hex() for name in ("Pushed", "Armed"))
    logs = await _logs(chain, store, pushed)
    pushes = [await _landed(chain, log) for log in logs]
    done: dict[str, set[str]] = {p.lower(): set() for p in payers}
    for push in pushes:
        done.setdefault(push.sender, set()).add(push.tx_hash)
    for log in await _logs(chain, store, armed):
        transaction = await chain.rpc("eth_getTransactionByHash", log["transactionHash"])
        done.setdefault(transaction["from"].lower(), set()).add(log["transactionHash"])
    mined = {p: int(await chain.rpc("eth_getTransactionCount", p, "latest"), 16) for p in done}
    return LandedPushes(pushes=pushes, reverted={p: mined[p] - len(done[p]) for p in done if mined[p] > len(done[p])})


async def _logs(chain: LocalChain, store: str, topic: str) -> list[Mapping[str, str]]:
    asked = {"address": store, "topics": [topic], "fromBlock": "0x0", "toBlock": "latest"}
    return list(await chain.rpc("eth_getLogs", asked))


async def _landed(chain: LocalChain, log: Mapping[str, str]) -> LandedPush:
    transaction = await chain.rpc("eth_getTransactionByHash", log["transactionHash"])
    block = await chain.rpc("eth_getBlockByNumber", log["blockNumber"], False)  # noqa: FBT003 - JSON-RPC knows no names
    data = log["data"].removeprefix("0x")
    return LandedPush(
        tx_hash=log["transactionHash"],
        round_time_s=int(data[:_WORD], 16),
        written=int(data[_WORD : 2 * _WORD], 16),
        sender=transaction["from"].lower(),
        block=int(log["blockNumber"], 16),
        block_time_s=int(block["timestamp"], 16),
    )


def latencies_ms(pushes: Sequence[LandedPush]) -> list[int]:
    """From the round's time to the block that took it, whole seconds in ms."""
    return [(p.block_time_s - p.round_time_s) * MS for p in pushes]
