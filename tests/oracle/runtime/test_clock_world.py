"""The machine's clock is set, and set back, at will: no round is far from the true time, and rounds go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.runtime.clock import BLOCK_LATE_MS, REFUSE_MS, WARN_MS, Clock, is_over
from oracle.runtime.round_gate import HEARD_WITHIN_MS, LATE_MS, HoldReason, HoldReporter
from tests.oracle.runtime.clock_world import BLOCK_MS, World, played

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DELAY_MS = 300
FAR_MS = LATE_MS + REFUSE_MS + DELAY_MS
GLITCHES = [2 * HOUR_MS, 8 * DAY_MS, -HOUR_MS, -8 * DAY_MS, 5_000, -5_000, 90_000]


@pytest.mark.parametrize("by_ms", GLITCHES)
@pytest.mark.parametrize("blocks_only", [False, True])
def test_a_glitch_of_22_seconds_costs_the_rounds_of_its_two_ticks(by_ms: int, blocks_only: bool) -> None:
    world = World(venues=not blocks_only, blocks=True)
    world.run(120)
    world.wall_ahead_ms = by_ms
    world.run(22)
    world.wall_ahead_ms = 0
    world.run(120)
    assert [reason for _, reason in world.held if reason is not HoldReason.CLOCK_UNCONFIRMED] == [
        HoldReason.CLOCK_SET,
        HoldReason.CLOCK_SET,
    ]
    assert len(world.made) >= 262 // 10 - 2 - HEARD_WITHIN_MS // 10_000
    assert world.worst_ms <= FAR_MS


@pytest.mark.parametrize("by_ms", GLITCHES)
def test_a_glitch_that_lasts_is_never_followed_and_rounds_go_on(by_ms: int) -> None:
    world = played(World(), [(60, {"wall_ahead_ms": by_ms}), (3_600, {})])
    assert [reason for _, reason in world.held] == [HoldReason.CLOCK_SET]
    assert len(world.made) == 365
    assert world.worst_ms <= FAR_MS


@pytest.mark.parametrize("by_ms", [2 * HOUR_MS, 8 * DAY_MS, -HOUR_MS])
@pytest.mark.parametrize("blocks_only", [False, True])
def test_a_start_with_a_wrong_clock_makes_no_round_until_it_is_set_right(by_ms: int, blocks_only: bool) -> None:
    world = World(wall_ahead_ms=by_ms, venues=not blocks_only, blocks=True)
    world.run(300)
    assert world.made == []
    assert world.reasons() <= {HoldReason.CLOCK_OFF, HoldReason.CLOCK_UNCONFIRMED}
    assert [at for at, reason in world.reported if reason is HoldReason.CLOCK_OFF][1:], "said again"
    world.wall_ahead_ms = 0
    world.run(90)
    assert world.worst_ms <= FAR_MS
    assert len(world.made) >= 2
    assert world.clock.confirmed


def test_a_clock_that_nobody_confirms_is_believed_after_a_while_but_never_follows_a_step() -> None:
    world = World(venues=False)
    world.run(HEARD_WITHIN_MS // 1_000 - 2)
    assert world.made == []
    assert world.reasons() == {HoldReason.CLOCK_UNCONFIRMED}
    world.run(60)
    assert len(world.made) >= 4
    assert not world.clock.confirmed, "and nothing is pruned by it"
    world.wall_ahead_ms = 2 * HOUR_MS
    world.run(3_600)
    assert world.worst_ms <= LATE_MS
    assert len(world.made) >= 360


def test_rounds_that_are_stored_ahead_hold_all_others_and_that_is_said_every_minute() -> None:
    world = World(last_round_s=(1_700_000_000 + 7_200) // 10 * 10)
    world.run(600)
    assert world.made == []
    said = [at for at, reason in world.reported if reason is HoldReason.FUTURE_ROUNDS]
    assert len(said) == 10
    assert {b - a for a, b in pairwise(said)} == {60_000}


def test_a_machine_that_is_behind_by_an_hour_at_a_restart_makes_no_second_round_of_a_time() -> None:
    world = World()
    world.run(600)
    last_s = world.last_round_s
    world.wall_ahead_ms = -HOUR_MS
    world.start()
    world.run(600)
    assert world.last_round_s == last_s
    world.wall_ahead_ms = 0
    world.run(120)
    assert world.last_round_s > last_s + 600
    assert world.worst_ms <= FAR_MS


def test_a_correction_that_others_confirm_is_followed_either_way() -> None:
    """The control: a clock that follows nothing would hold for ever."""
    for by_ms in (-HOUR_MS, -10_000, 10_000, HOUR_MS):
        world = World(wall_ahead_ms=by_ms)
        world.run(30)
        world.wall_ahead_ms = 0
        world.run(100)
        assert world.made, by_ms
        assert abs(world.clock.now_ms() - world.true_ms) <= WARN_MS


def test_a_machine_that_slept_goes_on_with_the_time_that_others_say() -> None:
    """The monotonic clock stood while it slept: the machine's clock is right at once, and is followed once that is said."""
    world = World()
    world.run(60)
    world.booted_ms += 3 * HOUR_MS  # the monotonic clock lost three hours
    world.true_ms += 3 * HOUR_MS
    world.run(60)
    assert abs(world.clock.now_ms() - world.true_ms) <= WARN_MS
    assert world.worst_ms <= FAR_MS
    assert world.made[-1][0] > world.true_ms - 20_000


@pytest.mark.parametrize("names", [("kraken",), ("kraken", "coinbase")])
def test_a_machine_that_slept_believes_its_own_clock_and_the_few_that_state_a_time(names: tuple[str, ...]) -> None:
    """Our time has a vote, the machine's clock too: one venue is enough, and nothing is let through before it stated one."""
    for lies_ms in ((), (-2 * HOUR_MS,)):
        world = World(names=names, lies_ms=lies_ms)
        world.run(59)
        world.true_ms += 500
        world.speak()  # after the last reading: it was true when it was stated
        world.booted_ms += 3 * HOUR_MS
        world.true_ms += 3 * HOUR_MS
        world.names, world.lies_ms = (), ()  # the round of this tick comes before anybody has spoken
        before = len(world.made)
        world.run(1)
        assert (len(world.made), world.held[-1][1]) == (before, HoldReason.CLOCK_SET)
        world.names, world.lies_ms = names, lies_ms
        world.run(60)
        assert abs(world.clock.now_ms() - world.true_ms) <= WARN_MS
        assert world.worst_ms <= FAR_MS


@pytest.mark.parametrize("flaps_ms", [2 * HOUR_MS, -HOUR_MS, 5_000])
@pytest.mark.parametrize("interval_s", [1, 2, 10])
def test_a_clock_that_flaps_every_second_costs_one_round_while_venues_confirm_our_time(
    flaps_ms: int, interval_s: int
) -> None:
    world = World(interval_s=interval_s)
    world.run(10)
    world.flaps_ms = flaps_ms
    before = len(world.made)
    world.run(120)
    assert len(world.made) - before >= 120 // interval_s - 1
    assert world.worst_ms <= FAR_MS
    world.venues = False
    world.run(20)
    assert world.held[-1][1] is HoldReason.CLOCK_SET, "the control: nobody confirms it"


@pytest.mark.parametrize("lie_ms", [-2 * HOUR_MS, 2 * HOUR_MS, -8 * DAY_MS, 5_000, -5_000])
def test_one_of_two_venues_that_states_another_time_stops_nothing_either_way(lie_ms: int) -> None:
    """A proxy with an old Date is one, too. Two that agree are a majority: the control."""
    world = World(names=("kraken",), lies_ms=(lie_ms,))
    world.run(300)
    assert (len(world.made), world.held) == (30, [])
    assert world.worst_ms <= FAR_MS
    world.names = ()
    world.run(120)
    assert len(world.made) == 42, "it alone is no majority against a time that was confirmed"
    world.lies_ms = (lie_ms, lie_ms)
    world.run(60)
    assert world.held[-1][1] is HoldReason.CLOCK_OFF
    world.lies_ms = (lie_ms,)
    before = len(world.made)
    world.run(120)
    assert len(world.made) == before, "our time has lost its vote"
    world.names = ("kraken",)
    world.run(120)
    assert world.made[-1][0] > world.true_ms - 20_000


def test_a_time_that_was_never_confirmed_has_no_vote() -> None:
    world = World(wall_ahead_ms=2 * HOUR_MS, names=("kraken",))
    world.run(120)
    assert world.reasons() == {HoldReason.CLOCK_OFF}
    world = World(wall_ahead_ms=HOUR_MS, names=("kraken",), lies_ms=(2 * HOUR_MS,))
    world.run(120)
    assert world.made == [], "one says ahead and one behind: nobody confirms it"


def test_a_start_waits_until_two_slots_without_a_block_are_over() -> None:
    """The first head that comes says nothing; the second does, 36 s later."""
    world = World(wall_ahead_ms=2 * HOUR_MS, venues=False)
    for second in range(60):
        world.run(1)
        if second in {0, 36, 48}:
            world.clock.watch.block("ethereum", world.true_ms, world.clock.now_ms())
    assert world.made == []
    assert world.reasons() == {HoldReason.CLOCK_UNCONFIRMED, HoldReason.CLOCK_OFF}


def test_small_steps_are_followed_but_do_not_add_up_to_a_large_one() -> None:
    world = World(venues=False)
    for _ in range(100):
        world.run(1)
        world.wall_ahead_ms += 900
    assert abs(world.clock.now_ms() - world.true_ms) <= WARN_MS
    world = World()
    world.run(60)
    world.wall_ahead_ms = 400
    world.run(5)
    assert world.clock.now_ms() - world.true_ms == 400
    assert {reason for _, reason in world.held} <= {HoldReason.CLOCK_UNCONFIRMED}


def test_one_old_first_head_counts_for_nothing_and_a_chain_that_moves_bounds_our_time() -> None:
    """A chain that makes blocks on demand stands at an old time; one that makes them bounds our time from above."""
    now = 1_700_000_000_000
    clock = Clock(lambda: now, lambda: 0)
    clock.watch.block("local", now - HOUR_MS, now)
    assert (clock.heard(), clock.fault_ms()) == (False, 0)
    clock.watch.block("local", now - HOUR_MS + BLOCK_MS, now)
    assert clock.fault_ms() == -HOUR_MS + BLOCK_MS + BLOCK_LATE_MS
    assert not clock.may_sign()


def test_statements_stay_true_when_our_time_is_set_and_are_forgotten_in_time() -> None:
    """Two of three fall silent just before: neither holds our time to what it was."""
    world = World(wall_ahead_ms=2 * HOUR_MS)
    world.run(10)
    world.wall_ahead_ms, world.venues = 0, False
    world.run(1)
    assert abs(world.clock.now_ms() - world.true_ms) <= WARN_MS
    assert abs(world.clock.offset_ms()) <= WARN_MS
    assert world.clock.may_sign()
    world.run(61)
    assert not world.clock.heard()


def test_rounds_that_all_fail_are_reported_too() -> None:
    holds = HoldReporter(10, 0)
    assert holds.due(30_000) is None
    first = holds.due(30_001)
    assert first is not None
    assert first.reason is HoldReason.FAILED
    assert holds.due(90_000) is None
    assert holds.due(90_001) is not None
    holds.round_made(100_000)
    assert holds.due(120_000) is None


SECONDS = st.integers(1, 90)
STEPS = st.sampled_from([0, 0, 0, *GLITCHES, 700, -700, 2_500, 20 * DAY_MS])
SETS = st.builds(lambda v: {"wall_ahead_ms": v}, STEPS)
VENUES = st.builds(lambda v: {"venues": v}, st.booleans())
BLOCKS = st.builds(lambda v: {"blocks": v}, st.booleans())
Events = Sequence[tuple[int, Mapping[str, int | bool]]]


def obeys(events: Events, interval_s: int, first_ms: int, seed: int, far_ms: int) -> None:
    """Whoever starts while somebody states the time, and whatever is done to the clock and to them from then on."""
    world = World(interval_s=interval_s, wall_ahead_ms=first_ms, seed=seed)
    world.run(2)
    played(world, events)
    assert world.worst_ms <= far_ms
    world.wall_ahead_ms, world.venues = 0, True
    world.run(61 + 3 * interval_s)  # what was said before is forgotten after a minute
    before = len(world.made)
    world.run(100)
    assert len(world.made) - before >= 100 // interval_s, "no round is missing any more"
    assert world.worst_ms <= far_ms


@given(
    st.lists(st.tuples(SECONDS, SETS | VENUES), max_size=25), st.sampled_from([1, 5, 10, 60]), STEPS, st.integers(0, 99)
)
def test_law_no_round_is_far_from_the_true_time_and_rounds_go_on(
    events: Events, interval_s: int, first_ms: int, seed: int
) -> None:
    obeys(events, interval_s, first_ms, seed, FAR_MS)


@given(
    st.lists(st.tuples(SECONDS, SETS | VENUES | BLOCKS), max_size=25),
    st.sampled_from([1, 10]),
    STEPS,
    st.integers(0, 99),
)
def test_law_while_only_blocks_tell_the_time_no_round_is_further_off_than_they_can_tell(
    events: Events, interval_s: int, first_ms: int, seed: int
) -> None:
    obeys(events, interval_s, first_ms, seed, BLOCK_LATE_MS + FAR_MS)


@given(
    st.lists(st.tuples(SECONDS, SETS), max_size=25),
    st.sampled_from([1, 10]),
    st.sampled_from(GLITCHES),
    st.integers(0, 99),
)
def test_law_one_liar_beside_one_honest_venue_stops_nothing_and_moves_nothing(
    events: Events, interval_s: int, lie_ms: int, seed: int
) -> None:
    """Also where the machine's clock is set to what the liar states."""
    world = World(interval_s=interval_s, names=("kraken",), lies_ms=(lie_ms,), seed=seed)
    world.run(2)
    played(world, events)
    lasted_s = (world.true_ms - world.booted_ms) // 1_000
    assert len(world.made) >= lasted_s // interval_s - 1 - len(events), "a tick for each time that the clock was set"
    assert world.worst_ms <= FAR_MS


def test_what_comes_again_after_a_period_does_not_wait_for_a_time_that_was_set_back() -> None:
    assert not is_over(1_000, 500, 1_499)
    assert is_over(1_000, 500, 1_500)
    assert is_over(7_200_000, 500, 1_000)


class Naive(Clock):
    """What the process went by before: the machine's clock."""

    def now_ms(self) -> int:
        return self._wall_ms()


def test_control_the_machines_own_clock_breaks_the_law() -> None:
    world = World()
    world.run(60)
    naive = Naive(lambda: world.true_ms + world.wall_ahead_ms, lambda: world.true_ms)
    world.wall_ahead_ms = 2 * HOUR_MS
    assert naive.now_ms() - world.true_ms > FAR_MS
    assert world.clock.now_ms() - world.true_ms <= FAR_MS
