"""What secures one price as JSON: who signed it, what they have to lose, what a lie costs, and what is not known. Pure; wei are texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from feeds.chains.abi import checksummed
from oracle.model.publication import Record
from oracle.serve.documents import Document
from oracle.serve.operators import OperatorsView
from oracle.serve.stake_documents import address, age_s, why_unknown
from oracle.stake.follow import LOOK_S, StakeView
from oracle.stake.secured.price import LieCost, PriceSecurity


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSigners:
    """Who could sign a record, and who did: plain values, for they come from another process.

    Attributes:
        weights: of all members, by report key.
        signed: keys of those who did.
    """

    epoch: int
    threshold: int
    weights: Mapping[bytes, int]
    signed: frozenset[bytes]


def security_document(
    feed: str,
    record: Record | None,
    signers: RecordSigners | None,
    view: StakeView | None,
    operators: OperatorsView | None,
    now_ms: int,
) -> Document:
    """All of it.

    Args:
        feed: its name.
        record: its last record; None: there is none.
        signers: of that; None: nobody signed it, or that is not kept.
        view: what the contracts of stake said.
        operators: for their names.
        now_ms: the clock, Unix ms.
    """
    security = None if view is None else view.security
    return {
        "feed": feed,
        "round": None if record is None else record.report.round_time_s,
        "target": None if record is None or record.seal is None else record.seal.target,
        "epoch": None if signers is None else str(signers.epoch),
        "threshold": None if signers is None else str(signers.threshold),
        "signed_weight": None if signers is None else str(sum(signers.weights[a] for a in signers.signed)),
        "signers": [] if signers is None else _signers(signers, security, operators),
        "stake_why": why_unknown(view),
        "stake": None if view is None or security is None else _secured(view, security, now_ms),
        "unknown": _unknown(record, signers, view, security),
    }


def _signers(signers: RecordSigners, security: PriceSecurity | None, operators: OperatorsView | None) -> list[Document]:
    """Those who signed first, the heaviest of them first."""
    names = {} if operators is None else {r.address: r.name for r in operators.rows}
    members = {} if security is None else {bytes.fromhex(m.key[2:]): m for m in security.facts.members}
    rows = []
    for key, weight in sorted(signers.weights.items(), key=lambda kw: (kw[0] not in signers.signed, -kw[1], kw[0])):
        member = members.get(key)
        held = None if member is None or security is None else security.slashable.get(member.operator, 0)
        rows.append(
            {
                "key": checksummed(key),
                "name": names.get(key, checksummed(key)),
                "signed": key in signers.signed,
                "weight": str(weight),
                "operator": None if member is None else address(member.operator),
                "slashable_wei": None if held is None else str(held),
                "complete": member is not None and None not in member.slashable_wei.values(),
            }
        )
    return rows


def _secured(view: StakeView, security: PriceSecurity, now_ms: int) -> Document:
    facts, shared = security.facts, security.shared
    return {
        "target": view.target,
        "block": facts.block,
        "at_s": facts.time_s,
        "read_at_ms": view.read_ms,
        "age_s": age_s(view, now_ms),
        "every_s": LOOK_S,
        "error": view.error,
        "epoch": str(facts.epoch),
        "by_stake": security.by_stake,
        "complete": security.is_complete,
        "slashable_wei": str(security.slashable_wei),
        "by_source": [
            {"address": address(s.at), "kind": s.kind.value, "wei": str(security.by_source.get(s.at, 0))}
            for s in facts.system.sources
        ],
        "two_contents": _lie(security.two_contents) if security.by_stake else None,
        "false_price": _lie(security.false_price),
        "any_price": _lie(security.any_price),
        "silence": _lie(security.silence),
        "others_can_slash_wei": str(shared.others_can_slash),
        "by_collateral": [{"of": _shown(name), "wei": str(wei)} for name, wei in shared.by_collateral.items()],
        "dispute_s": facts.penalties.dispute_s,
        "doubts": list(security.doubts),
    }


def _lie(cost: LieCost) -> Document:
    coalition = cost.coalition
    return {
        "weight": str(cost.needed),
        "operators": [] if coalition is None else [address(o) for o in coalition.operators],
        "fewest": cost.fewest,
        "at_stake_wei": None if coalition is None else str(coalition.wei),
        "lost_wei": str(cost.lost_wei),
    }


def _shown(collateral: str) -> str:
    return address(collateral) if collateral.startswith("0x") else collateral


def _unknown(
    record: Record | None, signers: RecordSigners | None, view: StakeView | None, security: PriceSecurity | None
) -> list[str]:
    """Why the figures may say nothing of this record."""
    told = []
    if record is None:
        told.append("there is no record of this feed yet")
    elif record.seal is None:
        told.append("nobody signed the last record: nothing answers for it")
    elif signers is None:
        told.append("who signed the last record is not kept")
    if security is None:
        return [*told, f"what the signers have to lose is not known: {why_unknown(view)}"]
    if view is not None and record is not None and record.seal is not None and record.seal.target != view.target:
        told.append(f"the record was signed for {record.seal.target}, and stake is read for {view.target}")
    elif signers is not None and signers.epoch != security.facts.epoch:
        told.append(
            f"the record was signed in epoch {signers.epoch}, and stake was read in epoch {security.facts.epoch}:"
            " these are not the same signers"
        )
    if view is not None and view.error:
        told.append(f"the chain does not answer now, this is its last word: {view.error}")
    return told
