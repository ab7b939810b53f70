"""`lrt-oracle bench gas`: what a push and a read cost, beside what arithmetic alone costs, and beside other oracles.

`python -m demo.bench.gas` holds our own figures to ``contracts/gas.json``; with `--write` it rewrites that file.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import contracts
from demo.bench import gas_quoted
from demo.bench.gas_directory import announcing
from demo.bench.gas_peers import api3, redstone, tellor
from demo.bench.gas_safety import stores, without
from demo.bench.gas_store import SIGNERS, TOKENS, pushes, reads
from demo.bench.gas_tools import BenchChain, PushGas, ReadGas, ground, shown

SNAPSHOT = Path(contracts.__file__).parent / "gas.json"
TOLERANCE_PERCENT = 1
_API3 = ((1, 1), (1, 4), (1, 7), (10, 4), (10, 7), (20, 4), (20, 7))
_REDSTONE = ((1, 1), (1, 3), (1, 5), (1, 7), (1, 13), (5, 3), (5, 5), (10, 3), (10, 5), (20, 3), (20, 5))
_FORMULA = {
    "push": "21,000 + 4 a zero and 16 another byte of calldata + 3,100 a signature + 5,000 a slot; EIP-7623 at least",
    "reads": "2,600 a contract + 2,100 a slot that is touched",
}

Rows = tuple[list[PushGas], list[ReadGas]]
Snapshot = dict[str, dict[str, int]]


async def gas(
    *,
    tokens: Sequence[int] = TOKENS,
    signers: Sequence[int] = SIGNERS,
    others: Sequence[tuple[int, int]] | None = None,
    safety: bool = True,
) -> dict[str, Any]:
    """The document: ``push``, ``reads``, ``operators``, ``safety`` and the ``formula`` of the floors.

    Args:
        tokens: sizes of our pushes.
        signers: how many of ours sign, of twice as many less one.
        others: (tokens, signers) of the others; None for sizes that they are used with.
        safety: also compile our store without each of its rules, which takes most of the time.
    """
    if safety:
        stores()
    async with ground() as chain:
        push, read = await ours(chain, tokens, signers)
        for rows in (api3(chain, others or _API3), redstone(chain, others or _REDSTONE), tellor(chain)):
            more = await _sorted(rows)
            push, read = push + more[0], read + more[1]
        rules = [rule async for rule in without(chain)] if safety else []
        operators = await announcing(chain)
    return {
        "push": shown(push + gas_quoted.pushes()),
        "reads": shown(read + gas_quoted.reads()),
        "operators": operators,
        "safety": rules,
        "formula": _FORMULA,
    }


async def ours(chain: BenchChain, tokens: Sequence[int] = TOKENS, signers: Sequence[int] = SIGNERS) -> Rows:
    """Our own rows."""
    push, _ = await _sorted(pushes(chain, tokens, signers))
    _, read = await _sorted(reads(chain))
    return push, read


def snapshot(rows: Rows, operators: Mapping[str, int]) -> Snapshot:
    """Our rows as the file holds them: gas by what was done."""
    push, read = rows
    return {
        "operators": dict(operators),
        "push": {f"tokens {r.tokens}, signers {r.signers}": r.gas for r in push},
        "reads": {r.call: r.gas for r in read},
    }


def compared(stored: Mapping[str, Mapping[str, int]], measured: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A sentence for each figure that changed by more than TOLERANCE_PERCENT, is new or is gone."""
    changes = []
    for kind in stored:
        for name in dict.fromkeys((*stored[kind], *measured[kind])):
            old, new = stored[kind].get(name), measured[kind].get(name)
            if old is None or new is None:
                changes.append(f"{name}: {'is new' if old is None else 'is gone'}, rewrite the file")
            elif abs(new - old) * 100 > old * TOLERANCE_PERCENT:
                what = "make it cheaper, or say why" if new > old else "good: rewrite the file, so that it stays so"
                changes.append(f"{name}: {old:,} became {new:,}; {what}")
    return changes


async def _sorted(rows: AsyncIterator[PushGas | ReadGas]) -> Rows:
    push: list[PushGas] = []
    read: list[ReadGas] = []
    async for row in rows:
        if isinstance(row, PushGas):
            push.append(row)
        else:
            read.append(row)
    return push, read


async def _measured() -> Snapshot:
    async with ground() as chain:
        return snapshot(await ours(chain), await announcing(chain))


def main(arguments: Sequence[str]) -> int:
    """Compare our figures with the file, or write it; the status is 1 if one moved too far."""
    made = asyncio.run(_measured())
    if "--write" in arguments:
        SNAPSHOT.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        return 0
    changes = compared(json.loads(SNAPSHOT.read_text(encoding="utf-8")), made)
    sys.stderr.write("".join(f"{line}\n" for line in changes))
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
