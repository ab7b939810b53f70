"""Who signed is who signed what was sealed: a signature over something else binds its key and weighs nothing here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from oracle.agree.content import content_of
from oracle.agree.messages import Certificate, Commit, Content
from oracle.agree.outcome import Arrivals, RoundOutcome, outcome_of
from oracle.agree.state import Instance
from oracle.agree.verify import check_sealed
from oracle.model.publication import Absent
from oracle.round.records import seal_of
from tests.oracle.agree.agree_world import INDEXES, Members, terms_of, view_of
from tests.oracle.oracle_build import spec

LAST = 3


def sealed_by_three() -> Instance:
    """The last of four dies before it signs."""
    members = Members(terms_of(), [view_of("1.05", "1.06", "2000")] * 4, reaches=lambda n, _, said: n != LAST or not isinstance(said, Commit))  # fmt: skip
    members.start()
    members.pass_time(2_000)
    state = members.states[0]
    assert state.sealed is not None
    assert len(state.sealed.signatures) == LAST
    return state


def with_lone_commit(state: Instance) -> tuple[Instance, Arrivals]:
    """It signed in an earlier attempt, of which nothing came; the others sealed without it."""
    assert state.sealed is not None
    content = state.sealed.content
    sealed = msgspec.structs.replace(state.sealed, step=2)
    lone = Commit(tuple(state.terms.members)[LAST], Certificate(0, content, ()), bytes(64))
    arrivals = Arrivals()
    heard = {**next(iter(state.commits.values())), lone.address: lone}
    for commit in heard.values():
        arrivals.note(commit, 700)
    commits = {(2, content.hash()): dict(next(iter(state.commits.values()))), (0, content.hash()): {lone.address: lone}}
    return replace(state, sealed=sealed, commits=commits), arrivals


def outcome(*, lone: bool) -> RoundOutcome:
    state = sealed_by_three()
    state, arrivals = with_lone_commit(state) if lone else (state, Arrivals())
    return outcome_of(state, arrivals, {}, sealed_ms=700)


@pytest.mark.parametrize("lone", [False, True])
def test_a_signature_over_another_attempt_s_content_is_not_one_of_this_seal(lone: bool) -> None:
    done = outcome(lone=lone)
    last = done.members[LAST]
    assert done.sealed is not None
    assert {m.address for m in done.members if m.signed_ms is not None} == set(done.sealed.addresses)
    assert last.signed_ms is None
    assert last.why == (
        "it signed what attempt 1 proposed, which is not what was sealed"
        if lone
        else "it was ready, its signature is missing"
    )
    feed = next(iter(INDEXES))
    seal = seal_of(done, spec(feed=feed))
    assert seal is not None
    assert (seal.weight, seal.missing) == (3, (Absent(operator=last.name, why=last.why),))


def told_by_a_liar(change: Callable[[Content], Content]) -> RoundOutcome:
    """One that has all values and readies hears that the round is sealed from one that says something else of its values."""
    state = sealed_by_three()
    assert state.sealed is not None
    told = msgspec.structs.replace(state.sealed, content=change(state.sealed.content))
    check_sealed(state.terms, told)
    return outcome_of(replace(state, sealed=told), Arrivals(), {}, sealed_ms=700)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c,
        lambda c: msgspec.structs.replace(c, values=c.values[:1]),
        lambda c: msgspec.structs.replace(c, values=c.values[:3]),
        lambda c: msgspec.structs.replace(c, values=()),
    ],
)
def test_what_a_sealed_round_s_sender_says_of_its_values_counts_if_they_give_it(
    change: Callable[[Content], Content],
) -> None:
    """The signatures are over items and step. Values that give other items, if any, are not stored as its own."""
    done = told_by_a_liar(change)
    assert done.sealed is not None
    assert done.sealed.addresses == tuple(sorted(done.sealed.addresses))
    honest = done.sealed.content == sealed_by_three().sealed.content  # type: ignore[union-attr]
    if honest:
        assert len(done.used_values) == len(done.sealed.content.values)
    else:
        assert not done.used_values or content_of(done.terms, done.used_values) == done.sealed.content


def test_signatures_that_come_late_count_whatever_was_said_of_the_values() -> None:
    state = sealed_by_three()
    assert state.sealed is not None
    first, *_ = state.sealed.signatures
    told = msgspec.structs.replace(state.sealed, content=msgspec.structs.replace(state.sealed.content, values=()))
    done = outcome_of(replace(state, sealed=told), Arrivals(), {}, sealed_ms=700)
    assert done.sealed is not None
    assert first in done.sealed.signatures
    assert len(done.sealed.signatures) == LAST
    one = msgspec.structs.replace(told, signatures=(first,))
    assert outcome_of(replace(state, sealed=one), Arrivals(), {}, sealed_ms=700).sealed == done.sealed
