"""`bench latency`: every native venue streaming from another process, and the whole service reading in this one.

One process under test: the App with its streams, tables, live lane, event stream and rounds, as in production, without a
chain. A message is one WebSocket message; at each step every venue sends so many a second, of which some hold no new price
(a second channel's). ``tick_to_live``: from the first tick of a bundle until its indication is published in the process,
the rest of the live lane included. ``venue_to_reader``: from a venue's new price until a reader of the event stream, in the
venues' process, has it. Where a step's ``parsed_per_s`` is behind ``sent_per_s``, the limit is passed.

Beside it ccxt.pro on the venues that both read: connected to the same servers, streaming the same messages in the same
run, each alone on the machine's cores (:mod:`demo.bench.ccxt_stream`). Ours is the whole service there too, with prices
combined, judged and published; ccxt's is the parsing and its table of tickers. And the same messages without sockets, see
:mod:`demo.bench.ccxt`.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from demo.bench.ccxt import beside_ccxt, installed
from demo.bench.process import Process, running
from demo.bench.tools import at_percent
from demo.bench.venue_config import venue_config
from demo.bench.venues import BASES
from demo.world import anvil
from oracle.app import App
from oracle.build import build
from oracle.config.resolve import resolve
from oracle.config.sections import load

RATES = (100, 300, 1_000, 1_500)
_WARM_S = 1.0
_SETTLE_S = 0.5
_CONNECTED_S = 60.0

_PROCESS = """
[oracle]
database = "{folder}/oracle.db"
[api]
port = {port}
"""


class _MeasuredApp(App):
    """The service, with its streams' counters."""

    @property
    def frames(self) -> int:
        """Messages read so far."""
        return sum(s.frames for s in self.ingest.health()) if self.ingest else 0

    @property
    def bad(self) -> int:
        """Messages that could not be read as a quote."""
        return sum(sum(s.bad_frames.values()) for s in self.ingest.health()) if self.ingest else 0

    @property
    def listening(self) -> bool:
        """Whether every venue has answered the subscriptions; a quote may have come by REST before."""
        health = self.ingest.health() if self.ingest else ()
        return bool(health) and all(s.connected and s.frames >= len(BASES) for s in health)


async def latency(rates: Sequence[int] = RATES, seconds: float = 5.0, ccxt_frames: int = 2_000) -> dict[str, Any]:
    """Measure each rate (messages a second and venue) for so long, and ccxt.pro beside it.

    Args:
        rates: messages a second and venue, one step each.
        seconds: length of a step.
        ccxt_frames: how many frames the reading without sockets is measured over; 0: nothing of ccxt.
    """
    with tempfile.TemporaryDirectory(prefix="lrt-oracle-bench-") as folder:
        async with running("demo.bench.venues") as venues:
            places = await venues.receive()
            ccxt_streaming = (
                await _measure_ccxt(venues, places, rates, seconds) if ccxt_frames and installed() else None
            )
            port = anvil.free_port()
            path = Path(folder) / "config.toml"
            path.write_text(_PROCESS.format(folder=folder, port=port) + venue_config(places), encoding="utf-8")
            app = _MeasuredApp(build(resolve(load(path)), environ={}))
            async with _running(app):
                await _step(app, venues, rates[0], _WARM_S, port)
                steps = [await _step(app, venues, rate, seconds, port) for rate in rates]
                if ccxt_streaming is not None:
                    both = ccxt_streaming["venues"]
                    ours = [await _step(app, venues, rate, seconds, port, both) for rate in rates]
                    ccxt_streaming["steps"] = [
                        _beside(o, t) for o, t in zip(ours, ccxt_streaming["steps"], strict=True)
                    ]
    beside = await beside_ccxt(ccxt_frames) if ccxt_frames else None
    return {
        "venues": len(places),
        "feeds": len(BASES) + 1,
        "steps": steps,
        "ccxt": beside,
        "ccxt_streaming": ccxt_streaming,
    }


async def _measure_ccxt(
    venues: Process, places: Mapping[str, Sequence[str]], rates: Sequence[int], seconds: float
) -> dict[str, Any]:
    """ccxt.pro's figures at each rate, on the venues that it reads; nothing else is connected meanwhile."""
    async with running("demo.bench.ccxt_stream", AIOHTTP_NO_EXTENSIONS="1") as ccxt:
        await ccxt.send(places)
        connected = await ccxt.receive()
        steps = []
        for rate in rates:
            await venues.send({"rate": rate, "seconds": seconds, "events": None, "only": connected["reads"]})
            await venues.receive()
            await ccxt.send({"step": "begin"})
            await ccxt.receive()
            await venues.send({})
            sent = await venues.receive()
            await ccxt.send({"step": "end"})
            figures = await ccxt.receive()
            await venues.receive()
            await ccxt.send({"step": "drain"})
            never = max(0, sent["sent"] - (await ccxt.receive())["read"])
            steps.append({**figures, "sent_per_s": round(sent["sent"] / seconds), "never_read": never})
    return {
        "version": connected["version"],
        "venues": connected["reads"],
        "left_out": connected["left_out"],
        "steps": steps,
    }


def _beside(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """One rate: the whole service beside ccxt.pro, and how much more of a core a message costs there."""
    names = ("sent_per_s", "parsed_per_s", "cpu_share", "tick_to_live_p50_ms", "tick_to_live_p99_ms")
    cost = [s["cpu_share"] / max(1, s["parsed_per_s"]) for s in (ours, theirs)]
    return {
        "rate_per_venue": ours["rate_per_venue"],
        "ours": {n: ours[n] for n in names},
        "ccxt": {n: theirs[n] for n in (*names, "never_read", "failed")},
        "ratio_cpu": round(cost[1] / cost[0], 2) if cost[0] else None,
    }


@asynccontextmanager
async def _running(app: _MeasuredApp) -> AsyncIterator[None]:
    stop = asyncio.Event()
    service = asyncio.create_task(app.run(stop))
    try:
        async with asyncio.timeout(_CONNECTED_S):
            while not app.listening and not service.done():  # noqa: ASYNC110 - counters have no events
                await asyncio.sleep(0.05)
        yield
    finally:
        stop.set()
        await service


async def _step(
    app: _MeasuredApp, venues: Process, rate: int, seconds: float, port: int, only: Sequence[str] | None = None
) -> dict[str, Any]:
    events = f"http://127.0.0.1:{port}/v1/stream"
    request = {"rate": rate, "seconds": seconds, "events": events}
    await venues.send(request if only is None else request | {"only": only})
    await venues.receive()
    app.live_us.clear()
    frames, bad, cpu, started = app.frames, app.bad, time.process_time(), time.monotonic()
    await venues.send({})
    done = await venues.receive()
    spent = time.monotonic() - started
    parsed, cpu_share = app.frames - frames, (time.process_time() - cpu) / spent
    live = sorted(app.live_us)
    reader_us = sorted((await venues.receive())["seen_us"])
    await asyncio.sleep(_SETTLE_S)
    return {
        "rate_per_venue": rate,
        "sent_per_s": round(done["sent"] / seconds),
        "parsed_per_s": round(parsed / spent),
        "waiting_bytes": done["waiting_bytes"],
        "bad_messages": app.bad - bad,
        "cpu_share": round(cpu_share, 2),
        "venues_cpu_share": round(done["cpu_share"], 2),
        "live_updates_per_s": round(len(live) / spent),
        "tick_to_live_p50_ms": at_percent(live, 50) / 1_000,
        "tick_to_live_p99_ms": at_percent(live, 99) / 1_000,
        "venue_to_reader_p50_ms": at_percent(reader_us, 50) / 1_000,
        "venue_to_reader_p99_ms": at_percent(reader_us, 99) / 1_000,
        "probes": len(reader_us),
    }
