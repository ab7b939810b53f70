"""`lrt-oracle join`: what a seat among the operators of a store needs, whether it is there, and what it will cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from feeds.chains.abi import checksummed
from oracle.agree.terms import CommonRules
from oracle.chain.quorum_rpc import ChainError
from oracle.check.running_costs import bandwidth, cost_lines, gas_cost, pushes_seen, rpc_cost
from oracle.check.seat_reading import SeatPlace, SeatReading
from oracle.config.check_keys import payer_address
from oracle.model.agreement_bounds import bounds_text, is_too_low, least_threshold
from oracle.sign.messages import SignerSet

_CLOCK_MS = 2_000
"""A block's time is whole seconds, and some seconds old on most chains: so far ahead of us none may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatStep:
    """One thing that a seat needs. ``todo``: what is left to do; "" where it is done."""

    what: str
    text: str
    todo: str = ""

    @property
    def line(self) -> str:
        """For people."""
        return f"{'todo' if self.todo else 'ok':<5} {self.what:<10} {self.text}{'; ' + self.todo if self.todo else ''}"


async def joining(
    place: SeatPlace, reading: SeatReading, own: bytes, network_key: bytes, rules: CommonRules, feeds: int
) -> dict[str, Any]:
    """What is to be known before a seat is asked for, as one JSON document.

    Args:
        place: of the config.
        reading: of the chain.
        own: report address.
        network_key: address of the key that speaks between operators.
        rules: that all must have in common.
        feeds: how many the store's operators sign.
    """
    domain, signers = place.domain, reading.signers
    steps = seat_steps(place, reading, own)
    target = place.config.targets[place.home]
    store = place.store()
    try:
        seen = await pushes_seen(store.nodes, domain.store)
    except ChainError as e:
        costs: dict[str, Any] = {"error": str(e)}
    else:
        pays = target.gas_keyfile is not None or target.signer_url is not None
        rpc = rpc_cost(place.config)
        members = len(signers.signers) + (0 if signers.weight_of((own,)) else 1)
        gas = gas_cost(seen, pays=pays, payer=payer_address(target))
        costs = {"gas": gas, "rpc": rpc, "bandwidth": bandwidth(members, feeds, rpc["rounds_month"], rpc)}
    finally:
        await store.close()
    return {
        "store": checksummed(domain.store),
        "chain_id": domain.chain_id,
        "target": place.home,
        "epoch": signers.epoch,
        "threshold": str(signers.threshold),
        "total": str(sum(signers.weights)),
        "members": [
            {"address": checksummed(a), "weight": str(w), "name": _name(place, a)}
            for a, w in zip(signers.signers, signers.weights, strict=True)
        ],
        "rules": "0x" + rules.digest.hex(),
        "versions": [rules.version],
        "round_interval_s": place.config.oracle.round_interval_s,
        "report_key": checksummed(own),
        "network_key": checksummed(network_key),
        "listen": place.network.listen,
        "url": place.network.url,
        "clock_behind_chain_ms": reading.head_ahead_ms,
        "steps": [{"what": s.what, "text": s.text, "todo": s.todo or None} for s in steps],
        "ready": not any(s.todo for s in steps),
        "cost_month": costs,
    }


def seat_steps(place: SeatPlace, reading: SeatReading, own: bytes) -> Sequence[SeatStep]:
    """Everything that a seat needs, in the order in which it is done."""
    signers, network = reading.signers, place.network
    weight = signers.weight_of((own,))
    ahead = reading.head_ahead_ms
    seat_todo = f"ask the store's owner to seat {checksummed(own)}: setSigners, then all arm it"
    listens = (
        f"others dial {network.url}, this process listens at {network.listen}"
        if network.listen
        else "this process listens nowhere and dials the others"
    )
    return [
        SeatStep(
            what="seat", text=f"weight {weight} of {sum(signers.weights)} in epoch {signers.epoch}",
            todo="" if weight else seat_todo,
        ),
        _threshold(signers),
        SeatStep(what="rules", text="compare `rules` and `versions` with another operator's: they must be the same"),
        SeatStep(what="ports", text=listens),
        _found(place, reading, own),
        SeatStep(
            what="clock", text=f"the newest block's time is {ahead} ms ahead of this machine's" if ahead > 0 else
            f"the newest block is {-ahead} ms old by this machine's clock",
            todo="set this machine's clock (NTP)" if ahead > _CLOCK_MS else "",
        ),
    ]  # fmt: skip


def _threshold(signers: SignerSet) -> SeatStep:
    """Whether operators that are independent of each other can agree with it."""
    total, members = sum(signers.weights), sum(w > 0 for w in signers.weights)
    todo = (
        f"it is too low: have the owner call setSigners with {least_threshold(total)} or more, two thirds of all weight"
    )
    return SeatStep(
        what="threshold", text=bounds_text(total, signers.threshold),
        todo=todo if is_too_low(total, signers.threshold, members) else "",
    )  # fmt: skip


def _found(place: SeatPlace, reading: SeatReading, own: bytes) -> SeatStep:
    """Whether the others find this operator, and it finds one of them."""
    entry = reading.entries.get(own)
    if entry is not None and entry.signed is not None:
        return SeatStep(what="contact", text=f"announced in the directory, block {entry.block}")
    others = [n for n in place.peers.values() if n.urls]
    if others:
        return SeatStep(
            what="contact", text=f"{len(others)} others are dialled by the config: {', '.join(map(str, others))}"
        )
    known = sum(e.signed is not None and bool(e.signed.said.urls) for a, e in reading.entries.items() if a != own)
    if known:
        return SeatStep(what="contact", text=f"{known} others are in the directory, and are dialled")
    todo = "write another operator's address and url into [network.peers], or network.directory"
    return SeatStep(what="contact", text="nobody is known to be dialled", todo=todo)


def joining_lines(document: dict[str, Any]) -> list[str]:
    """For people."""
    costs = document["cost_month"]
    members = ", ".join(f"{m['name'] or m['address']} {m['weight']}" for m in document["members"])
    lines = [
        f"store      {document['store']} on chain {document['chain_id']} (target {document['target']})",
        f"set        epoch {document['epoch']}, {document['threshold']} of {document['total']} must sign: {members}",
        (
            f"rules      {document['rules']}, protocol versions {', '.join(map(str, document['versions']))},"
            f" a round every {document['round_interval_s']} s"
        ),
        f"keys       report {document['report_key']}, network {document['network_key']}",
        *(SeatStep(what=s["what"], text=s["text"], todo=s["todo"] or "").line for s in document["steps"]),
    ]
    if "error" in costs:
        return [*lines, f"costs      not known: {costs['error']}"]
    return [*lines, *cost_lines(costs["gas"], costs["rpc"], costs["bandwidth"])]


def _name(place: SeatPlace, address: bytes) -> str | None:
    peer = place.peers.get(address)
    return peer.name if peer is not None else None
