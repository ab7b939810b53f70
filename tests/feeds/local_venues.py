"""What the tests of feeds share beside fixtures: symbols, clocks, and waiting for something to happen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal

from demo.venues import Venue

SYMBOLS = {"binance": "ETHUSDT", "coinbase": "ETH-USD", "kraken": "ETH/USD"}


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def quote(venue: Venue, price: str) -> None:
    """Show a book of one tick around the price."""
    mid = Decimal(price)
    venue.set_quote(SYMBOLS[venue.name], mid - Decimal("0.01"), mid + Decimal("0.01"), mid, Decimal("12.5"))


async def until(condition: Callable[[], object], *, within_s: float = 10.0) -> None:
    """Wait until the condition holds; fails the test if it does not."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.002)
