"""`bench api`: what the endpoint serves, and what its readers do to the rounds.

The whole service runs in this process, as in production: 15 venues in another process stream to it, and a round is made
every second. The readers are a third process. ``round_to_disk_ms``: from round_time until the round is stored, alone and
beside readers of a mean over two hours of rounds; ``skipped`` are rounds that were due and not made. ``half_open``: 400
connections with half a request under a limit of 300 files, how much is written to the log meanwhile, and how many of another
reader's requests are answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from demo.bench.process import Process, running
from demo.bench.tools import at_percent
from demo.bench.venue_config import venue_config
from demo.world import anvil
from feeds.units import MS, WAD, Bps, Wad
from oracle.app import App
from oracle.build import build
from oracle.config.resolve import resolve
from oracle.config.sections import load
from oracle.model.publication import Record
from oracle.model.spec import Mode
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.runtime.clock import now_ms
from oracle.storage.database import Database

_READ_FEED = "ETH/USD"
READERS = (0, 2, 50)
_PAST = 7_200
_HALVES, _FILES = 400, 300
_AT_ONCE, _RATE_S, _PAUSE_S = 8, 3.0, 0.5
_ROUND_WITHIN_S = 60.0
_OK = 200
_RATE = 20
_PROCESS = """
[oracle]
database = "{folder}/oracle.db"
round_interval_s = 1
scaled_times = true
[api]
port = {port}
"""


async def api(
    seconds: float = 20.0,
    readers: Sequence[int] = READERS,
    half_open_s: float = 40.0,
    settle_s: float = 5.0,
    answer_s: float = 2.0,
) -> dict[str, Any]:
    """Measure each number of readers for so long, then requests a second, then half-open connections.

    Args:
        seconds: length of each step with readers.
        readers: how many, one step each; the first is what the others are compared with.
        half_open_s: length of the last step.
        settle_s: before the first step and after each.
        answer_s: how long another reader waits for its answer in the last step.
    """
    with tempfile.TemporaryDirectory(prefix="lrt-oracle-bench-") as folder:
        async with running("demo.bench.venues") as venues, running("demo.bench.crowd") as crowd:
            places = await venues.receive()
            port = anvil.free_port()
            path = Path(folder) / "config.toml"
            path.write_text(_PROCESS.format(folder=folder, port=port) + venue_config(places), encoding="utf-8")
            _fill_database(Path(folder) / "oracle.db", _READ_FEED)
            with _few_files():
                app = App(build(resolve(load(path)), environ={}))
                stop = asyncio.Event()
                service = asyncio.create_task(app.run(stop))
                streaming = asyncio.create_task(_streaming(venues))
                try:
                    await _round_made(app)
                    await asyncio.sleep(settle_s)
                    bench = _Bench(app, crowd, f"http://127.0.0.1:{port}", settle_s, answer_s)
                    return await bench.measured(seconds, readers, half_open_s)
                finally:
                    streaming.cancel()
                    stop.set()
                    await asyncio.gather(service, streaming, return_exceptions=True)


async def _round_made(app: App) -> None:
    """Wait for the first round of a step: on a busy machine it may come after the step's own time."""
    async with asyncio.timeout(_ROUND_WITHIN_S):
        while not app.durable_ms:  # noqa: ASYNC110 - a list has no events
            await asyncio.sleep(_PAUSE_S / 10)


@dataclass(frozen=True)
class _Bench:
    """The service, its readers, and where it listens."""

    app: App
    crowd: Process
    url: str
    settle_s: float
    answer_s: float

    async def measured(self, seconds: float, readers: Sequence[int], half_open_s: float) -> dict[str, Any]:
        feed = f"{self.url}/v1/prices/{_READ_FEED}"
        steps = [await self._beside(f"{feed}/twap?window_s={_PAST}", n, seconds) for n in readers]
        alone = steps[0]["round_to_disk_ms"]["p50"]
        for step in steps:
            step["ratio_p50"] = round(step["round_to_disk_ms"]["p50"] / alone, 2) if alone else None
        paths = {"price": feed, "history_200": f"{feed}/history?limit=200", "twap_1800": f"{feed}/twap"}
        rates = {name: await self._rate(path) for name, path in paths.items()}
        return {"twap_readers": steps, "requests_per_s": rates, "half_open": await self._half_open(half_open_s)}

    async def _rate(self, url: str) -> int:
        await self.crowd.send({"url": url, "readers": _AT_ONCE, "seconds": _RATE_S})
        served: int = (await self.crowd.receive()).get("200", 0)
        return round(served / _RATE_S)

    async def _beside(self, url: str, readers: int, seconds: float) -> dict[str, Any]:
        self.app.durable_ms.clear()
        first = self.app.last_round_s
        answers: dict[str, int] = {}
        if readers:
            await self.crowd.send({"url": url, "readers": readers, "seconds": seconds})
            answers = await self.crowd.receive()
        else:
            await asyncio.sleep(seconds)
        await _round_made(self.app)
        due = now_ms() // MS - first
        taken = sorted(self.app.durable_ms)
        await asyncio.sleep(self.settle_s)  # until what the readers left behind has ended
        return {
            "readers": readers,
            "rounds": len(taken),
            "skipped": max(0, due - len(taken) - 1),
            "round_to_disk_ms": {f"p{p}": at_percent(taken, p) for p in (50, 90, 100)},
            "answers": answers,
        }

    async def _half_open(self, seconds: float) -> dict[str, Any]:
        host, port = "127.0.0.1", int(self.url.rsplit(":", 1)[1])
        self.app.durable_ms.clear()
        with _log_bytes() as written:
            await self.crowd.send({"host": host, "port": port, "halves": _HALVES, "seconds": seconds})
            heard = asyncio.create_task(self.crowd.receive())
            answered = []
            while not heard.done():
                answered.append(await self._is_answered())
                await asyncio.sleep(_PAUSE_S)
            bytes_ = written()
        return {
            "files": _FILES,
            "connections": _HALVES,
            "seconds": seconds,
            "crowd": heard.result(),
            "log_bytes_a_minute": round(bytes_ * 60 / seconds),
            "others_asked": len(answered),
            "others_answered": sum(answered),
            "rounds": len(self.app.durable_ms),
            "round_to_disk_ms_p50": at_percent(sorted(self.app.durable_ms), 50),
        }

    async def _is_answered(self) -> bool:
        """Whether a new connection that asks for a price gets it."""
        url = f"{self.url}/v1/prices/{_READ_FEED}"
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.answer_s)) as session,
                session.get(url) as answer,
            ):
                return answer.status == _OK
        return False


async def _streaming(venues: Process) -> None:
    while True:
        await venues.send({"rate": _RATE, "seconds": 10.0, "events": None})
        await venues.receive()
        await venues.send({})
        await venues.receive()
        await venues.receive()


@contextmanager
def _few_files() -> Iterator[None]:
    """Limit the open files of this process alone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def _log_bytes() -> Iterator[Any]:
    """How much this process writes to its two outputs, which go to a file meanwhile."""
    with tempfile.TemporaryFile() as file:
        originals = [os.dup(n) for n in (1, 2)]
        for n in (1, 2):
            os.dup2(file.fileno(), n)
        try:
            yield lambda: os.fstat(file.fileno()).st_size
        finally:
            for n, original in zip((1, 2), originals, strict=True):
                os.dup2(original, n)
                os.close(original)


def _fill_database(path: Path, feed: str) -> None:
    """Two hours of rounds of a feed, as an earlier run has left them."""
    database, now_s = Database(path), now_ms() // MS
    database.save_round((), (), [_record(feed, s) for s in range(now_s - _PAST, now_s)], ())
    database.close()


def _record(feed: str, round_s: int) -> Record:
    price = Wad(2_000 * WAD + round_s % 1_000 * WAD // 1_000)
    report = Report(
        market_wad=price, redemption_wad=Wad(0), spread_bps=Bps(7), status=Status.OK, why=Why.NONE,
        round_time_s=round_s, market_age_s=1, redemption_age_h=0,
    )  # fmt: skip
    return Record(
        feed=feed, mode=Mode.MARKET, report=report, price_wad=price, deviation_bps=None, reasons=(),
        observed_at_ms=round_s * MS - 800, computed_at_ms=round_s * MS + 20, signed_at_ms=None, operators=("local",),
    )  # fmt: skip
