"""rsETH on 2026-04-18 over the unmodified Aave v3, with the risk steward and without; and what its calls cost.

Facts (sources at the case `rseth-unbacked-2026-04-18` of the laboratory): at 17:35 UTC a forged bridge message released 116,500
rsETH, some 292 million dollars; within 46 minutes they were collateral in Aave; at 18:21 the protocol paused, at 18:52 Aave froze; its
bad debt was some 177 to 196 million dollars. The rate stood still. When our rule speaks, and what it says, is the case's result.

Assumed: one borrower; at which minutes it borrowed; the market's loan-to-value and how much ether it held; a price of ether that
makes the tokens worth what the sources say. What the rule says is signed a round of 10 s later, lands 10 s after that, and a keeper
pokes after another 12 s.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from oracle.model.status import Status, Why
from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.story_gas import untouched
from tests.contracts.steward_world import (
    BACKING,
    CALM_S,
    DEPEG,
    FROZEN_RESERVE,
    LTV,
    NO_LTV,
    OK,
    RATE,
    THIEF,
    UNBACKED,
    WATCH,
    Rule,
    StewardWorld,
    whatever,
)

ROOT = Path(__file__).parents[2]
LAB = ROOT / "lab"
PAGE = ROOT / "docs" / "contracts.md"
RELEASED = 116_500 * WAD
SIGNED_S, LANDS_S, POKED_S = 10, 20, 32
"""After the rule spoke."""
COLLATERAL_S, FROZEN_S = 46 * 60, 77 * 60
LOANS_S = (60, 5 * 60, 15 * 60, COLLATERAL_S, FROZEN_S - 1)
"""After the release; assumed, but for the two ends that the sources name."""


def changes() -> list[tuple[int, Status, Why]]:
    """What our rules say in the case: seconds after the release, status, and class of the reason as it is signed."""
    name = "rseth-unbacked-2026-04-18"
    played = json.loads((LAB / "expected.json").read_text(encoding="utf-8"))["facts"][name]["changes"]
    case = tomllib.loads((LAB / "cases" / f"{name}.toml").read_text(encoding="utf-8"))
    (lock,) = (t for t in case["feeds"]["rsETH/ETH"]["tracks"] if t.get("rail") and t["kind"] == "backing")
    (_, before), (released_s, after) = lock["price"]
    assert (before - after) * WAD == RELEASED
    return [(at - released_s, Status[word.upper()], Why[code].klass) for at, word, code in played]


def borrowed(*, guarded: bool) -> tuple[int, list[str]]:
    """Ether that was borrowed against the released tokens after the record had landed, in equal loans; and Aave's answers."""
    world = StewardWorld()
    world.rules(Rule(UNBACKED), Rule(whatever(DEPEG), 3_600))
    (first_s, status, reason), *later = changes()
    assert (first_s, status, reason) == (0, WATCH, BACKING)
    released_s = world.evm.now
    assert world.supply(THIEF, world.token, RELEASED) == ""
    world.says(status, reason, after_s=SIGNED_S, lands_s=LANDS_S - SIGNED_S)
    assert world.borrow(THIEF, WAD) == "", "what is borrowed before a poke stays borrowed, with the steward too"
    if guarded:
        assert world.names(world.poke(POKED_S - LANDS_S)) == ["Armed", "Acted", "Changed"]
    loan = RELEASED * RATE // WAD * LTV // 10_000 // len(LOANS_S) - WAD
    answers = []
    for loan_s in LOANS_S:
        status, reason = next(((s, r) for at, s, r in reversed(later) if at + LANDS_S <= loan_s), (status, reason))
        world.says(status, reason, after_s=released_s + loan_s - world.evm.now)
        if guarded:
            world.poke()
        answers.append(world.borrow(THIEF, loan))
    if guarded:
        assert world.supply(THIEF, world.token, WAD) == FROZEN_RESERVE
    return sum(loan for answer in answers if not answer), answers


def test_rseth_is_stopped_before_its_loans_and_without_the_steward_they_go_through() -> None:
    """The record is the whole difference: the price in Aave is that of the day before."""
    ether, answers = borrowed(guarded=False)
    assert answers == [""] * len(LOANS_S)
    assert 177e6 < ether / WAD * 2_364 < 215e6, "of the size of what Aave lost"
    assert borrowed(guarded=True) == (0, [NO_LTV] * len(LOANS_S))
    assert max(changes())[1:] == (Status.DEPEG, BACKING), "the rules of the steward name both"


def test_a_round_and_a_poke_fit_into_one_transaction() -> None:
    """Who sees the record on its way has no block in which to borrow."""
    world = StewardWorld()
    world.rules(Rule(UNBACKED))
    assert world.supply(THIEF, world.token, RELEASED) == ""
    world.evm.jump(SIGNED_S)
    assert world.names(world.push_and_poke(WATCH, BACKING)) == ["Armed", "Acted", "Changed"]
    assert world.borrow(THIEF, 1) == NO_LTV


# ---------------------------------------------------------------------------------------------------------------- gas


def cost(world: StewardWorld, function: str, sender: str = STRANGER) -> int:
    """Gas of a call as a transaction of its own; then it is made."""
    before = untouched(world.evm.evm, 1, world.evm.now)
    kept, world.evm.evm = world.evm.evm, before
    try:
        world.evm.ok(world.steward, function, world.token, sender=sender)
        used = world.evm.gas_used
    finally:
        world.evm.evm = kept
    world.evm.ok(world.steward, function, world.token, sender=sender)
    return used


def measured() -> dict[str, int]:
    """Two rules: of backing with a delay of an hour, and of a depeg."""
    world, used = StewardWorld(), {}
    world.rules(Rule(UNBACKED, 3_600), Rule(whatever(DEPEG), 3_600))

    def note(what: str, function: str = "poke", sender: str = STRANGER) -> None:
        used[what] = cost(world, function, sender)

    def then(state: int, reason: int = 0, after_s: int = 60) -> None:
        world.says(state, reason, after_s=after_s)

    steps: list[tuple[str, Callable[[], None]]] = [
        ("`poke` that finds nothing", lambda: then(OK)),
        ("`poke` that arms", lambda: then(WATCH, BACKING)),
        ("`poke` that disarms", lambda: then(OK)),
    ]
    for what, before in steps:
        before()
        note(what)
    then(WATCH, BACKING)
    world.poke()
    then(WATCH, BACKING, 3_600)
    note("`poke` that acts: loan-to-value 0 and freeze")
    then(OK)
    note("`poke` that sees ok again")
    then(OK, after_s=CALM_S)
    note("`restore` of both", "restore")
    world.rules(Rule(UNBACKED))
    then(WATCH, BACKING)
    note("`poke` that arms and acts at once, one rule")
    assert world.stands == (0, True)
    return used


def test_what_a_poke_costs_is_what_the_docs_say() -> None:
    section = PAGE.read_text(encoding="utf-8").split("\n## A risk steward\n")[1].split("\n## ")[0]
    told = {
        call: int(gas.replace(",", "")) for call, gas in re.findall(r"^\| (`.+) \| ([\d,]+) \|$", section, re.MULTILINE)
    }
    assert measured() == pytest.approx(told, rel=0.01)
