"""What the steps of the story cost, each as a transaction of its own: the table of docs/contracts.md, by source.

`pytest -s tests/contracts/stake/test_story_gas.py` prints the table.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.contracts.contract_tools import WAD
from tests.contracts.stake.rewards_story import EpochPay
from tests.contracts.stake.story_sources import KINDS, SOURCE_GAS
from tests.contracts.stake.story_world import ARBITER, DEPOSIT, ETHER, OPERATORS, RESTAKERS, StoryWorld

PAGE = (Path(__file__).parents[3] / "docs" / "contracts.md").read_text(encoding="utf-8")
ONE_PERCENT = 0.01
OF_ONE_SOURCE = ("a restaker", "`claim`")
"""Rows that say nothing of a set with several."""


def played(kind: str) -> dict[str, int]:
    """Gas by step."""
    world = StoryWorld(KINDS[kind], SOURCE_GAS[kind], measured=True)
    assert world.figures is not None
    world.begin()
    epoch = world.change()
    pay = EpochPay(world, epoch)
    for token in (ETHER, world.token):
        pay.fund(token, 10 * WAD)
    world.freeze()
    words, batch, keys = world.lie(world.key_of(OPERATORS[1]), epoch), world.batch(epoch), world.members(epoch)[0]
    signed = world.signed(epoch, world.batch_digest(batch), keys[:4])
    world.step("`push` of one price", world.store, "push", batch, signed)
    case = world.prove(words)
    world.step("`giveBack`", world.penalties, "giveBack", case, by=ARBITER)
    world.arm(without=[world.key_of(OPERATORS[1])])
    world.take_over()
    lie = world.lie(world.key_of(OPERATORS[2]), epoch)
    case = world.prove(lie)
    report = pay.report()
    assert pay.post(report, keys[:4]) == ""
    for token in (ETHER, world.token):
        pay.claim(report, OPERATORS[0], 0, token)
    for part in world.parts:
        part.ask_exit(RESTAKERS[0], OPERATORS[0], DEPOSIT // 2)
    world.end_dispute(case)
    world.step("`carryOut`", world.penalties, "carryOut", case)
    for part in world.parts:
        world.until(part.opens(RESTAKERS[0], OPERATORS[0])[1])
        assert part.take_out(RESTAKERS[0], OPERATORS[0]) == ""
    several = len(world.parts) > 1
    return {n: gas for n, gas in world.figures.items() if not (several and n.startswith(OF_ONE_SOURCE))}


def rows(by_kind: dict[str, dict[str, int]]) -> list[str]:
    """Of the table, as the docs have them."""
    names = list(dict.fromkeys(name for figures in by_kind.values() for name in figures))
    cells = {name: [by_kind[kind].get(name) for kind in KINDS] for name in names}
    return [f"| {name} | " + " | ".join(f"{n:,}" if n else "" for n in row) + " |" for name, row in cells.items()]


def test_the_story_costs_what_the_docs_say() -> None:
    made = {kind: played(kind) for kind in KINDS}
    sys.stdout.write("\n".join(["", *rows(made), ""]))
    section = PAGE.split("### The story, gas by source\n")[1].split("\n## ")[0]
    told = {
        name: [int(cell.replace(",", "") or 0) for cell in map(str.strip, cells.split("|"))]
        for name, cells in re.findall(r"^\| (.+?) \| ([\d, |]+) \|$", section, re.MULTILINE)
    }
    for i, kind in enumerate(KINDS):
        assert {n: row[i] for n, row in told.items() if row[i]} == pytest.approx(made[kind], rel=ONE_PERCENT), kind
