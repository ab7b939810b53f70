"""What a seat costs a month: gas by the share of pushes, RPC calls, bandwidth. Formulas with their inputs; integers all the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feeds.chains.jsonrpc import quantity
from feeds.units import MS, wad_text
from oracle.chain.quorum_rpc import QuorumRpc
from oracle.chain.rpc_answers import read_head
from oracle.chain.store_abi import event_topic
from oracle.config.sections import Config

MONTH_S = 30 * 86_400
_BLOCKS, _MOST_RECEIPTS = 5_000, 32
_ITEM, _VALUES, _READY, _SIGNATURE, _HASH = 30, 170, 190, 90, 56
"""Bytes: an item; values without their items; a ready; a signature with its address; a value's address and hash. Each with frame and envelope.

Held against light operators (`demo.fleet.light`), 40 feeds, calm: 5 members 17.0 KB a round each way, 17.7 by this; 21 members 157 KB,
163 by this."""
_REQUEST_BYTES, _ANSWER_BYTES = 2_000, 8_000
"""Of one RPC request with its answer, with some 40 reads in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushesSeen:
    """Pushes of the newest blocks of a store.

    Attributes:
        count: how many.
        seconds: over what time.
        gas: of the mean one.
        price_wei: of a unit of gas, now.
        payers: addresses that paid for the newest of them, hex without 0x.
    """

    count: int
    seconds: int
    gas: int
    price_wei: int
    payers: frozenset[str]


async def pushes_seen(nodes: QuorumRpc, store: bytes) -> PushesSeen:
    """Read the newest pushes.

    Raises:
        ChainError: too few endpoints answer.
    """
    ((number, time_s),) = await nodes.newest_view(read_head)
    first = max(0, number - _BLOCKS)
    block = "eth_getBlockByNumber", hex(first), False
    _, first_s = await nodes.agreed_value(*block, read=lambda answer: read_head(_value(answer)))
    topic = "0x" + event_topic("PriceStore", "Pushed").hex()
    asked = {"address": "0x" + store.hex(), "topics": [topic], "fromBlock": hex(first), "toBlock": hex(number)}
    hashes = await nodes.agreed_value("eth_getLogs", asked, read=_transactions)
    receipts = [
        await nodes.agreed_value("eth_getTransactionReceipt", h, read=_gas_and_payer) for h in hashes[-_MOST_RECEIPTS:]
    ]
    gas = sum(used for used, _ in receipts) // len(receipts) if receipts else 0
    price = await nodes.highest_reached("eth_gasPrice", read=lambda answer: quantity(_value(answer)))
    return PushesSeen(
        count=len(hashes), seconds=max(1, time_s - first_s), gas=gas, price_wei=price,
        payers=frozenset(payer for _, payer in receipts),
    )  # fmt: skip


def _value(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _transactions(answer: Any) -> tuple[str, ...]:
    """Of logs, each once, the oldest first."""
    return tuple(dict.fromkeys(str(log["transactionHash"]) for log in _value(answer)))


def _gas_and_payer(answer: Any) -> tuple[int, str]:
    """Of a receipt: what it took, and who paid, hex without 0x."""
    receipt = _value(answer)
    return quantity(receipt["gasUsed"]), str(receipt["from"]).lower().removeprefix("0x")


def gas_cost(seen: PushesSeen, *, pays: bool, payer: str | None) -> dict[str, Any]:
    """Gas of a month: pushes of a month / payers, each of the mean gas at the price of now. Nothing without a gas key.

    Args:
        seen: what the others pay now.
        pays: whether this operator has a gas key.
        payer: its address, hex without 0x; None where it is not known.
    """
    payers = max(1, len(seen.payers) + (pays and payer not in seen.payers))
    pushes = seen.count * MONTH_S // seen.seconds
    share = pushes // payers if pays else 0
    wei = share * seen.gas * seen.price_wei
    return {
        "formula": "pushes of a month / accounts that pay x gas of the mean push x gas price",
        "pushes_month": pushes,
        "own_pushes_month": share,
        "payers": payers,
        "gas_per_push": seen.gas,
        "gas_price_wei": str(seen.price_wei),
        "seen": {"pushes": seen.count, "seconds": seen.seconds},
        "wei_month": str(wei),
        "ether_month": wad_text(wei, 6),
    }


def rpc_cost(config: Config) -> dict[str, Any]:
    """Requests of a month, by chain: each endpoint is looked at for a new head every poll_ms, and read once for each head.

    Of the home store's chain there is a look at the store for each round and twice a second while something is to be pushed.
    """
    rounds = MONTH_S // config.oracle.round_interval_s
    chains = {}
    for name, chain in config.chains.items():
        looks = MONTH_S * MS // chain.poll_ms
        stores = sum(t.chain == name for t in config.targets.values())
        chains[name] = {
            "poll_ms": chain.poll_ms,
            "endpoints": len(chain.endpoints),
            "requests_month_each": 2 * looks + 3 * rounds * stores,
        }
    return {
        "formula": "for each endpoint: 2 x month / poll_ms (a head, and one batch of reads for it) + 3 x rounds for each store",
        "rounds_month": rounds,
        "chains": chains,
        "requests_month": sum(c["requests_month_each"] * c["endpoints"] for c in chains.values()),
    }


def bandwidth(members: int, feeds: int, rounds: int, rpc: Mapping[str, Any]) -> dict[str, Any]:
    """Bytes of a month in each direction.

    Args:
        members: of the set.
        feeds: of the store.
        rounds: of a month.
        rpc: as `rpc_cost` gives it.
    """
    others = max(0, members - 1)
    items = feeds * _ITEM
    certificate = items + members * (_HASH + _READY)
    values, signature = _VALUES + items, _SIGNATURE + certificate
    proposal = items + members * _HASH + _READY
    sent = others * (values + _READY + signature) + others * proposal // max(1, members)
    asked = int(rpc["requests_month"])
    return {
        "formula": "a round: (members - 1) x (values + ready + signature with its certificate + proposal / members);"
        " RPC: requests x (2 KB out, 8 KB in)",
        "members": members,
        "feeds": feeds,
        "bytes_round_each_way": sent,
        "network_month": sent * rounds,
        "rpc_out_month": asked * _REQUEST_BYTES,
        "rpc_in_month": asked * _ANSWER_BYTES,
        "out_month": sent * rounds + asked * _REQUEST_BYTES,
        "in_month": sent * rounds + asked * _ANSWER_BYTES,
    }


def cost_lines(gas: Mapping[str, Any], rpc: Mapping[str, Any], traffic: Mapping[str, Any]) -> Sequence[str]:
    """For people."""
    return [
        (
            f"gas        {gas['ether_month']} ether a month: {gas['own_pushes_month']} of {gas['pushes_month']} pushes,"
            f" {gas['payers']} accounts pay, {gas['gas_per_push']} gas each at {gas['gas_price_wei']} wei"
            f" (seen: {gas['seen']['pushes']} pushes in {gas['seen']['seconds']} s)"
        ),
        f"RPC        {rpc['requests_month']:,} requests a month to all endpoints together",
        (
            f"bandwidth  {traffic['in_month'] // 10**9} GB in, {traffic['out_month'] // 10**9} GB out a month;"
            f" {traffic['bytes_round_each_way']:,} bytes a round each way between operators"
        ),
    ]
