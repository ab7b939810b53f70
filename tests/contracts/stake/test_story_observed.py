"""Stake that is observed and moves within the hour, over the real set, penalties and sources.

no_stake_leaves_while_its_key_can_sign_or_be_proven: the random histories of `test_story_laws.py` observe too; here is each way by itself.
"""

from __future__ import annotations

import pytest

from tests.contracts.contract_tools import WAD
from tests.contracts.stake.stake_world import OBSERVED_S
from tests.contracts.stake.story_sources import KINDS, SOURCE_GAS, DelegatedPart
from tests.contracts.stake.story_world import DEPOSIT, OPERATORS, RESTAKERS, StoryWorld

LEAVER, RESTAKER = OPERATORS[0], RESTAKERS[0]


def near_a_freeze(kind: str) -> StoryWorld:
    """All have signed for an epoch, and the next freeze is less than an hour away."""
    world = StoryWorld(KINDS[kind], SOURCE_GAS[kind])
    world.begin()
    world.change()
    world.until(int(world.ask(world.set, "nextRotateAt")) - OBSERVED_S // 2)
    return world


def proven_at_the_last_second(world: StoryWorld, epoch: int) -> tuple[int, int]:
    """The weight of the leaver in the epoch, and what a proof of its words puts aside as late as can be."""
    weight, capture = world.weights(epoch)[LEAVER], int(world.ask(world.set, "captureOf", epoch, LEAVER))
    world.until(world.frozen(epoch)[1])
    keys, operators, _ = world.members(epoch)
    words = world.lie(keys[operators.index(LEAVER)], epoch)
    before = slashable(world, capture)
    case = world.prove(words)
    fraction = int(world.ask(world.penalties, "caseOf", case)[4])
    return weight * fraction // WAD, before - slashable(world, capture)


def slashable(world: StoryWorld, capture: int) -> int:
    return sum(int(world.ask(s, "slashableOf", LEAVER, capture)) for s in world.sources)


@pytest.mark.parametrize("kind", KINDS)
def test_what_leaves_after_it_was_observed_answers_for_the_set_that_counts_it(kind: str) -> None:
    """Half is asked back a second after it was seen and counts in the set: a proof of that set's last second reaches all of it."""
    world = near_a_freeze(kind)
    world.ok(world.windows, "observe", [LEAVER])
    world.evm.jump(1)
    for part in world.parts:
        if LEAVER in part.served:
            part.ask_exit(RESTAKER, LEAVER, DEPOSIT // 2)
    had = world.value(DEPOSIT) * sum(LEAVER in p.served for p in world.parts)
    assert world.stake(LEAVER) < had * 3 // 4
    epoch = world.freeze()
    world.arm()
    assert world.weights(epoch)[LEAVER] * 10 > had * 9, "what was seen counts"
    for part in world.parts:
        if isinstance(part, DelegatedPart):
            closed, _ = part.opens(RESTAKER, LEAVER)
            assert closed >= world.frozen(epoch)[1], "the exit waits for the set that was still to be made"
    least, aside = proven_at_the_last_second(world, epoch)
    assert aside >= least - 2 * len(world.parts)


def test_a_capture_is_the_moment_at_which_an_operator_was_seen() -> None:
    """Of all: who had everything while another was observed, and is asked by the freeze, counts as it was then, and can be slashed for it."""
    world = near_a_freeze("symbiotic")
    (part,) = world.parts
    had = world.value(DEPOSIT)
    world.ok(world.windows, "observe", [OPERATORS[1]])
    other_s = int(world.evm.now)
    world.evm.jump(2)
    part.put_in(RESTAKER, LEAVER, DEPOSIT)
    world.evm.jump(2)
    world.ok(world.windows, "observe", [OPERATORS[2]])
    world.evm.jump(2)
    coming = world.ask(world.set, "preview")[0]
    assert [row[6] for row in coming] == [other_s] * len(OPERATORS)
    epoch = world.freeze()
    assert world.evm.now > other_s
    world.arm()
    assert {int(world.ask(world.set, "captureOf", epoch, o)) for o in OPERATORS} == {other_s}
    assert world.frozen(epoch)[0] == other_s
    assert world.weights(epoch)[LEAVER] <= had < world.stake(LEAVER), "what came since counts in the next set"
    least, aside = proven_at_the_last_second(world, epoch)
    assert aside >= least > 0


def test_who_had_nothing_at_the_moment_of_another_counts_nothing() -> None:
    """Though it has all again when it is asked, by the freeze or before it: a proof of that capture would reach nothing."""
    world = near_a_freeze("symbiotic")
    (part,) = world.parts
    part.ask_exit(RESTAKER, LEAVER, DEPOSIT)
    world.evm.jump(2)
    world.ok(world.windows, "observe", [OPERATORS[1]])
    other_s = int(world.evm.now)
    world.evm.jump(2)
    part.put_in(RESTAKER, LEAVER, DEPOSIT)
    world.evm.jump(2)
    with world.branch():
        assert LEAVER not in world.weights(world.freeze())
    world.ok(world.windows, "observe", [LEAVER])
    assert int(world.ask(world.windows, "seenAt", LEAVER)) == other_s
    assert LEAVER not in world.weights(world.freeze())
    assert slashable(world, other_s) == 0 < world.stake(LEAVER)


def test_a_moment_is_over_after_an_hour() -> None:
    """What was observed for it counts no more, and the freeze is of now."""
    world = near_a_freeze("symbiotic")
    world.ok(world.windows, "observe", OPERATORS)
    world.evm.jump(OBSERVED_S)
    assert int(world.ask(world.set, "preview")[0][0][6]) == world.evm.now - OBSERVED_S
    world.evm.jump(1)
    epoch = world.freeze()
    assert {int(world.ask(world.set, "captureOf", epoch, o)) for o in OPERATORS} == {world.evm.now}
