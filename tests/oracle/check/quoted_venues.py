"""Local exchanges that quote what a config under check lists, so that the check finds every source answering."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from demo.venues.server import Venue


def show(venue: Venue, symbol: str, price: str) -> None:
    """Quote a symbol around a price."""
    mid = Decimal(price)
    venue.set_quote(symbol, mid - Decimal("0.01"), mid + Decimal("0.01"), mid, Decimal("12.5"))


def venues_table(venues: Mapping[str, Venue]) -> dict[str, Any]:
    """The config's [venues] over them."""
    return {n: {"ws_url": v.ws_url, "rest_url": v.rest_url} for n, v in venues.items()}


@asynccontextmanager
async def quoting(prices: Mapping[str, Mapping[str, str]]) -> AsyncIterator[dict[str, Venue]]:
    """Exchanges by name, with these prices by symbol."""
    venues = {n: Venue(n) for n in prices}
    for name, venue in venues.items():
        await venue.start()
        for symbol, price in prices[name].items():
            show(venue, symbol, price)
    try:
        yield venues
    finally:
        for venue in venues.values():
            await venue.stop()
