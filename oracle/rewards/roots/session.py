"""One epoch's agreement in a process: what its keys say, each word in the journal first, and what it hears of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from eth_hash.auto import keccak

from oracle.rewards.roots.book import RootBook
from oracle.rewards.roots.telling import PARTS, settled_words, take_word, words_to_keep, words_to_tell
from oracle.rewards.roots.terms import MOST_ATTEMPTS, RootTerms
from oracle.rewards.roots.voting import OwnVotes, RootIntent, SayPropose, SayVote, SignReport, next_word
from oracle.rewards.roots.words import (
    AttendedWords,
    RefusedWord,
    RootAsk,
    RootProposal,
    RootSigned,
    RootVotes,
    RootWord,
    UnsoundRootWord,
)
from oracle.sign.epoch_lines import EpochKind
from oracle.sign.epoch_words import EpochAttendance, EpochVote, SignedAttendance, VoteKind
from oracle.sign.messages import Refusal
from oracle.sign.operator import Operator

MOST_WORDS = 420
"""Of a sender in an attempt: an honest one tells all that it knows eight times, which is a decision and 31 signatures, answers questions
with it, and says each of its own words once."""
_MOST_REFUSED = 8
"""Words of a sender that count for nothing, in an attempt: then it is not listened to until the next one."""
MOST_ANSWERS = 4
MOST_TURNS = 8
_log = structlog.get_logger("oracle.rewards.roots.session")


@dataclass(frozen=True, slots=True, kw_only=True)
class RootPlace:
    """What a session needs of its process.

    Attributes:
        operators: with a key in the epoch's set.
        said: who was there, by what is stored here.
        ended_s: when the epoch ended, Unix s: nothing of it was signed before.
        now_ms, clock_ok: the time, and whether it may go under a signature.
        tell: a word, to all others.
        answer: a word, to one of them.
        keep: what is to outlive the process, before it is built on.
        on_clone: called with an operator whose key says what it did not say here.
    """

    operators: Sequence[Operator]
    said: Callable[[], EpochAttendance]
    ended_s: int
    now_ms: Callable[[], int]
    clock_ok: Callable[[], bool]
    tell: Callable[[RootWord], None]
    answer: Callable[[bytes, RootWord], None]
    keep: Callable[[Iterable[RootWord]], None]
    on_clone: Callable[[Operator], None]


class RootSession:
    """The agreement of one epoch, as this process takes part in it.

    Args:
        terms: of the agreement.
        place: what it needs of the process.
        kept: words that were kept by the last run.

    Attributes:
        book: all that is known.
        refusals: why an operator here does not sign, by its name: the newest.
        failed: attempts that ended without a decision while this ran.
        may_vote: whether the keys here may bind themselves: what the report follows from stays so.
    """

    def __init__(self, terms: RootTerms, place: RootPlace, kept: Iterable[RootWord] = ()) -> None:
        self.terms, self.book = terms, RootBook(terms, place.now_ms())
        self.refusals: dict[str, str] = {}
        self.failed, self.may_vote = 0, True
        self._place = place
        self._by_key: Mapping[bytes, Operator] = {o.address: o for o in place.operators}
        self._refused: set[tuple[bytes, int, VoteKind | None]] = set()
        self._heard: Counter[bytes] = Counter()
        self._bad: Counter[bytes] = Counter()
        self._answered: Counter[bytes] = Counter()
        self._attempt = -1
        self._told_ms: int | None = None
        for word in kept:
            try:
                take_word(self.book, word, place.now_ms())
            except UnsoundRootWord as e:  # the others tell it again
                _log.warning("what was kept of an epoch's report is not used", epoch=self.epoch, why=str(e), news=True)

    @property
    def epoch(self) -> int:
        """Whose report it is."""
        return self.terms.frozen.epoch

    @property
    def is_signed(self) -> bool:
        """Whether report keys of weight T have signed what was decided."""
        return self.terms.weighs_t(dict.fromkeys(self.book.signed, b""))

    # --- what is said -------------------------------------------------------------------------------------------------

    async def tick(self) -> None:
        """Say what is to be said now, and tell again what others may have missed."""
        self._note_attempt()
        if self._place.now_ms() < self.terms.timing.words_ms:
            return
        for operator in self._place.operators:
            await self._attend(operator)
            for _ in range(MOST_TURNS if self.may_vote else 0):
                if not await self._speak(operator):
                    break
        self._tell_again()

    def _note_attempt(self) -> None:
        """An attempt is over: whether it has come to something."""
        attempt = self.terms.timing.span_at(self._place.now_ms())
        if attempt <= self._attempt:
            return
        if 0 <= self._attempt < MOST_ATTEMPTS and self.book.decision is None:
            self.failed += 1
            leader = self.terms.leader(self._attempt)
            _log.warning(
                "no report of an epoch was decided in an attempt", epoch=self.epoch, attempt=self._attempt,
                led_by="0x" + leader.hex(), why="; ".join(self.book.doubts.get(self._attempt, ())) or self._silence(),
            )  # fmt: skip
        self._attempt = attempt
        for counted in (self._heard, self._bad, self._answered):
            counted.clear()

    def _silence(self) -> str:
        if self._attempt not in self.book.proposals:
            return "its leader proposed nothing that was heard here"
        return "members of less weight than T voted for what was proposed, as far as was heard here"

    async def _attend(self, operator: Operator) -> None:
        """Who was there, once: what is in the journal already is signed again as it is."""
        key, place = operator.address, self._place
        if key in self.book.words or (key, -1, None) in self._refused:
            return
        said = place.said()
        answer = await operator.request_attendance(
            said, place.ended_s, now_ms=place.now_ms(), clock_ok=place.clock_ok()
        )
        if isinstance(answer, Refusal):
            self._note_refusal(answer, -1, None)
            return
        self.book.hear_attendance(SignedAttendance(said=said, address=key, signature=answer.compact), place.now_ms())
        place.keep(words_to_keep(self.book))
        place.tell(self.book.all_words())

    async def _speak(self, operator: Operator) -> bool:
        """One word; whether there was one."""
        own = self.own_votes(operator)
        intent = next_word(self.book, operator.address, own, self._place.now_ms())
        if intent is None or self._is_refused(operator, intent):
            return False
        match intent:
            case SayPropose():
                return await self._propose(operator, intent)
            case SayVote():
                return await self._vote(operator, intent)
            case SignReport():
                return await self._sign(operator, intent)

    def own_votes(self, operator: Operator) -> OwnVotes:
        """What a key has said, by its journal."""
        domain = self.terms.frozen.domain
        return OwnVotes(
            votes=tuple(operator.journal.epoch_votes(domain, self.epoch)),
            signed=operator.journal.epoch_signed(domain, EpochKind.REWARDS, self.epoch),
        )

    async def _propose(self, operator: Operator, intent: SayPropose) -> bool:
        signature = await self._voted(operator, VoteKind.PROPOSE, intent.attempt, intent.content)
        if not signature:
            return False
        ready = None
        if (held := intent.certificate) is not None:
            ready = RootVotes(held.kind, held.attempt, held.content, held.signatures)
        said = RootProposal(intent.attempt, intent.content, intent.report.grounds.raw, signature, ready)
        self.book.hear_proposal(said, self._place.now_ms())
        self._place.tell(said)
        return True

    async def _vote(self, operator: Operator, intent: SayVote) -> bool:
        self._place.keep(words_to_keep(self.book))  # a lock is worth nothing to others without its certificate
        signature = await self._voted(operator, intent.kind, intent.attempt, intent.content)
        if not signature:
            return False
        if intent.kind is VoteKind.COMMIT and self.book.certificate is not None:
            self._place.tell(self.book.shown(self.book.certificate))
        said = RootVotes(intent.kind, intent.attempt, intent.content, ((operator.address, signature),))
        self.book.hear_votes(said, self._place.now_ms())
        self._place.tell(said)
        return True

    async def _voted(self, operator: Operator, kind: VoteKind, attempt: int, content: bytes) -> bytes:
        """The signature; b"" where the key does not sign."""
        frozen, place = self.terms.frozen, self._place
        vote = EpochVote(domain=frozen.domain, epoch=frozen.epoch, kind=kind, attempt=attempt, content=content)
        answer = await operator.request_vote(vote, place.ended_s, now_ms=place.now_ms(), clock_ok=place.clock_ok())
        if isinstance(answer, Refusal):
            self._note_refusal(answer, attempt, kind)
            return b""
        return answer.compact

    async def _sign(self, operator: Operator, intent: SignReport) -> bool:
        """What was decided, with the report key: nothing of it is said before."""
        self._place.keep(words_to_keep(self.book))
        said, place = intent.report.word, self._place
        answer = await operator.request_rewards(said, place.ended_s, now_ms=place.now_ms(), clock_ok=place.clock_ok())
        if isinstance(answer, Refusal):
            self._note_refusal(answer, self._attempt, None)
            return False
        word = RootSigned(operator.address, said.root, said.absent, said.grounds, answer.compact)
        self.book.hear_signed(word)
        self._place.tell(word)
        self._place.keep(words_to_keep(self.book))
        _log.info("signed what an epoch owes", epoch=self.epoch, operator=operator.name, root="0x" + said.root.hex())
        return True

    def _is_refused(self, operator: Operator, intent: RootIntent) -> bool:
        match intent:
            case SayPropose():
                place: tuple[int, VoteKind | None] = intent.attempt, VoteKind.PROPOSE
            case SayVote():
                place = intent.attempt, intent.kind
            case SignReport():
                place = self._attempt, None
        return (operator.address, *place) in self._refused

    def _note_refusal(self, refusal: Refusal, attempt: int, kind: VoteKind | None) -> None:
        """Asked again in the next attempt."""
        self._refused.add((refusal.address, attempt, kind))
        if self.refusals.get(refusal.operator) != refusal.text:
            self.refusals[refusal.operator] = refusal.text
            _log.warning(
                "an operator says nothing of an epoch", epoch=self.epoch, operator=refusal.operator, why=refusal.text
            )

    def _tell_again(self) -> None:
        now_ms, attempt = self._place.now_ms(), max(self._attempt, 0)
        if self._told_ms is not None and now_ms - self._told_ms < self.terms.timing.length_ms(attempt) // PARTS:
            return
        self._told_ms = now_ms
        self._refused -= {r for r in self._refused if r[1] == -1}
        for word in words_to_tell(self.book, self._by_key, now_ms):
            self._place.tell(word)

    # --- what is heard ------------------------------------------------------------------------------------------------

    def hear(self, sender: bytes, word: RootWord) -> None:
        """A word that somebody handed on.

        Raises:
            UnsoundRootWord: it counts for nothing.
        """
        self._note_attempt()
        self._heard[sender] += 1
        if self._heard[sender] > MOST_WORDS or self._bad[sender] > _MOST_REFUSED:
            raise UnsoundRootWord(RefusedWord.TOO_MANY)
        if isinstance(word, RootAsk):
            self._answer(sender)
            return
        known = self._settled()
        try:
            take_word(self.book, word, self._place.now_ms())
        except UnsoundRootWord:
            self._bad[sender] += 1
            raise
        self._check_clone(word)
        if self._settled() != known:
            self._place.keep(words_to_keep(self.book))

    def _settled(self) -> tuple[bool, bool, int]:
        """How much of the end is known; it is written when that changes alone: a write waits for the disk, and words come often."""
        book = self.book
        return book.decision is not None, book.decided is not None, len(book.signed)

    def _answer(self, sender: bytes) -> None:
        self._answered[sender] += 1
        if self._answered[sender] <= MOST_ANSWERS:
            for word in settled_words(self.book):
                self._place.answer(sender, word)

    def _check_clone(self, word: RootWord) -> None:
        """Our own key says what its journal does not hold: another process uses it, unless the journal was lost since."""
        for key, said in _claims(self.book, word):
            operator = self._by_key.get(key)
            if operator is None or self._place.ended_s <= operator.journal.forgotten_s:
                continue
            own, domain = self.own_votes(operator), self.terms.frozen.domain
            attended = operator.journal.epoch_signed(domain, EpochKind.ATTENDED, self.epoch)
            if said not in (own.signed, attended) and said not in own.votes:
                self._place.on_clone(operator)


_Claim = tuple[int, VoteKind, bytes] | bytes


def _claims(book: RootBook, word: RootWord) -> Iterable[tuple[bytes, _Claim]]:
    """What keys say in a word that was taken, as a journal has it."""
    terms = book.terms
    match word:
        case AttendedWords():
            for said in book.kept_words:
                yield said.address, keccak(said.said.preimage())
        case RootVotes():
            for key, _ in word.signatures:
                yield key, (word.attempt, word.kind, word.content)
        case RootProposal():
            yield terms.leader(word.attempt), (word.attempt, VoteKind.PROPOSE, word.content)
        case RootSigned():
            yield word.address, keccak(word.said(terms.frozen.domain, terms.frozen.epoch).preimage())
        case _:
            pass
