"""When more stake leaves in an epoch than T may fall by: laws of docs/invariants.md, each under its name there."""

from __future__ import annotations

import pytest

from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.stake_world import EPOCH_S, ETHER, JOIN_S, PENALTIES, StakeWorld


@pytest.fixture
def world() -> StakeWorld:
    return StakeWorld(capBps=10_000)


def silent_rotation(world: StakeWorld) -> tuple[int, int]:
    """T and W after a freeze that makes no set."""
    world.evm.jump(world.evm.ok(world.set, "nextRotateAt") - world.evm.now)
    _, threshold, total = world.preview()
    assert threshold > total
    assert world.rotate() == 0
    return threshold, total


def test_no_set_is_made_while_t_is_not_reached(world: StakeWorld) -> None:
    """T falls with each freeze by what it may, and no faster; then the next set is made."""
    who = world.enter_all(90, 90, 90, 90)
    world.change()
    threshold = 360 * ETHER * 67 // 100 + 1
    limit = (2 * threshold - 360 * ETHER) // 2
    for w in who:
        world.tell(w, 20 * ETHER)
    for _ in range(2):
        threshold -= limit
        assert silent_rotation(world) == (threshold, 80 * ETHER)
        assert world.evm.ok(world.store, "nextSigners") == (0, 0)
    assert world.change() == 3
    assert world.evm.ok(world.store, "thresholds")[0] == threshold - limit > 80 * ETHER * 67 // 100 + 1


def test_the_store_is_never_silent_for_long(world: StakeWorld) -> None:
    """However much has left: with each freeze T falls by a sixth of what all weighed, and 4 of these are nearly all."""
    who = world.enter_all(9_000, 9_000, 9_000, 9_000)
    world.change()
    for w in who:
        world.tell(w, 10 * ETHER)
    freezes = 0
    while world.evm.ok(world.store, "nextSigners") == (0, 0):
        world.evm.jump(EPOCH_S)
        freezes += 1
        world.rotate()
    assert freezes <= 4
    world.arm()
    assert sum(world.in_store().values()) == 40 * ETHER


def test_no_weight_stands_for_stake_that_has_left(world: StakeWorld) -> None:
    who = world.enter_all(90, 90, 90, 90, 90, 90)
    world.change()
    world.tell(who[0], 15 * ETHER)
    assert world.weights(world.change())[who[0]] == 15 * ETHER


def test_silence_ends_with_stake_that_comes_back(world: StakeWorld) -> None:
    who = world.enter_all(90, 90, 90, 90)
    world.change()
    for w in who:
        world.tell(w, 20 * ETHER)
    silent_rotation(world)
    for w in who:
        world.tell(w, 90 * ETHER)
    while not world.rotate_at_once():
        pass
    world.arm()
    assert world.in_store()


def test_who_was_out_in_silence_rises_from_nothing(world: StakeWorld) -> None:
    """A reference that was never in the store holds nobody who has joined since."""
    who = world.enter_all(90, 90, 90, 90)
    world.change()
    for w in who:
        world.tell(w, 20 * ETHER)
    silent_rotation(world)
    world.evm.ok(world.set, "jail", who[0], world.evm.now + 1, sender=PENALTIES)
    assert world.preview()[0].keys() == set(who[1:])
    world.evm.jump(1)
    world.evm.ok(world.set, "join", sender=who[0])
    world.evm.jump(JOIN_S)
    rows, _, _ = world.preview()
    assert [rows[w].before for w in who] == [0, *[20 * ETHER] * 3]
    assert world.evm.call(world.windows, "observe", who, sender=STRANGER)[0] == ""


def test_a_silent_freeze_is_followed_after_an_epoch(world: StakeWorld) -> None:
    """Also if it followed a set that was not armed: nobody freezes as often as he likes."""
    who = world.enter_all(90, 90, 90, 90)
    world.change()
    world.evm.jump(EPOCH_S)
    world.rotate()
    for w in who:
        world.tell(w, 20 * ETHER)
    silent_rotation(world)
    assert world.rotation()[0] == "TooEarly"
    assert world.evm.ok(world.set, "nextRotateAt") == world.evm.now + EPOCH_S
    assert world.evm.ok(world.set, "scheduledEpoch") == 0
