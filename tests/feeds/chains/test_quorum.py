"""The one vote over endpoints: what enough of them give is believed, a liar is outvoted, an error is not a vote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.chains.quorum import AgreedAnswer, Disagreement, highest_reached, quorum_of, vote
from feeds.errors import FeedError, TimedOut, Unreachable

ERROR = TimedOut("no answer")
ANSWERS = st.lists(st.sampled_from(["a", "b", "c", None, ERROR]), max_size=7)


def by_endpoint(*answers: str | FeedError | None) -> dict[int, str | FeedError | None]:
    return dict(enumerate(answers))


def test_the_default_is_a_majority_of_three_or_more_and_never_more_than_there_are() -> None:
    assert [quorum_of(0, n) for n in (1, 2, 3, 4, 5)] == [1, 1, 2, 3, 3]
    assert [quorum_of(2, n) for n in (1, 2, 3, 4, 5)] == [1, 2, 2, 2, 2]
    assert quorum_of(5, 3) == 3


def test_a_liar_is_outvoted_and_named() -> None:
    assert vote(by_endpoint("a", "b", "a"), 2) == AgreedAnswer(value="a", votes=2, outvoted=(1,))


def test_two_that_differ_are_a_disagreement() -> None:
    assert vote(by_endpoint("a", "b", ERROR), 2) == Disagreement(agree=2, votes=(1, 1), errors=(ERROR,))


def test_nothing_there_is_an_answer_and_an_error_is_none() -> None:
    assert vote(by_endpoint(None, None, "a"), 2) == AgreedAnswer(value=None, votes=2, outvoted=(2,))
    other = Unreachable("lost")
    assert vote(by_endpoint(ERROR, other), 1) == Disagreement(agree=1, votes=(), errors=(ERROR, other))


@pytest.mark.parametrize(("answers", "value"), [("ab", "a"), ("baab", "b"), ("abb", "b")])
def test_of_two_values_the_more_frequent_counts_then_the_first(answers: str, value: str) -> None:
    result = vote(by_endpoint(*answers), 1)
    assert isinstance(result, AgreedAnswer)
    assert result.value == value


@given(ANSWERS, st.integers(1, 4))
def test_what_is_believed_was_given_by_enough_and_by_no_fewer_than_any_other(
    answers: list[str | FeedError | None], agree: int
) -> None:
    counts = {a: answers.count(a) for a in answers if not isinstance(a, FeedError)}
    result = vote(by_endpoint(*answers), agree)
    if isinstance(result, AgreedAnswer):
        assert result.votes == counts[result.value] == max(counts.values()) >= agree
        assert {answers[place] for place in result.outvoted} == counts.keys() - {result.value}
    else:
        assert max(counts.values(), default=0) == result.most < agree
        assert len(result.errors) == sum(isinstance(a, FeedError) for a in answers)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=7), st.lists(st.integers(0, 10**9), max_size=3))
def test_fewer_liars_than_must_agree_cannot_raise_a_height(honest: list[int], lies: list[int]) -> None:
    agree = len(lies) + 1
    reached = highest_reached([*honest, *lies], agree)
    assert reached is None or reached <= max(honest)
    assert (reached is None) == (len(honest) + len(lies) < agree)
