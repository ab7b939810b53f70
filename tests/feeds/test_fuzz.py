"""Random mutations of golden replies, seeded: a short form here, the long one by ``make fuzz`` (LRT_ORACLE_FUZZ messages).

Message number n is always the same one, so a run can be cut into parts (LRT_ORACLE_FUZZ_START) and a failure repeated.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from feeds.decode import values
from feeds.errors import Reverted
from feeds.registry import EXCHANGES, POOLS, RATES
from tests.feeds.golden_cases import (
    GOLDEN,
    assert_sane,
    assert_sane_answer,
    at,
    changed,
    dumps,
    golden_replies,
    places,
    replacements,
    run_chain,
    run_exchange,
)

START = int(os.environ.get("LRT_ORACLE_FUZZ_START", "0"))
COUNT = int(os.environ.get("LRT_ORACLE_FUZZ", "4000"))
_CASES = {
    name: [values.load(p.read_bytes()) for p in sorted((GOLDEN / name).glob("*.json"))]
    for name in (*EXCHANGES, *POOLS, *RATES)
}


@pytest.mark.fuzz
@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_mutated_messages(name: str) -> None:
    for n in range(START, START + COUNT):
        rng = random.Random(f"{name} {n}")
        case = rng.choice(_CASES[name])
        message = case["message"]
        for _ in range(rng.randrange(1, 4)):
            message = mutated(message, rng)
        body = bytearray(dumps(message))
        if rng.random() < 0.3 and body:
            for _ in range(rng.randrange(1, 6)):
                body[rng.randrange(len(body))] = rng.randrange(256)
        if rng.random() < 0.1:
            del body[rng.randrange(len(body) + 1) :]
        assert_sane_answer(run_exchange(EXCHANGES[name], case, bytes(body)))


def mutated(message: Any, rng: random.Random) -> Any:
    found = list(places(message))
    if not found:
        return message
    place = rng.choice(found)
    new = rng.choice(replacements(at(message, place)))
    return changed(message, place, lambda _: new)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", sorted({**POOLS, **RATES}))
def test_mutated_return_data(name: str) -> None:
    for n in range(START, START + COUNT // 10):
        rng = random.Random(f"{name} {n}")
        case = rng.choice(_CASES[name])
        phases = [list(phase) for phase in golden_replies(case)]
        for _ in range(rng.randrange(1, 4)):
            phase = rng.choice([p for p in phases if p])
            place = rng.randrange(len(phase))
            phase[place] = spoiled(phase[place], rng)
        answer, _ = run_chain(name, case, [tuple(p) for p in phases])
        if hasattr(answer, "price_wad"):
            assert_sane(answer, name)
        else:
            assert answer.code


def spoiled(reply: Any, rng: random.Random) -> Any:
    if not isinstance(reply, bytes) or not reply or rng.random() < 0.1:
        return Reverted()
    data = bytearray(reply)
    word = rng.randrange(max(1, len(data) // 32)) * 32
    kind = rng.randrange(5)
    if kind == 0:
        data[word : word + 32] = rng.randbytes(32)
    elif kind == 1:
        data[word : word + 32] = rng.choice((0, 1, 2**255, 2**256 - 1, 10**18, 10**36)).to_bytes(32, "big")
    elif kind == 2:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 3:
        del data[rng.randrange(len(data)) :]
    else:
        data += rng.randbytes(rng.randrange(1, 96))
    return bytes(data)
