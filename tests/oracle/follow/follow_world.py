"""Operators to follow: a store on a chain, rounds that its signers' real keys seal, and processes that each keep and serve them.

The rounds are agreed on once, by operators in one process; each served process keeps them in a database of its own, with words of
its own, and serves them at a real port that can be cut off at any moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import coincurve
import orjson
from aiohttp import web

from demo.world import anvil
from oracle.chain.store_reads import StoreReads
from oracle.follow.follower import RoundFollower, VerifiedRound
from oracle.follow.operator_stream import OperatorStream
from oracle.follow.store_sets import StoreSets
from oracle.round.live import Live
from oracle.round.rounds import Round
from oracle.round.silent import silent_feeds
from oracle.serve.events import StreamLimits
from oracle.serve.history import HistoryReaders
from oracle.serve.round_documents import round_document
from oracle.serve.server import Server, serve
from oracle.serve.service import PriceService
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.messages import SignerSet
from oracle.storage.database import Database
from tests.contracts.contract_tools import KEYS, Bench, connected
from tests.oracle.round.round_world import SPECS
from tests.oracle.serve.reader_work import in_threads
from tests.oracle.serve.service_world import ROUND_S, ServiceWorld

LIMITS = StreamLimits(heartbeat_s=0.2, grace_s=0.05)
REPORT_KEYS = [coincurve.PrivateKey(bytes.fromhex(k.removeprefix("0x"))) for k in KEYS[:3]]
KEEP_S = 86_400


class Site:
    """A store on a chain, and the rounds of its operators.

    Attributes:
        processes: that keep and serve them.
        done: all rounds, oldest first.
    """

    def __init__(self, folder: Path, bench: Bench, url: str) -> None:
        self.bench, self.url, self.folder = bench, url, folder
        self.domain = Domain(chain_id=bench.web3.eth.chain_id, store=bytes.fromhex(bench.store.address[2:]))
        signers = SignerSet(
            domain=self.domain,
            epoch=1,
            signers=tuple(address_of(k) for k in REPORT_KEYS),
            weights=(1, 1, 1),
            threshold=2,
        )
        self.world = ServiceWorld(folder, started=False, keys=REPORT_KEYS, signers=signers)
        self.processes: list[Process] = []
        self.done: list[Round] = []

    def now_ms(self) -> int:
        return self.world.at_ms

    def round(self, price: str = "1.04") -> int:
        """One more round, kept by every process; its round_time."""
        round_s = ROUND_S + 10 * len(self.done)
        done = self.world.round(round_s, price)
        self.done.append(done)
        for process in self.processes:
            process.keep(done)
        return round_s

    def rounds(self, count: int) -> list[int]:
        return [self.round() for _ in range(count)]

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Process]:
        """One more process, which has all rounds so far."""
        made = Process(self, len(self.processes))
        for done in self.done:
            made.keep(done)
        self.processes.append(made)
        await made.start()
        yield made
        await made.stop()
        made.database.close()

    @asynccontextmanager
    async def follower(
        self, *urls: str, take: list[VerifiedRound], after_s: int | None = None
    ) -> AsyncIterator[RoundFollower]:
        """A follower that runs, of these endpoints."""
        store = StoreReads([self.url], self.domain)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            sources = [OperatorStream(url, rank, session) for rank, url in enumerate(urls)]
            made = RoundFollower(
                "home", StoreSets(store, self.now_ms), SPECS, sources, now_ms=self.now_ms, keep_s=KEEP_S
            )

            async def keep(verified: VerifiedRound) -> None:
                take.append(verified)

            made.takers.append(keep)
            running = asyncio.create_task(made.run(after_s))
            try:
                yield made
            finally:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running
                await store.close()


class Process:
    """One operator's process as readers see it: a database and an endpoint. ``late_ms``: by how much its words differ."""

    def __init__(self, site: Site, number: int) -> None:
        self.site, self.late_ms = site, 7 * number
        path = site.folder / f"process{number}.db"
        self.database = Database(path)
        self.service = PriceService(
            SPECS, self.database, Live(SPECS, site.world.rounds.members[0].states.__getitem__, lambda *_: []),
            site.world.targets, interval_s=10, now_ms=site.now_ms, offset_ms=lambda: 0,
            readers=HistoryReaders(path, executor=in_threads),
        )  # fmt: skip
        self.server: Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def keep(self, done: Round) -> None:
        records = tuple(replace(r, computed_at_ms=r.computed_at_ms + self.late_ms) for r in done.records)
        own = replace(done, records=records)
        self.database.save_round((), own.agreements, own.records, own.transitions, silent_feeds(own, SPECS))
        self.service.publish(own)

    async def start(self) -> None:
        self.server = await serve(
            self.service, host="127.0.0.1", port=self.port, now_ms=self.site.now_ms, metrics=bytes, limits=LIMITS
        )
        self.port = int(self.server.url.rsplit(":", 1)[1])

    async def stop(self) -> None:
        """Cut everybody off; nothing more is said to them."""
        if self.server is not None:
            await self.server.close()
            self.server = None


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A store with two feeds, whose signers the operators are."""
    with anvil.running(extra=("--timestamp", str(ROUND_S - 10_000))) as running, connected(running.url) as web3:
        bench = Bench(web3)
        bench.register("wdivETH/ETH")
        bench.register("ETH/USD", redemption=False)
        bench.at(ROUND_S - 100)
        yield Site(folder, bench, running.url)


@asynccontextmanager
async def telling(events: list[tuple[int, dict[str, Any]]]) -> AsyncIterator[str]:
    """An endpoint that tells these events, whatever they are, and then nothing more; its address."""
    over = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if request.headers.get("Last-Event-ID") is None:
            for event_id, body in events:
                await response.write(b"id: %d\nevent: round\ndata: %b\n\n" % (event_id, orjson.dumps(body)))
        await over.wait()
        return response

    app = web.Application()
    app.router.add_get("/v1/rounds/stream", stream)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    over.set()
    await runner.cleanup()


async def until(true: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    for _ in range(6_000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError(what)


def times(taken: list[VerifiedRound]) -> list[int]:
    return [v.round_time_s for v in taken if v.is_first]


def body_of(process: Process, round_s: int) -> dict[str, Any]:
    """A round as the process tells it."""
    agreement = process.database.agreement(round_s, "main")
    records = [process.database.record(f, round_s) for f in ("wdivETH/ETH", "ETH/USD", "wdivETH/USD")]
    assert agreement is not None
    return dict(round_document(agreement, [r for r in records if r is not None], ()))
