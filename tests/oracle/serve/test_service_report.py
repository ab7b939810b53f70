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
from oracle.serve.interface import NoReport
from oracle.serve.service import PriceService
from oracle.sign.messages import SignedBatch, SignedValues, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.signed_batch import CollectedSignatures
from oracle.storage.database import Database
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
        one.journal.record(DOMAIN, ROUND_S, {1: b"another"})
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

    chain = Waiting([], SIGNERS)
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
    await asyncio.sleep(0.01)
    assert (len(chain.requested), under_way) == (4, 4)
    publish(ROUND_S + 10)
    release.set()
    codes = [found.code for found in await asyncio.gather(*readers) if isinstance(found, NoReport)]
    assert (codes.count("no_quorum"), codes.count("no_round")) == (4 * 3, 36 * 3)
    assert len(chain.requested) == 4
    assert len({f.code for f in await asyncio.gather(*map(service.report, specs)) if isinstance(f, NoReport)}) == 1
    assert (len(chain.requested), most) == (4 + 40, 4)


def test_a_feed_with_values_of_too_few_operators_has_no_price(tmp_path: Path) -> None:
    """One operator leaves a feed out, and the others do not reach the threshold: nobody abstained, and nothing is published."""
    world = ServiceWorld(tmp_path)
    assert (world.service.abstaining("ETH/USD"), world.service.health().feeds_abstaining) == (None, 0)
    three = replace(SIGNERS, threshold=3)

    def sign_values(signers: SignerSet, round_s: int, view: Mapping[int, Report]) -> SignedValues:
        return Operator.sign_values(world.operators[2], signers, round_s, {i: r for i, r in view.items() if i != 1})

    world.operators[2].sign_values = sign_values  # type: ignore[method-assign]
    world.rounds.take_seat(SignerSeat(target="main", signers=three, indexes=INDEXES))
    world.round(ROUND_S + 10)
    for feed in ("ETH/USD", "wdivETH/USD"):
        found = world.service.abstaining(feed)
        assert found is not None
        assert (found.why, found.since_ms) == (Why.NO_QUORUM, (ROUND_S + 10) * MS)
    assert world.service.abstaining("wdivETH/ETH") is None
    assert not world.service.health().ready
    world.round(ROUND_S + 20)
    again = world.service.abstaining("ETH/USD")
    assert again is not None
    assert again.since_ms == (ROUND_S + 10) * MS
    del world.operators[2].sign_values
    world.round(ROUND_S + 30)
    assert world.service.abstaining("wdivETH/USD") is None
