"""A stateful fuzz of a store and its views against a model: a seeded driver, and hypothesis to shrink.

``LRT_ORACLE_CONTRACT_FUZZ`` steps (a few thousand here, a million under ``make fuzz``), in worlds of 2,000. World number n
is always the same one, so ``LRT_ORACLE_CONTRACT_FUZZ_START`` (a step) repeats a failure, and a run that was cut goes on where
``LRT_ORACLE_CONTRACT_FUZZ_STATE`` (a file) says.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.fuzz_world import World

STEPS = int(os.environ.get("LRT_ORACLE_CONTRACT_FUZZ", "4000"))
START = int(os.environ.get("LRT_ORACLE_CONTRACT_FUZZ_START", "0"))
STATE = os.environ.get("LRT_ORACLE_CONTRACT_FUZZ_STATE", "")
IN_A_WORLD = 2_000
COMMON = {
    "push taken", "push NothingNew", "push BadSignature", "push BadLength", "push TooOld", "push TooFarAhead",
    "push WrongEpoch", "push Expired", "push BelowThreshold", "push UnknownIndex", "push BadStatus", "push WrongPresence", "pause taken",
    "push UnknownKind", "arm taken", "removeSigners taken", "setSigners taken", "replay",
}  # fmt: skip
"""What a few thousand steps must have met, or the driver tests less than it says."""


@pytest.mark.fuzz
def test_a_million_calls_break_no_invariant() -> None:
    seen: Counter[str] = Counter()
    first = START // IN_A_WORLD
    state = Path(STATE) if STATE else None
    done = int(state.read_text("utf-8")) if state and state.is_file() else first
    for number in range(max(first, done), -(-(START + STEPS) // IN_A_WORLD)):
        world = World(number)
        for step in range(IN_A_WORLD):
            try:
                world.step()
            except AssertionError as e:
                raise AssertionError(
                    f"world {number}, step {step}: LRT_ORACLE_CONTRACT_FUZZ_START={number * IN_A_WORLD}"
                ) from e
        seen.update(world.counts)
        if state:
            state.parent.mkdir(parents=True, exist_ok=True)
            state.write_text(str(number + 1), "utf-8")
    if seen.total():
        assert set(seen) >= COMMON


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(1, 60))
def test_a_short_world_that_hypothesis_may_shrink(seed: int, steps: int) -> None:
    world = World(random.Random(seed).getrandbits(40))
    for _ in range(steps):
        world.step()
