"""Honest operators cannot be slashed: histories through the real signing code and its journals, then every accusation.

A history is a few rounds of a few feeds at two stores (two targets of one process) by operators whose views differ: they are
sealed, and batches of them signed, in any order, by two processes that share their journals, with changes of the signer set
in the middle of a round, halts that carry only a status, views taken anew, restarts, lost journals and, between rounds,
restored ones. Whatever a key signed is kept, certificates and batches, whether a round came of it or not. Then
everybody's words are held against each other before the contract: nothing proves anything. ``LRT_ORACLE_CONTRACT_HONEST``
histories (forty here, 2,000 under ``make fuzz``).
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from feeds.units import Bps, Wad
from oracle.agree.messages import FeedRefusal
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.report.wire import split_items
from oracle.sign.eip712 import Domain, address_of, batch_bytes
from oracle.sign.messages import Refusal, RefusalCode, Signature, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from tests.contracts.courts import OF_TWO, STORES, Court, domain_of
from tests.contracts.evm_process import KEYS
from tests.oracle.network.agreement_world import BRIEF, agreements_here, ask_of

HISTORIES = int(os.environ.get("LRT_ORACLE_CONTRACT_HONEST", "40"))
PEOPLE, FEEDS = (0, 1, 2, 3, 4), (0, 1, 2)
ROUND_S, MAX_AGE_S, FIRST_S = 10, 60, 1_900_000_000
MUTE_MS = (MAX_AGE_S + ROUND_S) * 1_000
WAD = 10**18


class Said:
    """One signature that left a key, and what is under it."""

    def __init__(self, one: Signature, signers: SignerSet, round_s: int, items: bytes, step: int | None = None) -> None:
        self.domain, self.address, self.round_s, self.items = signers.domain, one.address, round_s, split_items(items)
        batch = batch_bytes(signers.epoch, round_s, items)
        self.words = words_of(batch, step)
        self.evidence = (*self.words, one.compact[:32], one.compact[32:])


def words_of(batch: bytes, step: int | None) -> tuple[int, int, bytes]:
    """What evidence says that was signed: a batch, or a round's certificate with its step."""
    return (0, 0, batch) if step is None else (1, step, batch)


class Heard(Operator):
    """Signs as production does; whatever leaves its key is kept."""

    said: list[Said]
    seen: Counter[str]

    async def request_seal(
        self, signers: SignerSet, round_time_s: int, step: int, items: bytes, *, now_ms: int, clock_ok: bool
    ) -> Signature | Refusal:
        answer = await super().request_seal(signers, round_time_s, step, items, now_ms=now_ms, clock_ok=clock_ok)
        return self._heard(answer, signers, round_time_s, items, step)

    async def request_signature(
        self, signers: SignerSet, round_time_s: int, items: bytes, *, now_ms: int, clock_ok: bool
    ) -> Signature | Refusal:
        answer = await super().request_signature(signers, round_time_s, items, now_ms=now_ms, clock_ok=clock_ok)
        return self._heard(answer, signers, round_time_s, items, None)

    def _heard(
        self, answer: Signature | Refusal, signers: SignerSet, round_s: int, items: bytes, step: int | None
    ) -> Signature | Refusal:
        if isinstance(answer, Signature):
            self.said.append(Said(answer, signers, round_s, items, step))
            self.seen["batch" if step is None else "sealed"] += 1
        else:
            self.seen[str(answer.code)] += 1
        return answer


class History:
    """Five people with a key and a journal each, which two processes share; one seed, one life."""

    def __init__(self, seed: int, folder: Path, *, careless: bool = False) -> None:
        self.rng, self.folder, self.careless = random.Random(seed), folder, careless
        self.now_ms = FIRST_S * 1_000
        self.said: list[Said] = []
        self.kept: set[int] = set()
        self.seen: Counter[str] = Counter()
        self.epochs = {domain_of(n): self._signers(domain_of(n), 1) for n in STORES}
        self.journals = {k: [self._journal(k, newborn=True), self._journal(k)] for k in PEOPLE}
        self.last_signed_s = dict.fromkeys(PEOPLE, 0)
        self.people: dict[Domain, list[dict[int, Heard]]] = {}
        self._sit()

    def _signers(self, domain: Domain, epoch: int) -> SignerSet:
        """A set of most of the people, of other weights and another order each time."""
        keys = self.rng.sample(PEOPLE, self.rng.choice((3, 4, 5)))
        weights = tuple(self.rng.randrange(1, 4) for _ in keys)
        members = tuple(address_of(KEYS[k]) for k in keys)
        return SignerSet(domain=domain, epoch=epoch, signers=members, weights=weights, threshold=sum(weights) // 2 + 1)

    def _path(self, key: int) -> Path:
        return self.folder / f"{key}.db"

    def _journal(self, key: int, *, newborn: bool = False) -> SignJournal:
        who = address_of(KEYS[key])
        return SignJournal(self._path(key), who, now_ms=self.now_ms, mute_ms=MUTE_MS, newborn=newborn)

    def _sit(self) -> None:
        """Each target of each process has operators with views of their own, over the process's journals."""
        self.people = {
            d: [
                {k: self._operator(k, journals[process]) for k, journals in self.journals.items()} for process in (0, 1)
            ]
            for d in self.epochs
        }

    def _operator(self, key: int, journal: SignJournal) -> Heard:
        made = Heard(f"op{key}", KEYS[key], journal, bound_bps=400)
        made.said, made.seen = self.said, self.seen
        return made

    # --- what happens to people ----------------------------------------------------------------------------------

    def restart(self, key: int, how: str) -> None:
        """As the program does it: open the journal; a missing one is mute, and one that is older than what is known too."""
        if self.careless and how == "lost":
            self._forget()
            return
        self.seen[how] += 1
        path, kept = self._path(key), self.folder / f"{key}.kept"
        self._shut(key)
        if how == "lost":
            self._remove(path)
        elif how == "restored":
            self._remove(path)
            shutil.copy(kept, path)
        first = self._journal(key, newborn=self.careless)
        if first.last_round_s() < self.last_signed_s[key] and not self.careless:
            first.mute(self.now_ms + MUTE_MS)
        self.journals[key] = [first, self._journal(key)]
        self._sit()

    def _forget(self) -> None:
        """All of them lose what they have signed, and say nothing of it: one alone gets no weight for another item."""
        for key in PEOPLE:
            self._shut(key)
            self._remove(self._path(key))
            self.journals[key] = [self._journal(key, newborn=True), self._journal(key)]
        self._sit()

    def keep(self, key: int) -> None:
        """A backup of the journal, as it is now."""
        self._shut(key)
        shutil.copy(self._path(key), self.folder / f"{key}.kept")
        self.kept.add(key)
        self.journals[key] = [self._journal(key), self._journal(key)]
        self._sit()

    def _shut(self, key: int) -> None:
        for one in self.journals[key]:
            one.close()

    @staticmethod
    def _remove(path: Path) -> None:
        for one in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            one.unlink(missing_ok=True)

    # --- rounds --------------------------------------------------------------------------------------------------

    def views(self, at: int) -> dict[int, dict[int, Report]]:
        """What each sees of a round: near each other, sometimes with one far away, blind, or in another status."""
        rng, out = self.rng, {}
        halted = {f for f in FEEDS if rng.random() < 0.15}
        for key in PEOPLE:
            there = [f for f in FEEDS if rng.random() < 0.9]
            out[key] = {f: self._report(f, at, halted=f in halted) for f in there}
        return out

    def _report(self, feed: int, at: int, *, halted: bool) -> Report:
        rng = self.rng
        market = WAD * (10_000 + rng.choice((0, 1, 30, 60, 2_000))) // 10_000
        status = Status.HALT if halted else rng.choice((Status.OK, Status.OK, Status.WATCH, Status.DEPEG))
        return Report(
            market_wad=Wad(WAD if halted else market), redemption_wad=Wad(0 if feed == 2 else WAD), spread_bps=Bps(7),
            status=status, why=Why.NONE, round_time_s=at, market_age_s=rng.choice((0, 3)), redemption_age_h=1,
        )  # fmt: skip

    async def vote(self, domain: Domain, at: int, views: dict[int, dict[int, Report]], feeds: list[int]) -> list[int]:
        """Seal a round and have batches of it signed; whose signatures are in the batch of these feeds."""
        signers = self.epochs[domain]
        members = [o for o in self.rng.choice(self.people[domain]).values() if o.address in signers.signers]
        agreements = agreements_here(members, now_ms=lambda: self.now_ms, timing=BRIEF)
        own = {o.name: views[int(o.name[2:])] for o in members}
        indexes = {f"feed{i}": i for i in FEEDS}
        outcome = await agreements.agree(ask_of(signers, at, own, feeds=indexes))
        self.seen.update(code.name for m in outcome.members for _, code in m.refused)
        self.seen.update(str(r.code) for r in outcome.refusals if r.code is RefusalCode.MUTE)
        if outcome.sealed is None:
            return []
        self.seen["round"] += 1
        cut = await agreements.cut(outcome, [i for i in feeds if i in split_items(outcome.sealed.content.items)])
        return [k for k in PEOPLE if cut.batch is not None and address_of(KEYS[k]) in cut.batch.addresses]

    async def live(self) -> None:
        rng = self.rng
        for _ in range(4):
            self.now_ms += ROUND_S * 1_000 * rng.choice((1, 1, 2, 9))
            if (old := rng.choice(PEOPLE)) in self.kept and rng.random() < 0.5:
                self.restart(old, "restored")
            at = self.now_ms // 1_000 // ROUND_S * ROUND_S
            views = self.views(at)
            for _ in range(rng.randrange(2, 7)):
                domain = rng.choice(tuple(self.epochs))
                match rng.randrange(9):
                    case 0 | 1 | 2:
                        pushed = await self.vote(domain, at, views, rng.sample(FEEDS, rng.randrange(1, 4)))
                        self.last_signed_s |= dict.fromkeys(pushed, at)
                    case 3 | 4:  # a report: the process remembers it nowhere but in the journals
                        await self.vote(domain, at, views, [rng.choice(FEEDS)])
                    case 5:
                        self.epochs[domain] = self._signers(domain, self.epochs[domain].epoch + 1)
                    case 6:
                        self.restart(rng.choice(PEOPLE), rng.choice(("restart", "lost")))
                        views = self.views(at)
                    case 7:
                        self.keep(rng.choice(PEOPLE))
                    case _:
                        views = self.views(at)

    def close(self) -> None:
        for key in self.journals:
            self._shut(key)


def words(said: list[Said]) -> Iterator[tuple[Said, Said, int]]:
    """Every two words of one key at one store for one round, and each token that is in both."""
    for a, b in combinations(said, 2):
        if (a.domain, a.address, a.round_s) == (b.domain, b.address, b.round_s) and a.words != b.words:
            yield from ((a, b, index) for index in a.items.keys() & b.items.keys())


def judged(
    court: Court, histories: range, folder: Path, *, careless: bool = False
) -> tuple[Counter[str], Counter[str]]:
    """Live through the histories and accuse everybody of everything: what happened, and what came of the accusations."""
    seen: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    for number in histories:
        place = folder / str(number)
        place.mkdir()
        history = History(number, place, careless=careless)
        asyncio.run(history.live())
        history.close()
        shutil.rmtree(place)
        seen.update(history.seen)
        for a, b, index in words(history.said):
            verdicts[court.prove(a.domain, a.evidence, b.evidence, index) or "proven"] += 1
        for a, b in zip(history.said, history.said[1:], strict=False):
            verdicts[court.prove(a.domain, a.evidence, b.evidence, next(iter(a.items))) or "proven"] += 1
    return seen, verdicts


@pytest.fixture(scope="module")
def court() -> Court:
    return Court(PEOPLE)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where the system has such a place: journals wait for the disk at every word."""
    memory = Path("/dev/shm")  # noqa: S108 - a fresh folder of a random name
    made = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else tmp_path))
    yield made
    shutil.rmtree(made)


@pytest.mark.fuzz
def test_keys_that_keep_their_journal_are_never_proven_to_have_said_two_things(court: Court, folder: Path) -> None:
    """No accusation holds; and the histories were no idle ones: journals refused, sets changed, batches came about."""
    seen, verdicts = judged(court, range(HISTORIES), folder)
    assert set(verdicts) <= {"NoContradiction", *OF_TWO}
    assert verdicts["NoContradiction"] > HISTORIES
    wanted = {
        "round",
        "sealed",
        "batch",
        "restart",
        "lost",
        "restored",
        FeedRefusal.EQUIVOCATION.name,
        FeedRefusal.OUT_OF_BOUND.name,
        FeedRefusal.NO_OWN_VIEW.name,
        str(RefusalCode.EQUIVOCATION),
        str(RefusalCode.MUTE),
    }
    assert set(seen) >= wanted
    assert court.guilty() == []


def test_keys_that_forget_are_caught_by_the_same_accusations(court: Court, folder: Path) -> None:
    """The other half: with journals that are thrown away, and nobody mute, the same histories are proof enough."""
    _, verdicts = judged(court, range(30), folder, careless=True)
    assert verdicts["proven"] > 0
