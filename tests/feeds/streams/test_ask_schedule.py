"""When a symbol is asked for again: the pauses after refusals, what ends them, and a clock that is set back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feeds.streams.ask_schedule import AskSchedule

T0 = 1_700_000_000_000


def pause_ms(schedule: AskSchedule, symbol: str, since_ms: int) -> int:
    """How long a symbol is left out, to the ms; it is due at once after the pause."""
    low, high = 0, 3_600_000
    while low < high:
        middle = (low + high) // 2
        if schedule.due([symbol], since_ms + middle):
            high = middle
        else:
            low = middle + 1
    return low


def test_each_refusal_doubles_the_pause_up_to_ten_minutes_and_an_answer_ends_it() -> None:
    schedule, now_ms, pauses = AskSchedule(["bad", "good"]), T0, []
    for _ in range(9):
        schedule.sent(["bad"], now_ms)
        assert not schedule.due(["bad"], now_ms + 3_600_000), "its answer is waited for"
        schedule.refused("bad", now_ms)
        assert schedule.apart("bad")
        pauses.append(pause_ms(schedule, "bad", now_ms))
        now_ms += pauses[-1]
    assert pauses == [10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000, 600_000]
    assert (schedule.due(["good"], T0), schedule.apart("good")) == (["good"], False), "a neighbour pays nothing"
    schedule.accepted("bad")
    assert (pause_ms(schedule, "bad", now_ms), schedule.apart("bad")) == (0, False)
    schedule.refused("bad", now_ms)
    assert pause_ms(schedule, "bad", now_ms) == 10_000, "it begins anew"


def test_a_request_that_was_lost_ends_the_wait_and_no_pause() -> None:
    schedule = AskSchedule(["a"])
    schedule.refused("a", T0)
    schedule.answered("a")
    assert pause_ms(schedule, "a", T0) == 10_000
    assert schedule.apart("a")


@given(back_ms=st.integers(600_000, 10**12))
def test_a_clock_that_was_set_back_holds_nothing_off_for_longer_than_the_longest_pause(back_ms: int) -> None:
    schedule = AskSchedule(["a"])
    schedule.refused("a", T0)
    assert schedule.due(["a"], T0 + 10_000 - back_ms - 1) == ["a"]


def test_the_longest_unasked_is_first() -> None:
    schedule = AskSchedule(["a", "b", "c"])
    for symbol, at_ms in (("c", T0), ("a", T0 + 1)):
        schedule.sent([symbol], at_ms)
        schedule.answered(symbol)
    assert schedule.due(["a", "b", "c"], T0 + 2) == ["b", "c", "a"]
