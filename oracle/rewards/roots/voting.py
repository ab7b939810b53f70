"""What a member says next in the agreement on an epoch's report. Pure: no I/O, no clock, no key.

Rules of the family of Tendermint (E. Buchman, J. Kwon, Z. Milosevic, arXiv 1807.04938): weight T is ready, then weight T
commits, which decides; who has committed is locked, until a certificate of that attempt or a later one is shown for something else.
Leaders propose again what the highest certificate is for. Votes bind nobody on chain. The report itself is signed once it is decided,
so every honest report key signs the same one, and what decides is the votes' own safety: liars weigh less than 2T - W.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from oracle.rewards.grounds import BadGrounds, make_grounds
from oracle.rewards.report import EpochRewards, epoch_rewards
from oracle.rewards.review import left_out
from oracle.rewards.roots.book import RootBook, VotesOfWeight
from oracle.rewards.roots.terms import MOST_ATTEMPTS
from oracle.rewards.roots.words import RootProposal
from oracle.sign.epoch_words import VoteKind


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnVotes:
    """What a key has said, by its journal: it outlives the process, and is all that the rules need of the past.

    Attributes:
        votes: attempt, kind and content, the oldest attempt first.
        signed: digest of the report that it has signed, by whatever way; None while it has signed none.
    """

    votes: tuple[tuple[int, VoteKind, bytes], ...] = ()
    signed: bytes | None = None

    @property
    def newest(self) -> int:
        """Attempt that it spoke in last; -1 before the first."""
        return self.votes[-1][0] if self.votes else -1

    @property
    def locked(self) -> tuple[int, bytes] | None:
        """Attempt and content of its last commit."""
        commits = [(attempt, content) for attempt, kind, content in self.votes if kind is VoteKind.COMMIT]
        return commits[-1] if commits else None

    def has_said(self, attempt: int, kind: VoteKind) -> bool:
        """Whether it has."""
        return any((a, k) == (attempt, kind) for a, k, _ in self.votes)


@dataclass(frozen=True, slots=True)
class SayPropose:
    """Propose this report in an attempt, with the certificate that it has."""

    attempt: int
    content: bytes
    report: EpochRewards
    certificate: VotesOfWeight | None


@dataclass(frozen=True, slots=True)
class SayVote:
    """Vote for a report in an attempt."""

    kind: VoteKind
    attempt: int
    content: bytes


@dataclass(frozen=True, slots=True)
class SignReport:
    """The report is decided: sign it with the report key."""

    report: EpochRewards


RootIntent: TypeAlias = SayPropose | SayVote | SignReport


def next_word(book: RootBook, me: bytes, own: OwnVotes, now_ms: int) -> RootIntent | None:
    """What this member says now; None where it has nothing to say."""
    if book.decision is not None:
        report = book.decided
        is_bound = own.signed not in (None, book.decision.content)
        return None if report is None or me in book.signed or is_bound else SignReport(report)
    timing = book.terms.timing
    attempt = timing.attempt_at(now_ms)
    if not 0 <= attempt < MOST_ATTEMPTS or attempt < own.newest or now_ms >= timing.ends_ms(attempt):
        return None
    return _commit(book, own, attempt) or _ready(book, own, attempt) or _propose(book, me, own, now_ms)


def _commit(book: RootBook, own: OwnVotes, attempt: int) -> SayVote | None:
    """Upon readies of weight T of this attempt, for a report that was computed here."""
    held = book.certificate
    if held is None or held.attempt != attempt or own.has_said(attempt, VoteKind.COMMIT):
        return None
    return SayVote(VoteKind.COMMIT, attempt, held.content) if own.signed in (None, held.content) else None


def _ready(book: RootBook, own: OwnVotes, attempt: int) -> SayVote | None:
    """Upon the leader's proposal, if what the member is locked on allows it."""
    said = book.proposals.get(attempt)
    if said is None or own.has_said(attempt, VoteKind.READY) or own.has_said(attempt, VoteKind.COMMIT):
        return None
    if own.signed not in (None, said.content) or not _is_free(own, said) or not _is_whole(book, said):
        return None
    return SayVote(VoteKind.READY, attempt, said.content)


def _is_free(own: OwnVotes, said: RootProposal) -> bool:
    """Not locked, locked on this, or shown a certificate of the lock's attempt or a later one."""
    if own.locked is None or own.locked[1] == said.content:
        return True
    return said.ready is not None and said.ready.attempt >= own.locked[0]


def _is_whole(book: RootBook, said: RootProposal) -> bool:
    """Whether it has a word of each member that was heard before the attempt: who leaves one out could choose whose word counts.

    What is certified was looked at by weight T. What came later than that is in the next one: its leader has it by then.
    """
    if said.ready is not None:
        return True
    terms = book.terms
    if terms.timing.start_ms(said.attempt) < book.opened_ms:
        book.doubts[said.attempt] = ("it began before words were heard here",)
        return False
    held = book.words_by(terms.timing.start_ms(said.attempt))
    used = {w.address for w in book.reports[said.content].grounds.grounds.words}
    found = tuple(left_out(terms.frozen, used, held))  # the rest was looked at when it was heard, once
    if found:
        book.doubts[said.attempt] = found
    return not found


def _propose(book: RootBook, me: bytes, own: OwnVotes, now_ms: int) -> SayPropose | None:
    """The leader: what the highest certificate is for, else what it is locked on, else what all words give that it has heard."""
    terms = book.terms
    attempt = terms.timing.attempt_at(now_ms)
    if terms.leader(attempt) != me or own.newest >= attempt or now_ms < terms.timing.proposes_ms(attempt):
        return None
    held = book.certificate
    if held is not None:
        return SayPropose(attempt, held.content, book.reports[held.content], held)
    kept = own.signed or (own.locked[1] if own.locked is not None else None)
    if kept is not None:
        report = book.reports.get(kept)
        return None if report is None else SayPropose(attempt, kept, report, None)
    try:
        grounds = make_grounds(terms.frozen, terms.stakes, book.words)
    except BadGrounds:
        return None
    report = epoch_rewards(grounds, terms.pots)
    return SayPropose(attempt, book.note_own(report), report, None)
