"""The tasks of a process: what goes wrong with one epoch holds no other one up. The chain is a stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.quorum_rpc import ChainError
from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.roots import duty as duties
from oracle.rewards.roots.duty import RootDuty, RootProcess, RootSettings
from oracle.rewards.roots.kept import kept_stakes
from oracle.rewards.roots.peers import NoRootPeers
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from oracle.storage.database import Database
from tests.oracle.rewards.rewards_epoch import ALL_KEYS, DOMAIN, POTS, frozen_of

OVER_S, ATTEMPT_S, INTERVAL_S = 1_700_001_000, 60, 10
FROZEN = frozen_of([1])


@dataclass
class Reads:
    """Epochs 1 to 3 are over, the fourth is in force. ``stateless``: whose freeze no endpoint knows the state of."""

    stateless: set[int] = field(default_factory=set)
    pots_of: dict[int, Mapping[bytes, int]] = field(default_factory=dict)
    over: dict[int, int] = field(default_factory=dict)
    rolled: set[int] = field(default_factory=set)
    reported: set[int] = field(default_factory=set)
    young: set[int] = field(default_factory=set)
    stake: int = 2
    asked: list[int] = field(default_factory=list)
    answers_after: int = 3
    before: Reads | None = None
    """What is read some blocks earlier, where that is another thing."""

    async def open(self, *_: Any) -> Reads:
        return self

    async def earlier(self, blocks: int) -> Reads:
        assert blocks == 12
        return self if self.before is None else self.before

    async def present(self) -> int:
        return 4

    async def frozen(self, epoch: int) -> FrozenEpoch | None:
        return replace(FROZEN, epoch=epoch, capture_s=epoch) if epoch <= 4 and epoch not in self.young else None

    async def stakes(self, frozen: FrozenEpoch) -> tuple[tuple[int, ...], ...]:
        if frozen.epoch in self.stateless:
            raise ChainError("missing trie node")
        return ((1, self.stake),)

    async def standing(self, epoch: int) -> tuple[bool, bool]:
        return epoch in self.reported, epoch in self.rolled

    async def posted(self, epoch: int) -> None:
        self.asked.append(epoch)
        if len(self.asked) < self.answers_after:
            raise ChainError("no logs")

    async def ended_s(self, epoch: int) -> int | None:
        return OVER_S if epoch < 4 else None

    async def over_s(self, epoch: int) -> int:
        return self.over.get(epoch, OVER_S)

    async def pots(self, epoch: int) -> Mapping[bytes, int]:
        return self.pots_of.get(epoch, POTS)


class HangingPoster:
    """Its endpoints do not answer, or the key that pays is away."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.asked: list[int] = []

    async def post(self, _: bytes, epoch: int) -> None:
        self.asked.append(epoch)
        if self.fault is not None:
            raise self.fault
        await asyncio.sleep(3_600)


class Made:
    """A process with the only operator of a set, so that it decides alone."""

    def __init__(self, folder: Path) -> None:
        self.now_ms = (OVER_S + 3 * INTERVAL_S) * 1_000
        self.reads, self.poster = Reads(), HangingPoster()
        self.journal = SignJournal(folder / "j", FROZEN.keys[0], now_ms=0, mute_ms=0, newborn=True)
        self.database = Database(folder / "o.db")
        process = RootProcess(
            database=self.database, operators=[Operator("a", ALL_KEYS[0], self.journal, bound_bps=100)],
            now_ms=lambda: self.now_ms, clock_ok=lambda: True, on_clone=lambda _: None, peers=NoRootPeers(),
            turn=lambda *_: True,
        )  # fmt: skip
        settings = RootSettings(
            target="main", domain=DOMAIN, contract=b"\x01" * 20, interval_s=INTERVAL_S, attempt_s=ATTEMPT_S,
            confirmations=12,
        )  # fmt: skip
        self.duty = RootDuty(settings, None, process, self.poster)  # type: ignore[arg-type]

    def look(self) -> None:
        asyncio.run(self.duty.look())

    def agree(self, seconds: int = 2 * ATTEMPT_S + 20) -> None:
        for _ in range(0, seconds, 5):
            self.now_ms += 5_000
            asyncio.run(asyncio.wait_for(self.duty.agree(), 60))


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    one = Made(tmp_path)
    monkeypatch.setattr(duties, "RewardsReads", one.reads)
    yield one
    one.database.close()
    one.journal.close()


@pytest.mark.parametrize("stateless", [{1}, {4}, {1, 3, 4}])
def test_an_epoch_whose_freeze_nobody_knows_holds_no_other_one_up(made: Made, stateless: set[int]) -> None:
    made.reads.stateless = stateless
    made.look()
    assert set(made.duty.sessions) == {1, 2, 3} - stateless
    made.reads.stateless = set()
    made.look()
    assert set(made.duty.sessions) == {1, 2, 3}


def test_no_vote_waits_for_the_chain_or_for_the_key_that_pays(made: Made) -> None:
    made.look()
    made.agree()
    assert all(s.is_signed for s in made.duty.sessions.values())
    made.poster.fault = RuntimeError("the key that pays is away")
    with pytest.raises(RuntimeError):
        asyncio.run(made.duty.post())
    assert made.poster.asked == [1, 2, 3]


def test_a_fault_in_one_epoch_holds_no_other_one_up(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    made.look()

    async def fails() -> None:
        raise OSError("disk")

    monkeypatch.setattr(made.duty.sessions[1], "tick", fails)
    for _ in range(30):
        made.now_ms += 5_000
        with pytest.raises(OSError, match="disk"):
            asyncio.run(made.duty.agree())
    assert [made.duty.sessions[e].is_signed for e in (1, 2, 3)] == [False, True, True]


def test_what_the_chain_says_otherwise_by_now_is_agreed_on_anew(made: Made) -> None:
    """Blocks were replaced, or the set that follows was: whoever looked before then would be apart from the others for good."""
    made.look()
    before = dict(made.duty.sessions)
    made.look()
    assert {e: s is before[e] for e, s in made.duty.sessions.items()} == {1: True, 2: True, 3: True}
    made.reads.pots_of[2] = {bytes(20): 5}
    made.reads.over[3] = OVER_S + 7
    made.look()
    assert {e: s is before[e] for e, s in made.duty.sessions.items()} == {1: True, 2: False, 3: False}
    assert made.duty.sessions[2].terms.pots == {bytes(20): 5}
    assert made.duty.sessions[3].terms.timing.base_ms == before[3].terms.timing.base_ms + 7_000
    made.agree()
    assert all(s.is_signed for s in made.duty.sessions.values())


def test_a_key_votes_on_deep_blocks_alone(made: Made) -> None:
    """`a_key_votes_on_deep_blocks_alone`: all who are locked on what followed from a lost block would never decide again."""
    made.reads.before = Reads(pots_of={2: {bytes(20): 5}})
    made.look()
    made.agree()
    assert [made.duty.sessions[e].is_signed for e in (1, 2, 3)] == [True, False, True]
    assert [list(made.journal.epoch_votes(DOMAIN, e)) != [] for e in (1, 2, 3)] == [True, False, True]
    made.reads.pots_of, made.reads.before = {2: {bytes(20): 5}}, None
    made.look()
    made.agree()
    decided = made.duty.sessions[2].book.decided
    assert decided is not None
    assert decided.pots == {bytes(20): 5}


@pytest.mark.parametrize(("answers_after", "asked"), [(1, 1), (3, 3), (99, 20)])
def test_a_report_that_cannot_be_read_yet_is_compared_later(made: Made, answers_after: int, asked: int) -> None:
    """Else a moment without an endpoint would hide a report that is not what was decided."""
    made.reads.rolled, made.reads.answers_after = {2}, answers_after
    for _ in range(25):
        made.look()
    assert made.reads.asked == [2] * asked


def test_a_report_is_done_with_once_it_is_deep(made: Made) -> None:
    """A block may be replaced: what was signed is kept until then, and posted again where it is gone."""
    made.poster.fault = RuntimeError("asked")
    made.look()
    made.agree()
    made.reads.reported, made.reads.before = {1, 3}, Reads()
    made.look()
    assert (made.duty.posted, set(made.duty.sessions)) == (3, {1, 2, 3})
    with pytest.raises(RuntimeError, match="asked"):
        asyncio.run(made.duty.post())
    assert made.poster.asked == [2], "the others are there, as far as is known"
    made.reads.reported = {1}
    made.look()
    assert made.duty.posted == 1
    with pytest.raises(RuntimeError, match="asked"):
        asyncio.run(made.duty.post())
    assert made.poster.asked == [2, 2, 3]
    made.reads.before = None
    made.look()
    assert (made.duty.posted, set(made.duty.sessions)) == (1, {2, 3})


def test_stake_is_kept_once_the_freeze_is_deep(made: Made) -> None:
    """In a block that is replaced stake may be another: what was read of it is not kept."""
    made.reads.before = Reads(young={3, 4})
    made.look()
    assert made.duty.sessions[3].terms.stakes == ((1, 2),)
    assert [made.database.stakes_at("main", e, e) is not None for e in (1, 2, 3, 4)] == [True, True, False, False]
    made.reads.stake = 5
    made.look()
    made.reads.before = None
    made.look()
    assert [made.duty.sessions[e].terms.stakes for e in (2, 3)] == [((1, 2),), ((1, 5),)]
    assert kept_stakes(made.database, "main", replace(FROZEN, epoch=4, capture_s=4)) == ((1, 5),)


def test_a_block_that_cannot_be_read_ends_nothing(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A contract that is younger than a block is deep, or endpoints without the state of then."""
    made.reads.reported = {1}

    async def earlier(_: int) -> Reads:
        raise ChainError("no state")

    monkeypatch.setattr(made.reads, "earlier", earlier)
    made.look()
    assert (made.duty.posted, set(made.duty.sessions)) == (1, {2, 3})
