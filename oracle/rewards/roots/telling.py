"""What a member tells the others again and again, so that nothing is lost for good: all that it takes to go on from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from oracle.rewards.roots.book import RootBook
from oracle.rewards.roots.words import AttendedWords, RootAsk, RootProposal, RootSigned, RootVotes, RootWord

PARTS = 8
"""An attempt is told in so many parts: what one member alone has heard is with all before the next leader proposes."""


def words_to_tell(book: RootBook, keys: Iterable[bytes], now_ms: int) -> Iterator[RootWord]:
    """Before the decision: who was there, the attempt's proposal, the highest certificate, own votes. After it: what was decided.

    Args:
        book: all that is known.
        keys: report keys of this process.
        now_ms: the time, Unix ms.
    """
    if book.decision is not None:
        yield from settled_words(book)
        if book.decided is None:
            yield RootAsk()
        return
    if book.words:
        yield book.all_words()
    attempt = book.terms.timing.attempt_at(now_ms)
    if book.certificate is not None:
        yield book.shown(book.certificate)
    if attempt in book.proposals:
        yield book.proposals[attempt]
    for key in keys:
        yield from book.votes_of(attempt, key)


def settled_words(book: RootBook) -> Iterator[RootWord]:
    """What was decided, with its grounds, and who has signed it."""
    if book.decision is not None:
        yield book.shown(book.decision)
        yield from book.signed.values()


def words_to_keep(book: RootBook) -> Iterator[RootWord]:
    """What is written down, so that a process that starts anew knows it: it is no less than what its keys have committed to.

    Own votes are in the journal, so none is said twice; one that nobody heard before a crash costs its attempt and no more.
    """
    if book.words:
        yield book.all_words()
    if book.certificate is not None:
        yield book.shown(book.certificate)
    yield from settled_words(book)


def take_word(book: RootBook, word: RootWord, now_ms: int) -> None:
    """A word that came in.

    Raises:
        UnsoundRootWord: it counts for nothing.
    """
    match word:
        case AttendedWords():
            book.hear_words(word, now_ms)
        case RootProposal():
            book.hear_proposal(word, now_ms)
        case RootVotes():
            book.hear_votes(word, now_ms)
        case RootSigned():
            book.hear_signed(word)
        case RootAsk():
            pass
