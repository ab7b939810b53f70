"""Laws of the window: a number counts once, in any order within it, beside a model that remembers all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oracle.network.mesh.replay_window import RUN_BITS, ReplayWindow, ReplayWindows

SIZE = 16
numbers = st.lists(st.one_of(st.integers(0, 60), st.integers(0, (1 << 64) - 1)), max_size=100)


@given(numbers)
def test_law_as_a_model_that_remembers_everything(sent: list[int]) -> None:
    window, seen, highest = ReplayWindow(SIZE), set[int](), -1
    for number in sent:
        expected = number not in seen and (number > highest or highest - number < SIZE)
        assert window.has(number) is not expected
        assert window.is_new(number) is expected
        seen.add(number)
        highest = max(highest, number)


@given(numbers)
def test_law_nothing_counts_twice(sent: list[int]) -> None:
    window = ReplayWindow(SIZE)
    taken = [n for n in [*sent, *sent] if window.is_new(n)]
    assert len(taken) == len(set(taken))


def test_law_a_run_that_began_anew_is_heard_whatever_its_number() -> None:
    windows = ReplayWindows()
    for run in (9, 3, 7):
        assert all(windows.is_new(run << RUN_BITS | n) for n in range(50))
    for run in (9, 3, 7):
        assert all(windows.has(run << RUN_BITS | n) for n in range(50))
        assert not windows.is_new(run << RUN_BITS)
        assert not windows.has(run << RUN_BITS | 50)


def test_runs_that_are_remembered_are_bounded() -> None:
    windows = ReplayWindows(most=2)
    for run in (1, 2, 1, 3):
        windows.is_new(run << RUN_BITS | run)
    assert windows.has(1 << RUN_BITS | 1)
    assert not windows.has(2 << RUN_BITS | 2), "the run that was silent for longest gave way"


def test_asking_is_not_taking() -> None:
    window = ReplayWindow(SIZE)
    assert not window.has(5)
    assert not window.has(5)
    assert window.is_new(5)
