"""Sealed rounds over a real NATS server: each arrives, in spite of kills, once at who follows; what is forged there counts for nothing."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import orjson
import pytest

from oracle.follow.follower import VerifiedRound
from oracle.nats.link import ROUND_HEADER, connected, subject_of
from tests.oracle.follow.follow_world import Site, site, times, until
from tests.oracle.nats.nats_process import NatsProcess, needs_nats
from tests.oracle.nats.nats_world import PLAN, following, publishing
from tests.oracle.serve.service_world import ROUND_S

pytestmark = [pytest.mark.chain, pytest.mark.loopback, needs_nats]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsProcess]:
    made = NatsProcess(tmp_path / "nats")
    await made.start()
    yield made
    await made.kill()


async def test_rounds_of_the_outbox_arrive_and_are_verified(here: Site, server: NatsProcess) -> None:
    here.rounds(3)
    taken: list[VerifiedRound] = []
    async with here.process() as one, publishing(one, server) as publisher, following(here, server, taken):
        await until(lambda: len(taken) == 3, "what was there")
        here.round()
        await until(lambda: len(taken) == 4, "what is new")
        assert times(taken) == [ROUND_S + 10 * n for n in range(4)]
        assert publisher.published == 4
        assert one.database.read_up_to("nats ROUNDS main") == one.database.newest_sequence("main")


async def test_a_publisher_goes_on_where_the_last_one_was(here: Site, server: NatsProcess) -> None:
    here.rounds(3)
    async with here.process() as one:
        async with publishing(one, server) as first:
            await until(lambda: first.published == 3, "all")
        here.round()
        async with publishing(one, server) as second:
            await until(
                lambda: one.database.read_up_to("nats ROUNDS main") == one.database.newest_sequence("main"), "one"
            )
            assert second.published == 1


async def test_twenty_kills_of_server_publisher_and_follower_lose_and_double_nothing(
    here: Site, server: NatsProcess
) -> None:
    rng, seen = random.Random(11), list[VerifiedRound]()
    async with here.process() as one:
        for kill in range(20):
            part: list[VerifiedRound] = []
            async with publishing(one, server), following(here, server, part) as follower:
                here.rounds(rng.randrange(1, 4))
                if kill % 3 == 0:
                    await server.kill()
                    here.rounds(1)
                    await server.start()
                if rng.random() < 0.6:
                    await until(lambda: follower.newest_s == here.now_ms() // 1_000, f"kill {kill}")
            assert len(set(times(part))) == len(times(part)), "none twice"
        async with publishing(one, server), following(here, server, seen):
            await until(lambda: len(seen) >= len(here.done), "all in the end")
    assert sorted(times(seen)) == [ROUND_S + 10 * n for n in range(len(here.done))]


async def test_the_server_keeps_a_round_once_that_is_handed_on_twice(here: Site, server: NatsProcess) -> None:
    here.rounds(2)
    async with here.process() as one, here.process() as two:
        async with publishing(one, server) as first, publishing(two, server) as second:
            await until(lambda: (first.published, second.published) == (2, 2), "both")
        client = await connected(server.access)
        assert (await client.jetstream().stream_info(PLAN.name)).state.messages == 2
        await client.close()


async def test_what_somebody_else_writes_there_is_refused_and_counted(here: Site, server: NatsProcess) -> None:
    here.round()
    taken: list[VerifiedRound] = []
    async with here.process() as one, publishing(one, server), following(here, server, taken) as follower:
        await until(lambda: len(taken) == 1, "the first")
        client = await connected(server.access)
        for data, number in ((b"{}", "1"), (orjson.dumps([]), "x")):
            await client.jetstream().publish(subject_of(here.domain), data, headers={ROUND_HEADER: number})
        await client.close()
        here.round()
        await until(lambda: len(taken) == 2, "the next one")
        assert dict(follower.states[0].refused) == {"form": 2}


async def test_rounds_go_on_while_the_server_is_gone_and_arrive_once_it_is_back(
    here: Site, server: NatsProcess
) -> None:
    taken: list[VerifiedRound] = []
    async with here.process() as one, publishing(one, server) as publisher:
        here.round()
        await until(lambda: publisher.published == 1, "the first")
        await server.kill()
        last_s = here.rounds(5)[-1]
        assert one.database.newest_sealed_s("main") == last_s
        await until(lambda: publisher.error, "it is told")
        await server.start()
        async with following(here, server, taken):
            await until(lambda: len(taken) == 6, "all of them")
        assert publisher.error == ""
