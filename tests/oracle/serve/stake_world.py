"""A set by stake as a process reads it: three members, one of them jailed with an open case, and one that waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from feeds.units import MS
from oracle.stake.delegations import NOT_TOLD
from oracle.stake.follow import StakeView
from oracle.stake.secured.price import judge
from tests.oracle.serve.memory_service import ROUND_S
from tests.oracle.serve.operators_world import signers_of
from tests.oracle.stake.secured import ETHER, POOLS, TOKEN, VAULTS, facts, operator, part, who

READ_MS = ROUND_S * MS
WEIGHTS = (32, 30, 30)
KEYS = tuple("0x" + a.hex() for a in signers_of(5).signers)
ALICE, BOB, CAROL, DAVE = (who(n) for n in (1, 2, 3, 4))


def row(number: int, weight: int, stake: int, /, **more: Any) -> dict[str, Any]:
    """One operator, with half of its stake in each of two sources."""
    half = str(stake * ETHER // 2)
    pool = {
        "commission_bps": 1_000, "token": TOKEN, "tokens": half, "own_tokens": str(stake * ETHER // 8), "aside_tokens": "0",
        "leaving_tokens": str(stake * ETHER // 16),
    }  # fmt: skip
    told = {"failed_at_freeze": False, **NOT_TOLD}
    sources = [
        {"address": POOLS, "kind": "delegated", "stake": half, "slashable": half, **told, **pool},
        {"address": VAULTS, "kind": "symbiotic", "stake": half, "slashable": half, **told, "commission_bps": 500, "vaults": 2},
    ]  # fmt: skip
    key = KEYS[number - 1]
    whole = {
        "operator": who(number), "key": key, "signs_with": key if weight else None, "is_candidate": True, "place": "member",
        "weight": str(weight * ETHER), "next_weight": str(weight * ETHER), "stake": str(stake * ETHER),
        "slashable": str(stake * ETHER), "sources": sources, "jailed_until_s": None, "bound_until_s": ROUND_S + 900_000,
        "why_not": None, "observed_s": None,
    }  # fmt: skip
    return whole | more


def found(**more: Any) -> dict[str, Any]:
    """What a look saw: T is the least above two thirds of 92."""
    jailed = {"is_candidate": False, "place": None, "key": None, "next_weight": "0", "jailed_until_s": ROUND_S + 86_400,
              "why_not": f"in jail until {ROUND_S + 86_400}"}  # fmt: skip
    waits = {"place": "too little stake", "next_weight": "0", "bound_until_s": None, "why_not": "too little stake"}
    whole: dict[str, Any] = {
        "store": who(90), "block": 7, "at_s": ROUND_S - 2, "epoch": 2, "by_stake": True, "threshold": str(62 * ETHER),
        "total": str(92 * ETHER), "frozen_total": str(92 * ETHER), "expires_s": ROUND_S + 200_000,
        "provable_until_s": ROUND_S + 900_000, "rotate_due_s": ROUND_S + 50_000, "scheduled": None,
        "contracts": {
            "set": who(91), "book": who(92), "penalties": who(93), "rewards": who(94),
            "sources": [{"address": POOLS, "kind": "delegated"}, {"address": VAULTS, "kind": "symbiotic"}],
        },
        "next": {"threshold": str(62 * ETHER), "total": str(92 * ETHER), "members": 3, "least_members": 3, "can_be_made": True},
        "least_stake": str(10 * ETHER), "answer_s": 600_000,
        "operators": [row(1, 32, 40), row(2, 30, 34, **jailed), row(3, 30, 30), row(4, 0, 8, **waits)],
        "terms": {"alone": str(ETHER // 20), "together": str(ETHER), "dispute_s": 3_600, "execution_s": 60, "finder_bps": 500,
                  "arbiter": who(82)},
        "cases": [case("0x" + "ab" * 32, 2), case("0x" + "cd" * 32, 1, is_open=False, outcome="taken", taken=str(2 * ETHER))],
        "rewards": [
            epoch(2, ended=False, root=None, posted_s=None),
            epoch(1, ended=True, root="0x" + "ef" * 32, posted_s=ROUND_S - 5_000, claimed=ETHER // 4),
        ],
    }  # fmt: skip
    return whole | more


def case(case_id: str, number: int, **more: Any) -> dict[str, Any]:
    """Against Bob."""
    whole = {
        "operator": BOB, "case": case_id, "epoch": number, "fraction": str(ETHER // 20), "fraction_due": str(ETHER // 20),
        "outcome": "disputed", "dispute_until_s": ROUND_S + 3_000, "is_open": True, "finder": who(70), "taken": "0",
    }  # fmt: skip
    return whole | more


def epoch(number: int, *, claimed: int = 0, **more: Any) -> dict[str, Any]:
    """Funded with an ether."""
    pots = [
        {"asset": who(0), "funded": str(ETHER), "left": str(ETHER - claimed), "claimed": str(claimed)},
        {"asset": TOKEN, "funded": "0", "left": "0", "claimed": "0"},
    ]
    whole = {"epoch": number, "rolled_over": False, "closes_s": ROUND_S + 10**7, "missing": False, "pots": pots}
    return whole | more


def stake_view(seen: Mapping[str, Any] | None = None, **more: Any) -> StakeView:
    """Read at `READ_MS`; the facts that it is judged by are of the same members."""
    whole = seen or found()
    members = [
        operator(
            int(r["operator"], 16), int(r["weight"]), part(int(r["slashable"]) // 2), part(int(r["slashable"]) // 2, VAULTS),
            operator=r["operator"], key=r["signs_with"], jailed_until_s=r["jailed_until_s"],
        )
        for r in whole["operators"]
        if int(r["weight"])
    ]  # fmt: skip
    secured = facts(members, threshold=int(whole["threshold"]), epoch=whole["epoch"], block=whole["block"])
    if not whole["by_stake"]:
        secured = replace(secured, frozen=None)
    return replace(StakeView(target="local", found=whole, security=judge(secured), read_ms=READ_MS), **more)
