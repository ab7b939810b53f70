"""Invariants of docs/invariants.md about the agreement, each under its name there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.agree.content import content_of
from oracle.agree.instance import begin, hear, hear_values
from oracle.agree.messages import Certificate, Commit, Heard, SealedRound
from oracle.agree.outcome import Arrivals, outcome_of
from oracle.agree.state import Instance, OwnView, SignCommit
from oracle.agree.verify import check_sealed
from oracle.report.wire import split_items
from oracle.sign.verified_values import VerifiedValues
from tests.oracle.agree.agree_world import Members, signed_commit, terms_of, view_of
from tests.oracle.agree.schedule import (
    FEEDS,
    Schedule,
    address,
    schedule_of,
    terms_of_schedule,
    values_of_member,
    view_of_member,
)
from tests.oracle.agree.schedule_laws import broken_laws, due_of
from tests.oracle.agree.schedule_run import Run, sealed_of
from tests.oracle.agree.search import Search

_DOC = Path(__file__).parents[3] / "docs" / "invariants.md"
_SIZES = {4: 3, 5: 4, 7: 5}
_NOBODY: frozenset[int] = frozenset()


def calm(size: int, liars: Mapping[int, str], seed: int = 0) -> Schedule:
    """A round in which the network delivers and all but the liars are well."""
    nobody = (_NOBODY,) * size
    return Schedule(
        seed=seed, weights=(1,) * size, threshold=_SIZES[size], liars=liars, blind=nobody, parted=nobody, halted=nobody,
        speaks_ms=tuple(40 + 20 * n for n in range(size)), skews_ms=tuple((-1) ** n * 10 for n in range(size)),
    )  # fmt: skip


def attempts(schedule: Schedule) -> int:
    """How many it took until all honest members had sealed. No law may be broken on the way."""
    run = Run(schedule).run()
    assert run.faults == []
    sealed = sealed_of(run)
    assert len(sealed) == len(run.honest())
    return max(s.attempt for s in sealed)


def all_attempts(strategy: str, place: int) -> set[int]:
    """With a member at that place in the order of leaders that has this way, over sizes and seeds."""
    return {attempts(calm(size, {place: strategy}, seed)) for size in _SIZES for seed in range(12)}


def feeds_of(schedule: Schedule) -> set[int]:
    """Feeds that are sealed; in the first attempt."""
    run = Run(schedule).run()
    assert run.faults == []
    assert {s.attempt for s in sealed_of(run)} == {1}
    return {feed for s in sealed_of(run) for feed in split_items(s.content.items)}


def drawn(first: int, count: int) -> Iterator[tuple[Schedule, Run]]:
    """Runs of drawn schedules."""
    for seed in range(first, first + count):
        schedule = schedule_of(seed)
        yield schedule, Run(schedule).run()


# --- safety --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("liar", [0, 1, 3])
def test_no_two_sealed_rounds_of_one_store_and_round_time(liar: int) -> None:
    """Whatever is lost, late or said by one of four; what the search leaves to the long form, schedules draw from."""
    assert Search(liar, most=6_000).run().found == []
    for _, run in drawn(2_000_000 + liar * 1_000, 25):
        assert len({s.content.hash() for s in sealed_of(run)}) <= 1


def test_no_two_batches_with_different_items_of_one_feed_and_round() -> None:
    for seed in range(2_010_000, 2_010_060):
        schedule = replace(schedule_of(seed), bad_until_ms=2_500, loss=30, late_ms=900)
        assert [b for b in broken_laws(schedule) if b.startswith("no_two_batches")] == []


def honest_member_bound_by(items_of: int) -> tuple[Instance, list[Certificate]]:
    """Member 3 after a certificate of step 0, and certificates of step 2: with other items, with the same, with less of them."""
    schedule = calm(4, {})
    terms = terms_of_schedule(schedule)
    state = begin(terms, address(3), view_of_member(schedule, 3))
    certificates: list[Certificate] = []
    for variant in (items_of, 1 - items_of):
        values = [
            values_of_member(terms, n, view_of_member(schedule, n).reports, variant=variant * 3) for n in range(4)
        ]
        for v in values:
            state, _ = hear_values(state, v, 0)
        certificates.append(certificate_of(state, values))
    return state, certificates


def certificate_of(state: Instance, values: Sequence[VerifiedValues]) -> Certificate:
    """A certificate of a content of these values; its readies were looked at where it came in."""
    content = content_of(state.terms, values)
    assert content is not None
    return Certificate(0, content, ())


def test_no_honest_key_with_two_items() -> None:
    state, (first, other) = honest_member_bound_by(0)
    state, effects = hear(state, Heard(Commit(address(0), first, b"")), 10)
    assert [e for e in effects if isinstance(e, SignCommit)] == [SignCommit(first)]
    for step, certificate, signs in ((2, other, False), (4, first, True)):
        later = Certificate(step, certificate.content, ())
        state, effects = hear(state, Heard(Commit(address(0), later, b"")), 20)
        assert any(isinstance(e, SignCommit) for e in effects) is signs
    again = replace(begin(state.terms, address(3), state.view), values=state.values)
    again, _ = hear(again, Heard(Commit(address(3), first, b"")), 5)
    _, effects = hear(again, Heard(Commit(address(0), Certificate(2, other.content, ()), b"")), 20)
    assert not [e for e in effects if isinstance(e, SignCommit)], "its own word binds it, wherever it was said"
    restarted = begin(state.terms, address(3), OwnView(reports={}, signed=dict(state.bound)))
    _, effects = hear(restarted, Heard(Commit(address(0), other, b"")), 30)
    assert not [e for e in effects if isinstance(e, SignCommit)]


def test_signatures_of_different_steps_are_never_counted_together() -> None:
    """Not in what is sealed, and not among those that came later: what a signature is over names its step."""
    members = Members(
        terms_of(), [view_of("1.01", "1.02")] * 4, reaches=lambda _f, _t, said: not isinstance(said, Commit)
    )
    members.start()
    certificate = members.states[3].certificate
    assert certificate is not None
    state = replace(members.states[3], commits={}, view=OwnView(may_speak=False))
    for step, signers, is_sealed in ((0, (0, 1), False), (2, (1, 2), False), (2, (3,), True), (0, (2, 0), True)):
        effect = SignCommit(Certificate(step, certificate.content, certificate.readies))
        for n in signers:
            state, _ = hear(state, Heard(signed_commit(members.terms, n, effect)), 10)
        assert (state.sealed is not None) is is_sealed, (step, signers)
    sealed = outcome_of(state, Arrivals(), {}, sealed_ms=10).sealed
    assert sealed is not None
    check_sealed(members.terms, sealed)
    assert sealed.step == 2
    assert len(sealed.signatures) == 3


def test_no_honest_member_is_accused() -> None:
    for _, run in drawn(2_020_000, 60):
        assert run.faults == []


# --- liveness ------------------------------------------------------------------------------------------------------------


def test_a_round_seals_within_f_plus_1_attempts_when_weight_t_is_honest_and_connected() -> None:
    """Also with blind, parted and halted members, and faulty ones that lead first."""
    counted: set[int] = set()
    for schedule, run in drawn(2_030_000, 120):
        if schedule.bad_until_ms or due_of(schedule) is None or schedule.delay_ms[1] > 70 or schedule.skew_ms > 80:
            continue
        sealed = sealed_of(run)
        assert len(sealed) == len(run.honest()), schedule
        assert max(s.attempt for s in sealed) <= len(schedule.faulty) + 1, schedule
        counted |= {s.attempt for s in sealed}
    assert {1, 2, 3} <= counted


def test_a_round_seals_before_the_interval_ends_for_f_up_to_w_minus_t() -> None:
    """Whenever the network heals, as long as an attempt of an honest leader is left."""
    healed = 0
    for seed in range(2_040_000, 2_040_080):
        schedule = replace(schedule_of(seed), bad_until_ms=1_000 + seed % 4 * 1_000, loss=50)
        assert [b for b in broken_laws(schedule) if b.startswith("a round seals")] == []
        healed += due_of(schedule) is not None
    assert healed > 40


def test_a_leader_that_splits_costs_one_attempt() -> None:
    assert all_attempts("splits", 0) <= {1, 2}


def test_a_leader_that_omits_costs_one_attempt() -> None:
    assert all_attempts("omits", 0) <= {1, 2}


def test_a_leader_that_invents_costs_one_attempt() -> None:
    assert all_attempts("invents", 0) == {2}


def test_a_leader_that_replays_costs_one_attempt() -> None:
    assert all_attempts("replays", 0) <= {1, 2}


def test_a_leader_that_floods_costs_one_attempt() -> None:
    assert all_attempts("floods", 0) <= {1, 2}


def test_a_leader_that_is_silent_costs_one_attempt() -> None:
    assert all_attempts("silent", 0) == {2}


def test_a_leader_that_does_not_hand_over_its_own_values_costs_one_attempt() -> None:
    """Though the next one proposes with them."""
    assert all_attempts("hides_values", 0) | all_attempts("twins", 0) <= {1, 2}


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_member_that_delivers_its_values_to_all_but_the_leader_costs_none(place: int) -> None:
    assert all_attempts("hides_values", place) == {1}


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_member_with_two_values_costs_none(place: int) -> None:
    """Nor one with four."""
    assert all_attempts("twins", place) == {1}


@pytest.mark.parametrize("way", ["refuses", "flips", "silent", "late", "picks", "floods", "bare"])
def test_a_member_that_does_not_lead_costs_no_attempt(way: str) -> None:
    assert all_attempts(way, 2) == {1}


@pytest.mark.parametrize("blind", [1, 3, 5])
def test_a_member_that_vouches_before_some_and_refuses_before_others_costs_no_attempt(blind: int) -> None:
    """So some have a certificate and the others go on to the second step without it; also where words take as long as they may."""
    blinds = tuple(frozenset({1}) if n == blind else _NOBODY for n in range(7))
    for seed in range(40):
        first = replace(calm(7, {6: "two_faced"}, seed), blind=blinds, delay_ms=(60, 70))
        assert attempts(replace(first, liars={0: "silent", 6: "two_faced"})) == 2
        assert attempts(replace(first, liars={6: "two_faced", 2: "silent"})) == 1


def test_nobody_is_pulled_into_a_second_step_before_it_was_ready_in_the_first() -> None:
    """A liar refuses everything at once where another refuses one feed: what the rest vouch for still counts."""
    for seed in range(125_930, 125_945):
        parted = (_NOBODY, frozenset({3}), _NOBODY, _NOBODY, _NOBODY)
        schedule = replace(
            calm(5, {2: "silent", 3: "refuses"}, seed), weights=(3, 3, 1, 2, 2), threshold=8, parted=parted
        )
        assert feeds_of(replace(schedule, delay_ms=(0, 20))) == {0, 1, 2}


def test_no_member_decides_twice_which_feeds_are_left_out() -> None:
    """One is blind on two feeds; a liar refuses one of them first and then the other: only feeds that too few vouched for go."""
    for size in _SIZES:
        blind = tuple(frozenset({1, 2}) if n == 1 else _NOBODY for n in range(size))
        schedule = replace(calm(size, {2: "flips"}), blind=blind)
        parted = tuple(frozenset({1}) if n >= size // 2 else _NOBODY for n in range(size))
        assert feeds_of(replace(schedule, parted=parted)) >= {0, 3}


# --- feeds ---------------------------------------------------------------------------------------------------------------


def test_one_feed_on_which_members_part_never_takes_the_others_down() -> None:
    """Halted for two of five; parted; everybody blind on another one; one that refuses all."""
    five = calm(5, {})
    halted = replace(five, halted=(frozenset({1}), frozenset({1}), _NOBODY, _NOBODY, _NOBODY))
    assert feeds_of(halted) == {0, 2, 3}
    parted = replace(five, parted=(frozenset({1}), frozenset({1}), _NOBODY, _NOBODY, _NOBODY))
    assert feeds_of(parted) == {0, 2, 3}
    each_blind = replace(five, blind=(_NOBODY, *(frozenset({n % 3 + 1}) for n in range(4))))
    assert feeds_of(each_blind) >= {0, 2, 3}
    assert feeds_of(calm(5, {4: "refuses"})) == set(range(FEEDS))
    blind_too = replace(calm(5, {4: "refuses"}), blind=(*(_NOBODY,) * 3, frozenset({2}), _NOBODY))
    assert feeds_of(blind_too) >= {0, 1, 3}


def test_four_that_are_each_blind_on_another_feed_seal_all() -> None:
    four = replace(calm(4, {}), blind=(_NOBODY, *(frozenset({n}) for n in (1, 2, 3))))
    assert feeds_of(four) == set(range(FEEDS))


def test_a_restarted_member_only_listens() -> None:
    """Its words of before count, it says nothing new, and it learns what was sealed."""
    schedule = replace(calm(4, {}), crashed=((3, 45, 60),), speaks_ms=(40, 40, 40, 40))
    run = Run(schedule).run()
    assert run.faults == []
    sealed: SealedRound | None = run.states[3].sealed
    assert sealed is not None
    assert not run.states[3].signed


@pytest.mark.parametrize("seed", [1_064_745, 1_066_589, 1_069_120])
def test_what_is_certified_is_refused_by_liars_only(seed: int) -> None:
    """A liar refuses feeds of a proposal that carries a certificate: nobody goes to the second step for that."""
    assert broken_laws(schedule_of(seed)) == []


def test_every_invariant_of_the_agreement_has_its_test() -> None:
    section = _DOC.read_text(encoding="utf-8").split("## Of the agreement")[1].split("\n## ")[0]
    listed = re.findall(r"^- `(\w+)`", section, re.MULTILINE)
    own = Path(__file__).read_text(encoding="utf-8")
    assert len(listed) == len(set(listed)) >= 15
    assert [name for name in listed if f"def test_{name}(" not in own] == []
