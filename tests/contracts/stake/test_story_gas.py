"""What the steps of the story cost, each as a transaction of its own: the table of docs/stake.md, by source; and what sources need.

`pytest -s tests/contracts/stake/test_story_gas.py` prints the table.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.rewards_story import EpochPay
from tests.contracts.stake.stake_world import OBSERVED_S
from tests.contracts.stake.story_gas import untouched
from tests.contracts.stake.story_sources import KINDS, SOURCE_GAS, SymbioticPart
from tests.contracts.stake.story_world import ARBITER, DEPOSIT, ETHER, OPERATORS, RESTAKERS, StoryWorld

PAGE = (Path(__file__).parents[3] / "docs" / "stake.md").read_text(encoding="utf-8")
ONE_PERCENT = 0.01
NEEDS = {"delegated": 150_000, "symbiotic": 650_000, "eigenlayer": 240_000}
"""Gas that a set gives these sources for each operator at least, as the docs say."""
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
    section = PAGE.split("## The story, gas by source\n")[1].split("\n## ")[0]
    told = {
        name: [int(cell.replace(",", "") or 0) for cell in map(str.strip, cells.split("|"))]
        for name, cells in re.findall(r"^\| (.+?) \| ([\d, |]+) \|$", section, re.MULTILINE)
    }
    for i, kind in enumerate(KINDS):
        assert {n: row[i] for n, row in told.items() if row[i]} == pytest.approx(made[kind], rel=ONE_PERCENT), kind


def read(world: StoryWorld, source: str, gas: int, ago_s: int = 0) -> int | None:
    """What a source says for a freeze of the first operator's stake when nothing was touched before; nothing if it needs more gas."""
    fresh = untouched(world.evm.evm, world.evm.number, world.evm.now)
    data = keccak(text="stakeSince(address,uint48)")[:4] + encode(
        ["address", "uint48"], [OPERATORS[0], world.evm.now - ago_s]
    )
    called = 21_000 + sum(16 if byte else 4 for byte in data)
    try:
        return int.from_bytes(fresh.message_call(STRANGER, source, data, gas=called + gas), "big")
    except RuntimeError:
        return None


@pytest.mark.parametrize("kind", NEEDS)
def test_a_source_answers_with_the_gas_that_the_docs_say(kind: str) -> None:
    world = StoryWorld(KINDS[kind], SOURCE_GAS[kind])
    world.begin()
    assert read(world, world.sources[0], NEEDS[kind]) == world.stake(OPERATORS[0]) > 0


@pytest.mark.parametrize("many", [1, 2, 5])
def test_nobody_silences_a_source_by_filling_its_list(many: int) -> None:
    """As many vaults as count, all with the operator's stake, and as many that were retired: 150,000 and 160,000 for each, whatever happened there.

    A vault writes down each second in which somebody deposits, and is searched for a moment that is an hour old at most.
    """
    world = StoryWorld([lambda w: SymbioticPart(w, many)], SOURCE_GAS["symbiotic"])
    (part,) = world.parts
    assert isinstance(part, SymbioticPart)
    counted = []
    for number in range(2 * many):
        made = part.one_more(OPERATORS[:1], RESTAKERS[0], DEPOSIT)
        if number < many:
            world.ok(made.vault, "withdraw", RESTAKERS[0], DEPOSIT, by=RESTAKERS[0])
            world.ok(part.vaults, "retireVault", made.vault)
        else:
            counted.append(made.vault)
            world.ok(world.token, "approve", made.vault, WAD, by=RESTAKERS[0])
    assert len(world.ask(part.vaults, "vaults")) == world.ask(part.vaults, "maxListed") == 2 * many
    world.evm.jump(1)
    worth = many * world.value(DEPOSIT) // 2
    for _ in range(600):
        for vault in counted:
            world.ok(vault, "deposit", RESTAKERS[0], 1, by=RESTAKERS[0])
        world.evm.jump(7)
    for ago_s in (0, OBSERVED_S):
        said = read(world, part.source, 150_000 + 160_000 * many, ago_s)
        assert said == pytest.approx(worth, abs=700 * many)
    with pytest.raises(AssertionError, match="ListFull"):
        part.one_more(OPERATORS[:1], RESTAKERS[0], DEPOSIT)
