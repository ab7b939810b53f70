"""Sessions of a process: real operators with real journals, words by hand from one to the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from oracle.rewards.grounds import encoded_word
from oracle.rewards.roots.session import MOST_ANSWERS, MOST_TURNS, MOST_WORDS, RootPlace, RootSession
from oracle.rewards.roots.telling import PARTS, settled_words, words_to_keep
from oracle.rewards.roots.terms import MOST_ATTEMPTS, RootTerms, RootTiming
from oracle.rewards.roots.words import (
    AttendedWords,
    RefusedWord,
    RootAsk,
    RootSigned,
    RootVotes,
    RootWord,
    UnsoundRootWord,
    decode_word,
    encode_word,
)
from oracle.sign.epoch_words import EpochAttendance, VoteKind
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.rewards.rewards_epoch import ALL_KEYS, DOMAIN, EPOCH, POTS, frozen_of, signed_attendance
from tests.oracle.rewards.roots.roots_world import ATTEMPT_MS, signed_vote

FROZEN = frozen_of([1, 1, 1, 1])
ENDED_S, BASE_MS = 1_000, 2_000_000
TERMS = RootTerms(
    frozen=FROZEN, timing=RootTiming(base_ms=BASE_MS, attempt_ms=ATTEMPT_MS), stakes=((1, 2),) * 4, pots=dict(POTS)
)
STRANGER = b"\x55" * 20


class Process:
    """One operator's process; ``kept`` and its journal outlive it."""

    def __init__(self, folder: Path, number: int, world: World) -> None:
        self.number, self.world, self.kept, self.writes = number, world, list[bytes](), 0
        self.path, self.key = folder / f"{number}.journal", ALL_KEYS[number]
        self.clones: list[Operator] = []
        self.start()

    def start(self) -> None:
        address = FROZEN.keys[self.number]
        newborn = not self.path.exists()
        self.journal = SignJournal(self.path, address, now_ms=BASE_MS, mute_ms=60_000, newborn=newborn)
        self.operator = Operator(f"member{self.number}", self.key, self.journal, bound_bps=100)
        place = RootPlace(
            operators=[self.operator], said=self.said, ended_s=ENDED_S, now_ms=lambda: self.world.now_ms,
            clock_ok=lambda: True, tell=self.tell, answer=self.answer, keep=self.keep, on_clone=self.clones.append,
        )  # fmt: skip
        self.session = RootSession(TERMS, place, [decode_word(raw) for raw in self.kept])

    def said(self) -> EpochAttendance:
        return EpochAttendance(domain=DOMAIN, epoch=EPOCH, rounds=9, counts=(9, 9, 9, self.number))

    def restart(self) -> None:
        self.journal.close()
        self.start()

    def keep(self, words: Iterable[RootWord]) -> None:
        self.writes += 1
        self.kept = [encode_word(w) for w in words]

    def tell(self, word: RootWord) -> None:
        for other in self.world.processes:
            if other.number != self.number and self.number not in self.world.away | {other.number}:
                self.world.queue.append((FROZEN.keys[self.number], other, encode_word(word)))

    def answer(self, to: bytes, word: RootWord) -> None:
        self.world.answers.append((to, word))


class World:
    """Four of them. ``away``: numbers of those that reach nobody and hear nothing."""

    def __init__(self, folder: Path) -> None:
        self.now_ms = TERMS.timing.words_ms
        self.away: set[int] = set()
        self.queue: list[tuple[bytes, Process, bytes]] = []
        self.answers: list[tuple[bytes, RootWord]] = []
        self.processes: list[Process] = []
        self.processes += [Process(folder, n, self) for n in range(4)]

    def run(self, attempts: int) -> None:
        for _ in range(attempts * 16):
            self.now_ms += ATTEMPT_MS // 16
            for process in self.processes:
                if process.number not in self.away:
                    asyncio.run(process.session.tick())
            queue, self.queue = self.queue, []
            for sender, to, body in queue:
                if to.number not in self.away:
                    to.session.hear(sender, decode_word(body))

    def roots(self, *numbers: int) -> set[bytes]:
        """That members have signed, by their journals."""
        return {
            signed
            for n in numbers
            if (signed := self.processes[n].session.own_votes(self.processes[n].operator).signed)
        }


@contextmanager
def four(folder: Path) -> Iterator[World]:
    world = World(folder)
    yield world
    for process in world.processes:
        process.journal.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with four(tmp_path) as made:
        yield made


def test_all_sign_one_root_and_one_that_was_away_signs_it_too(world: World) -> None:
    """Until then T of weight is enough; it has its own journal, and what was decided comes from the others."""
    away = FROZEN.keys.index(TERMS.order[3])
    world.away = {away}
    world.run(3)
    there = [n for n in range(4) if n != away]
    assert len(world.roots(*there)) == 1
    assert all(world.processes[n].session.is_signed for n in there)
    world.away = set()
    world.run(1)
    assert world.roots(away) == world.roots(*there)
    assert world.processes[away].session.is_signed
    assert not any(p.session.book.evidence or p.clones for p in world.processes)


@pytest.mark.parametrize("ticks", range(6, 26, 2))
def test_a_restart_at_any_time_changes_no_word(world: World, ticks: int) -> None:
    """`no_honest_key_with_two_roots`: what was kept and the journal are enough to go on from."""
    for tick in range(ticks):
        world.run(0)
        world.now_ms += ATTEMPT_MS // 16
        for process in world.processes:
            asyncio.run(process.session.tick())
        queue, world.queue = world.queue, []
        for sender, to, body in queue:
            to.session.hear(sender, decode_word(body))
        if tick % 3 == 0:
            world.processes[tick // 3 % 4].restart()
    for process in world.processes:
        process.restart()
    world.run(4)
    assert len(world.roots(*range(4))) == 1
    assert all(p.session.is_signed for p in world.processes)
    assert not any(p.session.book.evidence or p.clones for p in world.processes)


def test_below_t_nothing_is_signed_and_it_goes_on_later(world: World) -> None:
    world.away = {0, 1}
    world.run(4)
    assert world.roots(2, 3) == set()
    assert world.processes[2].session.failed >= 2
    world.away = set()
    world.run(3)
    assert len(world.roots(*range(4))) == 1


def test_a_flood_is_not_listened_to(world: World) -> None:
    """`words_prove_themselves`: who sends more than an honest one has to say, or much that is refused, waits for the next attempt."""
    session = world.processes[0].session
    word = world.processes[1].session.book.all_words()
    for _ in range(MOST_WORDS):
        session.hear(STRANGER, word)
    with pytest.raises(UnsoundRootWord) as refused:
        session.hear(STRANGER, word)
    assert refused.value.why is RefusedWord.TOO_MANY
    world.now_ms = BASE_MS
    session.hear(STRANGER, word)
    bad = RootVotes(VoteKind.READY, 0, keccak(b"x"), ((FROZEN.keys[1], b"\x01" * 64),))
    liar, found = b"\x66" * 20, list[RefusedWord]()
    for _ in range(12):
        with pytest.raises(UnsoundRootWord) as refused:
            session.hear(liar, bad)
        found.append(refused.value.why)
    assert found[:9] == [RefusedWord.BAD_SIGNATURE] * 9
    assert set(found[9:]) == {RefusedWord.TOO_MANY}
    session.hear(FROZEN.keys[1], word)
    world.now_ms = TERMS.timing.start_ms(1)
    session.hear(liar, word)


def test_a_key_that_speaks_elsewhere_is_told(world: World) -> None:
    """Another process with the same key: its word is none of this journal's."""
    world.run(1)
    content = keccak(b"elsewhere")
    said = RootVotes(VoteKind.READY, 0, content, ((FROZEN.keys[2], signed_vote(2, VoteKind.READY, 0, content)),))
    world.processes[2].session.hear(STRANGER, said)
    assert world.processes[2].clones == [world.processes[2].operator]
    world.processes[1].session.hear(STRANGER, said)
    assert world.processes[1].clones == []


def test_a_key_that_says_elsewhere_who_was_there_is_told(world: World) -> None:
    """Also where it has said nothing here yet; a word that it has not signed is no such thing."""
    other = EpochAttendance(domain=DOMAIN, epoch=EPOCH, rounds=9, counts=(1, 1, 1, 1))
    said = encoded_word(FROZEN, signed_attendance(other, 2))
    forged = said[:-1] + bytes([said[-1] ^ 1])
    for spoken in (False, True):
        one = world.processes[2]
        with pytest.raises(UnsoundRootWord):
            one.session.hear(STRANGER, AttendedWords(forged))
        if spoken:
            world.run(1)
        assert one.clones == []
        one.session.hear(STRANGER, AttendedWords(said))
        assert one.clones == [one.operator]
        world.processes[1].session.hear(STRANGER, AttendedWords(said))
        assert world.processes[1].clones == []
        one.clones.clear()
        for process in world.processes:
            process.kept = []
            process.restart()


def test_after_the_last_attempt_others_are_still_heard(world: World) -> None:
    """What was decided may reach a member late: words are counted anew in each span, and its operator is asked again."""
    timing, session = TERMS.timing, world.processes[0].session
    word, last = world.processes[1].session.book.all_words(), timing.start_ms(MOST_ATTEMPTS)
    world.now_ms = last
    for _ in range(MOST_WORDS):
        session.hear(STRANGER, word)
    with pytest.raises(UnsoundRootWord):
        session.hear(STRANGER, word)
    world.now_ms = last + timing.length_ms(MOST_ATTEMPTS)
    session.hear(STRANGER, word)
    assert session.failed == 0, "it has seen no attempt but those that are none"


def test_a_key_whose_journal_was_lost_is_no_clone(world: World) -> None:
    """What it said before is told again and again, and would silence it for prices until all of it is over."""
    world.run(3)
    one = world.processes[2]
    said = [w for w in words_to_keep(world.processes[1].session.book) if isinstance(w, RootVotes)]
    assert any(FROZEN.keys[2] in dict(w.signatures) for w in said)
    one.journal.close()
    for left in one.path.parent.glob(one.path.name + "*"):
        left.unlink()
    SignJournal(one.path, FROZEN.keys[2], now_ms=world.now_ms, mute_ms=60_000).close()
    one.start()
    for word in said:
        one.session.hear(STRANGER, word)
    assert one.clones == []


def test_who_asks_is_told_what_was_decided_a_few_times(world: World) -> None:
    world.run(3)
    world.answers.clear()
    for _ in range(9):
        world.processes[0].session.hear(STRANGER, RootAsk())
    assert len(world.answers) == 4 * 5, "what was decided, and four signatures, four times"
    assert sum(isinstance(w, RootSigned) for _, w in world.answers) == 16


def test_a_mute_operator_says_nothing_and_the_others_go_on(world: World) -> None:
    world.processes[1].operator.silenced = "mute for this test"
    world.run(4)
    assert world.roots(1) == set()
    assert world.processes[1].session.refusals == {"member1": "mute for this test"}
    assert len(world.roots(0, 2, 3)) == 1


def test_what_is_known_already_is_not_written_again(world: World) -> None:
    """Each of 31 members tells each signature eight times in an attempt, and a write waits for the disk."""
    world.run(3)
    one = world.processes[0]
    writes, settled = one.writes, list(settled_words(world.processes[1].session.book))
    assert len(settled) == 5
    for word in settled * 8:
        one.session.hear(STRANGER, word)
    assert one.writes == writes


def test_an_honest_member_says_no_more_than_is_listened_to() -> None:
    """What was decided and 31 signatures, each time."""
    settled = 1 + 31
    assert (PARTS + MOST_ANSWERS) * settled + 2 * MOST_TURNS < MOST_WORDS
