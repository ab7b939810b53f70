"""What a process knows of the agreement on one epoch's report: words as they came in, verified, and what follows from them. Pure.

It keeps a bounded part of whatever liars send: two words of a member for a place, as evidence, and nothing of attempts to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eth_hash.auto import keccak

from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.grounds import BadGrounds, encoded_word, read_words, word_fault
from oracle.rewards.report import EpochRewards
from oracle.rewards.review import review
from oracle.rewards.roots.terms import RootTerms
from oracle.rewards.roots.words import (
    AttendedWords,
    RefusedWord,
    RootEvidence,
    RootFault,
    RootProposal,
    RootSigned,
    RootVotes,
    UnsoundRootWord,
    encode_word,
)
from oracle.sign.eip712 import BadSignature, recover
from oracle.sign.epoch_words import EpochVote, SignedAttendance, VoteKind

_TWO = 2
_FAULTS = {
    VoteKind.PROPOSE: RootFault.TWO_PROPOSALS,
    VoteKind.READY: RootFault.TWO_READIES,
    VoteKind.COMMIT: RootFault.TWO_COMMITS,
}


@dataclass(frozen=True, slots=True)
class HeardAttendance:
    """A member's word of who was there, and when it was first heard here, Unix ms."""

    word: SignedAttendance
    heard_ms: int


@dataclass(frozen=True, slots=True)
class VotesOfWeight:
    """Votes of weight T of one kind, for one report in one attempt: report key and signature, ascending."""

    kind: VoteKind
    attempt: int
    content: bytes
    signatures: tuple[tuple[bytes, bytes], ...]


class RootBook:
    """All words of one epoch.

    Args:
        terms: of the agreement.
        opened_ms: since when words are heard here, Unix ms.

    Attributes:
        reports: by digest: those that were computed here, with the stakes and pots that are read here.
        proposals: by attempt, the first heard.
        certificate: readies of weight T of the highest attempt, for a report that was computed here.
        decision: commits of weight T. There is one report for all attempts while liars weigh less than 2T - W.
        evidence: found, one of a kind for each member.
        doubts: by attempt: why what was proposed is not what is computed here.
    """

    def __init__(self, terms: RootTerms, opened_ms: int = 0) -> None:
        self.terms, self.opened_ms = terms, opened_ms
        self.reports: dict[bytes, EpochRewards] = {}
        self.proposals: dict[int, RootProposal] = {}
        self.certificate: VotesOfWeight | None = None
        self.decision: VotesOfWeight | None = None
        self.evidence: dict[tuple[RootFault, bytes], RootEvidence] = {}
        self.doubts: dict[int, tuple[str, ...]] = {}
        self._words: dict[bytes, list[HeardAttendance]] = {}
        self._votes: dict[tuple[VoteKind, int], dict[bytes, dict[bytes, bytes]]] = {}
        """By kind and attempt, then by member: signatures by content."""
        self._signed: dict[bytes, dict[bytes, RootSigned]] = {}
        """By member: what it signed, by digest."""

    # --- what is known ------------------------------------------------------------------------------------------------

    @property
    def words(self) -> Mapping[bytes, SignedAttendance]:
        """The first word of each member, by report key."""
        return {key: heard[0].word for key, heard in self._words.items()}

    def words_by(self, time_ms: int) -> Mapping[bytes, SignedAttendance]:
        """Those that were heard by a time."""
        return {k: heard[0].word for k, heard in self._words.items() if heard[0].heard_ms <= time_ms}

    @property
    def kept_words(self) -> Iterable[SignedAttendance]:
        """All that are kept, two of a member at most; their signatures are its own."""
        return [h.word for key in self._frozen.keys for h in self._words.get(key, ())]

    def all_words(self) -> AttendedWords:
        """All that are kept, to be handed on."""
        return AttendedWords(b"".join(encoded_word(self._frozen, w) for w in self.kept_words))

    def votes_of(self, attempt: int, key: bytes) -> Iterable[RootVotes]:
        """What one member has said in an attempt."""
        for kind in (VoteKind.READY, VoteKind.COMMIT):
            for content, signature in self._votes.get((kind, attempt), {}).get(key, {}).items():
                yield RootVotes(kind, attempt, content, ((key, signature),))

    def shown(self, votes: VotesOfWeight) -> RootVotes:
        """A certificate as it goes out, with the grounds of its report where they are known."""
        report = self.reports.get(votes.content)
        raw = b"" if report is None else report.grounds.raw
        return RootVotes(votes.kind, votes.attempt, votes.content, votes.signatures, raw)

    @property
    def decided(self) -> EpochRewards | None:
        """The report that was decided, computed here; None while there is none, or it cannot be computed here."""
        return None if self.decision is None else self.reports.get(self.decision.content)

    @property
    def signed(self) -> Mapping[bytes, RootSigned]:
        """Signatures over the report that was decided, by report key."""
        content = b"" if self.decision is None else self.decision.content
        return {key: of[content] for key, of in self._signed.items() if content in of}

    @property
    def _frozen(self) -> FrozenEpoch:
        return self.terms.frozen

    # --- what comes in ------------------------------------------------------------------------------------------------

    def hear_words(self, said: AttendedWords, now_ms: int) -> None:
        """Who was there, by what members say.

        Raises:
            UnsoundRootWord: one of them is none; what came before it is kept.
        """
        try:
            words = read_words(self._frozen, said.words)
        except BadGrounds as e:
            raise UnsoundRootWord(RefusedWord.BAD_ATTENDANCE, str(e)) from None
        for word in words:
            self.hear_attendance(word, now_ms)

    def hear_attendance(self, word: SignedAttendance, now_ms: int) -> None:
        """One of them.

        Raises:
            UnsoundRootWord: it is none.
        """
        held = self._words.setdefault(word.address, [])
        if any(h.word.said == word.said for h in held) or len(held) >= _TWO:
            return
        if fault := word_fault(self._frozen, word):
            if not held:
                del self._words[word.address]
            raise UnsoundRootWord(RefusedWord.BAD_ATTENDANCE, fault)
        held.append(HeardAttendance(word, now_ms))
        if len(held) == _TWO:
            shown = [encode_word(AttendedWords(encoded_word(self._frozen, h.word))) for h in held]
            self._found(RootFault.TWO_ATTENDANCES, word.address, "two words of who was there", *shown)

    def hear_proposal(self, said: RootProposal, now_ms: int) -> None:
        """The first one of an attempt counts, with the highest certificate that comes along with it.

        Raises:
            UnsoundRootWord: it is not its leader's, or nothing that follows from its grounds.
        """
        self._check_begun(said.attempt, now_ms)
        leader = self.terms.leader(said.attempt)
        if not self._is_vote(VoteKind.PROPOSE, said.attempt, said.content, leader, said.signature):
            raise UnsoundRootWord(RefusedWord.NOT_THE_LEADER, f"attempt {said.attempt} is led by 0x{leader.hex()}")
        held = self.proposals.get(said.attempt)
        if held is not None:
            if held.content != said.content:
                text = f"two proposals in attempt {said.attempt}"
                self._found(RootFault.TWO_PROPOSALS, leader, text, encode_word(held), encode_word(said))
                return
            if _ready_attempt(said) <= _ready_attempt(held):
                return
        if said.ready is not None:  # the leader's signature does not cover it: others may have left it out
            self._check_ready(said, said.ready, now_ms)
        self._note_report(said.content, said.grounds, said.attempt)
        # of a report that is known already other grounds may come along, and with its certificate any: they are not handed on
        grounds, ready = self.reports[said.content].grounds.raw, said.ready
        if ready is not None:
            ready = RootVotes(ready.kind, ready.attempt, ready.content, ready.signatures)
        self.proposals[said.attempt] = RootProposal(said.attempt, said.content, grounds, said.signature, ready)

    def hear_votes(self, said: RootVotes, now_ms: int) -> None:
        """Votes of members, one or several.

        Raises:
            UnsoundRootWord: one of them is none.
        """
        self._check_begun(said.attempt, now_ms)
        if said.kind is VoteKind.PROPOSE:
            raise UnsoundRootWord(RefusedWord.UNREADABLE, "a proposal comes with its grounds")
        counted: dict[bytes, bytes] = {}
        for key, signature in said.signatures:
            held = self._votes.get((said.kind, said.attempt), {}).get(key, {})
            if held.get(said.content) != signature:
                self._check_vote(said, key, signature)
            counted[key] = signature
        has_weight = self.terms.weighs_t(counted)
        if said.grounds and not has_weight:
            raise UnsoundRootWord(RefusedWord.TOO_LITTLE_WEIGHT)
        try:
            if said.grounds:
                self._note_report(said.content, said.grounds, said.attempt)
        finally:  # votes stand, whatever comes along with them
            for key, signature in counted.items():
                self._keep_vote(said, key, signature)
            if has_weight:
                self._note_weight(said.kind, said.attempt, said.content, counted)
            self._gather(said.kind, said.attempt, said.content)

    def _gather(self, kind: VoteKind, attempt: int, content: bytes) -> None:
        """Whether votes that came one by one weigh T by now."""
        by_member = self._votes.get((kind, attempt), {})
        counted = {key: of[content] for key, of in by_member.items() if content in of}
        if self.terms.weighs_t(counted):
            self._note_weight(kind, attempt, content, counted)

    def hear_signed(self, said: RootSigned) -> None:
        """A signature over a report; two of one key are evidence.

        Raises:
            UnsoundRootWord: it is none of a member.
        """
        held = self._signed.get(said.address, {})
        digest = keccak(said.said(self._frozen.domain, self._frozen.epoch).preimage())
        if digest in held:
            return
        if not self._is_by(digest, said.address, said.signature):
            raise UnsoundRootWord(RefusedWord.BAD_SIGNATURE, f"0x{said.address.hex()} over a report")
        held = self._signed.setdefault(said.address, {})
        other = next(iter(held.values()), None)
        if other is not None:
            text = "two reports of one epoch under one key"
            self._found(RootFault.TWO_ROOTS, said.address, text, encode_word(other), encode_word(said))
        decided = b"" if self.decision is None else self.decision.content
        if len(held) < _TWO or digest == decided:
            held[digest] = said

    # --- how it is checked --------------------------------------------------------------------------------------------

    def _check_begun(self, attempt: int, now_ms: int) -> None:
        """A little ahead of our clock is no lie."""
        timing = self.terms.timing
        if attempt > timing.attempt_at(now_ms + timing.attempt_ms // 4):
            raise UnsoundRootWord(RefusedWord.AHEAD, f"attempt {attempt}")

    def _check_ready(self, said: RootProposal, ready: RootVotes, now_ms: int) -> None:
        """What was certified before and is proposed again."""
        is_such = (ready.kind, ready.content) == (VoteKind.READY, said.content) and ready.attempt < said.attempt
        keys = dict(ready.signatures)
        if not is_such or not self.terms.weighs_t(keys):
            raise UnsoundRootWord(RefusedWord.TOO_LITTLE_WEIGHT, "its certificate is none of what it proposes")
        shown = RootVotes(ready.kind, ready.attempt, ready.content, ready.signatures, said.grounds)
        self.hear_votes(shown, now_ms)

    def _check_vote(self, said: RootVotes, key: bytes, signature: bytes) -> None:
        if not self._is_vote(said.kind, said.attempt, said.content, key, signature):
            stranger = not self._frozen.weight_of(key)
            raise UnsoundRootWord(
                RefusedWord.STRANGER if stranger else RefusedWord.BAD_SIGNATURE,
                f"0x{key.hex()} in attempt {said.attempt}",
            )

    def _is_vote(self, kind: VoteKind, attempt: int, content: bytes, key: bytes, signature: bytes) -> bool:
        frozen = self._frozen
        vote = EpochVote(domain=frozen.domain, epoch=frozen.epoch, kind=kind, attempt=attempt, content=content)
        return self._is_by(keccak(vote.preimage()), key, signature)

    def _is_by(self, digest: bytes, key: bytes, signature: bytes) -> bool:
        if not self._frozen.weight_of(key):
            return False
        try:
            return recover(digest, signature) == key
        except BadSignature:
            return False

    def _note_report(self, content: bytes, raw: bytes, attempt: int) -> None:
        """Compute a report from its grounds, as it follows from what is read here.

        Raises:
            UnsoundRootWord: the grounds bear none.
        """
        if content in self.reports:
            return
        terms = self.terms
        found = review(terms.frozen, raw, None, stakes=terms.stakes, pots=terms.pots, held={})
        if isinstance(found, tuple):
            self.doubts[attempt] = found
            raise UnsoundRootWord(RefusedWord.BAD_GROUNDS, "; ".join(found))
        if keccak(found.word.preimage()) != content:
            self.doubts[attempt] = ("what is proposed is not what follows from its grounds, as it is computed here",)
            raise UnsoundRootWord(RefusedWord.BAD_GROUNDS, self.doubts[attempt][0])
        self.reports[content] = found

    def note_own(self, report: EpochRewards) -> bytes:
        """A report that was computed here; its digest."""
        content = keccak(report.word.preimage())
        self.reports.setdefault(content, report)
        return content

    def _keep_vote(self, said: RootVotes, key: bytes, signature: bytes) -> None:
        held = self._votes.setdefault((said.kind, said.attempt), {}).setdefault(key, {})
        if said.content in held or len(held) >= _TWO:
            return
        held[said.content] = signature
        if len(held) == _TWO:
            one, other = [RootVotes(said.kind, said.attempt, c, ((key, s),)) for c, s in held.items()]
            text = f"two reports in attempt {said.attempt}"
            self._found(_FAULTS[said.kind], key, text, encode_word(one), encode_word(other))

    def _note_weight(self, kind: VoteKind, attempt: int, content: bytes, counted: Mapping[bytes, bytes]) -> None:
        votes = VotesOfWeight(kind, attempt, content, tuple(sorted(counted.items())))
        if kind is VoteKind.COMMIT:
            self.decision = self.decision or votes
        elif content in self.reports and (self.certificate is None or self.certificate.attempt < attempt):
            self.certificate = votes

    def _found(self, kind: RootFault, address: bytes, text: str, first: bytes, second: bytes) -> None:
        found = RootEvidence(kind=kind, address=address, text=text, first=first, second=second)
        self.evidence.setdefault((kind, address), found)


def _ready_attempt(said: RootProposal) -> int:
    """Attempt of the certificate that a proposal carries; -1 where it carries none."""
    return -1 if said.ready is None else said.ready.attempt
