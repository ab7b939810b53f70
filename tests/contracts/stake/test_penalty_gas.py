"""What the calls of `Penalties` cost, against the table of docs/stake.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from web3 import Web3

from demo.world import anvil
from tests.contracts.contract_tools import connected
from tests.contracts.evm_process import FIRST_S
from tests.contracts.node_evm import NodeEvm
from tests.contracts.stake.penalty_world import Lie, PenaltyWorld

PAGE = Path(__file__).parents[3] / "docs" / "stake.md"
ONE_PERCENT = 0.01


def told() -> dict[str, int]:
    """The table's rows by call."""
    section = (
        PAGE.read_text(encoding="utf-8").split("\n| call, over stand-ins of set and sources |")[1].split("\n\n")[0]
    )
    return {
        call: int(gas.replace(",", "")) for call, gas in re.findall(r"^\| (`.+) \| ([\d,]+) \|$", section, re.MULTILINE)
    }


def measured(web3: Web3, sources: int) -> dict[str, int]:
    """Gas by call, without the number of sources."""
    evm = NodeEvm(web3)
    world = PenaltyWorld((3, 2, 2, 1, 1, 1, 1), sources=sources, evm=evm)
    used: dict[str, int] = {}

    def note(call: str) -> None:
        used[call] = evm.gas_used

    other = world.lied(3)
    a, b = world.words(Lie(keys=(1, 1)))
    case_id = world.ok("prove", a, b, 0)[1]
    note("prove")
    world.ok("prove", *world.words(Lie(keys=(1, 1), round_s=1_001)), 0)
    note("prove, a case that is open")
    world.lied(4)
    world.ok("topUp", case_id)
    note("topUp")
    world.give_back(other)
    note("giveBack")
    single = world.lied(5)
    world.carry_out(single)
    note("carryOut")
    return used


@pytest.fixture(scope="module")
def web3() -> Iterator[Web3]:
    with anvil.running(extra=("--timestamp", str(FIRST_S))) as running, connected(running.url) as w:
        yield w


@pytest.mark.chain
def test_the_calls_cost_what_the_docs_say(web3: Web3) -> None:
    one, three = measured(web3, 1), measured(web3, 3)
    made = {
        f"`{call}`, one source": gas for call, gas in one.items() if call in {"prove", "topUp", "giveBack", "carryOut"}
    }
    made |= {f"`{call}`, three sources": three[call] for call in ("prove", "topUp", "carryOut")}
    made["`prove`, a case that is open"] = one["prove, a case that is open"]
    assert made == pytest.approx(told(), rel=ONE_PERCENT)
