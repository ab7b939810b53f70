"""The stream of rounds over its life: deleted while it is used, with subjects of single feeds, and told where it does not work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from oracle.follow.follower import VerifiedRound
from oracle.follow.sources import SourceState
from oracle.nats.link import ROUND_HEADER, connected, feed_subject
from oracle.serve.outbox_gauges import OutboxGauges
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


async def test_a_stream_that_is_deleted_while_it_is_used_is_made_and_filled_anew(
    here: Site, server: NatsProcess
) -> None:
    here.rounds(3)
    taken: list[VerifiedRound] = []
    async with here.process() as one, publishing(one, server), following(here, server, taken):
        await until(lambda: len(taken) == 3, "the first ones")
        client = await connected(server.access)
        await client.jetstream().delete_stream(PLAN.name)
        here.round()
        await until(lambda: len(times(taken)) == 4, "the next one, of a new stream")
        assert (await client.jetstream().stream_info(PLAN.name)).state.messages == 4, "all that the database keeps"
        await client.close()
    assert times(taken) == [ROUND_S + 10 * n for n in range(4)], "none twice"


async def test_a_feed_by_itself_is_proven_as_the_round_is_and_kept_by_feed_and_round(
    here: Site, server: NatsProcess
) -> None:
    here.rounds(2)
    taken: list[VerifiedRound] = []
    async with here.process() as one, publishing(one, server, replace(PLAN, per_feed=True)) as publisher:
        await until(lambda: publisher.published == 2, "both")
        client = await connected(server.access)
        stream = client.jetstream()
        assert (await stream.stream_info(PLAN.name)).state.messages == 2 * (1 + 3)
        reading = await stream.pull_subscribe(feed_subject(here.domain, "wdivETH/USD"), stream=PLAN.name)
        messages = await reading.fetch(2, timeout=30)
        assert [int(m.headers[ROUND_HEADER]) for m in messages] == [ROUND_S, ROUND_S + 10]
        async with here.follower(take=taken) as follower:
            for message in messages:
                assert await follower.hear(
                    SourceState(name="it", rank=0), int(message.headers[ROUND_HEADER]), message.data
                )
        await client.close()
        stored = one.database.record("wdivETH/USD", ROUND_S)
    assert stored is not None
    assert [r.computed_at_ms for r in taken[0].records if r.feed == "wdivETH/USD"] == [stored.computed_at_ms]


async def test_what_does_not_reach_the_server_is_a_warning_and_counted(here: Site, server: NatsProcess) -> None:
    await server.kill()
    here.rounds(2)
    registry = CollectorRegistry()
    gauges = OutboxGauges(registry)
    async with here.process() as one, publishing(one, server) as publisher:
        gauges.publisher = publisher
        await until(publisher.warnings, "it is told")
        assert "wait in the database: NatsFault: no server answers" in publisher.warnings()[0]
        exposed = generate_latest(registry).decode()
        assert {"lrt_oracle_nats_up 0.0", "lrt_oracle_nats_waiting_rounds 2.0"} <= set(exposed.splitlines())
        await server.start()
        await until(lambda: publisher.published == 2, "all")
        exposed = generate_latest(registry).decode()
        assert {"lrt_oracle_nats_up 1.0", "lrt_oracle_nats_waiting_rounds 0.0"} <= set(exposed.splitlines())
        assert publisher.warnings() == ()


async def test_a_right_that_is_missing_is_told_in_the_servers_own_words(
    here: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle.nats.publisher.TIMEOUT_S", 0.5)
    config = 'authorization { users: [ { user: a, password: b, permissions: { publish: ["$JS.API.>"] } } ] }'
    nats = NatsProcess(tmp_path / "strict", config)
    await nats.start()
    nats.access = replace(nats.access, servers=(nats.url.replace("//", "//a:b@"),))
    here.round()
    async with here.process() as one, publishing(one, nats) as publisher:
        await until(lambda: publisher.error, "it is told")
        assert "permissions violation" in publisher.error.lower()
    await nats.kill()
