"""What a member of the agreement on a report does and refuses, word by word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.rewards import grounds as grounds_module
from oracle.rewards.roots import voting
from oracle.rewards.roots.book import RootBook
from oracle.rewards.roots.terms import MOST_ATTEMPTS, RootTiming, timing_of_epoch
from oracle.rewards.roots.voting import OwnVotes, SayPropose, SayVote, SignReport, next_word
from oracle.rewards.roots.words import (
    RootProposal,
    RootVotes,
    UnsoundRootWord,
)
from oracle.sign.epoch_words import SignedAttendance
from tests.oracle.rewards.rewards_epoch import ALL_KEYS, EPOCH
from tests.oracle.rewards.roots.roots_world import ATTEMPT_MS, RootsWorld
from tests.oracle.rewards.roots.rules_world import (
    COMMIT,
    FIRST,
    FROZEN,
    NOW_MS,
    ORDER,
    READY,
    SECOND,
    TERMS,
    book_with,
    digest,
    locked_and_tempted,
    others,
    proposal,
    report_of,
    tell,
    votes,
)


def test_a_lock_holds_until_a_later_certificate_is_shown() -> None:
    """`no_two_roots_and_one_within_n_attempts`: who has committed to a report readies no other one that carries no certificate."""
    book, own, member = locked_and_tempted()
    now_ms = ATTEMPT_MS + NOW_MS
    assert next_word(book, FROZEN.keys[member], own, now_ms) is None
    second = report_of(**{f"of{SECOND}": 4})
    certified = votes(READY, second, *others(member), attempt=1)
    later = book_with(proposal(second, 2, certified), now_ms=now_ms + ATTEMPT_MS)
    assert next_word(later, FROZEN.keys[member], own, now_ms + ATTEMPT_MS) == SayVote(READY, 2, digest(second))


def test_without_locks_it_would_ready_another_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voting, "_is_free", lambda _own, _said: True)
    book, own, member = locked_and_tempted()
    assert isinstance(next_word(book, FROZEN.keys[member], own, ATTEMPT_MS + NOW_MS), SayVote)


def test_a_leader_proposes_again_what_the_highest_certificate_is_for() -> None:
    first = report_of(*others(ORDER[3]))
    book = book_with(votes(READY, first, *ORDER[:3], grounds=True), heard=dict.fromkeys(range(4), -1))
    said = next_word(book, FROZEN.keys[SECOND], OwnVotes(), ATTEMPT_MS + NOW_MS)
    assert isinstance(said, SayPropose)
    assert (said.content, said.certificate) == (digest(first), book.certificate)


def test_a_key_that_signed_by_hand_votes_for_nothing_else() -> None:
    """`no_honest_key_with_two_roots`: whatever way it has signed."""
    by_hand = OwnVotes(signed=digest(report_of(**{f"of{FIRST}": 1})))
    report = report_of()
    book = book_with(proposal(report))
    assert next_word(book, FROZEN.keys[SECOND], by_hand, NOW_MS) is None
    book = book_with(votes(READY, report, *range(3), grounds=True))
    assert next_word(book, FROZEN.keys[SECOND], by_hand, NOW_MS) is None
    tell(book, votes(COMMIT, report, *range(3)))
    assert next_word(book, FROZEN.keys[SECOND], by_hand, NOW_MS) is None
    assert next_word(book, FROZEN.keys[SECOND], OwnVotes(), NOW_MS) == SignReport(report)


def test_nothing_is_signed_before_it_is_decided() -> None:
    report = report_of()
    book = book_with(votes(READY, report, *range(3), grounds=True), votes(COMMIT, report, 0, 1))
    said = next_word(book, FROZEN.keys[3], OwnVotes(), NOW_MS)
    assert said == SayVote(COMMIT, 0, digest(report))
    assert next_word(book, FROZEN.keys[3], OwnVotes(votes=((0, COMMIT, digest(report)),)), NOW_MS) is None


@pytest.mark.parametrize("locked", [True, False])
def test_who_hands_a_proposal_on_without_its_certificate_stops_nobody(*, locked: bool) -> None:
    """`a_certificate_that_was_taken_off_comes_back`: the leader's signature does not cover it, and a liar may be faster than the leader."""
    first, late = report_of(*others(ORDER[3])), report_of(**{f"of{SECOND}": 4})
    certified = votes(READY, first, *ORDER[:3])
    whole = proposal(
        first, 2, RootVotes(READY, 1, digest(first), votes(READY, first, *ORDER[:3], attempt=1).signatures)
    )
    now_ms, me = 2 * ATTEMPT_MS + NOW_MS, FROZEN.keys[ORDER[3]]
    own = OwnVotes(votes=((0, COMMIT, digest(late)),)) if locked else OwnVotes()
    wanted = SayVote(READY, 2, digest(first))
    for bare in (proposal(first, 2), proposal(first, 2, certified)):
        book = book_with(bare, now_ms=now_ms, heard={ORDER[3]: -1})
        tell(book, whole, now_ms)
        assert next_word(book, me, own, now_ms) == wanted
        tell(book, bare, now_ms)
        assert next_word(book, me, own, now_ms) == wanted
        assert not book.evidence
    book = book_with(proposal(first, 2), now_ms=now_ms, heard={ORDER[3]: -1})
    with pytest.raises(UnsoundRootWord):
        tell(book, proposal(first, 2, votes(READY, first, *ORDER[:2], attempt=1)), now_ms)
    assert book.proposals[2].ready is None


def test_who_hands_a_proposal_on_with_other_grounds_stops_nobody() -> None:
    """Of a report that is known from an earlier attempt; what is handed on from here is no lie of ours."""
    report, now_ms = report_of(), ATTEMPT_MS + NOW_MS
    again = proposal(report, 1)
    bent = RootProposal(1, again.content, b"\x01", again.signature)
    book = book_with(proposal(report), bent, now_ms=now_ms, heard=dict.fromkeys(range(4), -1))
    assert next_word(book, FROZEN.keys[ORDER[2]], OwnVotes(), now_ms) == SayVote(READY, 1, digest(report))
    assert book.proposals[1] == again
    ready = votes(READY, report, 0, 1, 2)
    padded = RootVotes(READY, 0, ready.content, ready.signatures, b"\x02" * 9_000)
    tell(book, proposal(report, 1, padded), now_ms)
    assert book.proposals[1] == proposal(report, 1, ready)


# --- who is left out ----------------------------------------------------------------------------------------------------


def test_a_word_that_was_heard_in_time_is_not_left_out() -> None:
    """`nobody_s_word_is_left_out`: what came before the attempt must be in it, what came later need not."""
    without = report_of(*others(ORDER[3]))
    in_time = book_with(proposal(without), heard={ORDER[3]: -1})
    assert next_word(in_time, FROZEN.keys[SECOND], OwnVotes(), NOW_MS) is None
    assert in_time.doubts[0] == (f"the word of 0x{FROZEN.keys[ORDER[3]].hex()} is left out",)
    late = book_with(proposal(without), heard={ORDER[3]: 1})
    assert next_word(late, FROZEN.keys[SECOND], OwnVotes(), NOW_MS) == SayVote(READY, 0, digest(without))


@pytest.mark.parametrize("seed", range(24))
def test_a_leader_that_leaves_words_out_only_loses_its_attempt(seed: int) -> None:
    """`a_liar_costs_one_attempt`: from a calm start each honest member's word is in what is decided."""
    world = RootsWorld(seed, calm_ms=-ATTEMPT_MS)
    for liar in world.liars.values():
        liar.manner = "leaves out"
    for _ in world.run((len(world.liars) + 2) * ATTEMPT_MS):
        world.check()
        if world.is_signed:
            break
    assert world.is_signed
    for member in world.honest.values():
        assert member.book.decided is not None
        used = {w.address for w in member.book.decided.grounds.grounds.words}
        assert {m.key for m in world.honest.values()} <= used


# --- what is refused ----------------------------------------------------------------------------------------------------


def test_attempts_follow_each_other_and_grow() -> None:
    timing = RootTiming(base_ms=7, attempt_ms=1_000)
    for attempt in range(MOST_ATTEMPTS):
        start_ms, end_ms = timing.start_ms(attempt), timing.start_ms(attempt + 1)
        assert end_ms - start_ms == timing.length_ms(attempt)
        assert [timing.attempt_at(t) for t in (start_ms, end_ms - 1)] == [attempt, attempt]
        assert start_ms < timing.proposes_ms(attempt) < timing.ends_ms(attempt) < end_ms
    assert timing.attempt_at(6) == -1
    assert timing.attempt_at(timing.start_ms(MOST_ATTEMPTS)) == MOST_ATTEMPTS
    assert timing.length_ms(40) == 2_000


def test_all_lead_once_before_anybody_leads_twice() -> None:
    assert sorted(TERMS.order) == sorted(FROZEN.keys)
    assert [TERMS.leader(n) for n in range(8)] == [*TERMS.order, *TERMS.order]
    other = replace(TERMS, frozen=replace(FROZEN, epoch=EPOCH + 1))
    assert any(replace(TERMS, frozen=replace(FROZEN, epoch=e)).order != other.order for e in range(20))
    assert len(ALL_KEYS) > len(FROZEN.keys)


def test_nothing_is_said_in_the_last_part_of_an_attempt_or_of_one_that_was_left() -> None:
    report = report_of()
    book = book_with(proposal(report))
    assert next_word(book, FROZEN.keys[SECOND], OwnVotes(), TERMS.timing.ends_ms(0)) is None
    later = OwnVotes(votes=((1, READY, digest(report)),))
    assert next_word(book, FROZEN.keys[SECOND], later, NOW_MS) is None


def test_words_are_said_a_whole_attempt_before_the_first_one() -> None:
    timing = timing_of_epoch(1_000, interval_s=10, attempt_s=60)
    assert (timing.words_ms, timing.base_ms) == (1_030_000, 1_090_000)


def test_nothing_new_is_readied_in_an_attempt_that_began_before_words_were_heard() -> None:
    """`nobody_s_word_is_left_out`: whoever begins in the middle of an attempt does not know yet who was heard."""
    report = report_of()
    late = RootBook(TERMS, 1)
    tell(late, proposal(report))
    assert next_word(late, FROZEN.keys[SECOND], OwnVotes(), NOW_MS) is None
    assert late.doubts[0] == ("it began before words were heard here",)


def test_a_proposal_is_checked_once_however_often_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each word that comes in is a look: a proposal that leaves somebody out must not cost 31 signatures at each."""
    without, me = report_of(*others(ORDER[3])), FROZEN.keys[SECOND]
    book = book_with(proposal(without), heard=dict.fromkeys(range(4), -1))
    checked = list[bytes]()

    def check(_: object, word: SignedAttendance) -> str:
        checked.append(word.address)
        return ""

    monkeypatch.setattr(grounds_module, "word_fault", check)
    for _ in range(9):
        assert next_word(book, me, OwnVotes(), NOW_MS) is None
    assert checked == []
