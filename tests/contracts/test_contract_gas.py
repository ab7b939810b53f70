"""What a push costs, against the table of docs/contracts.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract_tools import Bench, Item, connected
from web3 import Web3

from demo import anvil

pytestmark = pytest.mark.chain
DOC = Path(__file__).parent.parent.parent / "docs" / "contracts.md"
TOKENS, SIGNERS = (1, 5, 20), (1, 3, 5)
TOLERANCE = 120
"""A zero byte of calldata costs 12 gas less than another, and signatures and times have some at random."""


@pytest.fixture(scope="module")
def web3() -> Iterator[Web3]:
    with anvil.running() as own, connected(own.url) as w:
        yield w


def items(tokens: int, turn: int) -> list[Item]:
    market, redemption = 1_050_000_000_000_000_000 + turn * 7_919_191, 1_060_000_000_000_000_000 + turn * 104_729
    return [Item(i, market=market, redemption=redemption, spread_bps=7 + turn) for i in range(tokens)]


def measured(web3: Web3, signers: int) -> dict[int, int]:
    """Gas by tokens, with every slot written before: k of 2 k - 1 signers of weight 1."""
    weights = [1] * (2 * signers - 1)
    bench = Bench(
        web3, weights=weights, threshold=signers, step_threshold=len(weights), limits=[(1, 500, 600)], max_age=3_600
    )
    for i in range(max(TOKENS)):
        bench.register(f"T{i}/ETH")
    start, who = bench.now - 30, range(signers)
    bench.push(start, items(max(TOKENS), 0), who)
    return {n: int(bench.push(start + n, items(n, n), who)["gasUsed"]) for n in TOKENS}


def documented() -> dict[tuple[int, int], int]:
    rows = re.findall(
        r"^\| (\d+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", DOC.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {(int(n), k): int(g.replace(",", "")) for n, *row in rows for k, g in zip(SIGNERS, row, strict=True)}


def test_a_push_costs_what_the_docs_say(web3: Web3) -> None:
    got = {(n, k): gas for k in SIGNERS for n, gas in measured(web3, k).items()}
    told = documented()
    assert told.keys() == got.keys()
    assert {at: (told[at], gas) for at, gas in got.items() if abs(told[at] - gas) > TOLERANCE} == {}
