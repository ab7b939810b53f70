"""What secures a price whose signers are decided by stake: what can be slashed of whom, and the least that lies cost. Exact, from chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oracle.check.corruption_cost import BondedSigner, fewest_signers, least_bond
from oracle.stake.moments import moment, percent, units


def security_document(status: Mapping[str, Any], terms: Mapping[str, Any]) -> dict[str, Any]:
    """The members in force, and the cheapest of them that reach each weight.

    A coalition of weight 2T - W that seals two contents loses all that can be slashed of it: the fraction is then the whole. One
    of weight T that seals one false content says nothing twice, so these contracts take nothing of it.

    Args:
        status: of the set.
        terms: of the penalties.
    """
    threshold, total = int(status["threshold"]), int(status["total"])
    rows = [r for r in status["operators"] if int(r["weight"])]
    members = [
        BondedSigner(address=bytes.fromhex(r["operator"][2:]), weight=int(r["weight"]), bond=int(r["slashable"]))
        for r in rows
    ]
    known = sum(m.weight for m in members) == total
    twice = max(0, 2 * threshold - total)
    return {
        "slashable": str(sum(m.bond or 0 for m in members)),
        "alone_fraction": terms["alone"],
        "two_contents": _least(members, twice) if known and members else None,
        "one_false_content": {
            "weight": str(threshold), "operators": fewest_signers(members, threshold), "slashed": "0",
            "slashable": None if not known or not members else (_least(members, threshold) or {}).get("cost"),
        },
    }  # fmt: skip


def security_lines(document: Mapping[str, Any], status: Mapping[str, Any]) -> list[str]:
    """One paragraph for a lender."""
    two, one = document["two_contents"], document["one_false_content"]
    if two is None:
        return [
            "what secures this price: nothing that can be slashed: the signers in force were not all frozen by stake"
        ]
    whom = f", of {', '.join(two['operators'])}" if two["operators"] else ""
    share = percent(int(document["alone_fraction"]), 10**18)
    text = (
        f"what secures this price: {units(int(document['slashable']))} ETH of its signers' stake can be slashed. To have two contents"
        f" of one round sealed, operators of weight {units(int(two['weight']))} (2T - W) or more sign both, and lose all that can be"
        f" slashed of them once that is proven: at least {units(int(two['cost']))} ETH{whom}. Who signs two things alone, with less weight,"
        f" loses {share}. To seal one false content and no other takes weight {units(int(one['weight']))} (T), {one['operators']}"
        f" operators at least, with {units(int(one['slashable'] or 0))} ETH or more at stake; that is no contradiction, so nothing is"
        f" slashed for it. Read at {moment(status['at_s'])}; these are stakes that can be slashed, not weights, which are capped."
    )
    return [text]


def _least(members: Sequence[BondedSigner], weight: int) -> dict[str, Any] | None:
    found = least_bond(members, weight)
    if found is None:
        return None
    cost, exact = found
    return {
        "weight": str(weight),
        "cost": str(cost),
        "exact": exact,
        "operators": ["0x" + a.hex() for a in _whose(members, weight, cost)] if exact else [],
    }


def _whose(members: Sequence[BondedSigner], weight: int, cost: int) -> list[bytes]:
    """One set of members that reaches a weight for exactly this cost: each is in it if the rest cannot do without."""
    taken: list[bytes] = []
    rest = list(members)
    for one in members:
        rest = [m for m in rest if m.address != one.address]
        without = least_bond(rest, weight) if weight > 0 else (0, True)
        if without is not None and without[0] <= cost:
            continue
        taken.append(one.address)
        weight, cost = weight - one.weight, cost - (one.bond or 0)
    return taken
