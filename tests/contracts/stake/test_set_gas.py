"""What the set costs those who call it: the table of docs/stake.md, by transactions on a node."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from web3 import Web3

from demo.world import anvil
from tests.contracts.contract_tools import connected
from tests.contracts.evm_process import FIRST_S
from tests.contracts.node_evm import NodeEvm
from tests.contracts.stake.stake_world import DAY_S, ETHER, PENALTIES, StakeWorld

pytestmark = pytest.mark.chain
PAGE = (Path(__file__).parent.parent.parent.parent / "docs" / "stake.md").read_text(encoding="utf-8")
ONE_PERCENT = 0.01
OPERATORS = (5, 13, 31)


@pytest.fixture
def web3() -> Iterator[Web3]:
    with anvil.running(extra=("--timestamp", str(FIRST_S - 10))) as node, connected(node.url) as w:
        yield w


def documented(name: str) -> list[int]:
    """Figures of a row, for 5, 13 and 31 operators."""
    section = PAGE.split("\n## Who signs\n")[1].split("\n## ")[0]
    (row,) = re.findall(rf"^\| {re.escape(name)} \|(.*)\|$", section, re.MULTILINE)
    return [int(cell.replace(",", "")) for cell in row.split("|")]


@pytest.mark.parametrize("count", OPERATORS)
def test_the_set_costs_what_the_docs_say(web3: Web3, count: int) -> None:
    evm = NodeEvm(web3)
    world = StakeWorld(evm, maxMembers=31, source_gas=300_000)
    who = world.enter_all(*range(100, 100 + count))
    used = {}
    evm.ok(world.windows, "observe", who)
    used["`observe` of all, for the first time"] = evm.gas_used
    world.rotate()
    used["`rotate`, the first"] = evm.gas_used
    world.arm()
    for i, w in enumerate(who):
        world.tell(w, (103 + i) * ETHER)
    world.rotate_at_once()
    used["`rotate`, each later one"] = evm.gas_used
    world.arm()
    evm.jump(max(0, evm.ok(world.set, "nextRotateAt") - evm.now))
    evm.ok(world.windows, "observe", who)
    used["`observe` of all, each later time"] = evm.gas_used
    world.rotate()
    used["`rotate`, all were observed just before"] = evm.gas_used
    world.arm()
    evm.ok(world.set, "jail", who[0], evm.now + DAY_S, sender=PENALTIES)
    evm.ok(world.set, "remove", who[0])
    used["`remove`, from two sets"] = evm.gas_used
    world.enter(60)
    used["`join`"] = evm.gas_used
    evm.ok(world.set, "leave", sender=who[1])
    used["`leave`"] = evm.gas_used
    sys.stdout.write("\n".join(["", *(f"| {name} | {count} | {gas:,} |" for name, gas in used.items()), ""]))
    at = OPERATORS.index(count)
    assert used == pytest.approx({name: documented(name)[at] for name in used}, rel=ONE_PERCENT)
