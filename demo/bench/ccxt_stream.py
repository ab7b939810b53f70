"""ccxt.pro in a process of its own, connected to the local venues' streams: what `bench latency` holds ours against.

Every exchange of ccxt.pro is pointed at its local venue (REST and WebSocket addresses, nothing else) and watches the
tickers of the same symbols by ``watch_ticker``, one task a symbol, as its users do. Venues that it does not read here are
named with the reason: at some it subscribes another channel than ours, which the local venue does not speak.

Its client takes messages out of aiohttp's queue by itself and keeps that queue's count of bytes (``receive_loop`` of
``ccxt/async_support/base/ws/client.py``), for which it asks to run without aiohttp's compiled parts; and since aiohttp 3.14 the
queue adds an overhead for each message, which ccxt does not take off again, so that its streams stop for good at these rates.
Here it gets what it asks for and a queue without that overhead. Its keep-alive is off, for not every local venue answers the
pings that it sends.

``tick_to_live``: from the moment a message is handed to ccxt until the task that watches its symbol has the ticker; of
messages that come before the task has run again, the first counts.

The conversation, one JSON document a line: in: ``{name: [stream, rest]}``; out: ``{"version", "reads": [names],
"left_out": {name: why}}``; then, as often as wanted, in: ``{"step": "begin"}``; out: ``{}``; in: ``{"step": "end"}``; out:
the figures since; in: ``{"step": "drain"}``; out: ``{"read": messages since}`` once nothing more comes. Ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from demo.bench.ccxt import NAMES, market_of
from demo.bench.process import respond, standard_lines
from demo.bench.tools import at_percent
from demo.bench.venues import BASES

_CONNECTED_S = 8.0
_QUIET_S = 0.5
_DRAINED_S = 20.0
_REASON = 120
_NO_PINGS_MS = 3_600_000
_TOKEN = "token="
"""In an address that the local venue gave out itself, by REST."""


class _Watch:
    """One exchange of ccxt.pro on one local venue."""

    def __init__(self, exchange: Any, venue: str, places: Sequence[str]) -> None:
        self.exchange, self._stream = exchange, places[0]
        self.messages = 0
        self.waited_us: list[int] = []
        self.tickers_read = 0
        self.error: str | None = None
        self._unread: dict[str, int] = {}
        self._last_tickers: dict[str, Any] = {}
        exchange.set_markets([market_of(exchange, venue, base) for base in BASES])
        exchange.urls["api"] = _pointed(exchange.urls["api"], *places)
        self._client = exchange.client
        exchange.client = self._here

    def _here(self, url: str) -> Any:
        """The client that ccxt asks for by its own address, with the local one, its messages counted and timed."""
        client = self._client(url if _TOKEN in url else self._stream)
        if not hasattr(client, "counted"):
            client.counted, handle = True, client.handle_message
            client.keepAlive = _NO_PINGS_MS

            def counted(message: Any) -> None:
                at, self.messages = time.perf_counter_ns(), self.messages + 1
                handle(message)
                for symbol, ticker in self.exchange.tickers.items():
                    if self._last_tickers.get(symbol) is not ticker:
                        self._last_tickers[symbol] = ticker
                        self._unread.setdefault(symbol, at)

            client.handle_message = counted
        return client

    async def watch(self, symbol: str, ready: asyncio.Event) -> None:
        """Take every ticker of a symbol as it comes."""
        try:
            while True:
                await self.exchange.watch_ticker(symbol)
                at = self._unread.pop(symbol, None)
                if at is not None:
                    self.waited_us.append((time.perf_counter_ns() - at) // 1_000)
                self.tickers_read += 1
                ready.set()
        except Exception as e:  # noqa: BLE001 - whatever ccxt raises, it does not read this venue here
            self.error = f"{type(e).__name__}: {e}"[:_REASON]
            ready.set()

    def begin(self) -> None:
        """Count from here."""
        self.messages, self.tickers_read = 0, 0
        self.waited_us.clear()


def _pointed(urls: Any, stream: str, rest: str) -> Any:
    """The same addresses, pointed at a local venue."""
    if isinstance(urls, Mapping):
        return {k: _pointed(v, stream, rest) for k, v in urls.items()}
    return (stream if urls.startswith("ws") else rest) if isinstance(urls, str) else urls


def _repair() -> None:
    """Let aiohttp's queue count as ccxt counts: see this module."""
    reader: Any = import_module("aiohttp._websocket.reader_py")
    if hasattr(reader, "MSG_SIZE_OVERHEAD"):
        reader.MSG_SIZE_OVERHEAD = 0


async def _connect(places: Mapping[str, Sequence[str]]) -> tuple[dict[str, _Watch], dict[str, str], list[Any]]:
    """Exchanges that answer all of their symbols, why the others do not, and the tasks that watch."""
    pro: Any = import_module("ccxt.pro")
    watched: dict[str, _Watch] = {}
    tasks: list[Any] = []
    waiting: dict[str, list[asyncio.Event]] = {}
    for name, place in places.items():
        exchange = getattr(pro, NAMES.get(name, name))({"enableRateLimit": False})
        exchange.open()
        watched[name] = watch = _Watch(exchange, name, place)
        waiting[name] = [asyncio.Event() for _ in BASES]
        tasks += [asyncio.create_task(watch.watch(s, e)) for s, e in zip(exchange.markets, waiting[name], strict=True)]
    everything = [e.wait() for events in waiting.values() for e in events]
    await asyncio.wait([asyncio.create_task(e) for e in everything], timeout=_CONNECTED_S)
    left_out = {}
    for name, watch in watched.items():
        if watch.error is not None or not all(e.is_set() for e in waiting[name]):
            left_out[name] = watch.error or "reads no ticker out of the local venue's messages"
    for name in left_out:
        await watched.pop(name).exchange.close()
    return watched, left_out, tasks


async def _drained(watched: Mapping[str, _Watch]) -> None:
    """Wait until what was sent has been read."""
    before, until = -1, time.monotonic() + _DRAINED_S
    while before != (now := sum(w.messages for w in watched.values())) and time.monotonic() < until:
        before = now
        await asyncio.sleep(_QUIET_S)


def _figures(watched: Mapping[str, _Watch], spent_s: float, cpu_s: float) -> dict[str, Any]:
    waited = sorted(us for w in watched.values() for us in w.waited_us)
    return {
        "parsed_per_s": round(sum(w.messages for w in watched.values()) / spent_s),
        "cpu_share": round(cpu_s / spent_s, 2),
        "updates_per_s": round(sum(w.tickers_read for w in watched.values()) / spent_s),
        "tick_to_live_p50_ms": at_percent(waited, 50) / 1_000,
        "tick_to_live_p99_ms": at_percent(waited, 99) / 1_000,
        "failed": {n: w.error for n, w in watched.items() if w.error is not None},
    }


async def main() -> None:
    """Connect, then measure what the lines of standard input ask for."""
    logging.disable()
    _repair()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    lines = await standard_lines()
    watched, left_out, tasks = await _connect(json.loads(await lines.readline()))
    version = import_module("ccxt").__version__
    respond({"version": version, "reads": sorted(watched), "left_out": left_out})
    started, cpu = time.monotonic(), time.process_time()
    while line := await lines.readline():
        step = json.loads(line)["step"]
        if step == "begin":
            for watch in watched.values():
                watch.begin()
            started, cpu = time.monotonic(), time.process_time()
            respond({})
        elif step == "end":
            respond(_figures(watched, time.monotonic() - started, time.process_time() - cpu))
        else:
            await _drained(watched)
            respond({"read": sum(w.messages for w in watched.values())})
    for task in tasks:
        task.cancel()
    for watch in watched.values():
        await watch.exchange.close()


if __name__ == "__main__":
    asyncio.run(main())
