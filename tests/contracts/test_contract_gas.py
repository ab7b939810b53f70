"""What a push and a read cost, against the tables of docs/contracts.md."""

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
TOKENS, SIGNERS = (1, 5, 20), (1, 3, 5, 13)
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
        r"^\| (\d+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", DOC.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {(int(n), k): int(g.replace(",", "")) for n, *row in rows for k, g in zip(SIGNERS, row, strict=True)}


def test_a_push_costs_what_the_docs_say(web3: Web3) -> None:
    got = {(n, k): gas for k in SIGNERS for n, gas in measured(web3, k).items()}
    told = documented()
    assert told.keys() == got.keys()
    assert {at: (told[at], gas) for at, gas in got.items() if abs(told[at] - gas) > TOLERANCE} == {}


MOST = {(1, 5): 60_000, (20, 5): 172_000, (1, 13): 96_000}
"""Gas by tokens and signers that a push may cost with every rule in force."""


def test_the_tables_keep_what_was_promised() -> None:
    assert [at for at, gas in documented().items() if gas > MOST.get(at, gas)] == []
    reads = {name: int(gas.replace(",", "")) for name, gas in documented_reads().items()}
    assert reads["FeedView.latestRoundData"] <= 8_900
    assert reads["PriceStore.latestAt(index)"] <= 5_600


def documented_reads() -> dict[str, str]:
    return dict(
        re.findall(r"^\| `(\w+View\.\w+|PriceStore\.[^`]+)` \| ([\d,]+) \|$", DOC.read_text("utf-8"), re.MULTILINE)
    )


def test_a_cold_read_costs_what_the_docs_say(web3: Web3) -> None:
    bench = Bench(web3)
    for name in ("weETH/ETH", "ETH/USD"):
        bench.register(name)
    bench.push(bench.now, [Item(0), Item(1)])
    first, second = bench.view(), bench.view("ETH/USD", 0, 8)
    cross = bench.create("CrossView", first.address, second.address, 8)
    probe, feed = bench.consumer("Probe"), b"weETH/ETH".ljust(32, b"\0")
    calls = {
        "FeedView.latestRoundData": (first, []),
        "FeedView.latestAnswer": (first, []),
        "CrossView.latestRoundData": (cross, []),
        "PriceStore.latestAt(index)": (bench.store, [0]),
        "PriceStore.slotAt(index)": (bench.store, [0]),
        "PriceStore.latest(id)": (bench.store, [feed]),
    }
    told = documented_reads()
    assert told.keys() == calls.keys()
    for name, (contract, args) in calls.items():
        data = contract.encode_abi(name.split(".")[1].split("(")[0], args)
        cost = probe.functions.cost(contract.address, data).call()
        assert abs(cost - int(told[name].replace(",", ""))) <= TOLERANCE, (name, cost)
