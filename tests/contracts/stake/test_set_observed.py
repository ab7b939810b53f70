"""Operators that are observed before a freeze: what it takes, and what nobody gains by it. Laws of docs/invariants.md, by name."""

from __future__ import annotations

import pytest

from tests.contracts.contract_tools import compiled
from tests.contracts.evm_process import STRANGER
from tests.contracts.stake.stake_world import (
    ANSWER_S,
    ANSWERS,
    BURNS,
    ETHER,
    JOIN_S,
    MEMBER,
    OBSERVED_S,
    PENALTIES,
    REVERTS,
    SOURCES,
    StakeWorld,
    operator,
)


@pytest.fixture
def world() -> StakeWorld:
    return StakeWorld(capBps=10_000)


def due(world: StakeWorld, *, before_s: int = 0) -> None:
    """The moment at which stakes can be frozen again, or so long before."""
    world.evm.jump(max(0, world.evm.ok(world.set, "nextRotateAt") - before_s - world.evm.now))


def observe(world: StakeWorld, *who: str) -> int:
    """By anybody; when it was."""
    world.evm.ok(world.windows, "observe", list(who), sender=STRANGER)
    return int(world.evm.now)


def seen(world: StakeWorld, who: str, source: int = 0) -> tuple[int, bool, int]:
    """The moment that the operator was observed for, whether this source answered, and what."""
    at_s, heard, value = world.evm.ok(world.windows, "windowOf", world.sources[source], who)[4:]
    return at_s, heard, value


@pytest.mark.parametrize("late_s", [0, 1])
def test_a_freeze_takes_what_was_observed_within_the_hour(world: StakeWorld, late_s: int) -> None:
    """And asks again when it is older."""
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    due(world, before_s=OBSERVED_S)
    seen_s = observe(world, who[0], who[1])
    world.tell(who[0], 40 * ETHER)
    world.evm.jump(OBSERVED_S + late_s)
    rows, _, _ = world.preview()
    taken = not late_s
    assert rows[who[0]].stake == (90 if taken else 40) * ETHER
    moment = seen_s if taken else world.evm.now
    assert [rows[w].capture for w in who] == [moment] * 4
    epoch = world.rotate()
    assert world.weights(epoch)[who[0]] == (90 if taken else 40) * ETHER
    assert [world.evm.ok(world.set, "captureOf", epoch, w) for w in who] == [rows[w].capture for w in who]
    assert world.evm.ok(world.set, "captureOf", epoch, STRANGER) == 0
    assert world.evm.ok(world.set, "frozenOf", epoch)[:2] == (moment, moment + ANSWER_S)


def test_all_of_a_freeze_is_of_one_moment() -> None:
    """The first observation's, whoever is observed by it: also of who is observed later, of who is not, and of who came since."""
    world = StakeWorld(capBps=10_000, joinDelayS=OBSERVED_S)
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    due(world, before_s=OBSERVED_S)
    moment = observe(world)
    assert world.evm.ok(world.windows, "moment") == moment, "also if nobody is observed"
    late = world.enter(9)
    assert world.evm.ok(world.windows, "moment") == moment, "a look as one joins begins none"
    for w in (who[0], who[1], STRANGER):
        world.evm.jump(60)
        observe(world, w)
    assert [seen(world, w) for w in who[:3]] == [(moment, True, 90 * ETHER), (moment, True, 80 * ETHER), (0, False, 0)]
    for w in (who[0], who[2]):
        world.evm.ok(world.sources[0], "tellOfBefore", w, moment + 1, 50 * ETHER)
    due(world)
    everybody = [*who, late]
    rows, _, _ = world.preview()
    assert {rows[w].capture for w in everybody} == {moment}
    assert [rows[w].stake for w in everybody] == [n * ETHER for n in (90, 80, 50, 60, 100)], "asked for it"
    epoch = int(world.evm.ok(world.set, "observeAndRotate", [who[0], late], sender=STRANGER))
    assert [world.weights(epoch)[w] for w in who] == [n * ETHER for n in (50, 80, 50, 60)]
    assert {world.evm.ok(world.set, "captureOf", epoch, w) for w in everybody} == {moment}
    assert world.evm.ok(world.set, "frozenOf", epoch)[:2] == (moment, moment + ANSWER_S)
    assert world.evm.ok(world.windows, "moment") == 0
    next_s = observe(world, who[3])
    assert {r.capture for r in world.preview()[0].values()} == {next_s}, (
        "the hour runs on, and the moment is over with its freeze"
    )


def test_a_moment_is_over_after_an_hour(world: StakeWorld) -> None:
    """What was observed for it counts no more, and the next observation begins another, for everybody."""
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    due(world)
    first_s = observe(world, who[0], who[1])
    world.tell(who[0], 300 * ETHER)
    world.evm.ok(world.sources[0], "tellOfBefore", who[1], first_s + 1, 20 * ETHER)
    world.evm.jump(OBSERVED_S)
    observe(world, who[2])
    assert seen(world, who[2])[0] == first_s, "in its last second"
    assert [world.evm.ok(world.windows, "seenAt", w) for w in who] == [first_s] * 3 + [0]
    world.evm.jump(1)
    assert [world.evm.ok(world.windows, "seenAt", w) for w in who] == [0] * 4
    assert {r.capture for r in world.preview()[0].values()} == {world.evm.now}
    second_s = observe(world, who[3])
    world.evm.jump(60)
    assert [world.evm.ok(world.windows, "seenAt", w) for w in who] == [0] * 3 + [second_s]
    rows, _, _ = world.preview()
    assert [(rows[w].stake, rows[w].capture) for w in who] == [(n * ETHER, second_s) for n in (90, 80, 70, 60)]
    epoch = int(world.evm.ok(world.set, "observeAndRotate", who[:1], sender=STRANGER))
    assert {world.evm.ok(world.set, "captureOf", epoch, w) for w in who} == {second_s}
    assert world.evm.ok(world.windows, "windowOf", world.sources[0], who[0])[0] == 300 * ETHER, (
        "the newest begins the next window"
    )


def test_what_was_observed_before_a_freeze_counts_at_no_later_one(world: StakeWorld) -> None:
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    due(world)
    observe(world, *who)
    world.rotate()
    assert [seen(world, w) for w in who] == [(0, False, 0)] * 4
    for w in who:
        world.tell(w, 50 * ETHER)
    world.evm.jump(1)
    rows, _, _ = world.preview()
    assert {(r.stake, r.capture) for r in rows.values()} == {(50 * ETHER, world.evm.now)}


def test_the_lowest_counts_however_often_anybody_looks(world: StakeWorld) -> None:
    """A higher answer replaces what the next window begins with, and nothing of this one."""
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    due(world, before_s=100)
    at_s = []
    for value in (90, 40, 70):
        world.tell(who[0], value * ETHER)
        world.evm.jump(10)
        at_s.append(observe(world, who[0]))
    assert seen(world, who[0]) == (at_s[0], True, 70 * ETHER)
    assert world.preview()[0][who[0]].stake == 40 * ETHER
    assert world.weights(world.change())[who[0]] == 40 * ETHER
    world.tell(who[0], 500 * ETHER)
    assert world.preview()[0][who[0]].stake == 70 * ETHER, "the next one begins with the newest"


def test_stake_that_is_lent_for_an_observation_counts_nothing(world: StakeWorld) -> None:
    """Not at this freeze; and at the next one only if nobody looks again."""
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    due(world, before_s=100)
    borrower = world.evm.create(compiled(SOURCES)["Borrower"])
    world.evm.ok(borrower, "observeWith", world.sources[0], who[0], 9_000 * ETHER, world.windows)
    assert seen(world, who[0])[2] == 9_000 * ETHER
    assert world.preview()[0][who[0]].stake == 90 * ETHER
    observe(world, who[0])
    assert world.weights(world.change())[who[0]] == 90 * ETHER
    world.tell(who[0], 9_000 * ETHER)
    assert world.preview()[0][who[0]].stake == 90 * ETHER, "a deposit counts from the second freeze on"


def test_a_dip_that_is_observed_is_mended_by_who_looks_again(world: StakeWorld) -> None:
    """It lowers this window, as it always did; the next one begins with what was there at the better moment."""
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    due(world, before_s=100)
    borrower = world.evm.create(compiled(SOURCES)["Borrower"])
    world.evm.ok(borrower, "observeWith", world.sources[0], who[0], 20 * ETHER, world.windows)
    observe(world, who[0])
    assert world.weights(world.change())[who[0]] == 20 * ETHER
    assert world.preview()[0][who[0]].stake == 90 * ETHER


@pytest.mark.parametrize("at_once", [True, False])
def test_no_dip_comes_between_an_observation_and_its_freeze(world: StakeWorld, at_once: bool) -> None:
    """Where both are one call: it lowers the window in which it was seen, and not the next. Others were observed before it."""
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    due(world)
    early_s = observe(world, *who)
    world.evm.jump(60)
    borrower = world.evm.create(compiled(SOURCES)["Borrower"])
    world.evm.ok(borrower, "observeWith", world.sources[0], who[0], 20 * ETHER, world.windows)
    if at_once:
        epoch = int(world.evm.ok(world.set, "observeAndRotate", [who[0], who[1], STRANGER], sender=STRANGER))
    else:
        epoch = world.rotate()
    assert world.weights(epoch)[who[0]] == 20 * ETHER
    assert {world.evm.ok(world.set, "captureOf", epoch, w) for w in who} == {early_s}
    world.arm()
    assert world.preview()[0][who[0]].stake == (90 if at_once else 20) * ETHER
    assert seen(world, STRANGER) == (0, False, 0)


def test_observing_hurries_no_freeze(world: StakeWorld) -> None:
    """And nothing is observed where stakes cannot be frozen yet."""
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    due(world, before_s=1)
    kept = [seen(world, w) for w in who]
    assert world.evm.call(world.set, "observeAndRotate", who, sender=STRANGER)[0] == "TooEarly"
    assert [seen(world, w) for w in who] == kept
    due(world)
    assert int(world.evm.ok(world.set, "observeAndRotate", who, sender=STRANGER)) == world.epoch + 1


@pytest.mark.parametrize("manner", [REVERTS, BURNS])
def test_no_observation_makes_a_source_fail(manner: int) -> None:
    """Who finds a moment in which a source fails replaces no answer with it, and any answer replaces that."""
    world = StakeWorld(sources=2, capBps=10_000)
    who = world.enter_all(90, 80, 70, 60)
    for w in who:
        world.tell(w, 30 * ETHER, source=1)
    world.change()
    world.change()
    due(world, before_s=100)
    first_s = observe(world, who[0])
    world.behave(who[0], manner, source=1)
    world.behave(who[1], manner, source=1)
    world.evm.jump(10)
    observe(world, who[0], who[1])
    assert seen(world, who[0], 1) == (first_s, True, 30 * ETHER)
    assert seen(world, who[0]) == (first_s, True, 90 * ETHER), "an observation is of one moment in all sources"
    assert seen(world, who[1], 1) == (first_s, False, 0)
    world.behave(who[1], ANSWERS, source=1)
    world.evm.jump(10)
    observe(world, who[1])
    assert seen(world, who[1], 1) == (first_s, True, 30 * ETHER)
    world.change()
    flags = [world.evm.ok(world.windows, "windowOf", world.sources[1], w)[3] for w in who[:2]]
    assert flags == [False, False]


def test_a_failure_that_nobody_mends_is_one_as_at_a_freeze() -> None:
    """So a source that fails for all, and takes all its gas for it, holds no freeze up."""
    world = StakeWorld(sources=2, capBps=10_000)
    who = world.enter_all(90, 80, 70, 60)
    for w in who:
        world.tell(w, 30 * ETHER, source=1)
    world.change()
    world.change()
    for w in who:
        world.behave(w, BURNS, source=1)
    for expected in (30, 0):
        due(world, before_s=OBSERVED_S)
        observe(world, *who)
        world.evm.jump(OBSERVED_S)
        rows, _, _ = world.preview()
        assert [rows[w].stake for w in who] == [(own + expected) * ETHER for own in (90, 80, 70, 60)]
        world.change()
    world.behave(who[0], ANSWERS, source=1)
    observe(world, who[0])
    world.behave(who[0], REVERTS, source=1)
    world.evm.jump(OBSERVED_S + 1)
    again_s = observe(world, who[0])
    assert seen(world, who[0], 1) == (again_s, False, 0), "an answer that is old holds nothing up"


@pytest.mark.parametrize("observed", [True, False])
def test_who_joins_is_asked_at_the_freeze(*, observed: bool) -> None:
    """Or observed by anybody before it, as all others are; what it joined with is the most that counts, and the time to wait runs on."""
    world = StakeWorld(capBps=10_000, joinDelayS=OBSERVED_S)
    who = world.enter_all(90, 80, 70, 60)
    world.change()
    due(world, before_s=OBSERVED_S)
    late = world.enter(9)
    assert (seen(world, late), world.evm.ok(world.windows, "moment")) == ((0, False, 0), 0), "to join is no observation"
    world.tell(late, 30 * ETHER)
    at_s = observe(world, late) if observed else 0
    world.tell(late, 300 * ETHER)
    due(world)
    row = world.preview()[0][late]
    assert (row.place, row.stake, row.capture) == (MEMBER, (30 if observed else 100) * ETHER, at_s or world.evm.now)
    epoch = world.rotate()
    assert world.evm.ok(world.set, "captureOf", epoch, late) == row.capture
    assert len(world.weights(epoch)) == len(who) + 1


@pytest.mark.parametrize("manner", [ANSWERS, REVERTS])
def test_who_comes_back_was_seen_after_its_jail(manner: int) -> None:
    """Who is in jail loses the sets for which it was seen before, and no other; also if a source that it has nothing in is silent then.

    No moment of before its jail lasts until it has waited again: that is an hour at least.
    """
    world = StakeWorld(sources=2, capBps=10_000, joinDelayS=OBSERVED_S)
    who = world.enter_all(90, 90, 90, 90, 90)
    world.change()
    due(world, before_s=100)
    observe(world, *who)
    world.evm.jump(1)
    jailed_s = int(world.evm.now)
    world.evm.ok(world.set, "jail", who[0], jailed_s + 1, sender=PENALTIES)
    world.evm.jump(1)
    world.behave(who[0], manner, source=1)
    world.evm.ok(world.set, "join", sender=who[0])
    world.evm.jump(OBSERVED_S)
    epoch = world.rotate()
    assert world.evm.ok(world.set, "captureOf", epoch, who[0]) > jailed_s
    world.evm.ok(world.set, "remove", who[0], sender=STRANGER)
    key = world.evm.ok(world.book, "keyOf", who[0])
    assert world.in_store()[key] == 0, "it is out of the set in force"
    world.arm()
    assert world.in_store()[key] == 90 * ETHER


def test_only_the_set_writes(world: StakeWorld) -> None:
    """Beside who observes; and who is no candidate is passed over."""
    (who,) = world.enter_all(90)
    for name, args in (("look", (who,)), ("open", (who,)), ("freeze", ([who], True))):
        assert world.evm.call(world.windows, name, *args, sender=STRANGER)[0] == "NotAllowed"
    world.tell(operator(5), 10 * ETHER)
    observe(world, STRANGER, operator(5))
    assert seen(world, operator(5)) == (0, False, 0)
    assert world.evm.ok(world.windows, "set").lower() == world.set.lower()


def test_what_may_be_frozen_yet_is_bound(world: StakeWorld) -> None:
    """An exit that is asked for after an observation opens when words of the set that takes it are old; by nothing else."""
    who = world.enter_all(90, 80, 70, 60)
    first = world.evm.now
    assert world.evm.ok(world.set, "boundUntil", who[0]) == 0, (
        "it was observed as it joined, and waits for longer than that"
    )
    world.change()
    bound = world.evm.ok(world.set, "boundUntil", who[0])
    assert bound == first + ANSWER_S
    due(world, before_s=OBSERVED_S)
    at_s = observe(world, who[0])
    assert world.evm.ok(world.set, "boundUntil", who[0]) == at_s + ANSWER_S
    assert world.evm.ok(world.set, "boundUntil", who[1]) == bound, "who was not observed is not"
    world.evm.jump(OBSERVED_S + 1)
    assert world.evm.ok(world.set, "boundUntil", who[0]) == bound, "no freeze takes it any more"
    world.evm.jump(-1)
    epoch = world.rotate()
    assert world.evm.ok(world.set, "frozenOf", epoch)[1] == at_s + ANSWER_S
    world.evm.ok(world.set, "leave", sender=who[1])
    world.evm.jump(JOIN_S)
    observe(world, who[1])
    assert world.evm.ok(world.set, "boundUntil", who[1]) == at_s + ANSWER_S, "nor who is no candidate"
