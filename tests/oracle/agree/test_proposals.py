"""What a leader must propose, and what nobody is ready for: each part of a proposal that does not follow from what was said before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest

from oracle.agree.content import content_of
from oracle.agree.instance import begin, hear, hear_values
from oracle.agree.messages import Advance, Advancing, Certificate, Content, Heard, Propose, Ready
from oracle.agree.proposals import Lacking, Wrong, judge_proposal, proposal
from oracle.agree.state import Give, Instance
from oracle.sign.verified_values import VerifiedValues
from tests.oracle.agree.schedule import Schedule, address, terms_of_schedule, values_of_member, view_of_member

_NOBODY = (frozenset[int](),) * 4
_CALM = Schedule(seed=0, weights=(1,) * 4, threshold=3, liars={}, blind=_NOBODY, parted=_NOBODY, halted=_NOBODY)
TERMS = terms_of_schedule(_CALM)
VALUES = [values_of_member(TERMS, n, view_of_member(_CALM, n).reports) for n in range(4)]


@cache
def content(*dropped: int, of: int = 4) -> Content:
    made = content_of(TERMS, VALUES[:of], dropped)
    assert made is not None
    return made


def member(n: int, values: Sequence[VerifiedValues] = VALUES) -> Instance:
    """One that has heard these values."""
    state = begin(TERMS, address(n), view_of_member(_CALM, n))
    for v in values:
        state, _ = hear_values(state, v, 0)
    return state


def advances(step: int, *certified: int) -> tuple[Advance, ...]:
    """Of members 0, 1, ...: the step of the certificate that each knows."""
    return tuple(Advance(address(n), step, c, b"" if c < 0 else content().hash()) for n, c in enumerate(certified))


def readies(step: int, *refused: tuple[int, ...], of: Content | None = None) -> tuple[Ready, ...]:
    """Of members 0, 1, ...: the feeds that each refuses."""
    wanted = (of or content()).hash()
    return tuple(Ready(address(n), step, wanted, tuple((i, 2) for i in r)) for n, r in enumerate(refused))


def proposed(step: int, what: Content, *justified: object) -> Propose:
    return Propose(TERMS.leader(step), step, what, *justified)  # type: ignore[arg-type]


NONE = -1
CERTIFIED = Certificate(0, content(), ())
PARTED = readies(0, (), (1,), (1,))
SOUND = {
    "the first one": proposed(0, content()),
    "of values of weight T": proposed(0, content(of=3)),
    "a fresh one": proposed(2, content(of=3), advances(2, NONE, NONE, NONE)),
    "what is certified": proposed(2, content(), advances(2, NONE, 0, NONE), CERTIFIED),
    "what is certified higher": proposed(4, content(), advances(4, NONE, 0, NONE), Certificate(2, content(), ())),
    "what is certified though nobody names it": proposed(2, content(), advances(2, NONE, NONE, NONE), CERTIFIED),
    "without the feed on which members part": proposed(1, content(1), advances(1, NONE, NONE, NONE), None, PARTED),
}
FALSE = {
    "values below weight T": proposed(0, Content(content().values[:2], content().items)),
    "values twice": proposed(0, Content((content().values[0], *content().values[:3]), content().items)),
    "values under another's name": proposed(
        0, Content(tuple(zip((a for a, _ in content().values), (h for _, h in content().values[::-1]), strict=True)), content().items)
    ),
    "other items": proposed(0, Content(content().values, content(1).items)),
    "dropped in a first step": proposed(0, content(1)),
    "dropped in a later first step": proposed(2, content(1), advances(2, NONE, NONE, NONE)),
    "no advances": proposed(2, content()),
    "too few advances": proposed(2, content(), advances(2, NONE, NONE)),
    "advances to another step": proposed(2, content(), advances(4, NONE, NONE, NONE)),
    "a certificate is not shown": proposed(2, content(), advances(2, NONE, 0, NONE)),
    "a lower certificate is shown": proposed(4, content(), advances(4, NONE, 2, NONE), CERTIFIED),
    "another content than the certified": proposed(2, content(of=3), advances(2, NONE, 0, NONE), CERTIFIED),
    "a second step without readies": proposed(1, content(1), advances(1, NONE, NONE, NONE)),
    "a second step from too few readies": proposed(1, content(1), advances(1, NONE, NONE, NONE), None, PARTED[1:]),
    "from readies of another step": proposed(3, content(1), advances(3, NONE, NONE, NONE), None, PARTED),
    "from readies of another proposal": proposed(
        1, content(1), advances(1, NONE, NONE, NONE), None, readies(0, (), (1,), (1,), of=content(of=3))
    ),
    "another feed is dropped": proposed(1, content(2), advances(1, NONE, NONE, NONE), None, PARTED),
    "one more is dropped": proposed(1, content(1, 2), advances(1, NONE, NONE, NONE), None, PARTED),
    "nothing is dropped": proposed(1, content(), advances(1, NONE, NONE, NONE), None, PARTED),
    "dropped though all vouch": proposed(1, content(1), advances(1, NONE, NONE, NONE), None, readies(0, (), (), ())),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_a_member_is_ready_for(name: str) -> None:
    assert isinstance(judge_proposal(member(3), SOUND[name]), tuple)


@pytest.mark.parametrize("name", FALSE)
def test_nobody_is_ready_for(name: str) -> None:
    judged = judge_proposal(member(3), FALSE[name])
    assert isinstance(judged, Wrong)
    assert judged.is_proof


def test_values_that_a_member_lacks_are_asked_for() -> None:
    judged = judge_proposal(member(3, VALUES[:3]), SOUND["the first one"])
    assert judged == Lacking((content().values[3][1],))


def later_leader(*certified: int, shows: Certificate | None = None) -> Instance:
    """Member 1 in step 2, after some have advanced to it."""
    state = member(1)
    for n, c in enumerate(certified):
        said = Advance(address(n), 2, c, b"" if c < 0 else content().hash())
        state, _ = hear(state, Heard(Advancing(said, shows if c >= 0 else None)), 2_000)
    return replace(state, proposed=frozenset())


def test_a_leader_proposes_the_highest_certificate_and_a_fresh_content_only_where_there_is_none() -> None:
    fresh = proposal(later_leader(NONE, NONE, NONE))
    assert fresh is not None
    assert (fresh.content, fresh.certificate) == (content(), None)
    again = proposal(later_leader(NONE, 0, NONE, shows=Certificate(0, content(of=3), ())))
    assert again is not None
    assert (again.content, again.certificate) == (content(of=3), Certificate(0, content(of=3), ()))


def test_a_leader_waits_for_weight_t_and_for_the_certificate_that_was_named() -> None:
    assert proposal(replace(member(1), step=2, advances={2: {a.address: a for a in advances(2, NONE, NONE)}})) is None
    named = {a.address: a for a in advances(2, NONE, 0, NONE)}
    assert proposal(replace(member(1), step=2, advances={2: named})) is None


def refusal(given_ms: int, leader: int, step: int = 2) -> bool:
    """Whether member 3, which handed over its values at that time, refuses what a leader proposes without them."""
    state = replace(member(3), given={(address(3), address(leader)): given_ms})
    said = proposed(step, content(of=3), advances(step, NONE, NONE, NONE))
    return isinstance(judge_proposal(state, said), Wrong)


def test_what_was_handed_over_to_a_leader_in_the_attempt_before_must_be_in_its_proposal() -> None:
    assert refusal(1_400, leader=1)
    assert not refusal(1_600, leader=1), "too late to be sure of it"
    assert not refusal(1_400, leader=2), "to another leader"
    assert not refusal(1_400, leader=2, step=4), "long ago"
    assert refusal(2_400, leader=2, step=4)


def test_values_that_a_leader_lacks_are_handed_to_it_and_to_the_next_one() -> None:
    _, effects = hear(member(3), Heard(proposed(0, content(of=3))), 900)
    assert [e for e in effects if isinstance(e, Give)] == [Give(address(0), VALUES[3]), Give(address(1), VALUES[3])]
