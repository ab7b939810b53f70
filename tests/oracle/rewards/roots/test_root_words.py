"""Words of the agreement on a report that prove nothing, and words that are evidence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from eth_hash.auto import keccak

from oracle.rewards.grounds import encoded_word, make_grounds
from oracle.rewards.report import epoch_rewards
from oracle.rewards.roots.book import RootBook
from oracle.rewards.roots.words import (
    AttendedWords,
    RefusedWord,
    RootFault,
    RootProposal,
    RootSigned,
    RootVotes,
    RootWord,
    UnsoundRootWord,
    decode_word,
)
from oracle.sign.epoch_words import EpochAttendance
from tests.oracle.rewards.rewards_epoch import DOMAIN, EPOCH, signed_attendance
from tests.oracle.rewards.roots.roots_world import ATTEMPT_MS, signed_root, signed_vote
from tests.oracle.rewards.roots.rules_world import (
    COMMIT,
    FIRST,
    FROZEN,
    NOW_MS,
    ORDER,
    PROPOSE,
    READY,
    TERMS,
    book_with,
    digest,
    others,
    proposal,
    report_of,
    tell,
    votes,
    word_of,
)


def stranger() -> RootWord:
    content = digest(report_of())
    return RootVotes(READY, 0, content, ((keccak(b"nobody")[:20], signed_vote(5, READY, 0, content)),))


def replayed() -> RootWord:
    """A vote of one attempt in another one."""
    said = votes(READY, report_of(), 1, attempt=0)
    return RootVotes(said.kind, 1, said.content, said.signatures)


def of_another_epoch() -> RootWord:
    said = EpochAttendance(domain=DOMAIN, epoch=EPOCH + 1, rounds=9, counts=(5,) * 4)
    return AttendedWords(encoded_word(FROZEN, signed_attendance(said, 1)))


def other_grounds() -> RootWord:
    """A leader's proposal whose grounds give another report."""
    report = report_of()
    said = proposal(report)
    return RootProposal(0, said.content, report_of(*others(ORDER[3])).grounds.raw, said.signature)


def other_stakes() -> RootWord:
    words = {FROZEN.keys[n]: word_of(n) for n in range(4)}
    return proposal(epoch_rewards(make_grounds(FROZEN, ((2, 2),) * 4, words), TERMS.pots))


def not_the_leader() -> RootWord:
    said = proposal(report_of(), 1)
    return RootProposal(0, said.content, said.grounds, said.signature)


def without_weight() -> RootWord:
    return votes(READY, report_of(), 0, 1, grounds=True)


def with_a_small_certificate() -> RootWord:
    return proposal(report_of(), 1, votes(READY, report_of(), 0, 1))


REFUSED: dict[Callable[[], RootWord], RefusedWord] = {
    stranger: RefusedWord.STRANGER,
    replayed: RefusedWord.BAD_SIGNATURE,
    lambda: votes(READY, report_of(), 1, attempt=9): RefusedWord.AHEAD,
    lambda: proposal(report_of(), 9): RefusedWord.AHEAD,
    of_another_epoch: RefusedWord.BAD_ATTENDANCE,
    lambda: AttendedWords(b"\x00" * 7): RefusedWord.BAD_ATTENDANCE,
    other_grounds: RefusedWord.BAD_GROUNDS,
    other_stakes: RefusedWord.BAD_GROUNDS,
    not_the_leader: RefusedWord.NOT_THE_LEADER,
    without_weight: RefusedWord.TOO_LITTLE_WEIGHT,
    with_a_small_certificate: RefusedWord.TOO_LITTLE_WEIGHT,
    lambda: replace_signature(signed_root(1, report_of())): RefusedWord.BAD_SIGNATURE,
    lambda: votes(PROPOSE, report_of(), 1): RefusedWord.UNREADABLE,
}


def replace_signature(said: RootSigned) -> RootSigned:
    return RootSigned(said.address, said.root, said.absent, said.grounds, signed_root(2, report_of()).signature)


@pytest.mark.parametrize("made", REFUSED, ids=[w.name + str(i) for i, w in enumerate(REFUSED.values())])
def test_a_word_that_proves_nothing_is_refused_and_not_kept(made: Callable[[], RootWord]) -> None:
    """`words_prove_themselves`: each refusal has its type, and nothing of the word counts."""
    book = RootBook(TERMS)
    with pytest.raises(UnsoundRootWord) as refused:
        tell(book, made(), ATTEMPT_MS + NOW_MS)
    assert refused.value.why is REFUSED[made]
    assert not book.proposals
    assert not book.words
    assert not book.signed
    assert book.certificate is None
    assert book.decision is None


@pytest.mark.parametrize("raw", [b"", b"\x93\x02\x07", b"\x91\x09", b"\xff" * 40, b"\x95\x04" + b"\x00" * 5])
def test_bytes_that_are_no_word_are_refused(raw: bytes) -> None:
    with pytest.raises(UnsoundRootWord):
        decode_word(raw)


def test_votes_come_one_by_one_or_together() -> None:
    report = report_of()
    book = book_with(proposal(report), *(votes(READY, report, n) for n in range(3)))
    assert book.certificate is not None
    assert book.certificate.signatures == votes(READY, report, 0, 1, 2).signatures
    whole = book_with(votes(READY, report, 0, 1, 2, grounds=True))
    assert whole.certificate == book.certificate


# --- who says two things ------------------------------------------------------------------------------------------------


def test_two_words_of_a_key_are_kept_as_evidence() -> None:
    """`two_words_of_an_epoch_are_kept`: of each kind; the first one counts, and of votes either."""
    one, other = report_of(), report_of(*others(ORDER[3]))
    book = book_with(
        proposal(one), proposal(other), votes(READY, one, 1), votes(READY, other, 1), votes(COMMIT, one, 2),
        votes(COMMIT, other, 2), signed_root(3, one), signed_root(3, other), heard={0: 0},
    )  # fmt: skip
    book.hear_attendance(word_of(0, 4), 5)
    book.hear_attendance(word_of(0, 3), 6)
    found = {(kind, FROZEN.keys.index(key)) for kind, key in book.evidence}
    assert found == {
        (RootFault.TWO_PROPOSALS, FIRST), (RootFault.TWO_READIES, 1), (RootFault.TWO_COMMITS, 2), (RootFault.TWO_ROOTS, 3),
        (RootFault.TWO_ATTENDANCES, 0),
    }  # fmt: skip
    assert book.proposals[0].content == digest(one)
    assert len(book.all_words().words) == 2 * len(encoded_word(FROZEN, word_of(0)))
    for evidence in book.evidence.values():
        assert decode_word(evidence.first) != decode_word(evidence.second)


def test_the_same_word_again_is_no_evidence() -> None:
    report = report_of()
    told = (proposal(report), votes(READY, report, 1), votes(COMMIT, report, 1), signed_root(1, report))
    assert not book_with(*told, *told, heard={1: 0}).evidence


# --- times --------------------------------------------------------------------------------------------------------------
