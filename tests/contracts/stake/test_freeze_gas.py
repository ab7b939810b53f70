"""What a freeze in parts costs over the three real sources at once: the table of docs/stake.md, and that all of it fits into transactions.

`pytest -s tests/contracts/stake/test_freeze_gas.py` prints the table.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.story_sources import SOURCE_GAS, DelegatedPart, EigenPart, SymbioticPart
from tests.contracts.stake.story_world import DEPOSIT, MOST, RESTAKER_OF, StoryWorld
from tests.contracts.stake.symbiotic_world import CURATOR

PAGE = (Path(__file__).parents[3] / "docs" / "stake.md").read_text(encoding="utf-8")
ONE_PERCENT = 0.01
TRANSACTION_GAS = 2**24
"""The most that a transaction may use on Ethereum (EIP-7825)."""
PART = 12
"""As many operators are observed in one transaction."""
COUNTS = (5, 13, 31)
VAULTS = 5


class SharedPart(SymbioticPart):
    """Five vaults that count, and all operators have a part of each: what is dearest to read."""

    def open(self, operators: Sequence[str]) -> None:
        self.served = operators
        for operator in operators:
            self.join(operator, [])
            self.world.ok(self.source, "setCommission", 1_000, by=operator)

    def put_in(self, restaker: str, operator: str, amount: int) -> None:
        """All stake comes once there are vaults."""

    def ready(self) -> None:
        for _ in range(VAULTS):
            self.one_more(self.served, RESTAKER_OF[self.served[0]], len(self.served) * DEPOSIT // VAULTS)


def shared(world: StoryWorld) -> SharedPart:
    world.evm.evm.set_balance(CURATOR, 10**27)
    return SharedPart(world, VAULTS)


def played(count: int) -> dict[str, int]:
    """Gas of each step with so many operators, whose stake lies in all three sources."""
    operators = MOST[:count]
    world = StoryWorld([DelegatedPart, shared, EigenPart], SOURCE_GAS["all three"], operators, measured=True)
    assert world.figures is not None
    world.begin()
    due(world)
    with world.branch():
        world.step("`rotate`, nobody was observed", world.set, "rotate", by=STRANGER)
    with world.branch():
        world.step("`observeAndRotate` of all", world.set, "observeAndRotate", list(operators), by=STRANGER)
    for first in range(0, count, PART):
        world.step("`observe` of 12 operators at most", world.windows, "observe", list(operators[first : first + PART]))
    world.step("`rotate`, all were observed", world.set, "rotate", by=STRANGER)
    world.arm()
    epoch = world.take_over()
    assert len(world.members(epoch)[0]) == count
    assert min(world.weights(epoch).values()) > 2 * DEPOSIT, "in all three"
    return {n: gas for n, gas in world.figures.items() if n.endswith(("observed", "at most", "of all"))}


def due(world: StoryWorld) -> None:
    world.until(int(world.ask(world.set, "nextRotateAt")))


@pytest.mark.parametrize("count", COUNTS)
def test_a_freeze_in_parts_costs_what_the_docs_say(count: int) -> None:
    """Each part of it is a transaction, however many operators there are."""
    made = played(count)
    sys.stdout.write("\n".join(["", *(f"| {name} | {count} | {gas:,} |" for name, gas in made.items()), ""]))
    assert all(gas < TRANSACTION_GAS for gas in made.values())
    assert PART * sum(SOURCE_GAS["all three"]) * 64 // 63 < TRANSACTION_GAS, "also if all sources burn what they get"
    section = PAGE.split("\n## Who signs\n")[1].split("\n## ")[0]
    for name, gas in made.items():
        (row,) = re.findall(rf"^\| {re.escape(name)} \|(.*)\|$", section, re.MULTILINE)
        told = [int(cell.replace(",", "")) for cell in row.split("|")]
        assert told[COUNTS.index(count)] == pytest.approx(gas, rel=ONE_PERCENT), name
