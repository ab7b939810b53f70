"""Who signed is who signed what was sealed: a signature over something else binds its key and weighs nothing here."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from oracle.agree.messages import Certificate, Commit
from oracle.agree.outcome import Arrivals, RoundOutcome, outcome_of
from oracle.agree.state import Instance
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
