"""The desk's signed reports: operators are asked once a round, whoever asks, and for the store that was named."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from feeds.units import MS
from oracle.chain.quorum_rpc import ChainError
from oracle.model.publication import OnChain
from oracle.model.status import Why
from oracle.model.target_status import SignerQuorum, TargetStatus
from oracle.model.types import Report
from oracle.push.attestation import Attesters
from oracle.round.live import Live
from oracle.round.rounds import Round, Rounds
from oracle.round.seat import SignerSeat
from oracle.serve.history import HistoryReaders, in_threads
from oracle.serve.interface import NoReport
from oracle.serve.service import PriceService
from oracle.sign.eip712 import address_of
from oracle.sign.messages import SignedBatch, SignedValues, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.quorum import CollectedSignatures
from oracle.sign.sign_journal import SignJournal
from oracle.storage.database import Database
from tests.oracle.round.round_world import SPECS, member, observed
from tests.oracle.sign.sign_world import DOMAIN, KEYS, SIGNERS

ROUND_S = 1_700_000_000
INDEXES = {"wdivETH/ETH": 0, "ETH/USD": 1}


class Counted:
    """A target without a chain: real operators vote, and every time that they are asked is counted."""

    onchain: Mapping[str, OnChain] = {}
    stands = TargetStatus(
        target="main", sends=True, connected=True, looked_at_ms=ROUND_S * MS, pushes_left=900, few_pushes=100, feeds=(),
        quorum=SignerQuorum(weight=3, threshold=2, missing=()),
    )  # fmt: skip

    @property
    def wanted(self) -> set[str]:
        return {f.feed for f in self.stands.feeds} if self.stands.sends else set()

    def seen(self) -> TargetStatus:
        return replace(self.stands, connected=self.connected)

    def __init__(self, operators: Sequence[Operator], signers: SignerSet) -> None:
        self.asked: list[str] = []
        self.connected = True
        self.done: Round | None = None
        self.voters = Attesters("t", operators, now_ms=lambda: ROUND_S * MS, clock_ok=lambda: True)
        self.voters.sit(signers, INDEXES)

    async def ballot(self, feeds: Sequence[str]) -> CollectedSignatures | None:
        self.asked += feeds
        await asyncio.sleep(0)
        assert self.done is not None
        return await self.voters.vote(await self.voters.values(self.done), [INDEXES[f] for f in feeds])


class Stand:
    """Two stores, three operators, rounds. ``at_ms``: the clock."""

    def __init__(self, folder: Path, store: Database | None = None, *, started: bool = True) -> None:
        self.at_ms = ROUND_S * MS
        self.operators = [
            Operator(f"op{i}", k, SignJournal(folder / f"{i}.db", address_of(k), now_ms=0, mute_ms=0), bound_bps=100)
            for i, k in enumerate(KEYS)
        ]
        other = replace(SIGNERS, domain=replace(DOMAIN, chain_id=10))
        self.targets = {n: Counted(self.operators, s) for n, s in (("main", SIGNERS), ("side", other))}
        members = [replace(member(name=o.name), signer=o) for o in self.operators]
        self.rounds = Rounds(SPECS, members, SignerSeat(target="main", signers=SIGNERS, indexes=INDEXES))
        self.store = store or Database(":memory:")
        self.desk = PriceService(
            SPECS, self.store, Live(SPECS, self.rounds.members[0].states.__getitem__, lambda *_: []), self.targets,
            interval_s=10, now_ms=lambda: self.at_ms, offset_ms=lambda: 0,
            readers=HistoryReaders(Path("unused.db"), executor=in_threads),
        )  # fmt: skip
        if started:
            self.round(ROUND_S)

    def round(self, round_s: int) -> None:
        self.at_ms = round_s * MS
        done = self.rounds.run(round_s, observed(round_s * MS), now_ms=round_s * MS)
        self.rounds.commit(done)
        for target in self.targets.values():
            target.done = done
        self.desk.publish(done)


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


async def test_operators_are_asked_once_for_a_target_a_feed_and_a_round(stand: Stand) -> None:
    found = await asyncio.gather(*(stand.desk.report("ETH/USD") for _ in range(5)))
    assert {type(f) for f in found} == {SignedBatch}
    assert len({id(f) for f in found}) == 1
    await stand.desk.report("wdivETH/ETH")
    assert stand.targets["main"].asked == ["ETH/USD", "wdivETH/ETH"]
    stand.round(ROUND_S + 10)
    newer = await stand.desk.report("ETH/USD")
    assert isinstance(newer, SignedBatch)
    assert newer.round_time_s == ROUND_S + 10
    assert stand.targets["main"].asked == ["ETH/USD", "wdivETH/ETH", "ETH/USD"]


async def test_a_refusal_too_stands_until_the_next_round(stand: Stand) -> None:
    for one in stand.operators[1:]:
        one.journal.record(DOMAIN, ROUND_S, {1: b"another"})
    found = await asyncio.gather(*(stand.desk.report("ETH/USD") for _ in range(5)))
    found.append(await stand.desk.report("ETH/USD"))
    assert {(f.code if isinstance(f, NoReport) else "") for f in found} == {"no_quorum"}
    assert stand.targets["main"].asked == ["ETH/USD"]
    stand.round(ROUND_S + 10)
    assert isinstance(await stand.desk.report("ETH/USD"), SignedBatch)


async def test_the_named_store_is_signed_for_and_the_first_without_a_name(stand: Stand) -> None:
    assert stand.desk.targets() == ("main", "side")
    found = [await stand.desk.report("ETH/USD", name) for name in (None, "main", "side")]
    assert [f.domain.chain_id for f in found if isinstance(f, SignedBatch)] == [31_337, 31_337, 10]
    assert (stand.targets["main"].asked, stand.targets["side"].asked) == (["ETH/USD"], ["ETH/USD"])


async def test_a_reader_that_goes_takes_the_report_from_no_other(stand: Stand) -> None:
    first = asyncio.create_task(stand.desk.report("ETH/USD"))
    await asyncio.sleep(0)
    second = asyncio.create_task(stand.desk.report("ETH/USD"))
    first.cancel()
    assert isinstance(await second, SignedBatch)
    assert stand.targets["main"].asked == ["ETH/USD"]


async def test_what_can_not_be_signed_says_why(stand: Stand) -> None:
    async def gone(_: Sequence[str]) -> CollectedSignatures | None:
        raise ChainError("not connected")

    codes = []
    stand.targets["main"].connected = False
    codes.append(await stand.desk.report("ETH/USD"))
    stand.targets["side"].ballot = gone  # type: ignore[method-assign]
    codes.append(await stand.desk.report("ETH/USD", "side"))
    codes.append(await stand.desk.report("nothing"))
    stand.desk._signs_reports = False
    codes.append(await stand.desk.report("ETH/USD"))
    stand.desk._signs_reports = True
    stand.targets.clear()
    codes.append(await stand.desk.report("ETH/USD"))
    assert [(c.code, c.text.split(":")[0]) for c in codes if isinstance(c, NoReport)] == [
        ("no_target", "target main is not connected"),
        ("no_target", "not connected"),
        ("no_round", "nothing has no price in the newest round"),
        ("backup", "this process shares its journals with another one"),
        ("no_target", "no store to sign for"),
    ]


async def test_readers_of_every_report_have_a_few_signed_at_a_time_and_none_of_a_round_that_is_over() -> None:
    """A flood must neither hold up rounds nor queue up: what nobody got to in its round is dropped."""
    usd = SPECS["ETH/USD"]
    specs = {f"A{i}/USD": replace(usd, feed=f"A{i}/USD") for i in range(40)}
    rounds = Rounds(specs, [member(dict(specs))], None)
    release, under_way, most = asyncio.Event(), 0, 0

    class Waiting(Counted):
        async def ballot(self, feeds: Sequence[str]) -> CollectedSignatures | None:
            nonlocal under_way, most
            self.asked += feeds
            under_way, most = under_way + 1, max(most, under_way + 1)
            await release.wait()
            under_way -= 1
            return None

    chain = Waiting([], SIGNERS)
    desk = PriceService(
        specs, Database(":memory:"), Live(specs, rounds.members[0].states.__getitem__, lambda *_: []), {"main": chain},
        interval_s=10, now_ms=lambda: ROUND_S * MS, offset_ms=lambda: 0,
            readers=HistoryReaders(Path("unused.db"), executor=in_threads),
    )  # fmt: skip

    def publish(round_s: int) -> None:
        words = observed(round_s * MS)["ETH/USD"]
        desk.publish(rounds.run(round_s, dict.fromkeys(specs, words), now_ms=round_s * MS))

    publish(ROUND_S)
    readers = [asyncio.create_task(desk.report(feed)) for feed in specs for _ in range(3)]
    await asyncio.sleep(0.01)
    assert (len(chain.asked), under_way) == (4, 4)
    publish(ROUND_S + 10)
    release.set()
    codes = [found.code for found in await asyncio.gather(*readers) if isinstance(found, NoReport)]
    assert (codes.count("no_quorum"), codes.count("no_round")) == (4 * 3, 36 * 3)
    assert len(chain.asked) == 4
    assert len({f.code for f in await asyncio.gather(*map(desk.report, specs)) if isinstance(f, NoReport)}) == 1
    assert (len(chain.asked), most) == (4 + 40, 4)


def test_a_feed_that_too_few_gave_a_value_for_is_said_to_have_no_price(tmp_path: Path) -> None:
    """One operator leaves a feed out, and without it the threshold is not reached: nobody abstained, nothing is published."""
    stand = Stand(tmp_path)
    assert (stand.desk.abstaining("ETH/USD"), stand.desk.health().feeds_abstaining) == (None, 0)
    three = replace(SIGNERS, threshold=3)

    def sign_values(signers: SignerSet, round_s: int, view: Mapping[int, Report]) -> SignedValues:
        return Operator.sign_values(stand.operators[2], signers, round_s, {i: r for i, r in view.items() if i != 1})

    stand.operators[2].sign_values = sign_values  # type: ignore[method-assign]
    stand.rounds.take_seat(SignerSeat(target="main", signers=three, indexes=INDEXES))
    stand.round(ROUND_S + 10)
    for feed in ("ETH/USD", "wdivETH/USD"):
        found = stand.desk.abstaining(feed)
        assert found is not None
        assert (found.why, found.since_ms) == (Why.NO_QUORUM, (ROUND_S + 10) * MS)
    assert stand.desk.abstaining("wdivETH/ETH") is None
    assert not stand.desk.health().ready
    stand.round(ROUND_S + 20)
    again = stand.desk.abstaining("ETH/USD")
    assert again is not None
    assert again.since_ms == (ROUND_S + 10) * MS
    del stand.operators[2].sign_values
    stand.round(ROUND_S + 30)
    assert stand.desk.abstaining("wdivETH/USD") is None
