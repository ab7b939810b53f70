"""What tests of the rules of the agreement on a report begin with: four members, their words, reports and votes."""

from __future__ import annotations

from eth_hash.auto import keccak

from oracle.rewards.grounds import make_grounds
from oracle.rewards.report import EpochRewards, epoch_rewards
from oracle.rewards.roots.book import RootBook
from oracle.rewards.roots.telling import take_word
from oracle.rewards.roots.terms import RootTerms, RootTiming
from oracle.rewards.roots.voting import OwnVotes
from oracle.rewards.roots.words import (
    RootProposal,
    RootVotes,
    RootWord,
)
from oracle.sign.epoch_words import EpochAttendance, SignedAttendance, VoteKind
from tests.oracle.rewards.rewards_epoch import DOMAIN, EPOCH, POTS, frozen_of, signed_attendance
from tests.oracle.rewards.roots.roots_world import ATTEMPT_MS, signed_vote

READY, COMMIT, PROPOSE = VoteKind.READY, VoteKind.COMMIT, VoteKind.PROPOSE
FROZEN = frozen_of([1, 1, 1, 1])
TERMS = RootTerms(
    frozen=FROZEN, timing=RootTiming(base_ms=0, attempt_ms=ATTEMPT_MS), stakes=((1, 2),) * 4, pots=dict(POTS)
)
ORDER = [FROZEN.keys.index(k) for k in TERMS.order]
FIRST, SECOND = ORDER[:2]
NOW_MS = ATTEMPT_MS // 2
"""In the first attempt, after its proposal."""


def word_of(number: int, count: int = 5) -> SignedAttendance:
    said = EpochAttendance(domain=DOMAIN, epoch=EPOCH, rounds=9, counts=(count,) * 4)
    return signed_attendance(said, number)


def report_of(*numbers: int, **counts: int) -> EpochRewards:
    words = {FROZEN.keys[n]: word_of(n, counts.get(f"of{n}", 5)) for n in numbers or range(4)}
    return epoch_rewards(make_grounds(FROZEN, TERMS.stakes, words), TERMS.pots)


def digest(report: EpochRewards) -> bytes:
    return keccak(report.word.preimage())


def proposal(report: EpochRewards, attempt: int = 0, ready: RootVotes | None = None) -> RootProposal:
    content = digest(report)
    leader = FROZEN.keys.index(TERMS.leader(attempt))
    signature = signed_vote(leader, PROPOSE, attempt, content)
    return RootProposal(attempt, content, report.grounds.raw, signature, ready)


def votes(kind: VoteKind, report: EpochRewards, *numbers: int, attempt: int = 0, grounds: bool = False) -> RootVotes:
    content = digest(report)
    signed = tuple((FROZEN.keys[n], signed_vote(n, kind, attempt, content)) for n in sorted(numbers))
    return RootVotes(kind, attempt, content, signed, report.grounds.raw if grounds else b"")


def book_with(*words: RootWord, now_ms: int = NOW_MS, heard: dict[int, int] | None = None) -> RootBook:
    """``heard``: of whose attendance, and when."""
    book = RootBook(TERMS)
    for number, at_ms in (heard or {}).items():
        book.hear_attendance(word_of(number), at_ms)
    for word in words:
        tell(book, word, now_ms)
    return book


def tell(book: RootBook, word: RootWord, now_ms: int = NOW_MS) -> None:
    take_word(book, word, now_ms)


def others(*numbers: int) -> list[int]:
    return [n for n in range(4) if n not in numbers]


# --- locks --------------------------------------------------------------------------------------------------------------


def locked_and_tempted() -> tuple[RootBook, OwnVotes, int]:
    """A member that has committed to one report, and a proposal of another one in the next attempt, without a certificate."""
    first, second = report_of(), report_of(**{f"of{SECOND}": 4})
    member = ORDER[2]
    own = OwnVotes(votes=((0, READY, digest(first)), (0, COMMIT, digest(first))))
    now_ms = ATTEMPT_MS + NOW_MS
    return book_with(proposal(second, 1), now_ms=now_ms), own, member
