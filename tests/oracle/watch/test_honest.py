"""Nobody honest is accused: whatever befalls a round, whoever asks, and however often a process starts anew."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.agree.messages import Commit, SealedRound
from oracle.network.cuts import cut_items
from oracle.sign.eip712 import address_of
from oracle.sign.messages import Signature, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from oracle.watch.compare import Comparer, Contradiction
from oracle.watch.words import SignedWord, WordKind, words_of, words_of_cut
from tests.oracle.agree.liars import Word as Letter
from tests.oracle.agree.schedule import FEEDS, Schedule, address, schedule_of
from tests.oracle.agree.schedule_run import Run
from tests.oracle.watch.watch_world import ADDRESSES, HERE, KEYS, ROUND_S, items

_COUNT = int(os.environ.get("LRT_ORACLE_WATCH_SCHEDULES", "600"))
_FIRST_SEED = 3_000_000


class WatchedRun(Run):
    """A run of a schedule, with one watcher that hears all that anybody hears."""

    def __init__(self, schedule: Schedule) -> None:
        self.comparer, self.found, self.heard = Comparer(), list[Contradiction](), 0
        super().__init__(schedule)

    def _on_word(self, n: int, word: Letter | None) -> None:
        if isinstance(word, Commit | SealedRound):
            for one in words_of(self.terms.signers, self.terms.round_time_s, word):
                self.hear(one)
        super()._on_word(n, word)

    def hear(self, word: SignedWord) -> None:
        self.heard += 1
        found = self.comparer.hear(word).contradiction
        if found is not None:
            self.found.append(found)

    def cut(self) -> None:
        """Batches of what was sealed, of any tokens, by all who are honest."""
        sealed = [s for s in (self.states[n].sealed for n in self.honest()) if s is not None]
        for said in sealed:
            for n in self.honest():
                feeds = sorted(self.rng.sample(range(FEEDS), self.rng.randint(1, FEEDS)))
                cut = cut_items(said, feeds)
                for word in words_of_cut(
                    self.terms.signers, said.round_time_s, cut, [(address(n), b"")] if cut else []
                ):
                    self.hear(word)

    def lie(self) -> bool:
        """Every liar signs one of the sealed tokens with another item, as a batch of its own; whether anything was sealed."""
        sealed = [s for s in (self.states[n].sealed for n in self.honest()) if s is not None]
        for n in self.schedule.liars if sealed else ():
            whole = sealed[0].content.items
            at = 30 * self.rng.randrange(len(whole) // 30)
            other = whole[at : at + 12] + bytes([whole[at + 12] ^ 1]) + whole[at + 13 : at + 30]
            for said in (whole, other):
                for word in words_of_cut(self.terms.signers, self.terms.round_time_s, said, [(address(n), b"")]):
                    self.hear(word)
        return bool(sealed)


@pytest.mark.fuzz
def test_no_honest_operator_is_accused_by_a_watcher() -> None:
    """Of schedules of losses, crashes, clocks and liars: a watcher that hears everything accuses those who sign twice, and no other."""
    heard, liars_found = 0, 0
    for seed in range(_FIRST_SEED, _FIRST_SEED + _COUNT):
        run = WatchedRun(schedule_of(seed))
        run.run()
        run.cut()
        heard += run.heard
        liars = {address(n) for n in run.schedule.liars}
        accused = {f.operator for f in run.found}
        assert accused <= liars, f"seed {seed}: {[(f.operator.hex(), f.index) for f in run.found]}"
        if run.lie():
            accused = {f.operator for f in run.found}
            assert accused == liars, f"seed {seed}: of {len(liars)} who sign two things {len(accused)} are found"
            liars_found += len(accused)
    assert heard > 50 * _COUNT
    assert liars_found > _COUNT // 4


async def test_no_honest_operator_is_accused_by_a_watcher_whatever_it_is_asked(tmp_path: Path) -> None:
    """The real signer with its journal, in two epochs, started anew now and then, asked for anything at all."""
    rng, key = random.Random(8), KEYS[0]
    comparer, given, refused = Comparer(), 0, 0
    path = tmp_path / "journal.db"

    def started(*, newborn: bool = False) -> Operator:
        journal = SignJournal(path, address_of(key), now_ms=0, mute_ms=0, newborn=newborn)
        return Operator(name="a", key=key, journal=journal, bound_bps=100)

    operator = started(newborn=True)
    sets = [SignerSet(domain=HERE, epoch=e, signers=tuple(ADDRESSES), weights=(1,) * 5, threshold=4) for e in (1, 2)]
    for n in range(3_000):
        if rng.random() < 0.01:
            operator.journal.close()
            operator = started()
        round_s, signers = ROUND_S + 10 * (n // 60), rng.choice(sets)
        tokens = sorted(rng.sample(range(4), rng.randint(1, 4)))
        said = items(*((i, rng.choice(("1.05", "1.05", "1.05", "1.04"))) for i in tokens))
        if rng.random() < 0.5:
            step = rng.randrange(6)
            answer = await operator.request_seal(signers, round_s, step, said, now_ms=round_s * 1_000, clock_ok=True)
            word = _word(signers, round_s, said, answer, step)
        else:
            answer = await operator.request_signature(signers, round_s, said, now_ms=round_s * 1_000, clock_ok=True)
            word = _word(signers, round_s, said, answer, None)
        given, refused = given + (word is not None), refused + (word is None)
        if word is not None:
            assert word.is_sound
            assert comparer.hear(word).contradiction is None
    assert given > 300
    assert refused > 300


def _word(signers: SignerSet, round_s: int, said: bytes, answer: object, step: int | None) -> SignedWord | None:
    if not isinstance(answer, Signature):
        return None
    (word,) = words_of_cut(signers, round_s, said, [(answer.address, answer.compact)])
    if step is None:
        return word
    return replace(word, kind=WordKind.SEALED, step=step)
