"""What the contracts of stake say as the JSON of /v1/operators. Pure. Weights and wei are texts, times Unix seconds of the chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from feeds.chains.abi import checksummed
from feeds.units import MS, div_up
from oracle.serve.documents import Document
from oracle.serve.operators import OperatorsView
from oracle.stake.follow import LOOK_S, StakeView

_BPS = 10_000
NOT_READ_YET = "the contracts were not read yet"


def stake_parts(view: StakeView | None, operators: OperatorsView | None, now_ms: int) -> Document:
    """The fields of stake in the document of operators: what was read, or why there is nothing.

    Args:
        view: of the contracts; None: this process has no store.
        operators: of the same store, for their names.
        now_ms: the clock, Unix ms.
    """
    return {"stake": stake_document(view, operators, now_ms), "stake_why": why_unknown(view)}


def why_unknown(view: StakeView | None) -> str:
    """Why nothing is known of stake; "" where something is."""
    if view is None:
        return "this process has no store"
    if view.found is not None:
        return ""
    return view.not_staked or view.error or NOT_READ_YET


def age_s(view: StakeView, now_ms: int) -> int | None:
    """Since the last complete reading, rounded up; None before the first."""
    return None if view.read_ms is None else div_up(max(0, now_ms - view.read_ms), MS)


def stake_document(view: StakeView | None, operators: OperatorsView | None, now_ms: int) -> Document | None:
    """What was read last, with its age; None before that."""
    if view is None or view.found is None or view.security is None:
        return None
    found = view.found
    weight = int(found["total"])
    known = _known(operators)
    return {
        "target": view.target,
        "block": found["block"],
        "at_s": found["at_s"],
        "read_at_ms": view.read_ms,
        "age_s": age_s(view, now_ms),
        "every_s": LOOK_S,
        "error": view.error,
        "contracts": {
            **{name: address(found["contracts"][name]) for name in ("set", "book", "penalties", "rewards")},
            "sources": [
                {"address": address(s["address"]), "kind": s["kind"]} for s in found["contracts"]["sources"]
            ],
        },
        "epoch": str(found["epoch"]),
        "by_stake": found["by_stake"],
        "threshold": found["threshold"],
        "weight": found["total"],
        "frozen_weight": found["frozen_total"],
        "expires_s": found["expires_s"],
        "provable_until_s": found["provable_until_s"],
        "rotate_due_s": found["rotate_due_s"],
        "scheduled": None if found["scheduled"] is None else {
            **found["scheduled"], "epoch": str(found["scheduled"]["epoch"]),
        },
        "next": found["next"],
        "silent": view.security.facts.silent or makes_no_set(found),
        "least_stake_wei": found["least_stake"],
        "slashable_wei": str(view.security.slashable_wei),
        "complete": view.security.is_complete,
        "operators": [_row(r, weight, known) for r in found["operators"]],
        "cases": [_case(c) for c in found["cases"]],
        "penalties": {
            "alone_bps": int(found["terms"]["alone"]) * _BPS // 10**18,
            "dispute_s": found["terms"]["dispute_s"],
            "finder_bps": found["terms"]["finder_bps"],
            "arbiter": None if found["terms"]["arbiter"] is None else address(found["terms"]["arbiter"]),
        },
        "rewards": [_epoch(e) for e in found["rewards"]],
    }  # fmt: skip


def makes_no_set(found: Mapping[str, Any]) -> bool:
    """Whether a freeze now would make no set: too few members, or less stake than T; False where nobody can say."""
    coming = found["next"]
    return coming is not None and (not coming["can_be_made"] or coming["members"] < coming["least_members"])


def address(text: str) -> str:
    """An address as it is shown."""
    return checksummed(bytes.fromhex(text[2:]))


def _known(operators: OperatorsView | None) -> dict[bytes, tuple[str, bool]]:
    """Name, and whether it signs here, by report key."""
    return {} if operators is None else {r.address: (r.name, r.is_here) for r in operators.rows}


def names_of(found: Mapping[str, Any], operators: OperatorsView | None) -> dict[str, tuple[str, bool]]:
    """Name, and whether it signs here, by operator; who is not known by name is called by its address."""
    known = _known(operators)
    return {r["operator"]: _name(r, known) for r in found["operators"]}


def _name(row: Mapping[str, Any], known: Mapping[bytes, tuple[str, bool]]) -> tuple[str, bool]:
    keys = [bytes.fromhex(k[2:]) for k in (row["signs_with"], row["key"]) if k is not None]
    return next((known[k] for k in keys if k in known), (address(row["operator"]), False))


def _row(row: Mapping[str, Any], total: int, known: Mapping[bytes, tuple[str, bool]]) -> Document:
    weight, (name, here) = int(row["weight"]), _name(row, known)
    return {
        "operator": address(row["operator"]),
        "name": name,
        "here": here,
        "key": None if row["key"] is None else address(row["key"]),
        "signs_with": None if row["signs_with"] is None else address(row["signs_with"]),
        "weight": row["weight"],
        "weight_bps": weight * _BPS // total if total else 0,
        "candidate": row["is_candidate"],
        "next_weight": row["next_weight"],
        "why_not_next": row["why_not"],
        "stake_wei": row["stake"],
        "slashable_wei": row["slashable"],
        "unread_sources": sum(s["stake"] is None or s["slashable"] is None for s in row["sources"]),
        "jailed_until_s": row["jailed_until_s"],
        "provable_until_s": row["bound_until_s"],
        "observed_s": row["observed_s"],
        "sources": [_source(s) for s in row["sources"]],
    }


def _source(source: Mapping[str, Any]) -> Document:
    return {
        "address": address(source["address"]),
        "kind": source["kind"],
        "stake_wei": source["stake"],
        "slashable_wei": source["slashable"],
        "failed_at_freeze": source["failed_at_freeze"],
        "native_wei": source["native"],
        "commission_bps": source["commission_bps"],
        "commission_next": source["commission_next"],
        "vaults": source["vaults"],
        "token": None if source["token"] is None else address(source["token"]),
        **{name: source[name] for name in ("tokens", "own_tokens", "aside_tokens", "leaving_tokens")},
    }


def _case(case: Mapping[str, Any]) -> Document:
    return {
        "case": case["case"],
        "operator": address(case["operator"]),
        "epoch": str(case["epoch"]),
        "open": case["is_open"],
        "outcome": case["outcome"],
        "fraction_bps": int(case["fraction"]) * _BPS // 10**18,
        "due_bps": int(case["fraction_due"]) * _BPS // 10**18,
        "dispute_until_s": case["dispute_until_s"],
        "taken_wei": case["taken"],
        "finder": address(case["finder"]),
    }


def _epoch(epoch: Mapping[str, Any]) -> Document:
    return {
        "epoch": str(epoch["epoch"]),
        "ended": epoch["ended"],
        "root": epoch["root"],
        "posted_s": epoch["posted_s"],
        "report_missing": epoch["missing"],
        "rolled_over": epoch["rolled_over"],
        "closes_s": epoch["closes_s"],
        "pots": [{**p, "asset": address(p["asset"])} for p in epoch["pots"]],
    }
