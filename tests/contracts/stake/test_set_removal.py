"""Removal of who was proven guilty or has no stake left, and jail. Laws of docs/invariants.md, each under its name there."""

from __future__ import annotations

import pytest

from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.stake_world import (
    ANSWERS,
    BURNS,
    DAY_S,
    DELAY_S,
    EPOCH_S,
    ETHER,
    HOUR_S,
    JOIN_S,
    OVERLAP_S,
    PENALTIES,
    REVERTS,
    REWARDS,
    StakeWorld,
    operator,
)


@pytest.fixture
def world() -> StakeWorld:
    made = StakeWorld()
    made.register()
    return made


def removal(world: StakeWorld, who: str) -> str:
    return world.evm.call(world.set, "remove", who, sender=STRANGER)[0]


def emptied(world: StakeWorld, who: str) -> str:
    """Seen without its stake, and again an hour later."""
    assert removal(world, who) == ""
    assert world.in_store()[world.evm.ok(world.book, "keyOf", who)] != 0, "the first look is noted"
    world.evm.jump(HOUR_S)
    return removal(world, who)


def jail(world: StakeWorld, who: str, days: int = 30) -> None:
    world.evm.ok(world.set, "jail", who, world.evm.now + days * DAY_S, sender=PENALTIES)


def test_removal_waits_for_nothing(world: StakeWorld) -> None:
    """Cut from the previous, present and next set in the block of the proof; the others go on."""
    who = world.enter_all(90, 90, 90, 90, 90, 90)
    first = world.change()
    world.evm.jump(EPOCH_S - DELAY_S)
    second = world.rotate()
    world.arm()
    third_at = world.evm.now
    assert world.push(first, third_at - 1) == "", "the set before is still taken for its own rounds"
    key = world.evm.ok(world.book, "keyOf", who[0])
    others = [k for k in world.members(second)[0] if k != key]
    jail(world, who[0])
    assert removal(world, who[0]) == ""
    assert world.in_store()[key] == 0
    world.evm.jump(2)
    assert world.push(second, world.evm.now, only=[key, *others[:4]]) == "BelowThreshold", "T is 403 of 540"
    assert world.push(second, world.evm.now, only=others) == ""
    assert world.evm.now < third_at + OVERLAP_S
    assert world.push(first, third_at - 2, only=[key, *others[:4]]) == "BelowThreshold"
    assert removal(world, who[0]) == "NothingToRemove", "it has no weight left"
    assert world.weights(second)[who[0]] == 90 * ETHER, "what was frozen stays: it answers for it"


def test_removal_from_the_next_set_has_it_armed_again(world: StakeWorld) -> None:
    who = world.enter_all(90, 90, 90, 90, 90)
    world.change()
    world.evm.jump(EPOCH_S)
    epoch = world.rotate()
    keys, _, _ = world.members(epoch)
    world.evm.ok(world.store, "arm", world.signed(world.evm.ok(world.store, "armDigest"), keys))
    jail(world, who[0])
    assert removal(world, who[0]) == ""
    assert not world.evm.ok(world.store, "armed")
    world.arm()
    assert world.in_store()[world.evm.ok(world.book, "keyOf", who[0])] == 0


def test_a_set_that_cannot_spare_it_does_not_keep_it_from_another(world: StakeWorld) -> None:
    """The present set of six loses one and cannot lose two. The next, of five, has only the second of them."""
    who = world.enter_all(90, 90, 90, 90, 90, 90)
    world.change()
    world.evm.ok(world.set, "leave", sender=who[0])
    world.evm.jump(EPOCH_S)
    epoch = world.rotate()
    jail(world, who[0])
    jail(world, who[1])
    assert removal(world, who[0]) == ""
    assert removal(world, who[1]) == ""
    key = world.evm.ok(world.book, "keyOf", who[1])
    assert world.in_store()[key] == 90 * ETHER
    assert removal(world, who[1]) == "NothingToRemove"
    world.arm()
    assert world.epoch == epoch
    assert world.in_store()[key] == 0


def test_who_has_less_than_the_least_stake_is_removed(world: StakeWorld) -> None:
    who = world.enter_all(90, 90, 90, 90)
    world.change()
    assert removal(world, who[0]) == "NothingToRemove"
    world.tell(who[0], 10 * ETHER)
    assert removal(world, who[0]) == "NothingToRemove"
    world.tell(who[0], 10 * ETHER - 1)
    assert emptied(world, who[0]) == ""
    assert world.in_store()[world.evm.ok(world.book, "keyOf", who[0])] == 0
    world.tell(who[0], 90 * ETHER)
    assert who[0] not in world.weights(world.change()), "what was seen counts at the next freeze"


@pytest.mark.parametrize("manner", [REVERTS, BURNS])
def test_a_source_that_does_not_answer_empties_nobody(world: StakeWorld, manner: int) -> None:
    """Not on purpose and not by accident: it is the freezes that take its weight away, after one epoch."""
    who = world.enter_all(90, 90, 90, 90, 90)
    world.change()
    world.tell(who[0], 0)
    world.behave(who[0], manner)
    assert removal(world, who[0]) == "NothingToRemove"
    world.change()
    assert removal(world, who[0]) == "NothingToRemove"
    world.evm.jump(EPOCH_S)
    world.rotate()
    assert emptied(world, who[0]) == "", "known to count nothing: the sets before need not keep it"


def test_who_is_emptied_is_removed_by_a_second_look(world: StakeWorld) -> None:
    """An hour after the first one at the earliest and a day at the latest; who was seen with enough in between is not."""
    who = world.enter_all(90, 90, 90, 90)
    world.change()
    weight = world.in_store()

    def left() -> int:
        return int(world.evm.ok(world.set, "emptiedAt", who[0]))

    world.tell(who[0], 0)
    assert (removal(world, who[0]), left()) == ("", world.evm.now)
    world.evm.jump(HOUR_S - 1)
    assert removal(world, who[0]) == "NothingToRemove"
    world.tell(who[0], 90 * ETHER)
    assert (removal(world, who[0]), left()) == ("", 0), "forgotten"
    assert removal(world, who[0]) == "NothingToRemove"
    world.evm.jump(1)
    world.tell(who[0], 0)
    assert (removal(world, who[0]), left()) == ("", world.evm.now), "a first look again"
    world.evm.jump(DAY_S + 1)
    assert (removal(world, who[0]), left()) == ("", world.evm.now), "and again: that was too long ago"
    world.evm.jump(HOUR_S - 1)
    assert removal(world, who[0]) == "NothingToRemove"
    assert world.in_store() == weight
    world.evm.jump(1)
    assert removal(world, who[0]) == ""
    assert world.in_store()[world.evm.ok(world.book, "keyOf", who[0])] == 0


def test_who_left_keeps_its_weight_until_the_next_set_and_answers_for_it(world: StakeWorld) -> None:
    who = world.enter_all(90, 90, 90, 90)
    epoch = world.change()
    bound = world.evm.ok(world.set, "boundUntil", who[0])
    world.evm.ok(world.set, "leave", sender=who[0])
    assert removal(world, who[0]) == "NothingToRemove"
    assert world.evm.ok(world.set, "boundUntil", who[0]) == bound == world.evm.ok(world.set, "frozenOf", epoch)[1]
    assert who[0] not in world.weights(world.change())
    assert world.evm.ok(world.set, "boundUntil", who[0]) == bound


def test_no_freeze_takes_who_is_in_jail(world: StakeWorld) -> None:
    who = world.enter_all(90, 90, 90, 90)
    world.change()
    jail(world, who[0], days=3)
    assert not world.evm.ok(world.set, "isCandidate", who[0])
    assert world.evm.call(world.set, "join", sender=who[0])[0] == "InJail"
    world.evm.ok(world.sources[0], "leaveFor", who[0])
    assert who[0] not in world.weights(world.change())
    world.evm.jump(2 * DAY_S)
    assert not world.evm.ok(world.set, "isCandidate", who[0]), "it must join again"
    world.evm.ok(world.set, "join", sender=who[0])


def test_who_was_given_back_joins_again_and_is_removed_no_more(world: StakeWorld) -> None:
    """Of the penalties the last word counts, also one that ends a jail. One for absence goes on."""
    who = world.enter_all(90, 90, 90, 90, 90)
    world.change()
    jail(world, who[0])
    world.evm.ok(world.set, "jailAbsent", who[1], world.evm.now + DAY_S, sender=REWARDS)
    jail(world, who[1])
    for w in who[:2]:
        world.evm.ok(world.set, "jail", w, world.evm.now, sender=PENALTIES)
    world.evm.ok(world.set, "join", sender=who[0])
    world.evm.ok(world.set, "jail", who[0], world.evm.now, sender=PENALTIES)
    assert world.evm.ok(world.set, "isCandidate", who[0]), "who is free stays so"
    assert world.evm.call(world.set, "join", sender=who[1])[0] == "InJail"
    world.evm.ok(world.set, "jailAbsent", who[1], world.evm.now + 1, sender=REWARDS)
    assert world.evm.ok(world.set, "jailedUntil", who[1]) == world.evm.now + DAY_S
    world.evm.jump(DAY_S)
    world.evm.ok(world.set, "join", sender=who[1])
    assert who[0] in world.weights(world.change())
    assert removal(world, who[0]) == "", "from the set before only"
    assert world.in_store()[world.evm.ok(world.book, "keyOf", who[0])] == 90 * ETHER


def test_who_was_absent_is_removed_like_who_was_guilty(world: StakeWorld) -> None:
    who = world.enter_all(90, 90, 90, 90, 90)
    world.change()
    world.evm.ok(world.set, "jailAbsent", who[0], world.evm.now + DAY_S, sender=REWARDS)
    assert not world.evm.ok(world.set, "isCandidate", who[0])
    assert removal(world, who[0]) == ""


def test_who_never_joined_can_be_jailed(world: StakeWorld) -> None:
    jail(world, operator(77), days=1)
    assert world.evm.call(world.set, "join", sender=operator(77))[0] == "InJail"


def test_who_is_in_jail_is_removed_whatever_sources_do(world: StakeWorld) -> None:
    who = world.enter_all(*[90] * 7)
    world.change()
    for w in who:
        world.behave(w, BURNS)
    jail(world, who[0])
    assert removal(world, who[0]) == ""
    world.behave(who[1], ANSWERS)
    world.tell(who[1], 80 * ETHER)
    jail(world, who[1])
    assert removal(world, who[1]) == ""
    assert world.evm.ok(world.windows, "windowOf", world.sources[0], who[1])[0] == 90 * ETHER, "it was not asked"


def test_who_was_removed_rises_from_nothing(world: StakeWorld) -> None:
    """What the set in force lost by a removal, the next one has to gain again."""
    who = world.enter_all(90, 90, 90, 90, 90)
    world.change()
    world.evm.ok(world.set, "jail", who[0], world.evm.now + 1, sender=PENALTIES)
    assert removal(world, who[0]) == ""
    world.evm.jump(1)
    world.evm.ok(world.set, "join", sender=who[0])
    world.evm.jump(JOIN_S)
    rows, _, _ = world.preview()
    assert [rows[w].before for w in who] == [0, *[90 * ETHER] * 4]


def test_who_was_guilty_is_removed_from_older_sets_only(world: StakeWorld) -> None:
    """A set that was frozen after its jail, and after it joined again, has it rightly."""
    who = world.enter_all(90, 90, 90, 90, 90)
    world.change()
    world.evm.ok(world.set, "jail", who[0], world.evm.now + 1, sender=PENALTIES)
    world.evm.jump(1)
    world.evm.ok(world.set, "join", sender=who[0])
    world.evm.jump(EPOCH_S)
    epoch = world.rotate()
    assert who[0] in world.weights(epoch)
    key = world.evm.ok(world.book, "keyOf", who[0])
    assert removal(world, who[0]) == "", "from the set before"
    assert world.in_store()[key] == 0
    world.arm()
    assert world.in_store()[key] == 90 * ETHER


def test_a_frozen_set_never_changes(world: StakeWorld) -> None:
    """Whatever comes after it took over: more stake and less, another key, a jail and a removal, leaving, later epochs."""
    who = world.enter_all(90, 90, 90, 90, 90, 90)
    noted: dict[int, tuple[object, ...]] = {}

    def frozen(epoch: int) -> tuple[object, ...]:
        return (*world.evm.ok(world.set, "frozenOf", epoch), *world.evm.ok(world.set, "membersOf", epoch))

    def cut() -> None:
        jail(world, who[2])
        assert removal(world, who[2]) == ""

    for act in (
        lambda: world.tell(who[0], 400 * ETHER),
        lambda: world.tell(who[1], 12 * ETHER),
        lambda: world.new_key(who[1]),
        cut,
        lambda: world.evm.ok(world.set, "leave", sender=who[3]),
        lambda: world.tell(who[0], 0),
    ):
        epoch = world.change()
        noted[epoch] = frozen(epoch)
        act()
        assert {e: frozen(e) for e in noted} == noted
    assert len({str(told) for told in noted.values()}) == len(noted) == 6
