"""Members that agree on an epoch's report over a network that a seed decides on: loss, reorder, partitions, restarts, liars.

Members that do not lie run the production rules: book, voting and telling. Keys, signatures and grounds are real; a journal is a list
with the journal's law, which `tests/oracle/sign` has over the real file.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from eth_hash.auto import keccak

from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.grounds import make_grounds
from oracle.rewards.report import EpochRewards, epoch_rewards
from oracle.rewards.roots.book import RootBook
from oracle.rewards.roots.telling import take_word, words_to_keep, words_to_tell
from oracle.rewards.roots.terms import RootTerms, RootTiming
from oracle.rewards.roots.voting import OwnVotes, SayPropose, SayVote, SignReport, next_word
from oracle.rewards.roots.words import (
    RootProposal,
    RootSigned,
    RootVotes,
    RootWord,
    UnsoundRootWord,
    decode_word,
    encode_word,
)
from oracle.sign.eip712 import sign_compact
from oracle.sign.epoch_words import EpochAttendance, EpochVote, SignedAttendance, VoteKind
from tests.oracle.rewards.rewards_epoch import ALL_KEYS, DOMAIN, EPOCH, POTS, frozen_of, signed_attendance

ATTEMPT_MS, TICK_MS, SWIFT_MS = 1_600, 100, 90
"""In good times a word takes less than an eighth of an attempt."""
ROUNDS = 40


@dataclass
class Member:
    """One that follows the rules; ``said``: its journal."""

    number: int
    terms: RootTerms
    world: RootsWorld
    said: list[tuple[int, VoteKind, bytes]] = field(default_factory=list)
    signed: list[bytes] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)
    asleep_ms: int = -10 * ATTEMPT_MS
    told_ms: int = -ATTEMPT_MS

    def __post_init__(self) -> None:
        self.key, self.book = self.terms.frozen.keys[self.number], RootBook(self.terms)

    @property
    def own(self) -> OwnVotes:
        return OwnVotes(votes=tuple(self.said), signed=self.signed[0] if self.signed else None)

    def restart(self, now_ms: int) -> None:
        """The process ends: what was kept and the journal are all that is left."""
        self.book = RootBook(self.terms)
        for body in self.kept:
            take_word(self.book, decode_word(body), now_ms)

    def hear(self, body: bytes, now_ms: int) -> None:
        try:
            take_word(self.book, decode_word(body), now_ms)
        except UnsoundRootWord as e:
            self.world.refused.append(e.why)

    def tick(self, now_ms: int) -> None:
        if self.key not in self.book.words:
            self.book.hear_attendance(self.world.attendance(self.number), now_ms)
            self.keep()
            self.tell(self.book.all_words())
        while (intent := next_word(self.book, self.key, self.own, now_ms)) is not None:
            match intent:
                case SayPropose():
                    signature = self.vote(VoteKind.PROPOSE, intent.attempt, intent.content)
                    ready = None if intent.certificate is None else self.book.shown(intent.certificate)
                    said = RootProposal(intent.attempt, intent.content, intent.report.grounds.raw, signature, ready)
                    self.hear(encode_word(said), now_ms)
                    self.tell(said)
                case SayVote():
                    self.keep()
                    signature = self.vote(intent.kind, intent.attempt, intent.content)
                    if intent.kind is VoteKind.COMMIT and self.book.certificate is not None:
                        self.tell(self.book.shown(self.book.certificate))
                    word = RootVotes(intent.kind, intent.attempt, intent.content, ((self.key, signature),))
                    self.hear(encode_word(word), now_ms)
                    self.tell(word)
                case SignReport():
                    self.keep()
                    signed = signed_root(self.number, intent.report)
                    content = keccak(intent.report.word.preimage())
                    if content not in self.signed:
                        self.signed.append(content)
                    self.book.hear_signed(signed)
                    self.tell(signed)
        if now_ms - self.told_ms >= ATTEMPT_MS // 8:
            self.told_ms = now_ms
            for word in words_to_tell(self.book, [self.key], now_ms):
                self.tell(word)

    def vote(self, kind: VoteKind, attempt: int, content: bytes) -> bytes:
        assert not any((a, k) == (attempt, kind) for a, k, _ in self.said), "a second word of a kind in an attempt"
        assert not self.said or self.said[-1][0] <= attempt, "a word of an attempt that was left"
        self.said.append((attempt, kind, content))
        return signed_vote(self.number, kind, attempt, content)

    def keep(self) -> None:
        self.kept = [encode_word(w) for w in words_to_keep(self.book)]

    def tell(self, word: RootWord) -> None:
        self.world.broadcast(self.number, word)


class Liar:
    """Says whatever helps nobody: two proposals, every vote there is, other roots; to some and not to others."""

    def __init__(self, number: int, terms: RootTerms, world: RootsWorld) -> None:
        self.number, self.terms, self.world = number, terms, world
        self.key, self.book, self.rng = terms.frozen.keys[number], RootBook(terms), world.rng
        self.seen: dict[bytes, EpochRewards] = {}
        self.manner = self.rng.choice(["silent", "two proposals", "late certificate", "leaves out"])
        self.proposed = -1

    def hear(self, body: bytes, now_ms: int) -> None:
        try:
            take_word(self.book, decode_word(body), now_ms)
        except UnsoundRootWord as e:
            self.world.refused.append(e.why)

    def restart(self, _now_ms: int) -> None:
        pass

    def tick(self, now_ms: int) -> None:
        attempt = self.terms.timing.attempt_at(now_ms)
        if self.manner == "silent" or attempt < 0:
            return
        if self.rng.random() < 0.2:
            for other in range(len(self.terms.frozen.keys)):
                said = self.world.attendance(self.number, lie=self.rng.randrange(3))
                self.book.hear_attendance(said, now_ms)
                self.world.send(self.number, other, self.book.all_words())
        if self.terms.leader(attempt) == self.key and self.proposed < attempt and self.rng.random() < 0.3:
            self.propose(attempt)
        self.vote(attempt)
        held = self.book.certificate
        if held is not None and (
            self.manner != "late certificate" or now_ms > self.terms.timing.ends_ms(attempt) - 200
        ):
            self.world.send(self.number, self.rng.randrange(len(self.terms.frozen.keys)), self.book.shown(held))

    def vote(self, attempt: int) -> None:
        """For whatever there is, to some."""
        for kind in (VoteKind.READY, VoteKind.COMMIT):
            for content in list(self.book.reports):
                if self.rng.random() < 0.3:
                    signature = signed_vote(self.number, kind, attempt, content)
                    self.some(RootVotes(kind, attempt, content, ((self.key, signature),)))
        for report in self.book.reports.values():
            if self.rng.random() < 0.1:
                self.some(signed_root(self.number, report))

    def propose(self, attempt: int) -> None:
        """Two, each to a part of the others."""
        self.proposed = attempt
        halves = self.rng.sample(range(len(self.terms.frozen.keys)), len(self.terms.frozen.keys))
        middle = self.rng.randrange(len(halves) + 1)
        for part, half in enumerate((halves[:middle], halves[middle:])):
            report = self.some_report(part)
            if report is None:
                continue
            content = keccak(report.word.preimage())
            signature = signed_vote(self.number, VoteKind.PROPOSE, attempt, content)
            said = RootProposal(attempt, content, report.grounds.raw, signature)
            for other in half:
                self.world.send(self.number, other, said)

    def some_report(self, part: int) -> EpochRewards | None:
        """What follows from some of the words that it has heard, and from one of its own ones."""
        words: dict[bytes, SignedAttendance] = dict(self.book.words)
        words[self.key] = self.world.attendance(self.number, lie=part)
        keys = list(words)
        if self.manner == "leaves out":
            keys.remove(self.rng.choice(keys))
        frozen = self.terms.frozen
        if sum(frozen.weight_of(k) for k in keys) < frozen.threshold:
            return None
        grounds = make_grounds(frozen, self.terms.stakes, {k: words[k] for k in keys})
        report = epoch_rewards(grounds, self.terms.pots)
        self.book.note_own(report)
        return report

    def some(self, word: RootWord) -> None:
        for other in range(len(self.terms.frozen.keys)):
            if self.rng.random() < 0.5:
                self.world.send(self.number, other, word)


@dataclass
class RootsWorld:
    """One epoch and all its members.

    ``calm_ms``: from then on no word is lost and each takes `SWIFT_MS` at most. Before it whoever has decided reaches nobody, so the
    others go on without knowing.
    """

    seed: int
    members: int = 0
    calm_ms: int = 0
    liar_weight: Callable[[FrozenEpoch], int] = lambda frozen: frozen.total - frozen.threshold
    refused: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = rng = random.Random(self.seed)
        self.frozen = frozen_of([rng.randrange(1, 20) for _ in range(self.members or rng.randrange(4, 8))])
        frozen = self.frozen
        self.terms = RootTerms(
            frozen=frozen, timing=RootTiming(base_ms=0, attempt_ms=ATTEMPT_MS), stakes=((1, 2),) * len(frozen.keys),
            pots=dict(POTS),
        )  # fmt: skip
        self.counts = [[rng.randrange(ROUNDS + 1) for _ in frozen.keys] for _ in frozen.keys]
        liars, spare = list[int](), self.liar_weight(frozen)
        for number in rng.sample(range(len(frozen.keys)), len(frozen.keys)):
            if frozen.weights[number] <= spare:
                liars.append(number)
                spare -= frozen.weights[number]
        self.liars = {n: Liar(n, self.terms, self) for n in liars}
        self.honest = {n: Member(n, self.terms, self) for n in range(len(frozen.keys)) if n not in self.liars}
        self.queue: list[tuple[int, int, int, bytes]] = []
        self.serial, self.now_ms, self.parts = count(), -ATTEMPT_MS, dict[int, int]()
        self.loss = rng.choice([0.05, 0.3, 0.6])
        self.roots: dict[int, set[bytes]] = {}

    def attendance(self, number: int, *, lie: int = 0) -> SignedAttendance:
        counts = tuple(min(c, ROUNDS) if not lie else lie - 1 for c in self.counts[number])
        return signed_attendance(EpochAttendance(domain=DOMAIN, epoch=EPOCH, rounds=ROUNDS, counts=counts), number)

    def broadcast(self, sender: int, word: RootWord) -> None:
        for other in range(len(self.frozen.keys)):
            if other != sender:
                self.send(sender, other, word)

    def send(self, sender: int, to: int, word: RootWord) -> None:
        rng, calm = self.rng, self.now_ms >= self.calm_ms
        if isinstance(word, RootSigned):
            self.roots.setdefault(self.number_of(word.address), set()).add(keccak(word.said(DOMAIN, EPOCH).preimage()))
        if not calm and (rng.random() < self.loss or self.parts.get(sender) != self.parts.get(to)):
            return
        latest = SWIFT_MS if calm else rng.choice([SWIFT_MS, ATTEMPT_MS // 2, 2 * ATTEMPT_MS])
        heapq.heappush(self.queue, (self.now_ms + rng.randrange(1, latest), next(self.serial), to, encode_word(word)))

    def number_of(self, key: bytes) -> int:
        return self.frozen.keys.index(key)

    def run(self, until_ms: int) -> Iterator[None]:
        """Time passes, a tick at a time."""
        while self.now_ms < until_ms:
            self.now_ms += TICK_MS
            while self.queue and self.queue[0][0] <= self.now_ms:
                _, _, to, body = heapq.heappop(self.queue)
                one = self.honest.get(to) or self.liars[to]
                if getattr(one, "asleep_ms", 0) <= self.now_ms:
                    one.hear(body, self.now_ms)
            if self.now_ms < self.calm_ms:
                self._disturb()
            elif self.parts:
                self.parts = {}
            for one in (*self.honest.values(), *self.liars.values()):
                if getattr(one, "asleep_ms", 0) <= self.now_ms:
                    one.tick(self.now_ms)
            yield

    def _disturb(self) -> None:
        if self.rng.random() < 0.02:
            self.parts = {n: self.rng.randrange(2) for n in range(len(self.frozen.keys))}
        self.parts |= {n: -1 - n for n, m in self.honest.items() if m.book.decision is not None}
        if self.rng.random() < 0.05:
            one = self.rng.choice(list(self.honest.values()))
            one.restart(self.now_ms)
            one.asleep_ms = min(self.now_ms + self.rng.randrange(2 * ATTEMPT_MS), self.calm_ms)

    @property
    def is_signed(self) -> bool:
        """Whether every honest member has signatures of weight T."""
        return all(self.terms.weighs_t(dict.fromkeys(m.book.signed, b"")) for m in self.honest.values())

    def check(self) -> None:
        """What holds at each moment."""
        decided = {m.book.decision.content for m in self.honest.values() if m.book.decision is not None}
        assert len(decided) <= 1, f"seed {self.seed}: two reports are decided"
        for member in self.honest.values():
            assert len(member.signed) <= 1, f"seed {self.seed}: an honest key has signed two reports"
        weights: dict[bytes, int] = {}
        for number, contents in self.roots.items():
            for content in contents:
                weights[content] = weights.get(content, 0) + self.frozen.weights[number]
        enough = [c for c, w in weights.items() if w >= self.frozen.threshold]
        assert len(enough) <= 1, f"seed {self.seed}: two roots have weight T"
        assert not any(
            m.key in {a for _, a in n.book.evidence} for m in self.honest.values() for n in self.honest.values()
        )


def signed_vote(number: int, kind: VoteKind, attempt: int, content: bytes) -> bytes:
    vote = EpochVote(domain=DOMAIN, epoch=EPOCH, kind=kind, attempt=attempt, content=content)
    return sign_compact(ALL_KEYS[number], keccak(vote.preimage()))


def signed_root(number: int, report: EpochRewards) -> RootSigned:
    said = report.word
    key = report.grounds.frozen.keys[number]
    return RootSigned(
        key, said.root, said.absent, said.grounds, sign_compact(ALL_KEYS[number], keccak(said.preimage()))
    )
