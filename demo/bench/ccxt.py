"""The same messages read by ccxt.pro and by us: bytes in, a ticker in the library's own table, a quote in ours.

What is compared is reading only: each side gets the WebSocket messages of the local venues one after the other, ccxt
through ``Client.handle_message`` (JSON decoding included), ours through the adapter's session and the table of newest
quotes. The sockets are left out on both sides (both use aiohttp's): ccxt would subscribe to other channels than ours at
several venues. Counted are venues where ccxt's table holds the last message's price afterwards; the others are named.
Its numbers are floats, ours integers times 1e18.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import aiohttp

from demo.bench.venues import BASES, symbol_of, symbol_state
from demo.venues.protocols import ConnectionState, Frame
from demo.venues.wires import WIRES
from feeds.registry import EXCHANGES
from feeds.streams.latest import LatestQuotes

_BASE = next(iter(BASES))
NAMES = {"coinbase": "coinbaseexchange"}
"""Where ccxt calls a venue differently: the exchange's own stream is another class than the broker's."""
_START_MS = 1_790_000_000_000
_NEAR = 1e-9
_RUNS = 3


def installed() -> bool:
    """Whether ccxt is installed."""
    return find_spec("ccxt") is not None


async def beside_ccxt(frames: int) -> dict[str, Any]:
    """Microseconds a message of each venue, and the ratio over all; ``missing`` where ccxt is not installed."""
    try:
        pro: Any = import_module("ccxt.pro")
    except ImportError:
        return {"missing": "pip install ccxt"}
    rows: dict[str, dict[str, float]] = {}
    unread = []
    for venue in sorted(WIRES):
        first, messages, last = _messages(venue, frames)
        ccxt_s, price = await _ccxt_s(getattr(pro, NAMES.get(venue, venue)), venue, first, messages)
        if price is None or abs(price / last - 1) > _NEAR:
            unread.append(venue)
            continue
        ours_s = min(_ours_s(venue, first, messages) for _ in range(_RUNS))
        rows[venue] = {
            "ccxt_us": round(ccxt_s * 1e6 / len(messages), 2),
            "ours_us": round(ours_s * 1e6 / len(messages), 2),
            "ratio": round(ccxt_s / ours_s, 2),
        }
    total = [sum(r[key] for r in rows.values()) for key in ("ccxt_us", "ours_us")]
    return {
        "compared": "reading the same messages, without sockets",
        "version": pro.__version__,
        "venues": rows,
        "ratio": round(total[0] / total[1], 2) if rows else None,
        "ccxt_reads_other_messages": unread,
    }


def _messages(venue: str, count: int) -> tuple[list[Frame], list[Frame], float]:
    """What a venue answers to our subscription, then its prices, and the last trade of the last of them."""
    wire, connection, symbol = WIRES[venue], ConnectionState(), symbol_of(venue, _BASE)
    first: list[Frame] = list(wire.greeting())
    for message in EXCHANGES[venue].subscribe((symbol,), _START_MS):
        answers, symbols = wire.receive(message, (symbol,), connection)
        first += answers
        for known in symbols:
            connection.number(known)
    states = [symbol_state(symbol, _BASE, step, _START_MS + step) for step in range(count)]
    messages = [wire.encode(f) for i, s in enumerate(states) for f in wire.frames(s, connection, first=i == 0)]
    return [wire.encode(f) for f in first], messages, float(states[-1].last)


def _ours_s(venue: str, first: Sequence[Frame], messages: Sequence[Frame]) -> float:
    """Seconds for all messages."""
    session, latest = EXCHANGES[venue].session(), LatestQuotes()
    for frame in first:
        session.read_frame(frame)
    started = time.perf_counter()
    for frame in messages:
        for tick in session.read_frame(frame).ticks:
            latest.put(venue, tick, _START_MS)
    spent = time.perf_counter() - started
    if latest.get(venue, symbol_of(venue, _BASE)).quote is None:
        raise RuntimeError(f"{venue}: our own adapter read no quote")
    return spent


async def _ccxt_s(
    kind: Any, venue: str, first: Sequence[Frame], messages: Sequence[Frame]
) -> tuple[float, float | None]:
    """Seconds for all messages, the best of some runs, and the last price that ccxt holds; None if it reads none."""
    spent, exchange = float("inf"), kind()
    wrapped = [_wrapped(f) for f in messages]
    try:
        exchange.set_markets([market_of(exchange, venue)])
        client = exchange.client("ws://local")
        client.gunzip = venue == "htx"
        for frame in first:
            client.handle_message(_wrapped(frame))
        for _ in range(_RUNS):
            started = time.perf_counter()
            for message in wrapped:
                client.handle_message(message)
            spent = min(spent, time.perf_counter() - started)
    except Exception:  # noqa: BLE001 - whatever ccxt raises on our messages, it does not read them
        return spent, None
    finally:
        await exchange.close()
    return spent, next((t["last"] for t in exchange.tickers.values()), None)


def _wrapped(frame: Frame) -> aiohttp.WSMessage:
    kind = aiohttp.WSMsgType.TEXT if isinstance(frame, str) else aiohttp.WSMsgType.BINARY
    return aiohttp.WSMessage(kind, frame, "")


def market_of(exchange: Any, venue: str, base: str = _BASE) -> dict[str, Any]:
    """A spot market in dollars, as ccxt would have loaded it from the venue."""
    symbol = symbol_of(venue, base)
    quote = "USDC" if venue == "hyperliquid" else "USDT" if symbol.upper().endswith("USDT") else "USD"
    market: dict[str, Any] = exchange.safe_market_structure({
        "id": symbol, "lowercaseId": symbol.lower(), "symbol": f"{base}/{quote}", "base": base, "quote": quote,
        "baseId": base, "quoteId": quote, "type": "spot", "spot": True, "swap": False, "future": False,
        "option": False, "active": True, "contract": False, "precision": {"amount": 1e-6, "price": 1e-6}, "info": {},
    })  # fmt: skip
    return market
