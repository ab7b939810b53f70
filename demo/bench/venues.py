"""The local exchanges in a process of their own, for `bench latency` and `bench api`: they stream at a given rate.

A run's messages are encoded and framed before it begins, each with the time at which it will be due; then whatever is due
is written every few milliseconds. The conversation, one JSON document a line: out: where the venues are; in: ``{"rate":
messages a second and venue, "seconds": how long, "events": address of an event stream or null, "only": names of the venues
that stream, all of them where it is missing}``; out: ``{"ready": true}``; in: ``{}``; out: what was sent. Ends with its
input.
"""

from __future__ import annotations

import asyncio
import json
import random
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import aiohttp
from aiohttp import web

from demo.bench.process import respond, standard_lines
from demo.venues.protocols import ConnectionState, Frame, SymbolState
from demo.venues.server import Venue
from demo.venues.wires import WIRES

BASES: Mapping[str, str] = {"ETH": "2000", "SOL": "150", "LDO": "1.25", "BTC": "64000"}
"""What every venue quotes in dollars, and about how high."""
PROBED: Mapping[str, str] = {"coinbase": "USDT-USD", "kraken": "USDT/USD"}
"""Symbols whose changes are timed until a reader of the event stream sees them."""
_SPELLINGS: Mapping[str, str] = {
    "binance": "{}USDT", "bitfinex": "t{}USD", "bitget": "{}USDT", "bitstamp": "{}usd", "bybit": "{}USDT",
    "coinbase": "{}-USD", "cryptocom": "{}_USD", "gate": "{}_USDT", "gemini": "{}USD", "htx": "{}usdt",
    "hyperliquid": "{}", "kraken": "{}/USD", "kucoin": "{}-USDT", "mexc": "{}USDT", "okx": "{}-USDT",
}  # fmt: skip
_WRITE_S = 0.002
_PROBE_S = 0.05
_TEXT, _BINARY = 0x81, 0x82
_SHORT, _LONG = 126, 1 << 16
_BEAT_S = 3_600.0


def symbol_of(venue: str, base: str) -> str:
    """How a venue writes a base in dollars."""
    text = _SPELLINGS[venue].format(base)
    return text.lower() if text.endswith(("usd", "usdt")) else text


def symbol_state(symbol: str, base: str, step: int, at_ms: int) -> SymbolState:
    """What a venue shows at a step: a price that changes each time, a spread of 2 bps."""
    price = Decimal(BASES[base]) * (1 + Decimal(step % 97 - 48) / 1_000_000)
    half = price / 10_000
    texts = [f"{p:.6f}" for p in (price - half, price + half, price)]
    return SymbolState(
        symbol=symbol, bid=texts[0], ask=texts[1], last=texts[2], volume="5", sequence=step + 10, time_ms=at_ms
    )


def websocket_frame(frame: Frame) -> bytes:
    """A whole message as a server sends it: unmasked, unpacked (RFC 6455, 5.2)."""
    body = frame.encode() if isinstance(frame, str) else frame
    kind, size = _TEXT if isinstance(frame, str) else _BINARY, len(body)
    if size < _SHORT:
        return bytes((kind, size)) + body
    if size < _LONG:
        return struct.pack(">BBH", kind, 126, size) + body
    return struct.pack(">BBQ", kind, 127, size) + body


class FastVenue(Venue):
    """A local exchange that can also write what was encoded before, straight into its connections."""

    def __init__(self, name: str) -> None:
        super().__init__(name, beat_s=_BEAT_S)
        self._transports: set[asyncio.WriteTransport] = set()
        for base, price in BASES.items():
            self.set_quote(symbol_of(name, base), *(Decimal(price),) * 3, Decimal(5))
        if name in PROBED:
            self.set_quote(PROBED[name], *(Decimal(1),) * 3, Decimal(5))

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        transport = request.transport
        if transport is not None:
            self._transports.add(transport)
        try:
            return await super()._serve(request)
        finally:
            if transport is not None:
                self._transports.discard(transport)

    def prepared(self, rate: int, seconds: float, start_ms: int) -> list[bytes]:
        """That many messages a second, each framed; the times in them rise evenly from the start."""
        connection = next((c.connection for c in self._clients), ConnectionState())
        frames: list[bytes] = []
        step, count = 0, int(rate * seconds)
        bases = tuple(BASES)
        while len(frames) < count:
            base = bases[step % len(bases)]
            state = symbol_state(symbol_of(self.name, base), base, step, start_ms + len(frames) * 1_000 // rate)
            frames += [websocket_frame(self._wire.encode(f)) for f in self._wire.frames(state, connection, first=False)]
            step += 1
        return frames[:count]

    def write(self, data: bytes) -> None:
        """Send bytes to every client."""
        for transport in self._transports:
            transport.write(data)

    @property
    def queued_bytes(self) -> int:
        """Bytes that clients have not accepted yet."""
        return sum(t.get_write_buffer_size() for t in self._transports)


async def _stream(venues: Sequence[FastVenue], frames: Sequence[list[bytes]], rate: int, seconds: float) -> int:
    """Write what is due until the time is over; returns how many messages were written."""
    started, sent = time.monotonic(), 0
    while (passed := time.monotonic() - started) < seconds:
        due = int(passed * rate)
        if due > sent:
            for venue, messages in zip(venues, frames, strict=True):
                venue.write(b"".join(messages[sent:due]))
            sent = due
        await asyncio.sleep(_WRITE_S)
    return sent * len(venues)


async def _probe(venues: Mapping[str, FastVenue], url: str, seconds: float) -> list[int]:
    """Show a new price and wait for it on the event stream, again and again; returns the microseconds of each."""
    rng, spent, end = random.Random(3), [], time.monotonic() + seconds
    async with (
        aiohttp.ClientSession(read_bufsize=1 << 20) as session,
        session.get(url, timeout=aiohttp.ClientTimeout(total=None)) as stream,
    ):
        while time.monotonic() < end:
            price = Decimal(99_000 + rng.randrange(2_000)) / 100_000 + Decimal(rng.randrange(1, 10**6)) / 10**11
            started = time.perf_counter()
            for name, symbol in PROBED.items():
                venues[name].set_quote(symbol, price, price, price, Decimal(5))
            await _until_published(stream, b'"feed":"USDT/USD"', f'"price":"{price:.18f}"'.encode())
            spent.append(int((time.perf_counter() - started) * 1_000_000))
            await asyncio.sleep(_PROBE_S)
    return spent


async def _until_published(stream: aiohttp.ClientResponse, feed: bytes, price: bytes) -> None:
    async for line in stream.content:
        if line.startswith(b"data: ") and price in line and feed in line:
            return


async def _run(venues: Mapping[str, FastVenue], lines: asyncio.StreamReader, request: Mapping[str, Any]) -> None:
    rate, seconds = int(request["rate"]), float(request["seconds"])
    venues = {n: v for n, v in venues.items() if n in request.get("only", venues)}
    start_ms = time.time_ns() // 1_000_000
    frames = [v.prepared(rate, seconds, start_ms) for v in venues.values()]
    respond({"ready": True})
    await lines.readline()
    probing = asyncio.create_task(_probe(venues, request["events"], seconds)) if request["events"] else None
    cpu = time.process_time()
    sent = await _stream(tuple(venues.values()), frames, rate, seconds)
    share = (time.process_time() - cpu) / seconds
    respond({"sent": sent, "waiting_bytes": sum(v.queued_bytes for v in venues.values()), "cpu_share": share})
    latencies_us: list[int] = []
    if probing is not None:
        await asyncio.wait({probing}, timeout=2.0)
        probing.cancel()
        latencies_us = probing.result() if probing.done() and not probing.cancelled() else []
    respond({"seen_us": latencies_us})


async def main() -> None:
    """Start every venue, then do what the lines of standard input ask for."""
    lines = await standard_lines()
    async with AsyncExitStack() as stack:
        venues = {name: FastVenue(name) for name in sorted(WIRES)}
        for venue in venues.values():
            await venue.start()
            stack.push_async_callback(venue.stop)
        respond({n: (v.ws_url, v.rest_url) for n, v in venues.items()})
        while line := await lines.readline():
            await _run(venues, lines, json.loads(line))


if __name__ == "__main__":
    asyncio.run(main())
