"""The agreement on an epoch's report over seeded schedules: its laws, named as docs/invariants.md has them."""

from __future__ import annotations

import pytest

from tests.oracle.rewards.roots.roots_world import ATTEMPT_MS, RootsWorld

SEEDS = range(40)
WILD = 6
"""Attempts before it is calm."""


def played(seed: int, *, wild: int = WILD) -> tuple[RootsWorld, int]:
    """A world until all have the root, and how many attempts that took once it was calm."""
    world = RootsWorld(seed, calm_ms=wild * ATTEMPT_MS)
    most = (wild + len(world.liars) + 4) * ATTEMPT_MS
    for _ in world.run(most):
        world.check()
        if world.is_signed:
            break
    return world, max(0, world.now_ms // ATTEMPT_MS - wild)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_two_roots_and_one_within_n_attempts(seed: int) -> None:
    """`no_two_roots_and_one_within_n_attempts`, `no_honest_key_with_two_roots`, `a_root_within_n_attempts`: `check` holds at each moment."""
    world, attempts = played(seed)
    assert world.is_signed, f"seed {seed}: no root after {attempts} calm attempts with {len(world.liars)} liars"
    assert attempts <= len(world.liars) + 1
