"""The demo's market: what tokens are worth, and the venues and pools that follow, each with its own delay."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from demo.settings import SYMBOLS
from demo.venues.server import Venue
from demo.world.deploy import LRT_RATE_WAD, WDIVETH_RATE_WAD
from demo.world.trader import Trader

_WAD = 10**18
_TICK_S = 0.25
_POOL_TICK_S = 1.0
_POOLS = {"wdivETH/ETH": "wdiveth", "demoLRT/ETH": "demolrt"}
_DELAY_S = {"coinbase": 1.0, "kraken": 2.0, "binance": 3.0}
"""How far a venue is behind the market."""
_VOLUME = Decimal(1200)
_PLACES = Decimal("0.00001")


@dataclass(slots=True)
class DemoMarket:
    """Market prices by pair, in quote units; scenarios change them, everything else follows.

    Args:
        trader: moves the pools by real swaps.
        venues: the local exchanges.
        seed: of the noise.
    """

    trader: Trader
    venues: Mapping[str, Venue]
    seed: int = 1
    prices: dict[str, Decimal] = field(default_factory=dict)
    overrides: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    _recent: dict[tuple[str, str], list[tuple[float, Decimal]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.prices = {
            "ETH/USD": Decimal(2000),
            "USDT/USD": Decimal("0.9996"),
            "wdivETH/ETH": Decimal(WDIVETH_RATE_WAD) / _WAD,
            "demoLRT/ETH": Decimal(LRT_RATE_WAD) / _WAD,
        }

    async def run_venues(self) -> None:
        """Keep every venue's book at the market of a moment ago, with a little noise."""
        rng = random.Random(self.seed)
        loop = asyncio.get_running_loop()
        while True:
            now_s = loop.time()
            for name, venue in self.venues.items():
                for pair, symbol in SYMBOLS[name].items():
                    mid = self._mid(name, pair, now_s)
                    noise = Decimal(rng.randrange(-3, 4)) / Decimal(100_000)
                    mid = mid * (1 + noise)
                    half = mid * Decimal("0.0002")
                    bid, ask = (mid - half).quantize(_PLACES), (mid + half).quantize(_PLACES)
                    venue.set_quote(symbol, bid, ask, mid.quantize(_PLACES), _VOLUME)
            await asyncio.sleep(_TICK_S)

    async def run_pools(self) -> None:
        """Let arbitrage move every pool to the market once a second, by real swaps."""
        while True:
            for pair, token in _POOLS.items():
                target = int(self.prices[pair] * _WAD)
                for pool in (f"{token}_uniswap", f"{token}_balancer"):
                    spot = await self.trader.spot(pool)
                    if abs(spot - target) * 10_000 > 5 * target:
                        await self.trader.move(pool, target)
                    else:
                        await self.trader.noise(pool, 2)
            await self.trader.settle()
            await asyncio.sleep(_POOL_TICK_S)

    def _mid(self, venue: str, pair: str, now_s: float) -> Decimal:
        override = self.overrides.get((venue, pair))
        if override is not None:
            return override
        price = self.prices["ETH/USD"] / self.prices["USDT/USD"] if pair == "ETH/USDT" else self.prices[pair]
        recent = self._recent.setdefault((venue, pair), [])
        recent.append((now_s, price))
        while len(recent) > 1 and recent[1][0] <= now_s - _DELAY_S[venue]:
            recent.pop(0)
        return recent[0][1]
