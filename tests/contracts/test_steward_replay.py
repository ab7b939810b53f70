"""rsETH on 2026-04-18 over the unmodified Aave v3, with the risk steward and without; and what its calls cost.

Facts (sources at the case `rseth-unbacked-2026-04-18` of the laboratory): at 17:35 UTC a forged bridge message released 116,500
rsETH, some 292 million dollars; within 46 minutes they were collateral in Aave, whose bad debt was some 177 to 196 million
dollars; at 18:21 the protocol paused. Its rate stood still.

Assumed: one borrower; at which minutes it borrowed; the market's loan-to-value and how much ether it held; a price of ether that
makes the tokens worth what the sources say. The record is signed 10 s after the release, as the rule of backing asks for watch in
its first round and rounds come every 10 s; it lands 10 s later, and a keeper pokes 12 s after that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

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

PAGE = Path(__file__).parents[2] / "docs" / "contracts.md"
RELEASED = 116_500 * WAD
SIGNED_S, LANDS_S, POKED_S = 10, 20, 32
"""After the release."""
PAUSED_S = 46 * 60
LOANS_S = (60, 5 * 60, 15 * 60, 30 * 60, PAUSED_S)
"""After the release: assumed, and the last one as late as the sources say."""


def borrowed(*, guarded: bool) -> tuple[int, list[str]]:
    """Ether that was borrowed against the released tokens from the steward's poke on, in equal loans; and Aave's answers."""
    world = StewardWorld()
    world.rules(Rule(UNBACKED), Rule(whatever(DEPEG), 3_600))
    world.evm.jump(100)
    released_s = world.evm.now

    def at(after_s: int) -> int:
        return released_s + after_s - world.evm.now

    world.evm.jump(at(5))
    assert world.supply(THIEF, world.token, RELEASED) == ""
    assert world.borrow(THIEF, WAD) == "", (
        "what is borrowed before the record lands stays borrowed, with the steward too"
    )
    world.says(WATCH, BACKING, after_s=at(SIGNED_S), lands_s=LANDS_S - SIGNED_S)
    if guarded:
        assert world.names(world.poke(at(POKED_S))) == ["Armed", "Acted", "Changed"]
    loan = RELEASED * RATE // WAD * LTV // 10_000 // len(LOANS_S) - WAD
    answers = []
    for loan_s in LOANS_S:
        world.says(DEPEG if loan_s > 600 else WATCH, BACKING, after_s=at(loan_s))
        world.poke() if guarded else None
        answers.append(world.borrow(THIEF, loan))
    if guarded:
        assert world.supply(THIEF, world.token, WAD) == FROZEN_RESERVE
    return sum(loan for answer in answers if not answer), answers


def test_rseth_is_stopped_before_its_loans_and_without_the_steward_they_go_through() -> None:
    """The record is the whole difference: prices are those of every other day until the last of the loans."""
    ether, answers = borrowed(guarded=False)
    assert answers == [""] * len(LOANS_S)
    assert 177e6 < ether / WAD * 2_364 < 215e6, "of the size of what Aave lost"
    assert borrowed(guarded=True) == (0, [NO_LTV] * len(LOANS_S))
    assert POKED_S < LOANS_S[0] < PAUSED_S == LOANS_S[-1]


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
