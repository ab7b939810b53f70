"""Sources that send more than a follower could bear, withhold, or speak for a set that the chain takes back."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import coincurve
import orjson
import pytest
from aiohttp import web
from web3.types import RPCEndpoint

from oracle.follow.follower import VerifiedRound
from oracle.follow.operator_stream import OperatorStream
from oracle.follow.told_round import MOST_BYTES
from oracle.node.node_service import NodeService
from oracle.sign.eip712 import address_of, sealed_digest, sign_compact
from tests.oracle.follow.follow_world import KEEP_S, Process, Site, body_of, site, times, until
from tests.oracle.round.round_world import SPECS
from tests.oracle.serve.service_world import ROUND_S

pytestmark = [pytest.mark.chain, pytest.mark.loopback]
STRANGERS = [coincurve.PrivateKey(bytes([n]) * 32) for n in (41, 42, 43)]
Send = Callable[[web.StreamResponse], Awaitable[None]]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


@asynccontextmanager
async def sending(send: Send, **headers: str) -> AsyncIterator[str]:
    """An endpoint whose stream is what a function writes, again at every connection; its address."""

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **headers})
        await response.prepare(request)
        await send(response)
        return response

    app = web.Application()
    app.router.add_get("/v1/rounds/stream", stream)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def event(body: dict[str, object], round_s: int = ROUND_S) -> bytes:
    return b"id: %d\nevent: round\ndata: %b\n\n" % (round_s, orjson.dumps(body))


def for_ever(chunk: bytes) -> Send:
    async def send(response: web.StreamResponse) -> None:
        while True:
            await response.write(chunk)

    return send


async def test_streams_without_an_end_are_cut_and_left_alone_for_longer_and_longer(here: Site) -> None:
    """One after the other beside an honest operator, whose rounds come all the same."""
    here.round()
    async with here.process() as one:
        body = body_of(one, ROUND_S)
        floods = {
            "comments": for_ever(b":\n\n" * 20_000),
            "one event": for_ever(b"data: " + b"x" * 65_536),
            "a round again": for_ever(event(body)),
            "rounds that do not verify": for_ever(event({})),
            "no rounds": for_ever(b"id: 1\nevent: other\ndata: {}\n\n"),
        }
        for name, send in floods.items():
            taken: list[VerifiedRound] = []
            async with sending(send) as liar, here.follower(liar, one.url, take=taken) as follower:
                state = follower.states[0]
                await until(lambda s=state: s.breaks, name)  # type: ignore[misc]
                last_s = here.round()
                await until(lambda f=follower, r=last_s: f.newest_s == r, f"the truth beside {name}")  # type: ignore[misc]
                assert len(times(taken)) == len(here.done)
                assert state.error.startswith("SourceFault"), name


async def test_a_source_that_tells_only_lies_is_dialled_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses, enough = list[float](), asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            enough.set()
            await asyncio.Event().wait()

    async def hear(*_: object) -> bool:
        stream.state.heard += 1
        stream.state.refused["form"] += 1
        return False

    import aiohttp  # noqa: PLC0415 - beside what is replaced

    async with sending(for_ever(event({}))) as liar, aiohttp.ClientSession() as session:
        stream = OperatorStream(liar, 0, session)
        monkeypatch.setattr("oracle.follow.operator_stream.asyncio.sleep", sleep)
        running = asyncio.create_task(stream.run(hear, 0))
        await enough.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert pauses[3] > 1.5 * pauses[0]


async def test_what_is_packed_is_not_unpacked(here: Site) -> None:
    here.round()
    bomb = gzip.compress(b"data: " + bytes(64 << 20))
    assert len(bomb) < MOST_BYTES
    taken: list[VerifiedRound] = []

    async def send(response: web.StreamResponse) -> None:
        await response.write(bomb)

    async with (
        here.process() as one, sending(send, **{"Content-Encoding": "gzip"}) as liar,
        here.follower(liar, one.url, take=taken) as follower,
    ):  # fmt: skip
        await until(lambda: follower.states[0].breaks and taken, "both")
        assert "packs" in follower.states[0].error


async def test_an_operator_that_withholds_keeps_no_round_away_and_is_told(here: Site) -> None:
    """It answers, and says nothing: or it stops at a round."""
    here.round()
    taken: list[VerifiedRound] = []

    async def say_nothing(response: web.StreamResponse) -> None:
        while True:
            await response.write(b": alive\n\n")
            await asyncio.sleep(0.05)

    async with (
        here.process() as one, here.process() as two, sending(say_nothing) as mute,
        here.follower(mute, one.url, two.url, take=taken) as follower,
    ):  # fmt: skip
        service = NodeService("home", SPECS, follower, interval_s=10, keep_s=KEEP_S, now_ms=here.now_ms, risks={})
        await until(lambda: all(s.newest_s for s in follower.states[1:]), "the first")
        assert [w for w in service.health().warnings if "has told no round that verifies" in w]
        here.processes.remove(one)  # it answers, and has no round any more
        here.rounds(5)
        await until(lambda: follower.newest_s == here.now_ms() // 1_000, "by the other")
        health = service.health()
        assert health.ready, health.reasons
        assert [w for w in health.warnings if f"127.0.0.1:{one.port} is 5 rounds (50 s) behind" in w]
        assert health.node is not None
        assert [s.behind_rounds for s in health.node.sources] == [None, 5, 0]
    assert len(times(taken)) == 6


def signed_by(process: Process, keys: list[coincurve.PrivateKey], round_s: int, epoch: int) -> dict[str, object]:
    """A round of the process, as other keys would have sealed it."""
    body = body_of(process, round_s)
    sealed = body["sealed"]
    items, domain = bytes.fromhex(sealed["items"][2:]), process.site.domain
    digest = sealed_digest(domain, epoch, round_s, sealed["step"], items)
    sealed["epoch"] = str(epoch)
    sealed["signers"] = [
        {"address": "0x" + address_of(k).hex(), "weight": "1", "signature": "0x" + sign_compact(k, digest).hex()}
        for k in keys
    ]
    return body


async def test_a_set_that_a_reorganisation_takes_back_seals_nothing_more(here: Site) -> None:
    """The owner sets other signers, they seal a round, and the chain is one without that change: the old ones seal on."""
    here.round()
    told: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(response: web.StreamResponse) -> None:
        while True:
            await response.write(await told.get())

    taken: list[VerifiedRound] = []
    async with here.process() as one, sending(send) as liar, here.follower(one.url, liar, take=taken) as follower:
        await until(lambda: len(taken) == 1, "the first")
        store = here.bench.store.functions
        snapshot = here.bench.web3.provider.make_request(RPCEndpoint("evm_snapshot"), [])["result"]
        others = [here.bench.web3.to_checksum_address("0x" + address_of(k).hex()) for k in STRANGERS]
        here.bench.at(ROUND_S + 5)
        here.bench.send(store.setSignersInEmergency(others, [1, 1, 1], 2, 2))
        here.bench.at(ROUND_S + 12)
        processes, here.processes = here.processes, []
        next_s = here.round()
        one.database.save_round((), here.done[-1].agreements, here.done[-1].records, (), ())
        told.put_nowait(event(signed_by(one, STRANGERS, next_s, 2), next_s))
        await until(lambda: len(taken) == 2, "sealed by those that the chain has")
        here.bench.ask("evm_revert", snapshot)
        for later_s in (5, 12, 13, 14, 15):  # a longer chain than the one that it takes the place of
            here.bench.at(ROUND_S + later_s)
        here.processes = processes
        last_s = here.round()
        await until(lambda: follower.newest_s == last_s, "sealed by the old ones, whose set it is again")
        told.put_nowait(event(signed_by(one, STRANGERS, last_s, 2), last_s))
        await until(lambda: follower.states[1].refused["signer_set"], "refused")
    assert last_s in times(taken)
