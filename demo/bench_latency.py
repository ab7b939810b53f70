"""`bench latency`: every native venue streaming from another process, and the whole service reading in this one.

One process under test: the App with its streams, tables, live lane, event stream and rounds, as in production, without a
chain. A message is one WebSocket message; at each step every venue sends so many a second, of which some hold no new price
(a second channel's). ``tick_to_live``: from the first tick of a bundle until its indication is published in the process,
the coalescing pause included. ``venue_to_reader``: from a venue's new price until a reader of the event stream, in the
venues' process, has it. Where a step's ``parsed_per_s`` stays behind ``sent_per_s``, the limit is passed.

Beside it ccxt.pro, see :mod:`demo.bench_ccxt`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from demo import anvil
from demo.bench_ccxt import beside_ccxt
from demo.bench_tools import at_percent
from demo.bench_venues import BASES, PROBED, spelled
from oracle.app import App
from oracle.config import load
from oracle.plan import plan

RATES = (100, 300, 1_000, 1_500)
_WARM_S = 1.0
_READY_S = 60.0
_SETTLE_S = 0.5
_CONNECTED_S = 20.0

_PROCESS = """
[oracle]
database = "{folder}/oracle.db"
[api]
port = {port}
"""
_VENUE = """
[venues.{name}]
ws_url = "{ws}"
rest_url = "{rest}"
"""
_FEED = """
[feeds."{feed}"]
mode = "market"
reference_only = true
min_groups = {groups}
max_age_s = 60
"""
_SOURCE = """
[[feeds."{feed}".sources]]
type = "{venue}"
symbol = "{symbol}"
"""


class _Seen(App):
    """The service, with its streams' counters in view."""

    @property
    def frames(self) -> int:
        """Messages read so far."""
        return sum(s.frames for s in self._watch.health()) if self._watch else 0

    @property
    def bad(self) -> int:
        """Messages that were no quote."""
        return sum(sum(s.bad_frames.values()) for s in self._watch.health()) if self._watch else 0

    @property
    def listening(self) -> bool:
        """Whether every venue has answered the subscriptions; a quote may have come by REST before."""
        health = self._watch.health() if self._watch else ()
        return bool(health) and all(s.connected and s.frames >= len(BASES) for s in health)


class _Venues:
    """The other process: a document in, a document out."""

    def __init__(self, lines: asyncio.StreamReader, asked: asyncio.StreamWriter) -> None:
        self._lines, self._asked = lines, asked

    async def hear(self) -> Any:
        """Return its next document."""
        line = await asyncio.wait_for(self._lines.readline(), _READY_S)
        if not line:
            raise RuntimeError("the venues' process ended: start `python -m demo.bench_venues` to see why")
        return json.loads(line)

    async def say(self, document: Mapping[str, Any]) -> None:
        """Ask for something."""
        self._asked.write(json.dumps(document).encode() + b"\n")
        await self._asked.drain()


async def latency(rates: Sequence[int] = RATES, seconds: float = 5.0, ccxt_frames: int = 2_000) -> dict[str, Any]:
    """Measure each rate (messages a second and venue) for so long, and the reading of frames beside ccxt.pro's (0: not)."""
    with tempfile.TemporaryDirectory(prefix="lrt-oracle-bench-") as folder:
        async with _venues() as venues:
            places = await venues.hear()
            port = anvil.free_port()
            path = Path(folder) / "config.toml"
            path.write_text(_config(places, folder, port), encoding="utf-8")
            app = _Seen(plan(load(path)), environ={})
            async with _running(app):
                await _step(app, venues, rates[0], _WARM_S, port)
                steps = [await _step(app, venues, rate, seconds, port) for rate in rates]
    beside = await beside_ccxt(ccxt_frames) if ccxt_frames else None
    return {"venues": len(places), "feeds": len(BASES) + 1, "steps": steps, "ccxt": beside}


@asynccontextmanager
async def _venues() -> AsyncIterator[_Venues]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "demo.bench_venues", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )  # fmt: skip
    try:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("no pipes to the venues' process")
        yield _Venues(process.stdout, process.stdin)
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def _running(app: _Seen) -> AsyncIterator[None]:
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


async def _step(app: _Seen, venues: _Venues, rate: int, seconds: float, port: int) -> dict[str, Any]:
    events = f"http://127.0.0.1:{port}/v1/stream"
    await venues.say({"rate": rate, "seconds": seconds, "events": events})
    await venues.hear()
    app.live_us.clear()
    frames, bad, cpu, started = app.frames, app.bad, time.process_time(), time.monotonic()
    await venues.say({})
    done = await venues.hear()
    spent = time.monotonic() - started
    parsed, cpu_share = app.frames - frames, (time.process_time() - cpu) / spent
    live = sorted(app.live_us)
    seen = sorted((await venues.hear())["seen_us"])
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
        "venue_to_reader_p50_ms": at_percent(seen, 50) / 1_000,
        "venue_to_reader_p99_ms": at_percent(seen, 99) / 1_000,
        "probes": len(seen),
    }


def _config(places: Mapping[str, Sequence[str]], folder: str, port: int) -> str:
    parts = [_PROCESS.format(folder=folder, port=port)]
    parts += [_VENUE.format(name=name, ws=ws, rest=rest) for name, (ws, rest) in places.items()]
    for base in BASES:
        feed = f"{base}/USD"
        parts.append(_FEED.format(feed=feed, groups=len(places) // 2))
        parts += [_SOURCE.format(feed=feed, venue=v, symbol=spelled(v, base)) for v in places]
    parts.append(_FEED.format(feed="USDT/USD", groups=1))
    parts += [_SOURCE.format(feed="USDT/USD", venue=v, symbol=s) for v, s in PROBED.items()]
    return "\n".join(parts)
