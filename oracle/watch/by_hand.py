"""Evidence by hand: what a proof costs and brings now, and proving it with a key that is named."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feeds.errors import LrtOracleError
from oracle.chain.quorum_rpc import ChainError
from oracle.watch.evidence import UNSETTLED, EvidenceState, KeptEvidence, evidence_document
from oracle.watch.kept import WatchRows
from oracle.watch.proof_contract import ProofContract
from oracle.watch.prover import Prover

_POLL_S, _POLLS = 1.0, 180
_WEI = 10**18


class EvidenceError(LrtOracleError, RuntimeError):
    """Evidence cannot be proven as asked: why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofOffer:
    """What a proof would do now. ``gas``, ``cost_wei``: None where it would fail, or nobody says. ``text``: for people."""

    gas: int | None
    cost_wei: int | None
    text: str


async def offer_of(contract: ProofContract | None, kept: KeptEvidence) -> ProofOffer:
    """What a proof costs and brings now."""
    if contract is None:
        return ProofOffer(gas=None, cost_wei=None, text="no contract takes it: there is no target")
    if kept.state not in UNSETTLED:
        return ProofOffer(gas=None, cost_wei=None, text="settled")
    try:
        verdict = await contract.try_out(kept)
        if verdict.refused is not None:
            return ProofOffer(gas=None, cost_wei=None, text=f"refused now: {verdict.refused}{verdict.text}")
        gas = await contract.gas(kept)
        cost_wei = None if gas is None else gas * await contract.gas_price_wei()
        return ProofOffer(gas=gas, cost_wei=cost_wei, text=await contract.reward_text())
    except ChainError as e:
        return ProofOffer(gas=None, cost_wei=None, text=f"not known: {e}")


def pick(rows: WatchRows, name: str | None) -> list[KeptEvidence]:
    """The evidence whose id begins like this; without one all that is not settled.

    Raises:
        EvidenceError: there is none, or more than one.
    """
    if name is None:
        return rows.unsettled()
    begin = name.lower().removeprefix("0x")
    found = [k for k in rows.evidence() if k.evidence_id.hex().startswith(begin)]
    if len(found) != 1:
        many = "no" if not found else f"{len(found)} pieces of"
        raise EvidenceError(f"{many} evidence begins with {name}: look with `lrt-oracle evidence list`")
    return found


async def prove(contract: ProofContract, rows: WatchRows, chosen: Sequence[KeptEvidence]) -> list[KeptEvidence]:
    """Prove it, and wait until it is settled. What was refused or late is tried once more.

    Raises:
        EvidenceError: it is against a key of this config, or is not settled after three minutes.
        ChainError: too few endpoints answer.
    """
    if any(k.state is EvidenceState.OWN for k in chosen):
        raise EvidenceError(
            "it is against a key of this config: find out why that key signed twice, and stop the other process; who proves"
            " himself pays more than he gets"
        )
    ids = {k.evidence_id for k in chosen}
    for kept in chosen:
        if kept.state in (EvidenceState.REFUSED, EvidenceState.LATE, EvidenceState.SPARE):
            rows.update(kept.evidence_id, state=EvidenceState.FOUND.value, note="")
    prover = Prover(contract, rows, only=ids, is_patient=False)
    for _ in range(_POLLS):
        await prover.tick()
        done = [k for k in rows.evidence() if k.evidence_id in ids]
        if not any(k.state in UNSETTLED for k in done):
            return done
        await asyncio.sleep(_POLL_S)
    raise EvidenceError(f"not settled after {_POLLS} s: run this again, what was sent is followed")


def listed(kept: KeptEvidence, offer: ProofOffer) -> dict[str, Any]:
    """As JSON."""
    cost = None if offer.cost_wei is None else str(offer.cost_wei)
    return {**evidence_document(kept), "proof": {"gas": offer.gas, "cost_wei": cost, "brings": offer.text}}


def lines(document: Mapping[str, Any]) -> list[str]:
    """For people."""
    proof = document["proof"]
    cost = (
        ""
        if proof["cost_wei"] is None
        else f", costs at most {proof['gas']} gas, {int(proof['cost_wei']) / _WEI:.6f} ether"
    )
    landed = "" if document["blocks"] is None else f" after {document['blocks']} blocks by {document['prover']}"
    why = f": {document['note']}" if document["note"] else ""
    where = f"token {document['index']} of {document['store']} on chain {document['chain_id']}"
    return [
        f"{document['id']}  {document['state']}{landed}{why}",
        f"    operator {document['operator']}, round {document['round']}, {where}",
        f"    {proof['brings']}{cost}",
        *(
            []
            if proof["gas"] is None
            else ["    undone: never; only the contract's arbiter can give back, within the dispute"]
        ),
    ]
