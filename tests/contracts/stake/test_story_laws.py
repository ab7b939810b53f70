"""Laws of stake that need everything at once, over the real set and every source: random histories from a seed.

All laws are looked at in every history; each test has what its own law is about more often. `LRT_ORACLE_STORY_ACTS` acts each: 100
here, thousands under `make fuzz`.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.contracts.stake.story_history import StoryHistory
from tests.contracts.stake.story_sources import KINDS, SOURCE_GAS
from tests.contracts.stake.story_world import StoryWorld

pytestmark = [pytest.mark.fuzz, pytest.mark.parametrize("kind", KINDS)]
ACTS = int(os.environ.get("LRT_ORACLE_STORY_ACTS", "100"))
IN_A_WORLD = 200


def played(kind: str, seed: int, *often: str) -> Counter[str]:
    """Histories in which these acts are frequent, each in a world of its own."""
    counts: Counter[str] = Counter()
    for number in range(-(-ACTS // IN_A_WORLD)):
        world = StoryWorld(KINDS[kind], SOURCE_GAS[kind])
        world.begin()
        history = StoryHistory(world, seed + 10 * number)
        history.acts += [act for act in history.acts if act.__name__ in often] * 2
        counts += history.play(min(ACTS, IN_A_WORLD))
    return counts


def test_no_stake_leaves_while_its_key_can_sign_or_be_proven(kind: str) -> None:
    counts = played(kind, 1, "ask_exit", "leave", "prove_in_a_branch", "observe")
    assert counts["leave paid"] > 5
    assert counts["observations taken"] > 5
    assert counts["counted after it was asked back"] > 0
    assert counts["leave refused"] > 1
    assert counts["prove_in_a_branch at the last second"] > 3
    assert counts["prove_in_a_branch proven"] > 3


def test_weights_equal_stakes_at_capture_under_the_caps(kind: str) -> None:
    counts = played(kind, 2, "deposit", "ask_exit", "next_epoch")
    assert counts["next_epoch armed"] > 15
    assert counts["observations taken"] > 2
    assert counts["deposit taken"] > 5


def test_no_honest_operator_loses_stake(kind: str) -> None:
    counts = played(kind, 3, "sign", "accuse", "lie", "end_case")
    assert counts["lie proven"] > 0
    assert counts["end_case carried out"] > 0
    assert counts["accuse refused"] > 10
