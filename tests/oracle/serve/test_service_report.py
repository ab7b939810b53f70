"""The service's signed reports: operators are asked once a round however many readers ask, and for the named store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from feeds.units import MS
from oracle.chain.quorum_rpc import ChainError
from oracle.model.status import Why
from oracle.model.types import Report
from oracle.round.live import Live
from oracle.round.rounds import Rounds
from oracle.round.seat import SignerSeat
from oracle.serve.history import HistoryReaders
from oracle.serve.interface import NoReport, Update
from oracle.serve.service import PriceService
from oracle.sign.messages import Refusal, SignedBatch, SignedValues, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.signed_batch import CollectedSignatures
from oracle.storage.database import Database
from tests.oracle.network.agreement_world import agreements_here, in_own_loop
from tests.oracle.round.round_world import SPECS, member, observed, own_round
from tests.oracle.serve.reader_work import in_threads
from tests.oracle.serve.service_world import INDEXES, ROUND_S, CountingTarget, ServiceWorld
from tests.oracle.sign.sign_world import DOMAIN, SIGNERS


@pytest.fixture
def world(tmp_path: Path) -> ServiceWorld:
    return ServiceWorld(tmp_path)


async def test_operators_are_asked_once_for_a_target_a_feed_and_a_round(world: ServiceWorld) -> None:
    found = await asyncio.gather(*(world.service.report("ETH/USD") for _ in range(5)))
    assert {type(f) for f in found} == {SignedBatch}
    assert len({id(f) for f in found}) == 1
    await world.service.report("wdivETH/ETH")
    assert world.targets["main"].requested == ["ETH/USD", "wdivETH/ETH"]
    world.round(ROUND_S + 10)
    newer = await world.service.report("ETH/USD")
    assert isinstance(newer, SignedBatch)
    assert newer.round_time_s == ROUND_S + 10
    assert world.targets["main"].requested == ["ETH/USD", "wdivETH/ETH", "ETH/USD"]


async def test_a_refusal_too_is_kept_until_the_next_round(world: ServiceWorld) -> None:
    for one in world.operators[1:]:
        one.journal.mute(ROUND_S * MS + 1)
    found = await asyncio.gather(*(world.service.report("ETH/USD") for _ in range(5)))
    found.append(await world.service.report("ETH/USD"))
    assert {(f.code if isinstance(f, NoReport) else "") for f in found} == {"no_quorum"}
    assert world.targets["main"].requested == ["ETH/USD"]
    world.round(ROUND_S + 10)
    assert isinstance(await world.service.report("ETH/USD"), SignedBatch)


async def test_the_named_store_is_signed_for_and_the_first_without_a_name(world: ServiceWorld) -> None:
    assert world.service.targets() == ("main", "side")
    found = [await world.service.report("ETH/USD", name) for name in (None, "main", "side")]
    assert [f.domain.chain_id for f in found if isinstance(f, SignedBatch)] == [31_337, 31_337, 10]
    assert (world.targets["main"].requested, world.targets["side"].requested) == (["ETH/USD"], ["ETH/USD"])


async def test_a_reader_that_leaves_does_not_cancel_the_report_of_others(world: ServiceWorld) -> None:
    first = asyncio.create_task(world.service.report("ETH/USD"))
    await asyncio.sleep(0)
    second = asyncio.create_task(world.service.report("ETH/USD"))
    first.cancel()
    assert isinstance(await second, SignedBatch)
    assert world.targets["main"].requested == ["ETH/USD"]


async def test_what_cannot_be_signed_says_why(tmp_path: Path, world: ServiceWorld) -> None:
    async def gone(_: Sequence[str]) -> CollectedSignatures | None:
        raise ChainError("not connected")

    codes = []
    world.targets["main"].connected = False
    codes.append(await world.service.report("ETH/USD"))
    world.targets["side"].collect_signatures = gone  # type: ignore[method-assign]
    codes.append(await world.service.report("ETH/USD", "side"))
    codes.append(await world.service.report("nothing"))
    (tmp_path / "backup").mkdir()
    backup = ServiceWorld(tmp_path / "backup", reports=False)
    codes.append(await backup.service.report("ETH/USD"))
    world.targets.clear()
    codes.append(await world.service.report("ETH/USD"))
    assert [(c.code, c.text.split(":")[0]) for c in codes if isinstance(c, NoReport)] == [
        ("no_target", "target main is not connected"),
        ("no_target", "not connected"),
        ("no_round", "nothing has no price in the newest round"),
        ("backup", "this process shares its journals with another one"),
        ("no_target", "no store to sign for"),
    ]


async def test_a_few_reports_are_signed_at_a_time_and_none_of_a_round_that_is_over() -> None:
    """A flood of requests must neither delay rounds nor queue up: a request that had to wait until its round was over is dropped."""
    usd = SPECS["ETH/USD"]
    specs = {f"A{i}/USD": replace(usd, feed=f"A{i}/USD") for i in range(40)}
    rounds = Rounds(specs, [member(dict(specs))], None)
    release, under_way, most = asyncio.Event(), 0, 0

    class Waiting(CountingTarget):
        async def collect_signatures(self, feeds: Sequence[str]) -> CollectedSignatures | None:
            nonlocal under_way, most
            self.requested += feeds
            under_way, most = under_way + 1, max(most, under_way + 1)
            await release.wait()
            under_way -= 1
            return None

    chain = Waiting("main", [], SIGNERS, agreements_here([], now_ms=lambda: ROUND_S * MS).cut)
    service = PriceService(
        specs, Database(":memory:"), Live(specs, rounds.members[0].states.__getitem__, lambda *_: []), {"main": chain},
        interval_s=10, now_ms=lambda: ROUND_S * MS, offset_ms=lambda: 0,
            readers=HistoryReaders(Path("unused.db"), executor=in_threads),
    )  # fmt: skip

    def publish(round_s: int) -> None:
        words = observed(round_s * MS)["ETH/USD"]
        service.publish(own_round(rounds, round_s, dict.fromkeys(specs, words), now_ms=round_s * MS))

    publish(ROUND_S)
    readers = [asyncio.create_task(service.report(feed)) for feed in specs for _ in range(3)]
    while under_way < 4:  # noqa: ASYNC110 - a counter has no event
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.01)
    assert (len(chain.requested), under_way) == (4, 4)
    publish(ROUND_S + 10)
    release.set()
    codes = [found.code for found in await asyncio.gather(*readers) if isinstance(found, NoReport)]
    assert (codes.count("no_quorum"), codes.count("no_round")) == (4 * 3, 36 * 3)
    assert len(chain.requested) == 4
    assert len({f.code for f in await asyncio.gather(*map(service.report, specs)) if isinstance(f, NoReport)}) == 1
    assert (len(chain.requested), most) == (4 + 40, 4)


async def test_another_process_with_these_journals_is_not_contradicted(world: ServiceWorld) -> None:
    """A batch of a round is of what was sealed: where the journals have something else, nothing is signed."""
    newest = world.targets["main"].newest
    assert newest is not None
    other = replace(newest.outcomes["main"].terms.signers.domain, chain_id=10)
    for one in world.operators[1:]:
        one.journal.record(other, ROUND_S + 10, {1: b"another"})
    world.round(ROUND_S + 10)
    assert isinstance(await world.service.report("ETH/USD"), SignedBatch)
    found = await world.service.report("ETH/USD", "side")
    assert isinstance(found, NoReport)
    assert found.code == "no_quorum"
    assert isinstance(await world.service.report("wdivETH/ETH", "side"), SignedBatch), "the other feed goes on"


def unseated(world: ServiceWorld, threshold: int, *silent: int) -> None:
    """From now on so much must sign; these operators do not."""
    world.rounds.take_seat(
        SignerSeat(target="main", signers=replace(SIGNERS, threshold=threshold), indexes=INDEXES)
    )  # fmt: skip
    for n in silent:
        world.operators[n].journal.mute((ROUND_S + 1_000) * MS)


def test_a_feed_with_values_of_too_few_operators_has_no_price(tmp_path: Path) -> None:
    """One operator leaves a feed out, and the others do not reach the threshold: nobody abstained, and nothing is published."""
    world = ServiceWorld(tmp_path)
    assert (world.service.abstaining("ETH/USD"), world.service.health().feeds_abstaining) == (None, 0)

    async def request_values(
        signers: SignerSet, round_s: int, view: Mapping[int, Report], terms: bytes
    ) -> SignedValues | Refusal:
        less = {i: r for i, r in view.items() if i != 1}
        return await Operator.request_values(world.operators[2], signers, round_s, less, terms)

    world.operators[2].request_values = request_values  # type: ignore[method-assign]
    unseated(world, 3)
    world.round(ROUND_S + 10)
    for feed in ("ETH/USD", "wdivETH/USD"):
        found = world.service.abstaining(feed)
        assert found is not None
        assert (found.why, found.since_ms) == (Why.NO_QUORUM, (ROUND_S + 10) * MS)
        assert found.text == "too few operators gave a value that counts"
    assert world.service.abstaining("wdivETH/ETH") is None
    assert not world.service.health().ready
    world.round(ROUND_S + 20)
    again = world.service.abstaining("ETH/USD")
    assert again is not None
    assert again.since_ms == (ROUND_S + 10) * MS
    del world.operators[2].request_values
    world.round(ROUND_S + 30)
    assert world.service.abstaining("wdivETH/USD") is None


def test_a_round_that_was_not_sealed_is_shown_as_what_it_is(tmp_path: Path) -> None:
    """Every feed keeps its last record and says who is missing; nothing of the round is stored as final, and it comes back."""
    world = ServiceWorld(tmp_path)
    unseated(world, 3, 1)
    done = world.round(ROUND_S + 10)
    assert done.records == ()
    for feed in SPECS:
        found, record = world.service.abstaining(feed), world.service.record(feed)
        assert found is not None
        assert record is not None
        assert found.why is Why.NO_QUORUM
        assert found.text.startswith("values of weight 2, 3 are needed: op1: mute for another")
        assert record.report.round_time_s == ROUND_S
        assert world.database.record(feed, ROUND_S + 10) is None
    health = world.service.health()
    assert (health.live, health.ready, health.round) == (True, False, ROUND_S + 10)
    unseated(world, 2)
    world.round(ROUND_S + 20)
    assert all(world.service.abstaining(feed) is None for feed in SPECS)
    seal = world.service.record("ETH/USD").seal  # type: ignore[union-attr]
    assert seal is not None
    assert (seal.weight, [m.operator for m in seal.missing]) == (2, ["op1"])


def test_a_feed_on_which_operators_part_says_who_does_not_vouch_for_it(tmp_path: Path) -> None:
    world = ServiceWorld(tmp_path)
    unseated(world, 3)
    for one in world.operators[:1]:
        one.journal.record(DOMAIN, ROUND_S + 10, {1: b"another"})
    world.round(ROUND_S + 10)
    found = world.service.abstaining("ETH/USD")
    assert found is not None
    assert found.text == (
        "too few operators vouch for one price: op0: its key has signed something else for this round"
    )  # fmt: skip
    assert world.service.abstaining("wdivETH/ETH") is None, "it takes no other feed along"


def test_a_round_that_turns_out_to_be_sealed_is_shown_at_once(tmp_path: Path) -> None:
    world = ServiceWorld(tmp_path)
    folded = world.rounds.fold(ROUND_S + 10, observed((ROUND_S + 10) * MS), now_ms=(ROUND_S + 10) * MS)
    outcome = in_own_loop(world.agreements.agree(folded.asks["main"]))
    missed = world.rounds.finish(folded, {})
    world.rounds.commit(missed)
    world.service.publish(missed)
    assert world.service.abstaining("ETH/USD") is not None
    learned = world.rounds.learn(outcome, (ROUND_S + 12) * MS)
    assert learned is not None
    world.rounds.commit(learned)
    told: list[Update] = []
    world.service.subscribe(told.append)
    world.service.learn(learned)
    world.service.learn(learned)
    assert [u.round_time_s for u in told] == [ROUND_S + 10], "streams have it too, once"
    for feed in SPECS:
        record = world.service.record(feed)
        assert record is not None
        assert record.report.round_time_s == ROUND_S + 10
        assert world.service.abstaining(feed) is None
