"""The pusher under everything that endpoints, chains and machines do to it. Seeded; the long form resumes.

LRT_ORACLE_PUSH_RUNS=500 runs that many, LRT_ORACLE_PUSH_DONE=FILE keeps the seeds that have passed. Four of eight seeds poke
a view where a push changes the direction of its ramp.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.oracle.push.fault_run import play

pytestmark = pytest.mark.chain
RUNS = int(os.environ.get("LRT_ORACLE_PUSH_RUNS", "8"))
DONE = os.environ.get("LRT_ORACLE_PUSH_DONE")


def passed() -> set[int]:
    path = Path(DONE) if DONE else None
    return {int(x) for x in path.read_text().split()} if path and path.is_file() else set()


def note_passed(seed: int) -> None:
    if DONE:
        Path(DONE).parent.mkdir(parents=True, exist_ok=True)
        with Path(DONE).open("a", encoding="utf-8") as file:
            file.write(f"{seed}\n")


@pytest.mark.parametrize("seed", [s for s in range(RUNS) if s not in passed()])
async def test_no_duplicate_no_lost_round_no_gap_and_every_outcome_as_it_was(seed: int, tmp_path: Path) -> None:
    await play(seed, tmp_path)
    note_passed(seed)
