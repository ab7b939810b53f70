"""What a push and a read cost: against contracts/gas.json, which may not rise, and against the tables of the docs."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from demo.bench import gas_quoted
from demo.bench.gas import SNAPSHOT, compared, ours, snapshot
from demo.bench.gas_directory import announcing
from demo.bench.gas_peers import REDSTONE_EACH, REDSTONE_ONE, api3, redstone, tellor
from demo.bench.gas_safety import RULES, Rule, lacking, stores, without
from demo.bench.gas_store import OURS, SIGNERS, TOKENS, artifact
from demo.bench.gas_tools import BenchError, PushGas, ReadGas, called, ground, push_floor

ROOT = Path(__file__).parent.parent.parent
HELD: dict[str, dict[str, int]] = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
SECTION = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8").split("## Gas")[1].split("## Operators")[0]
ONE_PERCENT = 0.01


def table(*header: str) -> list[list[str]]:
    """Rows of the section's table whose header begins with these cells."""
    for block in re.findall(r"(?:^\|.*\n)+", SECTION, re.MULTILINE):
        first, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines())
        if tuple(first[: len(header)]) == header:
            return rows
    raise AssertionError(f"the docs have no table of {header}")


def number(text: str) -> int:
    return int(text.replace(",", ""))


# ----------------------------------------------------------------------------------------------------------- our own


@pytest.mark.chain
async def test_no_push_and_no_read_costs_more_than_the_file_says() -> None:
    async with ground() as chain:
        push, read = await ours(chain)
        operators = await announcing(chain)
    assert compared(HELD, snapshot((push, read), operators)) == []
    assert {row[0].strip("`"): number(row[1]) for row in table("announcement")} == operators
    told = {int(row[0]): [number(n) for n in row[6:8]] for row in table("tokens")}
    assert told == {row.tokens: [row.calldata, row.floor] for row in push if row.signers == 5}
    assert {row[0].strip("`"): number(row[2]) for row in table("call", "gas")} == {row.call: row.floor for row in read}


MOST = {(1, 5): 60_000, (20, 5): 173_000, (1, 13): 96_000}
"""Gas by tokens and signers that a push may cost with every rule in force."""


def test_the_file_keeps_what_was_promised() -> None:
    assert {at for at, most in MOST.items() if HELD["push"][f"tokens {at[0]}, signers {at[1]}"] > most} == set()
    assert HELD["reads"]["FeedView.latestRoundData"] <= 8_900
    assert HELD["reads"]["PriceStore.latestAt(index)"] <= 5_600


@pytest.mark.parametrize(
    ("held", "made", "said"),
    [
        ({"a": 10_000}, {"a": 10_100}, ""),
        ({"a": 10_000}, {"a": 9_900}, ""),
        ({"a": 10_000}, {"a": 10_101}, "a: 10,000 became 10,101; make it cheaper, or say why"),
        ({"a": 10_000}, {"a": 9_899}, "a: 10,000 became 9,899; good: rewrite the file, so that it stays so"),
        ({"a": 1}, {}, "a: is gone, rewrite the file"),
        ({}, {"a": 1}, "a: is new, rewrite the file"),
    ],
)
def test_a_percent_is_what_a_figure_may_move(held: dict[str, int], made: dict[str, int], said: str) -> None:
    for kind, other in (("push", "reads"), ("reads", "push")):
        assert "".join(compared({kind: held, other: {}}, {kind: made, other: {}})) == said


def test_the_docs_hold_the_file_s_figures() -> None:
    told = {
        f"tokens {row[0]}, signers {k}": number(gas)
        for row in table("tokens")
        for k, gas in zip(SIGNERS, row[1:6], strict=True)
    }
    assert told == HELD["push"]
    assert {row[0].strip("`"): number(row[1]) for row in table("call", "gas")} == HELD["reads"]


# ------------------------------------------------------------------------------------------------------------ floors


def test_a_floor_is_the_arithmetic_of_the_docs() -> None:
    data = bytes(100) + b"\1" * 50
    assert push_floor(data, signatures=3, slots=2) == 21_000 + 100 * 4 + 50 * 16 + 3 * 3_100 + 2 * 5_000
    assert push_floor(data, signatures=0, slots=0) == 21_000 + 100 * 10 + 50 * 40, "EIP-7623"
    quoted = {(row.system, row.tokens, row.signers): row for row in gas_quoted.pushes()}
    assert quoted["Pyth", 20, 13].floor == 21_000 + 114_136 + 13 * 3_100 + 20 * 5_000
    assert all(row.quoted and row.floor < row.gas for row in quoted.values())


def test_calldata_is_as_the_abi_has_it() -> None:
    word = "{:064x}".format
    assert called("f(bytes32[])", [b"\1" * 32]).hex()[8:] == word(32) + word(1) + "01" * 32
    sent = called("transfer(address,uint256)", "0x" + "11" * 20, 5)
    assert sent.hex() == "a9059cbb" + "00" * 12 + "11" * 20 + word(5)


# ------------------------------------------------------------------------------------------------------------- rules


@pytest.mark.chain
async def test_each_rule_costs_what_the_docs_say() -> None:
    told = {row[0]: [number(gas) for gas in row[1:]] for row in table("rule")}
    stores()
    async with ground() as chain:
        made = {r["rule"]: [c["gas"] for c in r["costs"]] async for r in without(chain)}
    assert made.keys() == {rule.name for rule in RULES}
    assert told == made
    assert all(gas > 0 for costs in made.values() for gas in costs)


@pytest.mark.chain
async def test_the_chain_of_a_measurement_never_follows_the_machine_s_clock() -> None:
    """A busy machine may take any time between two transactions: the next block's time stays in the future."""
    async with ground() as chain:
        before_s = await chain.block_time_s()
        await asyncio.sleep(2.1)
        await chain.create(artifact("PriceStore"), *_store_args(chain.payer))
        assert await chain.block_time_s() == before_s + 1


def _store_args(payer: str) -> tuple[object, ...]:
    return (payer, payer, 60, 0, 0, 0), [(1, 500, 600)], [payer], [1], 1, 1


def test_a_rule_that_reads_otherwise_by_now_ends_the_run() -> None:
    rule = Rule("r", "a.sol", (("one", ""),))
    assert lacking(rule, {"a.sol": "one two", "b.sol": "one"}) == {"a.sol": " two", "b.sol": "one"}
    for text in ("two", "one one"):
        with pytest.raises(BenchError, match="not once: rule 'r'"):
            lacking(rule, {"a.sol": text})


# ------------------------------------------------------------------------------------------------------------ others


def documented_others() -> dict[tuple[str, int, int], tuple[list[int], str]]:
    rows = table("oracle", "tokens")
    return {(row[0], int(row[1]), int(row[2])): ([number(n) for n in row[3:6]], row[6]) for row in rows}


def figures(row: PushGas) -> list[int]:
    return [row.gas, row.calldata, row.floor]


@pytest.mark.chain
async def test_the_others_cost_what_the_docs_say() -> None:
    told = documented_others()
    shapes = {
        system: sorted({at[1:] for at, (_, how) in told.items() if at[0].startswith(system) and how == "run"})
        for system in ("API3", "RedStone")
    }
    push: dict[tuple[str, int, int], PushGas] = {}
    read: dict[str, ReadGas] = {}
    async with ground() as chain:
        for rows in (api3(chain, shapes["API3"]), redstone(chain, shapes["RedStone"]), tellor(chain)):
            async for row in rows:
                if isinstance(row, PushGas):
                    push[row.system, row.tokens, row.signers] = row
                else:
                    read[row.call] = row
    run = {at: found for at, (found, how) in told.items() if how == "run" and at[0] != OURS}
    assert run.keys() <= push.keys()
    assert {at[0] for at in run} == {"API3", "Tellor", REDSTONE_EACH, REDSTONE_ONE}
    for at, found in run.items():
        assert figures(push[at]) == pytest.approx(found, rel=ONE_PERCENT), at
    shown = {row[1]: number(row[2]) for row in table("oracle", "cold read") if row[3] == "run"}
    assert {call: row.gas for call, row in read.items()} == pytest.approx(shown, rel=ONE_PERCENT)


def test_what_is_quoted_is_marked_and_ours_is_the_file_s() -> None:
    told = documented_others()
    quoted: Mapping[tuple[str, int, int], list[int]] = {
        (row.system, row.tokens, row.signers): figures(row) for row in gas_quoted.pushes()
    }
    marked = {at: found for at, (found, how) in told.items() if how == "quoted"}
    assert quoted.items() >= marked.items()
    assert len(marked) > 8
    own = {at[1:]: found[0] for at, (found, _) in told.items() if at[0] == OURS}
    assert own == {at: HELD["push"][f"tokens {at[0]}, signers {at[1]}"] for at in own}
    assert {(1, 5), (20, 5)} <= own.keys()
    reads = {(row[0], row[1]): number(row[2]) for row in table("oracle", "cold read") if row[3] == "quoted"}
    assert reads == {(row.system, row.call): row.gas for row in gas_quoted.reads()}


def test_every_size_is_in_the_file() -> None:
    assert set(HELD["push"]) == {f"tokens {n}, signers {k}" for n in TOKENS for k in SIGNERS}
    views = {p.stem for p in (ROOT / "contracts" / "views").glob("*View.sol")} - {"BaseView", "TokenView", "PairView"}
    assert views <= {name.split(".")[0].split(" ")[0] for name in HELD["reads"]}
