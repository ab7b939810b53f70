"""The misbehaviours that a local exchange can act out, enumerated once."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from email.utils import formatdate
from enum import StrEnum
from functools import cache

from aiohttp import web

from demo.venues.protocols import Frame, SymbolState

_HOUR_MS = 3_600_000
_HUGE = 4 << 20
_BOMB = 32 << 20
_HTML = "<!doctype html><html><body>We are down for maintenance</body></html>"
_TOO_MANY, _FOUND = 429, 302


class Misbehaviour(StrEnum):
    """What a venue can do wrong. On the stream and in REST replies alike, as far as it applies."""

    SILENT = "silent"
    """The socket lives, heartbeats go on, data does not; REST never answers."""
    STUCK = "stuck"
    """The same message again and again, whatever the market does."""
    STALE = "stale"
    """Its own times are an hour old."""
    FUTURE = "future"
    """Its own times are an hour ahead."""
    ZERO = "zero"
    NEGATIVE = "negative"
    NAN = "NaN"
    SWAPPED_DECIMALS = "swapped_decimals"
    """All prices times 1e12."""
    INVERTED = "inverted"
    """Prices of the inverted pair."""
    PRICE_TEXT = "price_text"
    """Prices such as "$10,000.00"."""
    HTTP_429 = "http_429"
    """Too many requests, Retry-After 2 s; the stream's handshake too."""
    HALF_FRAME = "half_frame"
    """The first half of each message."""
    GZIP_BOMB = "gzip_bomb"
    """A small body that unpacks to 32 MB."""
    HUGE_BODY = "huge_body"
    """4 MB of valid JSON around the answer."""
    HTML = "html"
    """A maintenance page with status 200."""
    SLOW_BODY = "slow_body"
    """One byte at a time; the stream says nothing."""
    REDIRECT = "redirect"
    WRONG_SYMBOL = "wrong_symbol"
    """Data of a symbol that nobody asked for."""
    OUT_OF_ORDER = "out_of_order"
    """Each message is followed by one that is ten seconds older, at another price."""
    DUPLICATE = "duplicate"
    """Each message comes twice."""
    SEQUENCE_GAP = "sequence_gap"
    """Sequence numbers leap, as if messages had been lost."""
    NULL_TIME = "null_time"
    SECONDS_FOR_MS = "seconds_for_ms"
    """Times as a number of seconds, where the venue documents something else."""


def faulty_state(state: SymbolState, fault: Misbehaviour | None) -> SymbolState:
    """A symbol's state under a misbehaviour of values or times."""
    prices = {
        Misbehaviour.ZERO: "0.0000",
        Misbehaviour.NEGATIVE: "-1",
        Misbehaviour.NAN: "NaN",
        Misbehaviour.PRICE_TEXT: "$10,000.00",
    }
    if fault in prices:
        return replace(state, bid=prices[fault], ask=prices[fault], last=prices[fault])
    if fault is Misbehaviour.SWAPPED_DECIMALS:
        return _each(state, lambda p: p * 10**12)
    if fault is Misbehaviour.INVERTED:
        inverted = _each(state, lambda p: 1 / p)
        return replace(inverted, bid=inverted.ask, ask=inverted.bid)
    if fault is Misbehaviour.WRONG_SYMBOL:
        return replace(state, symbol=state.symbol[::-1])
    if fault is Misbehaviour.SEQUENCE_GAP:
        return replace(state, sequence=state.sequence + 7)
    if fault is Misbehaviour.SECONDS_FOR_MS:
        return replace(state, seconds=True)
    shift_ms = {Misbehaviour.STALE: -_HOUR_MS, Misbehaviour.FUTURE: _HOUR_MS}.get(fault, 0) if fault else 0
    if fault is Misbehaviour.NULL_TIME or state.time_ms is None:
        return replace(state, time_ms=None)
    return replace(state, time_ms=state.time_ms + shift_ms)


def _each(state: SymbolState, change: Callable[[Decimal], Decimal]) -> SymbolState:
    bid, ask, last = (f"{change(Decimal(t)):f}" for t in (state.bid, state.ask, state.last))
    return replace(state, bid=bid, ask=ask, last=last)


def faulty_frames(
    write: Callable[[SymbolState], list[Frame]], state: SymbolState, fault: Misbehaviour | None
) -> list[Frame]:
    """Frames that a subscriber is sent for one change."""
    frames = write(state)
    if fault is Misbehaviour.DUPLICATE:
        return frames + frames
    if fault is Misbehaviour.OUT_OF_ORDER and state.time_ms is not None:
        older = _each(state, lambda p: p * Decimal("0.9"))
        return frames + write(replace(older, time_ms=state.time_ms - 10_000))
    if fault is Misbehaviour.HALF_FRAME:
        return [frame[: len(frame) // 2] for frame in frames]
    if fault is Misbehaviour.HTML:
        return [_HTML]
    if fault is Misbehaviour.HUGE_BODY:
        return [b" " * _HUGE + frame if isinstance(frame, bytes) else " " * _HUGE + frame for frame in frames]
    if fault is Misbehaviour.GZIP_BOMB:
        return [_bomb()]
    return frames


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * _BOMB, 1)


async def faulty_response(
    request: web.Request, status: int, body: str, now_s: float, fault: Misbehaviour | None, stopping: asyncio.Event
) -> web.StreamResponse:
    """REST answer under a misbehaviour of the transport; a proper one for any other."""
    headers = {"Date": formatdate(now_s, usegmt=True)}
    if fault is Misbehaviour.SILENT:
        await stopping.wait()
    if fault in (Misbehaviour.SLOW_BODY, Misbehaviour.HALF_FRAME):
        return await _in_pieces(request, body.encode(), headers, stopping, cut=fault is Misbehaviour.HALF_FRAME)
    if fault is Misbehaviour.HTTP_429:
        return web.Response(status=_TOO_MANY, text="slow down", headers={**headers, "Retry-After": "2"})
    if fault is Misbehaviour.REDIRECT:
        return web.Response(status=_FOUND, headers={**headers, "Location": "http://127.0.0.1:9/"})
    if fault is Misbehaviour.HTML:
        return web.Response(text=_HTML, content_type="text/html", headers=headers)
    if fault is Misbehaviour.GZIP_BOMB:
        return web.Response(body=_bomb(), headers={**headers, "Content-Encoding": "gzip"})
    padding = " " * _HUGE if fault is Misbehaviour.HUGE_BODY else ""
    return web.Response(status=status, text=padding + body, content_type="application/json", headers=headers)


async def _in_pieces(
    request: web.Request, body: bytes, headers: dict[str, str], stopping: asyncio.Event, *, cut: bool
) -> web.StreamResponse:
    """Half a body and an end, or a byte every 50 ms."""
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(body))})
    await response.prepare(request)
    if cut:
        await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response
    with contextlib.suppress(ConnectionError):
        for byte in body:
            await response.write(bytes((byte,)))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 0.05)
                break
    return response
